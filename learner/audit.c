#include "learner/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct audits {
    const struct schema *schema;
    int N;
    struct audit audit[AUDITS_MAX];
    size_t bytes; /* of all frames */
};

int audits_create(struct audits **audits, const struct schema *schema, int N)
{
    *audits = calloc(1, sizeof **audits);
    if (!*audits)
        return ERR_NOMEM;
    (*audits)->schema = schema;
    (*audits)->N = N;
    return 0;
}

void audits_destroy(struct audits **audits)
{
    int at = 0;
    if (!*audits)
        return;
    for (struct audit *audit; (audit = audits_next(*audits, &at));)
        audits_forget(*audits, &audit);
    ASSERT((*audits)->bytes == 0);
    free(*audits);
    *audits = NULL;
}

struct audit *audits_next(struct audits *audits, int *at)
{
    while (*at < AUDITS_MAX) {
        struct audit *audit = &audits->audit[(*at)++];
        if (audit->is_used)
            return audit;
    }
    return NULL;
}

int audits_open(const struct audits *audits)
{
    int n = 0;
    for (int i = 0; i < AUDITS_MAX; i++)
        n += audits->audit[i].is_used;
    return n;
}

static struct audit *find(struct audits *audits, const struct trajectory *t)
{
    int at = 0;
    for (struct audit *audit; (audit = audits_next(audits, &at));) {
        const struct trajectory *first = &audit->answers[0].t;
        if (first->lane == t->lane && first->slice == t->slice && !weights_version_compare(first->version, t->version))
            return audit;
    }
    return NULL;
}

static int keep(struct audits *audits, struct audit *audit, uint32_t actor, uint64_t incarnation, const struct trajectory *answer)
{
    struct audited *kept = &audit->answers[audit->n_answers];
    if (audits->bytes + answer->bytes > AUDIT_BYTES)
        return ERR_LIMIT;
    unsigned char *frame = malloc(answer->bytes + 1);
    if (!frame)
        return ERR_NOMEM;
    memcpy(frame, answer->frame, answer->bytes);
    *kept = (struct audited){actor, incarnation, *answer};
    kept->t.frame = frame;
    kept->t.capacity = answer->bytes;
    audits->bytes += answer->bytes;
    audit->n_answers++;
    return 0;
}

static int fill(struct audits *audits, struct audit *audit, const struct audited *first, struct weights *weights,
                const void *snapshot, uint32_t snapshot_bytes)
{
    if (snapshot_bytes && !(audit->snapshot = malloc(snapshot_bytes)))
        return ERR_NOMEM;
    int r = keep(audits, audit, first->actor, first->incarnation, &first->t);
    if (r) {
        free(audit->snapshot);
        *audit = (struct audit){0};
        return r;
    }
    if (snapshot_bytes)
        memcpy(audit->snapshot, snapshot, snapshot_bytes);
    audit->snapshot_bytes = snapshot_bytes;
    audit->is_used = true;
    audit->weights = weights_ref(weights);
    return 0;
}

int audits_begin(struct audits *audits, uint32_t actor, uint64_t incarnation, const struct trajectory *answer,
                 struct weights *weights, const void *snapshot, uint32_t snapshot_bytes)
{
    const struct audited first = {actor, incarnation, *answer};
    if (find(audits, answer))
        return ERR_DUPLICATE;
    for (int i = 0; i < AUDITS_MAX; i++)
        if (!audits->audit[i].is_used)
            return fill(audits, &audits->audit[i], &first, weights, snapshot, snapshot_bytes);
    return ERR_LIMIT;
}

void audits_drop(struct audits *audits, const struct trajectory *answer)
{
    struct audit *audit = find(audits, answer);
    if (audit)
        audits_forget(audits, &audit);
}

void audits_forget(struct audits *audits, struct audit **audit)
{
    for (int i = 0; i < (*audit)->n_answers; i++) {
        audits->bytes -= (*audit)->answers[i].t.bytes;
        free((*audit)->answers[i].t.frame);
    }
    free((*audit)->snapshot);
    weights_unref(&(*audit)->weights);
    **audit = (struct audit){0};
    *audit = NULL;
}

/* ---- comparing ---- */

static bool differs(struct misfit *misfit, const char *field, int64_t expected, int64_t found)
{
    if (expected == found)
        return false;
    *misfit = (struct misfit){.t = -1, .agent = -1};
    snprintf(misfit->field, sizeof misfit->field, "%s", field);
    snprintf(misfit->expected, sizeof misfit->expected, "%" PRId64, expected);
    snprintf(misfit->found, sizeof misfit->found, "%" PRId64, found);
    return true;
}

/* The step that a row belongs to: for episodes and the snapshot, what the slice ends with. */
static int step_of(const struct schema *schema, const struct column *column, const struct trajectory *t, int row)
{
    if (column->span == SPAN_STEP || column->span == SPAN_STEP_NEXT)
        return row;
    return column->span == SPAN_CHUNK ? row * schema->chunk : t->steps;
}

/* Whose number it is, where a row has as many for every agent. */
static int agent_of(const struct column *column, int N, size_t at)
{
    bool is_of_agents = column->span != SPAN_SLICE && column->width % N == 0 && column->width > 1;
    return is_of_agents ? (int)(at / (size_t)(column->width / N)) : -1;
}

/* The first number of a column that differs, unless an earlier step is known. */
static void compare_column(const struct audits *audits, int c, const struct schema_layout *layout,
                           const struct trajectory *expected, const struct trajectory *found, struct misfit *misfit)
{
    const struct column *column = &audits->schema->columns[c];
    size_t size = misfit_number_bytes(column->type), bytes = (size_t)column->width * size;
    for (int row = 0; row < layout->rows[c]; row++) {
        const unsigned char *a = expected->frame + layout->start[c] + (size_t)row * bytes;
        const unsigned char *b = found->frame + layout->start[c] + (size_t)row * bytes;
        int step = step_of(audits->schema, column, found, row);
        if (misfit->field[0] && misfit->t <= step)
            return;
        if (!memcmp(a, b, bytes))
            continue;
        size_t at = 0;
        while (!memcmp(a + at * size, b + at * size, size))
            at++;
        *misfit = (struct misfit){.t = step, .agent = agent_of(column, audits->N, at)};
        snprintf(misfit->field, sizeof misfit->field, "%s", column->name);
        misfit_number(column->type, a, at, misfit->expected);
        misfit_number(column->type, b, at, misfit->found);
        return;
    }
}

bool audits_compare(const struct audits *audits, const struct trajectory *expected, const struct trajectory *found,
                    struct misfit *misfit)
{
    struct schema_layout layout;
    *misfit = (struct misfit){.t = -1, .agent = -1};
    if (differs(misfit, "steps", expected->steps, found->steps) ||
        differs(misfit, "episodes", expected->episodes, found->episodes) ||
        differs(misfit, "bytes", (int64_t)expected->bytes, (int64_t)found->bytes))
        return true;
    if (!memcmp(expected->frame, found->frame, expected->bytes))
        return false;
    schema_layout(audits->schema, expected->steps, expected->episodes, &layout);
    for (int c = 0; c < audits->schema->n_columns; c++)
        compare_column(audits, c, &layout, expected, found, misfit);
    return true;
}

/* ---- answers ---- */

static void take_second(struct audits *audits, uint32_t actor, uint64_t incarnation, const struct trajectory *answer,
                        struct audit_verdict *verdict)
{
    struct audit *audit = verdict->audit;
    bool is_different = audits_compare(audits, &audit->answers[0].t, answer, &verdict->misfit);
    verdict->result = AUDIT_SAME;
    if (is_different)
        verdict->result = keep(audits, audit, actor, incarnation, answer) ? AUDIT_UNDECIDED : AUDIT_DIFFERENT;
}

static void take_third(struct audits *audits, const struct trajectory *answer, struct audit_verdict *verdict)
{
    struct audit *audit = verdict->audit;
    struct misfit misfit[2];
    bool is_different[2];
    for (int i = 0; i < 2; i++)
        is_different[i] = audits_compare(audits, answer, &audit->answers[i].t, &misfit[i]);
    if (is_different[0] && is_different[1]) {
        verdict->result = AUDIT_UNDECIDED;
        return;
    }
    verdict->result = AUDIT_LIAR;
    verdict->liar = is_different[0] ? 0 : 1;
    verdict->misfit = misfit[verdict->liar];
}

void audits_take(struct audits *audits, uint32_t actor, uint64_t incarnation, const struct trajectory *answer,
                 struct audit_verdict *verdict)
{
    *verdict = (struct audit_verdict){.result = AUDIT_UNKNOWN, .audit = find(audits, answer)};
    if (!verdict->audit)
        return;
    if (verdict->audit->n_answers == 1)
        take_second(audits, actor, incarnation, answer, verdict);
    else
        take_third(audits, answer, verdict);
}
