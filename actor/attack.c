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

int threat_parse(struct threat *threat, const char *text, struct err *err)
{
    char name[32];
    *threat = (struct threat){0};
    if (!strcmp(text, "clean") || !strcmp(text, "none"))
        return 0;
    size_t length = strcspn(text, ":");
    if (length >= sizeof name)
        return unknown_threat(text, err);
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    if (!(threat->ops = find_attack(name)))
        return unknown_threat(name, err);
    if (threat->ops->has_strength != (text[length] == ':'))
        return err_set(err, ERR_INVALID, "bad threat \"%s\": expected %s%s", text, name, threat->ops->has_strength ? ":NUMBER" : "");
    if (threat->ops->has_strength) {
        char *end;
        threat->strength = strtof(text + length + 1, &end);
        if (end == text + length + 1 || *end || !isfinite(threat->strength) || threat->strength < 0)
            return err_set(err, ERR_INVALID, "bad threat \"%s\": expected a number of at least 0 after the colon", text);
    }
    return 0;
}

const struct net_weights *adversary_net(const struct nets *nets, int agent)
{
    char id[32];
    snprintf(id, sizeof id, "adversary/%d", agent);
    const struct net_weights *own = nets_find(nets, id);
    return own ? own : nets_find(nets, "adversary");
}

int adversary_logits(struct stage *stage, int row, float *logits, struct err *err)
{
    int agent = row % stage->N;
    const struct net_weights *net = adversary_net(stage->nets, agent);
    if (!net)
        return err_set(err, ERR_MISMATCH, "no adversary net for agent %d in these weights", agent);
    const struct net_arch *arch = net_weights_arch(net);
    bool has_type = arch->in == stage->O + stage->N;
    if ((arch->in != stage->O && !has_type) || arch->out != stage->A || arch->gru)
        return err_set(err, ERR_MISMATCH, "adversary net maps %d to %d, expected %d or %d to %d", arch->in, arch->out, stage->O,
                       stage->O + stage->N, stage->A);
    size_t mark = arena_mark(stage->scratch);
    float *x = arena_zero_array(stage->scratch, float, arch->in);
    memcpy(x, stage->vec->observation + (size_t)row * (size_t)stage->O, sizeof(float) * (size_t)stage->O);
    if (has_type)
        x[stage->O + agent] = 1.0f;
    net_act(net, 1, x, NULL, logits, stage->scratch);
    arena_release(stage->scratch, mark);
    return 0;
}
