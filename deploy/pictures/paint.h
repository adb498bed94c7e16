/* Scenes as pixels: shapes are painted one over the other, each with its exact distance to the middle of a pixel turned into
 * coverage, which is what makes edges smooth. */
#ifndef TESTUDO_DEPLOY_PAINT_H
#define TESTUDO_DEPLOY_PAINT_H

#include "base/err.h"
#include "deploy/pictures/film.h"
#include "deploy/pictures/palette.h"

struct canvas {
    int width, height;
    uint8_t *rgb; /* [height,width,3] rows from the top; owned */
};

MUST_USE int canvas_init(struct canvas *canvas, int width, int height, struct colour ground);
void canvas_deinit(struct canvas *canvas); /* safe on a zeroed struct */

/* A part of a canvas, in pixels from its upper left corner. */
struct area {
    float x, y, width, height;
};

/* Fills the area with paper and paints the frame's shapes into it, as large as fits, nothing beyond it. */
void paint_frame(struct canvas *canvas, struct area area, const struct film_frame *frame, bool with_text);

/* One line of text, its left end and baseline at x, y; cap: height of capitals in pixels. Returns its width. */
float paint_text(struct canvas *canvas, float x, float y, float cap, struct colour colour, const char *text);

/* Where a scene's point lies: pixels = origin + scale * units, y down. */
struct mapping {
    float x, y, scale;
};
struct mapping paint_mapping(struct area area, const struct film_frame *frame);

#endif
