#include "learner/updater.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct work {
    struct updater *updater;
    struct model *const *models;
    int n_models;
    size_t count; /* parameters of all models */
    const struct net_weights *weights;
    int n_items, block_items, n_blocks;
    bool has_gradient;
    updater_block *function;
    void *context;
    double losses[UPDATER_SHARDS];
    double stats[UPDATER_SHARDS][UPDATER_STATS];
};

size_t updater_tape_bytes(const struct net_arch *arch, int rows)
{
    size_t widths = (size_t)arch->in * 3 + (size_t)arch->hidden * ((size_t)arch->depth * 4 + 2) + (size_t)arch->out * 8 + 64;
    if (arch->gru)
        widths += (size_t)arch->hidden * 24;
    return (size_t)rows * widths * 2 * sizeof(real) + ((size_t)1 << 20);
}

int updater_init(struct updater *updater, int n_threads, size_t capacity, size_t tape_bytes, size_t scratch_bytes, struct err *err)
{
    *updater = (struct updater){.capacity = capacity};
    if (n_threads < 1 || n_threads > UPDATER_THREADS_MAX)
        return err_set(err, ERR_RANGE, "learner.threads is %d, expected 1 to %d", n_threads, UPDATER_THREADS_MAX);
    int r = pool_create(&updater->pool, n_threads);
    for (int i = 0; i < n_threads && !r; i++)
        if (!(r = tape_create(&updater->tapes[i], tape_bytes, 256)))
            r = arena_init(&updater->scratch[i], "learner scratch", scratch_bytes);
    for (int i = 0; i < UPDATER_SHARDS && !r; i++)
        if (!(updater->gradients[i] = calloc(capacity, sizeof(real))))
            r = ERR_NOMEM;
    if (r) {
        updater_deinit(updater);
        return err_set(err, r, "no memory for the learner's tapes");
    }
    return 0;
}

void updater_deinit(struct updater *updater)
{
    for (int i = 0; i < UPDATER_THREADS_MAX; i++) {
        tape_destroy(&updater->tapes[i]);
        arena_deinit(&updater->scratch[i]);
    }
    for (int i = 0; i < UPDATER_SHARDS; i++)
        free(updater->gradients[i]);
    pool_destroy(&updater->pool);
    *updater = (struct updater){0};
}

static void run_block(struct work *work, int shard, int which, int thread)
{
    struct updater *updater = work->updater;
    int first = which * work->block_items;
    struct block block = {
        .tape = updater->tapes[thread],
        .scratch = &updater->scratch[thread],
        .weights = work->weights,
        .gradient = work->has_gradient ? updater->gradients[shard] : NULL,
        .first = first,
        .count = work->n_items - first < work->block_items ? work->n_items - first : work->block_items,
        .stats = work->stats[shard],
    };
    size_t start = 0;
    for (int m = 0; m < work->n_models; start += work->models[m]->count, m++)
        block.gradients[m] = block.gradient + start;
    size_t mark = arena_mark(block.scratch);
    if (work->has_gradient)
        tape_begin(block.tape);
    work->function(work->context, &block);
    if (work->has_gradient) {
        work->losses[shard] += tape_loss(block.tape);
        tape_backward(block.tape);
    }
    arena_release(block.scratch, mark);
}

static void run_shard(void *context, int shard, int thread)
{
    struct work *work = context;
    if (work->has_gradient)
        memset(work->updater->gradients[shard], 0, work->count * sizeof(real));
    for (int which = shard; which < work->n_blocks; which += UPDATER_SHARDS)
        run_block(work, shard, which, thread);
}

/* Sums a stretch of all shards' gradients into the first, in shard order. */
static void sum_stretch(void *context, int stretch, int thread)
{
    (void)thread;
    struct work *work = context;
    int shards = work->n_blocks < UPDATER_SHARDS ? work->n_blocks : UPDATER_SHARDS;
    size_t count = work->count, begin = count * (size_t)stretch / UPDATER_SHARDS,
           end = count * ((size_t)stretch + 1) / UPDATER_SHARDS;
    real *restrict sum = work->updater->gradients[0];
    for (int shard = 1; shard < shards; shard++) {
        const real *restrict part = work->updater->gradients[shard];
        for (size_t i = begin; i < end; i++)
            sum[i] += part[i];
    }
}

static void prepare(struct work *work, struct updater *updater, int n_items, int block_items, updater_block *function,
                    void *context)
{
    work->updater = updater;
    work->n_items = n_items;
    work->block_items = block_items;
    work->n_blocks = (n_items + block_items - 1) / block_items;
    work->function = function;
    work->context = context;
}

/* Clips over all models and steps each. False when the gradient is not finite. */
static bool step_models(const struct work *work, const real *gradient, double lr, double max_norm, double *norm)
{
    double square = 0, size = 0;
    const real *piece = gradient;
    for (int m = 0; m < work->n_models; piece += work->models[m]->count, m++) {
        size = gradient_norm(work->models[m]->count, piece);
        square += size * size;
    }
    *norm = work->n_models == 1 ? size : sqrt(square); /* a root of a square may lose a bit */
    if (!isfinite(*norm))
        return false;
    double scale = max_norm > 0 && *norm > max_norm ? max_norm / *norm : 1;
    piece = gradient;
    for (int m = 0; m < work->n_models; piece += work->models[m]->count, m++)
        model_step(work->models[m], lr, scale, piece);
    return true;
}

void updater_step_joint(struct updater *updater, struct model *const *models, int n, double lr, double max_norm, int n_items,
                        int block_items, updater_block *function, void *context, struct updater_result *result)
{
    struct work work = {.models = models, .n_models = n, .weights = models[0]->weights, .has_gradient = true};
    ASSERT(n >= 1 && n <= UPDATER_MODELS_MAX);
    for (int m = 0; m < n; m++)
        work.count += models[m]->count;
    prepare(&work, updater, n_items, block_items, function, context);
    *result = (struct updater_result){0};
    if (n_items == 0)
        return;
    ASSERT(work.count <= updater->capacity);
    pool_run(updater->pool, work.n_blocks < UPDATER_SHARDS ? work.n_blocks : UPDATER_SHARDS, run_shard, &work);
    pool_run(updater->pool, UPDATER_SHARDS, sum_stretch, &work);
    for (int shard = 0; shard < UPDATER_SHARDS; shard++) {
        result->loss += work.losses[shard];
        for (int i = 0; i < UPDATER_STATS; i++)
            result->stats[i] += work.stats[shard][i];
    }
    if (!isfinite(result->loss) || !step_models(&work, updater->gradients[0], lr, max_norm, &result->norm)) {
        result->is_skipped = true;
        updater->skipped++;
    }
}

void updater_step(struct updater *updater, struct model *model, double lr, double max_norm, int n_items, int block_items,
                  updater_block *function, void *context, struct updater_result *result)
{
    updater_step_joint(updater, &model, 1, lr, max_norm, n_items, block_items, function, context, result);
}

void updater_forward(struct updater *updater, const struct model *model, int n_items, int block_items, updater_block *function,
                     void *context)
{
    struct work work = {.weights = model->weights};
    prepare(&work, updater, n_items, block_items, function, context);
    if (work.n_blocks)
        pool_run(updater->pool, work.n_blocks < UPDATER_SHARDS ? work.n_blocks : UPDATER_SHARDS, run_shard, &work);
}
