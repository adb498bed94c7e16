/* SMAC combat: who starts where. Groups at a point stand as the map lays them out; the rest of a start is drawn.
 *
 * Random teams and places are SMACv2's (Ellis et al. 2023, arXiv:2212.07489): every ally's type is drawn by weight, the enemies are
 * a shuffled copy, and surplus enemies are drawn like allies. With even odds the teams
 *   reflect     allies anywhere in the left half, enemies at the mirrored places, surplus enemies anywhere in the right half;
 *   surround    allies in the centre, enemies in one to four groups (each enemy joins a random one), every group on a diagonal of
 *               its own between the corner and a point two cells off the centre.
 * Enemies go to the middle of where the allies start. Ours: units that would stand in one another are drawn again, and groups are
 * laid out side by side instead of on one point; the game pushes such units apart. */
#include <math.h>
#include <string.h>

#include "envs/smac.h"

#define TRIES 1000 /* to find a place that is free */
#define CENTRE (SMAC_SIDE / 2.0)
#define CENTRE_GAP 2.0 /* cells between the centre and the nearest surrounding group */
#define REFLECT_ODDS 0.5
#define DIAGONALS 4

static double uniform(struct rng *rng, double low, double high)
{
    return low + (high - low) * rng_double(rng);
}

static void swap_kinds(uint8_t *a, uint8_t *b)
{
    uint8_t kept = *a;
    *a = *b;
    *b = kept;
}

/* -- places --------------------------------------------------------------------------------------------------------------------- */

/* Touches a unit that is placed already. */
static bool is_taken(const struct smac_state *g, const uint8_t *placed, int n_placed, const struct smac_type *type, double x,
                     double y)
{
    for (int i = 0; i < n_placed; i++) {
        const struct smac_unit *other = &g->unit[placed[i]];
        double reach = type->radius + smac_type_of(other)->radius, dx = other->x - x, dy = other->y - y;
        if (smac_type_of(other)->plane == type->plane && dx * dx + dy * dy < reach * reach)
            return true;
    }
    return false;
}

/* The first ground cell of a rectangle, for want of a free place. */
static void take_any_cell(const struct smac_map *map, const struct smac_group *group, struct smac_unit *unit)
{
    for (int y = (int)group->y0; y < SMAC_SIDE; y++)
        for (int x = (int)group->x0; x <= group->x1 && x < SMAC_SIDE; x++)
            if (smac_is_walkable(map, x, y)) {
                unit->x = x + 0.5;
                unit->y = y + 0.5;
                return;
            }
}

static void scatter_unit(const struct smac_map *map, const struct smac_group *group, struct smac_state *g, int id,
                         const uint8_t *placed, int n_placed, struct rng *rng)
{
    struct smac_unit *unit = &g->unit[id];
    for (int i = 0; i < TRIES; i++) {
        unit->x = uniform(rng, group->x0, group->x1);
        unit->y = uniform(rng, group->y0, group->y1);
        if (smac_is_walkable(map, unit->x, unit->y) && !is_taken(g, placed, n_placed, smac_type_of(unit), unit->x, unit->y))
            return;
    }
    take_any_cell(map, group, unit);
}

static void place_groups(const struct smac_map *map, struct smac_state *g, struct rng *rng)
{
    uint8_t placed[SMAC_UNITS_MAX];
    int n_placed = 0;
    for (int pass = 0; pass < 2; pass++) /* scattered units find their places around the others */
        for (int i = 0; i < map->n_groups; i++)
            for (int id = map->groups[i].first; id < map->groups[i].first + map->groups[i].count; id++) {
                if (map->groups[i].is_scattered != pass)
                    continue;
                if (pass)
                    scatter_unit(map, &map->groups[i], g, id, placed, n_placed, rng);
                else {
                    g->unit[id].x = map->spawn_x[id];
                    g->unit[id].y = map->spawn_y[id];
                }
                placed[n_placed++] = (uint8_t)id;
            }
}

/* -- random teams --------------------------------------------------------------------------------------------------------------- */

static int draw_kind(const struct smac_map *map, struct rng *rng)
{
    double sum = 0, at;
    int last = 0;
    for (int kind = 0; kind < SMAC_KINDS; kind++)
        sum += map->weight[kind];
    at = sum * rng_double(rng);
    for (int kind = 0; kind < SMAC_KINDS; kind++) {
        if (!(map->weight[kind] > 0))
            continue;
        last = kind;
        if ((at -= map->weight[kind]) < 0)
            break;
    }
    return last;
}

static bool is_all(const uint8_t *team, int count, int kind)
{
    for (int i = 0; i < count; i++)
        if (team[i] != kind)
            return false;
    return true;
}

/* ally[n_allies], enemy[n_enemies]: kinds by place. */
static void draw_teams(const struct smac_map *map, struct rng *rng, uint8_t *ally, uint8_t *enemy)
{
    do {
        for (int n = 0; n < map->n_allies; n++)
            ally[n] = (uint8_t)draw_kind(map, rng);
    } while (is_all(ally, map->n_allies, map->excepted));
    for (int i = 0; i < map->n_enemies; i++)
        enemy[i] = i < map->n_allies ? ally[i] : (uint8_t)draw_kind(map, rng);
    for (int i = map->n_enemies - 1; i > 0; i--)
        swap_kinds(&enemy[i], &enemy[rng_below(rng, (uint32_t)i + 1)]);
}

static const struct smac_group left_half = {.x1 = CENTRE, .y1 = SMAC_SIDE},
                               right_half = {.x0 = CENTRE, .x1 = SMAC_SIDE, .y1 = SMAC_SIDE};

/* Ids of random teams: allies 0 .. n_allies - 1, then enemies. */
static void place_reflected(const struct smac_map *map, struct smac_state *g, struct rng *rng)
{
    uint8_t placed[SMAC_UNITS_MAX];
    for (int id = 0; id < map->n_units; id++) {
        int n = id - map->n_allies;
        placed[id] = (uint8_t)id;
        if (n >= 0 && n < map->n_allies) {
            g->unit[id].x = SMAC_SIDE - g->unit[n].x;
            g->unit[id].y = g->unit[n].y;
        } else {
            scatter_unit(map, n < 0 ? &left_half : &right_half, g, id, placed, id, rng);
        }
    }
}

static void place_at(struct smac_state *g, const uint8_t *ids, int count, enum smac_side side, double x, double y)
{
    double at_x[SMAC_UNITS_MAX], at_y[SMAC_UNITS_MAX];
    uint8_t kinds[SMAC_UNITS_MAX] = {0};
    for (int i = 0; i < count; i++)
        kinds[i] = g->unit[ids[i]].kind;
    smac_lay_out(kinds, count, side, x, y, at_x, at_y);
    for (int i = 0; i < count; i++) {
        g->unit[ids[i]].x = at_x[i];
        g->unit[ids[i]].y = at_y[i];
    }
}

static void place_surrounded(const struct smac_map *map, struct smac_state *g, struct rng *rng)
{
    uint8_t member[DIAGONALS][SMAC_UNITS_MAX], diagonal[DIAGONALS] = {0, 1, 2, 3};
    int count[DIAGONALS] = {0}, n_groups = 1 + (int)rng_below(rng, DIAGONALS);
    place_at(g, map->ally, map->n_allies, ALLY, CENTRE, CENTRE);
    for (int i = DIAGONALS - 1; i > 0; i--)
        swap_kinds(&diagonal[i], &diagonal[rng_below(rng, (uint32_t)i + 1)]);
    for (int i = 0; i < map->n_enemies; i++) {
        int group = (int)rng_below(rng, (uint32_t)n_groups);
        member[group][count[group]++] = map->enemy[i];
    }
    for (int i = 0; i < n_groups; i++) {
        double off = uniform(rng, CENTRE_GAP, CENTRE), x = diagonal[i] & 1 ? off : -off, y = diagonal[i] & 2 ? off : -off;
        place_at(g, member[i], count[i], ENEMY, CENTRE + x, CENTRE + y);
    }
}

/* Groups near a corner would stick out of the plane. */
static void keep_inside(struct smac_unit *unit)
{
    double margin = smac_type_of(unit)->radius;
    unit->x = smac_least(smac_most(unit->x, margin), SMAC_SIDE - margin);
    unit->y = smac_least(smac_most(unit->y, margin), SMAC_SIDE - margin);
}

static void spawn_random(const struct smac_map *map, struct smac_state *g, struct rng *rng)
{
    uint8_t ally[SMAC_UNITS_MAX], enemy[SMAC_UNITS_MAX];
    draw_teams(map, rng, ally, enemy);
    for (int id = 0; id < map->n_units; id++)
        g->unit[id].kind = map->side[id] == ALLY ? ally[map->place[id]] : enemy[map->place[id]];
    if (rng_double(rng) < REFLECT_ODDS)
        place_reflected(map, g, rng);
    else
        place_surrounded(map, g, rng);
    for (int id = 0; id < map->n_units; id++)
        keep_inside(&g->unit[id]);
    g->attack_x = g->attack_y = 0;
    for (int n = 0; n < map->n_allies; n++) {
        g->attack_x += g->unit[map->ally[n]].x / map->n_allies;
        g->attack_y += g->unit[map->ally[n]].y / map->n_allies;
    }
}

/* -- the start ------------------------------------------------------------------------------------------------------------------ */

static void fill_up(struct smac_unit *unit)
{
    const struct smac_type *type = smac_type_of(unit);
    unit->hp = type->hp;
    unit->shield = type->shield;
    unit->energy = type->energy_at_start;
    unit->target = SMAC_NOBODY;
    unit->last_action = -1;
    unit->is_alive = true;
}

static void weaken_allies(const struct smac_params *p, struct smac_state *g, struct rng *rng)
{
    const struct smac_map *map = &p->map;
    uint8_t order[SMAC_UNITS_MAX];
    memcpy(order, map->ally, sizeof map->ally);
    for (int n = 0; n < map->n_allies; n++)
        g->unit[map->ally[n]].hp *= 1 - p->reduced_health / 100;
    for (int i = 0; i < p->disabled_allies; i++) {
        swap_kinds(&order[i], &order[i + (int)rng_below(rng, (uint32_t)(map->n_allies - i))]);
        g->unit[order[i]].is_disabled = true;
    }
}

static double points_to_get(const struct smac_map *map, const struct smac_state *g)
{
    double sum = SMAC_WIN_POINTS + SMAC_KILL_POINTS * map->n_enemies;
    for (int i = 0; i < map->n_enemies; i++)
        sum += g->unit[map->enemy[i]].hp + g->unit[map->enemy[i]].shield;
    return sum;
}

void smac_spawn(const struct smac_params *p, struct smac_state *g, struct rng *rng)
{
    const struct smac_map *map = &p->map;
    *g = (struct smac_state){.attack_x = map->attack_x, .attack_y = map->attack_y};
    memset(g->unit, 0, (size_t)map->n_units * sizeof *g->unit);
    for (int id = 0; id < map->n_units; id++)
        g->unit[id].kind = map->kind[id];
    if (map->is_random)
        spawn_random(map, g, rng);
    else
        place_groups(map, g, rng);
    for (int id = 0; id < map->n_units; id++)
        fill_up(&g->unit[id]);
    g->max_reward = points_to_get(map, g);
    weaken_allies(p, g, rng);
}
