#include "net/acting.h"

#include <math.h>
#include <string.h>

#define OFF(field) offsetof(struct acting_config, field)

static const struct config_row rows[] = {
    {"act.recurrent", CONFIG_INT, OFF(recurrent), "0", 0, 4096, "", NULL, "width of the defender's GRU; 0: it remembers nothing"},
    {"act.last_action", CONFIG_BOOL, OFF(has_last_action), "false", 0, 0, "", NULL, "the defender is told its last action"},
    {"act.behaviour", CONFIG_CHOICE, OFF(behaviour), "sample", 0, 0, "", "sample|epsilon|gumbel|tanh",
     "what the defender's outputs mean: a policy, action values, logits of a policy that is greedy in tests, numbers of a box"},
    {"act.evaluation", CONFIG_CHOICE, OFF(evaluation), "sample", 0, 0, "", "sample|best",
     "what a policy (act.behaviour sample) does in evaluations: a sample, or its most likely action"},
};

const struct config_table acting_table = {"act", rows, ARRAY_LEN(rows)};

int acting_config_bind(struct acting_config *config, const struct recipe *recipe, const struct action_head *head, struct err *err)
{
    int r = config_bind(rows, ARRAY_LEN(rows), recipe, config, err);
    if (r)
        return r;
    enum action_kind wanted = config->behaviour == BEHAVIOUR_TANH ? ACTION_BOX : ACTION_DISCRETE;
    if (config->behaviour == BEHAVIOUR_SAMPLE || head->kind == wanted)
        return 0;
    return err_set(err, ERR_INVALID, "act.behaviour is %s, which needs %s, but the task has %s",
                   (const char *[]){"sample", "epsilon", "gumbel", "tanh"}[config->behaviour],
                   wanted == ACTION_BOX ? "real numbers for actions" : "one discrete action an agent",
                   head->kind == ACTION_BOX        ? "real numbers"
                   : head->kind == ACTION_DISCRETE ? "a discrete action"
                                                   : "several choices an agent");
}

int acting_width(const struct acting_config *config, const struct action_head *head)
{
    return config->has_last_action ? head->A : 0;
}

bool acting_is_gaussian(const struct acting_config *config, const struct action_head *head)
{
    return config->behaviour == BEHAVIOUR_SAMPLE && head->kind == ACTION_BOX;
}

void acting_last_action(const struct action_head *head, const void *action, float *out)
{
    if (head->kind == ACTION_BOX) {
        memcpy(out, action, (size_t)head->A * sizeof *out);
        return;
    }
    memset(out, 0, (size_t)head->A * sizeof *out);
    for (int c = 0; c < head->C; out += head->choices[c], c++)
        out[((const int32_t *)action)[c]] = 1.0f;
}

int32_t acting_best(int A, const real *output, const uint8_t *available)
{
    int32_t best = -1;
    for (int a = 0; a < A; a++)
        if (available[a] && (best < 0 || output[a] > output[best] || (output[best] != output[best] && output[a] == output[a])))
            best = a;
    return best;
}

/* Any available one with probability epsilon, else the best. */
static float epsilon_row(int A, const real *output, const uint8_t *available, float epsilon, struct rng *explore, int32_t *action,
                         float *probability)
{
    int count = 0;
    int32_t best = acting_best(A, output, available);
    ASSERT(best >= 0);
    for (int a = 0; a < A; a++)
        count += available[a] != 0;
    for (int a = 0; a < A; a++)
        probability[a] = available[a] ? epsilon / (float)count + (a == best ? 1 - epsilon : 0) : 0;
    *action = best;
    if (rng_double(explore) < (double)epsilon) {
        uint32_t skip = rng_below(explore, (uint32_t)count);
        for (*action = 0; !available[*action] || skip-- > 0;)
            ++*action;
    }
    return logf(probability[*action]);
}

/* argmax of logits + Gumbel noise is one sample of the softmax (Jang et al. 2017, arXiv:1611.01144, eq. 1). */
static float gumbel_row(int A, const real *output, const uint8_t *available, bool is_greedy, struct rng *explore, int32_t *action,
                        float *probability)
{
    int32_t best = acting_best(A, output, available);
    ASSERT(best >= 0);
    float sum = 0, highest = -INFINITY;
    *action = best;
    for (int a = 0; a < A; a++) {
        float score = available[a] ? (float)output[a] - logf(-logf((float)rng_double(explore) + 1e-20f) + 1e-20f) : -INFINITY;
        if (!is_greedy && score > highest) {
            highest = score;
            *action = a;
        }
        probability[a] = !available[a] ? 0 : is_greedy ? (float)(a == best) : expf((float)(output[a] - output[best]));
        sum += probability[a];
    }
    for (int a = 0; a < A; a++)
        probability[a] /= sum;
    return logf(probability[*action]);
}

static void tanh_row(int C, const real *output, float epsilon, struct rng *explore, float *action, float *probability)
{
    for (int c = 0; c < C; c++) {
        probability[c] = tanhf((float)output[c]);
        float noisy = epsilon > 0 ? probability[c] + epsilon * (float)rng_normal(explore) : probability[c];
        action[c] = fminf(fmaxf(noisy, -1), 1);
    }
}

void acting_most_likely(const struct action_head *head, int R, const real *output, const uint8_t *available, void *action)
{
    for (size_t at = 0; at < (size_t)R * (size_t)head->C;) {
        for (int c = 0; c < head->C; c++, at++) {
            int width = head->kind == ACTION_BOX ? 1 : head->choices[c];
            if (head->kind == ACTION_BOX)
                ((float *)action)[at] = (float)*output;
            else
                ((int32_t *)action)[at] = acting_best(width, output, available);
            output += width;
            available += width;
        }
    }
}

float acting_row(enum behaviour behaviour, const struct action_head *head, const real *output, const uint8_t *available,
                 float epsilon, struct rng *explore, void *action, float *probability)
{
    if (behaviour == BEHAVIOUR_EPSILON)
        return epsilon_row(head->A, output, available, epsilon, explore, action, probability);
    if (behaviour == BEHAVIOUR_GUMBEL)
        return gumbel_row(head->A, output, available, epsilon <= 0, explore, action, probability);
    tanh_row(head->C, output, epsilon, explore, action, probability);
    return 0;
}
