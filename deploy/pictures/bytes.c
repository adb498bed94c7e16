#include "deploy/pictures/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct bytes *bytes, size_t more)
{
    if (bytes->is_broken || bytes->length + more <= bytes->room)
        return !bytes->is_broken;
    size_t room = 2 * (bytes->length + more) + 256;
    unsigned char *data = realloc(bytes->data, room);
    if (!data) {
        bytes->is_broken = true;
        return false;
    }
    bytes->data = data;
    bytes->room = room;
    return true;
}

void bytes_add(struct bytes *bytes, const void *data, size_t length)
{
    if (!length || !reserve(bytes, length))
        return;
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

void bytes_byte(struct bytes *bytes, unsigned value)
{
    unsigned char byte = (unsigned char)value;
    bytes_add(bytes, &byte, 1);
}

void bytes_le16(struct bytes *bytes, unsigned value)
{
    bytes_byte(bytes, value & 255);
    bytes_byte(bytes, value >> 8 & 255);
}

void bytes_be32(struct bytes *bytes, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes_byte(bytes, value >> shift & 255);
}

void bytes_print(struct bytes *bytes, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n > 0 && reserve(bytes, (size_t)n + 1)) {
        vsnprintf((char *)bytes->data + bytes->length, (size_t)n + 1, format, again);
        bytes->length += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void bytes_deinit(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}
