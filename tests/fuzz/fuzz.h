/* Fuzz targets: one function per decoder that reads bytes from the network or a disk. driver.c makes a libFuzzer program of each
 * (make fuzz), replay.c runs the committed inputs through all of them under the sanitizers (make fuzz-replay). */
#ifndef TESTUDO_TESTS_FUZZ_H
#define TESTUDO_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define FUZZ_TARGETS(X)                                                     \
    X(pack) X(manifest) X(schema) X(frame) X(envelope) X(orders)            \
    X(description) X(chunk) X(safetensors) X(recipe) X(broker)              \
    X(actor_link) X(learner_link) X(map) X(segment)
/* clang-format on */

/* Reads the bytes; aborts (ASSERT or a sanitizer) when a promise of the decoder is broken. */
typedef void fuzz_target(const uint8_t *data, size_t size);

#define FUZZ_DECLARE(name) fuzz_target fuzz_##name;
FUZZ_TARGETS(FUZZ_DECLARE)
#undef FUZZ_DECLARE

#endif
