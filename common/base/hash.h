/* Content hashes: XXH3 with 128 bits (packaged xxHash), as 32 lower-case hexadecimal digits where text is wanted. They find
 * damage and name contents; they do not resist someone who forges on purpose (that is CURVE's work). */
#ifndef TESTUDO_BASE_HASH_H
#define TESTUDO_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash {
    uint64_t high, low;
};

#define HASH_TEXT_SIZE 33

struct hash hash_bytes(const void *data, size_t length);
struct hash hash_combine(struct hash a, struct hash b); /* order matters */
bool hash_equal(struct hash a, struct hash b);
void hash_text(struct hash hash, char text[HASH_TEXT_SIZE]);

#endif
