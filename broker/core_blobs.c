/* Blobs of the learner, cached for all who ask, and versions that become the newest: see core_parts.h. */
#include "base/log.h"
#include "broker/core_parts.h"

static void send_chunk(struct broker_core *core, const struct wire_peer *peer, const struct message_fetch *fetch)
{
    uint32_t bytes = 0;
    const unsigned char *part, *data = fetcher_find(core->cache, fetch->hash, &bytes);
    size_t part_bytes;
    core->out->kind = MESSAGE_CHUNK;
    fetch_slice(fetch, data, bytes, &core->out->chunk, &part, &part_bytes);
    (void)core_emit(core, peer, part, part_bytes); /* lost: asked again after a second */
}

static void serve_waiters(struct broker_core *core, struct hash hash)
{
    struct waiter waiter;
    while (waiters_take(core->waiters, hash, &waiter))
        send_chunk(core, &waiter.peer, &waiter.fetch);
}

void core_on_fetch(struct broker_core *core, const struct wire_peer *peer)
{
    const struct message_fetch fetch = core->in->fetch;
    uint32_t bytes;
    bool is_learner = core->learner.incarnation && wire_peer_equal(peer, &core->learner.peer);
    if (is_learner || fetcher_find(core->cache, fetch.hash, &bytes))
        send_chunk(core, peer, &fetch);
    else if (core_has_learner(core) && !fetcher_want(core->cache, (struct blob_name){fetch.hash, fetch.bytes}))
        waiters_add(core->waiters, peer, &fetch);
    /* Else no answer, and the question comes again: "unknown" is for the learner to say. */
}

void core_request_blobs(struct broker_core *core, monotonic_us now)
{
    if (!core_has_learner(core))
        return;
    core->out->kind = MESSAGE_FETCH;
    while (fetcher_request(core->cache, now, &core->out->fetch))
        if (core_emit(core, &core->learner.peer, NULL, 0))
            return;
}

/* The contents of the last few versions stay in the cache; older ones may go when room is needed. */
static void keep_contents(struct broker_core *core, const struct publication *publication)
{
    struct hash *kept = core->kept[core->kept_at];
    int n = 0;
    kept[n++] = publication->name.hash;
    for (int i = 0; i < publication->manifest.n_nets; i++)
        kept[n++] = publication->manifest.nets[i].content;
    core->n_kept[core->kept_at] = n;
    core->kept_at = (core->kept_at + 1) % STORED_VERSIONS;
    fetcher_unkeep_all(core->cache);
    fetcher_keep(core->cache, core->learner.recipe.hash);
    for (int v = 0; v < STORED_VERSIONS; v++)
        for (int i = 0; i < core->n_kept[v]; i++)
            fetcher_keep(core->cache, core->kept[v][i]);
    for (int i = 0; i < core->n_actors; i++)
        fetcher_keep(core->cache, core->actors[i].description.hash);
}

static bool read_publication(struct broker_core *core)
{
    struct publication *next = &core->next;
    struct err err;
    uint32_t bytes;
    const unsigned char *data = fetcher_find(core->cache, next->name.hash, &bytes);
    if (!data)
        return false;
    if (manifest_decode(&next->manifest, data, bytes, &err) || weights_version_compare(next->manifest.version, next->version)) {
        log_warning("manifest refused reason=\"%s\"", err.text);
        core->counts.malformed++;
        next->is_pending = false;
        return false;
    }
    next->has_manifest = true;
    return true;
}

void core_advance_publication(struct broker_core *core)
{
    struct publication *next = &core->next;
    if (!next->is_pending || (!next->has_manifest && !read_publication(core)))
        return;
    int missing = 0;
    for (int i = 0; i < next->manifest.n_nets; i++) {
        const struct manifest_net *net = &next->manifest.nets[i];
        uint32_t bytes;
        if (fetcher_find(core->cache, net->content, &bytes))
            continue;
        missing++;
        if (fetcher_want(core->cache, (struct blob_name){net->content, net->bytes}))
            log_detail("version waits reason=\"cache full\"");
    }
    if (missing)
        return;
    keep_contents(core, next);
    next->is_pending = false;
    core->newest = next->version;
    core->newest_manifest = next->name;
    core->roster_dirty = true;
    core_states_due(core);
}

void core_on_chunk(struct broker_core *core, monotonic_us now, const void *payload, size_t payload_bytes)
{
    struct hash hash = core->in->chunk.hash;
    int r = fetcher_chunk(core->cache, now, &core->in->chunk, payload, payload_bytes);
    if (r == 1) {
        core_advance_publication(core);
        serve_waiters(core, hash);
    } else if (r == ERR_UNKNOWN) {
        fetcher_drop(core->cache, hash);
        serve_waiters(core, hash);
    } else if (r < 0)
        core->counts.malformed++;
}

void core_on_publish(struct broker_core *core)
{
    const struct message_publish *publish = &core->in->publish;
    struct publication *next = &core->next;
    if (weights_version_compare(publish->version, core->newest) <= 0 ||
        (next->is_pending && weights_version_compare(publish->version, next->version) <= 0))
        return;
    if (publish->manifest.bytes > MANIFEST_BYTES_MAX || fetcher_want(core->cache, publish->manifest)) {
        core->counts.malformed++;
        return;
    }
    next->version = publish->version;
    next->name = publish->manifest;
    next->is_pending = true;
    next->has_manifest = false;
    core_advance_publication(core);
}
