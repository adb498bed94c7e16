/* The nets of the last few weights versions, made ready for acting: for re-scoring what actors did with them. Not for threads. */
#ifndef TESTUDO_LEARNER_READY_NETS_H
#define TESTUDO_LEARNER_READY_NETS_H

#include "net/net.h"
#include "wire/weights.h"

struct ready_nets;
MUST_USE int ready_nets_create(struct ready_nets **nets, int versions); /* as many are kept, the last used ones */
void ready_nets_destroy(struct ready_nets **nets);
/* Makes this version the one that find looks in, with scratch for `rows` rows of any of its nets. ERR_NOMEM, or ERR_STATE for a net
 * whose numbers do not fit its architecture. */
MUST_USE int ready_nets_take(struct ready_nets *nets, const struct weights *weights, int rows, struct err *err);
/* Borrowed until another version is taken; NULL when it has none of that name. */
const struct net_weights *ready_nets_find(const struct ready_nets *nets, const char *id);
struct arena *ready_nets_scratch(struct ready_nets *nets);

#endif
