/* Roles: what the holder of a key may say to a broker. */
#ifndef TESTUDO_WIRE_ROLE_H
#define TESTUDO_WIRE_ROLE_H

#include "wire/envelope.h"

enum role {
    ROLE_LEARNER,  /* steers: weights, orders, fates */
    ROLE_ACTOR,    /* sends trajectories and fetches weights; a relay is one for all actors behind it */
    ROLE_OBSERVER, /* asks for statistics */
    ROLE_BROKER,   /* no client's: the key that a broker shows itself with */
    ROLES,
};
#define ROLE_CLIENTS ROLE_BROKER /* roles below this one may be admitted */

const char *role_name(enum role role); /* "learner" */
/* ERR_UNKNOWN when there is no such role. */
MUST_USE int role_parse(const char *name, enum role *role);
bool role_may_send(enum role role, enum message_kind kind);

#endif
