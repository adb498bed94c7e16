/* Particle worlds (MPE): discs that push, chase and talk to each other on a plane. Four of its tasks:
 *
 *   task                      agents                   in short                                            rules in
 *   simple_spread             3                        cover as many landmarks, do not touch               mpe_spread.c
 *   simple_tag                3 (and 1 scripted prey)  touch the faster prey                               mpe_tag.c
 *   simple_speaker_listener   2                        one knows where to go, the other can go             mpe_talk.c
 *   simple_reference          2                        both know where the other has to go                 mpe_talk.c
 *
 * Sources: Lowe et al. 2017, "Multi-agent actor-critic for mixed cooperative-competitive environments", arXiv:1706.02275, and its
 * code ("openai" here); the maintained package MPE2, once part of PettingZoo, Terry et al. 2021, arXiv:2009.14471 ("mpe2").
 *
 *   env.rules   a step moves             rewards                                             move 1 is   box numbers
 *   mpe2        by the old velocity      as the task says; local_ratio mixes own and common  left        right minus left, ...
 *   openai      by the new velocity      everybody gets the sum of all (not in tag)          right       left minus right, ...
 *
 * PettingZoo up to 1.22 still moved by the new velocity; 1.24 and MPE2 move by the old one, which delays a move by one step.
 *
 *   action (env.action)   components
 *   multi-discrete        move: none, left, right, down, up; where anybody speaks also say: one of the task's words
 *   discrete              one choice: move + 5 x word; in speaker_listener the speaker's word and the listener's move
 *   continuous            5 numbers in [0,1], the push for each move (the first does nothing), then one for each word
 *   Who cannot move or speak has one choice there, and its numbers do nothing. An unknown move counts as none, an unknown word as
 *   word 0; numbers are clipped, and what is not finite counts as 0.
 *
 * A step: what prey does by itself; forces of moves and contacts; motion; words are heard on the next observation; rewards.
 * Ending: the time limit truncates. With env.terminate_on_success (MPE2's option) success ends the episode before it; openai's
 * code has no ending at all. The critic's state is all agents' observations, joined, and the agent's index one-hot.
 *
 * Left out of MPE2: curricula, and observations that are cut to the nearest neighbours. Two bodies in exactly one place, where the
 * reference divides 0 by 0, do not push each other. */
#include "envs/mpe.h"

#include <math.h>
#include <string.h>

#define AT_MAX 1e9       /* bounds of what a state may hold: far more than any play reaches, */
#define VELOCITY_MAX 1e4 /* and far from overflow */

const struct mpe_task *const mpe_tasks[MPE_TASKS] = {&mpe_spread, &mpe_tag, &mpe_speaker_listener, &mpe_reference};

static size_t n_numbers(const struct mpe_params *p)
{
    return (size_t)(2 * p->L + p->B * p->words);
}

static size_t mpe_state_bytes(const void *params)
{
    const struct mpe_params *p = params;
    return sizeof(struct mpe_state) + (size_t)p->B * sizeof(struct mpe_motion) + n_numbers(p) * sizeof(double);
}

static bool is_good_head(const struct mpe_params *p, const struct mpe_state *g)
{
    bool has_goal[MPE_GOALS] = {p->words > 0, p->task_index == TASK_REFERENCE};
    bool is_good = g->step >= 0 && g->step <= p->horizon && g->touches >= 0 && g->touches <= (int64_t)g->step * p->B * p->B;
    for (int i = 0; i < MPE_GOALS; i++)
        is_good &= has_goal[i] ? g->goal[i] >= 0 && g->goal[i] < p->L : g->goal[i] == 0;
    return is_good;
}

/* NaN fails every comparison. */
static bool are_within(const double *numbers, int count, double low, double high)
{
    bool is_good = true;
    for (int i = 0; i < count; i++)
        is_good &= numbers[i] >= low && numbers[i] <= high;
    return is_good;
}

static int mpe_check_state(const void *params, const void *state, struct err *err)
{
    const struct mpe_params *p = params;
    const struct mpe_state *g = state;
    bool is_good = is_good_head(p, g);
    for (int b = 0; b < p->B && is_good; b++)
        is_good =
            are_within(g->motion[b].at, 2, -AT_MAX, AT_MAX) && are_within(g->motion[b].velocity, 2, -VELOCITY_MAX, VELOCITY_MAX);
    is_good = is_good && are_within(mpe_landmark(p, g, 0), 2 * p->L, -AT_MAX, AT_MAX) &&
              are_within(mpe_speech(p, g, 0), p->B * p->words, 0, 1);
    if (!is_good)
        return err_set(err, ERR_FORMAT, "bad mpe state at step %d of %lld: a number is out of range", g->step,
                       (long long)p->horizon);
    return 0;
}

static double uniform(struct rng *rng, double bound)
{
    return (2 * rng_double(rng) - 1) * bound;
}

static void mpe_reset(const void *params, void *state, struct rng *rng)
{
    const struct mpe_params *p = params;
    struct mpe_state *g = state;
    memset(g, 0, mpe_state_bytes(p));
    if (mpe_task_of(p)->draw_goals)
        mpe_task_of(p)->draw_goals(g, rng);
    for (int i = 0; i < 2 * p->B; i++)
        g->motion[i / 2].at[i % 2] = uniform(rng, 1);
    for (int i = 0; i < 2 * p->L; i++)
        mpe_numbers(p, g)[i] = uniform(rng, p->spawn);
}

/* An agent's row: what its task lets it see, its index if asked for, zeros. */
static int observe_agent(const struct mpe_params *p, const struct mpe_state *g, int agent, float *row)
{
    float *out = mpe_task_of(p)->observe(p, g, agent, row);
    for (int n = 0; n < p->N && p->has_agent_id; n++)
        *out++ = n == agent;
    int width = (int)(out - row);
    memset(out, 0, (size_t)(p->O - width) * sizeof *out);
    return width;
}

static void join_state(const struct mpe_params *p, const struct env_view *view)
{
    float *first = view->state, *out = first;
    for (int n = 0; n < p->N; n++) {
        memcpy(out, view->observation + n * p->O, (size_t)p->widths[n] * sizeof *out);
        out += p->widths[n];
    }
    for (int n = p->N - 1; n >= 0; n--) {
        float *row = view->state + n * p->S;
        if (n)
            memcpy(row, first, (size_t)(p->S - p->N) * sizeof *row);
        for (int i = 0; i < p->N; i++)
            row[p->S - p->N + i] = i == n;
    }
}

static void mpe_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct mpe_params *p = params;
    for (int n = 0; n < p->N; n++)
        observe_agent(p, state, n, view->observation + n * p->O);
    if (p->state == STATE_JOINT)
        join_state(p, view);
    mpe_available(p, view->available);
    memset(view->alive, 1, (size_t)p->N);
}

static void hear(const struct mpe_params *p, struct mpe_state *g, const struct mpe_control *control)
{
    double *said = mpe_numbers(p, g) + 2 * p->L;
    for (int b = 0; b < p->B; b++)
        memcpy(said + b * p->words, control->speech[b], (size_t)p->words * sizeof *said);
}

static void share(const struct mpe_params *p, double *reward)
{
    double sum = 0;
    for (int n = 0; n < p->N; n++)
        sum += reward[n];
    for (int n = 0; n < p->N; n++)
        reward[n] = sum;
}

void mpe_advance(const struct mpe_params *p, struct mpe_state *g, struct mpe_control *control, double *reward)
{
    const struct mpe_task *task = mpe_task_of(p);
    g->step++;
    if (p->B > p->N)
        mpe_move_prey(p, g, control);
    mpe_integrate(p, g, control->force);
    hear(p, g, control);
    if (task->count_touches)
        g->touches += task->count_touches(p, g);
    task->reward(p, g, reward);
    if (p->is_shared)
        share(p, reward);
}

static bool is_won(const struct mpe_params *p, const struct mpe_state *g)
{
    return p->terminates_on_success && g->step < p->horizon && mpe_task_of(p)->is_success(p, g);
}

bool mpe_is_over(const struct mpe_params *p, const struct mpe_state *g)
{
    return g->step >= p->horizon || is_won(p, g);
}

static void mpe_step(const void *params, void *state, const struct env_action *action, struct rng *rng,
                     const struct env_result *result)
{
    (void)rng;
    const struct mpe_params *p = params;
    struct mpe_state *g = state;
    struct mpe_control control;
    double reward[MPE_BODIES_MAX], numbers[MPE_BODIES_MAX * (MPE_MOVES + MPE_WORDS_MAX)];
    if (p->action == ACT_CONTINUOUS) {
        for (int i = 0; i < p->N * p->C; i++)
            numbers[i] = (double)action->real[i];
        mpe_read_numbers(p, numbers, &control);
    } else {
        mpe_read_choices(p, action->choice, &control);
    }
    mpe_advance(p, g, &control, reward);
    for (int n = 0; n < p->N; n++)
        result->reward[n] = (float)reward[n];
    *result->terminated = is_won(p, g);
    *result->truncated = g->step >= p->horizon;
}

static void mpe_outcome(const void *params, const void *state, struct env_outcome *outcome)
{
    const struct mpe_params *p = params;
    const struct mpe_state *g = state;
    const struct mpe_task *task = mpe_task_of(p);
    *outcome = (struct env_outcome){.has_success = true, .success = task->is_success(p, g)};
    outcome->info[0] = (float)task->distance(p, g);
    outcome->info[1] = (float)g->touches;
}

static const char *const info[] = {"distance left", "touches", NULL};

static void act_greedy(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                       float *probability)
{
    (void)step, (void)available, (void)memory;
    const struct mpe_params *p = params;
    int move = MOVE_NONE, word = 0;
    mpe_task_of(p)->greedy(p, agent, observation, &move, &word);
    mpe_write_action(p, agent, move, word, probability);
}

static const struct env_script scripts[] = {
    {"greedy",
     "spread: to the landmark that is left when nearer pairs are matched first; tag: to where the nearest prey will be; the "
     "others: say the goal's number and go to the landmark whose number was heard",
     0, act_greedy},
};

const struct env_ops env_mpe = {
    .name = "mpe",
    .summary = "particle worlds: spread over landmarks, chase prey, tell each other where to go",
    .rows = mpe_rows,
    .n_rows = MPE_ROWS,
    .params_bytes = sizeof(struct mpe_params),
    .scenario = mpe_scenario,
    .scenarios = mpe_scenarios,
    .prepare = mpe_prepare,
    .spec = mpe_spec,
    .state_bytes = mpe_state_bytes,
    .check_state = mpe_check_state,
    .reset = mpe_reset,
    .observe = mpe_observe,
    .step = mpe_step,
    .outcome = mpe_outcome,
    .info = info,
    .render = mpe_render,
    .draw = mpe_draw,
    .trace = &mpe_trace,
    .scripts = scripts,
    .n_scripts = ARRAY_LEN(scripts),
};
