/* PNG with a palette (W3C PNG specification, second edition): signature, IHDR, PLTE, IDAT, IEND. zlib, which the program has
 * anyway, does the compression and the checksums, so that a PNG library would only add a dependency. */
#include <stdlib.h>
#include <zlib.h>

#include "deploy/pictures/bytes.h"
#include "deploy/pictures/picture.h"

static void add_chunk(struct bytes *file, const char type[4], const void *data, size_t length)
{
    bytes_be32(file, (uint32_t)length);
    size_t start = file->length;
    bytes_add(file, type, 4);
    bytes_add(file, data, length);
    if (!file->is_broken)
        bytes_be32(file, (uint32_t)crc32(0, file->data + start, (uInt)(length + 4)));
}

static void add_header(struct bytes *file, const struct indexed *picture)
{
    static const unsigned char signature[8] = {137, 'P', 'N', 'G', '\r', '\n', 26, '\n'};
    struct bytes head = {0};
    bytes_be32(&head, (uint32_t)picture->width);
    bytes_be32(&head, (uint32_t)picture->height);
    bytes_add(&head, "\x08\x03\0\0\0", 5); /* 8 bits, by palette; deflate, filters per row, not interlaced */
    bytes_add(file, signature, sizeof signature);
    add_chunk(file, "IHDR", head.data, head.length);
    file->is_broken |= head.is_broken;
    bytes_deinit(&head);
    add_chunk(file, "PLTE", picture->palette, 3 * (size_t)picture->n_colours);
}

/* Rows behind their filter byte: 0, none, which is what palette images compress best with. */
static int add_pixels(struct bytes *file, const struct indexed *picture)
{
    struct bytes rows = {0};
    for (int y = 0; y < picture->height; y++) {
        bytes_byte(&rows, 0);
        bytes_add(&rows, picture->pixels + (size_t)y * (size_t)picture->width, (size_t)picture->width);
    }
    uLongf length = compressBound((uLong)rows.length);
    unsigned char *packed = rows.is_broken ? NULL : malloc(length);
    bool is_good = packed && compress2(packed, &length, rows.data, (uLong)rows.length, Z_BEST_COMPRESSION) == Z_OK;
    if (is_good)
        add_chunk(file, "IDAT", packed, length);
    free(packed);
    bytes_deinit(&rows);
    return is_good ? 0 : ERR_NOMEM;
}

int picture_png(const struct indexed *picture, unsigned char **data, size_t *length, struct err *err)
{
    struct bytes file = {0};
    add_header(&file, picture);
    int r = add_pixels(&file, picture);
    add_chunk(&file, "IEND", NULL, 0);
    if (r || file.is_broken) {
        bytes_deinit(&file);
        return err_set(err, ERR_NOMEM, "no memory for a PNG of %d x %d", picture->width, picture->height);
    }
    *data = file.data;
    *length = file.length;
    return 0;
}
