/* SMAC combat, rule by rule, on states made by hand. That all rules together agree with the reference, test_traces.c shows. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/envs/smac_test.h"

#define DUEL "limit 100; attack 9 16; ally 9 16: "
enum { TARGET = ACT_TARGETS };

/* -- damage --------------------------------------------------------------------------------------------------------------------- */

/* What one shot of an ally takes from an enemy that stands in range and does not answer for a while. */
static void expect_shot(const char *units, double hp, double shield, double points)
{
    struct arena a;
    char map[256];
    snprintf(map, sizeof map, DUEL "%s", units);
    arena_open_map(&a, map, "env.reward_scale=false");
    struct smac_unit *target = enemy(&a, 0);
    put(ally(&a, 0), 10, 16);
    put(target, 11, 16);
    const struct smac_type *type = smac_type_of(target);
    target->cooldown = type->cooldown;
    double reward = STEP(&a, TARGET);
    assert_near(target->hp - type->hp_regen * 0.5, hp);
    assert_near(target->shield, shield);
    assert_near(reward, points);
    arena_close(&a);
}

static void test_armor_and_shields_lessen_damage(void **state)
{
    (void)state;
    /* A step of half a second holds one shot of these: first tick. Zerg regenerate 0.38 a second, capped at their full health. */
    expect_shot("1 marine; enemy 23 16: 1 marauder", 125 - (6 - 1), 0, 5);          /* armor 1 */
    expect_shot("1 marauder; enemy 23 16: 1 marauder", 125 - (10 + 10 - 1), 0, 19); /* bonus against armored */
    expect_shot("1 marauder; enemy 23 16: 1 marine", 45 - 10, 0, 10);
    expect_shot("1 stalker; enemy 23 16: 1 zealot", 100, 50 - 13, 13); /* shields have no armor */
    expect_shot("1 stalker; enemy 23 16: 1 stalker", 80, 80 - 18, 18);
}

static void test_what_the_shield_leaves_meets_armor(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "1 zealot; enemy 23 16: 1 zealot", "env.reward_scale=false");
    put(ally(&a, 0), 10, 16);
    put(enemy(&a, 0), 11, 16);
    enemy(&a, 0)->cooldown = 0.86;
    enemy(&a, 0)->shield = 5;
    enemy(&a, 0)->shield_cooldown = 10;
    double reward = STEP(&a, TARGET); /* two hits of 8: 5 on the shield and 3 - 1, then 8 - 1 */
    assert_near(enemy(&a, 0)->hp, 100 - 2 - 7);
    assert_near(enemy(&a, 0)->shield, 0);
    assert_near(reward, 5 + 2 + 7);
    assert_true(enemy(&a, 0)->shield_cooldown > 9);
    arena_close(&a);
}

static void test_a_kill_and_the_win_pay(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "1 marine; enemy 23 16: 1 marine", NULL);
    put(ally(&a, 0), 10, 16);
    put(enemy(&a, 0), 12, 16);
    enemy(&a, 0)->hp = 4;
    double reward = STEP(&a, TARGET);
    assert_near(reward, (4 + 10 + 200) / ((45 + 10 + 200) / 20.0));
    assert_true(a.vec.terminated[0] && !a.vec.truncated[0] && !enemy(&a, 0)->is_alive);
    struct env_outcome outcome;
    env_smac.outcome(a.p, a.g, &outcome);
    assert_true(outcome.success && outcome.info[0] == 1 && outcome.info[1] == 0);
    arena_close(&a);
}

static void test_shields_grow_ten_seconds_after_a_hit(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "1 stalker; enemy 23 16: 1 stalker", NULL);
    put(enemy(&a, 0), 31, 16); /* far away */
    ally(&a, 0)->shield = 10;
    ally(&a, 0)->shield_cooldown = 0.75;
    STEP(&a, ACT_STOP);
    assert_near(ally(&a, 0)->shield, 10);
    STEP(&a, ACT_STOP); /* ready in its fourth tick: five ticks of growth */
    assert_near(ally(&a, 0)->shield, 10 + 5 * 0.125);
    arena_close(&a);
}

/* -- special weapons ------------------------------------------------------------------------------------------------------------ */

static void test_a_beam_hits_across_the_line_of_fire(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "1 colossus; enemy 23 16: 4 marine", "env.reward_scale=false");
    put(ally(&a, 0), 10, 16);
    put(enemy(&a, 0), 14, 16);
    put(enemy(&a, 1), 14, 17);   /* on the line across */
    put(enemy(&a, 2), 15.2, 16); /* behind */
    put(enemy(&a, 3), 14, 18.5); /* its circle is beyond the end */
    for (int i = 0; i < 4; i++)
        enemy(&a, i)->cooldown = 0.61;
    double reward = STEP(&a, TARGET);
    assert_near(enemy(&a, 0)->hp, 45 - 30); /* two hits of 10 + 5 against light */
    assert_near(enemy(&a, 1)->hp, 45 - 30);
    assert_near(enemy(&a, 2)->hp, 45);
    assert_near(enemy(&a, 3)->hp, 45);
    assert_near(reward, 60);
    arena_close(&a);
}

static void test_a_blast_spares_friends_and_costs_the_bomber(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "2 baneling; enemy 23 16: 3 zealot", "env.reward_negative=1");
    put(ally(&a, 0), 10, 16);
    put(ally(&a, 1), 10, 16.9);
    put(enemy(&a, 0), 11, 16);
    put(enemy(&a, 1), 12, 17); /* within 2.2 and its radius */
    put(enemy(&a, 2), 14, 16); /* not */
    for (int i = 0; i < 3; i++)
        enemy(&a, i)->cooldown = 0.86;
    double reward = STEP(&a, TARGET, ACT_STOP);
    assert_false(ally(&a, 0)->is_alive);
    assert_near(ally(&a, 1)->hp, 30);
    assert_near(enemy(&a, 0)->hp, 100 - (80 - 50 - 1));
    assert_near(enemy(&a, 1)->hp, 100 - (80 - 50 - 1));
    assert_near(enemy(&a, 2)->shield, 50);
    assert_near(reward, (2 * (50 + 29) - 30 - 10) / ((3 * 150 + 3 * 10 + 200) / 20.0)); /* own life counts as lost */
    arena_close(&a);
}

static void test_healers_buy_health_with_energy(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "1 marauder, 1 medivac; enemy 23 16: 1 zealot", NULL);
    put(enemy(&a, 0), 31, 16);
    put(ally(&a, 0), 9, 16);
    put(ally(&a, 1), 9, 17);
    ally(&a, 0)->hp = 100;
    STEP(&a, ACT_STOP, TARGET); /* eight ticks of 9/16; energy buys 3 at a time: 4.5 take two */
    assert_near(ally(&a, 0)->hp, 104.5);
    assert_near(ally(&a, 1)->energy, 50 + 0.5 * 0.5625 - 2);
    assert_near(ally(&a, 1)->heal_pool, 1.5);
    ally(&a, 1)->energy = 2; /* too little to turn to a new patient, enough to go on */
    STEP(&a, ACT_STOP, TARGET);
    assert_near(ally(&a, 0)->hp, 109);
    ally(&a, 1)->target = SMAC_NOBODY;
    STEP(&a, ACT_STOP, TARGET);
    assert_true(ally(&a, 0)->hp <= 109 + 9.0 / 16 * 7);
    arena_close(&a);
}

/* -- quirks --------------------------------------------------------------------------------------------------------------------- */

/* A target that falls in the first tick, shot at by two: how many cooldowns were spent? */
static int shots_at_a_corpse(const char *option)
{
    struct arena a;
    arena_open_map(&a, DUEL "2 stalker; enemy 23 16: 1 marine, 1 zealot", option);
    put(ally(&a, 0), 10, 15);
    put(ally(&a, 1), 10, 17);
    put(enemy(&a, 0), 12, 16);
    put(enemy(&a, 1), 31, 16);
    enemy(&a, 0)->hp = 5;
    enemy(&a, 0)->cooldown = 0.61;
    STEP(&a, TARGET, TARGET);
    int spent = (ally(&a, 0)->cooldown > 0) + (ally(&a, 1)->cooldown > 0);
    arena_close(&a);
    return spent;
}

static void test_corpse_shots_are_a_switch(void **state)
{
    (void)state;
    assert_int_equal(shots_at_a_corpse("env.corpse_shots=true"), 2);
    assert_int_equal(shots_at_a_corpse("env.corpse_shots=false"), 1);
}

/* In how many of 40 ticks' orders does a healer save a unit that was shot dead? */
static int saved(const char *option)
{
    int count = 0;
    for (int seed = 0; seed < 40; seed++) {
        struct arena a;
        arena_open_map(&a, DUEL "1 marine, 1 medivac; enemy 23 16: 1 marauder", option);
        put(ally(&a, 0), 10, 16);
        put(ally(&a, 1), 10, 17);
        put(enemy(&a, 0), 12, 16);
        ally(&a, 0)->hp = 5;
        enemy(&a, 0)->target = 0;
        a.step = seed; /* another order */
        STEP(&a, ACT_STOP, TARGET);
        count += ally(&a, 0)->is_alive;
        arena_close(&a);
    }
    return count;
}

static void test_late_heal_is_a_switch(void **state)
{
    (void)state;
    int with = saved("env.late_heal=true");
    assert_true(with > 8 && with < 32); /* when the healer acts after the shooter */
    assert_int_equal(saved("env.late_heal=false"), 0);
}

/* -- enemies -------------------------------------------------------------------------------------------------------------------- */

static void test_enemies_take_healers_first_then_the_nearest(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "2 marine, 1 medivac; enemy 23 16: 1 marine", NULL);
    put(enemy(&a, 0), 16, 16);
    put(ally(&a, 0), 13, 16);
    put(ally(&a, 1), 12, 17);
    put(ally(&a, 2), 12, 15);
    STEP(&a, ACT_STOP, ACT_STOP, ACT_STOP);
    assert_int_equal(enemy(&a, 0)->target, 2);
    put(ally(&a, 2), 1, 16);
    enemy(&a, 0)->target = SMAC_NOBODY;
    STEP(&a, ACT_STOP, ACT_STOP, ACT_STOP);
    assert_int_equal(enemy(&a, 0)->target, 0);
    arena_close(&a);
}

static void test_enemies_walk_to_the_attack_point(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, "limit 100; attack 5 20; ally 28 10: 1 marine; enemy 20 16: 1 zealot", NULL);
    put(ally(&a, 0), 31, 9);
    STEP(&a, ACT_STOP);
    assert_int_equal(enemy(&a, 0)->target, SMAC_NOBODY);
    assert_near((enemy(&a, 0)->y - 16) / (enemy(&a, 0)->x - 20), (20.0 - 16) / (5 - 20));
    assert_near(hypot(enemy(&a, 0)->x - 20, enemy(&a, 0)->y - 16), 3.15 / 2);
    arena_close(&a);
}

/* Wins of the attack-nearest script in 20 episodes. */
static int wins(const char *map, const char *option)
{
    struct arena a;
    int count = 0;
    arena_open_map(&a, map, option);
    for (uint64_t seed = 0; seed < 20; seed++)
        count += play_episode(&a.vec, must_find_script(a.env.ops, "attack-nearest"), seed).success;
    arena_close(&a);
    return count;
}

static void test_opponents_get_harder(void **state)
{
    (void)state;
    const char *marines = "limit 60; attack 9 16; ally 9 16: 3 marine; enemy 23 16: 3 marine";
    const char *chase = "limit 150; attack 9 16; ally 9 16: 4 zealot; enemy 23 16: 3 stalker";
    int plain[] = {wins(marines, "env.opponent=attack-move"), wins(chase, "env.opponent=attack-move")};
    int focus = wins(marines, "env.opponent=focus"), micro = wins(chase, "env.opponent=micro");
    print_message("wins of 20: 3m %d, against focus %d; 4 zealots against 3 stalkers %d, against micro %d\n", plain[0], focus,
                  plain[1], micro);
    assert_true(plain[0] >= 18 && focus <= 2);
    assert_true(plain[1] >= 18 && micro <= 2);
}

/* -- moving --------------------------------------------------------------------------------------------------------------------- */

static void test_units_do_not_walk_through_each_other(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "2 marine; enemy 23 16: 1 marine", NULL);
    put(enemy(&a, 0), 31, 23);
    put(ally(&a, 0), 10, 16);
    put(ally(&a, 1), 12, 16.05);
    for (int t = 0; t < 6; t++) {
        STEP(&a, ACT_EAST, ACT_WEST);
        assert_true(hypot(ally(&a, 0)->x - ally(&a, 1)->x, ally(&a, 0)->y - ally(&a, 1)->y) > 0.74);
    }
    arena_close(&a);
}

static void test_a_lone_unit_walks_as_fast_as_it_can(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "1 marine; enemy 23 16: 1 marine", NULL);
    put(enemy(&a, 0), 31, 23);
    put(ally(&a, 0), 10, 16);
    STEP(&a, ACT_NORTH);
    assert_near(ally(&a, 0)->y, 16 + 3.15 / 2);
    assert_near(ally(&a, 0)->x, 10);
    arena_close(&a);
}

/* How near a marine that walks south comes to a horizontal cliff at y = 8. */
static double gap_to_cliff(const char *option)
{
    struct arena a;
    arena_open_map(&a, "terrain simple; " DUEL "1 marine; enemy 23 16: 1 marine", option);
    put(enemy(&a, 0), 31, 23);
    put(ally(&a, 0), 10, 11);
    double nearest = INFINITY;
    for (int t = 0; t < 6; t++) {
        STEP(&a, a.vec.available[ACT_SOUTH] ? ACT_SOUTH : ACT_STOP);
        nearest = fmin(nearest, ally(&a, 0)->y - 8);
    }
    arena_close(&a);
    return nearest;
}

static void test_cliffs_stop_units(void **state)
{
    (void)state;
    double corrected = gap_to_cliff("env.cliff_slip=false"), slip = gap_to_cliff("env.cliff_slip=true");
    assert_true(corrected > 0.37);
    assert_true(slip > 0 && slip < corrected);
}

static void test_units_at_one_point_come_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "2 marine; enemy 23 16: 2 marine", NULL);
    for (int id = 0; id < 4; id++)
        put(&a.g->unit[id], 16, 16);
    STEP(&a, ACT_EAST, ACT_EAST);
    for (int id = 0; id < 4; id++)
        assert_true(isfinite(a.g->unit[id].x) && isfinite(a.g->unit[id].vy));
    assert_true(hypot(ally(&a, 0)->x - ally(&a, 1)->x, ally(&a, 0)->y - ally(&a, 1)->y) > 0.5);
    arena_close(&a);
}

/* The search by strips of many units finds what looking at all of a few does: each unit alone with its neighbours moves alike. */
static void test_strips_find_all_neighbours(void **state)
{
    (void)state;
    struct arena a;
    struct rng rng = rng_stream(5, RNG_TEST, 0, 0, 0);
    static struct smac_traffic many, few;
    uint8_t all[SMAC_UNITS_MAX], some[SMAC_UNITS_MAX];
    int compared = 0, crowded = 0;
    arena_open(&a, ARGUMENTS("env.name=smac", "env.scenario=MMM2",
                             "env.map=limit 9; attack 9 16; ally 9 16: 20 marine, 20 stalker, 5 "
                             "medivac; enemy 23 16: 40 zergling, 10 colossus"));
    for (int id = 0; id < a.p->map.n_units; id++)
        all[id] = (uint8_t)id;
    for (int round = 0; round < 40; round++) {
        for (int id = 0; id < a.p->map.n_units; id++) {
            struct smac_unit *unit = &a.g->unit[id];
            put(unit, rng_double(&rng) * 16 - 4, rng_double(&rng) * 16 + 20); /* off the plane too */
            unit->vx = rng_double(&rng) - 0.5;
            unit->vy = rng_double(&rng) - 0.5;
            many.want_x[id] = few.want_x[id] = rng_below(&rng, 4) ? rng_double(&rng) * 2 - 1 : 0;
            many.want_y[id] = few.want_y[id] = many.want_x[id] != 0 ? rng_double(&rng) * 2 - 1 : 0;
        }
        many.unit = few.unit = a.g->unit;
        many.live = all;
        many.n_live = a.p->map.n_units;
        few.live = some;
        smac_avoid(a.p, &many);
        for (int id = 0; id < a.p->map.n_units; id++) {
            const struct smac_unit *unit = &a.g->unit[id];
            double reach = smac_type_of(unit)->radius + a.p->largest_radius;
            few.n_live = 0;
            for (int other = 0; other < a.p->map.n_units; other++)
                if (hypot(a.g->unit[other].x - unit->x, a.g->unit[other].y - unit->y) <= reach + 1e-9)
                    some[few.n_live++] = (uint8_t)other;
            if (few.n_live > 12)
                continue;
            smac_avoid(a.p, &few);
            assert_true(few.next_x[id] == many.next_x[id] && few.next_y[id] == many.next_y[id]);
            compared++;
            crowded += few.n_live > 2;
        }
    }
    print_message("compared %d units, %d of them with several neighbours\n", compared, crowded);
    assert_true(compared > 2000 && crowded > 500);
    arena_close(&a);
}

/* -- actions -------------------------------------------------------------------------------------------------------------------- */

static void test_the_mask_says_what_can_be_done(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, "terrain simple; " DUEL "1 marine, 1 medivac; enemy 23 16: 2 marine", NULL);
    put(ally(&a, 0), 31.5, 8.5);
    put(ally(&a, 1), 26, 8.5);
    put(enemy(&a, 0), 31.5, 14.4);
    put(enemy(&a, 1), 25.4, 8.5);
    vec_observe(&a.vec, 0);
    const uint8_t marine[] = {0, 1, 1, 0, 0, 1, 1, 0}, medivac[] = {0, 1, 1, 0, 1, 1, 1, 0};
    assert_memory_equal(a.vec.available, marine, sizeof marine);
    assert_memory_equal(a.vec.available + a.p->A, medivac, sizeof medivac);
    for (int action = -3; action < a.p->A + 3; action++)
        for (int n = 0; n < 2; n++)
            assert_int_equal(smac_is_available(a.p, a.g, n, action),
                             action >= 0 && action < a.p->A ? a.vec.available[n * a.p->A + action] : 0);
    double y = ally(&a, 0)->y;
    STEP(&a, ACT_SOUTH, 99); /* what is not available counts as stop */
    assert_near(ally(&a, 0)->y, y);
    assert_int_equal(ally(&a, 0)->last_action, ACT_STOP);
    arena_close(&a);
}

static void test_the_dead_can_do_nothing_and_see_nothing(void **state)
{
    (void)state;
    struct arena a;
    arena_open_map(&a, DUEL "2 marine; enemy 23 16: 1 marine", NULL);
    ally(&a, 0)->hp = 1;
    put(ally(&a, 0), 10, 16);
    put(ally(&a, 1), 2, 16);
    put(enemy(&a, 0), 12, 16);
    STEP(&a, ACT_STOP, ACT_STOP);
    const uint8_t nothing[] = {1, 0, 0, 0, 0, 0, 0};
    assert_true(!a.vec.alive[0] && a.vec.alive[1]);
    assert_memory_equal(a.vec.available, nothing, sizeof nothing);
    for (int i = 0; i < a.p->O; i++)
        assert_true(a.vec.observation[i] == 0);
    arena_close(&a);
}

static void test_hostile_states_are_refused(void **state)
{
    (void)state;
    struct arena a;
    struct err err;
    arena_open(&a, ARGUMENTS("env.name=smac", "env.scenario=MMM"));
    struct smac_unit good = *ally(&a, 1), bad[12];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = good;
    bad[0].x = NAN;
    bad[1].vy = INFINITY;
    bad[2].hp = -1;
    bad[3].hp = 45.5;
    bad[4].hp = 0; /* alive without health */
    bad[5].shield = 1;
    bad[6].cooldown = 0.62;
    bad[7].target = 3; /* its own side */
    bad[8].target = 99;
    bad[9].kind = MARAUDER;
    bad[10].is_disabled = 1;
    bad[11].last_action = 16;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        *ally(&a, 1) = bad[i];
        if (env_smac.check_state(a.p, a.g, &err) != ERR_FORMAT)
            fail_msg("bad state %zu was taken", i);
    }
    *ally(&a, 1) = good;
    assert_int_equal(env_smac.check_state(a.p, a.g, &err), 0);
    a.g->step = 151;
    assert_int_equal(env_smac.check_state(a.p, a.g, &err), ERR_FORMAT);
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_armor_and_shields_lessen_damage),
        cmocka_unit_test(test_what_the_shield_leaves_meets_armor),
        cmocka_unit_test(test_a_kill_and_the_win_pay),
        cmocka_unit_test(test_shields_grow_ten_seconds_after_a_hit),
        cmocka_unit_test(test_a_beam_hits_across_the_line_of_fire),
        cmocka_unit_test(test_a_blast_spares_friends_and_costs_the_bomber),
        cmocka_unit_test(test_healers_buy_health_with_energy),
        cmocka_unit_test(test_corpse_shots_are_a_switch),
        cmocka_unit_test(test_late_heal_is_a_switch),
        cmocka_unit_test(test_enemies_take_healers_first_then_the_nearest),
        cmocka_unit_test(test_enemies_walk_to_the_attack_point),
        cmocka_unit_test(test_opponents_get_harder),
        cmocka_unit_test(test_units_do_not_walk_through_each_other),
        cmocka_unit_test(test_a_lone_unit_walks_as_fast_as_it_can),
        cmocka_unit_test(test_cliffs_stop_units),
        cmocka_unit_test(test_units_at_one_point_come_apart),
        cmocka_unit_test(test_strips_find_all_neighbours),
        cmocka_unit_test(test_the_mask_says_what_can_be_done),
        cmocka_unit_test(test_the_dead_can_do_nothing_and_see_nothing),
        cmocka_unit_test(test_hostile_states_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
