/* Metrics files.
 *
 * An event file is a sequence of TFRecords: length (8 bytes, little-endian), masked CRC-32C of the length, bytes, masked CRC-32C
 * of the bytes. Source of the framing and the mask: TensorFlow, tensorflow/core/lib/io/record_writer.h. The bytes are a protocol
 * buffer `Event` (tensorflow/core/util/event.proto), of which we need five fields, encoded by hand below:
 *   Event   1 wall_time double, 2 step varint, 3 file_version text, 5 summary, 7 session_log
 *   Summary 1 value { 1 tag text, 2 simple_value float }       SessionLog 1 status varint (1 = START)
 * Invariant: a row goes out in one write(2) per file, so that a killed learner leaves whole rows. */
#include "learner/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define CSV_BYTES_MAX (256u << 20) /* of a progress.csv that a resumed run reads */
#define EVENT_BYTES_MAX (64 + METRICS_NAMES_MAX * (METRICS_NAME_MAX + 16))
#define CELL_BYTES 32

struct metrics {
    int n;
    char names[METRICS_NAMES_MAX][METRICS_NAME_MAX];
    int csv, events;  /* descriptors */
    bool row_is_torn; /* the last CSV row went out short */
    char row[(METRICS_NAMES_MAX + 2) * CELL_BYTES];
    unsigned char event[EVENT_BYTES_MAX], record[EVENT_BYTES_MAX + 16];
    uint32_t crc_table[256];
};

/* -- CRC-32C ---------------------------------------------------------------------------------------------------------------- */

/* Castagnoli's polynomial, bits reversed. */
static void crc_prepare(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
        table[i] = crc;
    }
}

/* Masked, because a CRC over data that holds CRCs would be weak. */
static uint32_t masked_crc(const uint32_t table[256], const unsigned char *data, size_t length)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < length; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* -- protocol buffers ------------------------------------------------------------------------------------------------------- */

struct proto {
    unsigned char *data;
    size_t used;
};

static void put_varint(struct proto *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        out->data[out->used++] = (unsigned char)(value | 0x80);
    out->data[out->used++] = (unsigned char)value;
}

static void put_raw(struct proto *out, const void *bytes, size_t length)
{
    memcpy(out->data + out->used, bytes, length);
    out->used += length;
}

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void put_tag(struct proto *out, int field, int wire)
{
    put_varint(out, (uint64_t)(field << 3 | wire));
}

static void put_bytes(struct proto *out, int field, const void *bytes, size_t length)
{
    put_tag(out, field, WIRE_BYTES);
    put_varint(out, length);
    put_raw(out, bytes, length);
}

static void begin_event(struct proto *out, int64_t step)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double wall_time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    put_tag(out, 1, WIRE_64);
    put_raw(out, &wall_time, sizeof wall_time);
    put_tag(out, 2, WIRE_VARINT);
    put_varint(out, (uint64_t)step);
}

static void put_scalar(struct proto *out, const char *tag, float value)
{
    unsigned char bytes[METRICS_NAME_MAX + 16];
    struct proto scalar = {bytes, 0};
    put_bytes(&scalar, 1, tag, strlen(tag));
    put_tag(&scalar, 2, WIRE_32);
    put_raw(&scalar, &value, sizeof value);
    put_bytes(out, 1, bytes, scalar.used);
}

/* -- files ------------------------------------------------------------------------------------------------------------------ */

static int write_once(int fd, const void *data, size_t length, const char *what, struct err *err)
{
    ssize_t put;
    do
        put = write(fd, data, length);
    while (put < 0 && errno == EINTR);
    if (put == (ssize_t)length)
        return 0;
    return err_set(err, ERR_IO, "cannot write %s: %s", what, put < 0 ? strerror(errno) : "the disk took only a part");
}

static int write_record(struct metrics *m, size_t length, struct err *err)
{
    uint64_t length64 = length;
    unsigned char *p = m->record;
    memcpy(p, &length64, 8);
    uint32_t crc = masked_crc(m->crc_table, p, 8);
    memcpy(p + 8, &crc, 4);
    memcpy(p + 12, m->event, length);
    crc = masked_crc(m->crc_table, m->event, length);
    memcpy(p + 12 + length, &crc, 4);
    return write_once(m->events, m->record, length + 16, "TensorBoard event", err);
}

static int open_events(struct metrics *m, const char *folder, int64_t resume_steps, struct err *err)
{
    char path[PATH_MAX];
    int r;
    if (snprintf(path, sizeof path, "%s/tb", folder) >= (int)sizeof path || (r = file_make_folder(path, err)))
        return err_prefix(err, ERR_IO, "cannot open metrics");
    if (snprintf(path, sizeof path, "%s/tb/events.out.tfevents.%010lld.testudo.%ld", folder, (long long)time(NULL),
                 (long)getpid()) >= (int)sizeof path)
        return err_set(err, ERR_LIMIT, "cannot open metrics in \"%.100s\": path too long", folder);
    m->events = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (m->events < 0)
        return err_set(err, ERR_IO, "cannot create \"%.300s\": %s", path, strerror(errno));
    struct proto out = {m->event, 0};
    begin_event(&out, 0);
    put_bytes(&out, 3, "brain.Event:2", 13);
    if ((r = write_record(m, out.used, err)) || resume_steps < 0)
        return r;
    static const unsigned char session_start[] = {1 << 3 | WIRE_VARINT, 1};
    out.used = 0;
    begin_event(&out, resume_steps + 1); /* drop what earlier files say from here on */
    put_bytes(&out, 7, session_start, sizeof session_start);
    return write_record(m, out.used, err);
}

/* Length of the leading part of a CSV whose rows are complete and not behind `steps`. */
static size_t rows_up_to(const char *text, int64_t steps)
{
    const char *line = strchr(text, '\n');
    if (!line)
        return 0;
    for (line++;;) {
        const char *end = strchr(line, '\n');
        if (!end || strtoll(line, NULL, 10) > steps)
            return (size_t)(line - text);
        line = end + 1;
    }
}

/* Leaves a progress.csv that ends with the last row to keep. */
static int prepare_csv(const struct metrics *m, const char *path, int64_t resume_steps, struct err *err)
{
    char header[METRICS_NAMES_MAX * (METRICS_NAME_MAX + 1) + 32];
    int used = snprintf(header, sizeof header, "steps,wall_seconds");
    for (int i = 0; i < m->n; i++)
        used += snprintf(header + used, sizeof header - (size_t)used, ",%s", m->names[i]);
    used += snprintf(header + used, sizeof header - (size_t)used, "\n");
    if (access(path, F_OK))
        return file_write(path, header, (size_t)used, err);
    unsigned char *data;
    size_t length;
    int r = file_read(path, CSV_BYTES_MAX, &data, &length, err);
    if (r)
        return r;
    if (length < (size_t)used || memcmp(data, header, (size_t)used))
        r = err_set(err, ERR_MISMATCH, "cannot go on with \"%s\": its header names other numbers", path);
    else
        r = file_write(path, data, rows_up_to((const char *)data, resume_steps), err);
    free(data);
    return r;
}

static int open_csv(struct metrics *m, const char *folder, int64_t resume_steps, struct err *err)
{
    char path[PATH_MAX];
    if (file_join(path, sizeof path, folder, "progress.csv"))
        return err_set(err, ERR_LIMIT, "cannot open metrics in \"%.100s\": path too long", folder);
    int r = prepare_csv(m, path, resume_steps, err);
    if (r)
        return r;
    m->csv = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    return m->csv < 0 ? err_set(err, ERR_IO, "cannot open \"%.300s\": %s", path, strerror(errno)) : 0;
}

static int copy_names(struct metrics *m, const char *const *names, int n, struct err *err)
{
    if (n < 0 || n > METRICS_NAMES_MAX)
        return err_set(err, ERR_LIMIT, "%d metrics, at most %d allowed", n, METRICS_NAMES_MAX);
    for (m->n = 0; m->n < n; m->n++) {
        const char *name = names[m->n];
        size_t length = strlen(name);
        if (!length || length >= METRICS_NAME_MAX ||
            length != strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./"))
            return err_set(err, ERR_FORMAT, "bad metric name \"%.80s\"", name);
        memcpy(m->names[m->n], name, length + 1);
    }
    return 0;
}

int metrics_open(struct metrics **metrics, const char *folder, const char *const *names, int n, int64_t resume_steps,
                 struct err *err)
{
    struct metrics *m = *metrics = calloc(1, sizeof *m);
    if (!m)
        return err_set(err, ERR_NOMEM, "cannot open metrics: out of memory");
    m->csv = m->events = -1;
    crc_prepare(m->crc_table);
    int r = copy_names(m, names, n, err);
    if (r || (r = open_csv(m, folder, resume_steps, err)) || (r = open_events(m, folder, resume_steps, err)))
        metrics_close(metrics);
    return r;
}

void metrics_close(struct metrics **metrics)
{
    if (!*metrics)
        return;
    if ((*metrics)->csv >= 0)
        close((*metrics)->csv);
    if ((*metrics)->events >= 0)
        close((*metrics)->events);
    free(*metrics);
    *metrics = NULL;
}

static size_t format_row(const struct metrics *m, int64_t steps, double wall_seconds, const double *values, char *out, size_t size)
{
    int used = snprintf(out, size, "%s%" PRId64 ",%.3f", m->row_is_torn ? "\n" : "", steps, wall_seconds);
    for (int i = 0; i < m->n; i++)
        used += isnan(values[i]) ? snprintf(out + used, size - (size_t)used, ",")
                                 : snprintf(out + used, size - (size_t)used, ",%.9g", values[i]);
    return (size_t)used + (size_t)snprintf(out + used, size - (size_t)used, "\n");
}

static size_t format_event(const struct metrics *m, int64_t steps, const double *values, unsigned char *bytes)
{
    unsigned char summary_bytes[EVENT_BYTES_MAX];
    struct proto out = {bytes, 0}, summary = {summary_bytes, 0};
    for (int i = 0; i < m->n; i++)
        if (!isnan(values[i]))
            put_scalar(&summary, m->names[i], (float)values[i]);
    begin_event(&out, steps);
    put_bytes(&out, 5, summary_bytes, summary.used);
    return out.used;
}

int metrics_write(struct metrics *m, int64_t steps, double wall_seconds, const double *values, struct err *err)
{
    size_t length = format_row(m, steps, wall_seconds, values, m->row, sizeof m->row);
    int r = write_once(m->csv, m->row, length, "progress.csv", err);
    m->row_is_torn = r != 0;
    int r_events = write_record(m, format_event(m, steps, values, m->event), r ? NULL : err);
    return r ? r : r_events;
}
