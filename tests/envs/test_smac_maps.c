/* SMAC combat: maps, sizes, options of an episode, random teams. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <zlib.h>

#include "base/file.h"
#include "base/json.h"
#include "envs/trace.h"
#include "tests/envs/smac_test.h"

/* -- built-in maps -------------------------------------------------------------------------------------------------------------- */

/* Agents, actions, observation, state and limit as published for SMAC, and the divisor of rewards. */
static void test_sizes_are_those_of_smac(void **state)
{
    (void)state;
    static const struct {
        const char *scenario;
        int N, A, O, S, horizon;
        double max_reward;
    } maps[] = {
        {"3m", 3, 9, 30, 48, 60, 365},
        {"8m", 8, 14, 80, 168, 120, 640},
        {"4m_vs_3m", 4, 9, 35, 61, 60, 365},
        {"5m_vs_3m", 5, 9, 40, 74, 60, 365},
        {"9m_vs_8m", 9, 14, 85, 186, 120, 640},
        {"2s3z", 5, 11, 80, 120, 120, 1020},
        {"2s4z_vs_2s3z", 6, 11, 88, 138, 120, 1020},
        {"3s5z", 8, 14, 128, 216, 150, 1510},
        {"3s_vs_3z", 3, 9, 36, 54, 150, 680},
        {"3s_vs_5z", 3, 11, 48, 68, 250, 1000},
        {"3s_vs_1sc", 3, 7, 23, 39, 300, 510},
        {"2s_vs_1sc", 2, 7, 17, 27, 300, 510},
        {"1c3s5z", 9, 15, 162, 270, 180, 1870},
        {"MMM", 10, 16, 160, 290, 150, 1015},
        {"MMM2", 10, 18, 176, 322, 180, 1205},
        {"terran_5_vs_5", 5, 11, 82, 65, 200, 0},
        {"zerg_5_vs_5", 5, 11, 82, 65, 200, 0},
        {"protoss_5_vs_5", 5, 11, 92, 75, 200, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        struct arena a;
        char scenario[64];
        snprintf(scenario, sizeof scenario, "env.scenario=%s", maps[i].scenario);
        arena_open(&a, ARGUMENTS("env.name=smac", scenario, "env.agent_id=false"));
        const struct spec *spec = &a.env.spec;
        if (spec->N != maps[i].N || spec->A != maps[i].A || spec->O != maps[i].O || spec->S != maps[i].S ||
            spec->horizon != maps[i].horizon)
            fail_msg("%s: got %d %d %d %d %d", maps[i].scenario, spec->N, spec->A, spec->O, spec->S, spec->horizon);
        if (maps[i].max_reward > 0)
            assert_near(a.g->max_reward, maps[i].max_reward);
        arena_close(&a);
    }
}

static json_t *read_trace_line(gzFile file)
{
    static char line[1 << 20];
    assert_non_null(gzgets(file, line, sizeof line));
    json_t *tree = json_loads(line, 0, NULL);
    assert_non_null(tree);
    return tree;
}

/* A built-in map is what the header of the trace says, and its units start where the first recorded episode does. */
static void expect_recorded_map(const char *path, const char *scenario)
{
    struct arena a;
    struct env_instance recorded;
    struct err err;
    char text[64];
    gzFile file = gzopen(path, "rb");
    assert_non_null(file);
    json_t *header = read_trace_line(file), *reset = read_trace_line(file);
    snprintf(text, sizeof text, "env.scenario=%s", scenario);
    arena_open(&a, ARGUMENTS("env.name=smac", text, "env.agent_id=false"));
    struct recipe *recipe = recipe_create();
    assert_int_equal(recipe_set(recipe, "env.name", "smac", "test", &err), 0);
    assert_int_equal(smac_trace.configure(header, recipe, &err), 0);
    assert_int_equal(env_open(&recorded, recipe, &err), 0);
    const struct smac_map *ours = &a.p->map, *theirs = &((const struct smac_params *)recorded.params)->map;
    assert_int_equal(ours->n_units, theirs->n_units);
    assert_int_equal(ours->horizon, theirs->horizon);
    assert_int_equal(ours->n_bits, theirs->n_bits);
    assert_true(ours->attack_x == theirs->attack_x && ours->attack_y == theirs->attack_y);
    assert_memory_equal(ours->side, theirs->side, sizeof ours->side);
    assert_memory_equal(ours->kind, theirs->kind, sizeof ours->kind);
    assert_memory_equal(ours->bit, theirs->bit, sizeof ours->bit);
    assert_memory_equal(ours->walkable, theirs->walkable, sizeof ours->walkable);
    const json_t *boxes = json_object_get(header, "obstacles");
    assert_int_equal(ours->n_boxes, json_array_size(boxes));
    for (int i = 0; i < ours->n_boxes; i++) {
        const json_t *box = json_array_get(boxes, (size_t)i);
        assert_true(ours->boxes[i].west == json_number_value(json_array_get(box, 0)) &&
                    ours->boxes[i].north == json_number_value(json_array_get(box, 1)) + json_number_value(json_array_get(box, 3)));
    }
    for (int id = 0; id < ours->n_units; id++) {
        const json_t *unit = json_array_get(json_object_get(reset, "units"), (size_t)id);
        assert_near(a.g->unit[id].x, json_number_value(json_array_get(unit, 0)));
        assert_near(a.g->unit[id].y, json_number_value(json_array_get(unit, 1)));
    }
    recipe_destroy(&recipe);
    json_decref(header);
    json_decref(reset);
    gzclose(file);
    arena_close(&a);
}

static void test_built_in_maps_are_the_recorded_ones(void **state)
{
    (void)state;
    expect_recorded_map("tests/golden/traces/smaclite64_3m.jsonl.gz", "3m");
    expect_recorded_map("tests/golden/traces/smaclite64_8m.jsonl.gz", "8m");
    expect_recorded_map("tests/golden/traces/smaclite64_2s3z.jsonl.gz", "2s3z");
    expect_recorded_map("tests/golden/traces/smaclite64_3s5z.jsonl.gz", "3s5z");
    expect_recorded_map("tests/golden/traces/smaclite64_3s_vs_3z.jsonl.gz", "3s_vs_3z");
    expect_recorded_map("tests/golden/traces/smaclite64_MMM.jsonl.gz", "MMM");
    expect_recorded_map("tests/golden/traces/smaclite_3s_vs_1sc.jsonl.gz", "3s_vs_1sc");
}

static void test_units_start_on_ground_and_apart(void **state)
{
    (void)state;
    for (const char *const *name = smac_scenarios; *name; name++) {
        struct arena a;
        char scenario[64];
        snprintf(scenario, sizeof scenario, "env.scenario=%s", *name);
        arena_open(&a, ARGUMENTS("env.name=smac", scenario));
        for (uint64_t seed = 0; seed < 6; seed++) {
            reset_all(&a.vec, seed);
            for (int id = 0; id < a.p->map.n_units; id++)
                if (!smac_is_walkable(&a.p->map, a.g->unit[id].x, a.g->unit[id].y))
                    fail_msg("%s: unit %d starts on a cliff", *name, id);
        }
        arena_close(&a);
    }
}

/* -- map text ------------------------------------------------------------------------------------------------------------------- */

static void expect_refusal(const char *text, const char *words)
{
    struct smac_map map;
    struct err err = {{0}};
    int r = smac_map_read(&map, "x.map", text, &err);
    if (r != ERR_FORMAT || !strstr(err.text, words))
        fail_msg("%s\ngot %s \"%s\", expected \"%s\"", text, err_name(r), err.text, words);
}

#define GOOD "limit 60\nattack 9 16\nally 9 16: 3 marine\nenemy 23 16: 3 marine\n"

static void test_bad_maps_are_explained(void **state)
{
    (void)state;
    struct smac_map map;
    struct err err;
    assert_int_equal(smac_map_read(&map, "x.map", GOOD, &err), 0);
    expect_refusal("# a comment\n\nlimt 60\n", "x.map:3: bad map: got \"limt\", expected limit, attack");
    expect_refusal("limit none\n", "x.map:1: bad map: got \"none\", expected number of steps from 1");
    expect_refusal("limit 2.5\n", "expected a whole number of steps");
    expect_refusal(GOOD "limit 60 61\n", "x.map:5: bad map: got \"61\" after the statement");
    expect_refusal("attack 9\n", "got \"nothing\", expected a y from 0 to 32");
    expect_refusal("ally 40 16: 3 marine\n", "got \"40\", expected an x from 0 to 32");
    expect_refusal("ally 9 16 3 marine\n", "expected a colon and units");
    expect_refusal("ally 9 16: 3 marines\n", "got \"marines\", expected a unit: marine, marauder");
    expect_refusal("ally 9 16: 0 marine\n", "expected number of units from 1");
    expect_refusal("ally 9 16: 65 marine\n", "more than 64 allies");
    expect_refusal("enemy 9 16: 60 marine\nenemy 9 16: 60 marine\n", "x.map:2: bad map: more than 100 units");
    expect_refusal("limit 60\nattack 9 16\nenemy 9 16: 3 marine\n", "no allies, expected a line like \"ally 9 16");
    expect_refusal("ally 9 16: 3 marine\nenemy 9 16: 3 marine\nattack 9 16\n", "no limit, expected a line like \"limit 60\"");
    expect_refusal(GOOD "terrain nowhere\n", "x.map:5: bad map: got terrain \"nowhere\", expected a name");
    expect_refusal(GOOD "terrain\n..X\n", "x.map:6: bad map: got \"..X\", expected a row of 32 cells");
    expect_refusal(GOOD "terrain\n................................\n", "terrain ends 31 rows early");
    expect_refusal(GOOD "random 5 5: 1 marine\n", "groups and random in one map");
    expect_refusal(GOOD "types marine marine\n", "marine twice");
    expect_refusal("limit 60; attack 9 16; random 5 5: 0 marine", "x.map:3: bad map: marine has weight 0");
    expect_refusal("limit 60; attack 9 16; random 5 5: 1 marine; not_all marine", "there is no other unit");
    expect_refusal("terrain simple; limit 60; attack 9 16; ally 2..6 1..5: 2 marine; enemy 9 16: 1 marine",
                   "group 1: all cells of 2..6 1..5 are cliff");
}

static void test_a_map_file_travels_in_the_recipe(void **state)
{
    (void)state;
    char folder[] = "/tmp/testudo_map_XXXXXX", path[64], scenario[80];
    const char *text = "# two against one, on terrain of its own\nlimit 30\nattack 9 16\nally 9 16: 2 stalker   # apart\nenemy 23 "
                       "16: 1 zealot\nterrain\n";
    struct env_instance here, there;
    struct err err;
    char file[2048];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/two.map", folder);
    snprintf(file, sizeof file, "%s", text);
    for (int y = 0; y < SMAC_SIDE; y++)
        strcat(file, y == 3 ? "XX..............................\n" : "................................\n");
    assert_int_equal(file_write(path, file, strlen(file), &err), 0);
    struct recipe *recipe = recipe_create();
    assert_int_equal(recipe_set(recipe, "env.name", "smac", "test", &err), 0);
    assert_int_equal(recipe_set(recipe, "env.scenario", path, "test", &err), 0);
    assert_int_equal(env_open(&here, recipe, &err), 0);
    assert_int_equal(env_resolve(recipe, &err), 0);
    assert_string_equal(recipe_value(recipe, "env.scenario", ""), "map:two");
    unlink(path);
    rmdir(folder);
    assert_int_equal(env_open(&there, recipe, &err), 0); /* as an actor elsewhere does */
    assert_true(spec_equal(&here.spec, &there.spec));
    assert_memory_equal(here.params, there.params, sizeof here.params);
    assert_int_equal(((const struct smac_params *)there.params)->map.n_boxes, 1);
    assert_int_equal(here.spec.N, 2);
    recipe_destroy(&recipe);
    snprintf(scenario, sizeof scenario, "env.scenario=%s", path);
    assert_int_equal(try_open(&here, &err, ARGUMENTS("env.name=smac", scenario)), ERR_IO);
    assert_non_null(strstr(err.text, "two.map"));
    assert_int_equal(try_open(&here, &err, ARGUMENTS("env.name=smac", "env.scenario=map:two")), ERR_INVALID);
    assert_non_null(strstr(err.text, "env.map is empty"));
    assert_int_equal(try_open(&here, &err, ARGUMENTS("env.name=smac", "env.scenario=2s3y")), ERR_UNKNOWN);
    assert_non_null(strstr(err.text, "did you mean 2s3z?"));
}

static void test_every_map_fits_a_recipe(void **state)
{
    (void)state;
    struct err err;
    char line[SMAC_MAP_BYTES];
    for (const struct smac_file *file = smac_files; file->name; file++)
        assert_int_equal(smac_map_flatten(file->name, file->text, line, sizeof line, &err), 0);
}

/* -- options of an episode ------------------------------------------------------------------------------------------------------ */

static void test_disabled_allies_only_stop(void **state)
{
    (void)state;
    struct arena a;
    int drawn[8] = {0};
    arena_open(&a, ARGUMENTS("env.name=smac", "env.scenario=8m", "env.disabled_allies=2"));
    for (uint64_t seed = 0; seed < 200; seed++) {
        int disabled = 0;
        reset_all(&a.vec, seed);
        for (int n = 0; n < 8; n++) {
            const uint8_t *available = a.vec.available + n * a.p->A;
            int open = 0;
            for (int action = 0; action < a.p->A; action++)
                open += available[action];
            assert_true(a.vec.alive[n] && available[ACT_STOP]);
            assert_int_equal(open == 1, ally(&a, n)->is_disabled);
            disabled += ally(&a, n)->is_disabled;
            drawn[n] += ally(&a, n)->is_disabled;
        }
        assert_int_equal(disabled, 2);
    }
    for (int n = 0; n < 8; n++)
        assert_true(drawn[n] > 20 && drawn[n] < 90); /* 50 expected */
    double x = ally(&a, 0)->x;
    int32_t east[8] = {ACT_EAST, ACT_EAST, ACT_EAST, ACT_EAST, ACT_EAST, ACT_EAST, ACT_EAST, ACT_EAST};
    ally(&a, 0)->is_disabled = true;
    for (int n = 1, count = 1; n < 8; n++)
        count += ally(&a, n)->is_disabled = count < 2 && n == 7;
    arena_step(&a, east);
    assert_near(ally(&a, 0)->x, x);
    arena_close(&a);
    struct env_instance env;
    struct err err;
    assert_int_equal(try_open(&env, &err, ARGUMENTS("env.name=smac", "env.scenario=3m", "env.disabled_allies=3")), ERR_RANGE);
}

static void test_reduced_health_is_of_allies(void **state)
{
    (void)state;
    struct arena a;
    arena_open(&a, ARGUMENTS("env.name=smac", "env.scenario=2s3z", "env.reduced_health=15"));
    assert_near(ally(&a, 0)->hp, 80 * 0.85);
    assert_near(ally(&a, 0)->shield, 80);
    assert_near(enemy(&a, 0)->hp, 80);
    assert_near(a.g->max_reward, 1020);
    arena_close(&a);
}

static double reward_of(const char *option, double ally_hp, double enemy_hp)
{
    struct arena a;
    arena_open_map(&a, "limit 9; attack 9 16; ally 9 16: 1 marine; enemy 23 16: 1 marine", option);
    put(ally(&a, 0), 10, 16);
    put(enemy(&a, 0), 12, 16);
    ally(&a, 0)->hp = ally_hp;
    enemy(&a, 0)->hp = enemy_hp;
    ally(&a, 0)->cooldown = ally_hp < 6 ? 0.61 : 0;
    enemy(&a, 0)->cooldown = ally_hp < 6 ? 0 : 0.61;
    enemy(&a, 0)->target = 0;
    double reward = STEP(&a, ACT_TARGETS);
    arena_close(&a);
    return reward;
}

static void test_reward_options(void **state)
{
    (void)state;
    const double scale = 20 / 255.0;
    assert_near(reward_of("env.reward=damage", 45, 5), 215 * scale); /* win */
    assert_near(reward_of("env.reward=sparse", 45, 5), 1);
    assert_near(reward_of("env.reward_scale=false", 45, 5), 215);
    assert_near(reward_of("env.reward=damage", 5, 45), 0); /* defeat */
    assert_near(reward_of("env.reward=sparse", 5, 45), -1);
    assert_near(reward_of("env.reward_negative=0.5", 5, 45), -0.5 * 15 * scale);
    assert_near(reward_of("env.reward_defeat=-200", 5, 45), -200 * scale);
    assert_near(reward_of("env.reward=sparse", 45, 45), 0);
}

static void test_healers_alone_can_lose(void **state)
{
    (void)state;
    const char *map = "limit 9; attack 9 16; ally 9 16: 1 marauder, 1 medivac; enemy 23 16: 1 marauder, 1 medivac";
    for (int loses = 0; loses < 2; loses++) {
        struct arena a;
        arena_open_map(&a, map, loses ? "env.healers_alone_lose=true" : "env.healers_alone_lose=false");
        smac_clear_unit(enemy(&a, 0));
        STEP(&a, ACT_STOP, ACT_STOP);
        assert_int_equal(a.vec.terminated[0], loses);
        arena_close(&a);
    }
}

static void test_the_limit_truncates_or_terminates(void **state)
{
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        struct arena a;
        arena_open(&a, ARGUMENTS("env.name=smac", "env.scenario=3m", "env.horizon=3",
                                 ends ? "env.time_limit=terminate" : "env.time_limit=truncate"));
        for (int t = 0; t < 3; t++) {
            assert_true(!a.vec.terminated[0] && !a.vec.truncated[0]);
            STEP(&a, ACT_STOP, ACT_STOP, ACT_STOP);
        }
        assert_int_equal(a.vec.terminated[0], ends);
        assert_int_equal(a.vec.truncated[0], !ends);
        arena_close(&a);
    }
}

/* Blocks at the places that the rows add: ids, last actions, position. */
static void test_observation_options(void **state)
{
    (void)state;
    struct arena a;
    arena_open(&a, ARGUMENTS("env.name=smac", "env.scenario=3m", "env.observe_last_action=true", "env.observe_position=true"));
    const struct spec *spec = &a.env.spec;
    assert_int_equal(spec->A, 9);
    assert_int_equal(spec->O, 30 + 3 * 9 + 2 + 3);
    assert_int_equal(spec->S, 48 + 3);
    STEP(&a, ACT_EAST, ACT_STOP, ACT_NORTH);
    for (int n = 0; n < 3; n++) {
        const float *own = a.vec.observation + n * spec->O + 4 + 3 * 5 + 2 * (5 + 9), *id = own + 3 + 9,
                    *state_id = a.vec.state + n * spec->S + 48;
        assert_near(own[1], ally(&a, n)->x / 32);
        assert_true(own[3 + ally(&a, n)->last_action] == 1);
        for (int m = 0; m < 3; m++)
            assert_true(id[m] == (m == n) && state_id[m] == (m == n));
    }
    const float *first_ally_of_2 = a.vec.observation + 2 * spec->O + 4 + 3 * 5;
    assert_true(first_ally_of_2[5 + ACT_EAST] == 1 && first_ally_of_2[5 + ACT_STOP] == 0);
    arena_close(&a);
}

/* -- SMACv2 --------------------------------------------------------------------------------------------------------------------- */

static int compare_bytes(const void *a, const void *b)
{
    return *(const uint8_t *)a - *(const uint8_t *)b;
}

static void test_random_teams_are_alike(void **state)
{
    (void)state;
    struct arena a;
    int reflected = 0, seen[SMAC_KINDS] = {0};
    arena_open(&a, ARGUMENTS("env.name=smac", "env.scenario=terran_5_vs_5"));
    for (uint64_t seed = 0; seed < 400; seed++) {
        uint8_t mine[5], theirs[5];
        int healers = 0;
        bool mirrors = true;
        reset_all(&a.vec, seed);
        for (int n = 0; n < 5; n++) {
            mine[n] = ally(&a, n)->kind;
            theirs[n] = enemy(&a, n)->kind;
            healers += mine[n] == MEDIVAC;
            seen[mine[n]]++;
            mirrors &= fabs(enemy(&a, n)->x - (32 - ally(&a, n)->x)) < 1e-9 && enemy(&a, n)->y == ally(&a, n)->y;
            assert_near(ally(&a, n)->hp, smac_types[mine[n]].hp);
        }
        reflected += mirrors;
        assert_true(healers < 5);
        qsort(mine, 5, 1, compare_bytes);
        qsort(theirs, 5, 1, compare_bytes);
        assert_memory_equal(mine, theirs, 5);
    }
    assert_int_equal(seen[MARINE] + seen[MARAUDER] + seen[MEDIVAC], 2000);
    assert_true(seen[MARINE] > 800 && seen[MARINE] < 1000 && seen[MEDIVAC] > 140 && seen[MEDIVAC] < 260);
    assert_true(reflected > 150 && reflected < 250);
    arena_close(&a);
}

static void test_ranges_by_type(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, "limit 9; attack 9 16; ally 9 16: 1 zealot, 1 marauder; enemy 23 16: 1 zealot", "env.ranges=unit");
    put(ally(&a, 0), 10, 16);
    put(ally(&a, 1), 10, 17);
    put(enemy(&a, 0), 15.5, 16);
    vec_observe(&a.vec, 0);
    assert_int_equal(a.vec.available[ACT_TARGETS], 0); /* a zealot chooses within 2 */
    assert_int_equal(a.vec.available[a.p->A + ACT_TARGETS], 1);
    put(enemy(&a, 0), 19.5, 16);
    vec_observe(&a.vec, 0);
    assert_true(a.vec.observation[4 + 1] == 0); /* and sees 9 */
    assert_true(a.vec.observation[a.p->O + 4 + 1] > 0.95f);
    arena_close(&a);
}

static void test_conic_views_turn(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, "limit 9; attack 16 16; ally 16 16: 1 marine; enemy 23 16: 1 spine_crawler", "env.conic_view=true");
    assert_int_equal(a.env.spec.A, 6 + 12 + 1);
    put(ally(&a, 0), 16, 16);
    put(enemy(&a, 0), 16, 21); /* north; the view begins eastward */
    vec_observe(&a.vec, 0);
    assert_true(a.vec.observation[4 + 1] == 0 && !a.vec.available[a.p->first_target]);
    STEP(&a, ACT_TARGETS + 3); /* a quarter of a turn */
    assert_true(a.vec.observation[4 + 1] > 0 && a.vec.available[a.p->first_target]);
    const float *own = a.vec.observation + 4 + a.p->enemy_width;
    assert_true(fabsf(own[1]) < 1e-6f && own[2] == 1); /* health, look */
    arena_close(&a);
}

/* -- pictures ------------------------------------------------------------------------------------------------------------------- */

static void test_pictures_show_everybody(void **state)
{
    (void)state;
    struct arena a;
    static struct scene scene;
    char text[8192];
    arena_open(&a, ARGUMENTS("env.name=smac", "env.scenario=2s3z"));
    env_smac.draw(a.p, a.g, &scene);
    int circles = 0, shields = 0, walls = 0;
    for (int i = 0; i < scene.count; i++) {
        circles += scene.items[i].shape == SCENE_CIRCLE;
        shields += scene.items[i].ink == INK_SHIELD;
        walls += scene.items[i].ink == INK_WALL;
    }
    assert_true(circles == 10 && shields == 10 && walls == 2 && scene.dropped == 0);
    env_smac.render(a.p, a.g, text, sizeof text);
    assert_non_null(strstr(text, "allies  S0:80+80 S1:80+80 Z2:100+50"));
    assert_non_null(strstr(text, "z4"));
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_those_of_smac),
        cmocka_unit_test(test_built_in_maps_are_the_recorded_ones),
        cmocka_unit_test(test_units_start_on_ground_and_apart),
        cmocka_unit_test(test_bad_maps_are_explained),
        cmocka_unit_test(test_a_map_file_travels_in_the_recipe),
        cmocka_unit_test(test_every_map_fits_a_recipe),
        cmocka_unit_test(test_disabled_allies_only_stop),
        cmocka_unit_test(test_reduced_health_is_of_allies),
        cmocka_unit_test(test_reward_options),
        cmocka_unit_test(test_healers_alone_can_lose),
        cmocka_unit_test(test_the_limit_truncates_or_terminates),
        cmocka_unit_test(test_observation_options),
        cmocka_unit_test(test_random_teams_are_alike),
        cmocka_unit_test(test_ranges_by_type),
        cmocka_unit_test(test_conic_views_turn),
        cmocka_unit_test(test_pictures_show_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
