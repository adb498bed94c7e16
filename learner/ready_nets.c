#include "learner/ready_nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ready {
    char id[32];
    struct net_arch arch;
    struct net_weights *net; /* of that architecture, or NULL */
};

struct shelf { /* one version */
    struct weights_version version;
    uint64_t used; /* when, counted in takes; 0: empty */
    int count, made;
    struct ready nets[WEIGHTS_NETS_MAX]; /* count of the version; made: with storage */
};

struct ready_nets {
    int n_shelves;
    struct shelf *shelves, *taken;
    uint64_t takes;
    struct arena scratch;
};

_Static_assert(sizeof(struct net_arch) == sizeof(int32_t) * WEIGHTS_ARCH_NUMBERS, "an architecture is its numbers on the wire");

int ready_nets_create(struct ready_nets **nets, int versions)
{
    struct ready_nets *new = calloc(1, sizeof *new);
    *nets = new;
    if (new)
        new->shelves = calloc((size_t)versions, sizeof *new->shelves);
    if (new &&new->shelves) {
        new->n_shelves = versions;
        return 0;
    }
    ready_nets_destroy(nets);
    return ERR_NOMEM;
}

void ready_nets_destroy(struct ready_nets **nets)
{
    struct ready_nets *old = *nets;
    if (!old)
        return;
    for (int v = 0; v < old->n_shelves; v++)
        for (int i = 0; i < old->shelves[v].made; i++)
            net_weights_destroy(&old->shelves[v].nets[i].net);
    arena_deinit(&old->scratch);
    free(old->shelves);
    free(old);
    *nets = NULL;
}

/* Storage of an earlier version is used again where the architecture stayed. */
static int fill(struct ready *ready, const struct weights *weights, int which, struct err *err)
{
    const struct manifest_net *from = &weights->manifest.nets[which];
    struct net_arch arch;
    memcpy(&arch, from->arch, sizeof arch);
    if (net_arch_check(&arch, err) || from->bytes != net_parameter_count(&arch) * sizeof(float))
        return err_set(err, ERR_STATE, "net %s does not fit its architecture", from->id);
    if (ready->net && memcmp(&ready->arch, &arch, sizeof arch))
        net_weights_destroy(&ready->net);
    if (!ready->net && net_weights_create(&ready->net, &arch))
        return err_set(err, ERR_NOMEM, "no memory for net %s", from->id);
    net_weights_set_float(ready->net, weights->blobs[which]);
    snprintf(ready->id, sizeof ready->id, "%s", from->id);
    ready->arch = arch;
    return 0;
}

static int fill_shelf(struct shelf *shelf, const struct weights *weights, struct err *err)
{
    shelf->used = 0;
    shelf->count = 0;
    for (int i = 0; i < weights->manifest.n_nets; i++) {
        int r = fill(&shelf->nets[i], weights, i, err);
        shelf->made = i + 1 > shelf->made ? i + 1 : shelf->made;
        if (r)
            return r;
        shelf->count = i + 1;
    }
    shelf->version = weights->manifest.version;
    return 0;
}

static int make_scratch(struct ready_nets *nets, int rows, struct err *err)
{
    size_t need = ARENA_ALIGN;
    for (int i = 0; i < nets->taken->count; i++) {
        size_t bytes = net_act_scratch(&nets->taken->nets[i].arch, rows) + ARENA_ALIGN;
        need = bytes > need ? bytes : need;
    }
    if (need <= nets->scratch.size)
        return 0;
    arena_deinit(&nets->scratch);
    return arena_init(&nets->scratch, "re-scoring", need) ? err_set(err, ERR_NOMEM, "no memory for %zu bytes of scratch", need) : 0;
}

int ready_nets_take(struct ready_nets *nets, const struct weights *weights, int rows, struct err *err)
{
    struct shelf *shelf = &nets->shelves[0];
    for (int v = 0; v < nets->n_shelves; v++) {
        struct shelf *at = &nets->shelves[v];
        if (at->used && !weights_version_compare(at->version, weights->manifest.version)) {
            shelf = at;
            break;
        }
        if (at->used < shelf->used)
            shelf = at;
    }
    if (!shelf->used || weights_version_compare(shelf->version, weights->manifest.version)) {
        int r = fill_shelf(shelf, weights, err);
        if (r)
            return r;
    }
    shelf->used = ++nets->takes;
    nets->taken = shelf;
    return make_scratch(nets, rows, err);
}

const struct net_weights *ready_nets_find(const struct ready_nets *nets, const char *id)
{
    for (int i = 0; i < nets->taken->count; i++)
        if (!strcmp(nets->taken->nets[i].id, id))
            return nets->taken->nets[i].net;
    return NULL;
}

struct arena *ready_nets_scratch(struct ready_nets *nets)
{
    return &nets->scratch;
}
