/* Level-based foraging: replay of traces recorded from the maintained package ("v3") and from EIR-MAPPO's copy ("eir"). Exact.
 * Every argument of the two constructors is understood, including those that only shape the spawn. */
#include <stdio.h>
#include <string.h>

#include "envs/foraging.h"
#include "envs/trace.h"

/* Their argument, our key; NULL: nothing here depends on it. */
static const char *const keys[][2] = {
    {"players", "players"},
    {"min_player_level", "min_player_level"},
    {"max_player_level", "max_player_level"},
    {"min_food_level", "min_food_level"},
    {"max_food_level", "max_food_level"},
    {"max_num_food", "foods"},
    {"max_food", "foods"},
    {"sight", "sight"},
    {"max_episode_steps", "horizon"},
    {"force_coop", "coop"},
    {"normalize_reward", "normalise_reward"},
    {"grid_observation", "grid"},
    {"observe_agent_levels", "observe_levels"},
    {"penalty", "penalty"},
    {"state_type", NULL},          /* the critic's state */
    {"obs_agent_adversary", NULL}, /* eir's observation of lists has its zeros in any case */
    {"render_mode", NULL},
};

static int set_key(const char *theirs, const json_t *value, struct recipe *recipe, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!strcmp(theirs, keys[i][0]))
            return keys[i][1] ? trace_set(recipe, keys[i][1], value, "none", err) : 0;
    return err_set(err, ERR_UNKNOWN, "unknown key %s in the header's cfg", theirs);
}

/* [rows, cols], or one number for both. */
static int set_size(const json_t *size, struct recipe *recipe, struct err *err)
{
    const json_t *rows = json_is_array(size) ? json_array_get(size, 0) : size,
                 *cols = json_is_array(size) ? json_array_get(size, 1) : size;
    int r = trace_set(recipe, "rows", rows, NULL, err);
    return r ? r : trace_set(recipe, "cols", cols, NULL, err);
}

/* Where eir's constructor has other defaults than our rows. */
static int set_eir_defaults(struct recipe *recipe, struct err *err)
{
    int r = 0;
    if (!recipe_find(recipe, "env.foods"))
        r = recipe_set(recipe, "env.foods", "2", "eir", err);
    if (!r && strcmp(recipe_value(recipe, "env.grid", "false"), "true"))
        r = recipe_set(recipe, "env.zero_tail", "true", "eir", err);
    return r;
}

static int foraging_configure(const json_t *header, struct recipe *recipe, struct err *err)
{
    const char *key, *variant = json_string_value(json_object_get(header, "variant"));
    json_t *value;
    if (!variant || (strcmp(variant, "v3") && strcmp(variant, "eir")))
        return err_set(err, ERR_UNKNOWN, "unknown variant \"%s\" of lbf: expected v3 or eir", variant ? variant : "");
    int r = recipe_set(recipe, "env.rules", variant, "trace header", err);
    json_object_foreach(json_object_get(header, "cfg"), key, value) if (!r) r =
        strcmp(key, "field_size") ? set_key(key, value, recipe, err) : set_size(value, recipe, err);
    return r || strcmp(variant, "eir") ? r : set_eir_defaults(recipe, err);
}

static int read_piece(const struct foraging_params *p, const json_t *item, struct piece *piece, struct err *err)
{
    int64_t row, col, level;
    int r;
    if ((r = trace_int(item, 0, 0, p->rows - 1, &row, err)) || (r = trace_int(item, 1, 0, p->cols - 1, &col, err)) ||
        (r = trace_int(item, 2, 1, FORAGING_LEVEL_MAX, &level, err)))
        return r;
    *piece = (struct piece){.row = (int16_t)row, .col = (int16_t)col, .level = (int16_t)level};
    return 0;
}

static int read_pieces(const struct foraging_params *p, const json_t *list, size_t max, struct piece *pieces, struct err *err)
{
    int r = 0;
    if (!json_is_array(list) || json_array_size(list) > max)
        return err_set(err, ERR_FORMAT, "got a list of %zu players or foods, expected at most %zu", json_array_size(list), max);
    for (size_t i = 0; i < json_array_size(list) && !r; i++)
        r = read_piece(p, json_array_get(list, i), &pieces[i], err);
    return r;
}

static int foraging_set_state(const void *params, void *state, const json_t *line, struct err *err)
{
    const struct foraging_params *p = params;
    const json_t *players = json_object_get(line, "players"), *foods = json_object_get(line, "food");
    struct piece player[FORAGING_PLAYERS_MAX], food[FORAGING_FOODS_MAX];
    int r = read_pieces(p, players, (size_t)p->P, player, err);
    if (!r)
        r = read_pieces(p, foods, (size_t)p->F, food, err);
    if (r)
        return r;
    if (json_array_size(players) != (size_t)p->P)
        return err_set(err, ERR_FORMAT, "got %zu players, expected %d", json_array_size(players), p->P);
    foraging_place(p, state, player, food, (int)json_array_size(foods), (int)json_integer_value(json_object_get(line, "spawned")));
    return env_foraging.check_state(params, state, err);
}

static void foraging_trace_step(const void *params, void *state, const json_t *line, const int32_t *choice, double *reward,
                                bool *is_over)
{
    (void)line;
    const struct foraging_params *p = params;
    struct foraging_state *g = state;
    foraging_advance(p, g, choice, reward);
    *is_over = foraging_is_over(p, g);
}

static bool same_pieces(const struct piece *pieces, int count, const json_t *list, const char *what, char *text, size_t size)
{
    int recorded = (int)json_array_size(list);
    snprintf(text, size, "%s: got %d of them, recorded %d", what, count, recorded);
    bool is_same = count == recorded;
    for (int i = 0; i < count && is_same; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        long long row = json_integer_value(json_array_get(item, 0)), col = json_integer_value(json_array_get(item, 1));
        long long level = json_integer_value(json_array_get(item, 2));
        is_same = json_array_size(item) == 3 && row == pieces[i].row && col == pieces[i].col && level == pieces[i].level;
        snprintf(text, size, "%s %d: got row %d, column %d, level %d, recorded %lld, %lld, %lld", what, i, pieces[i].row,
                 pieces[i].col, pieces[i].level, row, col, level);
    }
    return is_same;
}

static bool foraging_same_state(const void *params, const void *state, const json_t *line, const struct trace_rule *rule,
                                char *text, size_t size)
{
    (void)rule;
    const struct foraging_params *p = params;
    const struct foraging_state *g = state;
    return same_pieces(g->piece, p->P, json_object_get(line, "players"), "player", text, size) &&
           same_pieces(foraging_foods_view(p, g), g->n_food, json_object_get(line, "food"), "food", text, size);
}

const struct env_trace_ops foraging_trace = {
    .env = "lbf",
    .rule = {.share = 1, .reward_tolerance = 1e-12},
    .configure = foraging_configure,
    .set_state = foraging_set_state,
    .step = foraging_trace_step,
    .same_state = foraging_same_state,
};
