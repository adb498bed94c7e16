/* Quads: goals, what is seen, noise, endings, names. */
#include "tests/envs/quads_test.h"

/* Goals */

static void test_the_same_goal_is_everybodys(void **state)
{
    (void)state;
    struct room room;
    room_open(&room, ARGUMENTS("env.name=quads", "env.scenario=static_same_goal"));
    for (uint64_t seed = 0; seed < 200; seed++) {
        reset_all(&room.vec, seed);
        for (int n = 0; n < 8; n++) {
            const struct quads_drone *d = &room.drone[n];
            double x = d->position[0], y = d->position[1], z = d->position[2], length = sqrt(x * x + y * y);
            assert_true(d->goal[0] == 0 && d->goal[1] == 0 && d->goal[2] == 2);
            assert_true(fabs(x) <= 2 && fabs(y) <= 2 && z >= 0.75 && z <= 4 && d->R[8] == 1);
            assert_true(-(d->R[0] * x + d->R[3] * y) >= 0.5 * length - 1e-12); /* looks to the middle */
        }
    }
    vec_deinit(&room.vec);
}

static double nearest(double (*at)[3], int count)
{
    double least = INFINITY;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++)
            least = fmin(least, sqrt(pow(at[i][0] - at[j][0], 2) + pow(at[i][1] - at[j][1], 2) + pow(at[i][2] - at[j][2], 2)));
    return least;
}

static void test_formations_keep_their_distance(void **state)
{
    (void)state;
    const double centre[3] = {1, -2, 3};
    for (int shape = 0; shape < QUADS_SHAPES; shape++)
        for (int count = 1; count <= 8; count++) {
            double at[8][3], size = quads_formation_size(shape, count, 0.4);
            quads_place_formation((struct quads_formation){.shape = shape, .size = size}, count, centre, at);
            for (int i = 0; i < count; i++)
                for (int k = 0; k < 3; k++)
                    assert_true(fabs(at[i][k] - centre[k]) < 2);
            /* The sphere's radius is a fit; the others are at the distance or, circles of fewer, beyond it. */
            assert_true(nearest(at, count) >= (shape == QUADS_SPHERE ? 0.3 : 0.4 - 1e-12));
            if (shape >= QUADS_GRID && count > 1)
                assert_near("distance", nearest(at, count), 0.4, 1e-12);
        }
    /* Goals recorded from the reference: four drones in a circle across x. */
    const double recorded[4][3] = {{0.8089679703264747, 0.6257786544225123, 1.315885351472356},
                                   {0.8089679703264747, 0.10643603775684343, 1.835227968138025},
                                   {0.8089679703264747, -0.41290657890882554, 1.315885351472356},
                                   {0.8089679703264747, 0.10643603775684331, 0.7965427348066871}};
    double at[4][3], middle[3] = {0.8089679703264747, 0.10643603775684337, 1.315885351472356};
    quads_place_formation((struct quads_formation){QUADS_CIRCLE_YZ, 0.5193426166656689}, 4, middle, at);
    for (int i = 0; i < 12; i++)
        assert_near("recorded goal", at[i / 3][i % 3], recorded[i / 3][i % 3], 1e-12);
}

static void mean_goal(const struct room *room, int from, int to, double *mean)
{
    for (int k = 0; k < 3; k++) {
        mean[k] = 0;
        for (int n = from; n < to; n++)
            mean[k] += room->drone[n].goal[k] / (to - from);
    }
}

/* Sphere apart, a formation's mean is its centre. */
static bool is_centred(const struct room *room, int half)
{
    double first[3], second[3];
    mean_goal(room, 0, half, first);
    mean_goal(room, half, room->env.spec.N, second);
    for (int k = 0; k < 3; k++)
        if (fabs(first[k] - room->game->centre[0][k]) > 1e-9 || fabs(second[k] - room->game->centre[1][k]) > 1e-9)
            return false;
    return true;
}

static void test_halves_change_places(void **state)
{
    (void)state;
    struct room room;
    int centred = 0;
    room_open(&room, ARGUMENTS("env.name=quads", "env.scenario=swarm_vs_swarm", QUIET));
    for (uint64_t seed = 0; seed < 20; seed++) {
        double before[2][3], distance = 0;
        reset_all(&room.vec, seed);
        memcpy(before, room.game->centre, sizeof before);
        for (int k = 0; k < 3; k++)
            distance += pow(before[0][k] - before[1][k], 2);
        assert_true(room.game->swap_every >= 400 && room.game->swap_every < 600);
        assert_true(sqrt(distance) >= 0.25 && sqrt(distance) < 3 && before[0][2] >= 0.25);
        centred += is_centred(&room, 4);
        for (int i = 0; i < 2 * room.game->swap_every; i++) {
            const struct quads_drone *d = &room.drone[5];
            struct quads_drone kept = *d;
            bool swaps = (room.game->step + 1) % room.game->swap_every == 0;
            step(&room, thrust(0.4));
            assert_int_equal(memcmp(kept.goal, d->goal, sizeof kept.goal) != 0, swaps);
            /* Seen is the old goal for one step. */
            const double *seen = swaps ? kept.goal : d->goal;
            assert_near("seen goal", room.vec.observation[5 * room.env.spec.O], d->position[0] - seen[0], 1e-6);
            if (swaps && room.game->step == room.game->swap_every) {
                assert_memory_equal(room.game->centre[0], before[1], sizeof before[1]);
                assert_memory_equal(room.game->centre[1], before[0], sizeof before[0]);
                centred += is_centred(&room, 4);
            }
        }
        assert_memory_equal(room.game->centre, before, sizeof before);
    }
    assert_true(centred > 25); /* of 40; one in eight is a sphere */
    vec_deinit(&room.vec);
}

static void test_new_goals_are_seen_at_once_if_asked_for(void **state)
{
    (void)state;
    struct room room;
    room_open(&room, ARGUMENTS("env.name=quads", "env.scenario=swarm_vs_swarm", "env.stale_goal=false", QUIET));
    room.game->step = room.game->swap_every - 1;
    step(&room, thrust(0.5));
    for (int n = 0; n < 8; n++)
        assert_near("seen goal", room.vec.observation[n * room.env.spec.O], room.drone[n].position[0] - room.drone[n].goal[0],
                    1e-6);
    vec_deinit(&room.vec);
}

/* What is seen */

static double urgency(const struct quads_drone *a, const struct quads_drone *b)
{
    double r[3], d = 0, dot = 0;
    for (int k = 0; k < 3; k++) {
        r[k] = b->position[k] - a->position[k];
        d += r[k] * r[k];
    }
    d = fmax(sqrt(d), 0.01);
    for (int k = 0; k < 3; k++)
        dot += r[k] / d * (b->velocity[k] - a->velocity[k]);
    return d + dot;
}

/* Ranks by counting how many are more urgent. */
static void check_neighbours(const struct room *room, int self)
{
    const struct quads_drone *me = &room->drone[self];
    int N = room->env.spec.N, K = params_of(room)->K;
    for (int j = 0; j < N; j++) {
        int rank = 0;
        for (int i = 0; i < N; i++)
            rank += i != self && i != j && urgency(me, &room->drone[i]) < urgency(me, &room->drone[j]);
        if (K == N - 1)
            rank = j - (j > self);
        const float *seen = room->vec.observation + self * room->env.spec.O + 18 + 6 * rank;
        for (int k = 0; k < 3 && j != self && rank < K; k++) {
            assert_near("place", seen[k], fmin(fmax(room->drone[j].position[k] - me->position[k], -10), 10), 1e-5);
            assert_near("velocity", seen[3 + k], fmin(fmax(room->drone[j].velocity[k] - me->velocity[k], -6), 6), 1e-5);
        }
    }
}

static void test_the_most_urgent_neighbours_are_seen(void **state)
{
    (void)state;
    static const char *const counts[] = {"env.neighbours=1", "env.neighbours=6", "env.neighbours=7", "env.neighbours=-1"};
    for (size_t k = 0; k < ARRAY_LEN(counts); k++) {
        struct room room;
        struct rng rng = rng_stream(4, RNG_TEST, 0, 0, 0);
        room_open(&room, ARGUMENTS("env.name=quads", "env.drones=8", counts[k]));
        assert_int_equal(room.env.spec.O, 18 + 6 * params_of(&room)->K);
        for (int round = 0; round < 100; round++) {
            reset_all(&room.vec, (uint64_t)round);
            for (int n = 0; n < 8; n++)
                quads_normals(&rng, 3, 2, room.drone[n].velocity);
            vec_observe(&room.vec, 0);
            for (int n = 0; n < 8; n++)
                check_neighbours(&room, n);
        }
        vec_deinit(&room.vec);
    }
}

static void test_forms_of_the_own_observation(void **state)
{
    (void)state;
    struct room room;
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=2", "env.self=walls", "env.agent_id=true", "env.sensor_noise=false"));
    assert_int_equal(room.env.spec.O, 24 + 6 + 2);
    put(&room.drone[0], -4, 1, 7);
    vec_observe(&room.vec, 0);
    const float walls[] = {1, 5, 5, 5, 4, 3};
    assert_memory_equal(room.vec.observation + 18, walls, sizeof walls);
    assert_true(room.vec.observation[30] == 1 && room.vec.observation[31] == 0);
    vec_deinit(&room.vec);
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=2", "env.self=floor", "env.neighbours=0", "env.state=joint",
                               "env.sensor_noise=false"));
    assert_int_equal(room.env.spec.O, 19);
    assert_int_equal(room.env.spec.S, 38);
    put(&room.drone[1], -4, 1, 7);
    vec_observe(&room.vec, 0);
    assert_true(room.vec.observation[19 + 18] == 7);
    for (int n = 0; n < 2; n++)
        assert_memory_equal(room.vec.state + 38 * n, room.vec.observation, 38 * sizeof(float));
    vec_deinit(&room.vec);
}

/* Noise */

static double deviation(double sum2, int count)
{
    return sqrt(sum2 / count);
}

static void test_noise_has_its_size(void **state)
{
    (void)state;
    struct room room;
    double motor = 0, next = 0, place = 0, speed = 0, spin = 0;
    const int steps = 4000;
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=4", "env.horizon=5000"));
    for (int i = 0; i < steps; i++) {
        const struct quads_drone *d = &room.drone[i % 4];
        double before = d->motor_noise[1];
        step(&room, thrust(0.5));
        motor += before * before;
        next += before * d->motor_noise[1];
        place += d->sensor_error[0] * d->sensor_error[0];
        speed += d->sensor_error[4] * d->sensor_error[4];
        spin += d->sensor_error[8] * d->sensor_error[8];
    }
    assert_near("motor noise", deviation(motor, steps), 0.01 / sqrt(1 - 0.85 * 0.85), 0.0015);
    assert_near("its memory", next / motor, 0.85, 0.03);
    assert_near("error of place", deviation(place, steps), 0.005, 0.0003);
    assert_near("error of velocity", deviation(speed, steps), 0.01, 0.0006);
    assert_near("error of spin", deviation(spin, steps), 0.000175, 0.00001);
    vec_deinit(&room.vec);
}

static void test_without_noise_nothing_is_drawn(void **state)
{
    (void)state;
    struct room room;
    unsigned char first[8192];
    room_open(&room, ARGUMENTS("env.name=quads", QUIET));
    assert_true(room.env.state_bytes <= sizeof first);
    for (uint64_t i = 0; i < 2; i++) {
        reset_all(&room.vec, 3);
        for (int k = 0; k < 40; k++) {
            struct rng rng = rng_stream(i, RNG_STEP, 0, (uint32_t)k, 0);
            vec_step(&room.vec, thrust(0.6), &rng);
        }
        if (i == 0)
            vec_save(&room.vec, 0, first);
    }
    assert_memory_equal(first, room.vec.states, room.env.state_bytes);
    vec_deinit(&room.vec);
}

/* The rest */

static void test_numbers_beyond_the_bounds(void **state)
{
    (void)state;
    struct room a, b;
    const float hostile[8] = {NAN, INFINITY, 3e38f, -7, NAN, NAN, NAN, NAN}, plain[8] = {0, 0, 1, -1, 0, 0, 0, 0};
    room_open(&a, ARGUMENTS("env.name=quads", "env.drones=2", QUIET));
    room_open(&b, ARGUMENTS("env.name=quads", "env.drones=2", QUIET));
    step(&a, hostile);
    step(&b, plain);
    assert_memory_equal(a.vec.states, b.vec.states, a.env.state_bytes);
    assert_near("what was asked is charged, up to 10", a.vec.reward[0] - b.vec.reward[0],
                -0.005 * 0.05 * (sqrt(10 * 10 + 7 * 7) - sqrt(2)), 1e-7);
    vec_deinit(&a.vec);
    vec_deinit(&b.vec);
}

static void test_time_limit_truncates_or_terminates(void **state)
{
    (void)state;
    static const char *const limits[] = {"env.time_limit=truncate", "env.time_limit=terminate"};
    for (int terminates = 0; terminates < 2; terminates++) {
        struct room room;
        room_open(&room, ARGUMENTS("env.name=quads", "env.horizon=3", limits[terminates]));
        for (int i = 1; i <= 3; i++) {
            step(&room, thrust(0.5));
            assert_int_equal(room.vec.terminated[0], i == 3 && terminates);
            assert_int_equal(room.vec.truncated[0], i == 3 && !terminates);
        }
        vec_deinit(&room.vec);
    }
}

static void test_names_and_sizes(void **state)
{
    (void)state;
    struct env_instance env;
    struct err err;
    must_open(&env, ARGUMENTS("env.name=quads", "env.scenario=swarm_vs_swarm-16"));
    assert_int_equal(env.spec.N, 16);
    assert_int_equal(env.spec.O, 18 + 6 * 6);
    assert_int_equal(env.spec.action, ACTION_BOX);
    assert_int_equal(env.spec.C, 4);
    assert_int_equal(env.spec.horizon, 1501);
    static const char *const bad[] = {"env.scenario=static_same_goal-1", "env.scenario=static_same_goal-17", "env.scenario=swarm",
                                      "env.scenario=swarm_vs_swarmx",    "env.scenario=swarm_vs_swarm-",     "env.neighbours=-2"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_true(try_open(&env, &err, ARGUMENTS("env.name=quads", bad[i])) < 0);
}

static void test_bad_states_are_refused(void **state)
{
    (void)state;
    struct room room;
    struct err err;
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=2"));
    struct quads_drone *d = &room.drone[1];
    const struct {
        double *number, value;
    } bad[] = {{&d->position[0], NAN},
               {&d->velocity[2], INFINITY},
               {&d->R[0], 1.1},
               {&d->R[4], NAN},
               {&d->spin[1], 1e5},
               {&d->rotor[3], -0.1},
               {&d->thrust[0], NAN},
               {&d->unsquared_s, -1},
               {&d->motor_noise[2], NAN},
               {&d->sensor_error[8], 2},
               {&d->goal[0], -INFINITY},
               {&d->seen_goal[1], NAN},
               {&room.game->centre[1][1], NAN}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        reset_all(&room.vec, 1);
        *bad[i].number = bad[i].value;
        assert_int_equal(room.env.ops->check_state(room.env.params, room.vec.states, &err), ERR_FORMAT);
    }
    reset_all(&room.vec, 1);
    const double mirrored[9] = {1, 0, 0, 0, 1, 0, 0, 0, -1};
    memcpy(d->R, mirrored, sizeof mirrored);
    assert_int_equal(room.env.ops->check_state(room.env.params, room.vec.states, &err), ERR_FORMAT);
    reset_all(&room.vec, 1);
    d->touching = 2; /* itself */
    assert_int_equal(room.env.ops->check_state(room.env.params, room.vec.states, &err), ERR_FORMAT);
    reset_all(&room.vec, 1);
    room.game->swap_every = 0;
    assert_int_equal(room.env.ops->check_state(room.env.params, room.vec.states, &err), ERR_FORMAT);
    vec_deinit(&room.vec);
}

static void test_the_pilot_hardly_ever_bumps(void **state)
{
    (void)state;
    static const struct {
        const char *scenario;
        double mean, worst; /* at least; a bump costs 5 */
    } cases[] = {{"env.scenario=static_same_goal", 2.5, -5},
                 {"env.scenario=swarm_vs_swarm", 0.8, -5},
                 {"env.scenario=swarm_vs_swarm-16", -0.5, -15}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct room room;
        double sum = 0, least = 0;
        room_open(&room, ARGUMENTS("env.name=quads", cases[i].scenario));
        for (uint64_t seed = 0; seed < 4; seed++) {
            struct episode episode = play_episode(&room.vec, must_find_script(room.env.ops, "pilot"), seed);
            assert_int_equal(episode.length, 1501);
            sum += episode.mean_return / 4;
            for (int n = 0; n < room.env.spec.N; n++)
                least = fmin(least, episode.returns[n]);
            assert_true(episode.mean_return <= room.env.spec.return_max);
        }
        print_message("%s: mean return of the pilot %.2f, of the worst drone %.2f\n", cases[i].scenario, sum, least);
        assert_true(sum > cases[i].mean && least > cases[i].worst);
        vec_deinit(&room.vec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_goal_is_everybodys),
        cmocka_unit_test(test_formations_keep_their_distance),
        cmocka_unit_test(test_halves_change_places),
        cmocka_unit_test(test_new_goals_are_seen_at_once_if_asked_for),
        cmocka_unit_test(test_the_most_urgent_neighbours_are_seen),
        cmocka_unit_test(test_forms_of_the_own_observation),
        cmocka_unit_test(test_noise_has_its_size),
        cmocka_unit_test(test_without_noise_nothing_is_drawn),
        cmocka_unit_test(test_numbers_beyond_the_bounds),
        cmocka_unit_test(test_time_limit_truncates_or_terminates),
        cmocka_unit_test(test_names_and_sizes),
        cmocka_unit_test(test_bad_states_are_refused),
        cmocka_unit_test(test_the_pilot_hardly_ever_bumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
