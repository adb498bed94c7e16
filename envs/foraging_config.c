/* Level-based foraging: rows, scenario names, and what follows from them.
 *
 * A scenario is a list of words joined by '-', in any order, as the papers and the package write it:
 *
 *   Foraging-   nothing            -v3      env.rules=v3 (a name of the package means the package's rules)
 *   eir-        env.rules=eir      grid-    env.grid=true
 *   12x12       rows x cols        4p, 3f   players, foods
 *   -c, -coop   env.coop=true      2s, s3   env.sight
 *   -ind        food level 1       -pen     penalty 0.1 (both as in the package's registry)
 *   -t25        env.horizon
 *   cromac-     only player 0 sees, standing beside a food loads it, all levels 1 and food 3, collisions as in the package,
 *               joint critic state: the task of CroMAC, written cromac-8x8-3p-1f-t25 and cromac-8x8-4p-1f-t15
 *
 * Levels are text rows, since upstream takes one number for all or one per player or food; prepare parses them once. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/foraging.h"

#define KEY(key, kind, field, fallback, low, high, unit, choices, help)                                     \
    {                                                                                                       \
        "env." key, kind, offsetof(struct foraging_params, field), fallback, low, high, unit, choices, help \
    }
const struct config_row foraging_rows[FORAGING_ROWS] = {
    KEY("rules", CONFIG_CHOICE, rules, "robust", 0, 0, "", "robust|v3|eir",
        "what the single switches follow: v3 is the maintained package, eir the edited copy of EIR-MAPPO's code, robust is "
        "eir's team reward and spawn without collisions and with agent ids, because in eir's code only low indices can block "
        "others"),
    KEY("rows", CONFIG_INT, rows, "8", 3, FORAGING_SIDE_MAX, "cells", NULL, "height of the grid"),
    KEY("cols", CONFIG_INT, cols, "8", 3, FORAGING_SIDE_MAX, "cells", NULL, "width of the grid"),
    KEY("players", CONFIG_INT, players, "2", 1, FORAGING_PLAYERS_MAX, "", NULL, "agents"),
    KEY("foods", CONFIG_INT, foods, "1", 1, FORAGING_FOODS_MAX, "", NULL, "foods at the reset, fewer if the grid has no room"),
    KEY("coop", CONFIG_BOOL, is_coop, "false", 0, 0, "", NULL, "every food has the highest level allowed"),
    KEY("min_player_level", CONFIG_TEXT, min_player_level_text, "1", 0, 0, "", NULL,
        "lowest player level, or one per player joined by commas; eir's spawn always starts at 1"),
    KEY("max_player_level", CONFIG_TEXT, max_player_level_text, "rules", 0, 0, "", NULL,
        "highest player level, or one per player; rules: 2 under v3, else 3"),
    KEY("min_food_level", CONFIG_TEXT, min_food_level_text, "1", 0, 0, "", NULL,
        "lowest food level, or one per food; eir's spawn always starts at 1"),
    KEY("max_food_level", CONFIG_TEXT, max_food_level_text, "none", 0, 0, "", NULL,
        "highest food level, or one per food; none: the sum of the three lowest player levels"),
    KEY("sight", CONFIG_INT, sight, "-1", -1, FORAGING_SIDE_MAX, "cells", NULL, "how far a player sees; -1: the whole grid"),
    KEY("seers", CONFIG_INT, seers, "-1", -1, FORAGING_PLAYERS_MAX, "", NULL,
        "how many players, from index 0 on, see anything; the others observe zeros and their id; -1: all"),
    KEY("load", CONFIG_CHOICE, load, "action", 0, 0, "", "action|standing",
        "whether loading is an action of its own, or whoever stands beside a food loads it (four moves and staying remain)"),
    KEY("penalty", CONFIG_REAL, penalty, "0", 0, 1000, "reward", NULL, "what each loader of a food too heavy for the group loses"),
    KEY("normalise_reward", CONFIG_BOOL, normalises_reward, "true", 0, 0, "", NULL, "a cleared map is worth 1 to the team"),
    KEY("observe_levels", CONFIG_BOOL, observes_levels, "true", 0, 0, "", NULL, "players see each other's levels"),
    KEY("grid", CONFIG_BOOL, is_grid, "false", 0, 0, "", NULL, "observe three layers of cells around the player, not lists"),
    KEY("horizon", CONFIG_INT, horizon, "50", 1, 1000000, "steps", NULL, "time limit of an episode"),
    KEY("time_limit", CONFIG_CHOICE, time_limit, "terminate", 0, 0, "", "terminate|truncate",
        "what the end at the horizon counts as; upstream terminates, so the last step does not bootstrap"),
    KEY("reward", CONFIG_CHOICE, reward, "rules", 0, 0, "", "rules|individual|team",
        "who is paid for a food: its loaders by level, or everybody the sum; rules: individual under v3, else team"),
    KEY("collisions", CONFIG_CHOICE, collisions, "rules", 0, 0, "", "rules|upstream|lowest-index|free",
        "who moves when several want one cell: nobody, the lowest index (eir's code), or all; rules: free under robust"),
    KEY("spawn", CONFIG_CHOICE, spawn, "rules", 0, 0, "", "rules|v3|eir",
        "how levels are drawn: v3 within all bounds, eir from 1 and food below the cap; rules: eir under robust"),
    KEY("agent_id", CONFIG_CHOICE, agent_id, "rules", 0, 0, "", "rules|true|false",
        "append the agent's index one-hot to its observation; rules: true under robust, as upstream has none"),
    KEY("zero_tail", CONFIG_BOOL, has_zero_tail, "false", 0, 0, "", NULL,
        "append the zeros of eir's published observation, one per player, there as room for the algorithm's guess"),
    KEY("state", CONFIG_CHOICE, state, "observation", 0, 0, "", "observation|joint",
        "what the critic sees: the agent's own observation (eir), or all agents' joined"),
};
#undef KEY

const char *const foraging_scenarios[] = {"8x8-2p-1f",
                                          "8x8-4p-2f-c",
                                          "12x12-4p-3f-c",
                                          "20x20-5p-6f-s3",
                                          "20x20-10p-6f-s3",
                                          "20x20-15p-6f-s3",
                                          "cromac-8x8-3p-1f-t25",
                                          "cromac-8x8-4p-1f-t15",
                                          "eir-12x12-4p-3f-c",
                                          "Foraging-2s-8x8-2p-2f-coop-v3",
                                          "Foraging-grid-8x8-3p-2f-v3",
                                          NULL};

/* Scenario names */

#define WORD_MAX 24

/* The words of a name and the keys they set, one a line; '%' stands for a number. */
static const struct {
    const char *form;
    const char *key;
    const char *value; /* NULL: the word's number */
} words[] = {
    {"Foraging", NULL, NULL},
    {"v3", "env.rules", "v3"},
    {"eir", "env.rules", "eir"},
    {"grid", "env.grid", "true"},
    {"c", "env.coop", "true"},
    {"coop", "env.coop", "true"},
    {"ind", "env.max_food_level", "1"},
    {"pen", "env.penalty", "0.1"},
    {"%p", "env.players", NULL},
    {"%f", "env.foods", NULL},
    {"%s", "env.sight", NULL},
    {"s%", "env.sight", NULL},
    {"t%", "env.horizon", NULL},
    {"cromac", "env.seers", "1"},
    {"cromac", "env.load", "standing"},
    {"cromac", "env.coop", "true"},
    {"cromac", "env.max_player_level", "1"},
    {"cromac", "env.max_food_level", "3"},
    {"cromac", "env.collisions", "upstream"},
    {"cromac", "env.state", "joint"},
};

/* Does the word have the form, '%' standing for a number of at most six digits? Copies that number to digits. */
static bool has_form(const char *word, const char *form, char digits[8])
{
    digits[0] = 0;
    for (; *form; form++) {
        if (*form != '%') {
            if (*word++ != *form)
                return false;
            continue;
        }
        size_t n = strspn(word, "0123456789");
        if (n == 0 || n > 6)
            return false;
        snprintf(digits, 8, "%.*s", (int)n, word);
        word += n;
    }
    return !*word;
}

/* Sets a key that no earlier word has set. */
static int set_once(const char *scenario, struct recipe *defaults, const char *key, const char *value, struct err *err)
{
    char where[96];
    if (recipe_find(defaults, key))
        return err_set(err, ERR_DUPLICATE, "bad scenario \"%s\" of foraging: two words set %s", scenario, key);
    snprintf(where, sizeof where, "scenario %.64s", scenario);
    return recipe_set(defaults, key, value, where, err);
}

/* "12x10": rows, then columns. */
static int read_size(const char *scenario, const char *word, struct recipe *defaults, struct err *err)
{
    char rows[WORD_MAX], cols[8];
    snprintf(rows, sizeof rows, "%s", word);
    char *x = strchr(rows, 'x');
    if (!x || !has_form(x + 1, "%", cols))
        return ERR_UNKNOWN;
    *x = 0;
    char digits[8];
    if (!has_form(rows, "%", digits))
        return ERR_UNKNOWN;
    int r = set_once(scenario, defaults, "env.rows", digits, err);
    return r ? r : set_once(scenario, defaults, "env.cols", cols, err);
}

static int read_word(const char *scenario, const char *word, struct recipe *defaults, struct err *err)
{
    char digits[8];
    int r = read_size(scenario, word, defaults, err);
    bool is_size = r != ERR_UNKNOWN, is_known = is_size;
    for (size_t i = 0; i < ARRAY_LEN(words) && !is_size; i++) {
        if (!has_form(word, words[i].form, digits))
            continue;
        r = words[i].key ? set_once(scenario, defaults, words[i].key, words[i].value ? words[i].value : digits, err) : 0;
        is_known = true;
        if (r)
            break;
    }
    if (!is_known)
        return err_set(err, r,
                       "bad scenario \"%s\" of foraging: unknown word \"%s\"; expected a name like 12x12-4p-3f-c, 8x8-2p-1f, "
                       "20x20-10p-6f-s3 or Foraging-2s-8x8-2p-2f-coop-v3",
                       scenario, word);
    return r;
}

int foraging_scenario(const char *scenario, struct recipe *defaults, struct err *err)
{
    static const char *const needed[] = {"env.rows", "env.players", "env.foods"};
    int r = 0;
    for (const char *at = scenario; *at && !r;) {
        char word[WORD_MAX];
        size_t n = strcspn(at, "-");
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        r = read_word(scenario, word, defaults, err);
        at += n + (at[n] == '-');
    }
    for (size_t i = 0; i < ARRAY_LEN(needed) && !r; i++)
        if (!recipe_find(defaults, needed[i]))
            r = err_set(err, ERR_INVALID, "bad scenario \"%s\" of foraging: it does not say %s; expected a name like 12x12-4p-3f-c",
                        scenario, needed[i]);
    return r;
}

/* Levels */

/* Reads one number for all or exactly `count` numbers joined by ','. */
static int read_levels(const char *key, const char *text, int count, int16_t *level, struct err *err)
{
    int n = 0;
    for (const char *at = text; n <= count; at++) {
        char *end;
        long value = isdigit((unsigned char)*at) ? strtol(at, &end, 10) : 0;
        if (value < 1 || value > FORAGING_LEVEL_MAX || n == count)
            break;
        level[n++] = (int16_t)value;
        at = end;
        if (!*at && n == 1)
            for (; n < count; n++)
                level[n] = level[0];
        if (!*at && n == count)
            return 0;
        if (*at != ',')
            break;
    }
    return err_set(err, ERR_RANGE, "bad value for %s: got \"%s\", expected a level from 1 to %d, or %d of them joined by commas",
                   key, text, FORAGING_LEVEL_MAX, count);
}

static int check_order(const char *what, const int16_t *low, const int16_t *high, int count, struct err *err)
{
    for (int i = 0; i < count; i++)
        if (low[i] > high[i])
            return err_set(err, ERR_RANGE, "bad levels: env.min_%s_level is %d, above env.max_%s_level %d (entry %d)", what, low[i],
                           what, high[i], i);
    return 0;
}

static int prepare_levels(struct foraging_params *p, struct err *err)
{
    const char *max_player = p->max_player_level_text;
    int r;
    if (!strcmp(max_player, "rules"))
        max_player = p->rules == RULES_V3 ? "2" : "3"; /* the package's registry; the default in eir's code */
    if ((r = read_levels("env.min_player_level", p->min_player_level_text, p->P, p->min_player_level, err)) ||
        (r = read_levels("env.max_player_level", max_player, p->P, p->max_player_level, err)) ||
        (r = check_order("player", p->min_player_level, p->max_player_level, p->P, err)) ||
        (r = read_levels("env.min_food_level", p->min_food_level_text, p->F, p->min_food_level, err)))
        return r;
    p->has_food_cap = strcmp(p->max_food_level_text, "none") != 0;
    if (!p->has_food_cap)
        return 0;
    if ((r = read_levels("env.max_food_level", p->max_food_level_text, p->F, p->max_food_level, err)))
        return r;
    return check_order("food", p->min_food_level, p->max_food_level, p->F, err);
}

/* What follows */

static void follow_rules(struct foraging_params *p)
{
    static const struct {
        int reward, collisions, spawn, agent_id;
    } rules[] = {
        [RULES_ROBUST] = {REWARD_TEAM, COLLIDE_FREE, SPAWN_EIR, SWITCH_TRUE},
        [RULES_V3] = {REWARD_INDIVIDUAL, COLLIDE_UPSTREAM, SPAWN_V3, SWITCH_FALSE},
        [RULES_EIR] = {REWARD_TEAM, COLLIDE_LOWEST_INDEX, SPAWN_EIR, SWITCH_FALSE},
    };
    p->reward = p->reward ? p->reward : rules[p->rules].reward;
    p->collisions = p->collisions ? p->collisions : rules[p->rules].collisions;
    p->spawn = p->spawn ? p->spawn : rules[p->rules].spawn;
    p->agent_id = p->agent_id ? p->agent_id : rules[p->rules].agent_id;
}

static void prepare_board(struct foraging_params *p)
{
    static const int8_t direction[FORAGE_ACTIONS][2] = {
        [FORAGE_NORTH] = {-1, 0}, [FORAGE_SOUTH] = {1, 0}, [FORAGE_WEST] = {0, -1}, [FORAGE_EAST] = {0, 1}};
    p->stride = (int32_t)p->cols + 2;
    p->board_cells = ((int32_t)p->rows + 2) * p->stride;
    for (int a = 0; a < FORAGE_ACTIONS; a++) {
        int row = direction[a][0], col = direction[a][1];
        p->shift[a] = (struct piece){.row = (int16_t)row, .col = (int16_t)col, .cell = (int16_t)(row * p->stride + col)};
    }
}

int foraging_prepare(void *params, struct err *err)
{
    struct foraging_params *p = params;
    int side = (int)(p->rows > p->cols ? p->rows : p->cols);
    p->P = (int32_t)p->players;
    p->F = (int32_t)p->foods;
    p->A = p->load == LOADS_BY_STANDING ? FORAGE_LOAD : FORAGE_ACTIONS;
    p->n_seers = (int32_t)(p->seers < 0 || p->seers > p->players ? p->players : p->seers);
    if (p->P >= p->rows * p->cols)
        return err_set(err, ERR_RANGE, "no room: %d players on a grid of %d x %d cells", p->P, (int)p->rows, (int)p->cols);
    if (p->sight < 0)
        p->sight = side;
    if (p->is_grid && p->sight == 0)
        return err_set(err, ERR_RANGE,
                       "bad value for env.sight: 0 shows a grid observation nothing but the player, expected at least 1");
    p->sees_all = p->sight >= side - 1;
    follow_rules(p);
    prepare_board(p);
    struct spec spec;
    foraging_spec(p, &spec);
    p->O = spec.O;
    return prepare_levels(p, err);
}

static void add_block(struct spec *spec, int width, const char *format, int index)
{
    struct spec_block *block = &spec->blocks[spec->n_blocks++];
    snprintf(block->name, sizeof block->name, format, index);
    block->start = spec->O;
    block->width = width;
    spec->O += width;
}

/* A block per food and player where the spec has room for that many names, else one for all of a kind. */
static void add_list_blocks(const struct foraging_params *p, struct spec *spec)
{
    int player_width = p->observes_levels ? 3 : 2;
    bool is_fine = p->F + p->P + 2 <= SPEC_BLOCKS_MAX;
    for (int i = 0; i < p->F && is_fine; i++)
        add_block(spec, 3, "food %d", i);
    if (!is_fine)
        add_block(spec, 3 * p->F, "foods", 0);
    add_block(spec, player_width, "own", 0);
    for (int n = 0; n < p->P - 1 && is_fine; n++)
        add_block(spec, player_width, "ally %d", n);
    if (!is_fine && p->P > 1)
        add_block(spec, player_width * (p->P - 1), "allies", 0);
}

static void add_grid_blocks(const struct foraging_params *p, struct spec *spec)
{
    static const char *const layers[] = {"players", "foods", "free cells"};
    int side = 2 * (int)p->sight + 1;
    for (int i = 0; i < 3; i++)
        add_block(spec, side * side, layers[i], 0);
}

void foraging_spec(const void *params, struct spec *spec)
{
    const struct foraging_params *p = params;
    *spec = (struct spec){.N = p->P, .A = p->A, .horizon = (int32_t)p->horizon};
    if (p->is_grid)
        add_grid_blocks(p, spec);
    else
        add_list_blocks(p, spec);
    if (p->agent_id == SWITCH_TRUE)
        add_block(spec, p->P, "id", 0);
    if (p->has_zero_tail)
        add_block(spec, p->P, "zero tail", 0);
    spec->state_is_observation = p->state == STATE_OBSERVATION;
    spec->S = spec->state_is_observation ? spec->O : spec->O * p->P;
    /* One agent's return, and so the mean: all of the map, or with individual reward its part of it. */
    spec->return_min = p->penalty > 0 ? -INFINITY : 0;
    spec->return_max = !p->normalises_reward ? INFINITY : p->reward == REWARD_TEAM ? 1 : 1.0 / p->P;
}
