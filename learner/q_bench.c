#include "learner/q_bench.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "learner/algorithm.h"
#include "net/net.h"

enum { N = 3, A = 9, O = 33, IN = O + A, S = 48, H = 64, E = 32, B = 32, T_MAX = 60 };

/* ---- our side ---- */

struct learning {
    const struct algorithm_ops *ops;
    struct algorithm *algorithm;
    struct batch batch; /* one lane, one episode a slice */
    struct batch_view view;
    struct progress progress;
    int shortest, longest; /* steps of the episodes that come in */
    float observation[(T_MAX + 1) * N * O], state[(T_MAX + 1) * N * S], reward[T_MAX * N];
    int32_t action[T_MAX * N], episode_step[T_MAX];
    uint8_t available[(T_MAX + 1) * N * A], alive[T_MAX * N], slot[T_MAX * N], terminated[T_MAX], truncated[T_MAX];
};

static void make_up(struct learning *l)
{
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(l->observation); i++)
        l->observation[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < ARRAY_LEN(l->state); i++)
        l->state[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < ARRAY_LEN(l->action); i++) {
        l->action[i] = (int32_t)rng_below(&rng, A);
        l->reward[i] = (float)rng_normal(&rng);
        l->alive[i] = 1;
    }
    memset(l->available, 1, sizeof l->available);
    for (int t = 0; t < T_MAX; t++)
        l->episode_step[t] = t;
    l->view = (struct batch_view){.observation = l->observation,
                                  .state = l->state,
                                  .available = l->available,
                                  .alive = l->alive,
                                  .action = l->action,
                                  .slot = l->slot,
                                  .reward = l->reward,
                                  .terminated = l->terminated,
                                  .truncated = l->truncated,
                                  .episode_step = l->episode_step,
                                  .final_observation = l->observation,
                                  .final_state = l->state,
                                  .final_available = l->available,
                                  .episodes = 1};
    l->batch.view = &l->view;
}

/* One episode comes in, and the update that is due for it is made. */
static void learn(void *context)
{
    struct learning *l = context;
    struct report report = {0};
    int length = l->shortest + (int)(l->view.slice % (uint64_t)(l->longest - l->shortest + 1));
    l->batch.shape.T = length;
    l->terminated[length - 1] = 1;
    l->ops->update(l->algorithm, &l->batch, &l->progress, &report);
    l->terminated[length - 1] = 0;
    l->view.slice++;
    l->progress.update++;
}

static int open_learning(struct learning *l, const char *threads, int shortest, struct err *err)
{
    static const char *const words[] = {"act.behaviour=epsilon", "act.recurrent=64", "act.last_action=true",
                                        "replay.episodes=64",    "q.batch=32",       "q.hidden=64"};
    struct spec spec = {.env = "made", .scenario = "3m", .N = N, .O = O, .S = S, .A = A, .horizon = T_MAX};
    spec_complete(&spec);
    l->batch.shape = (struct batch_shape){.L = 1, .T = T_MAX, .N = N, .O = O, .S = S, .A = A, .head = action_head_of(&spec)};
    l->shortest = shortest, l->longest = T_MAX;
    struct recipe *recipe = recipe_create();
    int r = recipe ? 0 : err_set(err, ERR_NOMEM, "no memory for a recipe");
    for (size_t i = 0; i < ARRAY_LEN(words) && !r; i++)
        r = recipe_set_argument(recipe, words[i], err);
    if (!r)
        r = recipe_set_argument(recipe, threads, err);
    if (!r)
        r = algorithm_find("qmix", &l->ops, err);
    struct algorithm_context context = {.recipe = recipe, .spec = &spec, .shape = &l->batch.shape, .seed = 1};
    if (!r)
        r = l->ops->create(&l->algorithm, &context, err);
    recipe_destroy(&recipe);
    if (r)
        return r;
    make_up(l);
    for (int i = 0; i < 64; i++) /* the replay is full of what it will hold */
        learn(l);
    return 0;
}

/* ---- the same products ---- */

struct products {
    int B, T; /* episodes at once and their length */
    int repeats;
    float *x, *y, *g, *w;
};

/* rows x in -> out: forward; with `learns` the weight gradient; with `passes` the input gradient. */
static void linear(const struct products *p, int rows, int in, int out, bool learns, bool passes)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, out, in, 1, p->x, in, p->w, out, 0, p->y, out);
    if (learns)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, in, out, rows, 1, p->x, in, p->y, out, 0, p->g, out);
    if (passes)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, in, out, 1, p->y, out, p->w, out, 0, p->x, in);
}

static void recurrent(const struct products *p, int sequences, int steps, bool learns)
{
    for (int t = 0; t < steps; t++) {
        float *h = p->x + (size_t)t * (size_t)sequences * H, *gates = p->y + (size_t)t * (size_t)sequences * 3 * H;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, sequences, 3 * H, H, 1, h, H, p->w, 3 * H, 0, gates, 3 * H);
        if (learns)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, sequences, H, 3 * H, 1, gates, 3 * H, p->w, 3 * H, 0, h, H);
    }
    if (learns)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, H, 3 * H, sequences * steps, 1, p->x, H, p->y, 3 * H, 0, p->g, 3 * H);
}

/* Live nets learn, late ones only answer. The first layer passes no gradient on. */
static void net_products(const struct products *p, bool learns)
{
    const int steps = p->T + 1, sequences = p->B * N, rows = steps * sequences, mixed = p->T * p->B;
    linear(p, rows, IN, H, learns, false);
    linear(p, rows, H, 3 * H, learns, learns);
    recurrent(p, sequences, steps, learns);
    linear(p, rows, H, A, learns, learns);
    linear(p, mixed, S, H, learns, false); /* w1 */
    linear(p, mixed, H, N * E, learns, learns);
    linear(p, mixed, S, E, learns, false); /* b1 */
    linear(p, mixed, S, H, learns, false); /* w2 */
    linear(p, mixed, H, E, learns, learns);
    linear(p, mixed, S, E, learns, false); /* v */
    linear(p, mixed, E, 1, learns, learns);
}

static void multiply(const struct products *p)
{
    for (int i = 0; i < p->repeats; i++) {
        net_products(p, true);
        net_products(p, false);
    }
}

/* ---- rows ---- */

enum { ALONE, WITH_TWO, OF_MANY_LENGTHS, LEARNERS };

struct sides {
    struct learning *learning[LEARNERS];
    struct products whole, in_blocks;
};

static void learn_alone(void *context)
{
    learn(((struct sides *)context)->learning[ALONE]);
}

static void learn_with_two(void *context)
{
    learn(((struct sides *)context)->learning[WITH_TWO]);
}

static void learn_of_many_lengths(void *context)
{
    learn(((struct sides *)context)->learning[OF_MANY_LENGTHS]);
}

static void multiply_whole(void *context)
{
    multiply(&((struct sides *)context)->whole);
}

static void multiply_in_blocks(void *context)
{
    multiply(&((struct sides *)context)->in_blocks);
}

static int open_products(struct sides *sides)
{
    const size_t rows = (size_t)(T_MAX + 1) * B * N;
    float *room = calloc(rows * (size_t)(6 * H) + 3 * H * H * 2, sizeof *room);
    if (!room)
        return ERR_NOMEM;
    struct products p = {.B = B, .T = T_MAX, .repeats = 1, .x = room};
    p.y = p.x + rows * 3 * H, p.g = p.y + rows * 3 * H, p.w = p.g + 3 * H * H;
    sides->whole = sides->in_blocks = p;
    sides->in_blocks.B = B / 8, sides->in_blocks.repeats = 8;
    return 0;
}

static void close_sides(struct sides *sides)
{
    for (int i = 0; i < LEARNERS; i++) {
        if (sides->learning[i] && sides->learning[i]->algorithm)
            sides->learning[i]->ops->destroy(&sides->learning[i]->algorithm);
        free(sides->learning[i]);
    }
    free(sides->whole.x);
}

static int open_sides(struct sides *sides, struct err *err)
{
    static const struct {
        const char *threads;
        int shortest;
    } learners[LEARNERS] = {[ALONE] = {"learner.threads=1", T_MAX},
                            [WITH_TWO] = {"learner.threads=2", T_MAX},
                            [OF_MANY_LENGTHS] = {"learner.threads=1", T_MAX / 3}};
    int r = open_products(sides);
    for (int i = 0; i < LEARNERS && !r; i++)
        r = (sides->learning[i] = calloc(1, sizeof *sides->learning[i])) ? 0 : ERR_NOMEM;
    if (r)
        err_set(err, r, "no memory for a batch");
    for (int i = 0; i < LEARNERS && !r; i++)
        r = open_learning(sides->learning[i], learners[i].threads, learners[i].shortest, err);
    return r;
}

int q_bench(double seconds, struct net_bench_row rows[Q_BENCH_ROWS], struct err *err)
{
    static net_bench_body *const all[] = {learn_alone, multiply_whole, multiply_in_blocks, learn_with_two, learn_of_many_lengths};
    struct sides sides = {0};
    double us[ARRAY_LEN(all)];
    int n = 0, r = open_sides(&sides, err);
    if (!r) {
        net_bench_measure(seconds, ARRAY_LEN(all), all, &sides, us);
        double products = us[1] < us[2] ? us[1] : us[2];
        rows[n++] = (struct net_bench_row){"update 32 x 60 of 3m / sgemm of its products", "ratio", us[0] / products, 1.5, 1.2, 0};
        rows[n++] = (struct net_bench_row){"update 32 x 60 of 3m, one thread", "us", us[0], 0, 0, 0};
        rows[n++] = (struct net_bench_row){"its products in sgemm", "us", products, 0, 0, 0};
        rows[n++] = (struct net_bench_row){"update 32 x 60 of 3m, two threads", "us", us[3], 0, 0, 0};
        rows[n++] = (struct net_bench_row){
            "update of 20 to 60 steps / of 60 (all steps: 1; real ones: 0.67)", "ratio", us[4] / us[0], 0, 0, 0};
    }
    close_sides(&sides);
    return r ? r : n;
}
