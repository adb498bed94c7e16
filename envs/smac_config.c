/* SMAC combat: rows, scenario names, and the sizes that follow.
 *
 * A scenario is the name of a map that is built into the program (envs/maps), or the path of a map file: a name with a '/' or
 * one that ends in ".map". Either way the map itself goes into the recipe as env.map, one line of text, so that an actor on
 * another host needs no file and no equal program; a path is replaced by "map:" and the file's name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "envs/smac.h"

#define MAP_FILE_MAX 65536 /* bytes, with comments */
#define CARRIED "map:"     /* a scenario whose map stands in env.map */
#define RETURN_AT_MOST 20  /* of a scaled return, where nothing regrows */

#define KEY(key, kind, field, fallback, low, high, unit, choices, help)                                 \
    {                                                                                                   \
        "env." key, kind, offsetof(struct smac_params, field), fallback, low, high, unit, choices, help \
    }
const struct config_row smac_rows[SMAC_ROWS] = {
    KEY("map", CONFIG_TEXT, map_text, "", 0, SMAC_MAP_BYTES, "", NULL,
        "the map as one line of text (envs/smac_map.c tells its statements); the scenario sets it"),
    KEY("horizon", CONFIG_INT, horizon, "0", 0, 1000000, "steps", NULL, "time limit of an episode; 0: the map's"),
    KEY("time_limit", CONFIG_CHOICE, time_limit, "truncate", 0, 0, "", "truncate|terminate",
        "what the end at the horizon counts as; SMAC's code marks it as a limit, so it bootstraps"),
    KEY("sight", CONFIG_REAL, sight, "9", 0, 100, "cells", NULL, "how far an agent sees"),
    KEY("target_range", CONFIG_REAL, target_range, "6", 0, 100, "cells", NULL, "how far a target may be to be chosen"),
    KEY("ranges", CONFIG_CHOICE, ranges, "uniform", 0, 0, "", "uniform|unit",
        "uniform: env.sight and env.target_range for everybody, as in SMAC; unit: each type's own, as in SMACv2"),
    KEY("agent_id", CONFIG_BOOL, has_agent_id, "true", 0, 0, "", NULL,
        "append the agent's index one-hot to its observation and state, as the robustness papers do; SMAC has none"),
    KEY("observe_last_action", CONFIG_BOOL, observes_last_action, "false", 0, 0, "", NULL,
        "allies' and own last action, one-hot, in the observation"),
    KEY("observe_position", CONFIG_BOOL, observes_position, "false", 0, 0, "", NULL, "own x and y in the observation (SMACv2)"),
    KEY("conic_view", CONFIG_BOOL, has_conic_view, "false", 0, 0, "", NULL,
        "agents see, and choose targets, only in a cone that twelve look actions turn (SMACv2)"),
    KEY("state_last_action", CONFIG_BOOL, state_has_last_action, "true", 0, 0, "", NULL,
        "all allies' last actions, one-hot, in the critic's state"),
    KEY("disabled_allies", CONFIG_INT, disabled_allies, "0", 0, SMAC_ALLIES_MAX - 1, "allies", NULL,
        "this many allies, drawn for each episode, can only stop while they live (Dis-l)"),
    KEY("reduced_health", CONFIG_REAL, reduced_health, "0", 0, 99, "%", NULL, "every ally starts with so much less health (HP-h)"),
    KEY("opponent", CONFIG_CHOICE, opponent, "attack-move", 0, 0, "", "attack-move|focus|micro",
        "attack-move: SMAClite's; focus: enemies fire at the weakest ally in range; micro: ranged ones step back too while they "
        "reload"),
    KEY("reward", CONFIG_CHOICE, reward, "damage", 0, 0, "", "damage|sparse",
        "damage: points for damage, kills and the win; sparse: 1 for a win, -1 for a defeat"),
    KEY("reward_negative", CONFIG_REAL, reward_negative, "0", 0, 1000, "", NULL,
        "how much of the points that the team loses (health, 10 per ally) is subtracted; SMAC: 0, or 0.5 with its negative reward"),
    KEY("reward_defeat", CONFIG_REAL, reward_defeat, "0", -1e6, 1e6, "points", NULL, "what a defeat adds; SMAC 0, a win is 200"),
    KEY("reward_scale", CONFIG_BOOL, scales_reward, "true", 0, 0, "", NULL,
        "divide by the points there are to get and multiply by 20, so that a flawless win is worth 20"),
    KEY("precision", CONFIG_CHOICE, is_single, "double", 0, 0, "", "double|single",
        "single: positions and their differences are rounded to float, as in SMAClite as it is shipped"),
    KEY("cliff_slip", CONFIG_BOOL, has_cliff_slip, "true", 0, 0, "", NULL,
        "SMAClite's slip by which horizontal cliffs are not widened by a unit's radius"),
    KEY("corpse_shots", CONFIG_BOOL, fires_at_corpses, "true", 0, 0, "", NULL,
        "SMAClite's units keep firing at a target that fell earlier in the step; false: they hold fire, allies stop"),
    KEY("late_heal", CONFIG_BOOL, heals_the_fallen, "true", 0, 0, "", NULL,
        "SMAClite's healers can save a unit that lost its last health earlier in the tick"),
    KEY("healers_alone_lose", CONFIG_BOOL, healers_alone_lose, "false", 0, 0, "", NULL,
        "a side of which only healers are left has lost (SMAC's MMM maps)"),
};
#undef KEY

/* -- scenarios ------------------------------------------------------------------------------------------------------------------ */

static const char *find_built_in(const char *name)
{
    char file_name[64];
    snprintf(file_name, sizeof file_name, "%s.map", name);
    for (const struct smac_file *file = smac_files; file->name; file++)
        if (!strcmp(file->name, file_name))
            return file->text;
    return NULL;
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* The map as env.map, and SMACv2's settings where teams are random. */
static int set_map(const char *name, const char *text, struct recipe *defaults, struct err *err)
{
    static const char *const smacv2[][2] = {
        {"env.ranges", "unit"}, {"env.observe_position", "true"}, {"env.state_last_action", "false"}};
    struct smac_map map;
    char line[SMAC_MAP_BYTES], where[96];
    int r = smac_map_read(&map, name, text, err);
    if (r || (r = smac_map_flatten(name, text, line, sizeof line, err)))
        return r;
    snprintf(where, sizeof where, "%.90s", name);
    r = recipe_set(defaults, "env.map", line, where, err);
    for (size_t i = 0; i < ARRAY_LEN(smacv2) && map.is_random && !r; i++)
        r = recipe_set(defaults, smacv2[i][0], smacv2[i][1], where, err);
    return r;
}

static int read_map_file(const char *path, struct recipe *defaults, struct err *err)
{
    unsigned char *text;
    size_t length;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char carried[RECIPE_VALUE_MAX];
    int r = file_read(path, MAP_FILE_MAX, &text, &length, err);
    if (r)
        return err_prefix(err, r, "bad scenario of smac");
    if (strlen((const char *)text) != length)
        r = err_set(err, ERR_FORMAT, "bad map %s: it holds a 0 byte", path);
    if (!r)
        r = set_map(path, (const char *)text, defaults, err);
    free(text);
    snprintf(carried, sizeof carried, CARRIED "%.*s", (int)(strlen(base) - (ends_in(base, ".map") ? 4 : 0)), base);
    return r ? r : recipe_set(defaults, "env.scenario", carried, path, err);
}

static int count_scenarios(void)
{
    int n = 0;
    while (smac_scenarios[n])
        n++;
    return n;
}

int smac_scenario(const char *scenario, struct recipe *defaults, struct err *err)
{
    const char *text = find_built_in(scenario);
    if (text)
        return set_map(scenario, text, defaults, err);
    if (!strncmp(scenario, CARRIED, strlen(CARRIED)))
        return 0;
    if (strchr(scenario, '/') || ends_in(scenario, ".map"))
        return read_map_file(scenario, defaults, err);
    const char *near = config_nearest(scenario, smac_scenarios, count_scenarios());
    return err_set(err, ERR_UNKNOWN,
                   "bad scenario \"%s\" of smac: no such map%s%s%s; expected a name like 3m, 2s3z or MMM, or the "
                   "path of a map file, ending in .map",
                   scenario, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* -- sizes ---------------------------------------------------------------------------------------------------------------------- */

static void find_kinds(struct smac_params *p)
{
    p->largest_radius = 0;
    for (int side = ALLY; side <= ENEMY; side++) {
        p->has_shields[side] = p->has_healers[side] = false;
        for (int kind = 0; kind < SMAC_KINDS; kind++) {
            const struct smac_type *type = &smac_types[kind];
            if (!(p->map.kinds[side] >> kind & 1))
                continue;
            p->has_shields[side] |= type->shield > 0;
            p->has_healers[side] |= type->weapon == WEAPON_HEAL;
            p->largest_radius = smac_most(p->largest_radius, type->radius);
        }
    }
}

/* A healer's target j is ally j, everybody else's is enemy j. SMAClite's number, or more where its own would be too small. */
static int count_targets(const struct smac_params *p)
{
    const struct smac_map *map = &p->map;
    int patients = 0;
    for (int n = 0; n < map->n_allies && p->has_healers[ALLY]; n++)
        if (map->is_random || smac_types[map->kind[map->ally[n]]].weapon != WEAPON_HEAL)
            patients = n + 1;
    return patients > map->n_enemies ? patients : map->n_enemies;
}

static void set_widths(struct smac_params *p)
{
    const struct smac_map *map = &p->map;
    int look = p->has_conic_view ? 2 : 0, position = p->observes_position ? 2 : 0, last = p->observes_last_action ? p->A : 0;
    p->enemy_width = 5 + p->has_shields[ENEMY] + map->n_bits;
    p->ally_width = 5 + p->has_shields[ALLY] + map->n_bits + last;
    p->own_width = 1 + p->has_shields[ALLY] + position + look + map->n_bits + last;
    p->state_ally_width = 4 + p->has_shields[ALLY] + look + map->n_bits;
    p->state_enemy_width = 3 + p->has_shields[ENEMY] + map->n_bits;
    p->O = 4 + map->n_enemies * p->enemy_width + (p->N - 1) * p->ally_width + p->own_width + (p->has_agent_id ? p->N : 0);
    p->S = p->N * p->state_ally_width + map->n_enemies * p->state_enemy_width + (p->state_has_last_action ? p->N * p->A : 0) +
           (p->has_agent_id ? p->N : 0);
}

/* What a state of fixed teams at full strength earns. */
static double max_reward_of_map(const struct smac_map *map)
{
    double sum = SMAC_WIN_POINTS + SMAC_KILL_POINTS * map->n_enemies;
    for (int i = 0; i < map->n_enemies; i++)
        sum += smac_types[map->kind[map->enemy[i]]].hp + smac_types[map->kind[map->enemy[i]]].shield;
    return sum;
}

int smac_prepare(void *params, struct err *err)
{
    struct smac_params *p = params;
    if (!*p->map_text)
        return err_set(err, ERR_INVALID,
                       "no map: env.map is empty, and the scenario names none (a scenario of the form " CARRIED
                       "NAME carries its map there)");
    int r = smac_map_read(&p->map, "env.map", p->map_text, err);
    if (r)
        return r;
    p->N = p->map.n_allies;
    if (p->disabled_allies >= p->N)
        return err_set(err, ERR_RANGE, "bad value for env.disabled_allies: got %d of %d allies, expected at most %d",
                       (int)p->disabled_allies, p->N, p->N - 1);
    p->horizon = p->horizon ? p->horizon : p->map.horizon;
    find_kinds(p);
    p->n_targets = count_targets(p);
    p->first_target = ACT_TARGETS + (p->has_conic_view ? SMAC_LOOKS : 0);
    p->A = p->first_target + p->n_targets;
    set_widths(p);
    p->max_reward = max_reward_of_map(&p->map);
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

/* Nothing that enemies lose can come back, so nothing can be earned twice. */
static bool is_bounded(const struct smac_params *p)
{
    bool regrows = p->map.is_random || p->has_shields[ENEMY] || p->has_healers[ENEMY];
    for (int i = 0; i < p->map.n_enemies; i++)
        regrows |= smac_types[p->map.kind[p->map.enemy[i]]].hp_regen > 0;
    return !regrows;
}

static void set_return_bounds(const struct smac_params *p, struct spec *spec)
{
    double most = p->scales_reward ? RETURN_AT_MOST : p->max_reward;
    bool can_lose = p->reward_negative > 0 || p->reward_defeat < 0;
    spec->return_min = can_lose ? -INFINITY : 0;
    spec->return_max = is_bounded(p) && p->reward_defeat <= 0 ? most : INFINITY;
    if (p->reward == SMAC_REWARD_SPARSE) {
        spec->return_min = -1;
        spec->return_max = 1;
    }
}

void smac_spec(const void *params, struct spec *spec)
{
    const struct smac_params *p = params;
    *spec = (struct spec){.N = p->N, .S = p->S, .A = p->A, .horizon = (int32_t)p->horizon};
    add_block(spec, 4, "moves", 0);
    for (int i = 0; i < p->map.n_enemies; i++)
        add_block(spec, p->enemy_width, "enemy %d", i);
    for (int n = 0; n < p->N - 1; n++)
        add_block(spec, p->ally_width, "ally %d", n);
    add_block(spec, p->own_width, "own", 0);
    if (p->has_agent_id)
        add_block(spec, p->N, "id", 0);
    set_return_bounds(p, spec);
}
