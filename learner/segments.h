/* Segments: append-only files of a run's replay/ folder that hold its episodes, each written once; a checkpoint refers to them by hash and
 * cursor. They know records, not what is in them (replay.h does).
 *
 *   replay/<id>.segment   64 bytes: "TSTDSEG1", u64 id, zeroes; then records: u64 number, u32 length, u32 is_terminated, u64 bytes, u64 0,
 *                         16 bytes of hash over what stands before and the data; the data. Little-endian.
 *
 *   (none) -append-> OPEN -append-> OPEN ... -segment_bytes reached-> SEALED
 * A reference says how far a file counts: `bytes` of it, whose records' hashes chain to `hash`. What lies behind the cursor is not part of
 * any checkpoint (a process was killed, or a disk was full, between append and checkpoint), and nobody reads it; a process never appends to
 * a file that an earlier one has begun. Files go when no kept checkpoint refers to them (segments_keep).
 *
 * Appending leaves bytes to the system, which starts writing them when a file is sealed; segments_sync, before a checkpoint, waits. After
 * a failed sync nothing that was written since the last good one is believed: segments_next goes back, and it is appended again. */
#ifndef TESTUDO_LEARNER_SEGMENTS_H
#define TESTUDO_LEARNER_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

struct segment_record {
    int64_t number; /* ascending in a file and from file to file */
    uint32_t length;
    bool is_terminated;
    const void *data; /* borrowed */
    size_t bytes;
    struct hash hash; /* segment_hash of the others */
};

struct segment_reference {
    int64_t id, bytes, records; /* cursor: bytes and records that count; at least one record */
    int64_t first, last;        /* numbers of its records */
    struct hash hash;           /* of the records' hashes, in order */
};

enum { SEGMENT_RECORD_BYTES = 48, SEGMENT_HEADER_BYTES = 64 };

struct hash segment_hash(const struct segment_record *record);

/* Return anything but 0, with err set, to stop. */
typedef int segment_visitor(void *context, const struct segment_record *record, struct err *err);

/* Looks through the first reference->bytes of a segment and shows its records; data that is hostile is refused before it is shown.
 * name: for messages. ERR_MISMATCH, ERR_FORMAT: torn or altered; the line says where, what is there and what was expected. */
MUST_USE int segment_parse(const struct segment_reference *reference, const void *data, size_t length, const char *name,
                           segment_visitor *visit, void *context, struct err *err);

struct segments; /* of one run folder, for one thread at a time */

/* Makes the folder. segment_bytes: a file is sealed when it has so many; ceiling_bytes: of all files together. */
MUST_USE int segments_open(struct segments **segments, const char *run, int64_t segment_bytes, int64_t ceiling_bytes,
                           struct err *err);
void segments_close(struct segments **segments); /* nulls; closes the file that is open, removes nothing */

/* number >= segments_next. ERR_LIMIT: the ceiling; ERR_IO: the disk. Then nothing has changed, and it may be tried again. */
MUST_USE int segments_append(struct segments *segments, const struct segment_record *record, struct err *err);
int64_t segments_next(const struct segments *segments); /* behind the last one appended */

/* Makes everything appended durable. ERR_IO: see above. */
MUST_USE int segments_sync(struct segments *segments, struct err *err);

/* Records before this number are not wanted any more: files of none but such leave the list, and the disk if no checkpoint was offered
 * them. */
void segments_forget(struct segments *segments, int64_t first);

int segments_count(const struct segments *segments); /* what a checkpoint of this moment refers to, in order; valid after a sync */
const struct segment_reference *segments_at(const struct segments *segments, int i);

/* Reads a file of the folder through segment_parse. */
MUST_USE int segments_read(const struct segments *segments, const struct segment_reference *reference, segment_visitor *visit,
                           void *context, struct err *err);
/* Begins where a checkpoint stood; what is appended from now on goes to new files. */
MUST_USE int segments_resume(struct segments *segments, const struct segment_reference *references, int n, struct err *err);

/* Removes all files but those of our list and of `kept`. */
MUST_USE int segments_keep(struct segments *segments, const int64_t *kept, int n, struct err *err);
bool segments_have_old(const struct segments *segments); /* the disk has files older than all of our list */
int64_t segments_disk_bytes(const struct segments *segments);

#endif
