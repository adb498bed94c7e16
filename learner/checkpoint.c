#include "learner/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "learner/replay.h"
#include "learner/trainer.h"
#include "math/blas_core.h"

enum { KEPT = 2, LISTED_MAX = 64 };

void checkpoint_path(char *path, size_t size, const char *run, uint64_t updates)
{
    snprintf(path, size, "%s/checkpoints/%08" PRIu64 ".safetensors", run, updates);
}

/* The number in "00000050.safetensors"; false for any other name. */
static bool parse_name(const char *name, uint64_t *updates)
{
    char *end;
    if (name[0] < '0' || name[0] > '9')
        return false;
    *updates = strtoull(name, &end, 10);
    return !strcmp(end, ".safetensors");
}

/* The `n` highest numbers of checkpoints in a run folder, highest first; returns how many there are of them. */
static int highest(const char *run, uint64_t *updates, int n)
{
    char folder[PATH_MAX];
    int found = 0;
    if (file_join(folder, sizeof folder, run, "checkpoints"))
        return 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        uint64_t value;
        if (!parse_name(entry->d_name, &value))
            continue;
        int at = 0;
        while (at < found && updates[at] > value)
            at++;
        if (at == n)
            continue;
        found += found < n;
        memmove(updates + at + 1, updates + at, (size_t)(found - 1 - at) * sizeof *updates);
        updates[at] = value;
    }
    if (dir)
        closedir(dir);
    return found;
}

int checkpoint_newest(char *path, size_t size, const char *run, struct err *err)
{
    uint64_t updates[1];
    if (highest(run, updates, 1) == 0)
        return err_set(err, ERR_UNKNOWN, "no checkpoint in \"%s/checkpoints\"", run);
    checkpoint_path(path, size, run, updates[0]);
    return 0;
}

/* ---- books ---- */

static int add_bytes(struct safetensors *file, const char *name, int failed, unsigned char *data, size_t length, struct err *err)
{
    int64_t shape = (int64_t)length;
    if (failed)
        return err_set(err, failed, "cannot save %s", name);
    int r = safetensors_add(file, name, TENSOR_U8, 1, &shape, data, err);
    free(data);
    return r;
}

static int add_history(struct safetensors *file, const struct convergence *convergence, struct err *err)
{
    int64_t shape[2] = {convergence->updates, convergence->victims.n};
    if (!convergence->updates)
        return 0;
    int r = safetensors_add(file, "history/sums", TENSOR_F64, 2, shape, convergence->sums, err);
    return r ? r : safetensors_add(file, "history/counts", TENSOR_F64, 2, shape, convergence->counts, err);
}

int checkpoint_add_books(struct safetensors *file, const struct ledger *ledger, const struct orders *orders,
                         const struct convergence *convergence, struct err *err)
{
    unsigned char *data = NULL;
    size_t length = 0;
    int failed = ledger_save(ledger, &data, &length);
    int r = add_bytes(file, "books/ledger", failed, data, length, err);
    if (r)
        return r;
    failed = orders_save(orders, &data, &length);
    r = add_bytes(file, "books/orders", failed, data, length, err);
    return r ? r : add_history(file, convergence, err);
}

int checkpoint_load_books(const struct safetensors *file, struct ledger *ledger, struct orders *orders,
                          struct convergence *convergence, struct err *err)
{
    const struct tensor *ledger_bytes = safetensors_find(file, "books/ledger"),
                        *orders_bytes = safetensors_find(file, "books/orders");
    const struct tensor *sums = safetensors_find(file, "history/sums"), *counts = safetensors_find(file, "history/counts");
    if (!ledger_bytes || !orders_bytes)
        return err_set(err, ERR_MISMATCH, "tensor books/ledger or books/orders is missing");
    int r = ledger_load(ledger, ledger_bytes->data, ledger_bytes->bytes, err);
    if (r || (r = orders_load(orders, orders_bytes->data, orders_bytes->bytes, err)) || !sums)
        return r;
    if (!counts || sums->type != TENSOR_F64 || counts->type != TENSOR_F64 || sums->n_dims != 2 || counts->n_dims != 2 ||
        memcmp(sums->shape, counts->shape, 2 * sizeof sums->shape[0]) || sums->shape[1] < 1 || sums->shape[1] > SPEC_AGENTS_MAX)
        return err_set(err, ERR_MISMATCH, "tensors history/sums and history/counts do not fit each other");
    r = convergence_restore(convergence, (int)sums->shape[1], sums->shape[0], sums->data, counts->data);
    return r ? err_set(err, r, "cannot restore the attack's history: %s", err_text(r)) : 0;
}

/* ---- writing ---- */

static void remove_old(const char *run, int kept, uint64_t written)
{
    uint64_t updates[LISTED_MAX];
    char path[PATH_MAX];
    int n = highest(run, updates, LISTED_MAX);
    for (int i = kept; i < n; i++) {
        if (updates[i] == 0 || updates[i] == written)
            continue;
        checkpoint_path(path, sizeof path, run, updates[i]);
        unlink(path);
    }
}

/* latest -> <file>, replaced in one step. */
static int move_link(const char *path, const char *run, struct err *err)
{
    char link[PATH_MAX], temporary[PATH_MAX];
    const char *name = strrchr(path, '/') + 1;
    snprintf(link, sizeof link, "%s/checkpoints/latest", run);
    snprintf(temporary, sizeof temporary, "%s/checkpoints/latest.tmp", run);
    unlink(temporary);
    if (symlink(name, temporary) || rename(temporary, link))
        return err_set(err, ERR_IO, "cannot point \"%s\" to %s: %s", link, name, strerror(errno));
    return 0;
}

int checkpoint_write(struct safetensors *file, const char *path, const char *run, struct err *err)
{
    char folder[PATH_MAX], text[HASH_TEXT_SIZE];
    uint64_t updates = 0;
    hash_text(checkpoint_hash(file), text);
    int r = safetensors_set_metadata(file, "hash", text, err);
    if (!r)
        r = safetensors_set_metadata(file, "core", blas_core_name(), err);
    if (!r && (r = file_join(folder, sizeof folder, run, "checkpoints")))
        err_set(err, r, "path of \"%s\" is too long", run);
    if (!r)
        r = file_make_folder(folder, err);
    if (!r)
        r = safetensors_write(file, path, err);
    if (!r)
        r = move_link(path, run, err);
    if (!r && parse_name(strrchr(path, '/') + 1, &updates))
        remove_old(run, KEPT, updates);
    return r;
}

/* ---- segments ---- */

struct ids { /* of segments that checkpoints refer to */
    int64_t *id;
    int count;
};

static int add_references(struct ids *ids, const char *path, struct err *err)
{
    struct safetensors *file = NULL;
    struct segment_reference *references = NULL;
    int n = safetensors_load(&file, path, err);
    if (!n)
        n = replay_references(file, &references, err);
    int64_t *more = n > 0 ? realloc(ids->id, (size_t)(ids->count + n) * sizeof *more) : ids->id;
    if (n > 0 && !more)
        n = err_set(err, ERR_NOMEM, "no memory for a list of segments");
    for (int i = 0; i < n; i++)
        more[ids->count + i] = references[i].id;
    if (n > 0) {
        ids->id = more;
        ids->count += n;
    }
    free(references);
    safetensors_destroy(&file);
    return n < 0 ? n : 0;
}

int checkpoint_prune_segments(const char *run, struct segments *segments, struct err *err)
{
    uint64_t updates[LISTED_MAX];
    char path[PATH_MAX];
    struct ids ids = {0};
    int n = highest(run, updates, LISTED_MAX), r = 0;
    if (n == LISTED_MAX) /* there may be more, and each counts */
        return err_set(err, ERR_LIMIT, "\"%s/checkpoints\" has %d checkpoints or more", run, n);
    for (int i = 0; i < n && !r; i++) {
        checkpoint_path(path, sizeof path, run, updates[i]);
        r = add_references(&ids, path, err);
    }
    if (!r)
        r = segments_keep(segments, ids.id, ids.count, err);
    free(ids.id);
    return r;
}

int checkpoint_make_room(const char *run, struct segments *segments, struct err *err)
{
    remove_old(run, 1, 0);
    return checkpoint_prune_segments(run, segments, err);
}

/* ---- identity ---- */

int checkpoint_next_generation(const char *run, uint32_t *generation, struct err *err)
{
    char path[PATH_MAX], text[32];
    unsigned char *data = NULL;
    size_t length;
    unsigned long long last = 0;
    if (file_join(path, sizeof path, run, "generation"))
        return err_set(err, ERR_LIMIT, "path of \"%s\" is too long", run);
    if (!access(path, F_OK)) {
        int r = file_read(path, 64, &data, &length, err);
        if (r)
            return r;
        char *end;
        last = strtoull((char *)data, &end, 10);
        bool is_bad = end == (char *)data || last >= UINT32_MAX;
        free(data);
        if (is_bad)
            return err_set(err, ERR_FORMAT, "\"%s\" does not hold a generation number", path);
    }
    *generation = (uint32_t)last + 1;
    int n = snprintf(text, sizeof text, "%u\n", *generation);
    return file_write(path, text, (size_t)n, err);
}

int checkpoint_run_name(char *name, size_t size, const char *run, struct err *err)
{
    char path[PATH_MAX], text[HASH_TEXT_SIZE];
    if (!realpath(run, path))
        return err_set(err, ERR_IO, "cannot resolve run folder \"%s\": %s", run, strerror(errno));
    hash_text(hash_bytes(path, strlen(path)), text);
    snprintf(name, size, "run-%s", text);
    return 0;
}

uint64_t checkpoint_incarnation(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}
