/* Metrics: rows and event files are what readers expect, and a resumed run does not show steps twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "learner/metrics.h"

static const char *const names[] = {"return/clean", "loss"};

static int make_folder(void **state)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "/tmp/testudo-test-XXXXXX");
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", (const char *)*state);
    return system(command);
}

static void assert_csv(const char *folder, const char *expected)
{
    char path[128];
    unsigned char *text;
    size_t length;
    snprintf(path, sizeof path, "%s/progress.csv", folder);
    assert_int_equal(file_read(path, 1 << 20, &text, &length, NULL), 0);
    assert_string_equal((char *)text, expected);
    free(text);
}

static void test_metrics_resume_cuts_rows_behind_the_checkpoint(void **state)
{
    struct metrics *m;
    assert_int_equal(metrics_open(&m, *state, names, 2, -1, NULL), 0);
    assert_int_equal(metrics_write(m, 100, 1.5, (double[]){2, NAN}, NULL), 0);
    assert_int_equal(metrics_write(m, 200, 3, (double[]){-0.25, INFINITY}, NULL), 0);
    metrics_close(&m);
    assert_csv(*state, "steps,wall_seconds,return/clean,loss\n100,1.500,2,\n200,3.000,-0.25,inf\n");
    assert_int_equal(metrics_open(&m, *state, names, 2, 100, NULL), 0);
    assert_int_equal(metrics_write(m, 200, 4, (double[]){1, 2}, NULL), 0);
    metrics_close(&m);
    assert_csv(*state, "steps,wall_seconds,return/clean,loss\n100,1.500,2,\n200,4.000,1,2\n");
    struct err err;
    assert_int_equal(metrics_open(&m, *state, names, 1, 100, &err), ERR_MISMATCH);
    assert_null(m);
    assert_int_equal(metrics_open(&m, *state, (const char *const[]){"a,b"}, 1, -1, &err), ERR_FORMAT);
}

static void test_metrics_resume_drops_a_torn_row(void **state)
{
    char path[128];
    struct metrics *m;
    static const char torn[] = "steps,wall_seconds,return/clean,loss\n100,1.000,2,3\n200,2.0";
    snprintf(path, sizeof path, "%s/progress.csv", (const char *)*state);
    assert_int_equal(file_write(path, torn, sizeof torn - 1, NULL), 0);
    assert_int_equal(metrics_open(&m, *state, names, 2, 500, NULL), 0);
    metrics_close(&m);
    assert_csv(*state, "steps,wall_seconds,return/clean,loss\n100,1.000,2,3\n");
}

/* CRC-32C bit by bit; check value from RFC 3720 style catalogues: "123456789" gives e3069283. */
static uint32_t masked_crc(const unsigned char *data, size_t length)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    crc = ~crc;
    if (length == 9 && !memcmp(data, "123456789", 9))
        assert_int_equal(crc, 0xe3069283u);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static uint32_t u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Reads the only event file of the folder. */
static unsigned char *read_events(const char *folder, size_t *length)
{
    char path[512] = "", tb[128];
    unsigned char *data;
    snprintf(tb, sizeof tb, "%s/tb", folder);
    DIR *dir = opendir(tb);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strstr(entry->d_name, "tfevents"))
            snprintf(path, sizeof path, "%s/%s", tb, entry->d_name);
    closedir(dir);
    assert_int_equal(file_read(path, 1 << 20, &data, length, NULL), 0);
    return data;
}

static void test_metrics_event_records_carry_valid_checksums(void **state)
{
    struct metrics *m;
    masked_crc((const unsigned char *)"123456789", 9);
    assert_int_equal(metrics_open(&m, *state, names, 2, 41, NULL), 0);
    assert_int_equal(metrics_write(m, 300, 1, (double[]){0.5, NAN}, NULL), 0);
    metrics_close(&m);
    size_t length, at = 0;
    unsigned char *data = read_events(*state, &length), *record[3];
    int count = 0;
    for (; at < length; count++) {
        uint32_t bytes = u32(data + at);
        assert_true(count < 3 && at + 16 + bytes <= length);
        assert_int_equal(u32(data + at + 8), masked_crc(data + at, 8));
        assert_int_equal(u32(data + at + 12 + bytes), masked_crc(data + at + 12, bytes));
        record[count] = data + at + 12;
        at += 16 + bytes;
    }
    assert_int_equal(count, 3);
    /* Each event: 9 bytes of wall time, then the step. */
    static const unsigned char version[] = "\x10\0\x1a\x0d"
                                           "brain.Event:2",
                               start[] = "\x10\x2a\x3a\x02\x08\x01",
                               scalar[] = "\x10\xac\x02\x2a\x15\x0a\x13\x0a\x0c"
                                          "return/clean"
                                          "\x15\0\0\0\x3f";
    assert_memory_equal(record[0] + 9, version, sizeof version - 1);
    assert_memory_equal(record[1] + 9, start, sizeof start - 1);
    assert_memory_equal(record[2] + 9, scalar, sizeof scalar - 1);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_metrics_resume_cuts_rows_behind_the_checkpoint, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_metrics_resume_drops_a_torn_row, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_metrics_event_records_carry_valid_checksums, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
