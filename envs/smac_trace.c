/* SMAC combat: replay of episodes recorded from SMAClite.
 *
 * The map is made of the header, which lists units, cliffs and the order of types; so episodes of any map can be replayed. Its
 * groups stand in one place, which no line depends on: every state is set from the file. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/smac.h"
#include "envs/trace.h"

#define MAP_TEXT_MAX 4096
#define DOUBLE_TOLERANCE 1e-6 /* of fields of units */
#define SINGLE_TOLERANCE 1e-4
#define VELOCITY_FACTOR 10 /* velocities of the single precision files agree ten times less */
enum {
    FIELD_X,
    FIELD_Y,
    FIELD_VX,
    FIELD_VY,
    FIELD_HP,
    FIELD_SHIELD,
    FIELD_ENERGY,
    FIELD_COOLDOWN,
    FIELD_SHIELD_COOLDOWN,
    FIELD_POOL,
    FIELDS
};

static const char *const field_names[FIELDS] = {
    "x", "y", "vx", "vy", "hp", "shield", "energy", "cooldown", "shield_cooldown", "heal_pool"};

static double *field_of(struct smac_unit *unit, int field)
{
    double *const fields[FIELDS] = {&unit->x,        &unit->y,        &unit->vx,
                                    &unit->vy,       &unit->hp,       &unit->shield,
                                    &unit->energy,   &unit->cooldown, &unit->shield_cooldown,
                                    &unit->heal_pool};
    return fields[field];
}

/* -- the header ----------------------------------------------------------------------------------------------------------------- */

struct text {
    char at[MAP_TEXT_MAX];
    size_t used;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->at + text->used, sizeof text->at - text->used, format, args);
    va_end(args);
    text->used = text->used + (size_t)n < sizeof text->at ? text->used + (size_t)n : sizeof text->at - 1;
}

/* STALKER, as we write it. */
static void add_type(struct text *text, const char *name)
{
    for (; name && *name; name++)
        add(text, "%c", tolower((unsigned char)*name));
}

static void add_terrain(struct text *text, const json_t *rows)
{
    add(text, "terrain");
    for (size_t i = json_array_size(rows); i-- > 0;) { /* theirs begin in the south */
        const char *row = json_string_value(json_array_get(rows, i));
        add(text, "; ");
        for (; row && *row; row++)
            add(text, "%c", *row == '_' ? '.' : 'X');
    }
}

static void add_types(struct text *text, const json_t *ids)
{
    const char *name;
    json_t *value;
    size_t n = json_object_size(ids);
    add(text, "; types%s", n ? "" : " none");
    for (size_t i = 0; i < n; i++)
        json_object_foreach((json_t *)ids, name, value) if (json_integer_value(value) == (json_int_t)i)
        {
            add(text, " ");
            add_type(text, name);
        }
}

/* Runs of one side and type, in the order of ids. */
static void add_units(struct text *text, const json_t *units)
{
    json_int_t last_side = -1;
    for (size_t i = 0, n; i < json_array_size(units); i += n) {
        const json_t *unit = json_array_get(units, i);
        json_int_t side = json_integer_value(json_object_get(unit, "side"));
        for (n = 1; i + n < json_array_size(units); n++) {
            const json_t *next = json_array_get(units, i + n);
            if (json_integer_value(json_object_get(next, "side")) != side ||
                !json_equal(json_object_get(next, "type"), json_object_get(unit, "type")))
                break;
        }
        add(text, side == last_side ? ", %zu " : side ? "; enemy 23 16: %zu " : "; ally 9 16: %zu ", n);
        add_type(text, json_string_value(json_object_get(unit, "type")));
        last_side = side;
    }
}

static int smac_configure(const json_t *header, struct recipe *recipe, struct err *err)
{
    const json_t *point = json_object_get(header, "attack_point");
    struct text text = {.used = 0};
    int r;
    add_terrain(&text, json_object_get(header, "terrain"));
    add(&text, "; limit %lld", (long long)json_integer_value(json_object_get(header, "limit")));
    add(&text, "; attack %.17g %.17g", json_number_value(json_array_get(point, 0)), json_number_value(json_array_get(point, 1)));
    add_types(&text, json_object_get(header, "type_ids"));
    add_units(&text, json_object_get(header, "units"));
    if ((r = recipe_set(recipe, "env.map", text.at, "trace header", err)) ||
        (r = recipe_set(recipe, "env.scenario", "map:trace", "trace header", err)))
        return r;
    bool is_single = json_integer_value(json_object_get(header, "precision")) == 32;
    r = recipe_set(recipe, "env.precision", is_single ? "single" : "double", "trace header", err);
    return r ? r : recipe_set(recipe, "env.agent_id", "false", "trace header", err);
}

/* Single precision, as the reference is shipped, differs from ours in the last bits, which now and then decide. */
static void smac_rule_of(const json_t *header, struct trace_rule *rule)
{
    const char *name = json_string_value(json_object_get(header, "name"));
    if (json_integer_value(json_object_get(header, "precision")) == 64)
        return;
    rule->share = name && !strcmp(name, "bane_vs_bane") ? 0.5 : 0.995; /* a crush of 48 units */
    rule->state_tolerance = rule->observation_tolerance = SINGLE_TOLERANCE;
    rule->reward_tolerance = 1e-6;
}

/* -- lines ---------------------------------------------------------------------------------------------------------------------- */

static int read_unit(const struct smac_params *p, const json_t *item, struct smac_unit *unit, struct err *err)
{
    int64_t target;
    if (json_is_integer(item) && json_integer_value(item) == 0) {
        smac_clear_unit(unit);
        return 0;
    }
    if (json_array_size(item) != FIELDS + 1)
        return err_set(err, ERR_FORMAT, "got a unit of %zu fields, expected %d", json_array_size(item), FIELDS + 1);
    for (int i = 0; i < FIELDS; i++)
        *field_of(unit, i) = json_number_value(json_array_get(item, (size_t)i));
    int r = trace_int(item, FIELDS, SMAC_NOBODY, p->map.n_units - 1, &target, err);
    unit->target = (int16_t)target;
    unit->is_alive = true;
    unit->x = smac_kept(p, unit->x); /* written with the fewest digits that tell a float */
    unit->y = smac_kept(p, unit->y);
    return r;
}

/* A reset line starts afresh; a step line, from which the next step is taken, leaves what it does not record. */
static int smac_set_state(const void *params, void *state, const json_t *line, struct err *err)
{
    const struct smac_params *p = params;
    struct smac_state *g = state;
    const json_t *units = json_object_get(line, "units");
    const char *type = json_string_value(json_object_get(line, "type"));
    int r = 0;
    if (type && !strcmp(type, "reset")) {
        struct rng none = {0}; /* nothing is drawn on a map of fixed groups */
        smac_spawn(p, g, &none);
    }
    if (json_array_size(units) != (size_t)p->map.n_units)
        return err_set(err, ERR_FORMAT, "got %zu units, expected %d", json_array_size(units), p->map.n_units);
    for (int id = 0; id < p->map.n_units && !r; id++)
        r = read_unit(p, json_array_get(units, (size_t)id), &g->unit[id], err);
    return r ? r : env_smac.check_state(params, state, err);
}

/* A list per tick. False when they are not the orders of living units, which a step could not act in. */
static bool read_orders(const struct smac_params *p, const struct smac_state *g, const json_t *ticks, smac_tick_order *orders)
{
    int alive = smac_count(p, g, ALLY) + smac_count(p, g, ENEMY);
    for (size_t t = 0; t < SMAC_TICKS; t++) {
        const json_t *ids = json_array_get(ticks, t);
        size_t n = json_array_size(ids);
        if (n > (size_t)alive)
            return false;
        alive = (int)n; /* those who died in the tick before are missing */
        memset(orders[t], 0, sizeof orders[t]);
        for (size_t i = 0; i < n; i++) {
            int64_t id;
            if (trace_int(ids, i, 0, p->map.n_units - 1, &id, NULL))
                return false;
            orders[t][i] = (uint8_t)id;
        }
    }
    return json_array_size(ticks) == SMAC_TICKS;
}

static bool same_unit(struct smac_unit unit, int id, const json_t *item, double tolerance, char *text, size_t size)
{
    bool is_gone = !json_is_array(item);
    snprintf(text, size, "unit %d: got %s, recorded the opposite", id, unit.is_alive ? "alive" : "gone");
    if (is_gone == unit.is_alive)
        return false;
    for (int i = 0; i < FIELDS && !is_gone; i++) {
        double ours = *field_of(&unit, i), theirs = json_number_value(json_array_get(item, (size_t)i));
        bool is_velocity = i == FIELD_VX || i == FIELD_VY;
        snprintf(text, size, "%s of unit %d: got %.17g, recorded %.17g", field_names[i], id, ours, theirs);
        if (!(fabs(ours - theirs) <= tolerance * (is_velocity && tolerance > DOUBLE_TOLERANCE ? VELOCITY_FACTOR : 1)))
            return false;
    }
    int theirs = (int)json_integer_value(json_array_get(item, FIELDS));
    snprintf(text, size, "target of unit %d: got %d, recorded %d", id, unit.target, theirs);
    return is_gone || unit.target == theirs;
}

static bool same_units(const struct smac_params *p, const struct smac_state *g, const json_t *line, double tolerance, char *text,
                       size_t size)
{
    const json_t *units = json_object_get(line, "units");
    for (int id = 0; id < p->map.n_units; id++)
        if (!same_unit(g->unit[id], id, json_array_get(units, (size_t)id), tolerance, text, size))
            return false;
    return true;
}

static bool smac_same_state(const void *params, const void *state, const json_t *line, const struct trace_rule *rule, char *text,
                            size_t size)
{
    return same_units(params, state, line, rule->state_tolerance, text, size);
}

/* The reference rounds sums of products in one of two ways, depending on the processor that recorded it, and now and then the
 * last bit decides. So a step that comes out otherwise is tried the other way too. */
static void fight_as_recorded(const struct smac_params *p, struct smac_state *g, const int32_t *choice,
                              const smac_tick_order *orders, const json_t *line, struct smac_score *score)
{
    union {
        struct smac_state state;
        unsigned char bytes[sizeof(struct smac_state) + SMAC_UNITS_MAX * sizeof(struct smac_unit)];
    } before, after;
    char text[160];
    size_t size = env_smac.state_bytes(p);
    memcpy(before.bytes, g, size);
    smac_fight(p, g, choice, orders, NULL, score);
    if (same_units(p, g, line, p->is_single ? SINGLE_TOLERANCE : DOUBLE_TOLERANCE, text, sizeof text))
        return;
    struct smac_params fused = *p;
    struct smac_score other_score;
    fused.is_fused = true;
    memcpy(after.bytes, g, size);
    memcpy(g, before.bytes, size);
    smac_fight(&fused, g, choice, orders, NULL, &other_score);
    if (same_units(p, g, line, p->is_single ? SINGLE_TOLERANCE : DOUBLE_TOLERANCE, text, sizeof text))
        *score = other_score;
    else
        memcpy(g, after.bytes, size);
}

static void smac_trace_step(const void *params, void *state, const json_t *line, const int32_t *choice, double *reward,
                            bool *is_over)
{
    const struct smac_params *p = params;
    struct smac_state *g = state;
    smac_tick_order orders[SMAC_TICKS];
    struct smac_score score = {0};
    bool is_good = read_orders(p, g, json_object_get(line, "order"), orders);
    if (is_good)
        fight_as_recorded(p, g, choice, orders, line, &score);
    for (int n = 0; n < p->N; n++)
        reward[n] = is_good ? smac_reward_of(p, g, &score) : NAN; /* a line without a good order agrees with nothing */
    *is_over = smac_is_over(p, g);
}

const struct env_trace_ops smac_trace = {
    .env = "smaclite",
    .rule =
        {.resync = true, .share = 1, .observation_tolerance = 1e-5, .reward_tolerance = 1e-9, .state_tolerance = DOUBLE_TOLERANCE},
    .rule_of = smac_rule_of,
    .configure = smac_configure,
    .set_state = smac_set_state,
    .step = smac_trace_step,
    .same_state = smac_same_state,
};
