/* Hallway: agents in halls of their own must step on the common goal at the same moment.
 *
 * Agent n starts at a uniform place 1..L of its hall and walks; place 0 is the goal. When the first members of a group step on
 * the goal, the group is decided: won if all of them do so at this very step, else failed. Nobody sees another hall, so a team
 * without messages has to count steps from the worst start, and one with messages need only wait for its farthest member.
 * Source: Wang et al. 2020 (NDQ), arXiv:1910.05366, and the public code beside it; as one group of 4x5x6 or 3x3x4x4 in Yuan et
 * al. 2023 (CroMAC), arXiv:2305.13936, which pays 1 where NDQ's code pays 10. Several groups are of NDQ's code: two groups that
 * arrive at the same step clash, and both are fined.
 *
 *   scenario     "4x5x6": one group of three halls of these lengths; "4x4+4x4x4": two groups
 *
 *   observation of agent n      meaning                                            switch
 *   position         1          own place, not scaled                              always
 *   walks            1          1 until its group is decided                       with several groups
 *   positions        N          everybody's places                                 env.full_state_observation
 *   id               N          its index, one-hot                                 env.agent_id
 *   The public observation is the position alone, and the learner adds the id.
 *
 *   critic's state: all positions, then with several groups whether each one still walks.
 *
 *   action      effect                          available when
 *   0 still     stay                            always
 *   1 left      one place towards the goal      its group still walks
 *   2 right     one place back, at most to L    its group still walks
 *   Any other number, and any action of an agent whose group is decided, counts as still.
 *
 * reward, to everybody: env.win_reward for each group that wins, env.win_reward x env.clash_reward for each of several groups
 * that arrive at the same step. ending: all groups are decided, or the time limit, longest hall + 10 as published.
 *
 * What we changed: with several groups the public code plays on to the time limit unless all groups won or all failed, though no
 * reward can follow; and it sets clashed members walking again, though their group can earn nothing more. Here an agent whose
 * group is decided is no longer alive and the episode ends with the last group. Returns and successes are the same. */
#include "envs/hallway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLACK_STEPS 10 /* horizon over the longest hall: NDQ's code */

enum { LIMIT_TERMINATES, LIMIT_TRUNCATES };

#define KEY(key, kind, field, fallback, low, high, unit, choices, help)                                    \
    {                                                                                                      \
        "env." key, kind, offsetof(struct hallway_params, field), fallback, low, high, unit, choices, help \
    }
static const struct config_row rows[] = {
    KEY("lengths", CONFIG_TEXT, lengths_text, "4x5x6", 0, 0, "places", NULL,
        "length of each agent's hall, joined by x; + starts another group"),
    KEY("horizon", CONFIG_INT, horizon, "0", 0, 1000000, "steps", NULL,
        "time limit of an episode; 0: the longest hall + 10, as published"),
    KEY("win_reward", CONFIG_REAL, win_reward, "1", 0, 1000, "reward", NULL,
        "for each group that wins; 1 in CroMAC, 10 in the code of NDQ"),
    KEY("clash_reward", CONFIG_REAL, clash_reward, "-0.5", -1000, 1, "win rewards", NULL,
        "for each of several groups that arrive at the same step"),
    KEY("full_state_observation", CONFIG_BOOL, observes_all, "false", 0, 0, "", NULL,
        "show everybody's position, so that no messages are needed"),
    KEY("agent_id", CONFIG_BOOL, has_agent_id, "true", 0, 0, "", NULL,
        "append the agent's index one-hot to its observation, as the learners of the papers do"),
    KEY("time_limit", CONFIG_CHOICE, time_limit, "terminate", 0, 0, "", "terminate|truncate",
        "what the end at the horizon counts as; the published code terminates"),
};
#undef KEY

static int bad_lengths(const char *text, struct err *err)
{
    return err_set(err, ERR_FORMAT,
                   "bad halls \"%s\": expected lengths from 1 to %d joined by x, with + between groups, like 4x5x6 or 3x3+4x4, "
                   "for at most %d agents in %d groups",
                   text, HALLWAY_LENGTH_MAX, HALLWAY_AGENTS_MAX, HALLWAY_GROUPS_MAX);
}

static int read_lengths(struct hallway_params *p, const char *text, struct err *err)
{
    p->N = p->longest = 0;
    p->G = 1;
    for (const char *at = text;; at++) {
        char *end;
        long length = *at >= '0' && *at <= '9' ? strtol(at, &end, 10) : 0;
        if (length < 1 || length > HALLWAY_LENGTH_MAX || p->N == HALLWAY_AGENTS_MAX || p->G > HALLWAY_GROUPS_MAX)
            return bad_lengths(text, err);
        p->length[p->N] = (int32_t)length;
        p->group[p->N++] = p->G - 1;
        p->longest = length > p->longest ? (int32_t)length : p->longest;
        at = end;
        if (!*at)
            return 0;
        if (*at != 'x' && *at != '+')
            return bad_lengths(text, err);
        p->G += *at == '+';
    }
}

static int hallway_scenario(const char *scenario, struct recipe *defaults, struct err *err)
{
    struct hallway_params scratch;
    int r = read_lengths(&scratch, scenario, err);
    return r ? r : recipe_set(defaults, "env.lengths", scenario, "scenario", err);
}

static int hallway_prepare(void *params, struct err *err)
{
    struct hallway_params *p = params;
    int r = read_lengths(p, p->lengths_text, err);
    if (!r && p->horizon == 0)
        p->horizon = p->longest + SLACK_STEPS;
    return r;
}

static void add_block(struct spec *spec, const char *name, int width)
{
    struct spec_block *block = &spec->blocks[spec->n_blocks++];
    snprintf(block->name, sizeof block->name, "%s", name);
    block->start = spec->O;
    block->width = width;
    spec->O += width;
}

static double lesser(double a, double b)
{
    return a < b ? a : b;
}

static void hallway_spec(const void *params, struct spec *spec)
{
    const struct hallway_params *p = params;
    bool has_groups = p->G > 1;
    *spec = (struct spec){.N = p->N, .A = HALLWAY_ACTIONS, .horizon = (int32_t)p->horizon};
    add_block(spec, "position", 1);
    if (has_groups)
        add_block(spec, "walks", 1);
    if (p->observes_all)
        add_block(spec, "positions", p->N);
    if (p->has_agent_id)
        add_block(spec, "id", p->N);
    spec->S = p->N + (has_groups ? p->G : 0);
    spec->return_min = has_groups ? lesser(0, p->G * p->win_reward * p->clash_reward) : 0;
    spec->return_max = p->G * p->win_reward;
}

static size_t hallway_state_bytes(const void *params)
{
    const struct hallway_params *p = params;
    return sizeof(struct hallway_state) + (size_t)(p->N + p->G) * sizeof(int32_t);
}

/* How many members of a group stand on the goal, and how many it has. */
static int count_arrived(const struct hallway_params *p, const struct hallway_state *g, int group, int *members)
{
    int arrived = 0;
    *members = 0;
    for (int n = 0; n < p->N; n++) {
        *members += p->group[n] == group;
        arrived += p->group[n] == group && g->cell[n] == 0;
    }
    return arrived;
}

static bool is_good_group(const struct hallway_params *p, const struct hallway_state *g, int group)
{
    int members, arrived = count_arrived(p, g, group, &members);
    switch (hallway_status_view(p, g)[group]) {
    case GROUP_WALKS: return arrived == 0;
    case GROUP_FAILED: return arrived > 0 && arrived < members;
    case GROUP_WON: return arrived == members;
    case GROUP_CLASHED: return arrived == members && p->G > 1;
    default: return false;
    }
}

static int hallway_check_state(const void *params, const void *state, struct err *err)
{
    const struct hallway_params *p = params;
    const struct hallway_state *g = state;
    bool is_good = g->step >= 0 && g->step <= p->horizon;
    for (int n = 0; n < p->N; n++)
        is_good &= g->cell[n] >= 0 && g->cell[n] <= p->length[n];
    for (int i = 0; i < p->G; i++)
        is_good &= is_good_group(p, g, i);
    return is_good ? 0 : err_set(err, ERR_FORMAT, "bad hallway state at step %d: positions and groups do not fit", g->step);
}

static void hallway_reset(const void *params, void *state, struct rng *rng)
{
    const struct hallway_params *p = params;
    struct hallway_state *g = state;
    g->step = 0;
    for (int n = 0; n < p->N; n++)
        g->cell[n] = 1 + (int32_t)rng_below(rng, (uint32_t)p->length[n]);
    memset(hallway_status(p, g), 0, (size_t)p->G * sizeof(int32_t));
}

static bool walks(const struct hallway_params *p, const struct hallway_state *g, int n)
{
    return hallway_status_view(p, g)[p->group[n]] == GROUP_WALKS;
}

static float *observe_agent(const struct hallway_params *p, const struct hallway_state *g, int agent, float *out)
{
    *out++ = (float)g->cell[agent];
    if (p->G > 1)
        *out++ = walks(p, g, agent);
    for (int n = 0; n < p->N && p->observes_all; n++)
        *out++ = (float)g->cell[n];
    for (int n = 0; n < p->N && p->has_agent_id; n++)
        *out++ = n == agent;
    return out;
}

static float *observe_state(const struct hallway_params *p, const struct hallway_state *g, float *out)
{
    for (int n = 0; n < p->N; n++)
        *out++ = (float)g->cell[n];
    for (int i = 0; i < p->G && p->G > 1; i++)
        *out++ = hallway_status_view(p, g)[i] == GROUP_WALKS;
    return out;
}

static void hallway_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct hallway_params *p = params;
    const struct hallway_state *g = state;
    float *out = view->observation, *critic = view->state;
    uint8_t *available = view->available;
    for (int n = 0; n < p->N; n++, available += HALLWAY_ACTIONS) {
        out = observe_agent(p, g, n, out);
        critic = observe_state(p, g, critic);
        view->alive[n] = walks(p, g, n);
        available[HALLWAY_STILL] = 1;
        available[HALLWAY_LEFT] = available[HALLWAY_RIGHT] = view->alive[n];
    }
}

static void move(const struct hallway_params *p, struct hallway_state *g, const int32_t *choice)
{
    for (int n = 0; n < p->N; n++) {
        if (!walks(p, g, n))
            continue;
        if (choice[n] == HALLWAY_LEFT && g->cell[n] > 0)
            g->cell[n]--;
        else if (choice[n] == HALLWAY_RIGHT && g->cell[n] < p->length[n])
            g->cell[n]++;
    }
}

/* Groups whose first members have arrived; returns how many have all of them. */
static int decide_groups(const struct hallway_params *p, struct hallway_state *g, bool *has_just_won)
{
    int count = 0, members;
    for (int i = 0; i < p->G; i++) {
        int32_t *status = &hallway_status(p, g)[i];
        int arrived = *status == GROUP_WALKS ? count_arrived(p, g, i, &members) : 0;
        has_just_won[i] = arrived > 0 && arrived == members;
        if (arrived > 0)
            *status = has_just_won[i] ? GROUP_WON : GROUP_FAILED;
        count += has_just_won[i];
    }
    return count;
}

static double reward_arrivals(const struct hallway_params *p, struct hallway_state *g)
{
    bool has_just_won[HALLWAY_GROUPS_MAX];
    int count = decide_groups(p, g, has_just_won);
    if (count <= 1)
        return count * p->win_reward;
    for (int i = 0; i < p->G; i++)
        if (has_just_won[i])
            hallway_status(p, g)[i] = GROUP_CLASHED;
    return count * p->win_reward * p->clash_reward;
}

static int count_groups(const struct hallway_params *p, const struct hallway_state *g, int status)
{
    int count = 0;
    for (int i = 0; i < p->G; i++)
        count += hallway_status_view(p, g)[i] == status;
    return count;
}

static void hallway_step(const void *params, void *state, const struct env_action *action, struct rng *rng,
                         const struct env_result *result)
{
    (void)rng;
    const struct hallway_params *p = params;
    struct hallway_state *g = state;
    g->step++;
    move(p, g, action->choice);
    float reward = (float)reward_arrivals(p, g);
    for (int n = 0; n < p->N; n++)
        result->reward[n] = reward;
    bool is_decided = count_groups(p, g, GROUP_WALKS) == 0, is_late = !is_decided && g->step >= p->horizon;
    *result->terminated = is_decided || (is_late && p->time_limit == LIMIT_TERMINATES);
    *result->truncated = is_late && p->time_limit == LIMIT_TRUNCATES;
}

static void hallway_outcome(const void *params, const void *state, struct env_outcome *outcome)
{
    const struct hallway_params *p = params;
    const struct hallway_state *g = state;
    int won = count_groups(p, g, GROUP_WON);
    *outcome = (struct env_outcome){.has_success = true, .success = won == p->G};
    outcome->info[0] = (float)won;
    outcome->info[1] = (float)count_groups(p, g, GROUP_FAILED);
    outcome->info[2] = (float)count_groups(p, g, GROUP_CLASHED);
}

static const char *const info[] = {"groups won", "groups failed", "groups clashed", NULL};

static const char *const status_names[] = {
    [GROUP_WALKS] = "walks", [GROUP_WON] = "won", [GROUP_FAILED] = "failed", [GROUP_CLASHED] = "clashed"};

/* One hall a line, the goal on the left. */
static void hallway_render(const void *params, const void *state, char *text, size_t size)
{
    const struct hallway_params *p = params;
    const struct hallway_state *g = state;
    size_t used = 0;
#define PRINT(...) (used += used < size ? (size_t)snprintf(text + used, size - used, __VA_ARGS__) : 0)
    PRINT("step %d of %d\n", g->step, (int)p->horizon);
    for (int n = 0; n < p->N; n++) {
        PRINT("%3d %-7s |", n, status_names[hallway_status_view(p, g)[p->group[n]]]);
        for (int at = 0; at <= p->length[n]; at++)
            PRINT("%c", at == g->cell[n] ? '@' : at == 0 ? '*' : '.');
        PRINT("\n");
    }
#undef PRINT
}

static void hallway_draw(const void *params, const void *state, struct scene *scene)
{
    const struct hallway_params *p = params;
    const struct hallway_state *g = state;
    scene_begin(scene, 0, 0, (float)(p->longest + 1), (float)p->N);
    for (int n = 0; n < p->N; n++) {
        float y = (float)(p->N - 1 - n);
        scene_rect(scene, INK_GROUND, p->group[n], 0, y + 0.1f, (float)(p->length[n] + 1), 0.8f);
        scene_rect(scene, INK_GOAL, p->group[n], 0.1f, y + 0.15f, 0.8f, 0.7f);
        for (int at = 1; at <= p->length[n]; at++)
            scene_line(scene, INK_GRID, 0, (float)at, y + 0.1f, (float)at, y + 0.9f, 0.02f);
        scene_circle(scene, walks(p, g, n) ? INK_ALLY : INK_EFFECT, n, (float)g->cell[n] + 0.5f, y + 0.5f, 0.3f);
        scene_text(scene, INK_LABEL, 0, (float)g->cell[n] + 0.5f, y + 0.5f, 0.35f, "%d", n);
    }
}

/* Scripts */

static void play(float *probability, int action)
{
    for (int a = 0; a < HALLWAY_ACTIONS; a++)
        probability[a] = a == action;
}

static void act_greedy(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                       float *probability)
{
    (void)params, (void)agent, (void)step, (void)observation, (void)memory;
    play(probability, available[HALLWAY_LEFT] ? HALLWAY_LEFT : HALLWAY_STILL);
}

/* From the worst start one is at place 1 after longest - 1 steps; the groups then go one after the other. */
static void act_clock(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                      float *probability)
{
    (void)memory;
    const struct hallway_params *p = params;
    bool goes = observation[0] > 1 || step >= p->longest - 1 + p->group[agent];
    play(probability, goes && available[HALLWAY_LEFT] ? HALLWAY_LEFT : HALLWAY_STILL);
}

/* Is every member of the group at place 1? */
static bool is_gathered(const struct hallway_params *p, const float *positions, int group)
{
    for (int n = 0; n < p->N; n++)
        if (p->group[n] == group && positions[n] != 1)
            return false;
    return true;
}

static void act_coordinated(const void *params, int agent, int step, const float *observation, const uint8_t *available,
                            void *memory, float *probability)
{
    const struct hallway_params *p = params;
    if (!p->observes_all) {
        act_clock(params, agent, step, observation, available, memory, probability);
        return;
    }
    const float *positions = observation + (p->G > 1 ? 2 : 1);
    bool goes = is_gathered(p, positions, p->group[agent]);
    for (int i = 0; i < p->group[agent]; i++)
        goes &= !is_gathered(p, positions, i);
    goes |= observation[0] > 1;
    play(probability, goes && available[HALLWAY_LEFT] ? HALLWAY_LEFT : HALLWAY_STILL);
}

static const struct env_script scripts[] = {
    {"coordinated",
     "waits at place 1 for its group, the groups in turn: wins in the fewest steps; needs env.full_state_observation, else clock",
     0, act_coordinated},
    {"clock", "waits at place 1 until the worst start would have come there: always wins, from own position and step alone", 0,
     act_clock},
    {"greedy", "walks to the goal: wins when all start equally far away", 0, act_greedy},
};

static const char *const scenarios[] = {"4x5x6", "3x3x4x4", "4x4+4x4x4", NULL};

const struct env_ops env_hallway = {
    .name = "hallway",
    .summary = "agents in halls of their own must step on the common goal at the same moment",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .params_bytes = sizeof(struct hallway_params),
    .scenario = hallway_scenario,
    .scenarios = scenarios,
    .prepare = hallway_prepare,
    .spec = hallway_spec,
    .state_bytes = hallway_state_bytes,
    .check_state = hallway_check_state,
    .reset = hallway_reset,
    .observe = hallway_observe,
    .step = hallway_step,
    .outcome = hallway_outcome,
    .info = info,
    .render = hallway_render,
    .draw = hallway_draw,
    .scripts = scripts,
    .n_scripts = ARRAY_LEN(scripts),
};
