/* Pictures as bytes: what the encoders write is read back by a small decoder of our own (GIF) or with zlib (PNG), colours stay
 * what they are, paint covers the area that geometry says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "deploy/pictures/font.h"
#include "deploy/pictures/picture.h"

/* ---- GIF, read back ---- */

struct reader {
    const uint8_t *data;
    size_t length, at;
};

static unsigned byte(struct reader *reader)
{
    assert_true(reader->at < reader->length);
    return reader->data[reader->at++];
}

static unsigned le16(struct reader *reader)
{
    unsigned low = byte(reader);
    return low | byte(reader) << 8;
}

/* All blocks up to the empty one, joined; the caller frees. */
static uint8_t *read_blocks(struct reader *reader, size_t *length)
{
    uint8_t *joined = malloc(reader->length + 1);
    assert_non_null(joined);
    *length = 0;
    for (unsigned n; (n = byte(reader));)
        for (; n; n--)
            joined[(*length)++] = (uint8_t)byte(reader);
    return joined;
}

static int next_code(const uint8_t *data, size_t length, size_t *bit, int bits)
{
    int code = 0;
    for (int i = 0; i < bits; i++, (*bit)++) {
        assert_true(*bit / 8 < length);
        code |= (data[*bit / 8] >> *bit % 8 & 1) << i;
    }
    return code;
}

/* The reader's side of the specification: a table of (prefix, last pixel), one step behind the writer's. */
static size_t unpack(const uint8_t *data, size_t length, uint8_t *out, size_t room)
{
    static int prefix[4096];
    static uint8_t last[4096], string[4096];
    size_t bit = 0, n = 0;
    int bits = 9, count = 258, before = -1;
    for (int code; (code = next_code(data, length, &bit, bits)) != 257;) {
        if (code == 256) {
            bits = 9, count = 258, before = -1;
            continue;
        }
        assert_true(code < 256 || (code >= 258 && code <= count && (code < count || before >= 0)));
        int at = code == count ? before : code, depth = 0;
        for (; at >= 258; at = prefix[at])
            string[depth++] = last[at];
        uint8_t first = (uint8_t)at;
        string[depth++] = first;
        while (depth) {
            assert_true(n < room);
            out[n++] = string[--depth];
        }
        if (code == count) {
            assert_true(n < room);
            out[n++] = first;
        }
        if (before >= 0 && count < 4096) {
            prefix[count] = before;
            last[count++] = first;
            if (count == 1 << bits && bits < 12)
                bits++;
        }
        before = code;
    }
    assert_true(length - bit / 8 <= 1);
    return n;
}

/* Paints one frame of the file over `screen` [height,width]; false at the trailer. */
static bool read_frame(struct reader *reader, int width, int height, uint8_t *screen, unsigned *delay)
{
    int transparent = -1;
    unsigned kind;
    while ((kind = byte(reader)) == 0x21) {
        unsigned label = byte(reader);
        size_t length;
        uint8_t *extension = read_blocks(reader, &length);
        if (label == 0xf9) {
            assert_int_equal(length, 4);
            assert_int_equal(extension[0] >> 2 & 7, 1); /* leave in place */
            transparent = extension[0] & 1 ? extension[3] : -1;
            *delay = extension[1] | (unsigned)extension[2] << 8;
        }
        free(extension);
    }
    if (kind == ';')
        return false;
    assert_int_equal(kind, ',');
    int left = (int)le16(reader), top = (int)le16(reader), w = (int)le16(reader), h = (int)le16(reader);
    assert_true(left + w <= width && top + h <= height && w > 0 && h > 0);
    assert_int_equal(byte(reader), 0);
    assert_int_equal(byte(reader), 8);
    size_t length, area = (size_t)w * (size_t)h;
    uint8_t *packed = read_blocks(reader, &length), *pixels = malloc(area);
    assert_non_null(pixels);
    assert_int_equal(unpack(packed, length, pixels, area), area);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            if (pixels[y * w + x] != transparent)
                screen[(top + y) * width + left + x] = pixels[y * w + x];
    free(packed);
    free(pixels);
    return true;
}

static void check_gif(const struct indexed *frames, int n)
{
    struct reader reader = {0};
    unsigned char *data;
    struct err err = {""};
    unsigned delay = 0;
    int width = frames[0].width, height = frames[0].height;
    uint8_t *screen = calloc((size_t)width, (size_t)height);
    assert_non_null(screen);
    assert_int_equal(picture_gif(frames, n, 12, &data, &reader.length, &err), 0);
    reader.data = data;
    assert_memory_equal(data, "GIF89a", 6);
    reader.at = 6;
    assert_int_equal(le16(&reader), width);
    assert_int_equal(le16(&reader), height);
    assert_int_equal(byte(&reader), 0xf7);
    reader.at += 2;
    assert_memory_equal(data + reader.at, frames[0].palette, 768);
    reader.at += 768;
    for (int i = 0; i < n; i++) {
        assert_true(read_frame(&reader, width, height, screen, &delay));
        assert_memory_equal(screen, frames[i].pixels, (size_t)width * (size_t)height);
        assert_int_equal(delay, i == n - 1 ? 150 : 12);
    }
    assert_false(read_frame(&reader, width, height, screen, &delay));
    assert_int_equal(reader.at, reader.length);
    free(screen);
    free(data);
}

/* Frames of noise in `colours` colours; the second changes a part of the first, the third nothing. */
static void noise(struct indexed frames[3], int width, int height, int colours, uint64_t seed)
{
    struct rng rng = rng_stream(seed, RNG_TEST, 0, 0, 0);
    size_t area = (size_t)width * (size_t)height;
    for (int f = 0; f < 3; f++) {
        frames[f] = (struct indexed){.width = width, .height = height, .n_colours = colours, .pixels = malloc(area)};
        assert_non_null(frames[f].pixels);
        for (int i = 0; i < 256; i++)
            memset(frames[f].palette[i], i, 3);
        for (size_t i = 0; i < area; i++)
            frames[f].pixels[i] = (uint8_t)rng_below(&rng, (uint32_t)colours);
        for (size_t i = 0; i < area && f; i++)
            if (f == 2 || i % 7 || (int)(i % (size_t)width) < width / 3)
                frames[f].pixels[i] = frames[f - 1].pixels[i];
    }
}

static void test_gif_reads_back(void **state)
{
    (void)state;
    /* Colours decide how fast the table of codes fills: it overflows in the largest, grows by runs in the single-coloured. */
    static const int cases[][3] = {{1, 1, 1},   {1, 1, 255},   {3, 2, 2},     {64, 64, 1},   {200, 150, 1},  {64, 64, 2},
                                   {90, 70, 3}, {200, 150, 4}, {200, 150, 9}, {150, 90, 64}, {300, 200, 255}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct indexed frames[3];
        noise(frames, cases[i][0], cases[i][1], cases[i][2], i);
        check_gif(frames, 3);
        check_gif(frames, 1);
        for (int f = 0; f < 3; f++)
            indexed_deinit(&frames[f]);
    }
}

/* ---- PNG, read back ---- */

static uint32_t be32(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static void check_png(const uint8_t *data, size_t length, const struct indexed *picture)
{
    static const char *const order[] = {"IHDR", "PLTE", "IDAT", "IEND"};
    size_t at = 8, row = (size_t)picture->width + 1;
    assert_memory_equal(data, "\x89PNG\r\n\x1a\n", 8);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        uint32_t size = be32(data + at);
        const uint8_t *body = data + at + 8;
        assert_true(at + 12 + size <= length);
        assert_memory_equal(data + at + 4, order[i], 4);
        assert_int_equal(be32(body + size), crc32(0, data + at + 4, size + 4));
        if (i == 0) {
            assert_int_equal(size, 13);
            assert_int_equal(be32(body), picture->width);
            assert_int_equal(be32(body + 4), picture->height);
            assert_memory_equal(body + 8, "\x08\x03\0\0\0", 5);
        } else if (i == 1) {
            assert_int_equal(size, 3 * picture->n_colours);
            assert_memory_equal(body, picture->palette, size);
        } else if (i == 2) {
            uLongf n = (uLongf)(row * (size_t)picture->height) + 1;
            uint8_t *rows = malloc(n);
            assert_non_null(rows);
            assert_int_equal(uncompress(rows, &n, body, size), Z_OK);
            assert_int_equal(n, row * (size_t)picture->height);
            for (size_t y = 0; y < (size_t)picture->height; y++) {
                assert_int_equal(rows[y * row], 0);
                assert_memory_equal(rows + y * row + 1, picture->pixels + y * (size_t)picture->width, (size_t)picture->width);
            }
            free(rows);
        }
        at += 12 + size;
    }
    assert_int_equal(at, length);
}

static void test_png_reads_back(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 1, 1}, {7, 3, 5}, {300, 200, 256}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct indexed frames[3];
        unsigned char *data;
        size_t length;
        noise(frames, sizes[i][0], sizes[i][1], sizes[i][2], i);
        assert_int_equal(picture_png(&frames[0], &data, &length, NULL), 0);
        check_png(data, length, &frames[0]);
        free(data);
        for (int f = 0; f < 3; f++)
            indexed_deinit(&frames[f]);
    }
}

/* ---- colours ---- */

static void test_few_colours_stay_exact_and_many_stay_near(void **state)
{
    (void)state;
    struct canvas canvas;
    struct indexed picture;
    struct rng rng = rng_stream(5, RNG_TEST, 0, 0, 0);
    assert_int_equal(canvas_init(&canvas, 64, 64, PALETTE_PAGE), 0);
    for (size_t i = 0; i < 64 * 64; i++) /* 200 colours, each in a bin of its own */
        for (int c = 0; c < 3; c++)
            canvas.rgb[3 * i + (size_t)c] = (uint8_t)(c == 0 ? 8 * (i % 20) : c == 1 ? 16 * (i / 20 % 10) : 0);
    assert_int_equal(picture_quantise(&canvas, 1, 1, &picture, NULL), 0);
    assert_int_equal(picture.n_colours, 200);
    for (size_t i = 0; i < 64 * 64; i++)
        assert_memory_equal(picture.palette[picture.pixels[i]], canvas.rgb + 3 * i, 3);
    indexed_deinit(&picture);
    for (size_t i = 0; i < 3 * 64 * 64; i++)
        canvas.rgb[i] = (uint8_t)rng_below(&rng, 256);
    assert_int_equal(picture_quantise(&canvas, 1, 1, &picture, NULL), 0);
    assert_int_equal(picture.n_colours, 255);
    double worst = 0;
    for (size_t i = 0; i < 64 * 64; i++) {
        double d = 0;
        for (size_t c = 0; c < 3; c++)
            d += pow(picture.palette[picture.pixels[i]][c] - canvas.rgb[3 * i + c], 2);
        worst = fmax(worst, sqrt(d));
    }
    print_message("# noise: farthest colour %.1f of 441\n", worst);
    assert_true(worst < 90);
    indexed_deinit(&picture);
    canvas_deinit(&canvas);
}

/* What eyes without green (deuteranopia) and without red cones (protanopia) make of linear RGB: Machado, Oliveira and Fernandes 2009,
 * doi 10.1109/TVCG.2009.113, table of severity 1; the first are common eyes. */
static const double eyes[3][3][3] = {
    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
    {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
    {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
};

static double linear(double c)
{
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

static double bend(double t)
{
    return t > 0.008856 ? cbrt(t) : 7.787 * t + 16.0 / 116;
}

/* CIELAB as these eyes see the colour. */
static void lab(struct colour colour, const double eye[3][3], double out[3])
{
    const double in[3] = {linear(colour.r / 255.0), linear(colour.g / 255.0), linear(colour.b / 255.0)};
    double seen[3];
    for (int i = 0; i < 3; i++)
        seen[i] = fmax(0, eye[i][0] * in[0] + eye[i][1] * in[1] + eye[i][2] * in[2]);
    double x = bend((0.4124 * seen[0] + 0.3576 * seen[1] + 0.1805 * seen[2]) / 0.9505);
    double y = bend(0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2]);
    double z = bend((0.0193 * seen[0] + 0.1192 * seen[1] + 0.9505 * seen[2]) / 1.089);
    out[0] = 116 * y - 16, out[1] = 500 * (x - y), out[2] = 200 * (y - z);
}

/* The smallest difference that any of the eyes sees; about 2 can just be told apart side by side. */
static double distance(struct colour a, struct colour b)
{
    double least = 1000;
    for (int eye = 0; eye < 3; eye++) {
        double p[3], q[3];
        lab(a, eyes[eye], p);
        lab(b, eyes[eye], q);
        least = fmin(least, sqrt(pow(p[0] - q[0], 2) + pow(p[1] - q[1], 2) + pow(p[2] - q[2], 2)));
    }
    return least;
}

/* Between any shade of one ink and any of another, or, within an ink, any two different ones. */
static double least_distance(enum scene_ink first, enum scene_ink second)
{
    double least = 1000;
    for (int a = 0; a < palette_shades(first); a++)
        for (int b = 0; b < (first == second ? a : palette_shades(second)); b++)
            least = fmin(least, distance(palette_fill(first, a), palette_fill(second, b)));
    print_message("# %s and %s: %.1f\n", palette_ink_name(first), palette_ink_name(second), least);
    return least;
}

static void test_palette_serves_all_eyes(void **state)
{
    (void)state;
    for (int ink = 0; ink < INK_COUNT; ink++) {
        assert_true(palette_shades(ink) > 0 && palette_shades(ink) <= PALETTE_SHADES);
        assert_true(distance(palette_fill(ink, 0), palette_fill(ink, palette_shades(ink))) == 0);
    }
    assert_true(least_distance(INK_ALLY, INK_ENEMY) > 15);
    assert_true(least_distance(INK_ALLY, INK_GOAL) > 15);
    assert_true(least_distance(INK_ENEMY, INK_GOAL) > 15);
    assert_true(least_distance(INK_ALLY, INK_GROUND) > 10);
    assert_true(least_distance(INK_ALLY, INK_ALLY) > 10);
    assert_true(least_distance(INK_ENEMY, INK_ENEMY) > 10);
    assert_true(least_distance(INK_GOAL, INK_GOAL) > 10);
}

/* ---- paint ---- */

static struct film_frame frame_of(struct scene_item *items, int n)
{
    return (struct film_frame){.left = 0, .bottom = 0, .right = 10, .top = 10, .items = items, .n_items = n};
}

/* Sum over pixels of how far they are from paper towards `ink`, 0 to 1 each. */
static double covered(struct scene_item item, struct colour ink)
{
    struct canvas canvas;
    struct film_frame frame = frame_of(&item, 1);
    struct colour paper = PALETTE_PAPER;
    double sum = 0;
    assert_int_equal(canvas_init(&canvas, 200, 200, PALETTE_PAGE), 0);
    paint_frame(&canvas, (struct area){0, 0, 200, 200}, &frame, true);
    for (size_t i = 0; i < 200 * 200; i++)
        sum += ((double)canvas.rgb[3 * i] - paper.r) / ((double)ink.r - paper.r);
    canvas_deinit(&canvas);
    return sum;
}

static void test_shapes_cover_their_area(void **state)
{
    (void)state;
    struct colour wall = palette_fill(INK_WALL, 0); /* no rim, opaque */
    const struct {
        struct scene_item item;
        double units; /* of area; a unit is 20 x 20 pixels */
    } cases[] = {
        {{SCENE_RECT, INK_WALL, 0, 2, 3, 4, 2.5f, 0, ""}, 10},
        {{SCENE_RECT, INK_WALL, 0, 2.013f, 3.03f, 4, 2.5f, 0, ""}, 10},
        {{SCENE_RECT, INK_WALL, 0, 8, 8, 5, 5, 0, ""}, 4}, /* cut at the edge */
        {{SCENE_CIRCLE, INK_WALL, 0, 5, 5, 3, 0, 0, ""}, 9 * M_PI},
        {{SCENE_CIRCLE, INK_WALL, 0, 0, 0, 3, 0, 0, ""}, 9 * M_PI / 4},
        {{SCENE_LINE, INK_WALL, 0, 2, 2, 8, 6, 1, ""}, sqrt(52) + M_PI / 4}, /* round ends */
        {{SCENE_CIRCLE, INK_WALL, 0, 50, 5, 3, 0, 0, ""}, 0},
        {{SCENE_CIRCLE, INK_WALL, 0, 5, 5, 1e30f, 0, 0, ""}, 0}, /* beyond what pixels can say: nothing */
        {{SCENE_LINE, INK_WALL, 0, NAN, 2, 8, 6, 1, ""}, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double got = covered(cases[i].item, wall) / 400;
        print_message("# case %zu: %.4f of %.4f\n", i, got, cases[i].units);
        assert_true(fabs(got - cases[i].units) < 0.004 * cases[i].units + 0.02);
    }
    struct scene_item label = {SCENE_TEXT, INK_LABEL, 0, 5, 5, 4, 0, 0, "8"};
    double ink = covered(label, palette_fill(INK_LABEL, 0)) / 400;
    assert_true(ink > 1 && ink < 8);
}

static void test_every_letter_has_strokes(void **state)
{
    (void)state;
    struct font_stroke stroke[FONT_STROKES], box[FONT_STROKES];
    float advance;
    int n_box = font_letter('\x01', box, &advance), missing = 0;
    for (int letter = 33; letter < 127; letter++) {
        int n = font_letter((char)letter, stroke, &advance);
        assert_true(n > 0 && n < FONT_STROKES && advance > 1.5f && advance < 7);
        for (int i = 0; i < n; i++)
            assert_true(stroke[i].x >= 0 && stroke[i].x <= 4 && stroke[i].y >= -2 && stroke[i].y <= 7);
        missing += n == n_box && !memcmp(stroke, box, (size_t)n * sizeof *stroke);
    }
    print_message("# %d rare signs show as a box\n", missing);
    assert_true(missing <= 5); /* $ @ ` { } */
    assert_int_equal(font_letter(' ', stroke, &advance), 0);
    assert_true(font_width("mm") > font_width("ii"));
    assert_true(font_width("") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gif_reads_back),
        cmocka_unit_test(test_png_reads_back),
        cmocka_unit_test(test_few_colours_stay_exact_and_many_stay_near),
        cmocka_unit_test(test_palette_serves_all_eyes),
        cmocka_unit_test(test_shapes_cover_their_area),
        cmocka_unit_test(test_every_letter_has_strokes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
