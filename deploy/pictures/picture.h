/* Picture files made of a film. Each returns 0 or an error that names the file. */
#ifndef TESTUDO_DEPLOY_PICTURE_H
#define TESTUDO_DEPLOY_PICTURE_H

#include "deploy/pictures/paint.h"

/* A picture of at most 256 colours. */
struct indexed {
    int width, height, n_colours;
    uint8_t palette[256][3];
    uint8_t *pixels; /* [height,width] owned */
};
/* The palette that suits all canvases together: their most frequent colours, the others go to the nearest of these. out [n]. Leaves
 * `reserved` entries free at the palette's end. */
MUST_USE int picture_quantise(const struct canvas *canvases, int n, int reserved, struct indexed *out, struct err *err);
void indexed_deinit(struct indexed *picture); /* safe on a zeroed struct */

/* Bytes of a file in memory; the caller frees *data. */
MUST_USE int picture_png(const struct indexed *picture, unsigned char **data, size_t *length, struct err *err);
/* All frames share the first one's palette, whose entry 255 must be free. delay: hundredths of a second; the last frame stays
 * longer. */
MUST_USE int picture_gif(const struct indexed *frames, int n, int delay, unsigned char **data, size_t *length, struct err *err);

/* How a film is laid out on pixels. */
struct picture_layout {
    int side;    /* pixels of a scene's longer side; 0: as suits the format */
    int frames;  /* at most so many; 0: as suits the format */
    int columns; /* of a strip; 0: chosen */
    int fps;     /* of an animation; 0: chosen */
};
MUST_USE int picture_write_png(const struct film *film, const struct picture_layout *layout, const char *path, struct err *err);
MUST_USE int picture_write_gif(const struct film *film, const struct picture_layout *layout, const char *path, struct err *err);
MUST_USE int picture_write_svg(const struct film *film, const struct picture_layout *layout, const char *path, struct err *err);
/* One self-contained page: the scenes as JSON, and a script that plays them. */
MUST_USE int picture_write_html(const struct film *film, const char *path, struct err *err);

/* The bytes of the GIF that picture_write_gif writes; the caller frees. */
MUST_USE int picture_film_gif(const struct film *film, const struct picture_layout *layout, unsigned char **data, size_t *length,
                              struct err *err);

/* A strip: where frame i of n lies. */
struct strip {
    int n, pick[64], columns, rows;
    float width, height; /* of the whole */
    float scene_width, scene_height;
};
#define STRIP_MARGIN 14.0f
#define STRIP_TITLE 34.0f   /* above the first row */
#define STRIP_CAPTION 24.0f /* below each scene */
void strip_lay_out(const struct film *film, const struct picture_layout *layout, struct strip *strip);
struct area strip_area(const struct strip *strip, int i);
void strip_caption(const struct film *film, int frame, char *text, size_t size); /* "step 12, return 0.35" */

#endif
