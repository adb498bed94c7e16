/* Quads: how a drone flies, lands and is thrown about. Each rule is set against its formula, written here once more. */
#include "tests/envs/quads_test.h"

/* Rotations */

static void multiply(const double *a, const double *b, double *out)
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            out[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
}

/* About a unit axis, by sine and cosine. */
static void about(const double *axis, double angle, double *out)
{
    double c = cos(angle), s = sin(angle), x = axis[0], y = axis[1], z = axis[2];
    const double R[9] = {c + x * x * (1 - c),     x * y * (1 - c) - z * s, x * z * (1 - c) + y * s,
                         y * x * (1 - c) + z * s, c + y * y * (1 - c),     y * z * (1 - c) - x * s,
                         z * x * (1 - c) - y * s, z * y * (1 - c) + x * s, c + z * z * (1 - c)};
    memcpy(out, R, sizeof R);
}

static void draw_rotation(struct rng *rng, double *out)
{
    double axis[4], length;
    quads_normals(rng, 1, 4, axis);
    length = sqrt(axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2]);
    for (int i = 0; i < 3; i++)
        axis[i] /= length;
    about(axis, quads_uniform(rng, -3, 3), out);
}

/* m = U diag(s) V^T has U V^T as its nearest orthogonal matrix, whatever the singular values s. */
static void test_nearest_rotation_is_that_of_the_svd(void **state)
{
    (void)state;
    static const double singular[][3] = {{1, 1, 1},    {1 + 1e-9, 1, 1 - 2e-9}, {1.1, 0.9, 1},  {3, 2, 1}, {5, 0.2, 1},
                                         {100, 10, 1}, {1, 0.5, 0.01},          {1e4, 1e4, 1e4}};
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    double worst = 0;
    for (size_t k = 0; k < ARRAY_LEN(singular); k++)
        for (int round = 0; round < 50; round++) {
            double U[9], Vt[9], expected[9], m[9], scaled[9];
            draw_rotation(&rng, U);
            draw_rotation(&rng, Vt);
            multiply(U, Vt, expected);
            for (int i = 0; i < 9; i++)
                scaled[i] = singular[k][i / 3] * Vt[i];
            multiply(U, scaled, m);
            quads_nearest_rotation(m);
            for (int i = 0; i < 9; i++)
                worst = fmax(worst, fabs(m[i] - expected[i]));
        }
    print_message("largest difference %g\n", worst);
    assert_true(worst < 1e-12);
}

/* Series and sine meet at 77.46 rad/s. */
static void test_spin_turns_by_rodrigues(void **state)
{
    (void)state;
    static const double speeds[] = {0, 1e-9, 0.3, 20, 69, 77.4, 77.5, 150, 900};
    struct rng rng = rng_stream(2, RNG_TEST, 0, 0, 0);
    const double nothing[4] = {0};
    for (size_t k = 0; k < ARRAY_LEN(speeds); k++)
        for (int round = 0; round < 20; round++) {
            struct quads_drone d = {.position = {0, 0, 5}};
            double axis[3], frame[9], turned[9], after[9], R[9], spin[3];
            draw_rotation(&rng, frame);
            draw_rotation(&rng, d.R);
            memcpy(axis, frame, sizeof axis);
            memcpy(R, d.R, sizeof R);
            for (int i = 0; i < 3; i++)
                d.spin[i] = speeds[k] * axis[i];
            about(axis, speeds[k] * 0.005, turned);
            multiply(R, turned, after); /* the first substep; the second turns by what Euler's equations left */
            const double J[3] = {QUADS_INERTIA_X, QUADS_INERTIA_Y, QUADS_INERTIA_Z};
            for (int i = 0; i < 3; i++) {
                int a = (i + 1) % 3, b = (i + 2) % 3;
                spin[i] = d.spin[i] - 0.005 / J[i] * (J[b] - J[a]) * d.spin[a] * d.spin[b];
                spin[i] = fmin(fmax(spin[i], -40), 40);
            }
            double speed = sqrt(spin[0] * spin[0] + spin[1] * spin[1] + spin[2] * spin[2]);
            for (int i = 0; i < 3; i++)
                axis[i] = speed > 0 ? spin[i] / speed : i == 0;
            about(axis, speed * 0.005, turned);
            multiply(after, turned, R);
            quads_fly(&d, nothing, &rng);
            for (int i = 0; i < 9; i++)
                assert_near("R", d.R[i], R[i], 1e-13);
        }
}

static void test_rotation_stays_one(void **state)
{
    (void)state;
    struct quads_drone d = {.position = {0, 0, 5}, .spin = {30, -20, 10}};
    struct rng rng = rng_stream(2, RNG_TEST, 0, 0, 0);
    const double nothing[4] = {0};
    quads_set_heading(d.R, 1, 0);
    for (int i = 0; i < 20000; i++) {
        d.position[2] = 5;
        d.velocity[2] = 0;
        quads_fly(&d, nothing, &rng);
        double product[9], transposed[9];
        for (int k = 0; k < 9; k++)
            transposed[k] = d.R[k % 3 * 3 + k / 3];
        multiply(d.R, transposed, product);
        for (int k = 0; k < 9; k++)
            assert_near("R R^T", product[k], k % 4 == 0, 1e-12);
    }
}

/* Flight */

static void test_free_fall(void **state)
{
    (void)state;
    struct room room;
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=2", QUIET));
    put(&room.drone[0], 1, 1, 8);
    for (int i = 0; i < 50; i++)
        step(&room, thrust(0));
    assert_near("speed", room.drone[0].velocity[2], -9.81 * 0.5, 1e-12);
    assert_near("height", room.drone[0].position[2], 8 - 9.81 * 0.005 * 0.005 * (99 * 100 / 2), 1e-12);
    vec_deinit(&room.vec);
}

static void test_thrust_follows_with_a_lag_and_hovers_at_1_over_1_9(void **state)
{
    (void)state;
    struct room room;
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=2", QUIET));
    put(&room.drone[0], 1, 1, 8);
    step(&room, thrust(1 / 1.9));
    double lag = 0.02 / 0.150001, rotor = sqrt(1 / 1.9) * (1 - (1 - lag) * (1 - lag));
    assert_near("rotor", room.drone[0].rotor[2], rotor, 1e-7);
    assert_near("thrust", room.drone[0].thrust[2], rotor * rotor, 1e-7);
    for (int i = 0; i < 60; i++)
        step(&room, thrust(1 / 1.9));
    double speed = room.drone[0].velocity[2];
    step(&room, thrust(1 / 1.9));
    assert_near("acceleration in hover", (room.drone[0].velocity[2] - speed) / 0.01, 0, 1e-5);
    for (int i = 0; i < 3; i++)
        assert_near("spin", room.drone[0].spin[i], 0, 1e-12);
    vec_deinit(&room.vec);
}

/* Which way each motor turns the drone: propellers at (+,-) (-,-) (-,+) (+,+), spins - + - +. */
static void test_motors_turn_the_drone(void **state)
{
    (void)state;
    static const int roll[] = {-1, -1, 1, 1}, pitch[] = {-1, 1, 1, -1}, yaw[] = {-1, 1, -1, 1};
    struct room room;
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=2", QUIET));
    for (int motor = 0; motor < 4; motor++) {
        float action[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
        put(&room.drone[0], 0, 0, 8);
        action[motor] = 1;
        step(&room, action);
        const double *spin = room.drone[0].spin;
        assert_true(spin[0] * roll[motor] > 0 && spin[1] * pitch[motor] > 0 && spin[2] * yaw[motor] > 0);
    }
    vec_deinit(&room.vec);
}

/* Floor and walls */

static void test_landing_ends_all_motion(void **state)
{
    (void)state;
    struct room room;
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=2", "env.effort_weight=0", QUIET));
    put(&room.drone[0], 0, 0, ARM + 0.0001);
    put(&room.drone[1], 3, 3, 5);
    room.drone[0].velocity[0] = 2;
    room.drone[0].velocity[2] = -1;
    room.drone[0].spin[2] = 3;
    quads_set_heading(room.drone[0].R, 0.6, 0.8);
    step(&room, thrust(0));
    const struct quads_drone *d = &room.drone[0];
    assert_true(d->flags & QUADS_ON_FLOOR);
    assert_true(d->position[2] == ARM && d->velocity[0] == 0 && d->velocity[2] == 0 && d->spin[2] == 0);
    assert_near("heading kept", d->R[3], sin(atan2(0.8, 0.6) + 3 * 0.005), 1e-5); /* one substep of spin; upstream's guard */
    double distance = sqrt(d->position[0] * d->position[0] + (ARM - 2) * (ARM - 2));
    assert_near("reward", room.vec.reward[0], -0.005 * (distance + 1 + 1), 1e-7);
    step(&room, thrust(0));
    assert_true(d->flags == QUADS_ON_FLOOR); /* landed is of the moment */
    for (int i = 0; i < 100; i++)
        step(&room, thrust(1));
    assert_true(!(d->flags & QUADS_ON_FLOOR) && d->position[2] > 0.5); /* and it takes off again */
    vec_deinit(&room.vec);
}

static void test_landing_upside_down_draws_a_heading(void **state)
{
    (void)state;
    struct room room;
    double headings[2];
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=2", QUIET));
    for (int i = 0; i < 2; i++) {
        struct quads_drone *d = &room.drone[0];
        const double inverted[9] = {1, 0, 0, 0, -1, 0, 0, 0, -1};
        struct rng rng = rng_stream((uint64_t)i, RNG_STEP, 0, 0, 0);
        put(d, 0, 0, ARM);
        memcpy(d->R, inverted, sizeof inverted);
        vec_step(&room.vec, thrust(0), &rng);
        assert_true(d->flags & QUADS_GOT_UP && d->R[8] == 1);
        headings[i] = d->R[3];
    }
    assert_true(headings[0] != headings[1]);
    vec_deinit(&room.vec);
}

static void test_a_drone_slides_along_a_wall_unless_walls_push(void **state)
{
    (void)state;
    static const char *const walls[] = {"env.wall_hits=false", "env.wall_hits=true"};
    for (int pushes = 0; pushes < 2; pushes++) {
        struct room room;
        room_open(&room,
                  ARGUMENTS("env.name=quads", "env.drones=2", "env.motor_noise=false", "env.sensor_noise=false", walls[pushes]));
        struct quads_drone *d = &room.drone[0];
        put(d, 4.999, 1, 5);
        d->velocity[0] = 3;
        step(&room, thrust(0));
        assert_true(d->position[0] == 5 && d->flags & QUADS_AT_WALL);
        assert_int_equal((d->flags & QUADS_HIT_WALL) != 0, pushes);
        if (pushes) {
            double speed =
                sqrt(d->velocity[0] * d->velocity[0] + d->velocity[1] * d->velocity[1] + d->velocity[2] * d->velocity[2]);
            assert_true(d->velocity[0] < 0 && d->velocity[2] < 0 && speed >= 0.099 && speed < 0.8 * 3.01);
            assert_true(fabs(d->spin[0]) + fabs(d->spin[1]) + fabs(d->spin[2]) > 10 * QUADS_PI);
        } else {
            assert_near("velocity stays", d->velocity[0], 3, 1e-12);
        }
        put(d, 0, 1, 9.9999);
        d->velocity[2] = 1;
        step(&room, thrust(0));
        assert_true(d->flags & QUADS_AT_CEILING && d->position[2] <= 10 && (d->velocity[2] < 0) == pushes);
        vec_deinit(&room.vec);
    }
}

static void test_a_wall_pushes_every_second_step(void **state)
{
    (void)state;
    struct room room;
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=2", "env.motor_noise=false"));
    for (int i = 0; i < 6; i++) {
        struct quads_drone *d = &room.drone[0];
        uint32_t hit = d->flags & QUADS_HIT_WALL;
        put(d, 4.9999, 1, 5); /* held there */
        d->velocity[0] = 3;
        d->flags = hit;
        step(&room, thrust(0));
        assert_int_equal((d->flags & QUADS_HIT_WALL) != 0, i % 2 == 0);
    }
    vec_deinit(&room.vec);
}

/* Contacts */

static void test_bumping_costs_once_and_nearness_always(void **state)
{
    (void)state;
    static const struct {
        double distance;
        bool is_touching, is_near;
    } cases[] = {{1.9 * ARM, true, true}, {2.1 * ARM, false, true}, {4.1 * ARM, false, false}};
    for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
        struct room room;
        room_open(&room, ARGUMENTS("env.name=quads", "env.drones=3", "env.effort_weight=0", "env.distance_weight=0", QUIET));
        put(&room.drone[0], 0, 0, 5);
        put(&room.drone[1], cases[k].distance, 0, 5);
        put(&room.drone[2], 0, 3, 5);
        double near = cases[k].is_near ? 0.01 * 10 * (1 - cases[k].distance / (4 * ARM)) : 0;
        for (int i = 0; i < 3; i++) {
            step(&room, thrust(0));
            double bump = i == 0 && cases[k].is_touching ? 5 : 0;
            for (int n = 0; n < 2; n++)
                assert_near("reward", room.vec.reward[n], 0.005 - near - bump, 1e-6);
            assert_near("of one far away", room.vec.reward[2], 0.005, 1e-7);
            assert_int_equal(room.drone[1].touching, cases[k].is_touching);
        }
        put(&room.drone[1], 2, 2, 5);
        step(&room, thrust(0));
        put(&room.drone[1], room.drone[0].position[0] + ARM, room.drone[0].position[1], room.drone[0].position[2]);
        step(&room, thrust(0));
        assert_true(room.drone[0].flags & QUADS_BUMPED); /* a second contact counts anew */
        vec_deinit(&room.vec);
    }
}

/* Who touches one drone already and then another pays nothing more, but is thrown. */
static void test_pairs_that_newly_touch_are_thrown_apart(void **state)
{
    (void)state;
    struct room room;
    int parted = 0;
    room_open(&room, ARGUMENTS("env.name=quads", "env.drones=2", "env.motor_noise=false", "env.sensor_noise=false"));
    for (int round = 0; round < 200; round++) {
        struct quads_drone *a = &room.drone[0], *b = &room.drone[1];
        struct rng rng = rng_stream((uint64_t)round, RNG_STEP, 0, 0, 0);
        put(a, 0, 0, 5);
        put(b, 1.5 * ARM, 0, 5);
        a->velocity[0] = 1;
        b->velocity[0] = -2;
        room.game->step = 0;
        vec_step(&room.vec, thrust(0), &rng);
        double va = sqrt(a->velocity[0] * a->velocity[0] + a->velocity[1] * a->velocity[1] + a->velocity[2] * a->velocity[2]);
        double vb = sqrt(b->velocity[0] * b->velocity[0] + b->velocity[1] * b->velocity[1] + b->velocity[2] * b->velocity[2]);
        assert_true(va <= 2.01 && vb <= 2.01); /* no faster than the faster one */
        parted += a->velocity[0] < 0 && b->velocity[0] > 0;
        for (int i = 0; i < 3; i++)
            assert_near("spins are opposite", a->spin[i], -b->spin[i], 1e-12);
        double spin = sqrt(a->spin[0] * a->spin[0] + a->spin[1] * a->spin[1] + a->spin[2] * a->spin[2]);
        assert_true(spin >= 10 * QUADS_PI - 1e-9 && spin <= 20 * QUADS_PI + 1e-9);
        const double spin_before = a->spin[0];
        memset(a->spin, 0, sizeof a->spin);
        memset(b->spin, 0, sizeof b->spin);
        vec_step(&room.vec, thrust(0), &rng); /* still touching: not thrown again */
        assert_true(spin_before != 0 && a->spin[0] == 0);
    }
    print_message("%d of 200 pairs flew apart\n", parted);
    assert_true(parted > 190); /* three tries */
    vec_deinit(&room.vec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_rotation_is_that_of_the_svd),
        cmocka_unit_test(test_spin_turns_by_rodrigues),
        cmocka_unit_test(test_rotation_stays_one),
        cmocka_unit_test(test_free_fall),
        cmocka_unit_test(test_thrust_follows_with_a_lag_and_hovers_at_1_over_1_9),
        cmocka_unit_test(test_motors_turn_the_drone),
        cmocka_unit_test(test_landing_ends_all_motion),
        cmocka_unit_test(test_landing_upside_down_draws_a_heading),
        cmocka_unit_test(test_a_drone_slides_along_a_wall_unless_walls_push),
        cmocka_unit_test(test_a_wall_pushes_every_second_step),
        cmocka_unit_test(test_bumping_costs_once_and_nearness_always),
        cmocka_unit_test(test_pairs_that_newly_touch_are_thrown_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
