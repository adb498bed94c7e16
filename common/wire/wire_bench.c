/* Bench of the codec's two passes: see wire_bench.h. The three programs of a round copy the same bytes from the same kind of
 * place one after the other, so that what else the machine does hits all three. */
#include "wire/wire_bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "wire/schema.h"

enum { LANES = 4, AGENTS = 4, OBSERVATION = 60, HIDDEN = 64, ACTIONS = 6, CHUNK = 10, ROUNDS_MAX = 1000 };

struct bench {
    struct schema schema;
    struct schema_layout layout;
    int n_frames;
    unsigned char *step; /* what all lanes made in one step: per column [LANES, row bytes], columns at LANES * row_start */
    size_t row_start[SCHEMA_COLUMNS_MAX];
    unsigned char *received, *out; /* n_frames times a frame; received frames start 8 bytes past a multiple of 64, as ZeroMQ's do */
    size_t frame_stride;
};

static int add_columns(struct schema *schema)
{
    static const struct {
        const char *name;
        enum column_type type;
        enum column_span span;
        int32_t width;
        double min, max;
    } columns[] = {
        {"episode", COLUMN_I64, SPAN_STEP, 1, 0, 1e15},
        {"observation", COLUMN_F32, SPAN_STEP_NEXT, AGENTS * OBSERVATION, -1e6, 1e6},
        {"available", COLUMN_U8, SPAN_STEP_NEXT, AGENTS * ACTIONS, 0, 1},
        {"action", COLUMN_I32, SPAN_STEP, AGENTS, 0, ACTIONS - 1},
        {"log_probability", COLUMN_F32, SPAN_STEP, AGENTS, -1e4, 0},
        {"reward", COLUMN_F32, SPAN_STEP, AGENTS, -1e6, 1e6},
        {"terminated", COLUMN_U8, SPAN_STEP, 1, 0, 1},
        {"hidden", COLUMN_F32, SPAN_CHUNK, AGENTS * HIDDEN, -1e3, 1e3},
    };
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        int code = schema_add(schema, "bench", columns[i].name, columns[i].type, columns[i].span, columns[i].width, columns[i].min,
                              columns[i].max, NULL);
        if (code < 0)
            return code;
    }
    return schema_finish(schema, NULL);
}

static size_t columns_bytes(int32_t T, struct schema *schema)
{
    schema_init(schema, T, CHUNK < T ? CHUNK : T);
    return add_columns(schema) ? 0 : schema_bytes_max(schema);
}

static void bench_deinit(struct bench *bench)
{
    free(bench->step);
    free(bench->received);
    free(bench->out);
}

static int bench_init(struct bench *bench, size_t frame_bytes, int n_frames)
{
    size_t one_step = columns_bytes(2, &bench->schema) - columns_bytes(1, &bench->schema);
    size_t T = one_step ? frame_bytes / one_step : 0;
    if (T < 1 || T > SCHEMA_STEPS_MAX || columns_bytes((int32_t)T, &bench->schema) == 0)
        return ERR_RANGE;
    schema_layout(&bench->schema, bench->schema.T, 0, &bench->layout);
    bench->n_frames = n_frames;
    bench->frame_stride = bench->layout.bytes + 2 * SCHEMA_ALIGN;
    size_t step_bytes = 0;
    for (int c = 0; c < bench->schema.n_columns; c++) {
        bench->row_start[c] = step_bytes;
        step_bytes += column_row_bytes(&bench->schema.columns[c]);
    }
    bench->step = calloc(LANES, step_bytes);
    bench->received = aligned_alloc(SCHEMA_ALIGN, (size_t)n_frames * bench->frame_stride);
    bench->out = aligned_alloc(SCHEMA_ALIGN, (size_t)n_frames * bench->frame_stride);
    if (!bench->step || !bench->received || !bench->out)
        return ERR_NOMEM;
    memset(bench->received, 0, (size_t)n_frames * bench->frame_stride);
    memset(bench->out, 1, (size_t)n_frames * bench->frame_stride);
    return 0;
}

static int run_memcpy(struct bench *bench, int frame)
{
    memcpy(bench->out + (size_t)frame * bench->frame_stride, bench->received + (size_t)frame * bench->frame_stride + 8,
           bench->layout.bytes);
    return 0;
}

/* A column under construction: where its next row goes and where rows come from. */
struct writer {
    unsigned char *to;
    const unsigned char *from;
    size_t row_bytes;
    int every, rows_left; /* a row each `every` steps */
};

static int open_writers(const struct bench *bench, int frame, struct writer *writers)
{
    unsigned char *to = bench->out + (size_t)frame * bench->frame_stride;
    for (int c = 0; c < bench->schema.n_columns; c++) {
        const struct column *column = &bench->schema.columns[c];
        size_t row_bytes = column_row_bytes(column);
        writers[c] = (struct writer){to + bench->layout.start[c],
                                     bench->step + LANES * bench->row_start[c] + (size_t)(frame % LANES) * row_bytes, row_bytes,
                                     column->span == SPAN_CHUNK ? bench->schema.chunk : 1, bench->layout.rows[c]};
    }
    return bench->schema.n_columns;
}

static void write_row(struct writer *writer)
{
    memcpy(writer->to, writer->from, writer->row_bytes);
    writer->to += writer->row_bytes;
    writer->rows_left--;
}

/* Steps outside, columns inside: the order in which a rollout learns the numbers. */
static int run_encode(struct bench *bench, int frame)
{
    struct writer writers[SCHEMA_COLUMNS_MAX];
    int n_writers = open_writers(bench, frame, writers);
    for (int t = 0; t <= bench->schema.T; t++)
        for (struct writer *writer = writers; writer < writers + n_writers; writer++)
            if (writer->rows_left > 0 && (writer->every == 1 || t % writer->every == 0))
                write_row(writer);
    schema_zero_gaps(&bench->schema, &bench->layout, bench->out + (size_t)frame * bench->frame_stride);
    return 0;
}

static int run_decode(struct bench *bench, int frame)
{
    return schema_copy_checked(&bench->schema, &bench->layout, bench->received + (size_t)frame * bench->frame_stride + 8,
                               bench->out + (size_t)frame * bench->frame_stride, NULL);
}

/* Seconds per frame. Small rotations are run several times, so that a round is long against the clock's grain. */
static double time_round(struct bench *bench, int (*run)(struct bench *, int))
{
    int turns = bench->n_frames < 16 ? 16 / bench->n_frames : 1;
    monotonic_us start = clock_us();
    for (int turn = 0; turn < turns; turn++)
        for (int frame = 0; frame < bench->n_frames; frame++) {
            int code = run(bench, frame);
            ASSERT(code == 0);
            __asm__ volatile("" ::: "memory"); /* the copies are not dead */
        }
    return clock_seconds_since(start) / (turns * bench->n_frames);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return values[count / 2];
}

int wire_bench_run(size_t frame_bytes, int n_frames, int rounds, struct wire_bench *out)
{
    double speed[ROUNDS_MAX], encode[ROUNDS_MAX], decode[ROUNDS_MAX];
    struct bench *bench = calloc(1, sizeof *bench);
    memset(out, 0, sizeof *out);
    int code = !bench                                              ? ERR_NOMEM
               : n_frames < 1 || rounds < 1 || rounds > ROUNDS_MAX ? ERR_RANGE
                                                                   : bench_init(bench, frame_bytes, n_frames);
    for (int round = -1; !code && round < rounds; round++) { /* round -1 warms up */
        int slot = round < 0 ? 0 : round;
        double copy_s = time_round(bench, run_memcpy);
        encode[slot] = copy_s / time_round(bench, run_encode);
        decode[slot] = copy_s / time_round(bench, run_decode);
        speed[slot] = (double)bench->layout.bytes / copy_s / 1e9;
    }
    if (!code)
        *out = (struct wire_bench){bench->layout.bytes, n_frames, median(speed, rounds), median(encode, rounds),
                                   median(decode, rounds)};
    if (bench)
        bench_deinit(bench);
    free(bench);
    return code;
}
