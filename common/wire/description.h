/* What an actor tells about its task: the environment's spec and the trajectory schema, as one content-addressed blob. */
#ifndef TESTUDO_WIRE_DESCRIPTION_H
#define TESTUDO_WIRE_DESCRIPTION_H

#include "base/spec.h"
#include "wire/schema.h"

#define DESCRIPTION_BYTES_MAX (32 * 1024)

MUST_USE int description_encode(const struct spec *spec, const struct schema *schema, void *out,
                                size_t size); /* bytes or ERR_LIMIT */
/* Hostile-safe; checks the spec (spec_check) and recomputes the schema's hash. */
MUST_USE int description_decode(struct spec *spec, struct schema *schema, const void *data, size_t length, struct err *err);

#endif
