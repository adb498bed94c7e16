/* An actor that lies, for tests: the real actor, whose rollouts are changed on their way out by linking with --wrap=rollout_run. Nothing
 * of it is in the program. usage: liar KIND[@N] ENDPOINT ID
 *
 * With @N the first N training trajectories are honest. Says then how many of all kinds went before the first lie. Kinds:
 *   none      changes nothing
 *   weights   acts with the first version that it saw, and names the one it was told
 *   actions   other actions than were taken, with the log-probability of an unlikely one: PPO's ratio is not clipped from above there
 *   rewards   -20 times the reward, and returns of episodes to match
 *   masks     the action taken was the only one available
 *   versions  names the next version
 *   nan       a reward that is not a number */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/actor.h"
#include "actor/columns.h"
#include "actor/rollout.h"

static const char *kind = "none";
static int n_honest; /* training trajectories before the first lie */

int __real_rollout_run(struct rollout *rollout, const struct weights *weights, const struct order *const *orders, int n,
                       struct trajectory *const *out, const atomic_int *stop, struct err *err);
int __wrap_rollout_run(struct rollout *rollout, const struct weights *weights, const struct order *const *orders, int n,
                       struct trajectory *const *out, const atomic_int *stop, struct err *err);

static bool is(const char *name)
{
    return !strcmp(kind, name);
}

static void *column(const struct rollout *rollout, const struct trajectory *t, const char *name)
{
    struct schema_layout layout;
    schema_layout(rollout_schema(rollout), t->steps, t->episodes, &layout);
    return t->frame + layout.start[schema_find(rollout_schema(rollout), name)];
}

/* Discrete actions only: the next one that is available. */
static void edit_actions(const struct rollout *rollout, struct trajectory *t)
{
    int A = rollout_spec(rollout)->A, rows = t->steps * rollout_spec(rollout)->N;
    int32_t *intended = column(rollout, t, "intended"), *action = column(rollout, t, "action");
    float *intended_logp = column(rollout, t, "intended_logp"), *logp = column(rollout, t, "action_logp");
    const uint8_t *available = column(rollout, t, "available");
    for (int r = 0; r < rows; r++) {
        int a = action[r];
        do
            a = (a + 1) % A;
        while (!available[r * A + a]);
        intended[r] = action[r] = a;
        intended_logp[r] = logp[r] = -8;
    }
}

static void edit_rewards(const struct rollout *rollout, struct trajectory *t)
{
    int N = rollout_spec(rollout)->N, e = 0;
    float *reward = column(rollout, t, "reward"), *returns = column(rollout, t, "record_return"), total = 0;
    const uint8_t *terminated = column(rollout, t, "terminated"), *truncated = column(rollout, t, "truncated");
    for (int s = 0; s < t->steps; s++) {
        float sum = 0;
        for (int n = 0; n < N; n++)
            sum += reward[s * N + n] *= -20;
        total += sum / (float)N;
        if (!terminated[s] && !truncated[s])
            continue;
        returns[e++] = total;
        total = 0;
    }
}

static void edit_masks(const struct rollout *rollout, struct trajectory *t)
{
    int A = rollout_spec(rollout)->A, rows = t->steps * rollout_spec(rollout)->N;
    const int32_t *intended = column(rollout, t, "intended"), *action = column(rollout, t, "action");
    uint8_t *available = column(rollout, t, "available");
    for (int r = 0; r < rows; r++)
        for (int a = 0; a < A; a++)
            available[r * A + a] = a == intended[r] || a == action[r];
}

static void forge(const struct rollout *rollout, const struct weights *weights, struct trajectory *t)
{
    if (is("weights"))
        t->weights = weights_hash(&weights->manifest);
    else if (is("versions"))
        t->version.number++;
    else if (is("actions"))
        edit_actions(rollout, t);
    else if (is("rewards"))
        edit_rewards(rollout, t);
    else if (is("masks"))
        edit_masks(rollout, t);
    else if (is("nan"))
        *(float *)column(rollout, t, "reward") = NAN;
}

/* Whether this group of n shall be forged; counts all that goes out. */
static bool is_lie(bool is_training, int n)
{
    static int trained, sent;
    static bool has_begun;
    bool lies = is_training && trained >= n_honest;
    if (lies && !has_begun)
        fprintf(stderr, "liar: begins to lie after %d\n", sent);
    has_begun |= lies;
    sent += n;
    trained += is_training ? n : 0;
    return lies;
}

/* Lies in what is trained on; does evaluations and audits well, so that nothing but training is forged. */
int __wrap_rollout_run(struct rollout *rollout, const struct weights *weights, const struct order *const *orders, int n,
                       struct trajectory *const *out, const atomic_int *stop, struct err *err)
{
    static struct weights *first;
    bool lies = is_lie(orders[0]->purpose == ORDER_TRAIN, n);
    if (!first)
        first = weights_ref((struct weights *)(uintptr_t)weights);
    int r = __real_rollout_run(rollout, lies && is("weights") ? first : weights, orders, n, out, stop, err);
    for (int i = 0; i < n && !r && lies; i++)
        forge(rollout, weights, out[i]);
    return r;
}

int main(int argc, char **argv)
{
    struct err err = {""};
    if (argc != 4) {
        fprintf(stderr, "usage: liar KIND[@N] ENDPOINT ID\n");
        return 2;
    }
    char *at = strchr(argv[1], '@');
    n_honest = at ? atoi(at + 1) : 0;
    if (at)
        *at = 0;
    kind = argv[1];
    const struct actor_options options = {.connect = argv[2], .actor = (uint32_t)atoi(argv[3]), .exit_when_finished = 1};
    int r = actor_run(&options, &err);
    if (r)
        fprintf(stderr, "liar: %s\n", err.text);
    return r != 0;
}
