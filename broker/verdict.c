#include "broker/verdict.h"

#include <math.h>
#include <stdio.h>

#define BUSY 0.8     /* computes nearly always */
#define TURNS 0.7    /* in turns (sync), one side is the limit from here on: letting them overlap would gain less than its speed */
#define ON_WAY 0.35  /* messages on their way are the limit from here on */
#define BLOCKED 0.25 /* rollouts stand because nobody takes what they made */
#define WANTED 0.9   /* share that the other side should reach when actors are added or removed */

const char *limit_name(enum limit limit)
{
    static const char *const names[] = {"none", "actor", "learner", "network", "lag"};
    return names[limit];
}

/* Share of time in which messages were on their way and nobody could work. In sync mode that is what neither side computed: they take
 * turns. In async mode, where they overlap, only the measured round trips tell: a backlog that drains between two updates is seen
 * by a probe that comes at any moment for (share^2 / 2) of the time per update on average. */
static double network_share(const struct verdict_in *in)
{
    double probe = in->update_seconds > 0 ? sqrt(2 * in->transit_seconds / in->update_seconds) : 0;
    double left = 1 - in->learner_busy - in->actor_busy_max;
    double share = in->is_sync ? left : probe;
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

/* How many actors keep the learner as busy as wanted. In turns, rollouts may take what its updates leave; else the work they can do
 * grows with their number. */
static int enough_actors(const struct verdict_in *in)
{
    double learner = fmax(in->learner_busy, 0.02), actor = fmax(in->actor_busy, 0.02);
    double factor = in->is_sync ? actor / (learner * (1 / WANTED - 1)) : actor * WANTED / (learner * BUSY);
    double wanted = ceil(in->actors * factor);
    if (wanted > in->lanes)
        wanted = in->lanes;
    return wanted < 1 ? 1 : (int)wanted;
}

static enum limit limit_of(const struct verdict_in *in, double network)
{
    if (!in->is_training || in->actors == 0 || isnan(in->learner_busy))
        return LIMIT_NONE;
    if (in->learner_busy >= BUSY)
        return LIMIT_LEARNER;
    if (in->actor_busy >= BUSY)
        return LIMIT_ACTOR;
    if (in->actor_blocked >= BLOCKED || network >= ON_WAY)
        return LIMIT_NETWORK;
    if (in->learner_busy >= TURNS)
        return LIMIT_LEARNER;
    return in->actor_busy_max >= TURNS ? LIMIT_ACTOR : LIMIT_LAG;
}

static void say(struct verdict *verdict, const struct verdict_in *in)
{
    int enough = enough_actors(in), n = in->actors;
    switch (verdict->limit) {
    case LIMIT_NONE:
        snprintf(verdict->text, sizeof verdict->text, "%s",
                 !in->is_training  ? "no training under way"
                 : in->actors == 0 ? "no actor is there"
                                   : "a few seconds, please");
        break;
    case LIMIT_ACTOR:
        verdict->actors = enough > n ? enough : n;
        if (enough > n)
            snprintf(verdict->text, sizeof verdict->text, "actors are the limit: add %d (%d would keep the learner busy)",
                     enough - n, enough);
        else
            snprintf(verdict->text, sizeof verdict->text,
                     "actors are the limit, and each of the run's %d lanes has one: raise rollout.lanes, or take faster machines",
                     in->lanes);
        break;
    case LIMIT_LEARNER:
        verdict->actors = enough < n ? enough : n;
        if (enough < n)
            snprintf(verdict->text, sizeof verdict->text, "the learner is the limit: %d actor%s would do, %d may go", enough,
                     enough == 1 ? "" : "s", n - enough);
        else
            snprintf(verdict->text, sizeof verdict->text, "the learner is the limit: give it cores, or fewer epochs");
        break;
    case LIMIT_NETWORK:
        verdict->actors = n;
        snprintf(verdict->text, sizeof verdict->text, "messages on their way take %.0f%% of the time: %s", 100 * verdict->network,
                 in->is_sync ? "run.mode=async, more steps and lanes per update, or a faster link"
                             : "a faster link, or nearer actors");
        break;
    case LIMIT_LAG:
        verdict->actors = n;
        snprintf(verdict->text, sizeof verdict->text, "learner and actors wait for each other: %s",
                 in->is_sync ? "run.mode=async lets them overlap" : "raise run.max_lag");
        break;
    }
}

struct verdict verdict_of(const struct verdict_in *in)
{
    struct verdict verdict = {.network = network_share(in)};
    verdict.limit = limit_of(in, verdict.network);
    say(&verdict, in);
    return verdict;
}
