/* Segments of the replay: what was synced comes back bit for bit, whatever happened to the file behind its cursor; what is torn, altered,
 * missing or of another run is refused; a full disk and a ceiling change nothing. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "learner/segments.h"
#include "tests/local.h"

enum { SEGMENT = 4096, CEILING = 1 << 20, DATA = 1000 };

struct fixture {
    char run[PATH_MAX - 128];
    struct segments *segments;
    unsigned char data[DATA];
};

static void open_again(struct fixture *f, int64_t ceiling)
{
    struct err err = {""};
    segments_close(&f->segments);
    if (segments_open(&f->segments, f->run, SEGMENT, ceiling, &err))
        fail_msg("%s", err.text);
}

static void setup(struct fixture *f)
{
    *f = (struct fixture){.segments = NULL};
    snprintf(f->run, sizeof f->run, "%s/testudo-segments-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(f->run));
    open_again(f, CEILING);
}

static void teardown(struct fixture *f)
{
    char command[PATH_MAX];
    segments_close(&f->segments);
    snprintf(command, sizeof command, "rm -rf '%s'", f->run);
    assert_int_equal(system(command), 0);
}

static struct segment_record record_of(struct fixture *f, int64_t number)
{
    for (int i = 0; i < DATA; i++)
        f->data[i] = (unsigned char)(number * 31 + i * 7);
    struct segment_record record = {.number = number,
                                    .length = (uint32_t)(number % 5 + 1),
                                    .is_terminated = number % 2,
                                    .data = f->data,
                                    .bytes = (size_t)(DATA - number % 3 * 8)};
    record.hash = segment_hash(&record);
    return record;
}

static int append(struct fixture *f, int64_t number, struct err *err)
{
    struct segment_record record = record_of(f, number);
    return segments_append(f->segments, &record, err);
}

static void append_all(struct fixture *f, int64_t first, int64_t behind)
{
    struct err err = {""};
    for (int64_t number = first; number < behind; number++)
        if (append(f, number, &err))
            fail_msg("%s", err.text);
}

static void sync_all(struct fixture *f)
{
    struct err err = {""};
    if (segments_sync(f->segments, &err))
        fail_msg("%s", err.text);
}

struct reading {
    struct fixture *f;
    int64_t next;
};

static int compare(void *context, const struct segment_record *record, struct err *err)
{
    struct reading *reading = context;
    struct segment_record expected = record_of(reading->f, reading->next++);
    (void)err;
    assert_int_equal(record->number, expected.number);
    assert_int_equal(record->length, expected.length);
    assert_int_equal(record->is_terminated, expected.is_terminated);
    assert_int_equal(record->bytes, expected.bytes);
    assert_memory_equal(record->data, expected.data, expected.bytes);
    return 0;
}

static int ignore(void *context, const struct segment_record *record, struct err *err)
{
    (void)context, (void)record, (void)err;
    return 0;
}

static void read_all(struct fixture *f, const struct segment_reference *references, int n, int64_t first, int64_t behind)
{
    struct err err = {""};
    struct reading reading = {f, first};
    for (int i = 0; i < n; i++)
        if (segments_read(f->segments, &references[i], compare, &reading, &err))
            fail_msg("%s", err.text);
    assert_int_equal(reading.next, behind);
}

static int references_of(const struct fixture *f, struct segment_reference *out, int most)
{
    int n = segments_count(f->segments);
    assert_true(n <= most);
    for (int i = 0; i < n; i++)
        out[i] = *segments_at(f->segments, i);
    return n;
}

static void path_of(const struct fixture *f, int64_t id, char *path)
{
    snprintf(path, PATH_MAX, "%s/replay/%08lld.segment", f->run, (long long)id);
}

static bool exists(const struct fixture *f, int64_t id)
{
    char path[PATH_MAX];
    path_of(f, id, path);
    return !access(path, F_OK);
}

static void test_records_come_back_in_order(void **state)
{
    (void)state;
    struct fixture f;
    struct segment_reference references[8];
    setup(&f);
    append_all(&f, 0, 11);
    sync_all(&f);
    int n = references_of(&f, references, 8);
    assert_int_equal(n, 3); /* four or five records fill 4,096 bytes */
    assert_true(references[0].bytes >= SEGMENT && references[2].bytes < SEGMENT);
    read_all(&f, references, n, 0, 11);
    append_all(&f, 11, 12); /* the open one grows: what was said of it before stays true */
    read_all(&f, references, n, 0, 11);
    assert_int_equal(segments_next(f.segments), 12);
    teardown(&f);
}

/* Killed between the write and the checkpoint: the file is longer than the checkpoint knows, and whole or not. */
static void test_what_lies_behind_the_cursor_does_not_count(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {""};
    struct segment_reference references[8];
    char path[PATH_MAX];
    setup(&f);
    append_all(&f, 0, 6);
    sync_all(&f);
    int n = references_of(&f, references, 8);
    append_all(&f, 6, 7);
    path_of(&f, references[n - 1].id, path);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "half a record", 13), 13);
    close(fd);
    open_again(&f, CEILING);
    read_all(&f, references, n, 0, 6);
    assert_int_equal(segments_resume(f.segments, references, n, &err), 0);
    assert_int_equal(segments_next(f.segments), 6);
    append_all(&f, 6, 9);
    sync_all(&f);
    n = references_of(&f, references, 8);
    assert_int_equal(references[n - 1].first, 6); /* in a file of its own */
    read_all(&f, references, n, 0, 9);
    teardown(&f);
}

static int64_t reread(struct fixture *f, const struct segment_reference *reference, struct err *err)
{
    char path[PATH_MAX];
    path_of(f, reference->id, path);
    int r = segments_read(f->segments, reference, ignore, NULL, err);
    if (r && !strstr(err->text, path))
        fail_msg("\"%s\" does not name %s", err->text, path);
    return r;
}

static void test_every_altered_byte_is_noticed(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {""};
    char path[PATH_MAX];
    setup(&f);
    append_all(&f, 0, 3);
    sync_all(&f);
    const struct segment_reference reference = *segments_at(f.segments, 0);
    path_of(&f, reference.id, path);
    int fd = open(path, O_RDWR);
    for (int64_t at = 0; at < reference.bytes; at++) {
        unsigned char byte, other;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        other = byte ^ (unsigned char)(1 << at % 8);
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        bool is_padding = at >= 16 && at < SEGMENT_HEADER_BYTES; /* nothing stands there, and nobody reads it */
        if (!is_padding && !reread(&f, &reference, &err))
            fail_msg("byte %lld may be altered", (long long)at);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    assert_int_equal(reread(&f, &reference, &err), 0);
    teardown(&f);
}

static void test_torn_missing_and_other_segments_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {""};
    char path[PATH_MAX], other[PATH_MAX];
    setup(&f);
    append_all(&f, 0, 11);
    sync_all(&f);
    const struct segment_reference first = *segments_at(f.segments, 0), second = *segments_at(f.segments, 1);
    path_of(&f, first.id, path);
    path_of(&f, second.id, other);
    assert_int_equal(truncate(path, first.bytes - 1), 0);
    assert_int_equal(reread(&f, &first, &err), ERR_MISMATCH);
    assert_non_null(strstr(err.text, "cut off"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(reread(&f, &first, &err), ERR_IO);
    assert_int_equal(link(other, path), 0); /* another segment in its place */
    assert_int_equal(reread(&f, &first, &err), ERR_MISMATCH);
    struct segment_reference fewer = second; /* a cursor that no checkpoint of this file had */
    fewer.bytes -= 8;
    assert_int_equal(reread(&f, &fewer, &err), ERR_FORMAT);
    fewer = second;
    fewer.hash.low ^= 1;
    assert_int_equal(reread(&f, &fewer, &err), ERR_MISMATCH);
    assert_int_equal(reread(&f, &second, &err), 0);
    teardown(&f);
}

static void test_only_files_that_nobody_refers_to_are_removed(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {""};
    setup(&f);
    append_all(&f, 0, 16);
    sync_all(&f);
    assert_int_equal(segments_count(f.segments), 4);
    int64_t all = segments_disk_bytes(f.segments), kept = 1;
    segments_forget(f.segments, segments_at(f.segments, 2)->first);
    assert_int_equal(segments_count(f.segments), 2);
    assert_true(segments_have_old(f.segments) && exists(&f, 0) && exists(&f, 1)); /* a checkpoint may refer to them */
    assert_int_equal(segments_keep(f.segments, &kept, 1, &err), 0);
    assert_true(!exists(&f, 0) && exists(&f, 1) && exists(&f, 2) && exists(&f, 3));
    assert_true(segments_disk_bytes(f.segments) < all);
    assert_int_equal(segments_keep(f.segments, NULL, 0, &err), 0);
    assert_true(!exists(&f, 1) && exists(&f, 2) && exists(&f, 3));
    assert_false(segments_have_old(f.segments));
    append_all(&f, 16, 30);
    segments_forget(f.segments, 30); /* never offered to a checkpoint: gone at once, but for the open one */
    assert_true(segments_count(f.segments) <= 1);
    teardown(&f);
}

static void test_the_ceiling_holds_and_loses_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {""};
    struct segment_reference references[8];
    setup(&f);
    open_again(&f, 2 * SEGMENT + 2000);
    int64_t number = 0;
    while (!append(&f, number, &err))
        number++;
    assert_true(number >= 8);
    assert_non_null(strstr(err.text, "replay.disk_bytes"));
    assert_true(segments_disk_bytes(f.segments) <= 2 * SEGMENT + 2000);
    assert_int_equal(segments_next(f.segments), number);
    sync_all(&f);
    int n = references_of(&f, references, 8);
    read_all(&f, references, n, 0, number);
    segments_forget(f.segments, references[1].first);
    assert_int_equal(segments_keep(f.segments, NULL, 0, &err), 0); /* no checkpoint wants the first: then there is room */
    append_all(&f, number, number + 2);
    sync_all(&f);
    n = references_of(&f, references, 8);
    read_all(&f, references, n, references[0].first, number + 2);
    teardown(&f);
}

/* A file that may not grow is what a full disk looks like. */
static void test_after_a_full_disk_it_goes_on(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {""};
    struct segment_reference references[8];
    struct rlimit old, small;
    setup(&f);
    append_all(&f, 0, 1);
    sync_all(&f);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1500; /* in the middle of the second record */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(append(&f, 1, &err), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_non_null(strstr(err.text, "too large"));
    assert_int_equal(segments_next(f.segments), 1);
    append_all(&f, 1, 6);
    sync_all(&f);
    int n = references_of(&f, references, 8);
    read_all(&f, references, n, 0, 6);
    teardown(&f);
}

static void test_what_could_not_be_synced_is_written_again(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {""};
    struct segment_reference references[8];
    char path[PATH_MAX];
    setup(&f);
    append_all(&f, 0, 2);
    sync_all(&f);
    append_all(&f, 2, 9); /* fills the first, begins a second */
    path_of(&f, 1, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(segments_sync(f.segments, &err), ERR_IO);
    int64_t next = segments_next(f.segments);
    assert_int_equal(next, 2);
    append_all(&f, next, 9);
    sync_all(&f);
    int n = references_of(&f, references, 8);
    read_all(&f, references, n, 0, 9);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_come_back_in_order),
        cmocka_unit_test(test_what_lies_behind_the_cursor_does_not_count),
        cmocka_unit_test(test_every_altered_byte_is_noticed),
        cmocka_unit_test(test_torn_missing_and_other_segments_are_refused),
        cmocka_unit_test(test_only_files_that_nobody_refers_to_are_removed),
        cmocka_unit_test(test_the_ceiling_holds_and_loses_nothing),
        cmocka_unit_test(test_after_a_full_disk_it_goes_on),
        cmocka_unit_test(test_what_could_not_be_synced_is_written_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
