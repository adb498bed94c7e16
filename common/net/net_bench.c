#include "net/net_bench.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifndef TESTUDO_DOUBLE
#include <cblas.h>
#endif

#include "base/clock.h"
#include "base/pool.h"
#include "base/rng.h"
#include "net/adam.h"
#include "net/net.h"

#define BLOCK 512 /* rows on a tape at once: activations of width 128 stay in the second-level cache */
#define PARTS 4   /* a batch's fixed split for threads; gradients of parts are added in order */
#define SAMPLES_MAX 4096

/* ---- measuring ---- */

struct samples {
    int count;
    float us[SAMPLES_MAX];
};

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double median(struct samples *s)
{
    qsort(s->us, (size_t)s->count, sizeof(s->us[0]), compare_floats);
    return (double)s->us[s->count / 2];
}

void net_bench_measure(double seconds, int n_sides, net_bench_body *const *sides, void *context, double *us)
{
    static const int least = 5;
    struct samples *s = calloc((size_t)n_sides, sizeof(*s));
    ASSERT(s);
    for (int side = 0; side < n_sides; side++)
        sides[side](context);
    monotonic_us start = clock_us();
    for (int i = 0; i < SAMPLES_MAX && (i < least || clock_seconds_since(start) < seconds); i++) {
        for (int side = 0; side < n_sides; side++) {
            monotonic_us begin = clock_us();
            sides[side](context);
            s[side].us[s[side].count++] = (float)(clock_us() - begin);
        }
    }
    for (int side = 0; side < n_sides; side++)
        us[side] = median(&s[side]);
    free(s);
}

/* ---- a learner step ---- */

struct part {
    struct tape *tape;
    real *gradient;
};

struct learner {
    struct net_arch arch;
    int T, B, chunk; /* rows = T * B; a block is `chunk` sequences of T steps, or chunk rows when T is 1 */
    size_t count;
    struct net_weights *weights;
    struct adam adam;
    real *w, *x, *target, *weight;
    struct part parts[PARTS];
    struct pool *pool;
    real *products; /* scratch of the sgemm side: [2,rows,3*widest] and one gradient */
};

static real *random_numbers(size_t count, uint32_t name)
{
    struct rng rng = rng_stream(1, RNG_TEST, name, 0, 0);
    real *x = aligned_alloc(ARENA_ALIGN, (count * sizeof(real) + 63) & ~(size_t)63);
    ASSERT(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (real)rng_normal(&rng);
    return x;
}

static int widest(const struct net_arch *a)
{
    int width = a->in > a->hidden ? a->in : a->hidden;
    return width > a->out ? width : a->out;
}

static void learner_open(struct learner *l, const struct net_arch *arch, int T, int B, int chunk)
{
    *l = (struct learner){.arch = *arch, .T = T, .B = B, .chunk = chunk, .count = net_parameter_count(arch)};
    size_t rows = (size_t)T * (size_t)B;
    l->w = random_numbers(l->count, 1);
    net_init(arch, 1, 0, 1, l->w);
    l->x = random_numbers(rows * (size_t)arch->in, 2);
    l->target = random_numbers(rows * (size_t)arch->out, 3);
    l->weight = random_numbers(rows, 4);
    for (size_t r = 0; r < rows; r++)
        l->weight[r] = 1 / (real)rows;
    l->products = random_numbers(6 * rows * (size_t)widest(arch) + l->count, 5);
    ASSERT(net_weights_create(&l->weights, arch) == 0 && adam_init(&l->adam, l->count, 0.9, 0.999, 1e-5) == 0);
    net_weights_set(l->weights, l->w);
    size_t block = (size_t)T * (size_t)chunk * (size_t)widest(arch) * sizeof(real);
    for (int p = 0; p < PARTS; p++) {
        ASSERT(tape_create(&l->parts[p].tape, 24 * block + ((size_t)1 << 20), 32) == 0);
        l->parts[p].gradient = random_numbers(l->count, 6);
    }
}

static void learner_close(struct learner *l)
{
    for (int p = 0; p < PARTS; p++) {
        tape_destroy(&l->parts[p].tape);
        free(l->parts[p].gradient);
    }
    pool_destroy(&l->pool);
    net_weights_destroy(&l->weights);
    adam_deinit(&l->adam);
    free(l->w), free(l->x), free(l->target), free(l->weight), free(l->products);
}

/* Rows [row, row + rows) forward and backward. */
static void learner_block(struct learner *l, struct part *part, size_t row, int rows)
{
    struct tape *tape = part->tape;
    tape_begin(tape);
    struct node *x = tape_input(tape, rows, l->arch.in, l->x + row * (size_t)l->arch.in, false);
    struct node *y = net_forward(tape, l->weights, part->gradient, x, l->T, rows / l->T, NULL, NULL, NULL);
    tape_squared_loss(tape, y, l->target + row * (size_t)l->arch.out, l->weight + row);
    tape_backward(tape);
}

static void learner_part(void *context, int job, int thread)
{
    (void)thread;
    struct learner *l = context;
    struct part *part = &l->parts[job];
    memset(part->gradient, 0, sizeof(real) * l->count);
    int first = job * l->B / PARTS, end = (job + 1) * l->B / PARTS;
    for (int b = first; b < end; b += l->chunk) {
        int n = end - b < l->chunk ? end - b : l->chunk;
        learner_block(l, part, (size_t)b * (size_t)l->T, n * l->T);
    }
}

static void learner_apply(struct learner *l)
{
    real *sum = l->parts[0].gradient;
    for (int p = 1; p < PARTS; p++)
        for (size_t i = 0; i < l->count; i++)
            sum[i] += l->parts[p].gradient[i];
    ASSERT(adam_step(&l->adam, 1e-5, 10, sum, l->w, NULL) == 0);
    net_weights_set(l->weights, l->w);
}

static void learner_step(void *context)
{
    struct learner *l = context;
    for (int p = 0; p < PARTS; p++)
        learner_part(l, p, 0);
    learner_apply(l);
}

static void learner_step_threads(void *context)
{
    struct learner *l = context;
    pool_run(l->pool, PARTS, learner_part, l);
    learner_apply(l);
}

/* ---- the same products in pure sgemm ---- */

/* forward, weight gradient and (where a layer is not the first) input gradient of a linear layer over M rows */
static void blas_linear(struct learner *l, int M, int in, int out, bool input_gradient)
{
#ifdef TESTUDO_DOUBLE
    (void)l, (void)M, (void)in, (void)out, (void)input_gradient;
#else
    real *a = l->products, *c = a + 3 * (size_t)M * (size_t)widest(&l->arch), *g = c + 3 * (size_t)M * (size_t)widest(&l->arch);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, out, in, 1, a, in, l->w, out, 0, c, out);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, in, out, M, 1, a, in, c, out, 0, g, out);
    if (input_gradient)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, in, out, 1, c, out, l->w, out, 0, a, in);
#endif
}

/* The products with Wh step by step, forward and back, and their weight gradient at once. */
static void blas_recurrent(struct learner *l, int T, int B, int H)
{
#ifdef TESTUDO_DOUBLE
    (void)l, (void)T, (void)B, (void)H;
#else
    real *a = l->products, *c = a + 3 * (size_t)T * (size_t)B * (size_t)widest(&l->arch);
    real *g = c + 3 * (size_t)T * (size_t)B * (size_t)widest(&l->arch);
    for (int t = 0; t < T; t++) {
        real *at = a + (size_t)t * (size_t)B * (size_t)H, *ct = c + (size_t)t * (size_t)B * (size_t)(3 * H);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, B, 3 * H, H, 1, at, H, l->w, 3 * H, 0, ct, 3 * H);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, B, H, 3 * H, 1, ct, 3 * H, l->w, 3 * H, 0, at, H);
    }
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, H, 3 * H, T * B, 1, a, H, c, 3 * H, 0, g, 3 * H);
#endif
}

static void products_of(struct learner *l, int B)
{
    const struct net_arch *a = &l->arch;
    int rows = l->T * B, width = a->in;
    for (int d = 0; d < a->depth; d++, width = a->hidden)
        blas_linear(l, rows, width, a->hidden, d > 0);
    if (a->gru) {
        blas_linear(l, rows, width, 3 * a->hidden, a->depth > 0);
        blas_recurrent(l, l->T, B, a->hidden);
        width = a->hidden;
    }
    blas_linear(l, rows, width, a->out, true);
}

static void products_whole(void *context)
{
    struct learner *l = context;
    products_of(l, l->B);
}

static void products_in_blocks(void *context)
{
    struct learner *l = context;
    for (int b = 0; b < l->B; b += l->chunk)
        products_of(l, l->B - b < l->chunk ? l->B - b : l->chunk);
}

/* ---- rows ---- */

struct table {
    struct net_bench_row *rows;
    int count;
};

static void table_add(struct table *t, const char *name, const char *unit, double value, double must, double aim, int higher)
{
    ASSERT(t->count < NET_BENCH_ROWS);
    t->rows[t->count++] = (struct net_bench_row){name, unit, value, must, aim, higher};
}

struct learner_bench {
    const char *ratio_name, *time_name;
    struct net_arch arch;
    int T, B, chunk;
    double must, aim;
};

static const struct learner_bench learner_benches[] = {
    {"mlp 64-128x3-6, batch 4000: step / sgemm",
     "mlp batch 4000",
     {64, 128, 3, 6, ACTIVATION_RELU, 0, 0, 0},
     1,
     4000,
     BLOCK,
     1.10,
     0.95},
    {"mlp 64-128x3-6, batch 16000: step / sgemm",
     "mlp batch 16000",
     {64, 128, 3, 6, ACTIVATION_RELU, 0, 0, 0},
     1,
     16000,
     BLOCK,
     1.10,
     0.95},
    {"mlp with LayerNorm, batch 4000: step / sgemm",
     "mlp LayerNorm batch 4000",
     {64, 128, 3, 6, ACTIVATION_RELU, 1, 1, 0},
     1,
     4000,
     BLOCK,
     1.35,
     1.15},
    {"mlp with LayerNorm, batch 16000: step / sgemm",
     "mlp LayerNorm batch 16000",
     {64, 128, 3, 6, ACTIVATION_RELU, 1, 1, 0},
     1,
     16000,
     BLOCK,
     1.35,
     1.15},
    {"gru 64, 60 steps x 96: step / sgemm", "gru 60x96", {48, 64, 1, 9, ACTIVATION_RELU, 0, 0, 1}, 60, 96, 32, 1.30, 1.10},
};

static void bench_learner(const struct learner_bench *b, double seconds, struct table *t)
{
    static net_bench_body *const sides[] = {learner_step, products_whole, products_in_blocks};
    struct learner l;
    double us[3];
    learner_open(&l, &b->arch, b->T, b->B, b->chunk);
    net_bench_measure(seconds, 3, sides, &l, us);
    table_add(t, b->ratio_name, "ratio", us[0] / (us[1] < us[2] ? us[1] : us[2]), b->must, b->aim, 0);
    table_add(t, b->time_name, "us", us[0], 0, 0, 0);
    learner_close(&l);
}

static void bench_threads(double seconds, struct table *t)
{
    static net_bench_body *const sides[] = {learner_step, learner_step_threads};
    struct learner l;
    double us[2];
    learner_open(&l, &learner_benches[1].arch, 1, 16000, BLOCK);
    if (pool_create(&l.pool, 2) == 0) {
        net_bench_measure(seconds, 2, sides, &l, us);
        table_add(t, "mlp batch 16000: one thread / two threads", "ratio", us[0] / us[1], 1.7, 1.9, 1);
    }
    learner_close(&l);
}

struct acting {
    struct learner *l;
    struct arena scratch;
    real *out;
    int rows;
};

#define ACT_CALLS 50

static void act_calls(void *context)
{
    struct acting *a = context;
    for (int i = 0; i < ACT_CALLS; i++)
        net_act(a->l->weights, a->rows, a->l->x, NULL, a->out, &a->scratch);
}

static void bench_acting(double seconds, struct table *t)
{
    static const struct {
        const char *name;
        int rows;
        double must, aim;
    } batches[] = {
        {"mlp 64-128x3-6 acting, 1 row", 1, 2.0, 1.3},
        {"mlp 64-128x3-6 acting, 20 rows", 20, 28, 13},
        {"mlp 64-128x3-6 acting, 80 rows", 80, 0, 0},
        {"mlp 64-128x3-6 acting, 128 rows", 128, 95, 75},
    };
    static net_bench_body *const side[] = {act_calls};
    struct learner l;
    learner_open(&l, &learner_benches[0].arch, 1, 128, 128);
    struct acting a = {.l = &l, .out = random_numbers(128 * 6, 7)};
    ASSERT(arena_init(&a.scratch, "bench", net_act_scratch(&l.arch, 128)) == 0);
    for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
        double us;
        a.rows = batches[i].rows;
        net_bench_measure(seconds / (double)ARRAY_LEN(batches), 1, side, &a, &us);
        table_add(t, batches[i].name, "us", us / ACT_CALLS, batches[i].must, batches[i].aim, 0);
    }
    arena_deinit(&a.scratch);
    free(a.out);
    learner_close(&l);
}

struct cube {
    real *A, *B, *C, *room;
};
#define CUBE 512

static void cube_own(void *context)
{
    struct cube *c = context;
    product_own.nn(CUBE, CUBE, CUBE, c->A, product_own.prepare(CUBE, CUBE, c->B, c->room), NULL, PRODUCT_SET, c->C);
}

static void cube_blas(void *context)
{
    struct cube *c = context;
    product_blas.nn(CUBE, CUBE, CUBE, c->A, c->B, NULL, PRODUCT_SET, c->C);
}

static void bench_products(double seconds, struct table *t)
{
    static net_bench_body *const sides[] = {cube_own, cube_blas};
    struct cube c = {random_numbers(CUBE * CUBE, 1), random_numbers(CUBE * CUBE, 2), random_numbers(CUBE * CUBE, 3),
                     random_numbers(CUBE * CUBE, 4)};
    double us[2];
    net_bench_measure(seconds, 2, sides, &c, us);
    table_add(t, "own product 512x512x512", "GFLOP/s", 2e-3 * CUBE * CUBE * CUBE / us[0], 0, 0, 1);
    table_add(t, "sgemm 512x512x512 as started", "GFLOP/s", 2e-3 * CUBE * CUBE * CUBE / us[1], 0, 0, 1);
    free(c.A), free(c.B), free(c.C), free(c.room);
}

double net_bench_sgemm(double seconds)
{
    static net_bench_body *const side[] = {cube_blas};
    struct cube c = {random_numbers(CUBE * CUBE, 1), random_numbers(CUBE * CUBE, 2), random_numbers(CUBE * CUBE, 3), NULL};
    double us;
    net_bench_measure(seconds, 1, side, &c, &us);
    free(c.A), free(c.B), free(c.C);
    return 2e-3 * CUBE * CUBE * CUBE / us;
}

int net_bench(double seconds, struct net_bench_row rows[NET_BENCH_ROWS])
{
    struct table t = {.rows = rows};
    double share = seconds / (double)(ARRAY_LEN(learner_benches) + 3);
    bench_products(share, &t);
    for (size_t i = 0; i < ARRAY_LEN(learner_benches); i++)
        bench_learner(&learner_benches[i], share, &t);
    bench_threads(share, &t);
    bench_acting(share, &t);
    return t.count;
}
