/* simple_tag: slow hunters (the agents) and faster prey among round obstacles that stop both. Touch the prey.
 *
 *   body       radius  force  top speed   placed in
 *   hunter     0.075   3      1.0         [-1,1]^2
 *   prey       0.05    4      1.3         [-1,1]^2
 *   obstacle   0.2     -      -           [-0.9,0.9]^2
 *
 *   observation     width          meaning
 *   velocity        2              own
 *   position        2              own
 *   obstacle 0..    2 each         from here to it
 *   hunter 0..      2 each         from here to the other hunters, by index
 *   prey 0..        2 each         the same for prey
 *   prey motion 0.. 2 each         velocity of the (other) prey
 *
 * Reward of a hunter: 10 for every pair of a hunter and prey that touch, whoever they are. Of prey, where prey is agents: -10 for
 * every hunter that touches it, and minus a fence in x and y: nothing below 0.9, then 10 (|x| - 0.9), from 1 on
 * min(exp(2 |x| - 2), 10).
 *
 * The reference is a game of two sides. Here the team is the hunters and the prey plays a fixed policy (env.prey):
 *   flees   of the five moves the one after which, 0.3 further (and rolling on as it does now), it is farthest from the nearest
 *           hunter, less the fence and 2 where that place lies inside an obstacle; the first of equals
 *   stands  never moves by itself
 *   agents  the reference's game: prey are agents too, after the hunters
 *
 * Success: all prey are touched at once. Greedy: every hunter goes to where the nearest prey will be when it gets there. */
#include <math.h>

#include "envs/mpe.h"

#define TAG_HUNTERS 3
#define TAG_OBSTACLES 2
#define TAG_REWARD 10
#define LOOK_AHEAD 0.3      /* how far fleeing prey thinks, distance */
#define LOOK_SECONDS 0.3    /* and for how long it expects to roll on */
#define INSIDE_OBSTACLE 2.0 /* what it thinks of running into one */
#define LEAD_SECONDS_MAX 1.0

static const struct mpe_body hunter = {.size = 0.075, .accel = 3, .max_speed = 1},
                             quarry = {.size = 0.05, .accel = 4, .max_speed = 1.3, .is_prey = 1};

static int set_up(struct mpe_params *p, struct err *err)
{
    int hunters = p->agents ? (int)p->agents : TAG_HUNTERS;
    p->B = hunters + (int32_t)p->prey_count;
    if (p->B > MPE_BODIES_MAX)
        return err_set(err, ERR_LIMIT, "bad mpe task: %d hunters and prey, expected at most %d", p->B, MPE_BODIES_MAX);
    p->N = p->prey == PREY_IS_AGENTS ? p->B : hunters;
    p->L = p->landmarks ? (int32_t)p->landmarks : TAG_OBSTACLES;
    p->has_contacts = 1;
    p->spawn = 0.9;
    p->landmark_size = 0.2;
    for (int b = 0; b < p->B; b++)
        p->body[b] = b < hunters ? hunter : quarry;
    return 0;
}

static int describe(const struct mpe_params *p, int agent, struct spec *spec)
{
    int hunters = p->B - (int)p->prey_count, n_prey = (int)p->prey_count - p->body[agent].is_prey;
    int at = mpe_block(spec, 0, 2, "velocity", -1);
    at += mpe_block(spec, at, 2, "position", -1);
    for (int l = 0; l < p->L; l++)
        at += mpe_block(spec, at, 2, "obstacle", l);
    for (int i = 0; i < hunters - 1 + p->body[agent].is_prey; i++)
        at += mpe_block(spec, at, 2, "hunter", i);
    for (int i = 0; i < n_prey; i++)
        at += mpe_block(spec, at, 2, "prey", i);
    for (int i = 0; i < n_prey; i++)
        at += mpe_block(spec, at, 2, "prey motion", i);
    return at;
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
    for (int b = 0; b < p->B; b++)
        for (int i = 0; i < 2 && b != agent; i++)
            *out++ = (float)(g->motion[b].at[i] - at[i]);
    for (int b = 0; b < p->B; b++)
        for (int i = 0; i < 2 && b != agent && p->body[b].is_prey; i++)
            *out++ = (float)g->motion[b].velocity[i];
    return out;
}

static double fence(const double at[2])
{
    double sum = 0;
    for (int i = 0; i < 2; i++) {
        double x = fabs(at[i]);
        sum += x < 0.9 ? 0 : x < 1 ? (x - 0.9) * 10 : fmin(exp(2 * x - 2), 10);
    }
    return sum;
}

/* Hunters that touch a piece of prey. */
static int touching(const struct mpe_params *p, const struct mpe_state *g, int prey)
{
    int count = 0;
    for (int b = 0; b < p->B && !p->body[b].is_prey; b++)
        count += mpe_touch(p, g, b, prey);
    return count;
}

static int count_touches(const struct mpe_params *p, const struct mpe_state *g)
{
    int count = 0;
    for (int b = p->B - (int)p->prey_count; b < p->B; b++)
        count += touching(p, g, b);
    return count;
}

static bool is_success(const struct mpe_params *p, const struct mpe_state *g)
{
    for (int b = p->B - (int)p->prey_count; b < p->B; b++)
        if (!touching(p, g, b))
            return false;
    return true;
}

static void reward(const struct mpe_params *p, const struct mpe_state *g, double *reward)
{
    int touches = count_touches(p, g);
    for (int n = 0; n < p->N; n++)
        reward[n] = p->body[n].is_prey ? -TAG_REWARD * touching(p, g, n) - fence(g->motion[n].at) : TAG_REWARD * touches;
}

static double nearest_hunter(const struct mpe_params *p, const struct mpe_state *g, const double *at)
{
    double nearest = INFINITY;
    for (int b = 0; b < p->B && !p->body[b].is_prey; b++)
        nearest = fmin(nearest, mpe_distance(g->motion[b].at, at));
    return nearest;
}

/* Sum over prey of the distance to the nearest hunter. */
static double distance(const struct mpe_params *p, const struct mpe_state *g)
{
    double sum = 0;
    for (int b = p->B - (int)p->prey_count; b < p->B; b++)
        sum += nearest_hunter(p, g, g->motion[b].at);
    return sum;
}

/* Prey */

static const double heading[MPE_MOVES][2] = {
    [MOVE_LEFT] = {-1, 0}, [MOVE_RIGHT] = {1, 0}, [MOVE_DOWN] = {0, -1}, [MOVE_UP] = {0, 1}};

static double liking(const struct mpe_params *p, const struct mpe_state *g, int prey, int move)
{
    const struct mpe_motion *motion = &g->motion[prey];
    double there[2];
    for (int i = 0; i < 2; i++)
        there[i] = motion->at[i] + LOOK_SECONDS * motion->velocity[i] + LOOK_AHEAD * heading[move][i];
    double value = nearest_hunter(p, g, there) - fence(there);
    for (int l = 0; l < p->L; l++)
        if (mpe_distance(there, mpe_landmark(p, g, l)) < p->landmark_size + p->body[prey].size)
            value -= INSIDE_OBSTACLE;
    return value;
}

void mpe_move_prey(const struct mpe_params *p, const struct mpe_state *g, struct mpe_control *control)
{
    for (int b = p->N; b < p->B && p->prey == PREY_FLEES; b++) {
        double best = -INFINITY;
        int choice = MOVE_NONE;
        for (int m = 0; m < MPE_MOVES; m++) {
            double value = liking(p, g, b, m);
            if (value > best) {
                best = value;
                choice = m;
            }
        }
        for (int i = 0; i < 2; i++)
            control->force[b][i] = heading[choice][i] * p->body[b].accel;
    }
}

/* A hunter heads for the nearest prey, ahead of it by what it moves meanwhile; prey that is an agent heads away from its nearest
 * hunter, and inwards where it is far out. */

static void greedy(const struct mpe_params *p, int agent, const float *observation, int *move, int *word)
{
    (void)word;
    int prey_count = (int)p->prey_count, hunters = p->B - prey_count, is_prey = p->body[agent].is_prey;
    const float *other = observation + 4 + 2 * p->L, *motion = other + 2 * (p->B - 1);
    const float *first = is_prey ? other : other + 2 * (hunters - 1);
    int count = is_prey ? hunters : prey_count, best = 0;
    double nearest = INFINITY, way[2], velocity[2];
    for (int i = 0; i < count; i++) {
        double d = hypot((double)first[2 * i], (double)first[2 * i + 1]);
        best = d < nearest ? i : best;
        nearest = fmin(nearest, d);
    }
    for (int i = 0; i < 2; i++) {
        velocity[i] = (double)observation[i];
        way[i] = (double)first[2 * best + i];
        if (is_prey)
            way[i] = -way[i] - (fabs((double)observation[2 + i]) > 0.8 ? 2 * (double)observation[2 + i] : 0);
        else
            way[i] += fmin(nearest / hunter.max_speed, LEAD_SECONDS_MAX) * (double)motion[2 * best + i];
    }
    *move = mpe_steer(p, p->body[agent].accel, velocity, way);
}

const struct mpe_task mpe_tag = {
    .name = "simple_tag",
    .set_up = set_up,
    .describe = describe,
    .observe = observe,
    .reward = reward,
    .count_touches = count_touches,
    .distance = distance,
    .is_success = is_success,
    .greedy = greedy,
};
