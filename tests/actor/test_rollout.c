/* Rollouts: an order's answer depends on nothing but the order, the weights and the lane's state; what the columns say is what
 * was acted on. */
#include <math.h>

#include "tests/actor/rollout_fixture.h"

#include "actor/lane.h"
#include "net/categorical.h"

/* ---- an answer is a function of its order ---- */

/* Slices 0.. of all lanes, lanes run in groups that begin at the places of `cuts` (ending with LANES). */
static void run_in_groups(struct fixture *f, const int *cuts, struct orders_group *expected[SLICES])
{
    for (int s = 0; s < SLICES; s++) {
        set_slice(f->group, (uint64_t)s);
        for (int g = 0; cuts[g] < LANES; g++)
            must_run(f->rollout, f->weights, f->group, cuts[g], cuts[g + 1] - cuts[g]);
        for (int l = 0; l < LANES && expected; l++)
            assert_same_answer(&f->group->t[l], &expected[s]->t[f->group->order[l].lane]);
    }
}

static void test_same_bits_in_any_grouping(void **state)
{
    (void)state;
    static const int groupings[][LANES + 1] = {{0, 6}, {0, 1, 2, 3, 4, 5, 6}, {0, 2, 6}, {0, 5, 6}};
    struct fixture together;
    struct orders_group *expected[SLICES];
    open_belief(&together);
    for (int s = 0; s < SLICES; s++) {
        expected[s] = new_group(together.rollout, LANES);
        set_slice(expected[s], (uint64_t)s);
        must_run(together.rollout, together.weights, expected[s], 0, LANES);
    }
    for (size_t i = 0; i < ARRAY_LEN(groupings); i++) {
        struct fixture f;
        open_belief(&f);
        for (int l = 0; l < LANES; l++)
            f.group->order[l].lane = i % 2 ? LANES - 1 - l : l; /* in another order too */
        run_in_groups(&f, groupings[i], expected);
        close_fixture(&f);
    }
    for (int s = 0; s < SLICES; s++)
        free_group(&expected[s]);
    close_fixture(&together);
}

/* A longer-lived process must not leave traces of earlier slices in a frame. */
static void test_frame_does_not_depend_on_what_ran_before(void **state)
{
    (void)state;
    struct fixture used, fresh;
    open_with(&used,
              ARGUMENTS("env.name=matrix", "env.horizon=3", "env.time_limit=truncate", "rollout.lanes=2", "rollout.steps=20"), 2);
    open_with(&fresh,
              ARGUMENTS("env.name=matrix", "env.horizon=3", "env.time_limit=truncate", "rollout.lanes=2", "rollout.steps=20"), 2);
    struct orders_group *evaluation = new_group(used.rollout, 1);
    for (int lane = 0; lane < 2; lane++) { /* lane 1 runs where lane 0, with other numbers of episodes, ran before */
        must_run(used.rollout, used.weights, used.group, lane, 1);
        set_slice(used.group, 1);
        must_run(used.rollout, used.weights, used.group, lane, 1);
        set_slice(used.group, 0);
    }
    evaluation->order[0] = (struct order){.purpose = ORDER_EVALUATE, .episodes = 20, .victim = -1, .threat = "clean"};
    must_run(used.rollout, used.weights, evaluation, 0, 1);
    set_slice(used.group, 2);
    must_run(used.rollout, used.weights, used.group, 1, 1);
    for (uint64_t s = 0; s < 3; s++) {
        set_slice(fresh.group, s);
        must_run(fresh.rollout, fresh.weights, fresh.group, 1, 1);
    }
    assert_same_answer(&used.group->t[1], &fresh.group->t[1]);
    free_group(&evaluation);
    close_fixture(&used);
    close_fixture(&fresh);
}

static void test_snapshot_continues_as_if_nothing_had_happened(void **state)
{
    (void)state;
    struct fixture straight, other;
    open_belief(&straight);
    open_belief(&other);
    must_run(straight.rollout, straight.weights, straight.group, 0, LANES);
    for (int l = 0; l < LANES; l++) {
        struct order *order = &other.group->order[l];
        const struct schema *schema = rollout_schema(straight.rollout);
        order->slice = 1;
        order->snapshot_bytes = (uint32_t)schema->columns[schema_find(schema, "snapshot")].width;
        unsigned char *copy = malloc(order->snapshot_bytes);
        memcpy(copy, column_of(straight.rollout, &straight.group->t[l], "snapshot"), order->snapshot_bytes);
        order->snapshot = copy;
    }
    set_slice(straight.group, 1);
    must_run(straight.rollout, straight.weights, straight.group, 0, LANES);
    must_run(other.rollout, other.weights, other.group, 0, LANES);
    for (int l = 0; l < LANES; l++) {
        assert_same_answer(&straight.group->t[l], &other.group->t[l]);
        free((void *)other.group->order[l].snapshot);
        other.group->order[l].snapshot_bytes = 0;
    }
    set_slice(straight.group, 2); /* and the lane is held there from then on */
    set_slice(other.group, 2);
    must_run(straight.rollout, straight.weights, straight.group, 0, LANES);
    must_run(other.rollout, other.weights, other.group, 0, LANES);
    for (int l = 0; l < LANES; l++)
        assert_same_answer(&straight.group->t[l], &other.group->t[l]);
    close_fixture(&straight);
    close_fixture(&other);
}

static void test_other_seed_other_lane_other_episodes(void **state)
{
    (void)state;
    struct fixture a, b;
    open_belief(&a);
    open_with(&b, ARGUMENTS(BELIEF, "run.seed=2"), LANES);
    must_run(a.rollout, a.weights, a.group, 0, LANES);
    must_run(b.rollout, b.weights, b.group, 0, LANES);
    size_t O = (size_t)rollout_spec(a.rollout)->O * sizeof(float);
    assert_memory_not_equal(COLUMN(a.rollout, &a.group->t[0], float, observation),
                            COLUMN(b.rollout, &b.group->t[0], float, observation), O);
    assert_memory_not_equal(COLUMN(a.rollout, &a.group->t[0], float, observation),
                            COLUMN(a.rollout, &a.group->t[1], float, observation), O);
    close_fixture(&a);
    close_fixture(&b);
}

/* ---- what the columns say ---- */

static void test_flags_counters_and_records_agree(void **state)
{
    (void)state;
    struct fixture f;
    open_belief(&f);
    int N = rollout_spec(f.rollout)->N, attacked = 0, ended = 0;
    int32_t step[LANES] = {0};
    int64_t count[LANES] = {0};
    for (uint64_t s = 0; s < 8; s++) {
        set_slice(f.group, s);
        must_run(f.rollout, f.weights, f.group, 0, LANES);
        for (int l = 0; l < LANES; l++) {
            const struct trajectory *t = &f.group->t[l];
            const uint8_t *slot = COLUMN(f.rollout, t, uint8_t, slot), *truncated = COLUMN(f.rollout, t, uint8_t, truncated);
            const uint8_t *terminated = COLUMN(f.rollout, t, uint8_t, terminated),
                          *channels = COLUMN(f.rollout, t, uint8_t, channels);
            const int32_t *intended = COLUMN(f.rollout, t, int32_t, intended), *action = COLUMN(f.rollout, t, int32_t, action);
            int e = 0;
            for (int i = 0; i < T; i++) {
                uint64_t mask = 0;
                assert_int_equal(COLUMN(f.rollout, t, int32_t, episode_step)[i], step[l]);
                assert_int_equal(COLUMN(f.rollout, t, int64_t, episode)[i], (int64_t)l << 32 | count[l]);
                for (int n = 0; n < N; n++) {
                    mask |= (uint64_t)slot[i * N + n] << n;
                    attacked += slot[i * N + n];
                    assert_int_equal(channels[i * N + n], slot[i * N + n] ? 2 : 0);
                    if (!slot[i * N + n])
                        assert_int_equal(action[i * N + n], intended[i * N + n]);
                }
                assert_true(__builtin_popcountll(mask) <= 1);
                step[l]++;
                if (terminated[i] || truncated[i]) {
                    assert_int_equal(COLUMN(f.rollout, t, int64_t, record_episode)[e], (int64_t)l << 32 | count[l]);
                    assert_int_equal(COLUMN(f.rollout, t, int64_t, record_partition)[e], (int64_t)mask);
                    assert_int_equal(COLUMN(f.rollout, t, int32_t, record_length)[e], step[l]);
                    step[l] = 0;
                    count[l]++;
                    e++;
                }
            }
            assert_int_equal(e, t->episodes);
            ended += e;
        }
    }
    assert_true(attacked > 0 && ended > 4 * LANES);
    close_fixture(&f);
}

/* Runs the belief net from the stored state at each chunk's start over the stored observations. */
static void check_beliefs(struct fixture *f, const struct trajectory *t, const struct net_weights *belief, struct arena *scratch)
{
    size_t N = (size_t)rollout_spec(f->rollout)->N, O = (size_t)rollout_spec(f->rollout)->O;
    const float *observation = COLUMN(f->rollout, t, float, observation), *knowledge = COLUMN(f->rollout, t, float, knowledge);
    const float *stored = COLUMN(f->rollout, t, float, belief_state);
    const int32_t *episode_step = COLUMN(f->rollout, t, int32_t, episode_step);
    const struct knowledge_config config = {.kind = KNOWLEDGE_BELIEF};
    float h[SPEC_AGENTS_MAX * H], logits[SPEC_AGENTS_MAX * SPEC_AGENTS_MAX], b[SPEC_AGENTS_MAX * SPEC_AGENTS_MAX];
    for (size_t i = 0; i <= T; i++) {
        if (i < T && i % CHUNK == 0)
            memcpy(h, stored + i / CHUNK * N * H, N * H * sizeof *h);
        bool begins = i < T ? episode_step[i] == 0
                            : COLUMN(f->rollout, t, uint8_t, terminated)[T - 1] || COLUMN(f->rollout, t, uint8_t, truncated)[T - 1];
        if (begins)
            memset(h, 0, N * H * sizeof *h);
        net_act(belief, (int)N, observation + i * N * O, h, logits, scratch);
        knowledge_from_logits(&config, N * N, logits, b);
        assert_memory_equal(b, knowledge + i * N * N, N * N * sizeof *b);
    }
}

static void test_beliefs_follow_from_observations_and_stored_states(void **state)
{
    (void)state;
    struct fixture f;
    struct arena scratch;
    struct net_weights *belief;
    open_belief(&f);
    int which = weights_find(f.weights, "belief");
    struct net_arch arch;
    memcpy(&arch, f.weights->manifest.nets[which].arch, sizeof arch);
    assert_int_equal(net_weights_create(&belief, &arch), 0);
    net_weights_set_float(belief, f.weights->blobs[which]);
    assert_int_equal(arena_init(&scratch, "test", net_act_scratch(&arch, SPEC_AGENTS_MAX)), 0);
    for (uint64_t s = 0; s < SLICES; s++) {
        set_slice(f.group, s);
        must_run(f.rollout, f.weights, f.group, 0, LANES);
        for (int l = 0; l < LANES; l++)
            check_beliefs(&f, &f.group->t[l], belief, &scratch);
    }
    arena_deinit(&scratch);
    net_weights_destroy(&belief);
    close_fixture(&f);
}

static void test_true_type_is_the_slot_column(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, ARGUMENTS(FORAGING, "knowledge.kind=true-type", "attack.threat=random"), LANES);
    int N = rollout_spec(f.rollout)->N;
    must_run(f.rollout, f.weights, f.group, 0, LANES);
    for (int l = 0; l < LANES; l++) {
        const float *knowledge = COLUMN(f.rollout, &f.group->t[l], float, knowledge);
        const uint8_t *slot = COLUMN(f.rollout, &f.group->t[l], uint8_t, slot);
        for (int t = 0; t < T; t++)
            for (int n = 0; n < N; n++)
                for (int other = 0; other < N; other++)
                    assert_true(knowledge[(t * N + n) * N + other] == (float)slot[t * N + other]);
    }
    close_fixture(&f);
}

/* In the matrix game the bit s after a step is its reward, and the last actions are the executed ones. */
static void test_final_observation_is_the_one_before_the_reset(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f,
              ARGUMENTS("env.name=matrix", "env.horizon=7", "env.time_limit=truncate", "rollout.lanes=3", "rollout.steps=20",
                        "rollout.chunk=10", "knowledge.kind=belief", "belief.hidden=8", "belief.depth=1"),
              3);
    int O = rollout_spec(f.rollout)->O;
    must_run(f.rollout, f.weights, f.group, 0, 3);
    for (int l = 0; l < 3; l++) {
        const struct trajectory *t = &f.group->t[l];
        assert_int_equal(t->episodes, 2);
        for (int e = 0; e < 2; e++) {
            int last = 7 * e + 6;
            const float *final = COLUMN(f.rollout, t, float, final_observation) + (size_t)(e * 2 * O);
            const int32_t *action = COLUMN(f.rollout, t, int32_t, action) + last * 2;
            assert_int_equal(COLUMN(f.rollout, t, uint8_t, truncated)[last], 1);
            for (int n = 0; n < 2; n++) {
                assert_true(final[n * O] == COLUMN(f.rollout, t, float, reward)[last * 2 + n]);
                assert_true(final[n * O + 1] == (float)n);
                assert_true(final[n * O + 3] == (float)action[0] && final[n * O + 4] == (float)action[1]);
                float known = COLUMN(f.rollout, t, float, final_knowledge)[(e * 2 + n) * 2];
                assert_true(known > 0 && known < 1);
            }
        }
    }
    close_fixture(&f);
}

static void test_logp_is_that_of_the_policy_on_the_stored_input(void **state)
{
    (void)state;
    struct fixture f;
    open_belief(&f);
    const struct spec *spec = rollout_spec(f.rollout);
    struct net_arch arch;
    struct net_weights *defender;
    struct arena scratch;
    memcpy(&arch, f.weights->manifest.nets[weights_find(f.weights, "defender")].arch, sizeof arch);
    assert_int_equal(net_weights_create(&defender, &arch), 0);
    net_weights_set_float(defender, f.weights->blobs[weights_find(f.weights, "defender")]);
    assert_int_equal(arena_init(&scratch, "test", net_act_scratch(&arch, 1)), 0);
    must_run(f.rollout, f.weights, f.group, 0, LANES);
    for (int l = 0; l < LANES; l++) {
        const struct trajectory *t = &f.group->t[l];
        for (int row = 0; row < T * spec->N; row++) {
            float x[512], logits[64], logp;
            assert_true(spec->O + spec->N <= 512);
            memcpy(x, COLUMN(f.rollout, t, float, observation) + row * spec->O, (size_t)spec->O * sizeof *x);
            memcpy(x + spec->O, COLUMN(f.rollout, t, float, knowledge) + row * spec->N, (size_t)spec->N * sizeof *x);
            net_act(defender, 1, x, NULL, logits, &scratch);
            categorical_logp(1, spec->A, logits, COLUMN(f.rollout, t, uint8_t, available) + row * spec->A,
                             COLUMN(f.rollout, t, int32_t, intended) + row, &logp);
            assert_memory_equal(&logp, COLUMN(f.rollout, t, float, intended_logp) + row, sizeof logp); /* ratio exactly 1 */
        }
    }
    arena_deinit(&scratch);
    net_weights_destroy(&defender);
    close_fixture(&f);
}

/* ---- orders that cannot be carried out ---- */

static void must_fail(struct fixture *f, int code, const char *word)
{
    struct err err = {""};
    int r = try_run(f->rollout, f->weights, f->group, 0, 1, &err);
    if (r != code || !strstr(err.text, word))
        fail_msg("got %s \"%s\", expected %s with \"%s\"", err_name(r), err.text, err_name(code), word);
}

static void test_orders_out_of_range_or_out_of_turn_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_belief(&f);
    struct order *order = &f.group->order[0];
    order->lane = LANES;
    must_fail(&f, ERR_RANGE, "lane 6");
    order->lane = -1;
    must_fail(&f, ERR_RANGE, "lane -1");
    order->lane = 0;
    order->slice = 1;
    must_fail(&f, ERR_STATE, "not held");
    order->slice = 0;
    must_run(f.rollout, f.weights, f.group, 0, 1);
    order->slice = 2;
    must_fail(&f, ERR_STATE, "slice 1");
    *order = (struct order){.purpose = ORDER_EVALUATE, .episodes = 0, .victim = -1, .threat = "clean"};
    must_fail(&f, ERR_RANGE, "episodes");
    order->episodes = T + 1;
    must_fail(&f, ERR_RANGE, "episodes");
    order->episodes = 1;
    order->victim = 4;
    must_fail(&f, ERR_RANGE, "victim 4");
    order->victim = 0;
    snprintf(order->threat, sizeof order->threat, "nonsense");
    must_fail(&f, ERR_UNKNOWN, "nonsense");
    close_fixture(&f);
}

static void test_weights_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_belief(&f);
    struct weights *good = f.weights, *bad = new_weights(2);
    struct net_arch arch = mlp(3, 2);
    f.weights = bad;
    must_fail(&f, ERR_MISMATCH, "defender");
    add_random_net(bad, "defender", &arch, 1);
    must_fail(&f, ERR_MISMATCH, "maps 3 to 2");
    f.weights = good;
    must_run(f.rollout, f.weights, f.group, 0, LANES); /* and nothing is broken */
    weights_unref(&bad);
    close_fixture(&f);
}

static void test_damaged_snapshots_are_refused(void **state)
{
    (void)state;
    struct fixture f, fresh;
    open_belief(&f);
    open_belief(&fresh);
    must_run(f.rollout, f.weights, f.group, 0, 2);
    const struct schema *schema = rollout_schema(f.rollout);
    uint32_t bytes = (uint32_t)schema->columns[schema_find(schema, "snapshot")].width;
    const unsigned char *good = column_of(f.rollout, &f.group->t[0], "snapshot");
    unsigned char *bad = malloc(bytes);
    struct order *order = &fresh.group->order[0];
    *order = (struct order){.slice = 1, .victim = -1, .snapshot = bad};
    float nan_value = NAN;
    uint64_t mask = 1u << 4;
    int32_t negative = -1;
    const struct {
        size_t at;
        const void *value;
        size_t length;
        int code;
    } damages[] = {
        {offsetof(struct lane_head, partition), &mask, sizeof mask, ERR_RANGE},
        {offsetof(struct lane_head, episode_step), &negative, sizeof negative, ERR_RANGE},
        {offsetof(struct lane_head, episode_return), &nan_value, sizeof nan_value, ERR_RANGE},
        {bytes - 4 * SCRIPT_MEMORY_MAX - 4 * H * sizeof(float), &nan_value, sizeof nan_value,
         ERR_NOT_FINITE}, /* first belief number */
        {offsetof(struct lane_head, next_slice), &mask, sizeof mask, ERR_STATE},
    };
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        order->snapshot_bytes = bytes;
        memcpy(bad, good, bytes);
        memcpy(bad + damages[i].at, damages[i].value, damages[i].length);
        must_fail(&fresh, damages[i].code, "lane 0");
    }
    memcpy(bad, good, bytes);
    memset(bad + sizeof(struct lane_head), 0xff, 64); /* the environment's own state */
    must_fail(&fresh, ERR_FORMAT, "lane 0");
    memcpy(bad, good, bytes);
    order->snapshot_bytes = bytes - 1;
    must_fail(&fresh, ERR_MISMATCH, "bytes");
    order->snapshot_bytes = bytes;
    order->lane = 1;
    must_fail(&fresh, ERR_MISMATCH, "snapshot of lane 0");
    order->lane = 0;
    must_run(fresh.rollout, fresh.weights, fresh.group, 0, 1);
    free(bad);
    close_fixture(&f);
    close_fixture(&fresh);
}

/* ---- cost ---- */

static void test_a_steady_rollout_allocates_nothing(void **state)
{
    (void)state;
    struct fixture f;
    open_belief(&f);
    count_allocations();
    must_run(f.rollout, f.weights, f.group, 0, LANES);
    struct weights *next = team_weights(rollout_spec(f.rollout), 4, H, 2);
    long before = allocations;
    for (uint64_t s = 1; s < 4; s++) {
        set_slice(f.group, s);
        must_run(f.rollout, s % 2 ? f.weights : next, f.group, 0, LANES);
    }
    assert_int_equal(allocations, before);
    weights_unref(&next);
    close_fixture(&f);
}

static void test_stop_gives_up_and_leaves_the_lanes_as_they_were(void **state)
{
    (void)state;
    struct fixture f;
    open_belief(&f);
    const struct order *order = &f.group->order[0];
    struct trajectory *out = &f.group->t[0];
    const atomic_int stop = 1;
    struct err err = {""};
    f.group->order[0].version = f.weights->manifest.version;
    must_run(f.rollout, f.weights, f.group, 0, 1);
    set_slice(f.group, 1);
    assert_int_equal(rollout_run(f.rollout, f.weights, &order, 1, &out, &stop, &err), ERR_CLOSED);
    must_run(f.rollout, f.weights, f.group, 0, 1);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits_in_any_grouping),
        cmocka_unit_test(test_frame_does_not_depend_on_what_ran_before),
        cmocka_unit_test(test_snapshot_continues_as_if_nothing_had_happened),
        cmocka_unit_test(test_other_seed_other_lane_other_episodes),
        cmocka_unit_test(test_flags_counters_and_records_agree),
        cmocka_unit_test(test_beliefs_follow_from_observations_and_stored_states),
        cmocka_unit_test(test_true_type_is_the_slot_column),
        cmocka_unit_test(test_final_observation_is_the_one_before_the_reset),
        cmocka_unit_test(test_logp_is_that_of_the_policy_on_the_stored_input),
        cmocka_unit_test(test_orders_out_of_range_or_out_of_turn_are_refused),
        cmocka_unit_test(test_weights_that_do_not_fit_are_refused),
        cmocka_unit_test(test_damaged_snapshots_are_refused),
        cmocka_unit_test(test_a_steady_rollout_allocates_nothing),
        cmocka_unit_test(test_stop_gives_up_and_leaves_the_lanes_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
