/* The nets of a weights version made ready for acting, kept by content hash so that an unchanged net is never prepared again. */
#ifndef TESTUDO_ACTOR_NETS_H
#define TESTUDO_ACTOR_NETS_H

#include "net/net.h"
#include "wire/weights.h"

struct nets {
    int count;
    struct {
        char id[32];
        struct hash content;
        struct net_arch arch;
        struct net_weights *weights;
    } entries[WEIGHTS_NETS_MAX];
};

void nets_deinit(struct nets *nets); /* safe on a zeroed struct */

/* Makes `nets` hold exactly the nets of this version. ERR_MISMATCH or ERR_RANGE with the net's name: then the version cannot be
 * acted with. */
MUST_USE int nets_update(struct nets *nets, const struct weights *weights, struct err *err);

/* NULL when the version has no net of that name. */
const struct net_weights *nets_find(const struct nets *nets, const char *id);

/* Bytes of scratch that acting with any of them takes for `rows` rows. */
size_t nets_scratch(const struct nets *nets, int rows);
/* The same for acting and gradients with respect to the input. */
size_t nets_gradient_scratch(const struct nets *nets, int rows);

#endif
