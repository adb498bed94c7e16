#include "learner/conduct.h"

#include <stdlib.h>

#include "base/row_index.h"

struct row {
    uint32_t actor;
    uint64_t incarnation, accepted; /* training slices of this incarnation */
    bool owes;
    int weight; /* of strikes */
};

struct conduct {
    struct row rows[PROTOCOL_ACTORS_MAX];
    struct row_index *by_actor;
    int n, oldest; /* oldest: whose row the next actor gets when all are taken */
};

int conduct_create(struct conduct **conduct)
{
    *conduct = calloc(1, sizeof **conduct);
    if (*conduct && !row_index_create(&(*conduct)->by_actor, PROTOCOL_ACTORS_MAX))
        return 0;
    free(*conduct);
    *conduct = NULL;
    return ERR_NOMEM;
}

void conduct_destroy(struct conduct **conduct)
{
    if (*conduct)
        row_index_destroy(&(*conduct)->by_actor);
    free(*conduct);
    *conduct = NULL;
}

static struct row *row_of(struct conduct *conduct, uint32_t actor)
{
    int at = row_index_first(conduct->by_actor, actor);
    if (at >= 0)
        return &conduct->rows[at];
    if (conduct->n < PROTOCOL_ACTORS_MAX)
        at = conduct->n++;
    else {
        at = conduct->oldest++ % PROTOCOL_ACTORS_MAX;
        row_index_drop(conduct->by_actor, at);
    }
    conduct->rows[at] = (struct row){.actor = actor};
    row_index_put(conduct->by_actor, at, actor);
    return &conduct->rows[at];
}

bool conduct_accepted(struct conduct *conduct, const struct admission *admission, uint32_t actor, uint64_t incarnation)
{
    struct row *row = row_of(conduct, actor);
    if (row->incarnation != incarnation) {
        row->incarnation = incarnation;
        row->accepted = 0;
    }
    row->weight -= row->weight > 0;
    return admission_audits(admission, actor, incarnation, row->accepted++) || row->owes;
}

bool conduct_owes(struct conduct *conduct, uint32_t actor, bool owes)
{
    struct row *row = row_of(conduct, actor);
    bool is_news = row->owes != owes;
    row->owes = owes;
    return is_news;
}

bool conduct_rejected(struct conduct *conduct, uint32_t actor)
{
    struct row *row = row_of(conduct, actor);
    row->weight += CONDUCT_STRIKE;
    return row->weight > CONDUCT_STRIKE * (CONDUCT_STRIKES_MAX - 1);
}
