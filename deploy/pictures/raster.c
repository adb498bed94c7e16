/* Films as pixels: a PNG strip, an animated GIF. */
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "deploy/pictures/font.h"
#include "deploy/pictures/picture.h"

#define TITLE_CAP 9.0f   /* pixels */
#define CAPTION_CAP 7.5f /* pixels */
#define GIF_SIDE 320
#define GIF_FRAMES 120
#define GIF_FPS 8
#define GIF_CAPTION 22 /* pixels below the scene */

/* Text that would not fit is set smaller. */
static void set_line(struct canvas *canvas, float x, float y, float cap, float room, const char *text)
{
    float width = font_width(text) * cap / FONT_CAP;
    paint_text(canvas, x, y, width > room ? cap * room / width : cap, PALETTE_CAPTION, text);
}

static void paint_strip(const struct film *film, const struct strip *strip, struct canvas *canvas)
{
    char text[256];
    film_title(film, text, sizeof text);
    set_line(canvas, STRIP_MARGIN, STRIP_TITLE - 12, TITLE_CAP, strip->width - 2 * STRIP_MARGIN, text);
    for (int i = 0; i < strip->n; i++) {
        struct area area = strip_area(strip, i);
        paint_frame(canvas, area, &film->frames[strip->pick[i]], true);
        strip_caption(film, strip->pick[i], text, sizeof text);
        set_line(canvas, area.x, area.y + area.height + 14, CAPTION_CAP, area.width, text);
    }
}

int picture_write_png(const struct film *film, const struct picture_layout *layout, const char *path, struct err *err)
{
    struct strip strip;
    struct canvas canvas = {0};
    struct indexed picture = {0};
    unsigned char *data = NULL;
    size_t length;
    strip_lay_out(film, layout, &strip);
    int r = canvas_init(&canvas, (int)ceilf(strip.width), (int)ceilf(strip.height), PALETTE_PAGE);
    if (r)
        return err_set(err, r, "no memory for a picture of %.0f x %.0f", (double)strip.width, (double)strip.height);
    paint_strip(film, &strip, &canvas);
    r = picture_quantise(&canvas, 1, 0, &picture, err);
    if (!r)
        r = picture_png(&picture, &data, &length, err);
    if (!r)
        r = file_write(path, data, length, err);
    free(data);
    indexed_deinit(&picture);
    canvas_deinit(&canvas);
    return r;
}

/* ---- animation ---- */

static int paint_still(const struct film *film, int frame, int side, struct canvas *canvas)
{
    char text[128];
    const struct picture_layout layout = {.side = side, .frames = 1};
    struct strip strip; /* for the size of a scene */
    strip_lay_out(film, &layout, &strip);
    int r = canvas_init(canvas, (int)strip.scene_width, (int)strip.scene_height + GIF_CAPTION, PALETTE_PAGE);
    if (r)
        return r;
    paint_frame(canvas, (struct area){0, 0, strip.scene_width, strip.scene_height}, &film->frames[frame], true);
    strip_caption(film, frame, text, sizeof text);
    set_line(canvas, 6, strip.scene_height + 15, CAPTION_CAP, strip.scene_width - 12, text);
    return 0;
}

int picture_film_gif(const struct film *film, const struct picture_layout *layout, unsigned char **data, size_t *length,
                     struct err *err)
{
    int most = layout->frames ? layout->frames : GIF_FRAMES, n = film->count < most ? film->count : most, r = 0;
    int fps = layout->fps ? layout->fps : GIF_FPS, *pick = calloc((size_t)n, sizeof *pick);
    struct canvas *canvases = calloc((size_t)n, sizeof *canvases);
    struct indexed *frames = calloc((size_t)n, sizeof *frames);
    if (!pick || !canvases || !frames)
        r = ERR_NOMEM;
    else
        film_pick(film, n, pick);
    for (int i = 0; i < n && !r; i++)
        r = paint_still(film, pick[i], layout->side ? layout->side : GIF_SIDE, &canvases[i]);
    if (r)
        err_set(err, r, "no memory for an animation of %d frames", n);
    if (!r)
        r = picture_quantise(canvases, n, 1, frames, err);
    if (!r)
        r = picture_gif(frames, n, 100 / fps, data, length, err);
    for (int i = 0; i < n && canvases; i++)
        canvas_deinit(&canvases[i]);
    for (int i = 0; i < n && frames; i++)
        indexed_deinit(&frames[i]);
    free(pick);
    free(canvases);
    free(frames);
    return r;
}

int picture_write_gif(const struct film *film, const struct picture_layout *layout, const char *path, struct err *err)
{
    unsigned char *data;
    size_t length;
    int r = picture_film_gif(film, layout, &data, &length, err);
    if (r)
        return r;
    r = file_write(path, data, length, err);
    free(data);
    return r;
}
