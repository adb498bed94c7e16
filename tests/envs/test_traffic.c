/* Traffic Junction: routes traced by hand, arrivals against the binomial, collisions and costs on hand-made roads. What the
 * cars see is checked by recorded steps of the public code (test_traces.c). */
#include "envs/traffic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/envs/envs_test.h"

static struct traffic_state *game_of(struct vec *vec)
{
    return (struct traffic_state *)vec->states;
}

static void open_vec(struct env_instance *env, struct vec *vec, const char *const *arguments)
{
    must_open(env, arguments);
    must_init(vec, env, 1);
    reset_all(vec, 1);
}

static void step_with(struct vec *vec, const int32_t *action, uint64_t seed)
{
    struct rng rng = rng_stream(seed, RNG_STEP, 0, 0, 0);
    vec_step(vec, action, &rng);
}

/* Routes */

/* "S3 E3": three cells south, then three east, counted from the entry's own cell. */
static void assert_route(const struct traffic_params *p, int route, int row, int col, const char *legs)
{
    const struct traffic_route *r = &p->route[route];
    int at = 0;
    for (const char *leg = legs; *leg;) {
        char heading = *leg, *end;
        long count = strtol(leg + 1, &end, 10);
        for (; count > 0; count--) {
            int spot = at < r->length ? p->place[r->start + at] : -1;
            if (spot != (row << 8 | col))
                fail_msg("route %d, cell %d: got (%d, %d), expected (%d, %d)", route, at, spot >> 8, spot & 255, row, col);
            at++;
            row += (heading == 'S') - (heading == 'N');
            col += (heading == 'E') - (heading == 'W');
        }
        /* A turn is made in the last cell of the leg. */
        row -= (heading == 'S') - (heading == 'N');
        col -= (heading == 'E') - (heading == 'W');
        leg = *end == ' ' ? end + 1 : end;
        row += (*leg == 'S') - (*leg == 'N');
        col += (*leg == 'E') - (*leg == 'W');
    }
    assert_int_equal(r->length, at);
}

static void test_easy_routes(void **state)
{
    (void)state;
    struct env_instance env;
    must_open(&env, ARGUMENTS("env.name=traffic", "env.scenario=easy"));
    const struct traffic_params *p = (const struct traffic_params *)env.params;
    assert_int_equal(p->side, 7);
    assert_int_equal(p->n_routes, 2);
    assert_int_equal(p->n_entries, 2);
    assert_route(p, 0, 0, 3, "S7");
    assert_route(p, 1, 3, 0, "E7");
}

static void test_medium_routes(void **state)
{
    (void)state;
    /* Entries at the top, the bottom, the left and the right of a 14 x 14 map; straight, right, left. */
    static const struct {
        int row, col;
        const char *legs;
    } routes[] = {
        {0, 6, "S14"}, {0, 6, "S7 W6"}, {0, 6, "S8 E7"}, {13, 7, "N14"}, {13, 7, "N7 E6"}, {13, 7, "N8 W7"},
        {7, 0, "E14"}, {7, 0, "E7 S6"}, {7, 0, "E8 N7"}, {6, 13, "W14"}, {6, 13, "W7 N6"}, {6, 13, "W8 S7"},
    };
    struct env_instance env;
    must_open(&env, ARGUMENTS("env.name=traffic", "env.scenario=medium"));
    const struct traffic_params *p = (const struct traffic_params *)env.params;
    assert_int_equal(p->n_routes, 12);
    for (int i = 0; i < 12; i++)
        assert_route(p, i, routes[i].row, routes[i].col, routes[i].legs);
}

static void test_hard_routes(void **state)
{
    (void)state;
    /* 18 x 18: southbound columns 4 and 12, northbound 5 and 13; westbound rows 4 and 12, eastbound 5 and 13. Turns in order
     * (straight, right, left) at the first and second road met; one turn that leads off the map has no second. */
    static const char *const top_left[] = {"S18", "S13 W4", "S14 E13", "S5 W4", "S6 E13", "S6 E8 S12", "S6 E9 N5"},
                             *const top_right[] = {"S18", "S13 W12", "S14 E5", "S5 W12", "S5 W7 N4", "S5 W8 S13", "S6 E5"};
    struct env_instance env;
    must_open(&env, ARGUMENTS("env.name=traffic", "env.scenario=hard"));
    const struct traffic_params *p = (const struct traffic_params *)env.params;
    static const int starts[][2] = {{0, 4}, {0, 12}, {5, 0}, {13, 0}, {17, 5}, {17, 13}, {4, 17}, {12, 17}};
    assert_int_equal(p->n_routes, 56);
    assert_int_equal(p->n_entries, 8);
    for (int entry = 0; entry < 8; entry++) {
        assert_int_equal(p->first_route[entry], 7 * entry);
        for (int i = 0; i < 7; i++)
            assert_int_equal(p->place[p->route[7 * entry + i].start], starts[entry][0] << 8 | starts[entry][1]);
    }
    for (int i = 0; i < 7; i++) {
        assert_route(p, i, 0, 4, top_left[i]);
        assert_route(p, 7 + i, 0, 12, top_right[i]);
    }
}

/* As the public code finds them: an entry is near the corner that its right turn leads to, or far from it. */
static void test_route_lengths_are_the_published_ones(void **state)
{
    (void)state;
    static const int near[] = {18, 17, 27, 9, 19, 26, 20}, far[] = {18, 25, 19, 17, 16, 26, 11};
    static const bool is_near[] = {true, false, false, true, false, true, true, false};
    struct env_instance env;
    must_open(&env, ARGUMENTS("env.name=traffic", "env.scenario=hard"));
    const struct traffic_params *p = (const struct traffic_params *)env.params;
    for (int i = 0; i < 56; i++)
        assert_int_equal(p->route[i].length, (is_near[i / 7] ? near : far)[i % 7]);
}

/* Every route goes cell by cell along roads from an edge of the map to an edge, meets no cell twice and shares not both ends with
 * another. */
static void check_routes(const struct traffic_params *p)
{
    for (int i = 0; i < p->n_routes; i++) {
        const uint16_t *place = &p->place[p->route[i].start];
        int length = p->route[i].length, last = p->side - 1;
        for (int k = 0; k < length; k++) {
            int row = place[k] >> 8, col = place[k] & 255, is_edge = row == 0 || col == 0 || row == last || col == last;
            assert_true(p->code[traffic_cell(p, place[k])] != TRAFFIC_NO_ROAD);
            assert_int_equal(is_edge, k == 0 || k == length - 1);
            if (k > 0)
                assert_int_equal(abs(row - (place[k - 1] >> 8)) + abs(col - (place[k - 1] & 255)), 1);
            for (int j = 0; j < k; j++)
                assert_int_not_equal(place[j], place[k]);
        }
        for (int j = 0; j < i; j++)
            assert_true(place[0] != p->place[p->route[j].start] ||
                        place[length - 1] != p->place[p->route[j].start + p->route[j].length - 1]);
    }
}

static void test_routes_lead_along_roads(void **state)
{
    (void)state;
    static const struct {
        const char *difficulty, *dim;
        int n_routes;
    } cases[] = {{"easy", "4", 2},  {"easy", "70", 2},  {"medium", "6", 12}, {"medium", "72", 12},
                 {"hard", "9", 56}, {"hard", "12", 56}, {"hard", "18", 56},  {"hard", "72", 56}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env_instance env;
        char difficulty[64], dim[64];
        snprintf(difficulty, sizeof difficulty, "env.difficulty=%s", cases[i].difficulty);
        snprintf(dim, sizeof dim, "env.dim=%s", cases[i].dim);
        must_open(&env, ARGUMENTS("env.name=traffic", difficulty, dim, "env.state=cars"));
        const struct traffic_params *p = (const struct traffic_params *)env.params;
        assert_int_equal(p->n_routes, cases[i].n_routes);
        check_routes(p);
    }
}

/* Arrivals */

static void test_arrivals_are_binomial(void **state)
{
    (void)state;
    /* One step on an empty road: nobody has left, so each entry has a car with the rate, and each route of it equally often. */
    enum { STEPS = 40000 };
    static const struct {
        const char *scenario;
        int entries, routes, cars;
        double rate;
    } cases[] = {{"env.scenario=slow", 2, 2, 5, 0.3},
                 {"env.scenario=fast", 2, 2, 4, 0.4},
                 {"env.scenario=medium", 4, 12, 10, 0.2},
                 {"env.scenario=hard", 8, 56, 20, 0.05}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env_instance env;
        struct vec vec;
        int by_count[9] = {0}, by_route[56] = {0}, by_car[20] = {0};
        const int32_t gas[20] = {0};
        open_vec(&env, &vec, ARGUMENTS("env.name=traffic", cases[i].scenario));
        for (uint64_t seed = 0; seed < STEPS; seed++) {
            reset_all(&vec, seed);
            step_with(&vec, gas, seed);
            const struct traffic_state *g = game_of(&vec);
            by_count[g->entered]++;
            for (int n = 0; n < cases[i].cars; n++)
                if (g->car[n].route >= 0) {
                    by_route[g->car[n].route]++;
                    by_car[n]++;
                }
        }
        double ways = 1, rate = cases[i].rate;
        for (int k = 0; k <= cases[i].entries; k++) {
            double p = ways * pow(rate, k) * pow(1 - rate, cases[i].entries - k), error = sqrt(p * (1 - p) * STEPS);
            if (fabs(by_count[k] - p * STEPS) > 4 * error + 1)
                fail_msg("%s: %d cars at once: got %d steps, expected %g", cases[i].scenario, k, by_count[k], p * STEPS);
            ways = ways * (cases[i].entries - k) / (k + 1);
        }
        double per_route = rate * cases[i].entries / cases[i].routes * STEPS,
               per_car = rate * cases[i].entries / cases[i].cars * STEPS;
        for (int r = 0; r < cases[i].routes; r++)
            assert_true(fabs(by_route[r] - per_route) < 4.5 * sqrt(per_route));
        for (int n = 0; n < cases[i].cars; n++)
            assert_true(fabs(by_car[n] - per_car) < 4.5 * sqrt(per_car));
        vec_deinit(&vec);
    }
}

static void test_nobody_enters_full_roads(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    const int32_t brake[3] = {1, 1, 1};
    open_vec(&env, &vec, ARGUMENTS("env.name=traffic", "env.scenario=easy", "env.cars=3", "env.add_rate_max=1"));
    step_with(&vec, brake, 1);
    assert_int_equal(game_of(&vec)->entered, 2); /* one at each entry */
    step_with(&vec, brake, 2);
    assert_int_equal(game_of(&vec)->entered, 3);
    assert_int_equal(game_of(&vec)->car[0].route + game_of(&vec)->car[1].route + game_of(&vec)->car[2].route, 1);
    step_with(&vec, brake, 3);
    assert_int_equal(game_of(&vec)->entered, 3);
    vec_deinit(&vec);
}

static void expect_rate(double expected, const char *const *arguments)
{
    struct env_instance env;
    must_open(&env, arguments);
    double rate = ((const struct traffic_params *)env.params)->add_rate;
    if (fabs(rate - expected) > 1e-12)
        fail_msg("got an add rate of %.17g, expected %.17g", rate, expected);
}

static void test_rate_is_the_highest_without_a_curriculum(void **state)
{
    (void)state;
    expect_rate(0.3, ARGUMENTS("env.name=traffic", "env.scenario=easy"));
    expect_rate(0.2, ARGUMENTS("env.name=traffic", "env.scenario=medium"));
    expect_rate(0.05, ARGUMENTS("env.name=traffic", "env.scenario=hard"));
    expect_rate(0.3, ARGUMENTS("env.name=traffic", "env.scenario=slow"));
    expect_rate(0.4, ARGUMENTS("env.name=traffic", "env.scenario=fast"));
    expect_rate(0.3, ARGUMENTS("env.name=traffic", "env.scenario=easy", "env.epoch=7"));
#define CURRICULUM "env.name=traffic", "env.scenario=easy", "env.curriculum_start=250", "env.curriculum_end=1250"
    expect_rate(0.3, ARGUMENTS(CURRICULUM));
    expect_rate(0.1, ARGUMENTS(CURRICULUM, "env.epoch=0"));
    expect_rate(0.1, ARGUMENTS(CURRICULUM, "env.epoch=249"));
    expect_rate(0.1 + 0.2 / 1000, ARGUMENTS(CURRICULUM, "env.epoch=250"));
    expect_rate(0.2, ARGUMENTS(CURRICULUM, "env.epoch=749"));
    expect_rate(0.3, ARGUMENTS(CURRICULUM, "env.epoch=1249"));
    expect_rate(0.3, ARGUMENTS(CURRICULUM, "env.epoch=5000"));
}

/* Roads set by hand; nobody enters */

#define EMPTY "env.name=traffic", "env.add_rate_max=0"

/* Places car n on a route; everybody has been on the road for `wait` steps. */
static void put_car(struct vec *vec, int n, int route, int place, int wait)
{
    struct traffic_state *g = game_of(vec);
    g->entered++;
    g->step = wait + 1 > g->step ? wait + 1 : g->step;
    g->car[n] = (struct traffic_car){.route = (int16_t)route, .place = (int16_t)place, .wait = wait};
    struct err err;
    if (vec->instance->ops->check_state(vec->instance->params, g, &err))
        fail_msg("%s", err.text);
    vec_observe(vec, 0);
}

static bool is_successful(struct vec *vec)
{
    struct env_outcome outcome;
    vec->instance->ops->outcome(vec->instance->params, vec->states, &outcome);
    assert_true(outcome.has_success);
    return outcome.success;
}

static void test_cars_that_meet_collide(void **state)
{
    (void)state;
    /* Both reach the crossing, which is cell 3 of either route; the third car is far away. */
    static const struct {
        const char *more;
        float reward[3];
    } cases[] = {{"env.reward=individual", {-10.03f, -10.04f, -0.01f}},
                 {"env.reward=team", {-20.08f, -20.08f, -20.08f}},
                 {"env.time_cost=flat", {-10.01f, -10.01f, -0.01f}}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env_instance env;
        struct vec vec;
        open_vec(&env, &vec, ARGUMENTS(EMPTY, "env.scenario=easy", "env.cars=3", cases[i].more));
        put_car(&vec, 0, 0, 2, 2);
        put_car(&vec, 1, 1, 2, 3);
        put_car(&vec, 2, 1, 0, 0);
        step_with(&vec, (int32_t[]){0, 0, 0}, 1);
        for (int n = 0; n < 3; n++)
            assert_float_equal(vec.reward[n], cases[i].reward[n], 1e-5);
        assert_int_equal(game_of(&vec)->collisions, 2);
        assert_false(is_successful(&vec));
        /* They drive on, and the episode stays a failure. */
        step_with(&vec, (int32_t[]){0, 0, 0}, 2);
        assert_int_equal(game_of(&vec)->collisions, 2);
        assert_int_equal(game_of(&vec)->car[0].place, 4);
        assert_false(is_successful(&vec));
        vec_deinit(&vec);
    }
}

static void test_one_brakes_and_nobody_collides(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    open_vec(&env, &vec, ARGUMENTS(EMPTY, "env.scenario=easy", "env.cars=3"));
    put_car(&vec, 0, 0, 2, 2);
    put_car(&vec, 1, 1, 2, 3);
    put_car(&vec, 2, 1, 1, 1); /* behind car 1, and brakes with it */
    step_with(&vec, (int32_t[]){0, 1, 1}, 1);
    assert_true(is_successful(&vec));
    assert_float_equal(vec.reward[0], -0.03, 1e-6);
    assert_float_equal(vec.reward[1], -0.04, 1e-6);
    assert_true(vec.observation[0] == 0 && vec.observation[env.spec.O] == 1);
    /* The one behind does not brake again while the first does. */
    step_with(&vec, (int32_t[]){0, 1, 0}, 2);
    assert_false(is_successful(&vec));
    assert_float_equal(vec.reward[0], -0.04, 1e-6);
    assert_float_equal(vec.reward[1], -10.05, 1e-5);
    assert_float_equal(vec.reward[2], -10.03, 1e-5);
    vec_deinit(&vec);
}

/* Swapping cells is no collision, and neither is following into a cell that is being left; a left turn does cross. */
static void test_collisions_on_two_way_roads(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    /* From the top and from the bottom, straight on, on neighbouring lanes. */
    open_vec(&env, &vec, ARGUMENTS(EMPTY, "env.scenario=medium", "env.cars=2"));
    put_car(&vec, 0, 0, 6, 6);
    put_car(&vec, 1, 3, 6, 6);
    step_with(&vec, (int32_t[]){0, 0}, 1);
    assert_true(is_successful(&vec));
    vec_deinit(&vec);
    /* From the top to the right (left turn) and from the bottom straight: both come to row 7, column 7. */
    open_vec(&env, &vec, ARGUMENTS(EMPTY, "env.scenario=medium", "env.cars=2"));
    put_car(&vec, 0, 2, 7, 7);
    put_car(&vec, 1, 3, 5, 5);
    step_with(&vec, (int32_t[]){0, 0}, 1);
    assert_false(is_successful(&vec));
    vec_deinit(&vec);
}

static void test_cars_come_and_go(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    open_vec(&env, &vec, ARGUMENTS(EMPTY, "env.scenario=easy", "env.cars=2"));
    assert_memory_equal(vec.alive, ((uint8_t[]){0, 0}), 2);
    assert_memory_equal(vec.available, ((uint8_t[]){0, 1, 0, 1}), 4);
    put_car(&vec, 0, 1, 6, 8);
    assert_memory_equal(vec.alive, ((uint8_t[]){1, 0}), 2);
    assert_memory_equal(vec.available, ((uint8_t[]){1, 1, 0, 1}), 4);
    step_with(&vec, (int32_t[]){0, 0}, 1);
    assert_true(vec.reward[0] == 0 && game_of(&vec)->arrived == 1 && is_successful(&vec));
    assert_memory_equal(vec.alive, ((uint8_t[]){0, 0}), 2);
    for (int i = 0; i < 2 * env.spec.O; i++)
        assert_true(vec.observation[i] == 0);
    vec_deinit(&vec);
}

static void test_any_number_but_0_brakes(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    static const int32_t numbers[] = {1, -1, 2, INT32_MIN, INT32_MAX};
    open_vec(&env, &vec, ARGUMENTS(EMPTY, "env.scenario=easy", "env.cars=1"));
    put_car(&vec, 0, 0, 2, 2);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        step_with(&vec, &numbers[i], 1);
    assert_int_equal(game_of(&vec)->car[0].place, 2);
    assert_int_equal(game_of(&vec)->car[0].wait, 7);
    vec_deinit(&vec);
}

/* The last action of one that left shows on the next in its place only with the public code's switch. */
static void test_last_action_of_a_predecessor(void **state)
{
    (void)state;
    static const char *const switches[] = {"env.last_action_stays=false", "env.last_action_stays=true"};
    for (int stays = 0; stays < 2; stays++) {
        struct env_instance env;
        struct vec vec;
        open_vec(&env, &vec,
                 ARGUMENTS("env.name=traffic", "env.scenario=easy", "env.add_rate_max=1", "env.cars=1", switches[stays]));
        put_car(&vec, 0, 1, 6, 8);
        step_with(&vec, (int32_t[]){1}, 1);
        step_with(&vec, (int32_t[]){0}, 2); /* leaves, and is the car that enters at the top */
        assert_int_equal(game_of(&vec)->entered, 2);
        assert_int_equal(game_of(&vec)->car[0].wait, 0);
        assert_true(vec.observation[0] == stays);
        vec_deinit(&vec);
    }
}

static void test_time_limit(void **state)
{
    (void)state;
    for (int truncates = 0; truncates < 2; truncates++) {
        struct env_instance env;
        struct vec vec;
        open_vec(
            &env, &vec,
            ARGUMENTS("env.name=traffic", "env.scenario=slow", truncates ? "env.time_limit=truncate" : "env.time_limit=terminate"));
        for (int step = 1; step <= 20; step++) {
            step_with(&vec, (int32_t[]){0, 0, 0, 0, 0}, (uint64_t)step);
            assert_int_equal(vec.terminated[0], step == 20 && !truncates);
            assert_int_equal(vec.truncated[0], step == 20 && truncates);
        }
        vec_deinit(&vec);
    }
}

/* Sizes, names, states */

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *scenario, *more;
        int N, O, S, horizon;
    } cases[] = {
        {"slow", "env.vision=0", 5, 17, 85, 20},
        {"fast", "env.vision=0", 4, 17, 68, 20},
        {"easy", "env.vision=0", 5, 17, 30, 20},
        {"easy", "env.vision=1", 5, 2 + 9 * 15, 30, 20},
        {"medium", "env.vision=0", 10, 2 + 59, 60, 40},
        {"medium", "env.cells=scalar", 10, 6, 60, 40},
        {"hard", "env.vision=0", 20, 2 + 147, 120, 80},
        {"hard", "env.vision=1", 20, 2 + 9 * 147, 120, 80},
        {"hard", "env.full_state_observation=true", 20, 149 + 120, 120, 80},
        {"hard", "env.state=joint", 20, 149, 20 * 149, 80},
        {"hard", "env.state=observation", 20, 149, 149, 80},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env_instance env;
        char scenario[64];
        snprintf(scenario, sizeof scenario, "env.scenario=%s", cases[i].scenario);
        must_open(&env, ARGUMENTS("env.name=traffic", scenario, cases[i].more));
        assert_int_equal(env.spec.N, cases[i].N);
        assert_int_equal(env.spec.O, cases[i].O);
        assert_int_equal(env.spec.S, cases[i].S);
        assert_int_equal(env.spec.horizon, cases[i].horizon);
    }
}

static void test_bad_settings_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *scenario, *more, *words;
    } cases[] = {
        {"env.scenario=rush", "env.dim=6", "easy, medium, hard, slow or fast"},
        {"env.scenario=easy", "env.dim=7", "multiple of 2 from 4"},
        {"env.scenario=easy", "env.vision=3", "multiple of 2 from 7"},
        {"env.scenario=easy", "env.dim=72", "from 4 to 71"},
        {"env.scenario=hard", "env.dim=10", "multiple of 3 from 9"},
        {"env.scenario=hard", "env.dim=6", "multiple of 3 from 9"},
        {"env.scenario=easy", "env.add_rate_max=1.5", "env.add_rate_max"},
        {"env.scenario=easy", "env.cars=65", "env.cars"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct env_instance env;
        struct err err = {{0}};
        if (!try_open(&env, &err, ARGUMENTS("env.name=traffic", cases[i].scenario, cases[i].more)) ||
            !strstr(err.text, cases[i].words))
            fail_msg("%s %s: got \"%s\", expected \"%s\"", cases[i].scenario, cases[i].more, err.text, cases[i].words);
    }
}

static void test_states_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        int32_t step, entered, arrived, collisions;
        struct traffic_car car;
        bool is_good;
    } cases[] = {
        {5, 1, 0, 0, {0, 3, 4, 1}, true},     {5, 3, 3, 0, {-1, 0, 0, 0}, true},   {5, 2, 1, 10, {1, 6, 4, 0}, false},
        {5, 1, 0, 5, {1, 0, 0, 0}, true},     {5, 1, 0, 0, {2, 0, 0, 0}, false},   {5, 1, 0, 0, {0, 7, 7, 0}, false},
        {5, 1, 0, 0, {0, 3, 2, 0}, false},    {5, 1, 0, 0, {0, 3, 5, 0}, false},   {5, 1, 0, 0, {0, -1, 4, 0}, false},
        {5, 1, 0, 0, {0, 3, 4, 2}, false},    {5, 0, 0, 0, {-1, 1, 0, 0}, false},  {5, 0, 0, 0, {-1, 0, 1, 0}, false},
        {5, 0, 0, 0, {-1, 0, 0, 1}, false},   {5, 0, 0, 0, {-2, 0, 0, 0}, false},  {5, 0, 0, 0, {0, 3, 4, 0}, false},
        {5, 1, 0, 0, {-1, 0, 0, 0}, false},   {21, 0, 0, 0, {-1, 0, 0, 0}, false}, {-1, 0, 0, 0, {-1, 0, 0, 0}, false},
        {5, 11, 11, 0, {-1, 0, 0, 0}, false}, {5, 0, 0, -1, {-1, 0, 0, 0}, false},
    };
    struct env_instance env;
    struct vec vec;
    open_vec(&env, &vec, ARGUMENTS("env.name=traffic", "env.scenario=easy", "env.cars=1"));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int32_t bytes[4 + 3];
        struct err err;
        memcpy(bytes, &cases[i], 4 * sizeof *bytes);
        memcpy(bytes + 4, &cases[i].car, sizeof cases[i].car);
        assert_int_equal(sizeof bytes, env.state_bytes);
        if ((vec_load(&vec, 0, bytes, sizeof bytes, &err) == 0) != cases[i].is_good)
            fail_msg("state %zu: expected it to be %s", i, cases[i].is_good ? "taken" : "refused");
    }
    vec_deinit(&vec);
}

/* Who knows all must beat who never brakes by far. */
static double success_rate(const char *scenario, const char *script)
{
    struct env_instance env;
    struct vec vec;
    int successes = 0;
    double sum = 0;
    open_vec(&env, &vec, ARGUMENTS("env.name=traffic", scenario, "env.full_state_observation=true"));
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct episode episode = play_episode(&vec, must_find_script(env.ops, script), seed);
        assert_int_equal(episode.length, env.spec.horizon);
        assert_true(episode.mean_return <= 0 && episode.mean_return >= env.spec.return_min);
        successes += episode.success;
        sum += episode.mean_return;
    }
    print_message("%s %s: %.3f of 400 episodes without collision, mean return %.2f\n", scenario, script, successes / 400.0,
                  sum / 400);
    vec_deinit(&vec);
    return successes / 400.0;
}

static void test_knowing_all_cars_helps(void **state)
{
    (void)state;
    static const char *const scenarios[] = {"env.scenario=slow", "env.scenario=fast", "env.scenario=medium", "env.scenario=hard"};
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        double gas = success_rate(scenarios[i], "gas"), yield = success_rate(scenarios[i], "yield");
        assert_true(yield > gas + 0.2);
    }
}

static void test_picture_shows_the_cars_on_the_road(void **state)
{
    (void)state;
    struct env_instance env;
    struct vec vec;
    struct scene *scene = malloc(sizeof *scene);
    char text[1024];
    int cars = 0, crashes = 0;
    assert_non_null(scene);
    open_vec(&env, &vec, ARGUMENTS(EMPTY, "env.scenario=easy"));
    put_car(&vec, 0, 0, 3, 3);
    put_car(&vec, 1, 1, 3, 3);
    put_car(&vec, 4, 1, 0, 0);
    env.ops->draw(env.params, vec.states, scene);
    for (int i = 0; i < scene->count; i++)
        if (scene->items[i].shape == SCENE_CIRCLE) {
            crashes += scene->items[i].ink == INK_EFFECT;
            cars += scene->items[i].ink == INK_ALLY;
            assert_float_equal(scene->items[i].y, 3.5, 1e-6);
        }
    assert_int_equal(cars, 3);
    assert_int_equal(crashes, 2);
    env.ops->render(env.params, vec.states, text, sizeof text);
    assert_non_null(strstr(text, "e . . # . . . \n"));
    vec_deinit(&vec);
    free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_easy_routes),
        cmocka_unit_test(test_medium_routes),
        cmocka_unit_test(test_hard_routes),
        cmocka_unit_test(test_route_lengths_are_the_published_ones),
        cmocka_unit_test(test_routes_lead_along_roads),
        cmocka_unit_test(test_arrivals_are_binomial),
        cmocka_unit_test(test_nobody_enters_full_roads),
        cmocka_unit_test(test_rate_is_the_highest_without_a_curriculum),
        cmocka_unit_test(test_cars_that_meet_collide),
        cmocka_unit_test(test_one_brakes_and_nobody_collides),
        cmocka_unit_test(test_collisions_on_two_way_roads),
        cmocka_unit_test(test_cars_come_and_go),
        cmocka_unit_test(test_any_number_but_0_brakes),
        cmocka_unit_test(test_last_action_of_a_predecessor),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_bad_settings_are_refused),
        cmocka_unit_test(test_states_that_cannot_be_are_refused),
        cmocka_unit_test(test_knowing_all_cars_helps),
        cmocka_unit_test(test_picture_shows_the_cars_on_the_road),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
