/* SMAC combat: scripted teams, read from the observation alone.
 *
 * attack-nearest: an agent fires at the nearest enemy that it can choose; healers tend the ally with the least health that they
 * can choose; who can choose nobody walks towards the nearest enemy in sight, else to where enemies start (east on most maps).
 * focus-fire: the same, but of the enemies that can be chosen the one with the least health, the lowest place among equals: the
 * team's shots go to one target, which is what players learn first. */
#include <math.h>

#include "envs/smac.h"

enum { FLAG, DISTANCE, DX, DY, HEALTH, SHIELD }; /* of an observed unit */

static const float *enemy_at(const struct smac_params *p, const float *observation, int i)
{
    return observation + 4 + i * p->enemy_width;
}

/* The block of the ally of this place, who is not the observer. */
static const float *ally_at(const struct smac_params *p, const float *observation, int agent, int place)
{
    return observation + 4 + p->map.n_enemies * p->enemy_width + (place - (place > agent)) * p->ally_width;
}

static bool is_seen(const float *block)
{
    return block[DISTANCE] > 0 || block[HEALTH] > 0;
}

/* Are the targets of this agent allies? Then an ally's block says whether it can be chosen; the mask alone would not tell. */
static bool heals(const struct smac_params *p, int agent, const float *observation)
{
    if (!p->map.is_random)
        return smac_types[p->map.kind[p->map.ally[agent]]].weapon == WEAPON_HEAL;
    int bit = p->map.bit[MEDIVAC];
    const float *own = ally_at(p, observation, -1, p->N - 1) + 1 + p->has_shields[ALLY] + (p->observes_position ? 2 : 0) +
                       (p->has_conic_view ? 2 : 0);
    return bit >= 0 && own[bit] > 0;
}

static float worth(const float *block, bool by_health)
{
    return by_health ? block[HEALTH] : block[DISTANCE];
}

/* The target to choose, or -1. */
static int choose_target(const struct smac_params *p, int agent, const float *observation, const uint8_t *available, bool by_health)
{
    bool is_healer = heals(p, agent, observation);
    int best = -1;
    float least = INFINITY;
    for (int j = 0; j < p->n_targets; j++) {
        if (!available[p->first_target + j])
            continue;
        const float *block = is_healer ? ally_at(p, observation, agent, j) : enemy_at(p, observation, j);
        if (best < 0 || worth(block, by_health || is_healer) < least) {
            best = p->first_target + j;
            least = worth(block, by_health || is_healer);
        }
    }
    return best;
}

static const float *nearest_enemy(const struct smac_params *p, const float *observation)
{
    const float *nearest = NULL;
    for (int i = 0; i < p->map.n_enemies; i++) {
        const float *block = enemy_at(p, observation, i);
        if (is_seen(block) && (!nearest || block[DISTANCE] < nearest[DISTANCE]))
            nearest = block;
    }
    return nearest;
}

/* The move that goes farthest along (dx, dy) among those available, else stop. */
static int choose_move(const uint8_t *available, double dx, double dy)
{
    const double gain[] = {[ACT_NORTH] = dy, [ACT_SOUTH] = -dy, [ACT_EAST] = dx, [ACT_WEST] = -dx};
    int best = ACT_STOP;
    for (int a = ACT_NORTH; a <= ACT_WEST; a++)
        if (available[a] && gain[a] > 0 && (best == ACT_STOP || gain[a] > gain[best]))
            best = a;
    return available[best] ? best : ACT_NOTHING;
}

static int choose(const struct smac_params *p, int agent, const float *observation, const uint8_t *available, bool by_health)
{
    int target = choose_target(p, agent, observation, available, by_health);
    const float *enemy = nearest_enemy(p, observation);
    const struct smac_map *map = &p->map;
    if (target >= 0)
        return target;
    if (enemy)
        return choose_move(available, enemy[DX], enemy[DY]);
    if (map->is_random)
        return choose_move(available, 0, 0);
    return choose_move(available, map->spawn_x[map->enemy[0]] - map->spawn_x[map->ally[agent]],
                       map->spawn_y[map->enemy[0]] - map->spawn_y[map->ally[agent]]);
}

static void play(const struct smac_params *p, int action, float *probability)
{
    for (int a = 0; a < p->A; a++)
        probability[a] = a == action;
}

static void act_nearest(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                        float *probability)
{
    (void)step, (void)memory;
    play(params, choose(params, agent, observation, available, false), probability);
}

static void act_focus(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                      float *probability)
{
    (void)step, (void)memory;
    play(params, choose(params, agent, observation, available, true), probability);
}

const struct env_script smac_scripts[SMAC_SCRIPTS] = {
    {"attack-nearest", "fires at the nearest enemy, healers tend the weakest ally; walks towards the enemy otherwise", 0,
     act_nearest},
    {"focus-fire", "fires at the weakest enemy in reach, so that the team shoots at one", 0, act_focus},
};
