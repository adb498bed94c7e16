/* JSON files, on the packaged jansson: reading with ceilings, writing that is complete or absent.
 *
 * jansson owns trees by reference count (json_decref). Numbers are written with 17 digits, so that a double reads back equal. */
#ifndef TESTUDO_BASE_JSON_H
#define TESTUDO_BASE_JSON_H

#include <jansson.h>

#include "base/err.h"

#define JSON_FILE_MAX (16u << 20) /* bytes of a JSON file that json_read takes */

/* Parses text that may be hostile: duplicate keys and 0 bytes are refused, and jansson bounds the depth. `name` appears in the
 * error. NULL on failure; the caller owns the tree. */
json_t *json_parse(const char *name, const char *text, size_t length, struct err *err);

json_t *json_read(const char *path, struct err *err); /* the same from a file */

/* Writes with two spaces of indentation and a final newline; the tree stays the caller's. */
MUST_USE int json_write(const char *path, const json_t *tree, struct err *err);

/* A number, or null where it is not finite: JSON has no other way to say so. */
json_t *json_number_or_null(double value);

#endif
