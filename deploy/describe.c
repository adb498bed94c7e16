#include "deploy/describe.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/env_words.h"
#include "deploy/keys.h"

#define WIDTH 120 /* columns that lists are broken at */

/* ---- parts ---- */

void describe_action(const struct spec *spec, char *text, size_t size)
{
    size_t used;
    switch (spec->action) {
    case ACTION_DISCRETE: snprintf(text, size, "discrete, %d choices", spec->A); break;
    case ACTION_MULTI_DISCRETE:
        used = (size_t)snprintf(text, size, "multi-discrete, choices");
        for (int c = 0; c < spec->C && used < size; c++)
            used += (size_t)snprintf(text + used, size - used, "%s %d", c ? " x" : "", spec->components[c].choices);
        break;
    case ACTION_BOX: snprintf(text, size, "box of %d real numbers", spec->C); break;
    }
}

void describe_sizes(const struct spec *spec, char *text, size_t size)
{
    char action[256];
    describe_action(spec, action, sizeof action);
    snprintf(text, size, "%d agents, %d observation numbers, %s, at most %d steps", spec->N, spec->O, action, spec->horizon);
}

static void print_widths(FILE *out, const struct spec *spec)
{
    bool differ = false;
    for (int n = 0; n < spec->n_widths; n++)
        differ |= spec->widths[n] != spec->O;
    if (!differ)
        return;
    fprintf(out, "  agents have different widths, the rest is 0:");
    for (int n = 0; n < spec->n_widths; n++)
        fprintf(out, " %d", spec->widths[n]);
    fputc('\n', out);
}

static void print_observation(FILE *out, const struct spec *spec)
{
    fprintf(out, "\nobservation of an agent, %d numbers:\n", spec->O);
    for (int i = 0; i < spec->n_blocks; i++) {
        const struct spec_block *block = &spec->blocks[i];
        char range[32];
        snprintf(range, sizeof range, block->width > 1 ? "%d..%d" : "%d", block->start, block->start + block->width - 1);
        fprintf(out, "  %-11s %s\n", range, block->name);
    }
    print_widths(out, spec);
    if (spec->state_is_observation)
        fprintf(out, "the critic's state is the agent's own observation\n");
    else
        fprintf(out, "the critic's state is %d numbers of its own, for each agent\n", spec->S);
}

static void print_action(FILE *out, const struct spec *spec)
{
    char text[256];
    describe_action(spec, text, sizeof text);
    fprintf(out, "\naction of an agent: %s\n", text);
    for (int c = 0; c < spec->C; c++) {
        const struct spec_component *component = &spec->components[c];
        if (spec->action == ACTION_BOX)
            fprintf(out, "  component %d: from %g to %g; beyond is clipped, what is not finite counts as 0\n", c, component->low,
                    component->high);
        else if (spec->action == ACTION_MULTI_DISCRETE)
            fprintf(out, "  component %d: 0..%d\n", c, component->choices - 1);
    }
}

static void print_bound(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, " %g", value);
    else
        fprintf(out, " %s", value > 0 ? "no upper bound" : "no lower bound");
}

static void print_episode(FILE *out, const struct env_ops *ops, const struct spec *spec)
{
    fprintf(out, "\nan episode: at most %d steps; its return (mean over agents of their summed rewards) has bounds", spec->horizon);
    print_bound(out, spec->return_min);
    fputc(',', out);
    print_bound(out, spec->return_max);
    fprintf(out, "\n  told at its end: success where the rules define one");
    for (int i = 0; ops->info && ops->info[i]; i++)
        fprintf(out, ", %s", ops->info[i]);
    fprintf(out, "\n  a state is %d bytes; steps draw %s random numbers\n", spec->state_bytes, ops->draws ? "" : "no");
}

static void print_scripts(FILE *out, const struct env_ops *ops)
{
    fprintf(out, "\nscripts (rollout.defender, render --script):%s\n", ops->n_scripts ? "" : " none");
    for (int i = 0; i < ops->n_scripts; i++)
        fprintf(out, "  %-14s %s\n", ops->scripts[i].name, ops->scripts[i].summary);
}

/* Words separated by blanks, broken at the width; `used` columns are taken on the first line. */
static void print_list(FILE *out, const char *const *words, const char *indent, size_t used)
{
    for (; *words; words++) {
        if (used + strlen(*words) + 1 > WIDTH) {
            fprintf(out, "\n%s", indent);
            used = strlen(indent);
        }
        fprintf(out, " %s", *words);
        used += strlen(*words) + 1;
    }
    fputc('\n', out);
}

static void print_indented(FILE *out, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        fprintf(out, length ? "  %.*s\n" : "%.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

/* ---- references ---- */

static size_t identifier_length(const char *text)
{
    size_t length = 0;
    while (isalnum((unsigned char)text[length]) || (text[length] && strchr("./:-_", text[length])))
        length++;
    while (length && strchr(".:-", text[length - 1]))
        length--; /* of the sentence */
    return length;
}

static void add_reference(char *text, size_t size, const char *start, size_t length)
{
    size_t used = strlen(text);
    char word[96];
    if (length < 6 || length >= sizeof word)
        return;
    snprintf(word, sizeof word, "%.*s", (int)length, start);
    if (!strstr(text, word))
        snprintf(text + used, size - used, "%s%s", used ? ", " : "", word);
}

void describe_references(const char *name, char *text, size_t size)
{
    const struct env_rules *rules = env_rules_find(name);
    *text = 0;
    for (const char *at = rules ? rules->rules : ""; (at = strstr(at, "arXiv:")); at += 6)
        add_reference(text, size, at, identifier_length(at));
    for (const char *at = rules ? rules->rules : ""; (at = strstr(at, "doi")); at += 3)
        if (at[3] == ' ' || at[3] == ':') {
            char doi[96];
            snprintf(doi, sizeof doi, "doi:%.*s", (int)identifier_length(at + 4), at + 4);
            add_reference(text, size, doi, strlen(doi));
        }
}

static const char *find_within(const char *text, size_t length, const char *word)
{
    const char *at = strstr(text, word);
    return at && at < text + length ? at : NULL;
}

const char *describe_origin(const char *name, size_t *length)
{
    static const char *const marks[] = {"Source", "arXiv:", "doi"};
    const struct env_rules *rules = env_rules_find(name);
    for (size_t i = 0; rules && i < ARRAY_LEN(marks); i++)
        for (const char *at = rules->rules; *at;) {
            const char *end = strstr(at, "\n\n");
            *length = end ? (size_t)(end - at) : strlen(at);
            if (find_within(at, *length, marks[i]))
                return at;
            at += *length;
            at += strspn(at, "\n");
        }
    *length = 0;
    return NULL;
}

/* ---- the whole ---- */

void describe_environment(FILE *out, const struct env_instance *env)
{
    const struct env_ops *ops = env->ops;
    const struct env_rules *rules = env_rules_find(ops->name);
    char text[512];
    describe_sizes(&env->spec, text, sizeof text);
    fprintf(out, "%s %s: %s\n%s\n", ops->name, env->spec.scenario, ops->summary, text);
    describe_references(ops->name, text, sizeof text);
    if (*text)
        fprintf(out, "references: %s\n", text);
    fprintf(out, "\nrules:\n");
    print_indented(out, rules ? rules->rules : "");
    if (rules && rules->observation) {
        fputc('\n', out);
        print_indented(out, rules->observation);
    }
    print_observation(out, &env->spec);
    print_action(out, &env->spec);
    print_episode(out, ops, &env->spec);
    print_scripts(out, ops);
    fprintf(out, "\nscenarios, for example:");
    print_list(out, ops->scenarios, " ", 23);
    fprintf(out, "\nkeys:\n");
    keys_print(out, ops->rows, ops->n_rows);
}

static int open_scenario(struct env_instance **env, const struct env_ops *ops, const char *scenario, struct err *err)
{
    char word[2 * CONFIG_TEXT_MAX];
    snprintf(word, sizeof word, "%s:%s", ops->name, scenario);
    return env_words_open(env, word, NULL, 0, err);
}

int describe_overview(FILE *out, const struct env_ops *ops, struct err *err)
{
    struct env_instance *env;
    char text[512];
    int r = open_scenario(&env, ops, ops->scenarios[0], err);
    if (r)
        return r;
    fprintf(out, "%-12s %s\n             scenarios:", ops->name, ops->summary);
    print_list(out, ops->scenarios, "            ", 23);
    describe_sizes(&env->spec, text, sizeof text);
    fprintf(out, "             %s: %s\n", env->spec.scenario, text);
    describe_references(ops->name, text, sizeof text);
    if (*text)
        fprintf(out, "             references: %s\n", text);
    free(env);
    return 0;
}

void describe_scenarios_head(FILE *out)
{
    fprintf(out, "%-12s %-30s %6s %11s %6s %6s  %s\n", "environment", "scenario", "agents", "observation", "state", "steps",
            "action");
}

int describe_scenarios(FILE *out, const struct env_ops *ops, struct err *err)
{
    int r = 0;
    for (const char *const *scenario = ops->scenarios; *scenario && !r; scenario++) {
        struct env_instance *env;
        char action[256], state[16] = "own";
        if ((r = open_scenario(&env, ops, *scenario, err)))
            break;
        const struct spec *spec = &env->spec;
        describe_action(spec, action, sizeof action);
        if (!spec->state_is_observation)
            snprintf(state, sizeof state, "%d", spec->S);
        fprintf(out, "%-12s %-30s %6d %11d %6s %6d  %s\n", ops->name, *scenario, spec->N, spec->O, state, spec->horizon, action);
        free(env);
    }
    return r;
}
