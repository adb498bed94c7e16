/* Rollouts of defenders that remember: their memory travels with the lane, and their choices follow from the history. */

#include "tests/actor/rollout_fixture.h"

/* ---- defenders that remember ---- */

static void add_value_net(struct weights *weights, const struct spec *spec, float epsilon)
{
    struct err err = {""};
    struct net_arch arch = {
        .in = spec->O + spec->A, .hidden = H, .depth = 1, .out = spec->A, .activation = ACTIVATION_RELU, .gru = NET_GRU};
    add_random_net(weights, "defender", &arch, 1);
    if (weights_add_table(weights, "epsilon", &epsilon, 1, &err))
        fail_msg("%s", err.text);
}

static void open_values(struct fixture *f, float epsilon)
{
    f->rollout = must_rollout(ARGUMENTS("env.name=foraging", "env.scenario=8x8-4p-2f-c", "env.horizon=15",
                                        "env.time_limit=truncate", "rollout.lanes=6", "rollout.steps=20", "rollout.chunk=5",
                                        "act.behaviour=epsilon", "act.recurrent=8", "act.last_action=true"));
    f->weights = new_weights(1);
    add_value_net(f->weights, rollout_spec(f->rollout), epsilon);
    f->group = new_group(f->rollout, LANES);
}

/* An actor that takes lanes over by their snapshots answers as the one that held them; hidden states and last actions travel. */
static void test_memory_travels_with_the_lane(void **state)
{
    (void)state;
    struct fixture a, b;
    open_values(&a, 0.3f);
    for (uint64_t s = 0; s < SLICES; s++) {
        open_values(&b, 0.3f);
        set_slice(a.group, s);
        set_slice(b.group, s);
        for (int l = 0; l < LANES && s > 0; l++) {
            b.group->order[l].snapshot = (unsigned char *)COLUMN(a.rollout, &a.group->t[l], uint8_t, snapshot);
            b.group->order[l].snapshot_bytes =
                (size_t)rollout_schema(a.rollout)->columns[schema_find(rollout_schema(a.rollout), "snapshot")].width;
        }
        must_run(b.rollout, b.weights, b.group, 0, LANES); /* before a's own frame, which holds the snapshot, is written anew */
        must_run(a.rollout, a.weights, a.group, 0, LANES);
        for (int l = 0; l < LANES; l++)
            assert_same_answer(&a.group->t[l], &b.group->t[l]);
        close_fixture(&b);
    }
    close_fixture(&a);
}

/* With epsilon 0 every choice is the best of the values that the net gives for the whole history of its episode. */
static void test_greedy_choices_follow_from_the_history(void **state)
{
    (void)state;
    struct fixture f;
    struct arena scratch;
    struct net_weights *net;
    struct net_arch arch;
    open_values(&f, 0);
    memcpy(&arch, f.weights->manifest.nets[0].arch, sizeof arch);
    assert_int_equal(net_weights_create(&net, &arch), 0);
    net_weights_set_float(net, f.weights->blobs[0]);
    assert_int_equal(arena_init(&scratch, "test", net_act_scratch(&arch, 1)), 0);
    must_run(f.rollout, f.weights, f.group, 0, LANES);
    size_t N = (size_t)rollout_spec(f.rollout)->N, O = (size_t)rollout_spec(f.rollout)->O, A = (size_t)rollout_spec(f.rollout)->A;
    const struct trajectory *t = &f.group->t[0];
    const float *observation = COLUMN(f.rollout, t, float, observation);
    const int32_t *action = COLUMN(f.rollout, t, int32_t, action), *episode_step = COLUMN(f.rollout, t, int32_t, episode_step);
    const uint8_t *available = COLUMN(f.rollout, t, uint8_t, available);
    for (size_t n = 0; n < N; n++) {
        float h[H] = {0}, input[128], value[64];
        for (size_t i = 0; i < T; i++) {
            bool begins = episode_step[i] == 0;
            if (begins)
                memset(h, 0, sizeof h);
            memset(input, 0, sizeof input);
            memcpy(input, observation + (i * N + n) * O, O * sizeof *input);
            if (!begins)
                input[O + (size_t)action[(i - 1) * N + n]] = 1;
            net_act(net, 1, input, h, value, &scratch);
            for (size_t a = 0; a < A; a++)
                assert_true(!available[(i * N + n) * A + a] || value[a] <= value[action[i * N + n]]);
            assert_true(available[(i * N + n) * A + (size_t)action[i * N + n]]);
        }
    }
    arena_deinit(&scratch);
    net_weights_destroy(&net);
    close_fixture(&f);
}

static void test_epsilon_is_the_share_of_random_actions_and_none_in_evaluations(void **state)
{
    (void)state;
    struct fixture greedy, random;
    open_values(&greedy, 0);
    open_values(&random, 1);
    int counts[64] = {0}, total = 0;
    for (uint64_t s = 0; s < 20; s++) {
        set_slice(random.group, s);
        must_run(random.rollout, random.weights, random.group, 0, LANES);
        for (int l = 0; l < LANES; l++)
            for (int i = 0; i < T * rollout_spec(random.rollout)->N; i++, total++)
                counts[COLUMN(random.rollout, &random.group->t[l], int32_t, action)[i]]++;
    }
    assert_true(counts[0] > total / 10 && counts[0] < total / 2); /* standing still is always available, six choices in all */
    for (int i = 0; i < LANES; i++) {
        random.group->order[i] = greedy.group->order[i];
        random.group->order[i].purpose = greedy.group->order[i].purpose = ORDER_EVALUATE;
        random.group->order[i].episodes = greedy.group->order[i].episodes = 2;
        snprintf(random.group->order[i].threat, sizeof random.group->order[i].threat, "clean");
        snprintf(greedy.group->order[i].threat, sizeof greedy.group->order[i].threat, "clean");
    }
    must_run(greedy.rollout, greedy.weights, greedy.group, 0, LANES);
    must_run(random.rollout, random.weights, random.group, 0, LANES);
    for (int l = 0; l < LANES; l++)
        assert_memory_equal(COLUMN(greedy.rollout, &greedy.group->t[l], float, record_return),
                            COLUMN(random.rollout, &random.group->t[l], float, record_return), 2 * sizeof(float));
    close_fixture(&greedy);
    close_fixture(&random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_travels_with_the_lane),
        cmocka_unit_test(test_greedy_choices_follow_from_the_history),
        cmocka_unit_test(test_epsilon_is_the_share_of_random_actions_and_none_in_evaluations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
