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

static void write_available(const struct smac_params *p, const struct smac_state *g, int n, uint8_t *out)
{
    const struct smac_unit *unit = &g->unit[p->map.ally[n]];
    memset(out, 0, (size_t)p->A);
    out[unit->is_alive ? ACT_STOP : ACT_NOTHING] = 1;
    if (!unit->is_alive || unit->is_disabled)
        return;
    for (int a = ACT_NORTH; a <= ACT_WEST; a++)
        out[a] = can_move(p, unit, a);
    memset(out + ACT_TARGETS, 1, (size_t)(p->first_target - ACT_TARGETS));
    for (int j = 0; j < p->n_targets; j++)
        out[p->first_target + j] = can_choose(p, g, unit, j);
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

struct looker {
    const struct smac_params *p;
    const struct smac_state *g;
    const struct smac_unit *unit;
    double sight;
};

/* Distance of another living unit in sight, -1 of others. */
static double distance_in_sight(const struct looker *looker, const struct smac_unit *other)
{
    double dx = other->x - looker->unit->x, dy = other->y - looker->unit->y, square = dx * dx + dy * dy;
    if (!other->is_alive || !(square < looker->sight * looker->sight) || !is_in_cone(looker->p, looker->unit, dx, dy))
        return -1;
    return sqrt(square);
}

static void write_other(const struct looker *looker, const struct smac_unit *other, bool flag, double distance, enum smac_side side,
                        float *out)
{
    const struct smac_params *p = looker->p;
    *out++ = flag;
    *out++ = (float)(distance / looker->sight);
    *out++ = (float)((other->x - looker->unit->x) / looker->sight);
    *out++ = (float)((other->y - looker->unit->y) / looker->sight);
    *out++ = (float)(other->hp / smac_type_of(other)->hp);
    out = write_shield(other, p->has_shields[side], out);
    out = write_type(p, other, out);
    if (side == ALLY)
        write_last_action(p, other, out);
}

static bool is_marked(const struct looker *looker, int j)
{
    const struct smac_params *p = looker->p;
    if (!is_healer(looker->unit))
        return can_choose(p, looker->g, looker->unit, j);
    if (j >= p->N || &looker->g->unit[p->map.ally[j]] == looker->unit)
        return false;
    double distance = distance_in_sight(looker, &looker->g->unit[p->map.ally[j]]);
    return distance >= 0 && distance <= target_range_of(p, looker->unit);
}

static void write_own(const struct looker *looker, float *out)
{
    const struct smac_params *p = looker->p;
    const struct smac_unit *unit = looker->unit;
    *out++ = (float)(unit->hp / smac_type_of(unit)->hp);
    out = write_shield(unit, p->has_shields[ALLY], out);
    if (p->observes_position) {
        *out++ = (float)(unit->x / SMAC_SIDE);
        *out++ = (float)(unit->y / SMAC_SIDE);
    }
    out = write_look(p, unit, out);
    write_last_action(p, unit, write_type(p, unit, out));
}

/* out [O], zero on entry. available [A] of this agent. */
static void write_observation(const struct smac_params *p, const struct smac_state *g, int n, const uint8_t *available, float *out)
{
    const struct smac_map *map = &p->map;
    const struct smac_unit *unit = &g->unit[map->ally[n]];
    const struct looker looker = {p, g, unit, sight_of(p, unit)};
    double distance;
    if (p->has_agent_id)
        out[p->O - p->N + n] = 1;
    if (!unit->is_alive)
        return;
    for (int i = 0; i < 4; i++)
        *out++ = available[ACT_NORTH + i];
    for (int i = 0; i < map->n_enemies; i++, out += p->enemy_width)
        if ((distance = distance_in_sight(&looker, &g->unit[map->enemy[i]])) >= 0)
            write_other(&looker, &g->unit[map->enemy[i]], is_marked(&looker, i), distance, ENEMY, out);
    for (int other = 0; other < p->N; other++) {
        if (other == n)
            continue;
        if ((distance = distance_in_sight(&looker, &g->unit[map->ally[other]])) >= 0)
            write_other(&looker, &g->unit[map->ally[other]], true, distance, ALLY, out);
        out += p->ally_width;
    }
    write_own(&looker, out);
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

void smac_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct smac_params *p = params;
    const struct smac_state *g = state;
    memset(view->observation, 0, (size_t)(p->N * p->O) * sizeof *view->observation);
    for (int n = 0; n < p->N; n++) {
        view->alive[n] = g->unit[p->map.ally[n]].is_alive;
        write_available(p, g, n, view->available + n * p->A);
        write_observation(p, g, n, view->available + n * p->A, view->observation + n * p->O);
    }
    write_state(p, g, view->state);
    for (int n = 1; n < p->N; n++)
        memcpy(view->state + n * p->S, view->state, (size_t)p->S * sizeof *view->state);
    for (int n = 0; n < p->N && p->has_agent_id; n++)
        view->state[(n + 1) * p->S - p->N + n] = 1;
}
