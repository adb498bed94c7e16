/* What QPLEX's mixer promises of any values, states and weights: the best joint action of Q_tot is made of the agents' best actions, where
 * the advantages are 0; any other falls short by what its agents lack, weighted by their credit, which depends on the joint action. */
#include <math.h>

#include "learner/q_method.h"
#include "tests/local.h"

enum { N = 3, O = 4, S = 5, A = 4, JOINT = A * A * A, ROUNDS = 40 };

struct fixture {
    struct algorithm *algorithm;
    struct tape *tape;
    struct arena scratch;
};

/* A point of the mixer: what each agent thinks of its actions in a state. */
struct point {
    real q[N * A], state[S];
    uint8_t available[N * A];
};

static void setup(struct fixture *f)
{
    const struct algorithm_ops *ops;
    struct spec spec = {.env = "made", .scenario = "up", .N = N, .O = O, .S = S, .A = A, .horizon = 10};
    struct err err = {""};
    spec_complete(&spec);
    struct recipe *recipe =
        must_recipe(ARGUMENTS("learner.algorithm=qplex", "act.behaviour=epsilon", "act.recurrent=8", "q.hidden=8", "q.batch=4",
                              "qplex.hypernet=6", "qplex.heads=3", "replay.episodes=10"));
    struct batch_shape shape = {.L = 1, .T = 10, .N = N, .O = O, .S = S, .A = A, .chunk = 10, .head = action_head_of(&spec)};
    struct algorithm_context context = {.recipe = recipe, .spec = &spec, .shape = &shape, .seed = 3};
    if (algorithm_find("qplex", &ops, &err) || ops->create(&f->algorithm, &context, &err))
        fail_msg("%s", err.text);
    recipe_destroy(&recipe);
    assert_int_equal(tape_create(&f->tape, 1 << 20, 64), 0);
    assert_int_equal(arena_init(&f->scratch, "test", 1 << 20), 0);
}

static void teardown(struct fixture *f)
{
    q_method_destroy(&f->algorithm);
    tape_destroy(&f->tape);
    arena_deinit(&f->scratch);
}

enum { SCALE = 1, ATTENTION = 3 }; /* the mixer's first net, the first one that has to do with advantages */

/* Other numbers in the mixer's nets from `first` on, large ones, so that weights and credit have nothing of their initial calm. */
static void shuffle_weights(struct q_team *team, int first, struct rng *rng)
{
    assert_string_equal(team->models.model[SCALE].id, "mixer/weight");
    assert_string_equal(team->models.model[ATTENTION].id, "mixer/key");
    for (int i = first; i < team->n_live; i++) {
        struct model *model = &team->models.model[i];
        for (size_t k = 0; k < model->count; k++)
            model->w[k] = (real)(1.5 * rng_normal(rng));
        model_changed(model);
    }
}

static void shuffle_point(struct point *point, struct rng *rng)
{
    for (int i = 0; i < N * A; i++) {
        point->q[i] = (real)(3 * rng_normal(rng));
        point->available[i] = rng_double(rng) < 0.7;
    }
    for (int n = 0; n < N; n++)
        point->available[n * A + (int)(rng_double(rng) * A)] = 1;
    for (int s = 0; s < S; s++)
        point->state[s] = (real)rng_normal(rng);
}

/* Joint action number j as one action an agent. */
static void actions_of(int j, int32_t *action)
{
    for (int n = 0; n < N; n++, j /= A)
        action[n] = j % A;
}

static bool is_available(const struct point *point, const int32_t *action)
{
    for (int n = 0; n < N; n++)
        if (!point->available[n * A + action[n]])
            return false;
    return true;
}

/* Number of the joint action that the agents choose each by themselves. */
static int greedy_of(const struct point *point)
{
    int joint = 0;
    for (int n = N - 1; n >= 0; n--) {
        int best = -1;
        for (int a = 0; a < A; a++)
            if (point->available[n * A + a] && (best < 0 || point->q[n * A + a] > point->q[n * A + best]))
                best = a;
        joint = joint * A + best;
    }
    return joint;
}

/* Q_tot of all joint actions, as the target side computes it. */
static void all_totals(struct fixture *f, const struct point *point, real *total)
{
    struct q_team *team = &f->algorithm->team;
    const struct net_weights *nets[Q_NETS_MAX];
    static real chosen[JOINT * N], best[JOINT * N], state[JOINT * S];
    static int32_t action[JOINT * N];
    int32_t greedy[N];
    actions_of(greedy_of(point), greedy);
    for (int j = 0; j < JOINT; j++) {
        actions_of(j, action + j * N);
        memcpy(state + j * S, point->state, sizeof point->state);
        for (int n = 0; n < N; n++) {
            chosen[j * N + n] = point->q[n * A + action[j * N + n]];
            best[j * N + n] = point->q[n * A + greedy[n]];
        }
    }
    for (int i = 1; i < team->n_live; i++)
        nets[i - 1] = team->models.model[i].weights;
    tape_begin(f->tape);
    arena_release(&f->scratch, 0);
    struct q_mixing mixing = {.tape = f->tape,
                              .scratch = &f->scratch,
                              .R = JOINT,
                              .N = N,
                              .A = A,
                              .Z = S,
                              .chosen = tape_input(f->tape, JOINT, N, chosen, false),
                              .action = action,
                              .best = best,
                              .state = state,
                              .nets = nets};
    memcpy(total, team->mix(&mixing)->value, JOINT * sizeof *total);
}

static void test_best_joint_action_is_made_of_the_agents_best(void **unused)
{
    (void)unused;
    struct fixture f;
    struct point point;
    struct rng rng = rng_stream(7, RNG_TEST, 0, 0, 0);
    int compared = 0;
    setup(&f);
    for (int round = 0; round < ROUNDS; round++) {
        real total[JOINT];
        shuffle_weights(&f.algorithm->team, SCALE, &rng);
        shuffle_point(&point, &rng);
        all_totals(&f, &point, total);
        int greedy = greedy_of(&point);
        for (int j = 0; j < JOINT; j++) {
            int32_t action[N];
            actions_of(j, action);
            if (j == greedy || !is_available(&point, action))
                continue;
            compared++;
            if (!(total[j] < total[greedy]))
                fail_msg("round %d: joint action %d is worth %g, the agents' best %g", round, j, (double)total[j],
                         (double)total[greedy]);
        }
    }
    assert_true(compared > 10 * ROUNDS);
    teardown(&f);
}

/* Other attention nets: only the weights of advantages change. At the best joint action that is nothing, to the last bit. */
static void test_advantages_are_nothing_at_the_best_joint_action(void **unused)
{
    (void)unused;
    struct fixture f;
    struct point point;
    struct rng rng = rng_stream(8, RNG_TEST, 0, 0, 0);
    setup(&f);
    for (int round = 0; round < ROUNDS; round++) {
        real before[JOINT], after[JOINT];
        struct q_team *team = &f.algorithm->team;
        shuffle_weights(team, SCALE, &rng);
        shuffle_point(&point, &rng);
        all_totals(&f, &point, before);
        shuffle_weights(team, ATTENTION, &rng);
        all_totals(&f, &point, after);
        int greedy = greedy_of(&point), changed = 0;
        for (int j = 0; j < JOINT; j++)
            changed += before[j] != after[j];
        assert_memory_equal(&before[greedy], &after[greedy], sizeof before[greedy]);
        assert_true(changed > JOINT * 9 / 10);
    }
    teardown(&f);
}

/* What VDN and a mixer whose weights ignore actions cannot say: how much one agent's choice matters depends on the others'. */
static void test_total_is_no_sum_of_one_function_an_agent(void **unused)
{
    (void)unused;
    struct fixture f;
    struct point point;
    real total[JOINT], gap = 0, size = 0;
    struct rng rng = rng_stream(9, RNG_TEST, 0, 0, 0);
    setup(&f);
    shuffle_weights(&f.algorithm->team, SCALE, &rng);
    shuffle_point(&point, &rng);
    all_totals(&f, &point, total);
    for (int a = 1; a < A; a++)
        for (int b = 1; b < A; b++) { /* agents 0 and 1 move from action 0, together and each alone */
            gap += (real)fabs((double)(total[a + A * b] - total[a] - total[A * b] + total[0]));
            size += (real)fabs((double)(total[a + A * b] - total[0]));
        }
    if (!(gap > (real)0.01 * size))
        fail_msg("interaction %g of %g", (double)gap, (double)size);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_joint_action_is_made_of_the_agents_best),
        cmocka_unit_test(test_advantages_are_nothing_at_the_best_joint_action),
        cmocka_unit_test(test_total_is_no_sum_of_one_function_an_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
