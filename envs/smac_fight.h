/* Inside a step of SMAC combat: what smac_fight.c (orders and the order of a tick), smac_choose.c (whom to attack, where to go) and
 * smac_weapons.c (acting) share. */
#ifndef TESTUDO_ENVS_SMAC_FIGHT_H
#define TESTUDO_ENVS_SMAC_FIGHT_H

#include "envs/smac.h"

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

static inline bool is_healer(const struct smac_unit *unit)
{
    return smac_type_of(unit)->weapon == WEAPON_HEAL;
}

static inline bool deals_damage(const struct smac_unit *unit)
{
    return smac_type_of(unit)->weapon < WEAPON_HEAL;
}

static inline bool can_hit(const struct smac_unit *unit, const struct smac_unit *target)
{
    return smac_type_of(unit)->hits_planes & smac_type_of(target)->plane;
}

static inline bool is_in_weapon_range(const struct fight *f, const struct smac_unit *unit, const struct smac_unit *target)
{
    double range = smac_type_of(unit)->range + smac_type_of(target)->radius + smac_type_of(unit)->radius;
    return smac_is_within(f->p, unit->x, unit->y, target->x, target->y, range);
}

static inline int side_of(const struct fight *f, int id)
{
    return f->p->map.side[id];
}

/* smac_choose.c: enemies pick targets; all say how they want to move (traffic.want) and whether they fire. */
void smac_choose(struct fight *f);
/* smac_weapons.c: the units act in this order: n_live ids. */
void smac_act(struct fight *f, const uint8_t *order);

#endif
