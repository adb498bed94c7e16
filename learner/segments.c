/* The list is in order of ids and of record numbers. Only its last entry can be open (fd >= 0). Invariant: an entry's `synced` is a state of
 * the file that a sync has confirmed, `now` is `synced` or ahead of it. */
#include "learner/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are stored little-endian and copied as they lie");

static const char magic[8] = {'T', 'S', 'T', 'D', 'S', 'E', 'G', '1'};

struct header {
    char magic[8];
    uint64_t id;
    uint64_t zero[6];
};

struct head { /* of a record */
    uint64_t number;
    uint32_t length, is_terminated;
    uint64_t bytes, zero;
    uint64_t hash[2];
};

_Static_assert(sizeof(struct header) == SEGMENT_HEADER_BYTES && sizeof(struct head) == SEGMENT_RECORD_BYTES, "the file's layout");

struct segment {
    struct segment_reference now, synced; /* synced.records 0: none of it */
    bool is_offered;                      /* to a checkpoint */
};

struct segments {
    char folder[PATH_MAX];
    struct segment *list; /* [capacity] */
    int count, capacity, fd;
    int64_t next_id, next_number, lowest_id; /* lowest: of the files on disk */
    int64_t segment_bytes, ceiling_bytes, disk_bytes;
    bool has_new_names;
};

/* ---- one segment's bytes ---- */

static struct head head_of(const struct segment_record *record)
{
    return (struct head){.number = (uint64_t)record->number,
                         .length = record->length,
                         .is_terminated = record->is_terminated,
                         .bytes = record->bytes};
}

struct hash segment_hash(const struct segment_record *record)
{
    const struct head head = head_of(record);
    return hash_combine(hash_bytes(&head, offsetof(struct head, hash)), hash_bytes(record->data, record->bytes));
}

static int check_header(const struct segment_reference *reference, const unsigned char *data, const char *name, struct err *err)
{
    struct header header;
    memcpy(&header, data, sizeof header);
    if (memcmp(header.magic, magic, sizeof magic))
        return err_set(err, ERR_FORMAT, "segment \"%s\" does not begin with %.8s: it is none, or was altered", name, magic);
    if (header.id != (uint64_t)reference->id)
        return err_set(err, ERR_MISMATCH, "segment \"%s\" says it is number %" PRIu64 ", expected %" PRId64, name, header.id,
                       reference->id);
    return 0;
}

/* The record at `at`, checked against what is left of the file and its own hash. */
static int take_record(const unsigned char *data, size_t length, size_t at, const char *name, struct segment_record *record,
                       struct err *err)
{
    struct head head;
    if (length - at < sizeof head)
        return err_set(err, ERR_FORMAT, "segment \"%s\" ends inside the record at byte %zu, %zu bytes behind its start", name, at,
                       length - at);
    memcpy(&head, data + at, sizeof head);
    if (head.bytes > length - at - sizeof head || head.number > INT64_MAX || head.is_terminated > 1 || head.zero)
        return err_set(err, ERR_FORMAT, "segment \"%s\": no record at byte %zu (%" PRIu64 " bytes, %zu are left)", name, at,
                       head.bytes, length - at - sizeof head);
    *record = (struct segment_record){.number = (int64_t)head.number,
                                      .length = head.length,
                                      .is_terminated = head.is_terminated,
                                      .data = data + at + sizeof head,
                                      .bytes = (size_t)head.bytes,
                                      .hash = {head.hash[0], head.hash[1]}};
    struct hash found = segment_hash(record);
    char is[HASH_TEXT_SIZE], expected[HASH_TEXT_SIZE];
    hash_text(found, is);
    hash_text(record->hash, expected);
    if (!hash_equal(found, record->hash))
        return err_set(err, ERR_MISMATCH, "segment \"%s\": record at byte %zu has hash %s, expected %s: it was altered", name, at,
                       is, expected);
    return 0;
}

int segment_parse(const struct segment_reference *reference, const void *data, size_t length, const char *name,
                  segment_visitor *visit, void *context, struct err *err)
{
    size_t end = (size_t)reference->bytes, at = SEGMENT_HEADER_BYTES;
    if (reference->bytes < SEGMENT_HEADER_BYTES || length < end)
        return err_set(err, ERR_MISMATCH, "segment \"%s\" has %zu bytes, expected at least %" PRId64 ": it was cut off", name,
                       length, reference->bytes);
    int r = check_header(reference, data, name, err);
    struct hash chain = {0, 0};
    int64_t records = 0, last = -1;
    for (; !r && at < end; records++) {
        struct segment_record record;
        if ((r = take_record(data, end, at, name, &record, err)))
            break;
        if (record.number <= last)
            return err_set(err, ERR_FORMAT, "segment \"%s\": record at byte %zu is number %" PRId64 " behind %" PRId64, name, at,
                           record.number, last);
        last = record.number;
        chain = hash_combine(chain, record.hash);
        at += SEGMENT_RECORD_BYTES + record.bytes;
        r = visit(context, &record, err);
    }
    if (r || (records == reference->records && hash_equal(chain, reference->hash)))
        return r;
    char is[HASH_TEXT_SIZE], expected[HASH_TEXT_SIZE];
    hash_text(chain, is);
    hash_text(reference->hash, expected);
    return err_set(err, ERR_MISMATCH,
                   "segment \"%s\" has %" PRId64 " records with hash %s, expected %" PRId64 " with %s: it is another one", name,
                   records, is, reference->records, expected);
}

/* ---- files ---- */

static void path_of(const struct segments *segments, int64_t id, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%.*s/%08" PRId64 ".segment", PATH_MAX - 32, segments->folder, id);
}

static bool parse_name(const char *name, int64_t *id)
{
    char *end;
    if (name[0] < '0' || name[0] > '9')
        return false;
    *id = strtoll(name, &end, 10);
    return !strcmp(end, ".segment") && *id < INT64_MAX / 2;
}

static bool is_kept(const struct segments *segments, const int64_t *kept, int n, int64_t id)
{
    for (int i = 0; i < n; i++)
        if (kept[i] == id)
            return true;
    for (int i = 0; i < segments->count; i++)
        if (segments->list[i].now.id == id)
            return true;
    return false;
}

/* Counts what is on disk, after removing what is not kept; n < 0: nothing is removed. */
static int scan(struct segments *segments, const int64_t *kept, int n, struct err *err)
{
    char path[PATH_MAX];
    struct stat info;
    DIR *dir = opendir(segments->folder);
    if (!dir)
        return err_set(err, ERR_IO, "cannot read folder \"%s\": %s", segments->folder, strerror(errno));
    segments->disk_bytes = 0;
    segments->lowest_id = INT64_MAX;
    for (struct dirent *entry; (entry = readdir(dir));) {
        int64_t id;
        if (!parse_name(entry->d_name, &id))
            continue;
        path_of(segments, id, path);
        if (n >= 0 && !is_kept(segments, kept, n, id) && !unlink(path))
            continue;
        if (!stat(path, &info))
            segments->disk_bytes += info.st_size;
        if (id < segments->lowest_id)
            segments->lowest_id = id;
        if (id >= segments->next_id)
            segments->next_id = id + 1;
    }
    closedir(dir);
    return 0;
}

static int grow(struct segments *segments, int count)
{
    if (count <= segments->capacity)
        return 0;
    int capacity = 2 * count + 64;
    struct segment *larger = realloc(segments->list, (size_t)capacity * sizeof *larger);
    if (!larger)
        return ERR_NOMEM;
    segments->list = larger;
    segments->capacity = capacity;
    return 0;
}

int segments_open(struct segments **out, const char *run, int64_t segment_bytes, int64_t ceiling_bytes, struct err *err)
{
    struct segments *segments = calloc(1, sizeof *segments);
    if (!segments)
        return err_set(err, ERR_NOMEM, "no memory for the replay's segments");
    *segments = (struct segments){.fd = -1, .segment_bytes = segment_bytes, .ceiling_bytes = ceiling_bytes};
    int r = file_join(segments->folder, sizeof segments->folder, run, "replay");
    if (r || strlen(segments->folder) > PATH_MAX - 32)
        r = err_set(err, ERR_LIMIT, "path of \"%.200s\" is too long", run);
    if (!r)
        r = file_make_folder(segments->folder, err);
    if (!r)
        r = scan(segments, NULL, -1, err);
    if (!r && grow(segments, 1))
        r = err_set(err, ERR_NOMEM, "no memory for the replay's segments");
    if (r)
        segments_close(&segments);
    *out = segments;
    return r;
}

static void close_open(struct segments *segments)
{
    if (segments->fd >= 0)
        close(segments->fd); /* what this would tell, a sync tells, too */
    segments->fd = -1;
}

void segments_close(struct segments **segments_at)
{
    if (!*segments_at)
        return;
    close_open(*segments_at);
    free((*segments_at)->list);
    free(*segments_at);
    *segments_at = NULL;
}

/* ---- appending ---- */

static int write_at(int fd, const void *data, size_t length, int64_t at)
{
    for (size_t done = 0; done < length;) {
        ssize_t put = pwrite(fd, (const char *)data + done, length - done, (off_t)(at + (int64_t)done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return ERR_IO;
        done += (size_t)put;
    }
    return 0;
}

static int open_next(struct segments *segments, struct err *err)
{
    char path[PATH_MAX];
    struct header header = {.id = (uint64_t)segments->next_id};
    memcpy(header.magic, magic, sizeof magic);
    if (grow(segments, segments->count + 1))
        return err_set(err, ERR_NOMEM, "no memory for another segment");
    path_of(segments, segments->next_id, path);
    segments->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (segments->fd < 0)
        return err_set(err, ERR_IO, "cannot create segment \"%s\": %s", path, strerror(errno));
    if (write_at(segments->fd, &header, sizeof header, 0)) {
        int reason = errno;
        close_open(segments);
        unlink(path);
        return err_set(err, ERR_IO, "cannot write segment \"%s\": %s", path, strerror(reason));
    }
    segments->has_new_names = true;
    segments->disk_bytes += SEGMENT_HEADER_BYTES;
    if (segments->next_id < segments->lowest_id)
        segments->lowest_id = segments->next_id;
    segments->list[segments->count++] =
        (struct segment){.now = {.id = segments->next_id++, .bytes = SEGMENT_HEADER_BYTES, .first = -1}};
    return 0;
}

/* The system may begin to write it out: then a checkpoint has less to wait for. */
static void seal(struct segments *segments)
{
    (void)sync_file_range(segments->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    close_open(segments);
}

int segments_append(struct segments *segments, const struct segment_record *record, struct err *err)
{
    int64_t need = SEGMENT_RECORD_BYTES + (int64_t)record->bytes;
    struct head head = head_of(record);
    head.hash[0] = record->hash.high;
    head.hash[1] = record->hash.low;
    ASSERT(record->number >= segments->next_number);
    if (segments->disk_bytes + need + SEGMENT_HEADER_BYTES > segments->ceiling_bytes)
        return err_set(err, ERR_LIMIT, "segments in \"%s\" have %" PRId64 " bytes, and replay.disk_bytes allows %" PRId64,
                       segments->folder, segments->disk_bytes, segments->ceiling_bytes);
    int r = segments->fd < 0 ? open_next(segments, err) : 0;
    if (r)
        return r;
    struct segment_reference *now = &segments->list[segments->count - 1].now;
    if (write_at(segments->fd, &head, sizeof head, now->bytes) ||
        write_at(segments->fd, record->data, record->bytes, now->bytes + (int64_t)sizeof head)) {
        char path[PATH_MAX];
        err_set(err, ERR_IO, "cannot write segment \"%s\": %s", (path_of(segments, now->id, path), path), strerror(errno));
        (void)!ftruncate(segments->fd, (off_t)now->bytes); /* the next one goes to the same place in any case */
        return ERR_IO;
    }
    now->bytes += need;
    now->hash = hash_combine(now->hash, record->hash);
    now->first = now->records++ ? now->first : record->number;
    now->last = record->number;
    segments->disk_bytes += need;
    segments->next_number = record->number + 1;
    if (now->bytes >= segments->segment_bytes)
        seal(segments);
    return 0;
}

int64_t segments_next(const struct segments *segments)
{
    return segments->next_number;
}

static void remove_file(struct segments *segments, int64_t id, int64_t bytes)
{
    char path[PATH_MAX];
    path_of(segments, id, path);
    if (!unlink(path))
        segments->disk_bytes -= bytes;
}

/* Goes back to what the last good sync has confirmed. */
static void roll_back(struct segments *segments)
{
    close_open(segments);
    for (; segments->count; segments->count--) {
        struct segment *last = &segments->list[segments->count - 1];
        if (last->synced.records) {
            last->now = last->synced;
            break;
        }
        remove_file(segments, last->now.id, last->now.bytes);
    }
    segments->next_number = segments->count ? segments->list[segments->count - 1].now.last + 1 : 0;
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC), r = fd < 0 || fsync(fd);
    if (fd >= 0)
        close(fd);
    return r;
}

int segments_sync(struct segments *segments, struct err *err)
{
    char path[PATH_MAX] = "";
    int failed = 0;
    for (int i = 0; i < segments->count && !failed; i++) {
        struct segment *segment = &segments->list[i];
        if (segment->synced.records == segment->now.records)
            continue;
        path_of(segments, segment->now.id, path);
        failed = sync_path(path, O_WRONLY);
    }
    if (!failed && segments->has_new_names) {
        snprintf(path, sizeof path, "%s", segments->folder);
        failed = sync_path(path, O_RDONLY | O_DIRECTORY);
    }
    if (failed) {
        err_set(err, ERR_IO, "cannot sync \"%s\": %s", path, strerror(errno));
        roll_back(segments);
        return ERR_IO;
    }
    segments->has_new_names = false;
    for (int i = 0; i < segments->count; i++) {
        segments->list[i].synced = segments->list[i].now;
        segments->list[i].is_offered = true;
    }
    return 0;
}

void segments_forget(struct segments *segments, int64_t first)
{
    int gone = 0;
    while (gone < segments->count && segments->list[gone].now.last < first && !(segments->fd >= 0 && gone == segments->count - 1)) {
        const struct segment *old = &segments->list[gone++];
        if (!old->is_offered)
            remove_file(segments, old->now.id, old->now.bytes);
    }
    if (!gone)
        return;
    segments->count -= gone;
    memmove(segments->list, segments->list + gone, (size_t)segments->count * sizeof *segments->list);
}

/* ---- what checkpoints refer to ---- */

int segments_count(const struct segments *segments)
{
    bool is_last_empty = segments->count && !segments->list[segments->count - 1].now.records; /* its first record failed */
    return segments->count - is_last_empty;
}

const struct segment_reference *segments_at(const struct segments *segments, int i)
{
    ASSERT(i >= 0 && i < segments->count);
    return &segments->list[i].now;
}

int segments_read(const struct segments *segments, const struct segment_reference *reference, segment_visitor *visit, void *context,
                  struct err *err)
{
    char path[PATH_MAX];
    unsigned char *data;
    size_t length;
    path_of(segments, reference->id, path);
    int r = file_read_first(path, (size_t)reference->bytes, &data, &length, err);
    if (r)
        return r;
    r = segment_parse(reference, data, length, path, visit, context, err);
    free(data);
    return r;
}

int segments_resume(struct segments *segments, const struct segment_reference *references, int n, struct err *err)
{
    if (grow(segments, n))
        return err_set(err, ERR_NOMEM, "no memory for %d segments", n);
    close_open(segments);
    for (int i = 0; i < n; i++)
        segments->list[i] = (struct segment){.now = references[i], .synced = references[i], .is_offered = true};
    segments->count = n;
    segments->next_number = n ? references[n - 1].last + 1 : 0;
    return 0;
}

int segments_keep(struct segments *segments, const int64_t *kept, int n, struct err *err)
{
    return scan(segments, kept, n, err);
}

bool segments_have_old(const struct segments *segments)
{
    return segments->lowest_id < (segments->count ? segments->list[0].now.id : segments->next_id);
}

int64_t segments_disk_bytes(const struct segments *segments)
{
    return segments->disk_bytes;
}
