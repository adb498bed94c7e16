/* Files: whole reads with a ceiling, writes that are either complete or absent, folders. */
#ifndef TESTUDO_BASE_FILE_H
#define TESTUDO_BASE_FILE_H

#include <stddef.h>

#include "base/err.h"

/* Reads the whole file (at most `limit` bytes) into *data, which the caller frees; one 0 byte follows the data. */
MUST_USE int file_read(const char *path, size_t limit, unsigned char **data, size_t *length, struct err *err);

/* The same of a file that may be longer: its first bytes, at most `limit`. */
MUST_USE int file_read_first(const char *path, size_t limit, unsigned char **data, size_t *length, struct err *err);

/* Writes to a temporary file beside `path`, syncs file and folder, renames: after a crash either the old or the new content
 * is there. */
MUST_USE int file_write(const char *path, const void *data, size_t length, struct err *err);

/* Creates the folder and those above it; an existing folder is fine. */
MUST_USE int file_make_folder(const char *path, struct err *err);

/* Joins with '/'; ERR_LIMIT when the result does not fit `size`. */
MUST_USE int file_join(char *out, size_t size, const char *folder, const char *name);

#endif
