/* A strip as SVG (W3C SVG 1.1). What all frames begin with, mostly the ground, is written once and used by each. */
#include <string.h>

#include "base/file.h"
#include "deploy/pictures/bytes.h"
#include "deploy/pictures/picture.h"

static void add_escaped(struct bytes *file, const char *text)
{
    for (; *text; text++) {
        const char *entity = *text == '<'   ? "&lt;"
                             : *text == '>' ? "&gt;"
                             : *text == '&' ? "&amp;"
                             : *text == '"' ? "&quot;"
                                            : NULL;
        if (entity)
            bytes_add(file, entity, strlen(entity));
        else
            bytes_byte(file, (unsigned char)*text < 32 ? ' ' : (unsigned char)*text);
    }
}

static void add_paint(struct bytes *file, const char *attribute, struct colour colour)
{
    bytes_print(file, " %s=\"#%02x%02x%02x\"", attribute, colour.r, colour.g, colour.b);
    if (colour.alpha < 1)
        bytes_print(file, " %s-opacity=\"%.2g\"", attribute, (double)colour.alpha);
}

/* The rim lies inside the shape, as in the raster pictures, while a stroke lies across its edge. */
static void add_circle(struct bytes *file, const struct mapping *map, const struct scene_item *item)
{
    float radius = map->scale * item->a, rim = palette_rim_share(item->ink, item->shape) * radius;
    bytes_print(file, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%.2f\"", (double)(map->x + map->scale * item->x),
                (double)(map->y - map->scale * item->y), (double)(radius - rim / 2));
    add_paint(file, "fill", palette_fill(item->ink, item->shade));
    if (rim > 0) {
        add_paint(file, "stroke", palette_rim(item->ink, item->shade));
        bytes_print(file, " stroke-width=\"%.2f\"", (double)rim);
    }
    bytes_print(file, "/>\n");
}

static void add_rect(struct bytes *file, const struct mapping *map, const struct scene_item *item)
{
    float width = map->scale * item->a, height = map->scale * item->b;
    float rim = palette_rim_share(item->ink, item->shape) * (width < height ? width : height);
    bytes_print(file, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"",
                (double)(map->x + map->scale * item->x + rim / 2), (double)(map->y - map->scale * item->y - height + rim / 2),
                (double)(width > rim ? width - rim : 0), (double)(height > rim ? height - rim : 0));
    add_paint(file, "fill", palette_fill(item->ink, item->shade));
    if (rim > 0) {
        add_paint(file, "stroke", palette_rim(item->ink, item->shade));
        bytes_print(file, " stroke-width=\"%.2f\"", (double)rim);
    }
    bytes_print(file, "/>\n");
}

static void add_line(struct bytes *file, const struct mapping *map, const struct scene_item *item)
{
    float weight = map->scale * item->weight;
    bytes_print(file, "<path d=\"M%.2f %.2fL%.2f %.2f\" stroke-linecap=\"round\"", (double)(map->x + map->scale * item->x),
                (double)(map->y - map->scale * item->y), (double)(map->x + map->scale * item->a),
                (double)(map->y - map->scale * item->b));
    add_paint(file, "stroke", palette_fill(item->ink, item->shade));
    bytes_print(file, " stroke-width=\"%.2f\"/>\n", (double)(weight > 0.9f ? weight : 0.9f));
}

static void add_text(struct bytes *file, float x, float y, float cap, const char *anchor, struct colour colour, const char *text)
{
    /* Capitals of the usual sans-serif faces are 0.72 of the font size high. */
    bytes_print(file, "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%.2f\" text-anchor=\"%s\"", (double)x, (double)y,
                (double)(cap / 0.72f), anchor);
    add_paint(file, "fill", colour);
    bytes_print(file, ">");
    add_escaped(file, text);
    bytes_print(file, "</text>\n");
}

static void add_item(struct bytes *file, const struct mapping *map, const struct scene_item *item)
{
    float cap = map->scale * item->a;
    switch (item->shape) {
    case SCENE_RECT: add_rect(file, map, item); break;
    case SCENE_CIRCLE: add_circle(file, map, item); break;
    case SCENE_LINE: add_line(file, map, item); break;
    case SCENE_TEXT:
        add_text(file, map->x + map->scale * item->x, map->y - map->scale * item->y + cap / 2, cap, "middle",
                 palette_fill(item->ink, item->shade), item->text);
        break;
    }
}

static bool same_bounds(const struct film_frame *a, const struct film_frame *b)
{
    return a->left == b->left && a->bottom == b->bottom && a->right == b->right && a->top == b->top;
}

static bool same_item(const struct scene_item *a, const struct scene_item *b)
{
    return a->shape == b->shape && a->ink == b->ink && a->shade == b->shade && a->x == b->x && a->y == b->y && a->a == b->a &&
           a->b == b->b && a->weight == b->weight && !strcmp(a->text, b->text);
}

/* How many items all chosen frames begin with; none when they show different parts of the world. */
static int common_items(const struct film *film, const struct strip *strip)
{
    const struct film_frame *first = &film->frames[strip->pick[0]];
    int common = first->n_items;
    for (int i = 1; i < strip->n; i++) {
        const struct film_frame *frame = &film->frames[strip->pick[i]];
        int same = 0;
        while (same_bounds(first, frame) && same < common && same < frame->n_items &&
               same_item(&first->items[same], &frame->items[same]))
            same++;
        common = same;
    }
    return common;
}

/* Each frame in coordinates of its own, moved to its place and cut there. */
static void add_frames(struct bytes *file, const struct film *film, const struct strip *strip)
{
    const struct film_frame *first = &film->frames[strip->pick[0]];
    struct area home = {0, 0, strip->scene_width, strip->scene_height};
    struct mapping map = paint_mapping(home, first);
    struct colour paper = PALETTE_PAPER, caption = PALETTE_CAPTION;
    int common = common_items(film, strip);
    char text[256];
    bytes_print(file, "<defs><clipPath id=\"edge\"><rect width=\"%.0f\" height=\"%.0f\"/></clipPath>\n<g id=\"ground\">\n",
                (double)home.width, (double)home.height);
    bytes_print(file, "<rect width=\"%.0f\" height=\"%.0f\"", (double)home.width, (double)home.height);
    add_paint(file, "fill", paper);
    bytes_print(file, "/>\n");
    for (int i = 0; i < common; i++)
        add_item(file, &map, &first->items[i]);
    bytes_print(file, "</g></defs>\n");
    for (int f = 0; f < strip->n; f++) {
        const struct film_frame *frame = &film->frames[strip->pick[f]];
        struct area area = strip_area(strip, f);
        map = paint_mapping(home, frame);
        bytes_print(file, "<g transform=\"translate(%.0f %.0f)\"><g clip-path=\"url(#edge)\"><use xlink:href=\"#ground\"/>\n",
                    (double)area.x, (double)area.y);
        for (int i = common; i < frame->n_items; i++)
            add_item(file, &map, &frame->items[i]);
        bytes_print(file, "</g>\n");
        strip_caption(film, strip->pick[f], text, sizeof text);
        add_text(file, 0, area.height + 15, 8, "start", caption, text);
        bytes_print(file, "</g>\n");
    }
}

int picture_write_svg(const struct film *film, const struct picture_layout *layout, const char *path, struct err *err)
{
    struct strip strip;
    struct bytes file = {0};
    struct colour page = PALETTE_PAGE, caption = PALETTE_CAPTION;
    char title[256];
    strip_lay_out(film, layout, &strip);
    film_title(film, title, sizeof title);
    bytes_print(&file,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"%.0f\" "
                "height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" font-family=\"Helvetica,Arial,sans-serif\">\n<title>",
                (double)strip.width, (double)strip.height, (double)strip.width, (double)strip.height);
    add_escaped(&file, title);
    bytes_print(&file, "</title>\n<rect width=\"%.0f\" height=\"%.0f\"", (double)strip.width, (double)strip.height);
    add_paint(&file, "fill", page);
    bytes_print(&file, "/>\n");
    add_text(&file, STRIP_MARGIN, STRIP_TITLE - 12, 10, "start", caption, title);
    add_frames(&file, film, &strip);
    bytes_print(&file, "</svg>\n");
    int r = file.is_broken ? err_set(err, ERR_NOMEM, "no memory for %s", path) : file_write(path, file.data, file.length, err);
    bytes_deinit(&file);
    return r;
}
