/* A net that is being learned: architecture, numbers, optimiser, and the form that is ready for computing. */
#ifndef TESTUDO_LEARNER_MODEL_H
#define TESTUDO_LEARNER_MODEL_H

#include <stdbool.h>

#include "net/adam.h"
#include "net/net.h"
#include "net/value_norm.h"
#include "wire/weights.h"

enum optimiser { OPTIMISER_ADAM, OPTIMISER_RMSPROP };

struct model {
    char id[32]; /* policy id on the wire: "defender", "adversary", "belief", "critic" */
    struct net_arch arch;
    size_t count;
    real *w;                     /* [count] owned */
    struct adam adam;            /* RMSprop uses its v and beta2 */
    enum optimiser optimiser;    /* Adam unless the algorithm says otherwise */
    struct net_weights *weights; /* follows w after every step */
    bool is_published;           /* actors need it */
    bool is_frozen;              /* loaded from another run, never trained */
};

/* Initial weights are a pure function of (seed, id). */
MUST_USE int model_init(struct model *model, const char *id, const struct net_arch *arch, uint64_t seed, double head_gain,
                        bool is_published, struct err *err);
void model_deinit(struct model *model);  /* safe on a zeroed struct */
void model_changed(struct model *model); /* after w was written */
/* One step of its optimiser on gradient * scale, which is finite. */
void model_step(struct model *model, double lr, double scale, const real *gradient);
void model_init_uniform(struct model *model, uint64_t seed); /* net_init_uniform, a pure function of (seed, id) too */
/* w = share * w + (1 - share) * from, for targets; nets of one architecture. share 0 copies. */
void model_follow(struct model *model, const struct model *from, double share);

/* Adds the net, as floats, to a version under construction. ERR_NOMEM, or what weights_add_net refuses. */
MUST_USE int model_add_to(struct weights *weights, const struct model *model, struct err *err);

/* Everything that an algorithm learns, in an order that never changes in a run: what a checkpoint holds and a version publishes. */
#define MODELS_MAX 140
#define NORMS_MAX 72
#define STATES_MAX 8

/* Plain bytes that learning needs beside its nets (a ring of recent steps). They belong to the models, start as zeroes and
 * keep their place; a checkpoint holds them as they are. */
struct model_state {
    char id[32];
    void *data; /* [bytes] owned */
    size_t bytes;
    /* Whether bytes from a file may take their place; ERR_MISMATCH. NULL: any. */
    int (*check)(const void *context, const void *data, struct err *err);
    const void *context; /* borrowed, for check */
};

struct models {
    int count, n_norms, n_states;
    struct model model[MODELS_MAX];
    struct {
        char id[32];
        struct value_norm norm;
    } norms[NORMS_MAX];
    struct model_state states[STATES_MAX];
};

/* The new model, or NULL with the error set. */
struct model *models_add(struct models *models, const char *id, const struct net_arch *arch, uint64_t seed, double head_gain,
                         bool is_published, struct err *err);
struct value_norm *models_add_norm(struct models *models, const char *id, double beta, struct err *err);
struct model_state *models_add_state(struct models *models, const char *id, size_t bytes, struct err *err);
struct model *models_find(struct models *models, const char *id); /* NULL when absent */
void models_deinit(struct models *models);

#endif
