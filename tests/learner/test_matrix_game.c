/* A game of one step, three actions for each of two agents, whose best joint action lies beside the worst ones (Son et al. 2019, arXiv:1905.05408,
 * table 1):
 *
 *        8  -12  -12
 *      -12    0    0
 *      -12    0    0
 *
 * From random joint actions, no sum of the agents' values, nor a mixture that rises in each of them, comes near these numbers; QPLEX, whose
 * weights see the joint action, learns the table and plays what is worth 8. Not from every beginning: its weights can run away. */
#include "learner/trainer.h"
#include "tests/local.h"

#include "actor/columns.h"

enum { N = 2, A = 3, STEPS = 32, UPDATES = 80, SEEDS = 3 };
static const float payoff[A][A] = {{8, -12, -12}, {-12, 0, 0}, {-12, 0, 0}};

struct game {
    struct spec spec;
    struct schema schema;
    struct columns columns;
    struct trainer *trainer;
    struct trajectory t;
};

static void open_game(struct game *game, const char *const *arguments)
{
    struct recipe *recipe = must_recipe(arguments);
    struct err err = {""};
    *game = (struct game){.spec = {.env = "made", .scenario = "up", .N = N, .O = 1, .S = 1, .A = A, .horizon = 1}};
    spec_complete(&game->spec);
    schema_init(&game->schema, STEPS, STEPS);
    if (columns_declare(&game->columns, &game->schema, &game->spec, 0, 0, 16, &err) ||
        trainer_create(&game->trainer, recipe, &game->spec, &game->schema, NULL, &err))
        fail_msg("%s", err.text);
    recipe_destroy(&recipe);
    game->t =
        (struct trajectory){.steps = STEPS, .episodes = STEPS, .capacity = (schema_bytes_max(&game->schema) + 63) & ~(size_t)63};
    game->t.frame = aligned_alloc(64, game->t.capacity);
    memset(game->t.frame, 0, game->t.capacity);
}

static void close_game(struct game *game)
{
    trainer_destroy(&game->trainer);
    free(game->t.frame);
}

static void *column(struct game *game, const char *name)
{
    struct schema_layout layout;
    schema_layout(&game->schema, STEPS, STEPS, &layout);
    int index = schema_find(&game->schema, name);
    assert_true(index >= 0);
    return game->t.frame + layout.start[index];
}

static void fill_floats(struct game *game, const char *name, int count, float value)
{
    float *to = column(game, name);
    for (int i = 0; i < count; i++)
        to[i] = value;
}

/* One slice: STEPS episodes of one step each, whatever the agents think. */
static void play(struct game *game, struct rng *rng)
{
    int32_t *action = column(game, "action"), *intended = column(game, "intended");
    float *reward = column(game, "reward");
    memset(column(game, "available"), 1, (size_t)STEPS * N * A);
    memset(column(game, "final_available"), 1, (size_t)STEPS * N * A);
    memset(column(game, "alive"), 1, (size_t)STEPS * N);
    memset(column(game, "terminated"), 1, STEPS);
    fill_floats(game, "observation", (STEPS + 1) * N, 1);
    fill_floats(game, "state", (STEPS + 1) * N, 1);
    fill_floats(game, "final_observation", STEPS * N, 1);
    fill_floats(game, "final_state", STEPS * N, 1);
    for (int t = 0; t < STEPS; t++, action += N, intended += N, reward += N) {
        for (int n = 0; n < N; n++)
            action[n] = intended[n] = (int32_t)(rng_double(rng) * A);
        reward[0] = reward[1] = payoff[action[0]][action[1]];
    }
}

static double reported(const struct report *report, const char *name)
{
    for (int i = 0; i < report->count; i++)
        if (!strcmp(report->entries[i].name, name))
            return report->entries[i].value;
    return -1;
}

static void agent_values(struct game *game, real *q)
{
    struct weights *weights;
    struct net_weights *net;
    struct arena scratch;
    struct err err = {""};
    const real observation[1] = {1};
    if (trainer_weights(game->trainer, (struct weights_version){1, 1}, &weights, &err))
        fail_msg("%s", err.text);
    const struct net_arch arch = {.in = 1, .hidden = 16, .depth = 1, .out = A, .activation = ACTIVATION_RELU};
    int defender = weights_find(weights, "defender");
    assert_true(defender >= 0);
    assert_int_equal(net_weights_create(&net, &arch), 0);
    net_weights_set_float(net, weights->blobs[defender]);
    assert_int_equal(arena_init(&scratch, "test", net_act_scratch(&arch, 1)), 0);
    net_act(net, 1, observation, NULL, q, &scratch);
    arena_deinit(&scratch);
    net_weights_destroy(&net);
    weights_unref(&weights);
}

struct result {
    double loss;   /* mean squared error of the last sample */
    float payment; /* for the joint action that the agents prefer */
};

/* What a method makes of random play. */
static struct result learned(const char *method, int seed)
{
    char algorithm[64], run_seed[32];
    struct game game;
    struct report report;
    struct err err = {""};
    struct rng rng = rng_stream((uint64_t)seed, RNG_TEST, 0, 0, 0);
    snprintf(algorithm, sizeof algorithm, "learner.algorithm=%s", method);
    snprintf(run_seed, sizeof run_seed, "run.seed=%d", seed);
    open_game(&game, ARGUMENTS(algorithm, run_seed, "act.behaviour=epsilon", "rollout.lanes=1", "rollout.steps=32",
                               "rollout.chunk=32", "q.hidden=16", "q.batch=32", "q.optimiser=adam", "q.lr=3e-3", "qplex.heads=10",
                               "qplex.layers=3", "qplex.attention=16", "qplex.hypernet=16", "qmix.hypernet=16",
                               "replay.episodes=1000", "learner.threads=1"));
    for (int u = 0; u < UPDATES; u++) {
        const struct trajectory *batch[1] = {&game.t};
        play(&game, &rng);
        game.t.slice = (uint64_t)u;
        if (batch_check(trainer_batch(game.trainer), &game.t, &err))
            fail_msg("%s", err.text);
        report.count = 0;
        trainer_update(game.trainer, batch, &report);
    }
    real q[A];
    int best = 0;
    agent_values(&game, q);
    for (int a = 1; a < A; a++)
        best = q[a] > q[best] ? a : best;
    struct result result = {reported(&report, "q/loss"), payoff[best][best]};
    print_message("%s, seed %d: loss %.4g, agents' values %.3g %.3g %.3g\n", method, seed, result.loss, (double)q[0], (double)q[1],
                  (double)q[2]);
    close_game(&game);
    return result;
}

static void test_qplex_finds_the_action_that_only_pays_together(void **state)
{
    (void)state;
    int found = 0;
    for (int seed = 1; seed <= SEEDS; seed++) {
        struct result result = learned("qplex", seed);
        found += result.loss < 1 && result.payment == 8;
    }
    assert_true(found > SEEDS / 2);
}

/* So the game is one that tells them apart. */
static void test_sums_and_monotonic_mixtures_cannot_learn_the_table(void **state)
{
    (void)state;
    assert_true(learned("vdn", 1).loss > 20);
    assert_true(learned("qmix", 1).loss > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qplex_finds_the_action_that_only_pays_together),
        cmocka_unit_test(test_sums_and_monotonic_mixtures_cannot_learn_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
