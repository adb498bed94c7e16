/* SMAC combat: one step of eight ticks, by SMAClite's rules. smac.c tells them; here is the order of a tick:
 *
 *   drop targets     allies look at their order, enemies at whether their target still matters
 *   choose           enemies pick targets; everybody says how they want to move, and who is in range to fire (smac_choose.c)
 *   avoid            smac_move.c turns wishes into velocities
 *   act              in shuffled order: move, recover, fire (smac_weapons.c)
 *   bury             units without health leave the game */
#include <math.h>
#include <string.h>

#include "envs/smac_fight.h"

#define MOVE_AMOUNT 2.0 /* cells that a move action aims ahead */

/* Ids of a side by place. */
static const uint8_t *members(const struct smac_map *map, int side, int *count)
{
    *count = side == ALLY ? map->n_allies : map->n_enemies;
    return side == ALLY ? map->ally : map->enemy;
}

int smac_count(const struct smac_params *p, const struct smac_state *g, enum smac_side side)
{
    int n, alive = 0;
    const uint8_t *ids = members(&p->map, side, &n);
    for (int i = 0; i < n; i++)
        alive += g->unit[ids[i]].is_alive;
    return alive;
}

void smac_clear_unit(struct smac_unit *unit)
{
    *unit = (struct smac_unit){
        .target = SMAC_NOBODY, .last_action = unit->last_action, .kind = unit->kind, .is_disabled = unit->is_disabled};
}

/* -- orders --------------------------------------------------------------------------------------------------------------------- */

static void order_move(struct fight *f, int id, int action)
{
    static const int8_t dx[] = {[ACT_NORTH] = 0, [ACT_SOUTH] = 0, [ACT_EAST] = 1, [ACT_WEST] = -1};
    static const int8_t dy[] = {[ACT_NORTH] = 1, [ACT_SOUTH] = -1, [ACT_EAST] = 0, [ACT_WEST] = 0};
    f->order[id] = ORDER_MOVE;
    f->goal_x[id] = f->unit[id].x + MOVE_AMOUNT * dx[action];
    f->goal_y[id] = f->unit[id].y + MOVE_AMOUNT * dy[action];
}

/* What is not available counts as stop, for the dead as nothing. */
static void order_ally(struct fight *f, int n, int action)
{
    const struct smac_map *map = &f->p->map;
    int id = map->ally[n];
    struct smac_unit *unit = &f->unit[id];
    if (!smac_is_available(f->p, f->g, n, action))
        action = unit->is_alive ? ACT_STOP : ACT_NOTHING;
    unit->last_action = (int16_t)action;
    f->order[id] = ORDER_STOP;
    if (action >= f->p->first_target) {
        int place = action - f->p->first_target;
        f->order[id] = ORDER_ATTACK;
        f->ordered[id] = is_healer(unit) ? map->ally[place] : map->enemy[place];
    } else if (action >= ACT_TARGETS) {
        unit->look = (uint8_t)(action - ACT_TARGETS);
    } else if (action >= ACT_NORTH) {
        order_move(f, id, action);
    }
}

static void muster(const struct fight *f, int side, struct roster *roster)
{
    int n;
    const uint8_t *ids = members(&f->p->map, side, &n);
    roster->n = 0;
    for (int plane = GROUND; plane <= AIR; plane++) {
        for (int i = 0; i < n; i++)
            if (f->unit[ids[i]].is_alive && smac_type_of(&f->unit[ids[i]])->plane == plane)
                roster->id[roster->n++] = ids[i];
        if (plane == GROUND)
            roster->n_ground = roster->n;
    }
}

static void begin(struct fight *f, const int32_t *action)
{
    const struct smac_map *map = &f->p->map;
    f->n_live = 0;
    for (int id = 0; id < map->n_units; id++)
        if (f->unit[id].is_alive)
            f->live[f->n_live++] = (uint8_t)id;
    muster(f, ALLY, &f->side[ALLY]);
    muster(f, ENEMY, &f->side[ENEMY]);
    for (int n = 0; n < map->n_allies; n++)
        order_ally(f, n, action[n]);
    for (int i = 0; i < map->n_enemies; i++)
        f->order[map->enemy[i]] = ORDER_ATTACK_MOVE;
}

/* -- drop targets --------------------------------------------------------------------------------------------------------------- */

/* An attack order outlives its target: the unit walks to, and shoots at, where it fell, until the step ends. */
static void drop_ally_target(struct fight *f, int id)
{
    struct smac_unit *unit = &f->unit[id];
    unit->target = SMAC_NOBODY;
    if (f->order[id] != ORDER_ATTACK)
        return;
    if (f->unit[f->ordered[id]].hp > 0)
        unit->target = f->ordered[id];
    else if (!f->p->fires_at_corpses)
        f->order[id] = ORDER_STOP;
}

/* Enemies stay with a target that attacks them or that they can reach. */
static void drop_enemy_target(struct fight *f, int id)
{
    struct smac_unit *unit = &f->unit[id];
    if (unit->target == SMAC_NOBODY)
        return;
    const struct smac_unit *target = &f->unit[unit->target];
    if (target->hp == 0 || (target->target != id && !is_in_weapon_range(f, unit, target)))
        unit->target = SMAC_NOBODY;
}

static void take_places(const struct fight *f, struct roster *roster)
{
    roster->west = roster->south = INFINITY;
    roster->east = roster->north = -INFINITY;
    for (int i = 0; i < roster->n; i++) {
        double x = f->unit[roster->id[i]].x, y = f->unit[roster->id[i]].y;
        roster->x[i] = x;
        roster->y[i] = y;
        roster->west = smac_least(roster->west, x);
        roster->east = smac_most(roster->east, x);
        roster->south = smac_least(roster->south, y);
        roster->north = smac_most(roster->north, y);
    }
}

static void drop_targets(struct fight *f)
{
    f->has_idle_enemy = f->has_ally_healer = false;
    take_places(f, &f->side[ALLY]);
    take_places(f, &f->side[ENEMY]);
    for (int i = 0; i < f->n_live; i++)
        f->attackers[f->live[i]] = 0;
    for (int i = 0; i < f->n_live; i++) {
        int id = f->live[i];
        struct smac_unit *unit = &f->unit[id];
        f->previous[id] = unit->target;
        f->fires[id] = 0;
        if (side_of(f, id) == ALLY) {
            drop_ally_target(f, id);
            f->has_ally_healer |= is_healer(unit);
            if (unit->target != SMAC_NOBODY)
                f->attackers[unit->target]++;
        } else {
            drop_enemy_target(f, id);
            f->has_idle_enemy |= deals_damage(unit) && unit->target == SMAC_NOBODY;
        }
    }
}

static void shuffle(const struct fight *f, struct rng *rng, uint8_t *order)
{
    for (int i = 0; i < f->n_live; i++) {
        int j = (int)rng_below(rng, (uint32_t)i + 1);
        order[i] = order[j];
        order[j] = f->live[i];
    }
}

/* -- bury ----------------------------------------------------------------------------------------------------------------------- */

static void strike_off(const struct fight *f, struct roster *roster)
{
    int kept = 0, ground = 0;
    for (int i = 0; i < roster->n; i++)
        if (f->unit[roster->id[i]].is_alive) {
            ground += i < roster->n_ground;
            roster->id[kept++] = roster->id[i];
        }
    roster->n = kept;
    roster->n_ground = ground;
}

static void bury(struct fight *f)
{
    int kept = 0;
    for (int i = 0; i < f->n_live; i++) {
        struct smac_unit *unit = &f->unit[f->live[i]];
        unit->is_alive = unit->hp > 0;
        f->live[kept] = f->live[i];
        kept += unit->is_alive;
    }
    if (kept == f->n_live)
        return;
    f->n_live = kept;
    strike_off(f, &f->side[ALLY]);
    strike_off(f, &f->side[ENEMY]);
}

static void tick(struct fight *f, const uint8_t *order)
{
    drop_targets(f);
    smac_choose(f);
    f->traffic.n_live = f->n_live;
    if (f->p->is_fused)
        smac_avoid_fused(f->p, &f->traffic);
    else
        smac_avoid(f->p, &f->traffic);
    smac_act(f, order);
    bury(f);
}

void smac_fight(const struct smac_params *p, struct smac_state *g, const int32_t *action, const smac_tick_order *orders,
                struct rng *rng, struct smac_score *score)
{
    struct fight f;
    smac_tick_order drawn;
    f.p = p;
    f.g = g;
    f.unit = g->unit;
    f.score = score;
    f.traffic.unit = g->unit;
    *score = (struct smac_score){0};
    begin(&f, action);
    f.traffic.live = f.live;
    for (int t = 0; t < SMAC_TICKS; t++) {
        if (!orders)
            shuffle(&f, rng, drawn);
        tick(&f, orders ? orders[t] : drawn);
    }
    for (int id = 0; id < p->map.n_units; id++)
        if (!g->unit[id].is_alive)
            smac_clear_unit(&g->unit[id]);
    g->step++;
}
