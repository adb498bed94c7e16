#include "actor/nets.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct net_arch) == sizeof(int32_t) * WEIGHTS_ARCH_NUMBERS, "an architecture is its numbers on the wire");

void nets_deinit(struct nets *nets)
{
    for (int i = 0; i < nets->count; i++)
        net_weights_destroy(&nets->entries[i].weights);
    nets->count = 0;
}

/* Puts entry `at` into the state that the manifest's net describes. */
static int update_entry(struct nets *nets, int at, const struct weights *weights, int which, struct err *err)
{
    const struct manifest_net *net = &weights->manifest.nets[which];
    struct net_arch arch;
    memcpy(&arch, net->arch, sizeof arch);
    if (at < nets->count && !strcmp(nets->entries[at].id, net->id) && hash_equal(nets->entries[at].content, net->content) &&
        !memcmp(&nets->entries[at].arch, &arch, sizeof arch))
        return 0;
    int r = net_arch_check(&arch, err);
    if (r)
        return err_prefix(err, r, "net %s", net->id);
    if (net->bytes != net_parameter_count(&arch) * sizeof(float))
        return err_set(err, ERR_MISMATCH, "net %s has %u bytes, its architecture needs %zu", net->id, net->bytes,
                       net_parameter_count(&arch) * sizeof(float));
    if (at == nets->count)
        nets->entries[nets->count++].weights = NULL;
    if (nets->entries[at].weights && memcmp(&nets->entries[at].arch, &arch, sizeof arch))
        net_weights_destroy(&nets->entries[at].weights);
    if (!nets->entries[at].weights && net_weights_create(&nets->entries[at].weights, &arch))
        return err_set(err, ERR_NOMEM, "net %s: out of memory", net->id);
    net_weights_set_float(nets->entries[at].weights, weights->blobs[which]);
    snprintf(nets->entries[at].id, sizeof nets->entries[at].id, "%s", net->id);
    nets->entries[at].content = net->content;
    nets->entries[at].arch = arch;
    return 0;
}

int nets_update(struct nets *nets, const struct weights *weights, struct err *err)
{
    int n = weights->manifest.n_nets;
    while (nets->count > n)
        net_weights_destroy(&nets->entries[--nets->count].weights);
    for (int i = 0; i < n; i++) {
        int r = update_entry(nets, i, weights, i, err);
        if (r) {
            nets_deinit(nets); /* half a version is none */
            return r;
        }
    }
    return 0;
}

const struct net_weights *nets_find(const struct nets *nets, const char *id)
{
    for (int i = 0; i < nets->count; i++)
        if (!strcmp(nets->entries[i].id, id))
            return nets->entries[i].weights;
    return NULL;
}

size_t nets_scratch(const struct nets *nets, int rows)
{
    size_t most = 0;
    for (int i = 0; i < nets->count; i++) {
        size_t bytes = net_act_scratch(&nets->entries[i].arch, rows);
        most = bytes > most ? bytes : most;
    }
    return most;
}

size_t nets_gradient_scratch(const struct nets *nets, int rows)
{
    size_t most = nets_scratch(nets, rows);
    for (int i = 0; i < nets->count; i++) {
        size_t bytes = nets->entries[i].arch.gru ? 0 : net_act_input_gradient_scratch(&nets->entries[i].arch, rows);
        most = bytes > most ? bytes : most;
    }
    return most;
}
