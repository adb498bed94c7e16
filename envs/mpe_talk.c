/* simple_speaker_listener and simple_reference: two agents, three landmarks of different colour, all placed in [-1,1]^2. Each
 * agent that has a goal for its partner sees that landmark's colour, and says one word a step, which the partner hears on its next
 * observation. Nobody pushes anybody.
 *
 *                      speaker_listener                                       reference
 *   agents             0 speaks (3 words), cannot move; 1 moves               both move and speak (10 words)
 *   goals              one of 3 landmarks for the listener                    one for each, drawn apart, perhaps the same
 *   colour             0.65 in the goal's place, else 0.15                    0.75, else 0.25
 *   observation        speaker: goal colour 3                                 velocity 2, landmark 0..2 2 each,
 *                      listener: velocity 2, landmark 0..2 2 each, heard 3    goal colour 3, heard 10
 *   reward, mpe2       both: -(listener's distance to its goal)^2             (1 - local_ratio) x the mean of both agents' own
 *                                                                             + local_ratio x own; own of agent n:
 *                                                                             -distance of its partner to the goal that n sees
 *   reward, openai,    the same                                               -(the same distance)^2
 *   before the sum
 *
 * Success: everyone with a goal is within 0.1 of it. Greedy: say the number of the colour seen; go to the landmark whose number was
 * heard, once one was. */
#include <math.h>
#include <string.h>

#include "envs/mpe.h"

#define TALK_AGENTS 2
#define TALK_LANDMARKS 3
#define COLOURS 3
#define LISTENER_WORDS 3
#define REFERENCE_WORDS 10

static int set_up(struct mpe_params *p, int words, struct err *err)
{
    if ((p->agents && p->agents != TALK_AGENTS) || (p->landmarks && p->landmarks != TALK_LANDMARKS))
        return err_set(err, ERR_RANGE, "bad mpe task: %s is for %d agents and %d landmarks, got %lld and %lld",
                       mpe_task_of(p)->name, TALK_AGENTS, TALK_LANDMARKS, (long long)p->agents, (long long)p->landmarks);
    p->N = p->B = TALK_AGENTS;
    p->L = TALK_LANDMARKS;
    p->words = words;
    p->is_shared = 1;
    p->spawn = 1;
    return 0;
}

static int set_up_listener(struct mpe_params *p, struct err *err)
{
    p->landmark_size = 0.04;
    p->body[0] = (struct mpe_body){.size = 0.075, .is_speaker = 1};
    p->body[1] = (struct mpe_body){.size = 0.075, .accel = MPE_ACCEL};
    return set_up(p, LISTENER_WORDS, err);
}

static int set_up_reference(struct mpe_params *p, struct err *err)
{
    p->landmark_size = 0.05;
    for (int n = 0; n < TALK_AGENTS; n++)
        p->body[n] = (struct mpe_body){.size = 0.05, .accel = MPE_ACCEL, .is_speaker = 1};
    return set_up(p, REFERENCE_WORDS, err);
}

static void draw_goal(struct mpe_state *g, struct rng *rng)
{
    g->goal[0] = (int32_t)rng_below(rng, TALK_LANDMARKS);
}

static void draw_goals(struct mpe_state *g, struct rng *rng)
{
    draw_goal(g, rng);
    g->goal[1] = (int32_t)rng_below(rng, TALK_LANDMARKS);
}

/* Observation */

static int describe_way(const struct mpe_params *p, struct spec *spec)
{
    int at = mpe_block(spec, 0, 2, "velocity", -1);
    for (int l = 0; l < p->L; l++)
        at += mpe_block(spec, at, 2, "landmark", l);
    return at;
}

/* The blocks are the listener's, whose row is the longer one; the speaker's is the goal colour alone. */
static int describe_listener(const struct mpe_params *p, int agent, struct spec *spec)
{
    if (agent == 0)
        return COLOURS;
    int at = describe_way(p, spec);
    return at + mpe_block(spec, at, p->words, "heard", -1);
}

static int describe_reference(const struct mpe_params *p, int agent, struct spec *spec)
{
    (void)agent;
    int at = describe_way(p, spec);
    at += mpe_block(spec, at, COLOURS, "goal colour", -1);
    return at + mpe_block(spec, at, p->words, "heard", -1);
}

static float *put_way(const struct mpe_params *p, const struct mpe_state *g, int agent, float *out)
{
    for (int i = 0; i < 2; i++)
        *out++ = (float)g->motion[agent].velocity[i];
    for (int i = 0; i < 2 * p->L; i++)
        *out++ = (float)(mpe_landmark(p, g, 0)[i] - g->motion[agent].at[i % 2]);
    return out;
}

static float *put_colour(int goal, float dark, float light, float *out)
{
    for (int i = 0; i < COLOURS; i++)
        *out++ = i == goal ? light : dark;
    return out;
}

static float *put_heard(const struct mpe_params *p, const struct mpe_state *g, int speaker, float *out)
{
    for (int w = 0; w < p->words; w++)
        *out++ = (float)mpe_speech(p, g, speaker)[w];
    return out;
}

static float *observe_listener(const struct mpe_params *p, const struct mpe_state *g, int agent, float *out)
{
    if (agent == 0)
        return put_colour(g->goal[0], 0.15f, 0.65f, out);
    return put_heard(p, g, 0, put_way(p, g, 1, out));
}

static float *observe_reference(const struct mpe_params *p, const struct mpe_state *g, int agent, float *out)
{
    out = put_colour(g->goal[agent], 0.25f, 0.75f, put_way(p, g, agent, out));
    return put_heard(p, g, 1 - agent, out);
}

/* Rewards */

/* How far the partner of agent n is from the goal that n sees. */
static double miss(const struct mpe_params *p, const struct mpe_state *g, int n)
{
    return mpe_distance(g->motion[1 - n].at, mpe_landmark(p, g, g->goal[n]));
}

static double miss_squared(const struct mpe_params *p, const struct mpe_state *g, int n)
{
    const double *at = g->motion[1 - n].at, *goal = mpe_landmark(p, g, g->goal[n]);
    double dx = at[0] - goal[0], dy = at[1] - goal[1];
    return dx * dx + dy * dy;
}

static void reward_listener(const struct mpe_params *p, const struct mpe_state *g, double *reward)
{
    reward[0] = reward[1] = -miss_squared(p, g, 0);
}

static void reward_reference(const struct mpe_params *p, const struct mpe_state *g, double *reward)
{
    double common = (-miss(p, g, 0) - miss(p, g, 1)) / TALK_AGENTS;
    for (int n = 0; n < TALK_AGENTS; n++)
        reward[n] =
            p->rules == RULES_OPENAI ? -miss_squared(p, g, n) : common * (1 - p->local_ratio) - miss(p, g, n) * p->local_ratio;
}

static double distance_listener(const struct mpe_params *p, const struct mpe_state *g)
{
    return miss(p, g, 0);
}

static double distance_reference(const struct mpe_params *p, const struct mpe_state *g)
{
    return miss(p, g, 0) + miss(p, g, 1);
}

static bool is_success_listener(const struct mpe_params *p, const struct mpe_state *g)
{
    return miss(p, g, 0) < MPE_COVER_RADIUS;
}

static bool is_success_reference(const struct mpe_params *p, const struct mpe_state *g)
{
    return miss(p, g, 0) < MPE_COVER_RADIUS && miss(p, g, 1) < MPE_COVER_RADIUS;
}

/* Greedy */

static int loudest(const float *numbers, int count)
{
    int best = 0;
    for (int i = 1; i < count; i++)
        best = numbers[i] > numbers[best] ? i : best;
    return best;
}

/* The row begins with velocity and landmarks. Nothing has been heard before the first step. */
static int go_where_told(const struct mpe_params *p, const float *observation, const float *heard)
{
    int word = loudest(heard, COLOURS);
    double velocity[2], way[2];
    for (int i = 0; i < 2; i++) {
        velocity[i] = (double)observation[i];
        way[i] = (double)observation[2 + 2 * word + i];
    }
    return heard[word] > 0 ? mpe_steer(p, MPE_ACCEL, velocity, way) : MOVE_NONE;
}

static void greedy_listener(const struct mpe_params *p, int agent, const float *observation, int *move, int *word)
{
    if (agent == 0)
        *word = loudest(observation, COLOURS);
    else
        *move = go_where_told(p, observation, observation + 2 + 2 * p->L);
}

static void greedy_reference(const struct mpe_params *p, int agent, const float *observation, int *move, int *word)
{
    (void)agent;
    const float *colour = observation + 2 + 2 * p->L;
    *word = loudest(colour, COLOURS);
    *move = go_where_told(p, observation, colour + COLOURS);
}

const struct mpe_task mpe_speaker_listener = {
    .name = "simple_speaker_listener",
    .set_up = set_up_listener,
    .draw_goals = draw_goal,
    .describe = describe_listener,
    .observe = observe_listener,
    .reward = reward_listener,
    .distance = distance_listener,
    .is_success = is_success_listener,
    .greedy = greedy_listener,
};

const struct mpe_task mpe_reference = {
    .name = "simple_reference",
    .set_up = set_up_reference,
    .draw_goals = draw_goals,
    .describe = describe_reference,
    .observe = observe_reference,
    .reward = reward_reference,
    .distance = distance_reference,
    .is_success = is_success_reference,
    .greedy = greedy_reference,
};
