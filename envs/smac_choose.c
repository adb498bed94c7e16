/* SMAC combat: whom enemies attack, and where everybody wants to go.
 *
 * The reference keeps lists of candidates for targets. Here they are walked through where they are needed: between the dropping
 * and the acting nothing moves and nothing is hurt, so what a list would hold can be seen at any time. Ties are broken as in its
 * lists: ground before air, then by place, and last the far attackers (see pick_victim). */
#include <math.h>

#include "envs/smac_fight.h"

#define FAR_AWAY 2e9    /* distance that attackers beyond the scan are listed with */
#define KITE_MARGIN 1.5 /* cells beyond a chaser's reach that a kiting enemy keeps */
#define RANGED 1.0      /* a weapon that reaches farther is one to kite with */

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

void smac_choose(struct fight *f)
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
