/* SMAC combat: acting. A unit moves, recovers, and fires if it is in range and ready; a shot hits at once. */
#include <math.h>

#include "envs/smac_fight.h"

#define SHIELD_DELAY 10.0 /* seconds after a hit until the shield grows again */
#define SHIELD_PER_SECOND 2.0
#define ENERGY_PER_SECOND 0.5625
#define HEAL_PER_SECOND 9.0
#define HP_PER_ENERGY 3.0
#define ENERGY_TO_START 5.0 /* a healer with less does not turn to a new patient */
#define BEAM_WIDTH 2.8      /* across the line of fire */
#define BEAM_HEIGHT 0.3
#define BLAST_RADIUS 2.2

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

void smac_act(struct fight *f, const uint8_t *order)
{
    for (int i = 0; i < f->n_live; i++)
        act(f, order[i]);
}
