/* The replay page: replay.html, embedded by the build, with the film written into it as one JavaScript object. Shapes that come
 * again from frame to frame, mostly the ground, are listed once, and frames name them by number. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "deploy/pictures/bytes.h"
#include "deploy/pictures/picture.h"
#include "deploy/pictures/replay_page.h"

#define FILM_MARK "/*FILM*/null"

/* ---- values ---- */

/* A JSON string; '<' is written as a number, so that nothing in it can end the script. */
static void add_string(struct bytes *out, const char *text)
{
    bytes_byte(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 32 || c == '<' || c == '"' || c == '\\')
            bytes_print(out, "\\u%04x", c);
        else
            bytes_byte(out, c);
    }
    bytes_byte(out, '"');
}

static void add_number(struct bytes *out, double value)
{
    bytes_print(out, "%.5g", isfinite(value) ? value : 0);
}

static void add_colour(struct bytes *out, struct colour colour)
{
    bytes_print(out, "[%d,%d,%d,%.3g]", colour.r, colour.g, colour.b, (double)colour.alpha);
}

static void add_inks(struct bytes *out)
{
    bytes_print(out, "\"inks\":[");
    for (int ink = 0; ink < INK_COUNT; ink++) {
        bytes_print(out, "%s{\"name\":\"%s\",\"share\":[%.3g,%.3g]", ink ? "," : "", palette_ink_name(ink),
                    (double)palette_rim_share(ink, SCENE_RECT), (double)palette_rim_share(ink, SCENE_CIRCLE));
        for (int rim = 0; rim < 2; rim++) {
            bytes_print(out, ",\"%s\":[", rim ? "rim" : "fill");
            for (int shade = 0; shade < palette_shades(ink); shade++) {
                bytes_print(out, shade ? "," : "");
                add_colour(out, rim ? palette_rim(ink, shade) : palette_fill(ink, shade));
            }
            bytes_print(out, "]");
        }
        bytes_print(out, "}");
    }
    bytes_print(out, "],\n\"allyInk\":%d,\"paper\":", INK_ALLY);
    add_colour(out, PALETTE_PAPER);
    bytes_print(out, ",\n");
}

/* ---- items, each once ---- */

struct catalogue {
    struct bytes list; /* the items' texts, joined by commas */
    uint32_t *slot;    /* [room] number of an item + 1, 0 when free; the room is a power of 2 */
    size_t *start;     /* [count] of an item's text in the list */
    size_t room;
    uint32_t count;
};

static uint64_t hash_of(const unsigned char *data, size_t length)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a, Fowler, Noll and Vo */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ data[i]) * 1099511628211u;
    return hash ^ hash >> 29;
}

static size_t end_of(const struct catalogue *catalogue, uint32_t item)
{
    return item + 1 < catalogue->count ? catalogue->start[item + 1] - 1 : catalogue->list.length;
}

/* Where the text is, or the free slot where it belongs. */
static size_t slot_of(const struct catalogue *catalogue, const struct bytes *text)
{
    size_t at = hash_of(text->data, text->length) & (catalogue->room - 1);
    for (;; at = (at + 1) & (catalogue->room - 1)) {
        uint32_t item = catalogue->slot[at] - 1;
        if (!catalogue->slot[at] || (end_of(catalogue, item) - catalogue->start[item] == text->length &&
                                     !memcmp(catalogue->list.data + catalogue->start[item], text->data, text->length)))
            return at;
    }
}

static void write_item(struct bytes *text, const struct scene_item *item)
{
    const float numbers[] = {item->x, item->y, item->a, item->b, item->weight};
    text->length = 0;
    bytes_print(text, "[%d,%d,%d", item->shape, item->ink, item->shade);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        bytes_byte(text, ',');
        add_number(text, (double)numbers[i]);
    }
    if (item->shape == SCENE_TEXT) {
        bytes_byte(text, ',');
        add_string(text, item->text);
    }
    bytes_byte(text, ']');
}

/* The number of the item in the list, which it is added to when it is new. */
static uint32_t number_of(struct catalogue *catalogue, struct bytes *text, const struct scene_item *item)
{
    write_item(text, item);
    if (text->is_broken)
        return 0;
    size_t slot = slot_of(catalogue, text);
    if (catalogue->slot[slot])
        return catalogue->slot[slot] - 1;
    if (catalogue->count)
        bytes_byte(&catalogue->list, ',');
    catalogue->start[catalogue->count] = catalogue->list.length;
    bytes_add(&catalogue->list, text->data, text->length);
    catalogue->slot[slot] = ++catalogue->count;
    return catalogue->count - 1;
}

static int catalogue_init(struct catalogue *catalogue, const struct film *film)
{
    size_t most = 1;
    for (int f = 0; f < film->count; f++)
        most += (size_t)film->frames[f].n_items;
    *catalogue = (struct catalogue){.room = 16};
    while (catalogue->room < 2 * most)
        catalogue->room *= 2;
    catalogue->slot = calloc(catalogue->room, sizeof *catalogue->slot);
    catalogue->start = calloc(most, sizeof *catalogue->start);
    return catalogue->slot && catalogue->start ? 0 : ERR_NOMEM;
}

static void catalogue_deinit(struct catalogue *catalogue)
{
    bytes_deinit(&catalogue->list);
    free(catalogue->slot);
    free(catalogue->start);
}

/* ---- frames ---- */

static void add_run(struct bytes *out, uint32_t from, uint32_t to)
{
    if (to > from + 1)
        bytes_print(out, "[%u,%u]", from, to);
    else
        bytes_print(out, to > from ? "%u,%u" : "%u", from, to);
}

/* Items by number, runs of neighbours as [from,to]. */
static void add_frame(struct bytes *out, struct catalogue *catalogue, struct bytes *text, const struct film_frame *frame)
{
    uint32_t from = 0, to = 0;
    bytes_byte(out, '[');
    for (int i = 0; i < frame->n_items && !catalogue->list.is_broken && !text->is_broken; i++) {
        uint32_t number = number_of(catalogue, text, &frame->items[i]);
        if (i && number == to + 1) {
            to = number;
            continue;
        }
        if (i) {
            add_run(out, from, to);
            bytes_byte(out, ',');
        }
        from = to = number;
    }
    if (frame->n_items)
        add_run(out, from, to);
    bytes_byte(out, ']');
}

static int add_scenes(struct bytes *out, const struct film *film)
{
    struct catalogue catalogue;
    struct bytes text = {0};
    int r = catalogue_init(&catalogue, film);
    bytes_print(out, "\"frames\":[");
    for (int f = 0; f < film->count && !r; f++) {
        bytes_print(out, f ? ",\n" : "");
        add_frame(out, &catalogue, &text, &film->frames[f]);
        r = catalogue.list.is_broken || text.is_broken ? ERR_NOMEM : 0;
    }
    bytes_print(out, "],\n\"items\":[");
    bytes_add(out, catalogue.list.data, catalogue.list.length);
    bytes_print(out, "],\n");
    bytes_deinit(&text);
    catalogue_deinit(&catalogue);
    return r;
}

static bool same_bounds(const struct film_frame *a, const struct film_frame *b)
{
    return a->left == b->left && a->bottom == b->bottom && a->right == b->right && a->top == b->top;
}

/* One entry when all frames show the same part of the world. */
static void add_bounds(struct bytes *out, const struct film *film)
{
    int n = 1;
    for (int f = 1; f < film->count && n == 1; f++)
        n = same_bounds(&film->frames[0], &film->frames[f]) ? 1 : film->count;
    bytes_print(out, "\"bounds\":[");
    for (int f = 0; f < n; f++) {
        const struct film_frame *frame = &film->frames[f];
        bytes_print(out, "%s[%.6g,%.6g,%.6g,%.6g]", f ? "," : "", (double)frame->left, (double)frame->bottom, (double)frame->right,
                    (double)frame->top);
    }
    bytes_print(out, "],\n");
}

/* ---- what is listed beside the picture ---- */

enum { LIST_ACTIONS, LIST_REWARDS, LIST_ALIVE, LISTS };

static void add_entry(struct bytes *out, const struct film *film, const struct film_frame *frame, int list, int agent)
{
    char text[256];
    if (list == LIST_REWARDS)
        add_number(out, (double)frame->reward[agent]);
    else if (list == LIST_ALIVE)
        bytes_print(out, "%d", frame->alive[agent]);
    else {
        film_action_text(film, frame, agent, text, sizeof text);
        add_string(out, text);
    }
}

static void add_lists(struct bytes *out, const struct film *film)
{
    static const char *const names[LISTS] = {"actions", "rewards", "alive"};
    for (int list = 0; list < LISTS; list++) {
        bytes_print(out, "\"%s\":[", names[list]);
        for (int f = 0; f < film->count; f++)
            for (int n = 0; n < film->env.spec.N; n++) {
                bytes_print(out, n ? "," : f ? ",[" : "[");
                add_entry(out, film, &film->frames[f], list, n);
                bytes_print(out, n == film->env.spec.N - 1 ? "]" : "");
            }
        bytes_print(out, "],\n");
    }
    bytes_print(out, "\"returns\":[");
    for (int f = 0; f < film->count; f++) {
        bytes_print(out, f ? "," : "");
        add_number(out, film->frames[f].team_return);
    }
    bytes_print(out, "],\n");
}

static const char *ending_of(const struct film *film)
{
    if (film->is_cut)
        return "cut";
    if (film->outcome.has_success)
        return film->outcome.success ? "success" : "no success";
    return film->is_truncated ? "time limit" : "end";
}

static int add_film(struct bytes *out, const struct film *film)
{
    const char *const texts[][2] = {
        {"env", film->env.spec.env}, {"scenario", film->env.spec.scenario}, {"player", film->player}, {"ending", ending_of(film)}};
    bytes_print(out, "{");
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        bytes_print(out, "\"%s\":", texts[i][0]);
        add_string(out, texts[i][1]);
        bytes_print(out, ",\n");
    }
    bytes_print(out, "\"agents\":%d,\"adversaries\":[", film->env.spec.N);
    for (int n = 0; n < film->env.spec.N; n++)
        bytes_print(out, "%s%d", n ? "," : "", (int)(film->adversaries >> n & 1));
    bytes_print(out, "],\n");
    add_inks(out);
    add_bounds(out, film);
    add_lists(out, film);
    int r = add_scenes(out, film);
    bytes_print(out, "\"version\":1}");
    return r || out->is_broken ? ERR_NOMEM : 0;
}

int picture_write_html(const struct film *film, const char *path, struct err *err)
{
    struct bytes page = {0};
    const char *hole = strstr(replay_page, FILM_MARK);
    ASSERT(hole);
    bytes_add(&page, replay_page, (size_t)(hole - replay_page));
    int r = add_film(&page, film);
    hole += strlen(FILM_MARK);
    bytes_add(&page, hole, strlen(hole));
    if (r || page.is_broken)
        r = err_set(err, ERR_NOMEM, "no memory for %s", path);
    else
        r = file_write(path, page.data, page.length, err);
    bytes_deinit(&page);
    return r;
}
