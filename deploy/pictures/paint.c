#include "deploy/pictures/paint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/pictures/font.h"

#define LEGIBLE 4.5f  /* pixels: smaller capitals are left out */
#define HAIRLINE 0.9f /* pixels: no line is thinner */

int canvas_init(struct canvas *canvas, int width, int height, struct colour ground)
{
    *canvas = (struct canvas){width, height, malloc((size_t)width * (size_t)height * 3)};
    if (!canvas->rgb)
        return ERR_NOMEM;
    for (size_t i = 0; i < (size_t)width * (size_t)height; i++)
        memcpy(canvas->rgb + 3 * i, (const uint8_t[]){ground.r, ground.g, ground.b}, 3);
    return 0;
}

void canvas_deinit(struct canvas *canvas)
{
    free(canvas->rgb);
    *canvas = (struct canvas){0};
}

/* ---- shapes, in pixels ---- */

struct shape {
    enum scene_shape kind;
    float x, y, a, b; /* rect: centre, half width, half height; circle: centre, radius; line: from, to */
    float half;       /* of a line's width */
};

/* From the point to the shape's edge, negative inside. */
static float distance(const struct shape *shape, float x, float y)
{
    if (shape->kind == SCENE_CIRCLE)
        return hypotf(x - shape->x, y - shape->y) - shape->a;
    if (shape->kind == SCENE_RECT) {
        float dx = fabsf(x - shape->x) - shape->a, dy = fabsf(y - shape->y) - shape->b;
        return dx > 0 && dy > 0 ? hypotf(dx, dy) : fmaxf(dx, dy);
    }
    float ux = shape->a - shape->x, uy = shape->b - shape->y, px = x - shape->x, py = y - shape->y;
    float length = ux * ux + uy * uy, t = length > 0 ? (px * ux + py * uy) / length : 0;
    t = fminf(fmaxf(t, 0), 1);
    return hypotf(px - t * ux, py - t * uy) - shape->half;
}

struct box {
    int left, top, right, bottom; /* right and bottom excluded */
};

static struct box bounds_of(const struct shape *shape)
{
    float left = shape->x, right = shape->x, top = shape->y, bottom = shape->y, grow = shape->half;
    if (shape->kind == SCENE_LINE) {
        left = fminf(left, shape->a), right = fmaxf(right, shape->a);
        top = fminf(top, shape->b), bottom = fmaxf(bottom, shape->b);
    } else {
        float height = shape->kind == SCENE_RECT ? shape->b : shape->a;
        left -= shape->a, right += shape->a, top -= height, bottom += height;
    }
    return (struct box){(int)floorf(left - grow - 1), (int)floorf(top - grow - 1), (int)ceilf(right + grow + 1),
                        (int)ceilf(bottom + grow + 1)};
}

static struct box cut(struct box a, struct box b)
{
    return (struct box){a.left > b.left ? a.left : b.left, a.top > b.top ? a.top : b.top, a.right < b.right ? a.right : b.right,
                        a.bottom < b.bottom ? a.bottom : b.bottom};
}

static struct box box_of_canvas(const struct canvas *canvas)
{
    return (struct box){0, 0, canvas->width, canvas->height};
}

static void mix(uint8_t *pixel, struct colour colour, float cover)
{
    const uint8_t rgb[3] = {colour.r, colour.g, colour.b};
    for (int i = 0; i < 3; i++)
        pixel[i] = (uint8_t)lrintf((float)pixel[i] + cover * ((float)rgb[i] - (float)pixel[i]));
}

/* A pixel is covered by as much of it as a straight edge at this distance leaves. A huge coordinate has no pixels here. */
static void fill(struct canvas *canvas, struct box clip, const struct shape *shape, struct colour colour)
{
    if (!(fabsf(shape->x) + fabsf(shape->y) + fabsf(shape->a) + fabsf(shape->b) < 1e6f))
        return;
    struct box box = cut(bounds_of(shape), clip);
    for (int y = box.top; y < box.bottom; y++)
        for (int x = box.left; x < box.right; x++) {
            float cover = 0.5f - distance(shape, (float)x + 0.5f, (float)y + 0.5f);
            if (cover > 0)
                mix(canvas->rgb + 3 * ((size_t)y * (size_t)canvas->width + (size_t)x), colour, fminf(cover, 1) * colour.alpha);
        }
}

/* ---- scenes ---- */

struct mapping paint_mapping(struct area area, const struct film_frame *frame)
{
    float width = fmaxf(frame->right - frame->left, 1e-6f), height = fmaxf(frame->top - frame->bottom, 1e-6f);
    float scale = fminf(area.width / width, area.height / height);
    return (struct mapping){area.x + (area.width - scale * width) / 2 - scale * frame->left,
                            area.y + (area.height - scale * height) / 2 + scale * frame->top, scale};
}

static struct shape shape_of(const struct mapping *map, const struct scene_item *item)
{
    struct shape shape = {item->shape,          map->x + map->scale * item->x, map->y - map->scale * item->y,
                          map->scale * item->a, map->scale * item->b,          0};
    if (item->shape == SCENE_RECT) {
        shape.a /= 2, shape.b /= 2;
        shape.x += shape.a, shape.y -= shape.b;
    } else if (item->shape == SCENE_LINE) {
        shape.a = map->x + map->scale * item->a;
        shape.b = map->y - map->scale * item->b;
        shape.half = fmaxf(map->scale * item->weight, HAIRLINE) / 2;
    }
    return shape;
}

static float letters(struct canvas *canvas, struct box clip, float x, float y, float cap, struct colour colour, const char *text)
{
    struct font_stroke stroke[FONT_STROKES];
    float unit = cap / FONT_CAP, from = x, advance;
    for (; *text; text++) {
        int n = font_letter(*text, stroke, &advance);
        for (int i = 0; i < n; i++) {
            struct shape line = {SCENE_LINE,
                                 x + unit * stroke[i].x,
                                 y - unit * stroke[i].y,
                                 x + unit * stroke[i].to_x,
                                 y - unit * stroke[i].to_y,
                                 fmaxf(unit * FONT_PEN, 1) / 2};
            fill(canvas, clip, &line, colour);
        }
        x += unit * advance;
    }
    return x - from;
}

float paint_text(struct canvas *canvas, float x, float y, float cap, struct colour colour, const char *text)
{
    return letters(canvas, box_of_canvas(canvas), x, y, cap, colour, text);
}

static void paint_label(struct canvas *canvas, struct box clip, const struct mapping *map, const struct scene_item *item)
{
    float cap = map->scale * item->a, width = font_width(item->text) * cap / FONT_CAP;
    float x = map->x + map->scale * item->x - width / 2, y = map->y - map->scale * item->y + cap / 2;
    if (cap >= LEGIBLE)
        letters(canvas, clip, x, y, cap, palette_fill(item->ink, item->shade), item->text);
}

static void paint_shape(struct canvas *canvas, struct box clip, const struct mapping *map, const struct scene_item *item)
{
    struct shape shape = shape_of(map, item);
    float rim = palette_rim_share(item->ink, item->shape) * (item->shape == SCENE_CIRCLE ? shape.a : 2 * fminf(shape.a, shape.b));
    if (rim < 0.5f) {
        fill(canvas, clip, &shape, palette_fill(item->ink, item->shade));
        return;
    }
    fill(canvas, clip, &shape, palette_rim(item->ink, item->shade));
    shape.a -= rim, shape.b -= rim;
    fill(canvas, clip, &shape, palette_fill(item->ink, item->shade));
}

void paint_frame(struct canvas *canvas, struct area area, const struct film_frame *frame, bool with_text)
{
    struct mapping map = paint_mapping(area, frame);
    struct box clip = cut(box_of_canvas(canvas), (struct box){(int)lrintf(area.x), (int)lrintf(area.y),
                                                              (int)lrintf(area.x + area.width), (int)lrintf(area.y + area.height)});
    struct shape paper = {SCENE_RECT, area.x + area.width / 2, area.y + area.height / 2, area.width / 2, area.height / 2, 0};
    fill(canvas, clip, &paper, PALETTE_PAPER);
    for (int i = 0; i < frame->n_items; i++) {
        const struct scene_item *item = &frame->items[i];
        if (item->shape != SCENE_TEXT)
            paint_shape(canvas, clip, &map, item);
        else if (with_text)
            paint_label(canvas, clip, &map, item);
    }
}
