/* Few colours for many pixels. Our pictures are flat inks with smooth edges, so the most frequent colours are nearly all there are:
 * counting them on a grid of 32 steps a channel and giving the rest to the nearest is as good here as anything cleverer. */
#include <stdlib.h>
#include <string.h>

#include "deploy/pictures/picture.h"

#define BINS (32 * 32 * 32)

struct bin {
    uint32_t count;
    uint32_t sum[3]; /* of the channels: the bin's colour is its pixels' mean */
    int16_t entry;   /* in the palette; -1: not yet known */
};

static size_t bin_of(const uint8_t *rgb)
{
    return (size_t)(rgb[0] >> 3) << 10 | (size_t)(rgb[1] >> 3) << 5 | rgb[2] >> 3;
}

static size_t pixels_of(const struct canvas *canvas)
{
    return (size_t)canvas->width * (size_t)canvas->height;
}

static void count_colours(const struct canvas *canvas, struct bin *bins)
{
    for (size_t i = 0; i < pixels_of(canvas); i++) {
        const uint8_t *rgb = canvas->rgb + 3 * i;
        struct bin *bin = &bins[bin_of(rgb)];
        bin->count++;
        for (int c = 0; c < 3; c++)
            bin->sum[c] += rgb[c];
    }
}

static int by_count(const void *a, const void *b)
{
    const struct bin *const *x = a, *const *y = b;
    if ((*x)->count != (*y)->count)
        return (*x)->count < (*y)->count ? 1 : -1;
    return (*x > *y) - (*x < *y);
}

/* Returns how many colours the palette has. */
static int choose(struct bin *bins, struct bin **order, int most, uint8_t palette[256][3])
{
    int n = 0, used = 0;
    for (size_t i = 0; i < BINS; i++)
        if (bins[i].count)
            order[used++] = &bins[i];
    qsort(order, (size_t)used, sizeof *order, by_count);
    for (; n < used && n < most; n++) {
        for (int c = 0; c < 3; c++)
            palette[n][c] = (uint8_t)((order[n]->sum[c] + order[n]->count / 2) / order[n]->count);
        order[n]->entry = (int16_t)n;
    }
    return n;
}

static int nearest(const uint8_t palette[256][3], int n, const uint8_t *rgb)
{
    int best = 0, least = 1 << 30;
    for (int i = 0; i < n; i++) {
        int d = 0;
        for (int c = 0; c < 3; c++)
            d += (palette[i][c] - rgb[c]) * (palette[i][c] - rgb[c]);
        if (d < least)
            least = d, best = i;
    }
    return best;
}

static int map_pixels(const struct canvas *canvas, struct bin *bins, struct indexed *out)
{
    out->width = canvas->width;
    out->height = canvas->height;
    if (!(out->pixels = malloc(pixels_of(canvas) + 1)))
        return ERR_NOMEM;
    for (size_t i = 0; i < pixels_of(canvas); i++) {
        const uint8_t *rgb = canvas->rgb + 3 * i;
        struct bin *bin = &bins[bin_of(rgb)];
        if (bin->entry < 0)
            bin->entry = (int16_t)nearest(out->palette, out->n_colours, rgb);
        out->pixels[i] = (uint8_t)bin->entry;
    }
    return 0;
}

void indexed_deinit(struct indexed *picture)
{
    free(picture->pixels);
    picture->pixels = NULL;
}

int picture_quantise(const struct canvas *canvases, int n, int reserved, struct indexed *out, struct err *err)
{
    struct bin *bins = calloc(BINS, sizeof *bins), **order = malloc(BINS * sizeof *order);
    int r = bins && order ? 0 : ERR_NOMEM, colours = 0;
    uint8_t palette[256][3] = {{0}};
    memset(out, 0, (size_t)n * sizeof *out);
    for (size_t i = 0; i < BINS && !r; i++)
        bins[i].entry = -1;
    for (int i = 0; i < n && !r; i++)
        count_colours(&canvases[i], bins);
    if (!r)
        colours = choose(bins, order, 256 - reserved, palette);
    for (int i = 0; i < n && !r; i++) {
        memcpy(out[i].palette, palette, sizeof palette);
        out[i].n_colours = colours;
        r = map_pixels(&canvases[i], bins, &out[i]);
    }
    for (int i = 0; i < n && r; i++)
        indexed_deinit(&out[i]);
    free(bins);
    free(order);
    return r ? err_set(err, r, "no memory for a picture") : 0;
}
