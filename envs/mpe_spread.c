/* simple_spread: N agents and L landmarks (3 and 3), all placed uniformly in [-1,1]^2. Be near every landmark, and do not touch.
 *
 *   observation   width        meaning
 *   velocity      2            own
 *   position      2            own
 *   landmark 0..  2 each       from here to it
 *   other 0..     2 each       from here to the other agents, by index
 *   speech        2 (N - 1)    zeros: the reference gives everybody a voice of two words and nobody may use it
 *
 * Reward of mpe2: (1 - local_ratio) x common + local_ratio x own. Common: minus the sum over landmarks of the distance of the
 * nearest agent. Own: -1 for every agent that touches this one. Reward of openai, before the sum over agents: common + own,
 * where own also counts that an agent touches itself, so everybody always loses 1. Agents have radius 0.15.
 *
 * Success: every landmark has an agent within 0.1. Greedy: of all pairs of agent and landmark the nearest is matched first, then
 * the nearest of the rest, and so on; everybody sees everything, so all agree. Each then makes the move that brings it nearest. */
#include <math.h>

#include "envs/mpe.h"

#define SPREAD_AGENTS 3
#define SPREAD_SIZE 0.15
#define SPREAD_VOICE 2

static int set_up(struct mpe_params *p, struct err *err)
{
    (void)err;
    p->N = p->B = p->agents ? (int32_t)p->agents : SPREAD_AGENTS;
    p->L = p->landmarks ? (int32_t)p->landmarks : p->N;
    p->has_contacts = p->is_shared = 1;
    p->spawn = 1;
    p->landmark_size = 0.05;
    for (int n = 0; n < p->N; n++)
        p->body[n] = (struct mpe_body){.size = SPREAD_SIZE, .accel = MPE_ACCEL};
    return 0;
}

static int describe(const struct mpe_params *p, int agent, struct spec *spec)
{
    (void)agent;
    int at = mpe_block(spec, 0, 2, "velocity", -1);
    at += mpe_block(spec, at, 2, "position", -1);
    for (int l = 0; l < p->L; l++)
        at += mpe_block(spec, at, 2, "landmark", l);
    for (int n = 0; n < p->N - 1; n++)
        at += mpe_block(spec, at, 2, "other", n);
    return at + mpe_block(spec, at, SPREAD_VOICE * (p->N - 1), "speech", -1);
}

static float *observe(const struct mpe_params *p, const struct mpe_state *g, int agent, float *out)
{
    const double *at = g->motion[agent].at;
    for (int i = 0; i < 2; i++)
        *out++ = (float)g->motion[agent].velocity[i];
    for (int i = 0; i < 2; i++)
        *out++ = (float)at[i];
    for (int i = 0; i < 2 * p->L; i++)
        *out++ = (float)(mpe_landmark(p, g, 0)[i] - at[i % 2]);
    for (int n = 0; n < p->N; n++)
        for (int i = 0; i < 2 && n != agent; i++)
            *out++ = (float)(g->motion[n].at[i] - at[i]);
    for (int i = 0; i < SPREAD_VOICE * (p->N - 1); i++)
        *out++ = 0;
    return out;
}

/* Distance from landmark l to the nearest agent. */
static double cover(const struct mpe_params *p, const struct mpe_state *g, int l)
{
    double nearest = INFINITY;
    for (int n = 0; n < p->N; n++) {
        double d = mpe_distance(g->motion[n].at, mpe_landmark(p, g, l));
        nearest = d < nearest ? d : nearest;
    }
    return nearest;
}

static double distance(const struct mpe_params *p, const struct mpe_state *g)
{
    double sum = 0;
    for (int l = 0; l < p->L; l++)
        sum += cover(p, g, l);
    return sum;
}

static bool is_success(const struct mpe_params *p, const struct mpe_state *g)
{
    for (int l = 0; l < p->L; l++)
        if (!(cover(p, g, l) < MPE_COVER_RADIUS))
            return false;
    return true;
}

static int touching(const struct mpe_params *p, const struct mpe_state *g, int agent)
{
    int count = 0;
    for (int n = 0; n < p->N; n++)
        count += n != agent && mpe_touch(p, g, n, agent);
    return count;
}

static int count_touches(const struct mpe_params *p, const struct mpe_state *g)
{
    int twice = 0;
    for (int n = 0; n < p->N; n++)
        twice += touching(p, g, n);
    return twice / 2;
}

static void reward(const struct mpe_params *p, const struct mpe_state *g, double *reward)
{
    double common = -distance(p, g);
    for (int n = 0; n < p->N; n++) {
        double own = -touching(p, g, n);
        reward[n] = p->rules == RULES_OPENAI ? common + own - 1 : common * (1 - p->local_ratio) + own * p->local_ratio;
    }
}

/* All places relative to the one who looks, agents in order of index. */
struct sight {
    double agent[MPE_BODIES_MAX][2], landmark[MPE_LANDMARKS_MAX][2];
};

static void read_places(const struct mpe_params *p, int agent, const float *observation, struct sight *sight)
{
    const float *at = observation + 4;
    for (int l = 0; l < p->L; l++, at += 2)
        for (int i = 0; i < 2; i++)
            sight->landmark[l][i] = (double)at[i];
    for (int n = 0; n < p->N; n++) {
        for (int i = 0; i < 2; i++)
            sight->agent[n][i] = n == agent ? 0 : (double)at[i];
        at += n == agent ? 0 : 2;
    }
}

/* The landmark that falls to the agent, or -1 when there are fewer landmarks than agents and it is left over. */
static int match(const struct mpe_params *p, const struct sight *sight, int agent)
{
    bool has_landmark[MPE_BODIES_MAX] = {false}, is_claimed[MPE_LANDMARKS_MAX] = {false};
    for (int left = p->N < p->L ? p->N : p->L; left > 0; left--) {
        double best = INFINITY;
        int best_n = 0, best_l = 0;
        for (int n = 0; n < p->N; n++)
            for (int l = 0; l < p->L; l++) {
                double d = has_landmark[n] || is_claimed[l] ? INFINITY : mpe_distance(sight->agent[n], sight->landmark[l]);
                if (d < best) {
                    best = d;
                    best_n = n;
                    best_l = l;
                }
            }
        if (best_n == agent)
            return best_l;
        has_landmark[best_n] = is_claimed[best_l] = true;
    }
    return -1;
}

static void greedy(const struct mpe_params *p, int agent, const float *observation, int *move, int *word)
{
    (void)word;
    struct sight sight;
    double velocity[2] = {(double)observation[0], (double)observation[1]};
    read_places(p, agent, observation, &sight);
    int landmark = match(p, &sight, agent);
    if (landmark >= 0)
        *move = mpe_steer(p, MPE_ACCEL, velocity, sight.landmark[landmark]);
}

const struct mpe_task mpe_spread = {
    .name = "simple_spread",
    .set_up = set_up,
    .describe = describe,
    .observe = observe,
    .reward = reward,
    .count_touches = count_touches,
    .distance = distance,
    .is_success = is_success,
    .greedy = greedy,
};
