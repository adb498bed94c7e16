#include "wire/role.h"

#include <string.h>

#define MAY(kind) (1u << MESSAGE_##kind)

static const char *const names[ROLES] = {
    [ROLE_LEARNER] = "learner", [ROLE_ACTOR] = "actor", [ROLE_OBSERVER] = "observer", [ROLE_BROKER] = "broker"};

/* Whoever is admitted may read statistics. */
static const unsigned rights[ROLES] = {
    [ROLE_LEARNER] = MAY(LEARNER_HELLO) | MAY(FETCH) | MAY(CHUNK) | MAY(PUBLISH) | MAY(ORDERS) | MAY(FATES) | MAY(STATS) | MAY(BYE),
    [ROLE_ACTOR] = MAY(ACTOR_HELLO) | MAY(TRAJECTORY) | MAY(FETCH) | MAY(STATS) | MAY(BYE),
    [ROLE_OBSERVER] = MAY(STATS),
    [ROLE_BROKER] = 0,
};

const char *role_name(enum role role)
{
    return names[role];
}

int role_parse(const char *name, enum role *role)
{
    for (int i = 0; i < ROLES; i++)
        if (!strcmp(name, names[i])) {
            *role = (enum role)i;
            return 0;
        }
    return ERR_UNKNOWN;
}

bool role_may_send(enum role role, enum message_kind kind)
{
    return rights[role] >> kind & 1;
}
