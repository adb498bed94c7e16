/* Traffic Junction: rows, scenario names, and what follows from them. */
#include <stdio.h>
#include <string.h>

#include "envs/traffic.h"

#define KEY(key, kind, field, fallback, low, high, unit, choices, help)                                    \
    {                                                                                                      \
        "env." key, kind, offsetof(struct traffic_params, field), fallback, low, high, unit, choices, help \
    }
const struct config_row traffic_rows[TRAFFIC_ROWS] = {
    KEY("difficulty", CONFIG_CHOICE, difficulty, "easy", 0, 0, "", "easy|medium|hard",
        "the map: two one-way roads, two two-way roads, or four two-way roads"),
    KEY("dim", CONFIG_INT, dim, "6", 4, TRAFFIC_SIDE_MAX, "cells", NULL,
        "length of a road; easy roads are one cell longer, as published; even, on a hard map a multiple of 3"),
    KEY("cars", CONFIG_INT, cars, "5", 1, TRAFFIC_CARS_MAX, "", NULL, "agents, and so the most cars on the roads"),
    KEY("vision", CONFIG_INT, vision, "0", 0, 8, "cells", NULL, "how far a car sees around its own cell"),
    KEY("add_rate_min", CONFIG_REAL, add_rate_min, "0.1", 0, 1, "probability", NULL,
        "that a car comes to an entry at a step, before the curriculum"),
    KEY("add_rate_max", CONFIG_REAL, add_rate_max, "0.3", 0, 1, "probability", NULL, "the same after the curriculum"),
    KEY("curriculum_start", CONFIG_INT, curriculum_start, "0", 0, 1e9, "epochs", NULL, "epoch at which the rate begins to grow"),
    KEY("curriculum_end", CONFIG_INT, curriculum_end, "0", 0, 1e9, "epochs", NULL,
        "epoch at which it has grown; not after the start: there is no curriculum, the rate is the highest"),
    KEY("epoch", CONFIG_INT, epoch, "-1", -1, 1e9, "epochs", NULL, "where in the curriculum this run stands; -1: behind it"),
    KEY("time_cost", CONFIG_CHOICE, time_cost, "growing", 0, 0, "", "growing|flat",
        "0.01 for every step since a car entered, again at every step (CommNet, IC3Net), or 0.01 a step (CroMAC)"),
    KEY("reward", CONFIG_CHOICE, reward, "individual", 0, 0, "", "individual|team",
        "who pays: the car itself, or everybody the sum over all cars (CroMAC)"),
    KEY("cells", CONFIG_CHOICE, cells, "code", 0, 0, "", "code|scalar",
        "visible cells as one-hot codes and the number of cars, or as road yes or no and the number of cars, beside the car's own "
        "position"),
    KEY("outside", CONFIG_CHOICE, outside, "published", 0, 0, "", "published|zero",
        "the code of cells beside the roads: as published, where on the easy map it is also the code of a road's cell, or none"),
    KEY("last_action_stays", CONFIG_BOOL, keeps_last_action, "false", 0, 0, "", NULL,
        "a car that enters shows the last action of the one that had its index before, as in the published code"),
    KEY("parked_cars_seen", CONFIG_BOOL, sees_parked, "false", 0, 0, "", NULL,
        "cars that are not on the road are counted in the corner cell, row 0 and column 0, as in the published code"),
    KEY("full_state_observation", CONFIG_BOOL, observes_all, "false", 0, 0, "", NULL,
        "show every car six numbers of all cars, so that no messages are needed"),
    KEY("state", CONFIG_CHOICE, state, "cars", 0, 0, "", "cars|joint|observation",
        "what the critic sees: six numbers of each car, all observations joined (CroMAC), or the car's own observation"),
    KEY("horizon", CONFIG_INT, horizon, "20", 1, 1000000, "steps", NULL, "length of an episode"),
    KEY("time_limit", CONFIG_CHOICE, time_limit, "terminate", 0, 0, "", "terminate|truncate",
        "what the end at the horizon counts as; the published learners do not bootstrap there"),
};
#undef KEY

/* easy, medium, hard: the README of IC3Net's code; its "0.02" for the highest rate of medium, below the lowest, is read as 0.2,
 * the code's default. slow, fast: CroMAC, appendix C; its horizon is not given, so that of the easy map is taken. */
static const struct {
    const char *scenario, *key, *value;
} settings[] = {
    {"easy", "env.difficulty", "easy"},
    {"easy", "env.dim", "6"},
    {"easy", "env.cars", "5"},
    {"easy", "env.add_rate_min", "0.1"},
    {"easy", "env.add_rate_max", "0.3"},
    {"easy", "env.horizon", "20"},
    {"medium", "env.difficulty", "medium"},
    {"medium", "env.dim", "14"},
    {"medium", "env.cars", "10"},
    {"medium", "env.add_rate_min", "0.05"},
    {"medium", "env.add_rate_max", "0.2"},
    {"medium", "env.horizon", "40"},
    {"hard", "env.difficulty", "hard"},
    {"hard", "env.dim", "18"},
    {"hard", "env.cars", "20"},
    {"hard", "env.add_rate_min", "0.02"},
    {"hard", "env.add_rate_max", "0.05"},
    {"hard", "env.horizon", "80"},
    {"slow", "env.cars", "5"},
    {"slow", "env.add_rate_max", "0.3"},
    {"slow", "env.time_cost", "flat"},
    {"slow", "env.reward", "team"},
    {"slow", "env.state", "joint"},
    {"fast", "env.cars", "4"},
    {"fast", "env.add_rate_max", "0.4"},
    {"fast", "env.time_cost", "flat"},
    {"fast", "env.reward", "team"},
    {"fast", "env.state", "joint"},
};

const char *const traffic_scenarios[] = {"easy", "medium", "hard", "slow", "fast", NULL};

int traffic_scenario(const char *scenario, struct recipe *defaults, struct err *err)
{
    int r = 0;
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(settings) && !r; i++)
        if (!strcmp(scenario, settings[i].scenario)) {
            is_known = true;
            r = recipe_set(defaults, settings[i].key, settings[i].value, "scenario", err);
        }
    if (!is_known)
        return err_set(err, ERR_UNKNOWN, "unknown scenario \"%s\" of traffic: expected easy, medium, hard, slow or fast", scenario);
    return r;
}

static int check_map(const struct traffic_params *p, struct err *err)
{
    static const char *const names[] = {"easy", "medium", "hard"};
    bool is_hard = p->difficulty == MAP_HARD;
    int64_t least = is_hard ? 9 : 4 + p->vision; /* as the published code asks */
    if (p->dim % (is_hard ? 3 : 2) != 0 || p->dim < least || p->dim + (p->difficulty == MAP_EASY) > TRAFFIC_SIDE_MAX)
        return err_set(err, ERR_RANGE, "bad value for env.dim of a %s map: got %d, expected a multiple of %d from %d to %d",
                       names[p->difficulty], (int)p->dim, is_hard ? 3 : 2, (int)least, TRAFFIC_SIDE_MAX - 1);
    return 0;
}

/* The published curriculum adds a step at every epoch from the start to before the end. */
static double add_rate(const struct traffic_params *p)
{
    double length = (double)(p->curriculum_end - p->curriculum_start);
    if (p->epoch < 0 || length <= 0)
        return p->add_rate_max;
    double share = (double)(p->epoch + 1 - p->curriculum_start) / length;
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return p->add_rate_min + share * (p->add_rate_max - p->add_rate_min);
}

int traffic_prepare(void *params, struct err *err)
{
    struct traffic_params *p = params;
    static const int codes_per_dim[] = {[MAP_EASY] = 2, [MAP_MEDIUM] = 4, [MAP_HARD] = 8};
    int r = check_map(p, err);
    if (r)
        return r;
    traffic_build(p);
    p->N = (int32_t)p->cars;
    p->vision_cells = (int32_t)((2 * p->vision + 1) * (2 * p->vision + 1));
    p->n_codes = codes_per_dim[p->difficulty] * (int32_t)p->dim;
    p->cell_width = p->cells == CELLS_CODE ? p->n_codes + 3 : 2;
    p->add_rate = add_rate(p);
    for (int i = 0; i < p->n_routes; i++)
        p->route_share[i] = (float)(i / (double)(p->n_routes - 1));
    struct spec spec;
    traffic_spec(p, &spec);
    p->O = spec.O;
    p->S = spec.S;
    return 0;
}

static void add_block(struct spec *spec, int width, const char *format, int index)
{
    struct spec_block *block = &spec->blocks[spec->n_blocks++];
    snprintf(block->name, sizeof block->name, format, index);
    block->start = spec->O;
    block->width = width;
    spec->O += width;
}

void traffic_spec(const void *params, struct spec *spec)
{
    const struct traffic_params *p = params;
    *spec = (struct spec){.N = p->N, .A = TRAFFIC_ACTIONS, .horizon = (int32_t)p->horizon};
    add_block(spec, 1, "last action", 0);
    add_block(spec, 1, "route", 0);
    if (p->cells == CELLS_SCALAR)
        add_block(spec, 2, "position", 0);
    bool is_fine = p->vision_cells + 4 <= SPEC_BLOCKS_MAX;
    for (int i = 0; i < p->vision_cells && is_fine; i++)
        add_block(spec, p->cell_width, "cell %d", i);
    if (!is_fine)
        add_block(spec, p->vision_cells * p->cell_width, "cells", 0);
    if (p->observes_all)
        add_block(spec, p->N * TRAFFIC_CAR_NUMBERS, "cars", 0);
    spec->state_is_observation = p->state == STATE_OWN;
    spec->S = p->state == STATE_OWN ? spec->O : p->state == STATE_JOINT ? p->N * spec->O : p->N * TRAFFIC_CAR_NUMBERS;
    double cost = p->time_cost == COST_FLAT ? 0.01 : 0.01 * (double)p->horizon;
    spec->return_min = -(double)p->horizon * (cost + 10) * (p->reward == REWARD_SUM ? p->N : 1);
    spec->return_max = 0;
}
