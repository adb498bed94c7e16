/* SMAC: two small armies fight, and each unit of one of them is an agent.
 *
 * The task is the StarCraft Multi-Agent Challenge (Samvelyan et al. 2019, arXiv:1902.04043), without StarCraft II: the combat
 * follows SMAClite (Michalski et al. 2023, arXiv:2305.05566), a light re-implementation of it whose published code is our
 * reference; the layouts of observation, state, actions and reward are SMAC's. All is computed in double precision; the
 * reference keeps positions and velocities in single, and its rules amplify the difference: a unit that is pushed to touching
 * distance either has a neighbour or not.
 *
 * A plane of 32 x 32 cells. Maps say who fights where (smac_map.c and envs/maps), smac_units.c what each unit is. A step is eight
 * ticks of 1/16 s.
 *
 *   action                    effect, for the whole step                      available when
 *   0 nothing                 -                                               dead, and then only this
 *   1 stop                    stand still, fire at nobody                     alive
 *   2..5 N, S, E, W           walk to the point 2 cells ahead                 the cell 1 ahead is ground
 *   6.. target j              walk into weapon range of enemy j and fire      enemy j lives, within env.target_range
 *                             (healers: heal ally j)                          (healers: another ally, no healer)
 *   With env.conic_view twelve looks stand between moves and targets: stand, and turn the view to i/12 of a turn from east.
 *   An action that is not available counts as stop.
 *
 * Enemies walk to the attack point of the map and fight whom they meet. One without a target takes the nearest ally that it
 * sees (5 cells and the ally's radius; one that attacks it from afar if there is no other), healers first; it lets go when the
 * target is neither in weapon range nor attacks it in turn. While an ally healer lives, enemies look for the nearest ally anew
 * in every tick. Enemy healers turn to the visible comrade with the least health that is hurt or fighting.
 *   env.opponent=focus: an enemy with allies in weapon range takes the one with the least health and shield, in every tick.
 *   env.opponent=micro: in addition, enemies with ranged weapons step back, while they reload, from allies of shorter reach that
 *   come near. These stand in for the higher levels of the game's own opponent in the papers (7: attack-move; 9: micro). That
 *   one's levels 8 and 9 also see through the fog and earn faster, which means nothing here, as enemies know where to walk.
 *
 * A tick: targets are dropped and chosen; collision avoidance (smac_move.c) turns the wish to move into a velocity; then the
 * living units act in random order: move, recover (cooldown; shield 2/s, ten seconds after the last hit; energy, health of
 * Zerg), fire if in range and ready. Shots hit at once. Armor lessens every hit, after the shield took its part. The dead
 * leave at the end of the tick.
 *
 * Reward, the same for all: points for health and shield taken from enemies, 10 per kill, 200 for the win, divided by their sum
 * at the start and times 20. What enemies heal can be taken again. env.reward_negative subtracts the like of allies, and so on:
 * see the rows.
 *
 * Ending: terminated when a side is gone, truncated at the horizon. Won when no enemy is left, even with the last ally.
 *
 * Options for robustness: env.disabled_allies (Dis-l: so many allies, drawn for each episode, can only stop; they stand in the way,
 * are seen and shot at) and env.reduced_health (HP-h), both of IBAL (arXiv:2605.18024).
 *
 * Kept from the reference by default, each with a switch: env.cliff_slip, env.corpse_shots, env.late_heal. Not kept: where it stops
 * with an error (a beam at a target that has left, with nobody around: a miss here), that last actions outlive a reset, and
 * that a unit which is saved by a healer after its turn to act passed may fire once out of range in the next tick.
 *
 * How it differs from StarCraft II: no turning, acceleration, projectiles or path finding; units move and fire 1.4 times as much
 * per step (speeds of the "faster" setting); no least damage of a hit. See smac_spawn.c for SMACv2. */
#include "envs/smac.h"

#include <math.h>
#include <string.h>

#define REWARD_OF_A_WIN 20.0 /* what a flawless win is scaled to */
#define POSITION_MAX 1000.0  /* of a loaded state; crowds can push units off the plane, but not that far */
#define SPEED_MAX 100.0
#define POOL_MAX 4.0 /* what one energy buys, and a rest */
#define SHIELD_DELAY_MAX 10.0

static size_t smac_state_bytes(const void *params)
{
    const struct smac_params *p = params;
    return sizeof(struct smac_state) + (size_t)p->map.n_units * sizeof(struct smac_unit);
}

/* -- states from elsewhere ------------------------------------------------------------------------------------------------------ */

static bool is_between(double x, double low, double high)
{
    return x >= low && x <= high; /* false for what is no number */
}

static bool may_be_kind(const struct smac_params *p, int id, int kind)
{
    if (kind >= SMAC_KINDS)
        return false;
    return p->map.is_random ? p->map.kinds[p->map.side[id]] >> kind & 1 : kind == p->map.kind[id];
}

/* Healers aim at their own side, the rest at the other. */
static bool may_aim_at(const struct smac_params *p, const struct smac_unit *unit, int id)
{
    if (unit->target == SMAC_NOBODY)
        return true;
    if (unit->target < 0 || unit->target >= p->map.n_units || smac_type_of(unit)->weapon == WEAPON_NONE)
        return false;
    bool is_own = p->map.side[unit->target] == p->map.side[id];
    return unit->target != id && is_own == (smac_type_of(unit)->weapon == WEAPON_HEAL);
}

static bool has_good_numbers(const struct smac_unit *unit)
{
    const struct smac_type *type = smac_type_of(unit);
    return is_between(unit->x, -POSITION_MAX, POSITION_MAX) && is_between(unit->y, -POSITION_MAX, POSITION_MAX) &&
           is_between(unit->vx, -SPEED_MAX, SPEED_MAX) && is_between(unit->vy, -SPEED_MAX, SPEED_MAX) && unit->hp > 0 &&
           unit->hp <= type->hp && is_between(unit->shield, 0, type->shield) && is_between(unit->energy, 0, type->energy) &&
           is_between(unit->cooldown, 0, type->cooldown) && is_between(unit->shield_cooldown, 0, SHIELD_DELAY_MAX) &&
           is_between(unit->heal_pool, 0, POOL_MAX) && (type->shield > 0 || unit->shield_cooldown == 0);
}

static bool is_good_unit(const struct smac_params *p, const struct smac_unit *unit, int id)
{
    bool is_ally = p->map.side[id] == ALLY;
    if (!may_be_kind(p, id, unit->kind) || unit->is_alive > 1 || unit->is_disabled > is_ally || unit->last_action < -1 ||
        unit->last_action >= (is_ally ? p->A : 0) || unit->look >= (is_ally && p->has_conic_view ? SMAC_LOOKS : 1))
        return false;
    if (unit->is_alive)
        return has_good_numbers(unit) && may_aim_at(p, unit, id);
    struct smac_unit gone = *unit;
    smac_clear_unit(&gone);
    return !memcmp(&gone, unit, sizeof gone);
}

static int smac_check_state(const void *params, const void *state, struct err *err)
{
    const struct smac_params *p = params;
    const struct smac_state *g = state;
    int disabled = 0;
    if (g->step < 0 || g->step > p->horizon || !is_between(g->max_reward, SMAC_WIN_POINTS, 1e6) ||
        !is_between(g->attack_x, 0, SMAC_SIDE) || !is_between(g->attack_y, 0, SMAC_SIDE))
        return err_set(err, ERR_FORMAT, "bad smac state: step, reward scale or attack point out of bounds");
    for (int id = 0; id < p->map.n_units; id++) {
        disabled += g->unit[id].is_disabled;
        if (!is_good_unit(p, &g->unit[id], id))
            return err_set(err, ERR_FORMAT, "bad smac state: unit %d is none that this map can have", id);
    }
    if (disabled != p->disabled_allies)
        return err_set(err, ERR_FORMAT, "bad smac state: %d disabled allies, expected %d", disabled, (int)p->disabled_allies);
    return 0;
}

/* -- reward and ending ---------------------------------------------------------------------------------------------------------- */

/* Units of a side that count for the ending. */
static int count_fighting(const struct smac_params *p, const struct smac_state *g, enum smac_side side)
{
    int count = 0;
    for (int id = 0; id < p->map.n_units; id++) {
        const struct smac_unit *unit = &g->unit[id];
        bool counts = !p->healers_alone_lose || smac_type_of(unit)->weapon != WEAPON_HEAL;
        count += p->map.side[id] == side && unit->is_alive && counts;
    }
    return count;
}

static bool is_won(const struct smac_params *p, const struct smac_state *g)
{
    return count_fighting(p, g, ENEMY) == 0;
}

bool smac_is_over(const struct smac_params *p, const struct smac_state *g)
{
    return is_won(p, g) || count_fighting(p, g, ALLY) == 0;
}

double smac_reward_of(const struct smac_params *p, const struct smac_state *g, const struct smac_score *score)
{
    bool won = is_won(p, g), lost = !won && smac_is_over(p, g);
    if (p->reward == SMAC_REWARD_SPARSE)
        return won ? 1 : lost ? -1 : 0;
    double points = score->dealt - p->reward_negative * score->lost;
    points += won ? SMAC_WIN_POINTS : lost ? p->reward_defeat : 0;
    return p->scales_reward ? points / (g->max_reward / REWARD_OF_A_WIN) : points;
}

/* -- the interface -------------------------------------------------------------------------------------------------------------- */

static void smac_reset(const void *params, void *state, struct rng *rng)
{
    smac_spawn(params, state, rng);
}

static void smac_step(const void *params, void *state, const struct env_action *action, struct rng *rng,
                      const struct env_result *result)
{
    const struct smac_params *p = params;
    struct smac_state *g = state;
    struct smac_score score;
    smac_fight(p, g, action->choice, NULL, rng, &score);
    float reward = (float)smac_reward_of(p, g, &score);
    for (int n = 0; n < p->N; n++)
        result->reward[n] = reward;
    bool is_over = smac_is_over(p, g), is_late = !is_over && g->step >= p->horizon;
    *result->terminated = is_over || (is_late && p->time_limit == SMAC_LIMIT_TERMINATES);
    *result->truncated = is_late && p->time_limit == SMAC_LIMIT_TRUNCATES;
}

static void smac_outcome(const void *params, const void *state, struct env_outcome *outcome)
{
    *outcome = (struct env_outcome){.has_success = true, .success = is_won(params, state)};
    outcome->info[0] = (float)smac_count(params, state, ALLY);
    outcome->info[1] = (float)smac_count(params, state, ENEMY);
}

static const char *const info[] = {"allies left", "enemies left", NULL};

const struct env_ops env_smac = {
    .name = "smac",
    .summary = "StarCraft combat by SMAClite's rules: a team of units fights a scripted one",
    .rows = smac_rows,
    .n_rows = SMAC_ROWS,
    .params_bytes = sizeof(struct smac_params),
    .scenario = smac_scenario,
    .scenarios = smac_scenarios,
    .prepare = smac_prepare,
    .spec = smac_spec,
    .state_bytes = smac_state_bytes,
    .check_state = smac_check_state,
    .reset = smac_reset,
    .observe = smac_observe,
    .step = smac_step,
    .draws = true,
    .outcome = smac_outcome,
    .info = info,
    .render = smac_render,
    .draw = smac_draw,
    .trace = &smac_trace,
    .scripts = smac_scripts,
    .n_scripts = SMAC_SCRIPTS,
};
