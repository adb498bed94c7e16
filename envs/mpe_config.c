/* Particle worlds: rows, names of scenarios, and the sizes that follow.
 *
 * A scenario is a task's name, then words joined by '-' in any order:
 *
 *   simple_spread, ...   the task; with _v3 or _v4 behind it as the package names them
 *   6p                   env.agents        openai       env.rules=openai
 *   4l                   env.landmarks     continuous   env.action=continuous */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mpe.h"

#define KEY(key, kind, field, fallback, low, high, unit, choices, help)                                \
    {                                                                                                  \
        "env." key, kind, offsetof(struct mpe_params, field), fallback, low, high, unit, choices, help \
    }
const struct config_row mpe_rows[MPE_ROWS] = {
    KEY("task", CONFIG_CHOICE, task_index, "simple_spread", 0, 0, "",
        "simple_spread|simple_tag|simple_speaker_listener|simple_reference", "which of the particle worlds"),
    KEY("rules", CONFIG_CHOICE, rules, "mpe2", 0, 0, "", "mpe2|openai",
        "mpe2: the maintained package, once part of PettingZoo; openai: the first code, which moves by the new velocity, sums "
        "rewards over agents and turns the directions of moves round"),
    KEY("agents", CONFIG_INT, agents, "0", 0, MPE_BODIES_MAX, "", NULL, "agents (in simple_tag hunters); 0: as published, 3 or 2"),
    KEY("landmarks", CONFIG_INT, landmarks, "0", 0, MPE_LANDMARKS_MAX, "", NULL,
        "landmarks or obstacles; 0: as published, in simple_spread one per agent"),
    KEY("prey_count", CONFIG_INT, prey_count, "1", 1, 16, "", NULL, "prey in simple_tag"),
    KEY("prey", CONFIG_CHOICE, prey, "flees", 0, 0, "", "flees|stands|agents",
        "who plays the prey of simple_tag: a fixed policy, so that the task is cooperative, or agents as in the reference"),
    KEY("local_ratio", CONFIG_REAL, local_ratio, "0.5", 0, 1, "", NULL,
        "weight of an agent's own part of the reward in simple_spread and simple_reference under mpe2's rules"),
    KEY("action", CONFIG_CHOICE, action, "multi-discrete", 0, 0, "", "multi-discrete|discrete|continuous",
        "move and word as two choices (one where nobody speaks), as one choice out of their product, or as numbers in [0,1]"),
    KEY("state", CONFIG_CHOICE, state, "joint", 0, 0, "", "joint|observation",
        "what the critic sees: all agents' observations and the agent's index one-hot, or the agent's own observation"),
    KEY("horizon", CONFIG_INT, horizon, "25", 1, 100000, "steps", NULL, "time limit of an episode"),
    KEY("terminate_on_success", CONFIG_BOOL, terminates_on_success, "false", 0, 0, "", NULL,
        "end the episode when all landmarks are covered, all prey is touched, or all goals are reached"),
    KEY("agent_id", CONFIG_BOOL, has_agent_id, "false", 0, 0, "", NULL,
        "append the agent's index one-hot to its observation, for policies that share weights"),
};
#undef KEY

const char *const mpe_scenarios[] = {"simple_spread",           "simple_tag",
                                     "simple_speaker_listener", "simple_reference",
                                     "simple_spread-openai",    "simple_reference-continuous",
                                     "simple_spread-6p",        NULL};

#define WORD_MAX 32

static const char *const forms =
    "a task (simple_spread, simple_tag, simple_speaker_listener, simple_reference) and words like 6p, 4l, "
    "openai, continuous, joined by '-'";

static int set_count(const char *word, struct recipe *defaults, const char *scenario, struct err *err)
{
    char *end;
    long count = strtol(word, &end, 10);
    const char *key = !strcmp(end, "p") ? "env.agents" : !strcmp(end, "l") ? "env.landmarks" : NULL;
    char text[16];
    if (count <= 0 || count > MPE_BODIES_MAX || !key)
        return err_set(err, ERR_UNKNOWN, "unknown word \"%s\" in scenario \"%s\" of mpe: expected %s", word, scenario, forms);
    snprintf(text, sizeof text, "%ld", count);
    return recipe_set(defaults, key, text, scenario, err);
}

static int set_task(const char *word, struct recipe *defaults, const char *scenario, struct err *err)
{
    for (int i = 0; i < MPE_TASKS; i++) {
        size_t length = strlen(mpe_tasks[i]->name);
        const char *rest = word + length;
        if (!strncmp(word, mpe_tasks[i]->name, length) && (!*rest || !strcmp(rest, "_v3") || !strcmp(rest, "_v4")))
            return recipe_set(defaults, "env.task", mpe_tasks[i]->name, scenario, err);
    }
    return err_set(err, ERR_UNKNOWN, "unknown scenario \"%s\" of mpe: expected %s", scenario, forms);
}

static int set_word(const char *word, struct recipe *defaults, const char *scenario, struct err *err)
{
    if (!strcmp(word, "openai"))
        return recipe_set(defaults, "env.rules", word, scenario, err);
    if (!strcmp(word, "continuous"))
        return recipe_set(defaults, "env.action", word, scenario, err);
    return set_count(word, defaults, scenario, err);
}

int mpe_scenario(const char *scenario, struct recipe *defaults, struct err *err)
{
    int r = 0, count = 0;
    for (const char *at = scenario; !r && at; count++) {
        const char *end = strchr(at, '-');
        char word[WORD_MAX];
        int length = end ? (int)(end - at) : (int)strlen(at);
        if (snprintf(word, sizeof word, "%.*s", length, at) >= WORD_MAX)
            return err_set(err, ERR_UNKNOWN, "unknown scenario \"%s\" of mpe: expected %s", scenario, forms);
        r = count ? set_word(word, defaults, scenario, err) : set_task(word, defaults, scenario, err);
        at = end ? end + 1 : NULL;
    }
    return r;
}

int mpe_block(struct spec *spec, int start, int width, const char *name, int index)
{
    if (!spec || !width)
        return width;
    struct spec_block *block = &spec->blocks[spec->n_blocks++];
    if (index < 0)
        snprintf(block->name, sizeof block->name, "%s", name);
    else
        snprintf(block->name, sizeof block->name, "%s %d", name, index);
    block->start = start;
    block->width = width;
    return width;
}

static int describe_agent(const struct mpe_params *p, int agent, struct spec *spec)
{
    int width = mpe_task_of(p)->describe(p, agent, spec);
    return width + (p->has_agent_id ? mpe_block(spec, width, p->N, "id", -1) : 0);
}

int mpe_prepare(void *params, struct err *err)
{
    struct mpe_params *p = params;
    struct spec spec;
    p->sign = p->rules == RULES_OPENAI ? -1 : 1;
    int r = mpe_task_of(p)->set_up(p, err);
    if (r)
        return r;
    p->is_shared = p->is_shared && p->rules == RULES_OPENAI;
    for (int n = 0; n < p->N; n++) {
        p->widths[n] = describe_agent(p, n, NULL);
        p->O = p->widths[n] > p->O ? p->widths[n] : p->O;
        p->S += p->widths[n];
    }
    p->S = p->state == STATE_JOINT ? p->S + p->N : p->O;
    mpe_action_spec(p, &spec);
    p->A = spec.A;
    p->C = spec.C;
    return 0;
}

/* The agent with the widest row gives the blocks their names. */
static void describe_blocks(const struct mpe_params *p, struct spec *spec)
{
    int widest = 0;
    for (int n = 0; n < p->N; n++)
        widest = p->widths[n] > p->widths[widest] ? n : widest;
    describe_agent(p, widest, spec);
    for (int n = 0; n < p->N; n++)
        spec->n_widths |= p->widths[n] != p->O;
    spec->n_widths *= p->N;
    for (int n = 0; n < spec->n_widths; n++)
        spec->widths[n] = p->widths[n];
}

void mpe_spec(const void *params, struct spec *spec)
{
    const struct mpe_params *p = params;
    *spec = (struct spec){.N = p->N,
                          .O = p->O,
                          .S = p->S,
                          .horizon = (int32_t)p->horizon,
                          .state_is_observation = p->state == STATE_OBSERVATION,
                          .return_min = -INFINITY,
                          .return_max = 0};
    if (p->task_index == TASK_TAG && p->prey == PREY_IS_AGENTS) {
        spec->return_max = INFINITY;
    } else if (p->task_index == TASK_TAG) {
        spec->return_min = 0;
        spec->return_max = 10.0 * p->N * (double)p->prey_count * (double)p->horizon;
    }
    describe_blocks(p, spec);
    mpe_action_spec(p, spec);
}
