/* SMAC combat: one step of eight ticks, by SMAClite's rules. smac.c tells them; here is the order of a tick:
 *
 *   drop targets     allies look at their order, enemies at whether their target still matters
 *   choose           enemies pick targets; everybody says how they want to move, and who is in range to fire
 *   avoid            smac_move.c turns wishes into velocities
 *   act              in shuffled order: move, recover, fire; a shot hits at once
 *   bury             units without health leave the game
 *
 * The reference keeps lists of candidates for targets. Here they are walked through where they are needed: between the dropping
 * and the acting nothing moves and nothing is hurt, so what a list would hold can be seen at any time. Ties are broken as in its
 * lists: ground before air, then by place, and last the far attackers (see pick_victim). */
#include <math.h>
#include <string.h>

#include "envs/smac.h"

#define MOVE_AMOUNT 2.0   /* cells that a move action aims ahead */
#define SHIELD_DELAY 10.0 /* seconds after a hit until the shield grows again */
#define SHIELD_PER_SECOND 2.0
#define ENERGY_PER_SECOND 0.5625
#define HEAL_PER_SECOND 9.0
#define HP_PER_ENERGY 3.0
#define ENERGY_TO_START 5.0 /* a healer with less does not turn to a new patient */
#define FAR_AWAY 2e9        /* distance that attackers beyond the scan are listed with */
#define BEAM_WIDTH 2.8      /* across the line of fire */
#define BEAM_HEIGHT 0.3
#define BLAST_RADIUS 2.2
#define KITE_MARGIN 1.5 /* cells beyond a chaser's reach that a kiting enemy keeps */
#define RANGED 1.0      /* a weapon that reaches farther is one to kite with */

enum order { ORDER_STOP, ORDER_MOVE, ORDER_ATTACK, ORDER_ATTACK_MOVE };

/* The living units of a side where they are at the start of a tick: ground before air, then by place. */
struct roster {
    int n, n_ground;
    uint8_t id[SMAC_UNITS_MAX];
    double x[SMAC_UNITS_MAX], y[SMAC_UNITS_MAX];
    double west, east, south, north; /* what holds them all */
};

struct fight {
    const struct smac_params *p;
    struct smac_state *g;
    struct smac_unit *unit; /* g->unit */
    struct smac_score *score;
    int n_live;
    uint8_t live[SMAC_UNITS_MAX]; /* ascending ids */
    struct roster side[2];
    bool has_idle_enemy; /* some damage-dealing enemy had no target after the dropping */
    bool has_ally_healer;

    /* by id */
    uint8_t order[SMAC_UNITS_MAX], fires[SMAC_UNITS_MAX]; /* fires: in range, so it stands and shoots */
    int16_t ordered[SMAC_UNITS_MAX];                      /* target of ORDER_ATTACK */
    int16_t previous[SMAC_UNITS_MAX];                     /* target before the dropping */
    double goal_x[SMAC_UNITS_MAX], goal_y[SMAC_UNITS_MAX];
    uint8_t attackers[SMAC_UNITS_MAX]; /* how many allies have it as their target */
    struct smac_traffic traffic;
};

static bool is_healer(const struct smac_unit *unit)
{
    return smac_type_of(unit)->weapon == WEAPON_HEAL;
}

static bool deals_damage(const struct smac_unit *unit)
{
    return smac_type_of(unit)->weapon < WEAPON_HEAL;
}

static bool can_hit(const struct smac_unit *unit, const struct smac_unit *target)
{
    return smac_type_of(unit)->hits_planes & smac_type_of(target)->plane;
}

static bool is_in_weapon_range(const struct fight *f, const struct smac_unit *unit, const struct smac_unit *target)
{
    double range = smac_type_of(unit)->range + smac_type_of(target)->radius + smac_type_of(unit)->radius;
    return smac_is_within(f->p, unit->x, unit->y, target->x, target->y, range);
}

static int side_of(const struct fight *f, int id)
{
    return f->p->map.side[id];
}

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

/* -- choose --------------------------------------------------------------------------------------------------------------------- */

struct pick {
    int id;
    bool is_healer;
    double key; /* distance, or health of a patient */
};

/* The part of a roster that a unit can hit: [from, to). */
static void hittable(const struct smac_unit *unit, const struct roster *roster, int *from, int *to)
{
    int planes = smac_type_of(unit)->hits_planes;
    *from = planes & GROUND ? 0 : roster->n_ground;
    *to = planes & AIR ? roster->n : roster->n_ground;
}

/* Candidates are those within the scan plus the largest radius; which of them are near enough, is said more exactly here.
 * Distances are compared as roots: two squares may differ where their roots are equal. */
static void consider_victim(const struct fight *f, int looker, int id, double distance, struct pick *best)
{
    const struct smac_unit *unit = &f->unit[id];
    if (!(distance < smac_type_of(&f->unit[looker])->scan + smac_type_of(unit)->radius) && unit->target != looker)
        return;
    bool is_first_choice = is_healer(unit);
    if (best->id == SMAC_NOBODY || is_first_choice > best->is_healer ||
        (is_first_choice == best->is_healer && distance < best->key))
        *best = (struct pick){id, is_first_choice, distance};
}

/* Allies that attack the looker count as candidates too, but as the farthest. */
static void consider_attackers(const struct fight *f, int looker, struct pick *best)
{
    const struct smac_map *map = &f->p->map;
    for (int n = 0; n < map->n_allies; n++) {
        const struct smac_unit *attacker = &f->unit[map->ally[n]];
        if (attacker->is_alive && attacker->target == looker && can_hit(&f->unit[looker], attacker))
            consider_victim(f, looker, map->ally[n], FAR_AWAY, best);
    }
}

static double reach_of_scan(const struct fight *f, const struct smac_unit *looker)
{
    return smac_type_of(looker)->scan + f->p->largest_radius;
}

/* Nobody of the roster can be within reach. With a margin: the squares that are compared later are rounded. */
static bool is_far_from_all(const struct smac_unit *unit, const struct roster *roster, double reach)
{
    double margin = reach * 1.0001;
    return unit->x < roster->west - margin || unit->x > roster->east + margin || unit->y < roster->south - margin ||
           unit->y > roster->north + margin;
}

/* Healers before others, then the nearest. Attackers are listed when there is no target yet, not when it is looked up whether
 * another one would be better. */
static int pick_victim(const struct fight *f, int looker, bool lists_attackers)
{
    const struct smac_unit *unit = &f->unit[looker];
    const struct roster *allies = &f->side[ALLY];
    struct pick best = {.id = SMAC_NOBODY};
    double reach = reach_of_scan(f, unit);
    int from, to;
    hittable(unit, allies, &from, &to);
    if (is_far_from_all(unit, allies, reach))
        to = from;
    for (int i = from; i < to; i++) {
        double dx = allies->x[i] - unit->x, dy = allies->y[i] - unit->y, square = dx * dx + dy * dy;
        if (square <= reach * reach)
            consider_victim(f, looker, allies->id[i], sqrt(square), &best);
    }
    if (lists_attackers && f->attackers[looker])
        consider_attackers(f, looker, &best);
    return best.id;
}

/* The one with the least health among those that are hurt or fighting; reports the slowest candidate's speed, or INFINITY. */
static int pick_patient(const struct fight *f, int looker, double *slowest)
{
    const struct smac_unit *unit = &f->unit[looker];
    const struct roster *comrades = &f->side[ENEMY];
    struct pick best = {.id = SMAC_NOBODY};
    double reach = reach_of_scan(f, unit);
    int from, to;
    *slowest = INFINITY;
    hittable(unit, comrades, &from, &to);
    for (int i = from; i < to; i++) {
        const struct smac_unit *other = &f->unit[comrades->id[i]];
        const struct smac_type *type = smac_type_of(other);
        double dx = comrades->x[i] - unit->x, dy = comrades->y[i] - unit->y, square = dx * dx + dy * dy;
        if (!(square <= reach * reach))
            continue;
        *slowest = smac_least(*slowest, type->speed);
        bool is_needy = other->hp < type->hp || other->target != SMAC_NOBODY;
        bool is_near = sqrt(square) < smac_type_of(unit)->scan + type->radius;
        if (is_needy && is_near && (best.id == SMAC_NOBODY || other->hp < best.key))
            best = (struct pick){.id = comrades->id[i], .key = other->hp};
    }
    return best.id;
}

/* An enemy healer with a patient goes no faster than the allies that attack it: the reference lists those as candidates. */
static double slowest_attacker(const struct fight *f, int healer)
{
    const struct smac_map *map = &f->p->map;
    double slowest = INFINITY;
    for (int n = 0; n < map->n_allies && f->has_idle_enemy; n++) {
        const struct smac_unit *unit = &f->unit[map->ally[n]];
        if (unit->is_alive && unit->target == healer && can_hit(&f->unit[healer], unit))
            slowest = smac_least(slowest, smac_type_of(unit)->speed);
    }
    return slowest;
}

static void want(struct fight *f, int id, double x, double y)
{
    f->traffic.want_x[id] = x;
    f->traffic.want_y[id] = y;
}

static void want_to_reach(struct fight *f, int id, double x, double y, double speed)
{
    double dx = smac_kept(f->p, x - f->unit[id].x), dy = smac_kept(f->p, y - f->unit[id].y),
           distance = sqrt(smac_square(f->p, dx, dy));
    if (distance == 0 || speed == 0)
        want(f, id, 0, 0);
    else
        want(f, id, dx * speed / distance, dy * speed / distance);
}

/* Stands and fires where the weapon reaches, else walks there. */
static void want_to_attack(struct fight *f, int id, int target, double speed)
{
    const struct smac_unit *unit = &f->unit[id], *at = &f->unit[target];
    f->fires[id] = can_hit(unit, at) && is_in_weapon_range(f, unit, at);
    if (f->fires[id])
        want(f, id, 0, 0);
    else
        want_to_reach(f, id, at->x, at->y, speed);
}

/* The ally in weapon range with the least health and shield. */
static int pick_weakest(const struct fight *f, int looker)
{
    const struct smac_map *map = &f->p->map;
    const struct smac_unit *unit = &f->unit[looker];
    struct pick best = {.id = SMAC_NOBODY};
    for (int n = 0; n < map->n_allies; n++) {
        const struct smac_unit *ally = &f->unit[map->ally[n]];
        bool is_better = ally->is_alive && can_hit(unit, ally) && is_in_weapon_range(f, unit, ally) &&
                         (best.id == SMAC_NOBODY || ally->hp + ally->shield < best.key);
        if (is_better)
            best = (struct pick){.id = map->ally[n], .key = ally->hp + ally->shield};
    }
    return best.id;
}

/* Steps back from the nearest ally of shorter reach that is about to reach this enemy, while the weapon is not ready. False:
 * there is none, or this unit cannot. */
static bool kite(struct fight *f, int id)
{
    const struct smac_map *map = &f->p->map;
    const struct smac_unit *unit = &f->unit[id];
    const struct smac_type *type = smac_type_of(unit);
    const struct smac_unit *chaser = NULL;
    double nearest = INFINITY;
    for (int n = 0; n < map->n_allies && type->range > RANGED && unit->cooldown > 0; n++) {
        const struct smac_unit *ally = &f->unit[map->ally[n]];
        double dx = ally->x - unit->x, dy = ally->y - unit->y, distance = sqrt(dx * dx + dy * dy);
        double reach = smac_type_of(ally)->range + smac_type_of(ally)->radius + type->radius + KITE_MARGIN;
        bool is_threat = ally->is_alive && deals_damage(ally) && smac_type_of(ally)->range < type->range && distance < reach;
        if (is_threat && distance < nearest) {
            nearest = distance;
            chaser = ally;
        }
    }
    if (!chaser || type->speed == 0)
        return false;
    want_to_reach(f, id, 2 * unit->x - chaser->x, 2 * unit->y - chaser->y, type->speed);
    return true;
}

static void choose_for_damage_dealer(struct fight *f, int id)
{
    struct smac_unit *unit = &f->unit[id];
    int found = f->p->opponent == OPPONENT_ATTACK_MOVE ? SMAC_NOBODY : pick_weakest(f, id);
    if (found == SMAC_NOBODY && unit->target == SMAC_NOBODY)
        found = pick_victim(f, id, true);
    else if (found == SMAC_NOBODY && f->has_ally_healer && !is_healer(&f->unit[unit->target]))
        found = pick_victim(f, id, false);
    if (found != SMAC_NOBODY)
        unit->target = (int16_t)found;
    if (f->p->opponent == OPPONENT_MICRO && kite(f, id))
        return;
    if (unit->target == SMAC_NOBODY)
        want_to_reach(f, id, f->g->attack_x, f->g->attack_y, smac_type_of(unit)->speed);
    else
        want_to_attack(f, id, unit->target, smac_type_of(unit)->speed);
}

static void choose_for_healer(struct fight *f, int id)
{
    struct smac_unit *unit = &f->unit[id];
    double slowest;
    if (unit->target == SMAC_NOBODY)
        unit->target = (int16_t)pick_patient(f, id, &slowest);
    else
        slowest = slowest_attacker(f, id);
    double speed = isinf(slowest) || smac_type_of(unit)->speed == 0 ? smac_type_of(unit)->speed : slowest;
    if (unit->target == SMAC_NOBODY)
        want_to_reach(f, id, f->g->attack_x, f->g->attack_y, speed);
    else
        want_to_attack(f, id, unit->target, speed);
}

static void choose(struct fight *f)
{
    for (int i = 0; i < f->n_live; i++) {
        int id = f->live[i];
        const struct smac_unit *unit = &f->unit[id];
        double speed = smac_type_of(unit)->speed;
        if (f->order[id] == ORDER_STOP)
            want(f, id, 0, 0);
        else if (f->order[id] == ORDER_MOVE)
            want_to_reach(f, id, f->goal_x[id], f->goal_y[id], speed);
        else if (f->order[id] == ORDER_ATTACK)
            want_to_attack(f, id, f->ordered[id], speed);
        else if (is_healer(unit))
            choose_for_healer(f, id);
        else if (deals_damage(unit))
            choose_for_damage_dealer(f, id);
        else
            want_to_reach(f, id, f->g->attack_x, f->g->attack_y, speed);
    }
}

/* -- act ------------------------------------------------------------------------------------------------------------------------ */

static double capped_sum(double value, double growth, double cap)
{
    return value < cap ? smac_least(value + growth, cap) : value;
}

static void recover(struct smac_unit *unit)
{
    const struct smac_type *type = smac_type_of(unit);
    unit->cooldown = smac_most(unit->cooldown - SMAC_TICK, 0);
    unit->shield_cooldown = smac_most(unit->shield_cooldown - SMAC_TICK, 0);
    if (unit->shield_cooldown == 0)
        unit->shield = capped_sum(unit->shield, SHIELD_PER_SECOND * SMAC_TICK, type->shield);
    unit->energy = capped_sum(unit->energy, ENERGY_PER_SECOND * SMAC_TICK, type->energy);
    unit->hp = capped_sum(unit->hp, type->hp_regen * SMAC_TICK, type->hp);
}

/* The shield takes what it can, without armor; armor lessens the rest. */
static void hit(struct fight *f, int id, double damage)
{
    struct smac_unit *unit = &f->unit[id];
    const struct smac_type *type = smac_type_of(unit);
    if (unit->hp == 0)
        return;
    if (type->shield > 0)
        unit->shield_cooldown = SHIELD_DELAY;
    double absorbed = smac_least(damage, unit->shield), wound = smac_most(0, smac_least(damage - absorbed - type->armor, unit->hp));
    unit->shield -= absorbed;
    unit->hp -= wound;
    double points = absorbed + wound + (unit->hp == 0 ? SMAC_KILL_POINTS : 0);
    if (side_of(f, id) == ENEMY)
        f->score->dealt += points;
    else
        f->score->lost += points;
}

static void hit_with_weapon(struct fight *f, const struct smac_type *by, int id)
{
    bool has_bonus = by->bonus_against & smac_type_of(&f->unit[id])->attributes;
    for (int i = 0; i < by->hits; i++)
        hit(f, id, by->damage + (has_bonus ? by->bonus : 0));
}

/* Opponents whose place at the start of the tick is within R of (x, y), ground before air. Returns how many. */
static int opponents_near(const struct fight *f, int id, double x, double y, double R, uint8_t *out)
{
    const struct roster *opponents = &f->side[side_of(f, id) == ALLY ? ENEMY : ALLY];
    int count = 0;
    for (int i = 0; i < opponents->n; i++) {
        double dx = opponents->x[i] - x, dy = opponents->y[i] - y;
        if (dx * dx + dy * dy <= R * R)
            out[count++] = opponents->id[i];
    }
    return count;
}

/* A line across the line of fire, centred on the target; it hits those whose circle it touches. */
static void fire_beam(struct fight *f, int id, int target)
{
    const struct smac_unit *unit = &f->unit[id], *at = &f->unit[target];
    double angle = atan(-1 / ((at->y - unit->y) / (at->x - unit->x))), c = cos(angle), s = sin(angle);
    uint8_t near[SMAC_UNITS_MAX];
    int n = opponents_near(f, id, at->x, at->y, hypot(BEAM_WIDTH, BEAM_HEIGHT) / 2, near);
    for (int i = 0; i < n; i++) {
        const struct smac_unit *other = &f->unit[near[i]];
        double u = (at->x * c + at->y * s) - (other->x * c + other->y * s);
        double v = (-at->x * s + at->y * c) - (-other->x * s + other->y * c);
        double a = smac_most(fabs(u) - BEAM_WIDTH / 2, 0), b = smac_most(fabs(v) - BEAM_HEIGHT / 2, 0),
               r = smac_type_of(other)->radius;
        if (a * a + b * b <= r * r)
            hit_with_weapon(f, smac_type_of(unit), near[i]);
    }
}

/* The shooter dies of it. An enemy's own health that was left counts as dealt, without the points of a kill. */
static void blow_up(struct fight *f, int id)
{
    struct smac_unit *unit = &f->unit[id];
    uint8_t near[SMAC_UNITS_MAX];
    double hp = unit->hp;
    unit->hp = 0;
    if (side_of(f, id) == ENEMY)
        f->score->dealt += hp;
    else
        f->score->lost += hp + SMAC_KILL_POINTS;
    int n = opponents_near(f, id, unit->x, unit->y, BLAST_RADIUS + f->p->largest_radius, near);
    for (int i = 0; i < n; i++) {
        const struct smac_unit *other = &f->unit[near[i]];
        if (smac_is_within(f->p, other->x, other->y, unit->x, unit->y, BLAST_RADIUS + smac_type_of(other)->radius))
            hit_with_weapon(f, smac_type_of(unit), near[i]);
    }
}

/* Buys health with energy, one energy at a time, and gives it out at a fixed rate. */
static void heal(struct fight *f, int id, int target)
{
    struct smac_unit *unit = &f->unit[id], *patient = &f->unit[target];
    double missing = smac_type_of(patient)->hp - patient->hp;
    bool is_too_tired = f->previous[id] != unit->target && unit->energy < ENERGY_TO_START;
    if (is_too_tired || missing == 0 || (patient->hp == 0 && !f->p->heals_the_fallen)) {
        unit->target = SMAC_NOBODY;
        return;
    }
    double wanted = smac_least(missing, HEAL_PER_SECOND * SMAC_TICK);
    if (unit->heal_pool < wanted) {
        double spent = smac_least(1, unit->energy);
        unit->energy -= spent;
        unit->heal_pool += spent * HP_PER_ENERGY;
    }
    double given = smac_least(wanted, unit->heal_pool);
    unit->heal_pool -= given;
    patient->hp += given;
}

static void fire(struct fight *f, int id, int target)
{
    struct smac_unit *unit = &f->unit[id];
    const struct smac_type *type = smac_type_of(unit);
    bool is_late = f->unit[target].hp == 0 && type->weapon != WEAPON_HEAL;
    if (unit->cooldown > 0 || (is_late && !f->p->fires_at_corpses))
        return;
    unit->cooldown = type->cooldown;
    switch (type->weapon) {
    case WEAPON_SHOT: hit_with_weapon(f, type, target); return;
    case WEAPON_BEAM: fire_beam(f, id, target); return;
    case WEAPON_BLAST: blow_up(f, id); return;
    case WEAPON_HEAL: heal(f, id, target); return;
    case WEAPON_NONE: return;
    }
}

static void act(struct fight *f, int id)
{
    struct smac_unit *unit = &f->unit[id];
    if (unit->hp == 0 || !unit->is_alive)
        return;
    unit->vx = f->traffic.next_x[id];
    unit->vy = f->traffic.next_y[id];
    unit->x = smac_kept(f->p, unit->x + unit->vx * SMAC_TICK);
    unit->y = smac_kept(f->p, unit->y + unit->vy * SMAC_TICK);
    recover(unit);
    if (f->fires[id])
        fire(f, id, f->order[id] == ORDER_ATTACK ? f->ordered[id] : unit->target);
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
    int n = f->n_live;
    drop_targets(f);
    choose(f);
    f->traffic.n_live = n;
    if (f->p->is_fused)
        smac_avoid_fused(f->p, &f->traffic);
    else
        smac_avoid(f->p, &f->traffic);
    for (int i = 0; i < n; i++)
        act(f, order[i]);
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
