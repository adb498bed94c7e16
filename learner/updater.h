/* One optimiser step over many rows, split into blocks over the cores, with the same bits for any number of cores.
 *
 * Items (rows, or sequences) are cut into blocks; block k belongs to shard k mod UPDATER_SHARDS. A shard's blocks run in order and
 * add to the shard's own gradient; shards are summed in order. Which thread runs a shard does not matter. Blocks are small enough
 * for all activations of a block to stay in the second-level cache. */
#ifndef TESTUDO_LEARNER_UPDATER_H
#define TESTUDO_LEARNER_UPDATER_H

#include "base/pool.h"
#include "learner/model.h"

enum { UPDATER_SHARDS = 8, UPDATER_STATS = 8, UPDATER_THREADS_MAX = 64, UPDATER_MODELS_MAX = 16 };

struct updater {
    struct pool *pool; /* owned */
    struct tape *tapes[UPDATER_THREADS_MAX];
    struct arena scratch[UPDATER_THREADS_MAX];
    real *gradients[UPDATER_SHARDS]; /* [capacity]; gradients[0] holds the sum after a step */
    size_t capacity;
    int64_t skipped; /* steps left out because a loss or gradient was not finite */
};

/* What a block function gets. Everything is valid during the call. */
struct block {
    struct tape *tape;     /* begun */
    struct arena *scratch; /* empty */
    const struct net_weights *weights;
    real *gradient;                      /* to add to; pass to net_forward */
    real *gradients[UPDATER_MODELS_MAX]; /* the same of each model of a joint step; NULL beyond */
    int first, count;                    /* items first..first+count-1 */
    double *stats;                       /* [UPDATER_STATS] of the shard: sums, to add to */
};
typedef void updater_block(void *context, struct block *block);

struct updater_result {
    double loss, norm;           /* sum over blocks; gradient norm before clipping */
    double stats[UPDATER_STATS]; /* summed over shards in order */
    bool is_skipped;
};

/* capacity: parameters of the largest net, or of all nets of the largest joint step. tape_bytes: of one thread's tape. */
MUST_USE int updater_init(struct updater *updater, int n_threads, size_t capacity, size_t tape_bytes, size_t scratch_bytes,
                          struct err *err);
void updater_deinit(struct updater *updater);

/* Records and differentiates all blocks, then steps the optimiser. A non-finite loss or gradient leaves the model as it was,
 * sets is_skipped and raises `skipped`. Allocates nothing. */
void updater_step(struct updater *updater, struct model *model, double lr, double max_norm, int n_items, int block_items,
                  updater_block *function, void *context, struct updater_result *result);

/* The same for n models that one loss trains, each with its own optimiser; the gradient's norm is clipped over all of them. The block gets
 * the first model's weights and every model's gradient. */
void updater_step_joint(struct updater *updater, struct model *const *models, int n, double lr, double max_norm, int n_items,
                        int block_items, updater_block *function, void *context, struct updater_result *result);

/* Runs blocks without gradients (values of a critic): gradient in the block is NULL, the block function records nothing. */
void updater_forward(struct updater *updater, const struct model *model, int n_items, int block_items, updater_block *function,
                     void *context);

/* A safe tape size for blocks of `rows` rows of this net. */
size_t updater_tape_bytes(const struct net_arch *arch, int rows);

#endif
