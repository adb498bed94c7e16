/* Level-based foraging: spawning, moving, loading, endings, names. The observations are checked by the recorded traces. */
#include "envs/foraging.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/envs/envs_test.h"

static const struct foraging_params *params_of(const struct env_instance *env)
{
    return (const struct foraging_params *)env->params;
}

static struct foraging_state *game_of(struct vec *vec)
{
    return (struct foraging_state *)vec->states;
}

/* Spawning */

static int lowest_three(const struct foraging_state *g, int P)
{
    int counts[8] = {0}, sum = 0, left = 3;
    for (int n = 0; n < P; n++)
        counts[g->piece[n].level]++;
    for (int level = 1; level < 8; level++)
        for (int i = 0; i < counts[level] && left > 0; i++, left--)
            sum += level;
    return sum;
}

static bool are_apart(const struct piece *a, const struct piece *b)
{
    int dr = abs(a->row - b->row), dc = abs(a->col - b->col);
    return !(dr <= 1 && dc <= 1) && !(dr == 0 && dc <= 2) && !(dc == 0 && dr <= 2);
}

static void check_spawn(const struct foraging_params *p, const struct foraging_state *g, bool is_v3, bool is_coop, int highest)
{
    const struct piece *food = foraging_foods_view(p, g);
    int cap = lowest_three(g, p->P), top = is_v3 || cap == 1 ? cap : cap - 1, sum = 0;
    for (int n = 0; n < p->P; n++) {
        assert_in_range(g->piece[n].level, 1, highest);
        for (int m = 0; m < n; m++)
            assert_true(g->piece[n].cell != g->piece[m].cell);
    }
    for (int i = 0; i < g->n_food; i++) {
        assert_in_range(food[i].row, 1, p->rows - 2);
        assert_in_range(food[i].col, 1, p->cols - 2);
        assert_in_range(food[i].level, is_coop ? cap : 1, is_coop ? cap : top);
        assert_true(i == 0 || food[i - 1].cell < food[i].cell);
        for (int j = 0; j < i; j++)
            assert_true(are_apart(&food[i], &food[j]));
        for (int n = 0; n < p->P; n++)
            assert_true(g->piece[n].cell != food[i].cell);
        sum += food[i].level;
    }
    assert_int_equal(g->spawned, sum);
    assert_int_equal(g->n_food, p->F);
}

static void test_spawn_keeps_the_rules(void **state)
{
    (void)state;
    static const struct {
        const char *scenario, *rules;
        bool is_v3, is_coop;
        int highest;
    } cases[] = {
        {"env.scenario=8x8-2p-1f", "env.rules=v3", true, false, 2},
        {"env.scenario=12x12-4p-3f-c", "env.rules=eir", false, true, 3},
        {"env.scenario=12x12-4p-3f", "env.rules=robust", false, false, 3},
        {"env.scenario=20x20-10p-6f-s3", "env.rules=v3", true, false, 2},
        {"env.scenario=8x8-1p-2f", "env.rules=eir", false, false, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env_instance env;
        struct vec vec;
        must_open(&env, ARGUMENTS("env.name=foraging", cases[i].scenario, cases[i].rules));
        must_init(&vec, &env, 1);
        for (uint64_t seed = 0; seed < 300; seed++) {
            reset_all(&vec, seed);
            check_spawn(params_of(&env), game_of(&vec), cases[i].is_v3, cases[i].is_coop, cases[i].highest);
        }
        vec_deinit(&vec);
    }
}

static void test_spawn_deals_out_unequal_levels(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    int strong_at[3] = {0}, heavy_first = 0;
    must_open(&env, ARGUMENTS("env.name=foraging", "env.scenario=8x8-3p-2f", "env.rules=v3", "env.min_player_level=1,1,5",
                              "env.max_player_level=1,1,5", "env.min_food_level=2,6", "env.max_food_level=2,6"));
    must_init(&vec, &env, 1);
    for (uint64_t seed = 0; seed < 300; seed++) {
        reset_all(&vec, seed);
        const struct foraging_state *g = game_of(&vec);
        assert_int_equal(g->piece[0].level + g->piece[1].level + g->piece[2].level, 7);
        assert_int_equal(g->spawned, 8);
        for (int n = 0; n < 3; n++)
            strong_at[n] += g->piece[n].level == 5;
        heavy_first += foraging_foods_view(params_of(&env), g)[0].level == 6;
    }
    for (int n = 0; n < 3; n++)
        assert_in_range(strong_at[n], 60, 140);
    assert_in_range(heavy_first, 110, 190);
    vec_deinit(&vec);
}

static void test_crowded_grid_still_resets(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    must_open(&env, ARGUMENTS("env.name=foraging", "env.scenario=3x3-8p-1f", "env.foods=3"));
    must_init(&vec, &env, 1);
    for (uint64_t seed = 0; seed < 50; seed++) {
        reset_all(&vec, seed);
        struct err err;
        assert_int_equal(env.ops->check_state(env.params, vec.states, &err), 0);
        assert_true(game_of(&vec)->n_food <= 1);
    }
    vec_deinit(&vec);
}

/* Moving and loading: boards set by hand */

struct board {
    struct env_instance env;
    struct vec vec;
};

static void board_open(struct board *board, const char *const *arguments, const struct piece *players, const struct piece *foods,
                       int n_food)
{
    int spawned = 0;
    must_open(&board->env, arguments);
    must_init(&board->vec, &board->env, 1);
    for (int i = 0; i < n_food; i++)
        spawned += foods[i].level;
    foraging_place(params_of(&board->env), game_of(&board->vec), players, foods, n_food, spawned);
    vec_observe(&board->vec, 0);
}

static void assert_at(struct board *board, int n, int row, int col)
{
    const struct piece *piece = &game_of(&board->vec)->piece[n];
    if (piece->row != row || piece->col != col)
        fail_msg("player %d: got (%d, %d), expected (%d, %d)", n, piece->row, piece->col, row, col);
}

static const struct piece far_food = {.row = 6, .col = 6, .level = 9};

static void test_collisions_follow_the_switch(void **state)
{
    (void)state;
    /* 0 and 1 both want (2,2); 2 and 3 swap. */
    const struct piece players[] = {{2, 1, 1, 0}, {2, 3, 1, 0}, {5, 1, 1, 0}, {5, 2, 1, 0}};
    const int32_t action[] = {FORAGE_EAST, FORAGE_WEST, FORAGE_EAST, FORAGE_WEST};
    static const char *const rules[] = {"env.collisions=upstream", "env.collisions=lowest-index", "env.collisions=free"};
    for (int i = 0; i < 3; i++) {
        struct board board;
        board_open(&board, ARGUMENTS("env.name=foraging", "env.scenario=8x8-4p-1f", rules[i]), players, &far_food, 1);
        vec_step(&board.vec, action, NULL);
        assert_at(&board, 0, 2, i >= 1 ? 2 : 1);
        assert_at(&board, 1, 2, i == 2 ? 2 : 3);
        assert_at(&board, 2, 5, 2);
        assert_at(&board, 3, 5, 1);
        vec_deinit(&board.vec);
    }
}

static void test_staying_claims_ones_cell(void **state)
{
    (void)state;
    const struct piece players[] = {{2, 2, 1, 0}, {2, 3, 1, 0}};
    static const char *const rules[] = {"env.collisions=upstream", "env.collisions=lowest-index", "env.collisions=free"};
    for (int i = 0; i < 3; i++) {
        struct board board;
        board_open(&board, ARGUMENTS("env.name=foraging", "env.scenario=8x8-2p-1f", rules[i]), players, &far_food, 1);
        vec_step(&board.vec, (int32_t[]){FORAGE_NONE, FORAGE_WEST}, NULL);
        assert_at(&board, 1, 2, i == 2 ? 2 : 3);
        vec_deinit(&board.vec);
        /* The lower index walks into the higher one under eir's rule. */
        board_open(&board, ARGUMENTS("env.name=foraging", "env.scenario=8x8-2p-1f", rules[i]), players, &far_food, 1);
        vec_step(&board.vec, (int32_t[]){FORAGE_EAST, FORAGE_NONE}, NULL);
        assert_at(&board, 0, 2, i >= 1 ? 3 : 2);
        vec_deinit(&board.vec);
    }
}

/* From cells of one's own, upstream's rule lets two players share a cell only when one of them was refused a move. */
static void test_cells_are_shared_only_after_a_refusal(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    struct rng rng = rng_stream(5, RNG_TEST, 0, 0, 0);
    int32_t action[6];
    int shared = 0;
    must_open(&env,
              ARGUMENTS("env.name=foraging", "env.scenario=5x5-6p-1f", "env.rules=v3", "env.max_food_level=100", "env.coop=true"));
    must_init(&vec, &env, 1);
    for (int i = 0; i < 4000; i++) {
        reset_all(&vec, (uint64_t)i);
        struct piece before[6];
        memcpy(before, game_of(&vec)->piece, sizeof before);
        random_actions(&vec, &rng, action);
        vec_step(&vec, action, NULL);
        const struct piece *after = game_of(&vec)->piece;
        for (int n = 0; n < 6; n++)
            for (int m = 0; m < n; m++) {
                if (after[n].cell != after[m].cell)
                    continue;
                bool n_refused = action[n] >= FORAGE_NORTH && action[n] <= FORAGE_EAST && after[n].cell == before[n].cell;
                bool m_refused = action[m] >= FORAGE_NORTH && action[m] <= FORAGE_EAST && after[m].cell == before[m].cell;
                assert_true(n_refused || m_refused);
                shared++;
            }
    }
    assert_true(shared > 0); /* the oddity is kept */
    vec_deinit(&vec);
}

static void test_two_players_never_share_a_cell_upstream(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    struct rng rng = rng_stream(6, RNG_TEST, 0, 0, 0);
    int32_t action[2];
    must_open(&env, ARGUMENTS("env.name=foraging", "env.scenario=5x5-2p-1f-c", "env.rules=v3", "env.horizon=20000"));
    must_init(&vec, &env, 1);
    reset_all(&vec, 1);
    for (int i = 0; i < 20000; i++) {
        random_actions(&vec, &rng, action);
        vec_step(&vec, action, NULL);
        assert_true(game_of(&vec)->piece[0].cell != game_of(&vec)->piece[1].cell);
        if (vec.terminated[0])
            reset_all(&vec, (uint64_t)i);
    }
    vec_deinit(&vec);
}

static void test_walls_and_food_block(void **state)
{
    (void)state;
    const struct piece players[] = {{0, 0, 1, 0}, {3, 3, 1, 0}}, food = {3, 4, 2, 0};
    struct board board;
    board_open(&board, ARGUMENTS("env.name=foraging", "env.scenario=8x8-2p-1f"), players, &food, 1);
    const uint8_t corner[] = {1, 0, 1, 0, 1, 0}, beside[] = {1, 1, 1, 1, 0, 1};
    assert_memory_equal(board.vec.available, corner, 6);
    assert_memory_equal(board.vec.available + 6, beside, 6);
    vec_step(&board.vec, (int32_t[]){FORAGE_NORTH, FORAGE_EAST}, NULL);
    assert_at(&board, 0, 0, 0);
    assert_at(&board, 1, 3, 3);
    vec_deinit(&board.vec);
}

static void test_loading_pays_by_level(void **state)
{
    (void)state;
    /* Levels 1 and 2 lift the food of level 3; the other, of level 5, stays. */
    const struct piece players[] = {{3, 3, 1, 0}, {3, 5, 2, 0}, {0, 0, 3, 0}}, foods[] = {{3, 4, 3, 0}, {6, 6, 5, 0}};
    static const char *const rewards[] = {"env.reward=individual", "env.reward=team"};
    const int32_t action[] = {FORAGE_LOAD, FORAGE_LOAD, FORAGE_LOAD};
    for (int is_team = 0; is_team < 2; is_team++) {
        struct board board;
        board_open(&board, ARGUMENTS("env.name=foraging", "env.scenario=8x8-3p-2f", rewards[is_team]), players, foods, 2);
        vec_step(&board.vec, action, NULL);
        float team = 3.0f / 8;
        assert_float_equal(board.vec.reward[0], is_team ? team : team / 3, 1e-6);
        assert_float_equal(board.vec.reward[1], is_team ? team : 2 * team / 3, 1e-6);
        assert_float_equal(board.vec.reward[2], is_team ? team : 0, 1e-6);
        assert_int_equal(game_of(&board.vec)->n_food, 1);
        assert_false(board.vec.terminated[0]);
        vec_deinit(&board.vec);
        board_open(&board, ARGUMENTS("env.name=foraging", "env.scenario=8x8-3p-2f", rewards[is_team], "env.normalise_reward=false"),
                   players, foods, 2);
        vec_step(&board.vec, action, NULL);
        assert_true(board.vec.reward[1] == (is_team ? 9 : 6));
        vec_deinit(&board.vec);
    }
}

static void test_too_weak_loaders_pay_the_penalty(void **state)
{
    (void)state;
    const struct piece players[] = {{3, 3, 1, 0}, {0, 0, 2, 0}}, food = {3, 4, 3, 0};
    struct board board;
    board_open(&board, ARGUMENTS("env.name=foraging", "env.scenario=8x8-2p-1f-pen", "env.rules=v3"), players, &food, 1);
    vec_step(&board.vec, (int32_t[]){FORAGE_LOAD, FORAGE_LOAD}, NULL);
    assert_float_equal(board.vec.reward[0], -0.1, 1e-7);
    assert_true(board.vec.reward[1] == 0);
    assert_int_equal(game_of(&board.vec)->n_food, 1);
    vec_deinit(&board.vec);
}

static void test_hostile_actions_count_as_none(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    static const int32_t hostile[] = {-1, 6, 99, 1 << 20, INT32_MIN, INT32_MAX};
    must_open(&env, ARGUMENTS("env.name=foraging", "env.scenario=8x8-4p-2f-c"));
    must_init(&vec, &env, 1);
    reset_all(&vec, 3);
    struct piece before[4];
    memcpy(before, game_of(&vec)->piece, sizeof before);
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        vec_step(&vec, (int32_t[]){hostile[i], hostile[i], hostile[i], hostile[i]}, NULL);
        assert_memory_equal(game_of(&vec)->piece, before, sizeof before);
        assert_true(vec.reward[0] == 0);
    }
    vec_deinit(&vec);
}

/* Endings and returns */

static void test_scripted_team_clears_the_map_for_a_return_of_1(void **state)
{
    (void)state;
    static const struct {
        const char *scenario, *key, *script;
        int least; /* of 200 episodes; players who block each other clear fewer */
    } cases[] = {
        {"env.scenario=8x8-2p-1f", "env.rules=v3", "greedy", 190},
        {"env.scenario=8x8-4p-2f-c", "env.rules=robust", "greedy", 198},
        {"env.scenario=12x12-4p-3f-c", "env.rules=robust", "greedy", 198},
        {"env.scenario=12x12-4p-3f-c", "env.rules=eir", "greedy", 120},
        {"env.scenario=Foraging-grid-8x8-3p-2f-coop", "env.rules=robust", "greedy", 190},
        {"env.scenario=20x20-10p-6f-s3", "env.horizon=400", "greedy", 190},
        {"env.scenario=Foraging-grid-8x8-3p-2f-coop", "env.rules=v3", "surround", 180},
        {"env.scenario=cromac-8x8-3p-1f-t25", "env.seers=-1", "surround", 185},
        {"env.scenario=cromac-8x8-4p-1f-t15", "env.seers=-1", "surround", 180},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env_instance env;
        struct vec vec;
        int cleared = 0, length = 0;
        must_open(&env, ARGUMENTS("env.name=foraging", cases[i].scenario, cases[i].key));
        must_init(&vec, &env, 1);
        for (uint64_t seed = 0; seed < 200; seed++) {
            struct episode episode = play_episode(&vec, must_find_script(env.ops, cases[i].script), seed);
            bool is_team = params_of(&env)->reward == REWARD_TEAM;
            length += episode.length;
            assert_true(episode.mean_return >= env.spec.return_min && episode.mean_return <= env.spec.return_max + 1e-6);
            assert_true(episode.success || episode.length == env.spec.horizon);
            if (!episode.success)
                continue;
            cleared++;
            assert_float_equal(is_team ? episode.returns[0] : episode.mean_return * env.spec.N, 1, 1e-6);
        }
        print_message("%s %s: %d of 200 cleared, mean length %g\n", cases[i].scenario, cases[i].key, cleared, length / 200.0);
        assert_in_range(cleared, cases[i].least, 200);
        vec_deinit(&vec);
    }
}

static void test_time_limit_terminates_or_truncates(void **state)
{
    (void)state;
    static const char *const limits[] = {"env.time_limit=terminate", "env.time_limit=truncate"};
    for (int truncates = 0; truncates < 2; truncates++) {
        struct env_instance env;
        struct vec vec;
        must_open(&env, ARGUMENTS("env.name=foraging", "env.scenario=8x8-2p-1f", "env.horizon=4", limits[truncates]));
        must_init(&vec, &env, 1);
        reset_all(&vec, 1);
        for (int step = 1; step <= 4; step++) {
            vec_step(&vec, (int32_t[]){0, 0}, NULL);
            assert_int_equal(vec.terminated[0], step == 4 && !truncates);
            assert_int_equal(vec.truncated[0], step == 4 && truncates);
        }
        vec_deinit(&vec);
    }
}

static void test_clearing_at_the_limit_is_no_truncation(void **state)
{
    (void)state;
    const struct piece players[] = {{3, 3, 1, 0}, {3, 5, 2, 0}}, food = {3, 4, 3, 0};
    struct board board;
    board_open(&board, ARGUMENTS("env.name=foraging", "env.scenario=8x8-2p-1f", "env.horizon=1", "env.time_limit=truncate"),
               players, &food, 1);
    vec_step(&board.vec, (int32_t[]){FORAGE_LOAD, FORAGE_LOAD}, NULL);
    assert_true(board.vec.terminated[0] && !board.vec.truncated[0] && board.vec.reward[0] == 1);
    vec_deinit(&board.vec);
}

/* CroMAC's task: one player sees, three must stand beside the food at once */

static const struct piece one_food = {.row = 3, .col = 3, .level = 3};

static void test_three_standing_beside_take_the_food(void **state)
{
    (void)state;
    /* The last of them steps beside the food; with 4 players the fourth stands by or far away. */
    static const struct {
        const char *scenario;
        struct piece players[4];
        int32_t action[4];
        bool is_taken;
    } cases[] = {
        {"env.scenario=cromac-8x8-3p-1f-t25", {{2, 3, 1, 0}, {4, 3, 1, 0}, {3, 1, 1, 0}}, {0, 0, FORAGE_EAST}, true},
        {"env.scenario=cromac-8x8-3p-1f-t25", {{2, 3, 1, 0}, {4, 3, 1, 0}, {3, 1, 1, 0}}, {0, 0, FORAGE_WEST}, false},
        {"env.scenario=cromac-8x8-3p-1f-t25", {{2, 3, 1, 0}, {4, 3, 1, 0}, {3, 2, 1, 0}}, {0, 0, FORAGE_WEST}, false},
        {"env.scenario=cromac-8x8-3p-1f-t25", {{2, 3, 1, 0}, {4, 3, 1, 0}, {3, 2, 1, 0}}, {FORAGE_LOAD, -1, 99}, true},
        {"env.scenario=cromac-8x8-4p-1f-t15", {{2, 3, 1, 0}, {4, 3, 1, 0}, {3, 2, 1, 0}, {3, 4, 1, 0}}, {0, 0, 0, 0}, true},
        {"env.scenario=cromac-8x8-4p-1f-t15", {{2, 3, 1, 0}, {4, 3, 1, 0}, {3, 2, 1, 0}, {7, 7, 1, 0}}, {0, 0, 0, 0}, true},
        {"env.scenario=cromac-8x8-4p-1f-t15", {{2, 3, 1, 0}, {7, 6, 1, 0}, {3, 2, 1, 0}, {7, 7, 1, 0}}, {0, 0, 0, 0}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct board board;
        board_open(&board, ARGUMENTS("env.name=foraging", cases[i].scenario), cases[i].players, &one_food, 1);
        vec_step(&board.vec, cases[i].action, NULL);
        for (int n = 0; n < board.env.spec.N; n++)
            assert_float_equal(board.vec.reward[n], cases[i].is_taken, 1e-6);
        assert_int_equal(board.vec.terminated[0], cases[i].is_taken);
        vec_deinit(&board.vec);
    }
}

static void test_one_seer_sees_for_all(void **state)
{
    (void)state;
    struct env_instance env, full;
    struct vec vec, seeing;
    must_open(&env, ARGUMENTS("env.name=foraging", "env.scenario=cromac-8x8-4p-1f-t15"));
    must_open(&full, ARGUMENTS("env.name=foraging", "env.scenario=cromac-8x8-4p-1f-t15", "env.seers=-1"));
    assert_int_equal(env.spec.A, 5);
    assert_int_equal(env.spec.O, 3 + 4 * 3 + 4);
    assert_int_equal(env.spec.S, 4 * env.spec.O);
    assert_int_equal(env.spec.horizon, 15);
    must_init(&vec, &env, 1);
    must_init(&seeing, &full, 1);
    for (uint64_t seed = 0; seed < 20; seed++) {
        reset_all(&vec, seed);
        reset_all(&seeing, seed);
        const float *seen = vec.observation, *blind = seen + env.spec.O;
        assert_memory_equal(seen, seeing.observation, (size_t)env.spec.O * sizeof *seen);
        for (int n = 1; n < 4; n++, blind += env.spec.O)
            for (int i = 0; i < env.spec.O; i++)
                assert_true(blind[i] == (i == 15 + n));
        for (int n = 0; n < 4; n++)
            assert_memory_equal(vec.state + n * env.spec.S, seen, (size_t)env.spec.S * sizeof *seen);
        assert_memory_equal(vec.available, seeing.available, 4 * 5);
    }
    vec_deinit(&vec);
    vec_deinit(&seeing);
    /* The same of the other form of observation, where nobody sees. */
    must_open(&env, ARGUMENTS("env.name=foraging", "env.scenario=grid-s2-8x8-3p-1f", "env.seers=0"));
    must_init(&vec, &env, 1);
    reset_all(&vec, 1);
    for (int i = 0; i < 3 * env.spec.O; i++)
        assert_true(vec.observation[i] == (i % env.spec.O == 75 + i / env.spec.O));
    vec_deinit(&vec);
}

static void test_outcome_counts_what_was_taken(void **state)
{
    (void)state;
    const struct piece players[] = {{3, 3, 1, 0}, {3, 5, 2, 0}}, foods[] = {{3, 4, 3, 0}, {6, 6, 5, 0}};
    struct board board;
    struct env_outcome outcome;
    board_open(&board, ARGUMENTS("env.name=foraging", "env.scenario=8x8-2p-2f"), players, foods, 2);
    vec_step(&board.vec, (int32_t[]){FORAGE_LOAD, FORAGE_LOAD}, NULL);
    env_foraging.outcome(board.env.params, board.vec.states, &outcome);
    assert_true(outcome.has_success && !outcome.success);
    assert_float_equal(outcome.info[0], 3.0 / 8, 1e-6);
    assert_true(outcome.info[1] == 1);
    vec_deinit(&board.vec);
}

static void test_picture_shows_every_piece(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    struct scene *scene = malloc(sizeof *scene);
    int counts[4] = {0};
    assert_non_null(scene);
    must_open(&env, ARGUMENTS("env.name=foraging", "env.scenario=20x20-15p-6f-s3"));
    must_init(&vec, &env, 1);
    reset_all(&vec, 3);
    env.ops->draw(env.params, vec.states, scene);
    for (int i = 0; i < scene->count; i++) {
        const struct scene_item *item = &scene->items[i];
        assert_true(item->x >= 0 && item->x <= 20 && item->y >= 0 && item->y <= 20);
        counts[item->shape] += item->shape != SCENE_RECT || item->ink == INK_GOAL;
    }
    assert_int_equal(counts[SCENE_CIRCLE], 15);
    assert_int_equal(counts[SCENE_RECT], game_of(&vec)->n_food);
    assert_int_equal(counts[SCENE_TEXT], 15 + game_of(&vec)->n_food);
    assert_int_equal(scene->dropped, 0);
    vec_deinit(&vec);
    free(scene);
}

/* Names and sizes */

static void test_scenario_names(void **state)
{
    (void)state;
    static const struct {
        const char *scenario;
        int rows, cols, P, F, sight, rules, is_coop, is_grid, O;
    } cases[] = {
        {"8x8-4p-2f-c", 8, 8, 4, 2, 8, RULES_ROBUST, 1, 0, 3 * 2 + 3 * 4 + 4},
        {"12x12-4p-3f-coop", 12, 12, 4, 3, 12, RULES_ROBUST, 1, 0, 25},
        {"20x20-5p-6f-s3", 20, 20, 5, 6, 3, RULES_ROBUST, 0, 0, 38},
        {"20x20-10p-6f-s3", 20, 20, 10, 6, 3, RULES_ROBUST, 0, 0, 58},
        {"20x20-15p-6f-s3", 20, 20, 15, 6, 3, RULES_ROBUST, 0, 0, 78},
        {"cromac-8x8-3p-1f-t25", 8, 8, 3, 1, 8, RULES_ROBUST, 1, 0, 15},
        {"Foraging-8x8-2p-1f-v3", 8, 8, 2, 1, 8, RULES_V3, 0, 0, 9},
        {"Foraging-2s-10x10-3p-3f-coop-v3", 10, 10, 3, 3, 2, RULES_V3, 1, 0, 18},
        {"Foraging-grid-2s-8x8-3p-2f-v3", 8, 8, 3, 2, 2, RULES_V3, 0, 1, 75},
        {"eir-12x12-4p-3f-c", 12, 12, 4, 3, 12, RULES_EIR, 1, 0, 21},
        {"7x9-3p-2f", 7, 9, 3, 2, 9, RULES_ROBUST, 0, 0, 18},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env_instance env;
        char argument[96];
        snprintf(argument, sizeof argument, "env.scenario=%s", cases[i].scenario);
        must_open(&env, ARGUMENTS("env.name=foraging", argument));
        const struct foraging_params *p = params_of(&env);
        assert_int_equal(p->rows, cases[i].rows);
        assert_int_equal(p->cols, cases[i].cols);
        assert_int_equal(p->P, cases[i].P);
        assert_int_equal(p->F, cases[i].F);
        assert_int_equal(p->sight, cases[i].sight);
        assert_int_equal(p->rules, cases[i].rules);
        assert_int_equal(p->is_coop, cases[i].is_coop);
        assert_int_equal(p->is_grid, cases[i].is_grid);
        assert_int_equal(env.spec.O, cases[i].O);
        assert_string_equal(env.spec.scenario, cases[i].scenario);
        assert_int_equal(env.spec.horizon, p->load == LOADS_BY_STANDING ? 25 : 50);
    }
}

static void expect_refusal(const char *argument, const char *words)
{
    struct env_instance env;
    struct err err = {{0}};
    int r = try_open(&env, &err, ARGUMENTS("env.name=foraging", argument));
    if (!r || !strstr(err.text, words))
        fail_msg("%s: got %s \"%s\", expected \"%s\"", argument, err_name(r), err.text, words);
}

static void test_bad_settings_are_refused(void **state)
{
    (void)state;
    expect_refusal("env.scenario=12x12-4p", "does not say env.foods");
    expect_refusal("env.scenario=12x12-4p-3f-q", "unknown word \"q\"");
    expect_refusal("env.scenario=12x12-4p-3f-5p", "two words set env.players");
    expect_refusal("env.scenario=2x2-4p-3f", "env.rows");
    expect_refusal("env.scenario=12x-4p-3f", "unknown word \"12x\"");
    expect_refusal("env.scenario=99999999x8-4p-3f", "unknown word");
    expect_refusal("env.scenario=3x3-9p-1f", "no room");
    expect_refusal("env.max_player_level=1,2,3", "expected a level from 1 to");
    expect_refusal("env.max_player_level=1,", "expected a level from 1 to");
    expect_refusal("env.min_player_level=x", "expected a level from 1 to");
    expect_refusal("env.min_player_level=5", "env.min_player_level is 5, above");
    expect_refusal("env.scenario=cromac-8x8-3p-1f-c", "two words set env.coop");
    expect_refusal("env.seers=-2", "env.seers");
    expect_refusal("env.playrs=3", "did you mean env.players");
    expect_refusal("env.rules=v4", "robust|v3|eir");
}

static void test_joint_state_joins_all_observations(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    must_open(&env, ARGUMENTS("env.name=foraging", "env.scenario=8x8-3p-2f", "env.state=joint"));
    assert_int_equal(env.spec.S, 3 * env.spec.O);
    assert_false(env.spec.state_is_observation);
    must_init(&vec, &env, 2);
    reset_all(&vec, 1);
    for (int b = 0; b < 2; b++)
        for (int n = 0; n < 3; n++)
            assert_memory_equal(vec.state + (b * 3 + n) * env.spec.S, vec.observation + b * 3 * env.spec.O,
                                (size_t)env.spec.S * sizeof(float));
    vec_deinit(&vec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spawn_keeps_the_rules),
        cmocka_unit_test(test_spawn_deals_out_unequal_levels),
        cmocka_unit_test(test_crowded_grid_still_resets),
        cmocka_unit_test(test_collisions_follow_the_switch),
        cmocka_unit_test(test_staying_claims_ones_cell),
        cmocka_unit_test(test_cells_are_shared_only_after_a_refusal),
        cmocka_unit_test(test_two_players_never_share_a_cell_upstream),
        cmocka_unit_test(test_walls_and_food_block),
        cmocka_unit_test(test_loading_pays_by_level),
        cmocka_unit_test(test_too_weak_loaders_pay_the_penalty),
        cmocka_unit_test(test_hostile_actions_count_as_none),
        cmocka_unit_test(test_scripted_team_clears_the_map_for_a_return_of_1),
        cmocka_unit_test(test_time_limit_terminates_or_truncates),
        cmocka_unit_test(test_clearing_at_the_limit_is_no_truncation),
        cmocka_unit_test(test_three_standing_beside_take_the_food),
        cmocka_unit_test(test_one_seer_sees_for_all),
        cmocka_unit_test(test_outcome_counts_what_was_taken),
        cmocka_unit_test(test_picture_shows_every_piece),
        cmocka_unit_test(test_scenario_names),
        cmocka_unit_test(test_bad_settings_are_refused),
        cmocka_unit_test(test_joint_state_joins_all_observations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
