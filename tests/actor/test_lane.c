/* Lanes: a snapshot is a faithful copy, and only of its own task. What a damaged one does to an order: test_rollout.c. */
#include "tests/local.h"

#include "actor/lane.h"

enum { COUNT = 3, H = 5 };

struct fixture {
    struct env_instance env;
    struct lanes lanes;
    struct vec vec;
    size_t bytes;
    unsigned char *snapshot;
};

static void setup(struct fixture *f)
{
    struct recipe *recipe = must_recipe(ARGUMENTS("env.name=foraging", "env.scenario=8x8-4p-2f-c"));
    struct err err = {""};
    if (env_open(&f->env, recipe, &err))
        fail_msg("%s", err.text);
    recipe_destroy(&recipe);
    assert_int_equal(lanes_init(&f->lanes, COUNT, &f->env, &(struct lane_widths){.H = H}), 0);
    assert_int_equal(vec_init(&f->vec, &f->env, COUNT), 0);
    f->bytes = lane_snapshot_bytes(&f->env, &(struct lane_widths){.H = H});
    f->snapshot = malloc(f->bytes);
    for (int p = 0; p < COUNT; p++) {
        struct rng rng = rng_stream(1, RNG_RESET, (uint64_t)p, 0, 0);
        vec_reset(&f->vec, p, &rng);
        f->lanes.head[p] = (struct lane_head){.episode = (uint64_t)p << 32 | 3,
                                              .partition = 1u << p,
                                              .next_slice = 9,
                                              .episode_step = p,
                                              .episode_return = 0.25f * (float)p};
        for (int i = 0; i < 4 * H; i++)
            f->lanes.belief_state[p * 4 * H + i] = 0.01f * (float)(p * 100 + i) - 1;
        memset(f->lanes.memory + p * 4 * SCRIPT_MEMORY_MAX, 'a' + p, 4 * SCRIPT_MEMORY_MAX);
    }
}

static void teardown(struct fixture *f)
{
    free(f->snapshot);
    vec_deinit(&f->vec);
    lanes_deinit(&f->lanes);
}

static void test_save_load_save_gives_the_same_bytes(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    unsigned char *again = malloc(f.bytes);
    memset(f.snapshot, 0xff, f.bytes); /* padding must not keep what was there */
    memset(again, 0x11, f.bytes);
    lane_save(&f.lanes, &f.vec, 2, f.snapshot);
    assert_int_equal(lane_load(&f.lanes, &f.vec, 0, f.snapshot, f.bytes, NULL), 0);
    lane_save(&f.lanes, &f.vec, 0, again);
    assert_memory_equal(again, f.snapshot, f.bytes);
    assert_memory_equal(f.vec.observation, f.vec.observation + 2 * 4 * f.env.spec.O, sizeof(float) * 4 * (size_t)f.env.spec.O);
    free(again);
    teardown(&f);
}

static void test_copy_is_the_same_as_save_and_load(void **state)
{
    (void)state;
    struct fixture f, to;
    setup(&f);
    setup(&to);
    unsigned char *copied = malloc(f.bytes);
    lane_save(&f.lanes, &f.vec, 1, f.snapshot);
    lane_copy(&to.lanes, &to.vec, 2, &f.lanes, &f.vec, 1);
    lane_save(&to.lanes, &to.vec, 2, copied);
    assert_memory_equal(copied, f.snapshot, f.bytes);
    free(copied);
    teardown(&f);
    teardown(&to);
}

static void test_a_refused_snapshot_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    unsigned char *before = malloc(f.bytes), *after = malloc(f.bytes);
    lane_save(&f.lanes, &f.vec, 1, before);
    for (size_t at = 0; at < f.bytes; at += 7) { /* 0xff is no state, no finite number, no mask of four agents; else it loads */
        struct err err = {""};
        lane_save(&f.lanes, &f.vec, 1, f.snapshot);
        memset(f.snapshot + at, 0xff, f.bytes - at < 16 ? f.bytes - at : 16);
        int r = lane_load(&f.lanes, &f.vec, 0, f.snapshot, f.bytes, &err);
        lane_save(&f.lanes, &f.vec, 1, after);
        assert_memory_equal(after, before, f.bytes); /* its neighbour */
        assert_true(r == 0 || (err.text[0] && (r == ERR_RANGE || r == ERR_FORMAT || r == ERR_NOT_FINITE)));
    }
    lane_save(&f.lanes, &f.vec, 1, f.snapshot);
    assert_int_equal(lane_load(&f.lanes, &f.vec, 1, f.snapshot, f.bytes + 1, NULL), ERR_MISMATCH);
    assert_int_equal(lane_load(&f.lanes, &f.vec, 1, f.snapshot, 0, NULL), ERR_MISMATCH);
    lane_save(&f.lanes, &f.vec, 1, after);
    assert_memory_equal(after, before, f.bytes);
    free(before), free(after);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_load_save_gives_the_same_bytes),
        cmocka_unit_test(test_copy_is_the_same_as_save_and_load),
        cmocka_unit_test(test_a_refused_snapshot_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
