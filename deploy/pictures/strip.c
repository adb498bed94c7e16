/* A strip: some frames of a film side by side, with a title above and a caption below each. The same layout for PNG and SVG. */
#include <math.h>
#include <stdio.h>

#include "deploy/pictures/picture.h"

#define SIDE 210
#define FRAMES 6
#define ROW_MAX 4 /* frames in a row, when the row may be chosen */

/* Pixels of a scene whose longer side has `side`. All frames of a film show the same part of the world. */
static void scene_size(const struct film *film, int side, float *width, float *height)
{
    const struct film_frame *frame = &film->frames[0];
    float w = fmaxf(frame->right - frame->left, 1e-6f), h = fmaxf(frame->top - frame->bottom, 1e-6f), longer = fmaxf(w, h);
    *width = fmaxf(roundf((float)side * w / longer), 8);
    *height = fmaxf(roundf((float)side * h / longer), 8);
}

void strip_lay_out(const struct film *film, const struct picture_layout *layout, struct strip *strip)
{
    int most = layout->frames ? layout->frames : FRAMES;
    strip->n = film_pick(film, most < (int)ARRAY_LEN(strip->pick) ? most : (int)ARRAY_LEN(strip->pick), strip->pick);
    strip->columns = layout->columns ? layout->columns : strip->n <= ROW_MAX ? strip->n : (strip->n + 1) / 2;
    strip->columns = strip->columns > 2 * ROW_MAX && !layout->columns ? 2 * ROW_MAX : strip->columns;
    strip->rows = (strip->n + strip->columns - 1) / strip->columns;
    scene_size(film, layout->side ? layout->side : SIDE, &strip->scene_width, &strip->scene_height);
    strip->width = STRIP_MARGIN + (float)strip->columns * (strip->scene_width + STRIP_MARGIN);
    strip->height = STRIP_TITLE + (float)strip->rows * (strip->scene_height + STRIP_CAPTION) + STRIP_MARGIN / 2;
}

struct area strip_area(const struct strip *strip, int i)
{
    float column = (float)(i % strip->columns), row = (float)(i / strip->columns);
    return (struct area){STRIP_MARGIN + column * (strip->scene_width + STRIP_MARGIN),
                         STRIP_TITLE + row * (strip->scene_height + STRIP_CAPTION), strip->scene_width, strip->scene_height};
}

void strip_caption(const struct film *film, int frame, char *text, size_t size)
{
    snprintf(text, size, "step %d, return %.4g", frame, film->frames[frame].team_return);
}
