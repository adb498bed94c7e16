/* Versions of weights as shared snapshots: see weights.h. The counts of references are atomic, because the learner's update
 * thread publishes what its loop thread sends, and an actor's rollout thread acts with what its loop thread fetched. */
#include "wire/weights.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/name.h"

struct weights_owned {
    struct weights weights; /* first: a struct weights * is a struct weights_owned * */
    atomic_int refs;
    struct blob *blobs[WEIGHTS_NETS_MAX]; /* one reference each */
};

static struct weights_owned *owned_of(const struct weights *weights)
{
    return (struct weights_owned *)weights;
}

int weights_create(struct weights **weights, struct weights_version version)
{
    struct weights_owned *owned = calloc(1, sizeof *owned);
    *weights = owned ? &owned->weights : NULL;
    if (!owned)
        return ERR_NOMEM;
    atomic_init(&owned->refs, 1);
    owned->weights.manifest.version = version;
    return 0;
}

struct weights *weights_ref(struct weights *weights)
{
    atomic_fetch_add_explicit(&owned_of(weights)->refs, 1, memory_order_relaxed);
    return weights;
}

void weights_unref(struct weights **weights)
{
    if (!*weights)
        return;
    struct weights_owned *owned = owned_of(*weights);
    *weights = NULL;
    int before = atomic_fetch_sub_explicit(&owned->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1)
        return;
    for (int i = 0; i < owned->weights.manifest.n_nets; i++)
        blob_unref(&owned->blobs[i]);
    free(owned);
}

/* Takes over one reference to the blob. */
static void append_net(struct weights *weights, const struct manifest_net *net, struct blob *blob)
{
    int index = weights->manifest.n_nets++;
    weights->manifest.nets[index] = *net;
    weights->blobs[index] = blob->values;
    owned_of(weights)->blobs[index] = blob;
}

static int find_bad(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return (int)i;
    return -1;
}

int weights_add_net(struct weights *weights, const char *id, const int32_t arch[WEIGHTS_ARCH_NUMBERS], const float *values,
                    size_t count, struct err *err)
{
    struct manifest_net net = {0};
    if (weights->manifest.n_nets == WEIGHTS_NETS_MAX)
        return err_set(err, ERR_LIMIT, "cannot add net %s: there are %d already", id, WEIGHTS_NETS_MAX);
    if (!name_is_valid(id, sizeof net.id))
        return err_set(err, ERR_INVALID, "cannot add net \"%s\": not a valid id", id);
    if (weights_find(weights, id) >= 0)
        return err_set(err, ERR_DUPLICATE, "cannot add net %s: it is there already", id);
    if (count == 0 || count > WEIGHTS_BLOB_MAX / sizeof(float))
        return err_set(err, ERR_LIMIT, "cannot add net %s: %zu numbers, at most %zu", id, count, WEIGHTS_BLOB_MAX / sizeof(float));
    if (find_bad(values, count) >= 0)
        return err_set(err, ERR_NOT_FINITE, "cannot add net %s: number %d is not finite", id, find_bad(values, count));
    struct blob *blob = blob_create((uint32_t)(count * sizeof(float)));
    if (!blob)
        return err_set(err, ERR_NOMEM, "cannot add net %s: no memory for %zu numbers", id, count);
    memcpy(blob->values, values, blob->bytes);
    blob->content = hash_bytes(blob->values, blob->bytes);
    snprintf(net.id, sizeof net.id, "%s", id);
    memcpy(net.arch, arch, sizeof net.arch);
    net.bytes = blob->bytes;
    net.content = blob->content;
    append_net(weights, &net, blob);
    return 0;
}

static const struct manifest_table *find_table(const struct manifest *manifest, const char *name)
{
    for (int i = 0; i < manifest->n_tables; i++)
        if (strcmp(manifest->tables[i].name, name) == 0)
            return &manifest->tables[i];
    return NULL;
}

int weights_add_table(struct weights *weights, const char *name, const float *values, int count, struct err *err)
{
    struct manifest *manifest = &weights->manifest;
    if (manifest->n_tables == WEIGHTS_TABLES_MAX)
        return err_set(err, ERR_LIMIT, "cannot add table %s: there are %d already", name, WEIGHTS_TABLES_MAX);
    if (!name_is_valid(name, sizeof manifest->tables[0].name))
        return err_set(err, ERR_INVALID, "cannot add table \"%s\": not a valid name", name);
    if (find_table(manifest, name))
        return err_set(err, ERR_DUPLICATE, "cannot add table %s: it is there already", name);
    if (count < 1 || count > WEIGHTS_TABLE_VALUES_MAX)
        return err_set(err, ERR_LIMIT, "cannot add table %s: %d values, at most %d", name, count, WEIGHTS_TABLE_VALUES_MAX);
    if (find_bad(values, (size_t)count) >= 0)
        return err_set(err, ERR_NOT_FINITE, "cannot add table %s: value %d is not finite", name, find_bad(values, (size_t)count));
    struct manifest_table *table = &manifest->tables[manifest->n_tables++];
    snprintf(table->name, sizeof table->name, "%s", name);
    table->count = count;
    memcpy(table->values, values, (size_t)count * sizeof *values);
    return 0;
}

int weights_from_manifest(struct weights **weights, const struct manifest *manifest, struct blob_store *store, struct err *err)
{
    struct weights *made;
    *weights = NULL;
    for (int i = 0; i < manifest->n_nets; i++) {
        const struct blob *blob = blob_store_find(store, manifest->nets[i].content);
        if (!blob)
            return err_set(err, ERR_AGAIN, "version incomplete: the blob of net %s is missing", manifest->nets[i].id);
        if (blob->bytes != manifest->nets[i].bytes)
            return err_set(err, ERR_MISMATCH, "refused version: the blob of net %s has %u bytes, manifest says %u",
                           manifest->nets[i].id, blob->bytes, manifest->nets[i].bytes);
    }
    if (weights_create(&made, manifest->version))
        return err_set(err, ERR_NOMEM, "no memory for a version of weights");
    for (int i = 0; i < manifest->n_nets; i++)
        append_net(made, &manifest->nets[i], blob_ref(blob_store_find(store, manifest->nets[i].content)));
    made->manifest.n_tables = manifest->n_tables;
    memcpy(made->manifest.tables, manifest->tables, sizeof made->manifest.tables);
    *weights = made;
    return 0;
}

struct blob *weights_blob(const struct weights *weights, int net)
{
    ASSERT(net >= 0 && net < weights->manifest.n_nets);
    return owned_of(weights)->blobs[net];
}

int weights_put(const struct weights *weights, struct blob_store *store)
{
    int code = 0;
    for (int i = 0; !code && i < weights->manifest.n_nets; i++)
        code = blob_store_put(store, weights_blob(weights, i));
    return code;
}

int weights_find(const struct weights *weights, const char *id)
{
    for (int i = 0; i < weights->manifest.n_nets; i++)
        if (strcmp(weights->manifest.nets[i].id, id) == 0)
            return i;
    return -1;
}

float weights_scalar(const struct weights *weights, const char *name, float fallback)
{
    const struct manifest_table *table = find_table(&weights->manifest, name);
    return table ? table->values[0] : fallback;
}
