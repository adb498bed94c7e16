/* SMAC combat: what agents and the critic see, and what they may do. K: bits of the one-hot of types, 0 on maps without.
 *
 *   observation of agent n       numbers                                                                        when
 *   moves                        north, south, east, west: 1 where a move is available                          alive
 *   per enemy                    can be chosen, distance, dx, dy, health, shield*, type [K]                     alive and in sight
 *   per other ally, by place     1, distance, dx, dy, health, shield*, type [K], last action [A]+               alive and in sight
 *   own                          health, shield*, x, y+, look [2]+, type [K], last action [A]+                  alive
 *   id                           one-hot [N]+                                                                   always
 *
 *   state, the same for all      per ally: health, cooldown (healers: energy), x, y, shield*, look [2]+, type [K]
 *                                per enemy: health, x, y, shield*, type [K]; then last actions [N,A]+; then one's id [N]+
 *
 * Zero where "when" does not hold. * if units of that side can have a shield. + by config rows. Distances are divided by the
 * sight, health, shield, cooldown and energy by their largest values; x and y of the state are measured from the centre and
 * divided by 32, the own position by 32. A healer's "can be chosen" of enemy j tells about ally j, as in SMAClite, and with it
 * healers count, although they cannot be chosen. */
#include <math.h>
#include <string.h>

#include "envs/smac.h"

#define MOVE_CHECK 1.0 /* cells ahead that must be ground: half of what a move aims at */
#define CENTRE (SMAC_SIDE / 2.0)
#define SHORTEST_TARGET_RANGE 2.0 /* SMACv2's, of melee types */
#define TURN 6.283185307179586
#define LOOKS_MAX (SMAC_UNITS_MAX * (2 + SMAC_KINDS) + SMAC_ALLIES_MAX * SPEC_ACTIONS_MAX)

static double sight_of(const struct smac_params *p, const struct smac_unit *unit)
{
    return p->ranges == RANGES_UNIT ? smac_type_of(unit)->sight : p->sight;
}

static double target_range_of(const struct smac_params *p, const struct smac_unit *unit)
{
    return p->ranges == RANGES_UNIT ? smac_most(smac_type_of(unit)->range, SHORTEST_TARGET_RANGE) : p->target_range;
}

/* Is (dx, dy) ahead within half a twelfth of a turn? Always without a conic view. */
static bool is_in_cone(const struct smac_params *p, const struct smac_unit *unit, double dx, double dy)
{
    if (!p->has_conic_view)
        return true;
    double angle = TURN * unit->look / SMAC_LOOKS;
    return dx * cos(angle) + dy * sin(angle) >= sqrt(dx * dx + dy * dy) * cos(TURN / SMAC_LOOKS / 2);
}

static bool is_healer(const struct smac_unit *unit)
{
    return smac_type_of(unit)->weapon == WEAPON_HEAL;
}

/* -- available actions ---------------------------------------------------------------------------------------------------------- */

static bool can_move(const struct smac_params *p, const struct smac_unit *unit, int action)
{
    double dx = action == ACT_EAST ? MOVE_CHECK : action == ACT_WEST ? -MOVE_CHECK : 0;
    double dy = action == ACT_NORTH ? MOVE_CHECK : action == ACT_SOUTH ? -MOVE_CHECK : 0;
    return smac_is_walkable(&p->map, unit->x + dx, unit->y + dy);
}

static bool can_choose(const struct smac_params *p, const struct smac_state *g, const struct smac_unit *unit, int j)
{
    const struct smac_map *map = &p->map;
    bool heals = is_healer(unit);
    if (j >= (heals ? map->n_allies : map->n_enemies) || smac_type_of(unit)->weapon == WEAPON_NONE)
        return false;
    const struct smac_unit *target = &g->unit[heals ? map->ally[j] : map->enemy[j]];
    return target->is_alive && !(heals && (target == unit || is_healer(target))) &&
           smac_is_within(p, target->x, target->y, unit->x, unit->y, target_range_of(p, unit)) &&
           is_in_cone(p, unit, target->x - unit->x, target->y - unit->y);
}

bool smac_is_available(const struct smac_params *p, const struct smac_state *g, int agent, int action)
{
    const struct smac_unit *unit = &g->unit[p->map.ally[agent]];
    if (action < 0 || action >= p->A)
        return false;
    if (!unit->is_alive || action == ACT_NOTHING)
        return !unit->is_alive && action == ACT_NOTHING;
    if (action == ACT_STOP || unit->is_disabled)
        return action == ACT_STOP;
    if (action < ACT_TARGETS)
        return can_move(p, unit, action);
    return action < p->first_target || can_choose(p, g, unit, action - p->first_target);
}

/* All but the targets. */
static void write_available(const struct smac_params *p, const struct smac_unit *unit, uint8_t *out)
{
    memset(out, 0, (size_t)p->A);
    out[unit->is_alive ? ACT_STOP : ACT_NOTHING] = 1;
    if (!unit->is_alive || unit->is_disabled)
        return;
    for (int a = ACT_NORTH; a <= ACT_WEST; a++)
        out[a] = can_move(p, unit, a);
    memset(out + ACT_TARGETS, 1, (size_t)(p->first_target - ACT_TARGETS));
}

/* -- observation ---------------------------------------------------------------------------------------------------------------- */

static float *write_type(const struct smac_params *p, const struct smac_unit *unit, float *out)
{
    int bit = p->map.bit[unit->kind];
    if (bit >= 0)
        out[bit] = 1;
    return out + p->map.n_bits;
}

static float *write_shield(const struct smac_unit *unit, bool is_shown, float *out)
{
    double most = smac_type_of(unit)->shield;
    if (is_shown)
        *out++ = most > 0 ? (float)(unit->shield / most) : 0;
    return out;
}

static float *write_look(const struct smac_params *p, const struct smac_unit *unit, float *out)
{
    if (p->has_conic_view) {
        *out++ = (float)cos(TURN * unit->look / SMAC_LOOKS);
        *out++ = (float)sin(TURN * unit->look / SMAC_LOOKS);
    }
    return out;
}

static void write_last_action(const struct smac_params *p, const struct smac_unit *unit, float *out)
{
    if (p->observes_last_action && unit->last_action >= 0)
        out[unit->last_action] = 1;
}

/* What is seen of a unit wherever one looks from: [looks_width], zero on entry. */
static void write_looks(const struct smac_params *p, const struct smac_unit *unit, enum smac_side side, float *out)
{
    *out++ = (float)(unit->hp / smac_type_of(unit)->hp);
    out = write_type(p, unit, write_shield(unit, p->has_shields[side], out));
    if (side == ALLY)
        write_last_action(p, unit, out);
}

/* The units of a side as everybody who sees them sees them. */
struct parade {
    int n, width; /* width of a unit's looks: what follows FLAG, DISTANCE, DX, DY */
    double x[SMAC_UNITS_MAX], y[SMAC_UNITS_MAX];
    bool is_alive[SMAC_UNITS_MAX];
    float *looks; /* [n,width] */
};

#define RELATIVE 4 /* numbers that depend on the observer */

static void line_up(const struct smac_params *p, const struct smac_state *g, enum smac_side side, float *looks,
                    struct parade *parade)
{
    const uint8_t *ids = side == ALLY ? p->map.ally : p->map.enemy;
    parade->n = side == ALLY ? p->map.n_allies : p->map.n_enemies;
    parade->width = (side == ALLY ? p->ally_width : p->enemy_width) - RELATIVE;
    parade->looks = looks;
    memset(looks, 0, (size_t)(parade->n * parade->width) * sizeof *looks);
    for (int i = 0; i < parade->n; i++) {
        const struct smac_unit *unit = &g->unit[ids[i]];
        parade->x[i] = unit->x;
        parade->y[i] = unit->y;
        parade->is_alive[i] = unit->is_alive;
        if (unit->is_alive)
            write_looks(p, unit, side, looks + i * parade->width);
    }
}

struct observer {
    const struct smac_params *p;
    const struct smac_state *g;
    const struct smac_unit *unit;
    int n;
    double sight, target_range, sight2, target2; /* squares; that of the range with a margin, for rounding */
    uint8_t *targets;                            /* [n_targets] available ones */
    const struct parade *parade;                 /* [2] by side */
};

/* The square of the distance to a living unit in sight, -1 for others. */
static double square_in_sight(const struct observer *o, const struct parade *parade, int i)
{
    double dx = parade->x[i] - o->unit->x, dy = parade->y[i] - o->unit->y, square = dx * dx + dy * dy;
    return square < o->sight2 && parade->is_alive[i] && is_in_cone(o->p, o->unit, dx, dy) ? square : -1;
}

static void write_other(const struct observer *o, const struct parade *parade, int i, bool flag, double square, float *out)
{
    double scale = 1 / o->sight;
    const float *looks = parade->looks + i * parade->width;
    out[0] = flag;
    out[1] = (float)(sqrt(square) * scale);
    out[2] = (float)((parade->x[i] - o->unit->x) * scale);
    out[3] = (float)((parade->y[i] - o->unit->y) * scale);
    for (int k = 0; k < parade->width; k++)
        out[RELATIVE + k] = looks[k];
}

/* A healer's flag of enemy j: is ally j in sight and in range? */
static bool is_marked(const struct observer *o, int j)
{
    if (j >= o->p->N || j == o->n)
        return false;
    double square = square_in_sight(o, &o->parade[ALLY], j);
    return square >= 0 && sqrt(square) <= o->target_range;
}

static float *write_enemies(const struct observer *o, float *out)
{
    const struct parade *enemies = &o->parade[ENEMY];
    bool heals = is_healer(o->unit), chooses = !heals && !o->unit->is_disabled;
    for (int i = 0; i < enemies->n; i++, out += o->p->enemy_width) {
        double dx = enemies->x[i] - o->unit->x, dy = enemies->y[i] - o->unit->y, square = dx * dx + dy * dy;
        if (square >= o->sight2 && square > o->target2)
            continue;
        if (chooses && square <= o->target2)
            o->targets[i] = can_choose(o->p, o->g, o->unit, i);
        if ((square = square_in_sight(o, enemies, i)) >= 0)
            write_other(o, enemies, i, heals ? is_marked(o, i) : o->targets[i], square, out);
    }
    return out;
}

static float *write_allies(const struct observer *o, float *out)
{
    const struct parade *allies = &o->parade[ALLY];
    bool chooses = is_healer(o->unit) && !o->unit->is_disabled;
    double square;
    for (int i = 0; i < allies->n; i++) {
        if (i == o->n)
            continue;
        if (chooses && i < o->p->n_targets)
            o->targets[i] = can_choose(o->p, o->g, o->unit, i);
        if ((square = square_in_sight(o, allies, i)) >= 0)
            write_other(o, allies, i, true, square, out);
        out += o->p->ally_width;
    }
    return out;
}

static void write_own(const struct observer *o, float *out)
{
    const struct smac_params *p = o->p;
    const struct smac_unit *unit = o->unit;
    *out++ = (float)(unit->hp / smac_type_of(unit)->hp);
    out = write_shield(unit, p->has_shields[ALLY], out);
    if (p->observes_position) {
        *out++ = (float)(unit->x / SMAC_SIDE);
        *out++ = (float)(unit->y / SMAC_SIDE);
    }
    out = write_look(p, unit, out);
    write_last_action(p, unit, write_type(p, unit, out));
}

/* A living agent's observation and targets. out [O] without the id, zero on entry. */
static void write_observation(const struct observer *o, const uint8_t *available, float *out)
{
    for (int i = 0; i < 4; i++)
        *out++ = available[ACT_NORTH + i];
    out = write_enemies(o, out);
    write_own(o, write_allies(o, out));
}

/* -- state ---------------------------------------------------------------------------------------------------------------------- */

static float *write_place(const struct smac_unit *unit, float *out)
{
    *out++ = (float)((unit->x - CENTRE) / SMAC_SIDE);
    *out++ = (float)((unit->y - CENTRE) / SMAC_SIDE);
    return out;
}

static void write_ally(const struct smac_params *p, const struct smac_unit *unit, float *out)
{
    const struct smac_type *type = smac_type_of(unit);
    *out++ = (float)(unit->hp / type->hp);
    *out++ = type->weapon == WEAPON_HEAL ? (float)(unit->energy / type->energy)
             : type->cooldown > 0        ? (float)(unit->cooldown / type->cooldown)
                                         : 0;
    out = write_shield(unit, p->has_shields[ALLY], write_place(unit, out));
    write_type(p, unit, write_look(p, unit, out));
}

static void write_enemy(const struct smac_params *p, const struct smac_unit *unit, float *out)
{
    *out++ = (float)(unit->hp / smac_type_of(unit)->hp);
    write_type(p, unit, write_shield(unit, p->has_shields[ENEMY], write_place(unit, out)));
}

/* out [S], without the id. */
static void write_state(const struct smac_params *p, const struct smac_state *g, float *out)
{
    const struct smac_map *map = &p->map;
    memset(out, 0, (size_t)p->S * sizeof *out);
    for (int n = 0; n < p->N; n++, out += p->state_ally_width)
        if (g->unit[map->ally[n]].is_alive)
            write_ally(p, &g->unit[map->ally[n]], out);
    for (int i = 0; i < map->n_enemies; i++, out += p->state_enemy_width)
        if (g->unit[map->enemy[i]].is_alive)
            write_enemy(p, &g->unit[map->enemy[i]], out);
    for (int n = 0; n < p->N && p->state_has_last_action; n++, out += p->A)
        if (g->unit[map->ally[n]].last_action >= 0)
            out[g->unit[map->ally[n]].last_action] = 1;
}

static void write_states(const struct smac_params *p, const struct smac_state *g, float *out)
{
    write_state(p, g, out);
    for (int n = 1; n < p->N; n++)
        memcpy(out + n * p->S, out, (size_t)p->S * sizeof *out);
    for (int n = 0; n < p->N && p->has_agent_id; n++)
        out[(n + 1) * p->S - p->N + n] = 1;
}

static void observe_agent(const struct smac_params *p, const struct smac_state *g, const struct parade *parade, int n,
                          uint8_t *available, float *out)
{
    const struct smac_unit *unit = &g->unit[p->map.ally[n]];
    double sight = sight_of(p, unit), range = target_range_of(p, unit);
    const struct observer o = {.p = p,
                               .g = g,
                               .unit = unit,
                               .n = n,
                               .sight = sight,
                               .target_range = range,
                               .sight2 = sight * sight,
                               .target2 = range * range * 1.001,
                               .targets = available + p->first_target,
                               .parade = parade};
    write_available(p, unit, available);
    if (unit->is_alive)
        write_observation(&o, available, out);
    if (p->has_agent_id)
        out[p->O - p->N + n] = 1;
}

void smac_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct smac_params *p = params;
    const struct smac_state *g = state;
    struct parade parade[2];
    float looks[2][LOOKS_MAX];
    line_up(p, g, ALLY, looks[ALLY], &parade[ALLY]);
    line_up(p, g, ENEMY, looks[ENEMY], &parade[ENEMY]);
    memset(view->observation, 0, (size_t)(p->N * p->O) * sizeof *view->observation);
    for (int n = 0; n < p->N; n++) {
        view->alive[n] = g->unit[p->map.ally[n]].is_alive;
        observe_agent(p, g, parade, n, view->available + n * p->A, view->observation + n * p->O);
    }
    write_states(p, g, view->state);
}
