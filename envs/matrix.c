/* The iterated matrix game: two agents agree once, then disagree for ever.
 *
 * A hidden bit s is drawn at the reset, 0 or 1 with equal odds. Each step both agents pick 0 or 1:
 *
 *     s   a0 == a1           a0 != a1
 *     0   reward 1, s <- 1   reward 0, s <- 0
 *     1   reward 0, s <- 0   reward 1, s <- 1
 *
 * So s at step t > 0 is the reward of step t-1, and a perfect team earns one a step. Source: Li et al., "Byzantine robust
 * cooperative multi-agent reinforcement learning as a Bayesian game", ICLR 2024, arXiv:2305.12872, who took the game from
 * Han et al. 2022, and the code beside it. What we changed: the last block of their observation, two zeros kept free for the
 * algorithm's guess of who is an adversary, is off unless asked for, since a belief is the algorithm's business; the time
 * limit may also truncate.
 *
 *   observation of agent i     meaning                                        switch
 *   state        2             s, i                                           always
 *   last state   1             s before the last step; s at the reset         env.last_state
 *   last action  2             executed actions of the last step; 0, 0 first  env.last_action
 *   zero tail    2             0, 0                                           env.zero_tail
 *
 * action: 0 or 1, always available; any other number counts as 0. reward: the table's, to both agents.
 * ending: only the time limit. The critic's state is the agent's own observation. */
#include "envs/matrix.h"

#include <stdio.h>
#include <string.h>

enum { LIMIT_TERMINATES, LIMIT_TRUNCATES };

#define KEY(key, kind, field, fallback, low, high, unit, choices, help)                                   \
    {                                                                                                     \
        "env." key, kind, offsetof(struct matrix_params, field), fallback, low, high, unit, choices, help \
    }
static const struct config_row rows[] = {
    KEY("horizon", CONFIG_INT, horizon, "100", 1, 1000000, "steps", NULL, "length of an episode"),
    KEY("time_limit", CONFIG_CHOICE, time_limit, "terminate", 0, 0, "", "terminate|truncate",
        "what the end at the horizon counts as; the published code terminates, so the last step does not bootstrap"),
    KEY("last_state", CONFIG_BOOL, observes_last_state, "true", 0, 0, "", NULL, "observe s before the last step"),
    KEY("last_action", CONFIG_BOOL, observes_last_action, "true", 0, 0, "", NULL, "observe both agents' last actions"),
    KEY("zero_tail", CONFIG_BOOL, has_zero_tail, "false", 0, 0, "", NULL,
        "append the two zeros of the published observation, there as room for the algorithm's guess"),
};
#undef KEY

static int matrix_scenario(const char *scenario, struct recipe *defaults, struct err *err)
{
    int r;
    if (!strcmp(scenario, "iterated"))
        return 0;
    if (strcmp(scenario, "bare"))
        return err_set(err, ERR_UNKNOWN, "unknown scenario \"%s\" of matrix: expected iterated or bare", scenario);
    if ((r = recipe_set(defaults, "env.last_state", "false", "scenario bare", err)))
        return r;
    return recipe_set(defaults, "env.last_action", "false", "scenario bare", err);
}

static int add_block(struct spec *spec, const char *name, int width)
{
    struct spec_block *block = &spec->blocks[spec->n_blocks++];
    snprintf(block->name, sizeof block->name, "%s", name);
    block->start = spec->O;
    block->width = width;
    return spec->O += width;
}

static void matrix_spec(const void *params, struct spec *spec)
{
    const struct matrix_params *p = params;
    *spec = (struct spec){.N = MATRIX_AGENTS,
                          .A = MATRIX_ACTIONS,
                          .horizon = (int32_t)p->horizon,
                          .state_is_observation = true,
                          .return_min = 0,
                          .return_max = (double)p->horizon};
    add_block(spec, "state", 1);
    add_block(spec, "id", 1);
    if (p->observes_last_state)
        add_block(spec, "last state", 1);
    if (p->observes_last_action)
        add_block(spec, "last action", MATRIX_AGENTS);
    if (p->has_zero_tail)
        add_block(spec, "zero tail", 2);
    spec->S = spec->O;
}

static size_t matrix_state_bytes(const void *params)
{
    (void)params;
    return sizeof(struct matrix_state);
}

static int matrix_check_state(const void *params, const void *state, struct err *err)
{
    const struct matrix_params *p = params;
    const struct matrix_state *g = state;
    if (g->step < 0 || g->step > p->horizon || (g->s | g->last_s | g->last_action[0] | g->last_action[1]) > 1)
        return err_set(err, ERR_FORMAT, "bad matrix state: step %d of %lld, s %d, last %d, actions %d %d", g->step,
                       (long long)p->horizon, g->s, g->last_s, g->last_action[0], g->last_action[1]);
    return 0;
}

static void matrix_reset(const void *params, void *state, struct rng *rng)
{
    (void)params;
    uint8_t s = (uint8_t)rng_below(rng, 2);
    *(struct matrix_state *)state = (struct matrix_state){.s = s, .last_s = s};
}

static float *observe_agent(const struct matrix_params *p, const struct matrix_state *g, int agent, float *out)
{
    *out++ = g->s;
    *out++ = (float)agent;
    if (p->observes_last_state)
        *out++ = g->last_s;
    for (int n = 0; n < MATRIX_AGENTS && p->observes_last_action; n++)
        *out++ = g->last_action[n];
    for (int i = 0; i < 2 && p->has_zero_tail; i++)
        *out++ = 0;
    return out;
}

static void matrix_observe(const void *params, const void *state, const struct env_view *view)
{
    float *out = view->observation;
    for (int n = 0; n < MATRIX_AGENTS; n++)
        out = observe_agent(params, state, n, out);
    memset(view->available, 1, MATRIX_AGENTS * MATRIX_ACTIONS);
    memset(view->alive, 1, MATRIX_AGENTS);
}

/* The table at the top: the reward is also the next s. */
static uint8_t payoff(uint8_t s, uint8_t a0, uint8_t a1)
{
    return s ? a0 != a1 : a0 == a1;
}

static void matrix_step(const void *params, void *state, const struct env_action *action, struct rng *rng,
                        const struct env_result *result)
{
    (void)rng;
    const struct matrix_params *p = params;
    struct matrix_state *g = state;
    for (int n = 0; n < MATRIX_AGENTS; n++)
        g->last_action[n] = action->choice[n] == 1;
    g->last_s = g->s;
    g->s = payoff(g->s, g->last_action[0], g->last_action[1]);
    result->reward[0] = result->reward[1] = g->s;
    bool is_over = ++g->step >= p->horizon;
    *result->terminated = is_over && p->time_limit == LIMIT_TERMINATES;
    *result->truncated = is_over && p->time_limit == LIMIT_TRUNCATES;
}

static void matrix_outcome(const void *params, const void *state, struct env_outcome *outcome)
{
    (void)params;
    (void)state;
    *outcome = (struct env_outcome){.has_success = false};
}

static void matrix_render(const void *params, const void *state, char *text, size_t size)
{
    const struct matrix_params *p = params;
    const struct matrix_state *g = state;
    snprintf(text, size, "step %d of %lld   s %d -> %d   last actions %d %d   (%s pays)\n", g->step, (long long)p->horizon,
             g->last_s, g->s, g->last_action[0], g->last_action[1], g->s ? "disagreeing" : "agreeing");
}

/* The table in force at the last step, as a square: agent 0 picks the row, agent 1 the column, and the two cells that pay are
 * marked. Before the first step it is the table to come, and nobody stands on it. */
static void draw_table(const struct matrix_state *g, struct scene *scene)
{
    for (uint8_t a0 = 0; a0 < MATRIX_ACTIONS; a0++)
        for (uint8_t a1 = 0; a1 < MATRIX_ACTIONS; a1++) {
            float x = 1 + 2 * (float)a1, y = 2.5f - 2 * (float)a0;
            bool pays = payoff(g->last_s, a0, a1);
            scene_rect(scene, pays ? INK_GOAL : INK_GROUND, 0, x, y, 2, 2);
            scene_text(scene, INK_LABEL, 0, x + 1, y + 1.6f, 0.3f, "%d", pays);
        }
    for (int i = 0; i <= MATRIX_ACTIONS; i++) {
        scene_line(scene, INK_GRID, 0, 1 + 2 * (float)i, 0.5f, 1 + 2 * (float)i, 4.5f, 0.04f);
        scene_line(scene, INK_GRID, 0, 1, 0.5f + 2 * (float)i, 5, 0.5f + 2 * (float)i, 0.04f);
    }
    for (int a = 0; a < MATRIX_ACTIONS; a++) {
        scene_text(scene, INK_LABEL, 0, 0.6f, 3.5f - 2 * (float)a, 0.35f, "%d", a);
        scene_text(scene, INK_LABEL, 0, 2 + 2 * (float)a, 4.85f, 0.35f, "%d", a);
    }
}

static void matrix_draw(const void *params, const void *state, struct scene *scene)
{
    (void)params;
    const struct matrix_state *g = state;
    scene_begin(scene, 0, 0, 8.5f, 5.3f);
    draw_table(g, scene);
    for (int n = 0; n < MATRIX_AGENTS && g->step; n++) {
        float x = 1.6f + 2 * g->last_action[1] + 0.8f * (float)n, y = 3.3f - 2 * g->last_action[0];
        scene_circle(scene, INK_ALLY, n, x, y, 0.36f);
        scene_text(scene, INK_LABEL, 0, x, y, 0.36f, "%d", n);
    }
    scene_text(scene, INK_LABEL, 0, 6.75f, 3.6f, 0.4f, "step %d", g->step);
    scene_text(scene, INK_LABEL, 0, 6.75f, 2.6f, 0.4f, "s  %d > %d", g->last_s, g->s);
    if (g->step)
        scene_text(scene, INK_LABEL, 0, 6.75f, 1.6f, 0.4f, "pays %d", g->s);
}

/* Scripts. All read s at observation[0] and their own index from `agent`. */

static void play(float *probability, int action)
{
    probability[0] = action == 0;
    probability[1] = action == 1;
}

static void play_even(float *probability)
{
    probability[0] = probability[1] = 0.5f;
}

static void act_convention(const void *params, int agent, int step, const float *observation, const uint8_t *available,
                           void *memory, float *probability)
{
    (void)params, (void)step, (void)available, (void)memory;
    play(probability, observation[0] > 0.5f ? agent : 0);
}

static void act_uniform(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                        float *probability)
{
    (void)params, (void)agent, (void)step, (void)observation, (void)available, (void)memory;
    play_even(probability);
}

static void act_state_only(const void *params, int agent, int step, const float *observation, const uint8_t *available,
                           void *memory, float *probability)
{
    (void)params, (void)step, (void)available, (void)memory;
    if (observation[0] > 0.5f)
        play(probability, agent);
    else
        play_even(probability);
}

/* memory [1]: 1 once a reward was 0, which s = 0 at any step but the first gives away. */
static void act_until_broken(const void *params, int agent, int step, const float *observation, const uint8_t *available,
                             void *memory, float *probability)
{
    uint8_t *is_broken = memory;
    *is_broken |= step > 0 && observation[0] < 0.5f;
    if (*is_broken)
        play_even(probability);
    else
        act_convention(params, agent, step, observation, available, NULL, probability);
}

static const struct env_script scripts[] = {
    {"convention", "agree on 0 when s is 0, agent 1 alone plays 1 when s is 1: returns 100, and 0 against one adversary", 0,
     act_convention},
    {"uniform", "both always even: returns 50, whoever is an adversary", 0, act_uniform},
    {"state-only", "even when s is 0, the convention when s is 1: returns 99.5", 0, act_state_only},
    {"until-broken", "the convention until the first reward 0, then even: returns 100, and 49.5 against one adversary", 1,
     act_until_broken},
};

static const char *const scenarios[] = {"iterated", "bare", NULL};

const struct env_ops env_matrix = {
    .name = "matrix",
    .summary = "iterated matrix game of 2 agents: agree once, then disagree for ever",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .params_bytes = sizeof(struct matrix_params),
    .scenario = matrix_scenario,
    .scenarios = scenarios,
    .spec = matrix_spec,
    .state_bytes = matrix_state_bytes,
    .check_state = matrix_check_state,
    .reset = matrix_reset,
    .observe = matrix_observe,
    .step = matrix_step,
    .outcome = matrix_outcome,
    .render = matrix_render,
    .draw = matrix_draw,
    .trace = &matrix_trace,
    .scripts = scripts,
    .n_scripts = ARRAY_LEN(scripts),
};
