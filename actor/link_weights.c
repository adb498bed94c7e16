/* Versions of the weights: fetched by their manifest, put together, kept while orders need them. See link_parts.h. */
#include "actor/link_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct version_slot *link_version_find(struct actor_link *link, struct weights_version version)
{
    for (int i = 0; i < VERSIONS_MAX; i++)
        if (link->versions[i].is_used && !weights_version_compare(link->versions[i].version, version))
            return &link->versions[i];
    return NULL;
}

void link_version_drop(struct version_slot *slot)
{
    weights_unref(&slot->weights);
    free(slot->manifest);
    *slot = (struct version_slot){0};
}

static bool version_is_needed(const struct actor_link *link, const struct version_slot *slot)
{
    if (!weights_version_compare(slot->version, link->newest))
        return true;
    for (int i = 0; i < link->queue_count; i++)
        if (!weights_version_compare(link->queue[(link->queue_start + i) % QUEUE_MAX].work->order.version, slot->version))
            return true;
    return false;
}

/* Drops versions that nothing names any more, with the blobs that were only theirs. */
void link_versions_trim(struct actor_link *link)
{
    fetcher_unkeep_all(link->fetcher);
    fetcher_keep(link->fetcher, link->recipe.hash);
    for (int i = 0; i < VERSIONS_MAX; i++) {
        struct version_slot *slot = &link->versions[i];
        if (slot->is_used && !version_is_needed(link, slot))
            link_version_drop(slot);
        if (!slot->is_used || slot->weights)
            continue;
        fetcher_keep(link->fetcher, slot->name.hash);
        for (int n = 0; slot->has_manifest && n < slot->manifest->n_nets; n++)
            fetcher_keep(link->fetcher, slot->manifest->nets[n].content);
    }
    fetcher_sweep(link->fetcher);
}

/* Starts to fetch a version. All slots busy: tried again when a message or tick comes. */
static void version_want(struct actor_link *link, struct weights_version version, struct blob_name manifest)
{
    if (link_version_find(link, version) || manifest.bytes == 0 || manifest.bytes > MANIFEST_BYTES_MAX)
        return;
    link_versions_trim(link);
    for (int i = 0; i < VERSIONS_MAX; i++) {
        struct version_slot *slot = &link->versions[i];
        if (slot->is_used)
            continue;
        if (fetcher_want(link->fetcher, manifest))
            return;
        *slot = (struct version_slot){.version = version, .name = manifest, .is_used = true};
        return;
    }
}

static bool version_read_manifest(struct actor_link *link, struct version_slot *slot)
{
    struct err err;
    uint32_t bytes;
    const unsigned char *data = fetcher_find(link->fetcher, slot->name.hash, &bytes);
    if (!data) {
        if (fetcher_want(link->fetcher, slot->name)) /* no room now: the next tick tries again */
            log_detail("manifest waits reason=\"no room\"");
        return false;
    }
    if (!(slot->manifest = malloc(sizeof *slot->manifest)))
        return false;
    if (manifest_decode(slot->manifest, data, bytes, &err) || weights_version_compare(slot->manifest->version, slot->version)) {
        log_warning("manifest refused version=%u.%llu", slot->version.generation, (unsigned long long)slot->version.number);
        link->malformed++;
        link_version_drop(slot);
        return false;
    }
    slot->has_manifest = true;
    return true;
}

/* Moves finished nets into the store (which checks that all numbers are finite); true when none is missing. */
static bool version_collect(struct actor_link *link, struct version_slot *slot)
{
    int missing[WEIGHTS_NETS_MAX], left = 0;
    int n = manifest_missing(slot->manifest, link->nets, missing);
    for (int i = 0; i < n; i++) {
        const struct manifest_net *net = &slot->manifest->nets[missing[i]];
        struct err err;
        uint32_t bytes;
        const unsigned char *data = fetcher_find(link->fetcher, net->content, &bytes);
        if (data && blob_store_write(link->nets, net->content, bytes, 0, data, bytes, &err) == 1)
            continue;
        left++; /* whatever failed (most likely room) is tried again at the next tick */
        if (data)
            manifest_trim(slot->manifest, link->nets);
        else if (fetcher_want(link->fetcher, (struct blob_name){net->content, net->bytes}))
            link_versions_trim(link);
    }
    return left == 0;
}

void link_versions_advance(struct actor_link *link)
{
    struct err err;
    version_want(link, link->newest, link->newest_manifest);
    for (int i = 0; i < link->queue_count; i++) {
        const struct queued *queued = &link->queue[(link->queue_start + i) % QUEUE_MAX];
        version_want(link, queued->work->order.version, queued->manifest);
    }
    for (int i = 0; i < VERSIONS_MAX; i++) {
        struct version_slot *slot = &link->versions[i];
        if (!slot->is_used || slot->weights || (!slot->has_manifest && !version_read_manifest(link, slot)))
            continue;
        if (!version_collect(link, slot))
            continue;
        if (weights_from_manifest(&slot->weights, slot->manifest, link->nets, &err)) {
            log_warning("weights refused reason=\"%s\"", err.text);
            link->malformed++;
            link_version_drop(slot);
            continue;
        }
        log_detail("weights complete version=%u.%llu", slot->version.generation, (unsigned long long)slot->version.number);
        manifest_trim(slot->manifest, link->nets);
    }
}
