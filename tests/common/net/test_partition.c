/* Who is an adversary: shares over many episodes, and that a draw depends on nothing but seed and episode. */
#include "tests/local.h"

#include "net/partition.h"

enum { EPISODES = 20000 };

static const struct spec four = {.N = 4};

static uint64_t episode_id(int lane, int count)
{
    return (uint64_t)lane << 32 | (uint64_t)count;
}

/* Sum of (seen - expected)^2 / expected. */
static double chi_square(const int *seen, const double *share, int cells)
{
    double sum = 0;
    for (int c = 0; c < cells; c++)
        sum += (seen[c] - share[c] * EPISODES) * (seen[c] - share[c] * EPISODES) / (share[c] * EPISODES);
    return sum;
}

static void test_one_of_n_shares(void **state)
{
    (void)state;
    const struct partition_config config = {.kind = PARTITION_K_OF_N, .adversaries = 1};
    const double share[5] = {0.125, 0.125, 0.125, 0.125, 0.5};
    int seen[5] = {0};
    for (int e = 0; e < EPISODES; e++) {
        uint64_t mask = partition_draw(&config, &four, 0.5, 1, episode_id(e % 20, e / 20));
        assert_true(__builtin_popcountll(mask) <= 1 && mask < 16);
        seen[mask ? __builtin_ctzll(mask) : 4]++;
    }
    double chi = chi_square(seen, share, 5);
    if (chi > 18.5) /* 4 degrees of freedom, 0.1 % */
        fail_msg("chi-square %.1f", chi);
}

static void test_two_of_four_subsets_are_equally_likely(void **state)
{
    (void)state;
    const struct partition_config config = {.kind = PARTITION_K_OF_N, .adversaries = 2};
    double share[16];
    int seen[16] = {0}, cells[6] = {3, 5, 6, 9, 10, 12}, of_cell[6];
    for (int e = 0; e < EPISODES; e++)
        seen[partition_draw(&config, &four, 1.0, 7, episode_id(3, e))]++;
    for (int c = 0; c < 6; c++) {
        of_cell[c] = seen[cells[c]];
        share[c] = 1.0 / 6;
    }
    int total = 0;
    for (int c = 0; c < 6; c++)
        total += of_cell[c];
    assert_int_equal(total, EPISODES); /* never another number of adversaries */
    double chi = chi_square(of_cell, share, 6);
    if (chi > 20.6) /* 5 degrees of freedom, 0.1 % */
        fail_msg("chi-square %.1f", chi);
}

static void test_probability_bounds(void **state)
{
    (void)state;
    const struct partition_config config = {.kind = PARTITION_K_OF_N, .adversaries = 4};
    for (int e = 0; e < 200; e++) {
        assert_int_equal(partition_draw(&config, &four, 0.0, 1, episode_id(0, e)), 0);
        assert_int_equal(partition_draw(&config, &four, 1.0, 1, episode_id(0, e)), 15);
    }
}

static void test_fixed_and_by_lane(void **state)
{
    (void)state;
    const struct partition_config fixed = {.kind = PARTITION_FIXED, .victim = 2},
                                  by_lane = {.kind = PARTITION_BY_LANE, .together = 1};
    const struct partition_config none = {.kind = PARTITION_NONE, .adversaries = 1};
    for (int lane = 0; lane < 9; lane++)
        for (int e = 0; e < 3; e++) {
            assert_int_equal(partition_draw(&fixed, &four, 0.0, 1, episode_id(lane, e)), 4);
            assert_int_equal(partition_draw(&by_lane, &four, 0.0, 1, episode_id(lane, e)), 1 << lane % 4);
            assert_int_equal(partition_draw(&none, &four, 1.0, 1, episode_id(lane, e)), 0);
        }
}

static struct victims must_list(const struct partition_config *config, int N)
{
    struct victims victims;
    assert_int_equal(victims_init(&victims, config, N, NULL), 0);
    return victims;
}

static void test_victims_are_agents_or_sets_of_them(void **state)
{
    (void)state;
    const struct partition_config single = {.together = 1, .sets = 2},
                                  pairs = {.kind = PARTITION_BY_LANE, .together = 2, .sets = 64};
    const uint64_t of_four[6] = {3, 5, 9, 6, 10, 12}; /* {0,1} {0,2} {0,3} {1,2} {1,3} {2,3} */
    struct victims victims = must_list(&single, 4);
    assert_int_equal(victims.n, 4);
    for (int v = 0; v < 4; v++)
        assert_int_equal(victims.mask[v], 1 << v);
    victims = must_list(&pairs, 4);
    assert_int_equal(victims.n, 6);
    assert_memory_equal(victims.mask, of_four, sizeof of_four);
    for (int v = 0; v < 6; v++) {
        assert_int_equal(victims_find(&victims, of_four[v]), v);
        assert_int_equal(partition_draw(&pairs, &four, 0.0, 1, episode_id(v + 6, 3)), of_four[v]);
    }
    assert_int_equal(victims_find(&victims, 1), -1);
}

/* More sets than are wanted: different ones, of the right size, spread over the list. */
static void test_many_sets_are_sampled(void **state)
{
    (void)state;
    for (int k = 2; k <= 8; k++) {
        const struct partition_config config = {.together = k, .sets = 16};
        struct victims victims = must_list(&config, 64);
        uint64_t seen = 0;
        assert_int_equal(victims.n, 16);
        for (int v = 0; v < 16; v++) {
            assert_int_equal(__builtin_popcountll(victims.mask[v]), k);
            assert_int_equal(victims_find(&victims, victims.mask[v]), v);
            seen |= victims.mask[v];
        }
        assert_true(__builtin_popcountll(seen) > 16);
    }
    const struct partition_config everybody = {.together = 8, .sets = 16};
    assert_int_equal(must_list(&everybody, 8).n, 1);
    assert_int_equal(must_list(&everybody, 8).mask[0], 255);
    struct victims none;
    assert_int_equal(victims_init(&none, &everybody, 7, NULL), ERR_INVALID);
}

static void test_draw_is_a_function_of_seed_and_episode(void **state)
{
    (void)state;
    const struct partition_config config = {.kind = PARTITION_K_OF_N, .adversaries = 1};
    int differ = 0;
    for (int e = 0; e < 500; e++) {
        uint64_t mask = partition_draw(&config, &four, 0.5, 1, episode_id(5, e));
        assert_int_equal(partition_draw(&config, &four, 0.5, 1, episode_id(5, e)), mask);
        differ += partition_draw(&config, &four, 0.5, 2, episode_id(5, e)) != mask;
    }
    assert_true(differ > 250);
}

static void must_refuse(const char *const *arguments, const char *word)
{
    struct rollout *rollout = NULL;
    struct err err = {""};
    assert_int_equal(try_rollout(&rollout, arguments, &err), ERR_INVALID);
    if (!strstr(err.text, word))
        fail_msg("\"%s\" does not say %s", err.text, word);
    assert_null(rollout);
}

static void test_partitions_that_do_not_fit_the_team_are_refused(void **state)
{
    (void)state;
    must_refuse(ARGUMENTS("env.name=matrix", "partition.kind=fixed", "partition.victim=2", "attack.threat=random"),
                "partition.victim");
    must_refuse(ARGUMENTS("env.name=matrix", "partition.kind=k-of-n", "partition.adversaries=3", "attack.threat=random"),
                "partition.adversaries");
    must_refuse(ARGUMENTS("env.name=matrix", "partition.kind=k-of-n"), "attack.threat");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_of_n_shares),
        cmocka_unit_test(test_two_of_four_subsets_are_equally_likely),
        cmocka_unit_test(test_probability_bounds),
        cmocka_unit_test(test_fixed_and_by_lane),
        cmocka_unit_test(test_victims_are_agents_or_sets_of_them),
        cmocka_unit_test(test_many_sets_are_sampled),
        cmocka_unit_test(test_draw_is_a_function_of_seed_and_episode),
        cmocka_unit_test(test_partitions_that_do_not_fit_the_team_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
