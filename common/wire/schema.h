/* What a trajectory's frame contains: a run-time table of columns, made of the environment's spec and of what each part of the
 * recipe declares. It is sent once, with its hash; an envelope names the hash.
 *
 * A frame holds the columns one after the other, each at a multiple of 64 bytes, little-endian, without gaps inside. How many
 * rows a column has depends on its span and on two numbers of the envelope: steps (0..T) and episodes that ended inside
 * (0..T). Hot loops keep column indices, never names. */
#ifndef TESTUDO_WIRE_SCHEMA_H
#define TESTUDO_WIRE_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

#define SCHEMA_COLUMNS_MAX 64
#define SCHEMA_ALIGN 64
#define SCHEMA_STEPS_MAX 4096
#define SCHEMA_WIDTH_MAX (4 << 20)   /* numbers per row */
#define SCHEMA_BYTES_MAX (16 * 1024) /* of the wire form */

enum column_type { COLUMN_F32, COLUMN_I32, COLUMN_I64, COLUMN_U8 };

enum column_span {
    SPAN_STEP,      /* `steps` rows */
    SPAN_STEP_NEXT, /* steps + 1 rows: the last one is what follows the slice; 0 rows when steps is 0 */
    SPAN_CHUNK,     /* ceil(steps / schema.chunk) rows: states at the starts of chunks */
    SPAN_EPISODE,   /* one row per episode that ended inside, in order */
    SPAN_SLICE,     /* 1 row */
};

struct column {
    char name[32];  /* "observation", "belief", ... */
    char owner[24]; /* the part that declared it: "base", "belief", "attack/learned" */
    enum column_type type;
    enum column_span span;
    int32_t width;   /* numbers per row: the product of the shape behind it */
    double min, max; /* every number must lie inside; F32 numbers must be finite in any case. Integer columns: whole
                        numbers; one beyond the type, or infinite, means whatever the type holds */
};

struct schema {
    int32_t n_columns, T, chunk;
    struct column columns[SCHEMA_COLUMNS_MAX];
    struct hash hash; /* of everything above, set by schema_finish */
};

void schema_init(struct schema *schema, int32_t T, int32_t chunk);
/* Adds a column and returns its index, or ERR_LIMIT / ERR_DUPLICATE / ERR_INVALID (a name, see wire/name.h) / ERR_RANGE. */
MUST_USE int schema_add(struct schema *schema, const char *owner, const char *name, enum column_type type, enum column_span span,
                        int32_t width, double min, double max, struct err *err);
/* Checks ceilings (width, T, total bytes <= SCHEMA_FRAME_MAX) and sets the hash. */
#define SCHEMA_FRAME_MAX (64u << 20)
MUST_USE int schema_finish(struct schema *schema, struct err *err);
int schema_find(const struct schema *schema, const char *name); /* index or -1 */

/* Where the columns of one frame lie. */
struct schema_layout {
    int32_t rows[SCHEMA_COLUMNS_MAX];
    size_t start[SCHEMA_COLUMNS_MAX]; /* bytes */
    size_t bytes;                     /* of the whole frame */
};
/* steps and episodes in 0..T: our own numbers. */
void schema_layout(const struct schema *schema, int32_t steps, int32_t episodes, struct schema_layout *layout);
/* The same for numbers of an envelope from the network: ERR_RANGE when they are not in 0..T, ERR_MISMATCH when the frame's
 * length is not what they make. */
MUST_USE int schema_layout_checked(const struct schema *schema, int64_t steps, int64_t episodes, size_t frame_bytes,
                                   struct schema_layout *layout, struct err *err);
size_t schema_bytes_max(const struct schema *schema); /* of any frame: steps = episodes = T */

size_t column_row_bytes(const struct column *column);

/* Zeroes the bytes between the columns (at most 63 behind each), so that equal contents make equal frames. Whoever writes a
 * frame's rows directly calls this once per frame. */
void schema_zero_gaps(const struct schema *schema, const struct schema_layout *layout, void *frame);

/* Wire form: MessagePack, hostile-safe both ways (a learner reads schemas from the network). encode returns bytes written or ERR_LIMIT. */
MUST_USE int schema_encode(const struct schema *schema, void *out, size_t size);
MUST_USE int schema_decode(struct schema *schema, const void *data, size_t length,
                           struct err *err); /* recomputes and returns the hash inside */

/* Copies a received frame (any alignment) into 64-byte aligned memory and checks finiteness and ranges in the same pass; gaps
 * come out as zeroes whatever was in them. out [layout.bytes]; its contents are undefined after an error.
 * ERR_NOT_FINITE or ERR_RANGE with column and row in err. */
MUST_USE int schema_copy_checked(const struct schema *schema, const struct schema_layout *layout, const void *frame, void *out,
                                 struct err *err);

#endif
