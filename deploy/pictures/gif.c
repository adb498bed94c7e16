/* Animated GIF (CompuServe, GIF89a specification, 1990). A frame after the first holds only the rectangle that changed, with what
 * did not change in it transparent, which is what keeps the files small. The packaged library would bring a dependency and an own
 * palette type for what the compressor below does in sixty lines. */
#include <stdlib.h>
#include <string.h>

#include "deploy/pictures/bytes.h"
#include "deploy/pictures/picture.h"

#define CLEAR 256 /* code that empties the table */
#define END 257
#define CODES_MAX 4096
#define TRANSPARENT 255
#define LINGER 150 /* hundredths of a second on the last frame */

/* ---- Lempel-Ziv-Welch with codes of 9 to 12 bits, 8 bits a pixel ---- */

struct table { /* of known strings, as a tree: a code is its parent's string and one more pixel */
    uint16_t child[CODES_MAX], sibling[CODES_MAX];
    uint8_t pixel[CODES_MAX];
    int count;
};

struct packer {
    struct bytes *file;
    uint32_t bits; /* not yet written, lowest first */
    int n_bits, code_bits;
    uint8_t block[255]; /* the format cuts its data into blocks of at most 255 bytes */
    int used;
    struct table table;
};

static void flush_block(struct packer *packer)
{
    bytes_byte(packer->file, (unsigned)packer->used);
    bytes_add(packer->file, packer->block, (size_t)packer->used);
    packer->used = 0;
}

static void put_byte(struct packer *packer)
{
    packer->block[packer->used++] = (uint8_t)packer->bits;
    packer->bits >>= 8;
    packer->n_bits -= 8;
    if (packer->used == sizeof packer->block)
        flush_block(packer);
}

static void put_code(struct packer *packer, int code)
{
    packer->bits |= (uint32_t)code << packer->n_bits;
    packer->n_bits += packer->code_bits;
    while (packer->n_bits >= 8)
        put_byte(packer);
}

static void clear_table(struct packer *packer)
{
    struct table *table = &packer->table;
    memset(table->child, 0, sizeof table->child);
    table->count = END + 1;
    packer->code_bits = 9;
}

/* The code of `prefix` followed by the pixel; 0 when it is not known, which no longer string has. */
static int find(const struct table *table, int prefix, uint8_t pixel)
{
    int code = table->child[prefix];
    while (code && table->pixel[code] != pixel)
        code = table->sibling[code];
    return code;
}

/* The reader learns a code one step later than we do, so the width grows when the newest code does not fit, not before. */
static void learn(struct packer *packer, int prefix, uint8_t pixel)
{
    struct table *table = &packer->table;
    if (table->count == CODES_MAX) {
        put_code(packer, CLEAR);
        clear_table(packer);
        return;
    }
    int code = table->count++;
    table->pixel[code] = pixel;
    table->sibling[code] = table->child[prefix];
    table->child[prefix] = (uint16_t)code;
    if (code == 1 << packer->code_bits)
        packer->code_bits++;
}

static void pack(struct packer *packer, struct bytes *file, const uint8_t *pixels, size_t count)
{
    packer->file = file;
    packer->bits = 0;
    packer->n_bits = packer->used = 0;
    clear_table(packer);
    put_code(packer, CLEAR);
    int prefix = pixels[0];
    for (size_t i = 1; i < count; i++) {
        int longer = find(&packer->table, prefix, pixels[i]);
        if (!longer) {
            put_code(packer, prefix);
            learn(packer, prefix, pixels[i]);
        }
        prefix = longer ? longer : pixels[i];
    }
    put_code(packer, prefix);
    put_code(packer, END);
    while (packer->n_bits > 0)
        put_byte(packer);
    if (packer->used)
        flush_block(packer);
    bytes_byte(file, 0);
}

/* ---- the file ---- */

static void add_header(struct bytes *file, const struct indexed *first)
{
    bytes_add(file, "GIF89a", 6);
    bytes_le16(file, (unsigned)first->width);
    bytes_le16(file, (unsigned)first->height);
    bytes_add(file, "\xf7\0\0", 3); /* a global palette of 256 colours */
    bytes_add(file, first->palette, sizeof first->palette);
    bytes_add(file, "\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0", 19); /* repeat for ever */
}

struct patch {
    int left, top, right, bottom; /* right and bottom excluded */
};

/* The smallest rectangle with all that changed; one pixel when nothing did. */
static struct patch changed(const struct indexed *before, const struct indexed *now)
{
    struct patch patch = {now->width, now->height, 0, 0};
    for (int y = 0; y < now->height; y++)
        for (int x = 0; x < now->width; x++) {
            size_t at = (size_t)y * (size_t)now->width + (size_t)x;
            if (before->pixels[at] == now->pixels[at])
                continue;
            patch.left = x < patch.left ? x : patch.left;
            patch.right = x >= patch.right ? x + 1 : patch.right;
            patch.top = y < patch.top ? y : patch.top;
            patch.bottom = y + 1;
        }
    return patch.bottom ? patch : (struct patch){0, 0, 1, 1};
}

/* Pixels of the patch, transparent where they are as before. Returns how many. */
static size_t cut_patch(const struct indexed *before, const struct indexed *now, struct patch patch, uint8_t *out)
{
    size_t n = 0;
    for (int y = patch.top; y < patch.bottom; y++)
        for (int x = patch.left; x < patch.right; x++) {
            size_t at = (size_t)y * (size_t)now->width + (size_t)x;
            out[n++] = before && before->pixels[at] == now->pixels[at] ? TRANSPARENT : now->pixels[at];
        }
    return n;
}

static void add_frame(struct bytes *file, struct packer *packer, const struct indexed *before, const struct indexed *now, int delay,
                      uint8_t *scratch)
{
    struct patch patch = before ? changed(before, now) : (struct patch){0, 0, now->width, now->height};
    bytes_add(file, "\x21\xf9\x04\x05", 4); /* leave it in place; has a transparent colour */
    bytes_le16(file, (unsigned)delay);
    bytes_byte(file, TRANSPARENT);
    bytes_byte(file, 0);
    bytes_byte(file, ',');
    bytes_le16(file, (unsigned)patch.left);
    bytes_le16(file, (unsigned)patch.top);
    bytes_le16(file, (unsigned)(patch.right - patch.left));
    bytes_le16(file, (unsigned)(patch.bottom - patch.top));
    bytes_byte(file, 0); /* no palette of its own */
    bytes_byte(file, 8); /* bits a pixel */
    pack(packer, file, scratch, cut_patch(before, now, patch, scratch));
}

int picture_gif(const struct indexed *frames, int n, int delay, unsigned char **data, size_t *length, struct err *err)
{
    struct bytes file = {0};
    uint8_t *scratch = malloc((size_t)frames[0].width * (size_t)frames[0].height);
    struct packer *packer = malloc(sizeof *packer);
    ASSERT(n > 0 && frames[0].n_colours <= TRANSPARENT);
    file.is_broken = !scratch || !packer;
    if (!file.is_broken)
        add_header(&file, &frames[0]);
    for (int i = 0; i < n && !file.is_broken; i++)
        add_frame(&file, packer, i ? &frames[i - 1] : NULL, &frames[i], i == n - 1 ? LINGER : delay, scratch);
    bytes_byte(&file, ';');
    free(scratch);
    free(packer);
    if (file.is_broken) {
        bytes_deinit(&file);
        return err_set(err, ERR_NOMEM, "no memory for a GIF of %d frames", n);
    }
    *data = file.data;
    *length = file.length;
    return 0;
}
