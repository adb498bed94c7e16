#include "actor/attack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct attack_ops *find_attack(const char *name)
{
    for (int i = 0; attack_registry[i]; i++)
        if (!strcmp(attack_registry[i]->name, name))
            return attack_registry[i];
    return NULL;
}

static int unknown_threat(const char *name, struct err *err)
{
    char known[256] = "clean";
    for (int i = 0; attack_registry[i]; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), ", %s", attack_registry[i]->name);
    return err_set(err, ERR_UNKNOWN, "unknown threat \"%s\": expected one of %s", name, known);
}

/* The number behind the colon, up to `end`. */
static int parse_strength(struct threat *threat, const char *text, const char *number, const char *end, struct err *err)
{
    char *stop;
    float most = threat->ops->strength_max;
    threat->strength = strtof(number, &stop);
    if (stop == number || stop != end || !isfinite(threat->strength) || threat->strength < 0)
        return err_set(err, ERR_INVALID, "bad threat \"%s\": expected a number of at least 0 after the colon", text);
    if (most > 0 && threat->strength > most)
        return err_set(err, ERR_INVALID, "bad threat \"%s\": expected a number of at most %g after the colon", text, (double)most);
    return 0;
}

int threat_parse(struct threat *threat, const char *text, struct err *err)
{
    char name[32];
    *threat = (struct threat){0};
    if (!strcmp(text, "clean") || !strcmp(text, "none"))
        return 0;
    size_t length = strcspn(text, ":@"), end = strcspn(text, "@");
    if (length >= sizeof name)
        return unknown_threat(text, err);
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    if (!(threat->ops = find_attack(name)))
        return unknown_threat(name, err);
    if (text[end] && strcmp(text + end, "@all"))
        return err_set(err, ERR_INVALID, "bad threat \"%s\": expected @all or nothing at its end", text);
    threat->hits_all = text[end] != 0;
    if (threat->ops->has_strength != (text[length] == ':'))
        return err_set(err, ERR_INVALID, "bad threat \"%s\": expected %s%s", text, name,
                       threat->ops->has_strength ? ":NUMBER" : "");
    return threat->ops->has_strength ? parse_strength(threat, text, text + length + 1, text + end, err) : 0;
}

const struct net_weights *adversary_net(const struct nets *nets, int victim)
{
    char id[32];
    snprintf(id, sizeof id, "adversary/%d", victim);
    const struct net_weights *own = nets_find(nets, id);
    return own ? own : nets_find(nets, "adversary");
}

static int victim_of(const struct stage *stage, int row)
{
    int attacker = stage->attacker ? stage->attacker[row / stage->N] : -1;
    return attacker >= 0 ? attacker : row % stage->N;
}

static int check_adversary(const struct stage *stage, const struct net_weights *net, int victim, struct err *err)
{
    if (!net)
        return err_set(err, ERR_MISMATCH, "no adversary net for victim %d in these weights", victim);
    const struct net_arch *arch = net_weights_arch(net);
    if ((arch->in != stage->O && arch->in != stage->O + stage->N) || arch->out != stage->A || arch->gru)
        return err_set(err, ERR_MISMATCH, "adversary net of victim %d maps %d to %d, expected %d or %d to %d", victim, arch->in,
                       arch->out, stage->O, stage->O + stage->N, stage->A);
    return 0;
}

/* Those of the rows whose victim is played by `net`, in one product. */
static void output_of_net(struct stage *stage, const struct net_weights *net, const struct net_weights *const *net_of,
                          const int32_t *rows, int n, float *output, const float **log_std)
{
    size_t mark = arena_mark(stage->scratch), O = (size_t)stage->O, A = (size_t)stage->A, in = (size_t)net_weights_arch(net)->in;
    float *x = arena_zero_array(stage->scratch, float, (size_t)n *in), *out = arena_array(stage->scratch, float, (size_t)n *A);
    int32_t *from = arena_array(stage->scratch, int32_t, n);
    int count = 0;
    for (int i = 0; i < n; i++) {
        int agent = rows[i] % stage->N;
        if (net_of[victim_of(stage, rows[i])] != net)
            continue;
        memcpy(x + (size_t)count * in, stage->vec->observation + (size_t)rows[i] * O, O * sizeof(float));
        if (in > O)
            x[(size_t)count * in + O + (size_t)agent] = 1.0f;
        if (log_std)
            log_std[i] = net_weights_log_std(net);
        from[count++] = i;
    }
    net_act(net, count, x, NULL, out, stage->scratch);
    for (int k = 0; k < count; k++)
        memcpy(output + (size_t)from[k] * A, out + (size_t)k * A, A * sizeof(float));
    arena_release(stage->scratch, mark);
}

int adversary_output(struct stage *stage, const int32_t *rows, int n, float *output, const float **log_std, struct err *err)
{
    const struct net_weights *net_of[SPEC_AGENTS_MAX] = {NULL};
    for (int i = 0; i < n; i++) {
        int victim = victim_of(stage, rows[i]), r;
        if (net_of[victim])
            continue;
        net_of[victim] = adversary_net(stage->nets, victim);
        if ((r = check_adversary(stage, net_of[victim], victim, err)))
            return r;
    }
    for (int victim = 0; victim < SPEC_AGENTS_MAX; victim++) {
        bool is_first = net_of[victim] != NULL; /* victims may share a net */
        for (int before = 0; before < victim && is_first; before++)
            is_first = net_of[before] != net_of[victim];
        if (is_first)
            output_of_net(stage, net_of[victim], net_of, rows, n, output, log_std);
    }
    return 0;
}

size_t attack_scratch(const struct nets *nets, const struct spec *spec, int I, int rows)
{
    size_t wide = 2 * (size_t)I + 2 * (size_t)spec->A;            /* PGD: input, gradient, logits, target */
    size_t adversary = (size_t)(spec->O + spec->N + spec->A + 1); /* adversary_output */
    size_t greedy = (size_t)spec->N * (sizeof(int32_t) + sizeof(float));
    return (size_t)rows * ((wide + adversary) * sizeof(float) + sizeof(float *)) + greedy + nets_gradient_scratch(nets, rows) +
           16 * ARENA_ALIGN;
}
