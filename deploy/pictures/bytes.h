/* A growing run of bytes, for building a file in memory. A failed growth is remembered, so that it is checked once at the end. */
#ifndef TESTUDO_DEPLOY_BYTES_H
#define TESTUDO_DEPLOY_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    unsigned char *data; /* owned */
    size_t length, room;
    bool is_broken; /* out of memory */
};

void bytes_add(struct bytes *bytes, const void *data, size_t length);
void bytes_byte(struct bytes *bytes, unsigned value);
void bytes_le16(struct bytes *bytes, unsigned value);
void bytes_be32(struct bytes *bytes, uint32_t value);
void bytes_print(struct bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_deinit(struct bytes *bytes);

#endif
