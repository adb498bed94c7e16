/* Films and what is made of them: an episode frame by frame, documents that are well-formed and hold every shape, the terminal. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "deploy/env_words.h"
#include "deploy/pictures/picture.h"
#include "deploy/pictures/screen.h"
#include "deploy/pictures/shoot.h"

#define FILE_MAX (8u << 20)

static char folder[] = "/tmp/testudo-pictures-XXXXXX";

static void path_of(char path[256], const char *name)
{
    snprintf(path, 256, "%s/%s", folder, name);
}

static char *read_text(const char *path)
{
    unsigned char *data;
    size_t length;
    struct err err = {""};
    if (file_read(path, FILE_MAX, &data, &length, &err))
        fail_msg("%s", err.text);
    return (char *)data;
}

static void must_shoot(struct film *film, const char *word, const struct shot *shot)
{
    struct recipe *recipe;
    struct err err = {""};
    if (env_words_recipe(&recipe, word, NULL, 0, &err) || shoot_env(film, recipe, shot, &err))
        fail_msg("%s", err.text);
    recipe_destroy(&recipe);
}

/* ---- films ---- */

static void test_film_follows_the_episode(void **state)
{
    (void)state;
    struct film film;
    must_shoot(&film, "foraging:8x8-4p-2f-c", &(struct shot){.seed = 3, .victim = -1});
    assert_true(film_is_over(&film) && !film.is_cut && film.count > 2);
    double sum = 0;
    for (int f = 0; f < film.count; f++) {
        const struct film_frame *frame = &film.frames[f];
        for (int n = 0; n < 4; n++)
            sum += (double)frame->reward[n] / 4;
        assert_true(fabs(sum - frame->team_return) < 1e-9);
        assert_true((frame->action != NULL) == (f > 0));
        char step[32];
        snprintf(step, sizeof step, "step %d of 50 ", f);
        assert_non_null(strstr(frame->text, step));
    }
    int pick[7];
    assert_int_equal(film_pick(&film, 7, pick), film.count < 7 ? film.count : 7);
    assert_int_equal(pick[0], 0);
    assert_int_equal(pick[6], film.count - 1);
    film_deinit(&film);
    must_shoot(&film, "foraging:8x8-4p-2f-c", &(struct shot){.seed = 3, .steps = 2, .script = "random", .victim = -1});
    assert_true(film.is_cut && film.count == 3);
    film_deinit(&film);
}

static void test_adversaries_wear_a_ring_and_labels_are_readable(void **state)
{
    (void)state;
    struct film film;
    struct env_instance *env;
    must_shoot(&film, "foraging:8x8-4p-2f-c", &(struct shot){.seed = 3, .steps = 1, .victim = -1});
    int plain = film.frames[0].n_items;
    film_deinit(&film);
    assert_int_equal(env_words_open(&env, "foraging:8x8-4p-2f-c", NULL, 0, NULL), 0);
    void *bytes = calloc(1, env->state_bytes);
    struct rng rng = rng_stream(3, RNG_RESET, 0, 0, 0);
    assert_non_null(bytes);
    env->ops->reset(env->params, bytes, &rng);
    assert_int_equal(film_init(&film, env, "test", NULL), 0);
    film.adversaries = 1u << 2;
    assert_int_equal(film_add(&film, bytes, NULL, NULL, NULL), 0);
    const struct film_frame *frame = &film.frames[0];
    assert_int_equal(frame->n_items, plain + 1);
    for (int i = 0; i < frame->n_items; i++) {
        const struct scene_item *item = &frame->items[i];
        if (item->ink == INK_ENEMY) { /* just before the agent, and around it */
            assert_int_equal(item[1].ink, INK_ALLY);
            assert_int_equal(item[1].shade, 2);
            assert_true(item->x == item[1].x && item->y == item[1].y && item->a > item[1].a);
        }
        if (item->ink == INK_LABEL) /* a food's and a light agent's dark, a dark agent's white; it follows what it stands on */
            assert_int_equal(item->shade, palette_is_dark(palette_fill(item[-1].ink, item[-1].shade)));
    }
    film_deinit(&film);
    free(bytes);
    free(env);
}

/* ---- documents ---- */

/* A small XML reader: tags must nest and close, attributes be quoted, no bare & or <. Counts elements of one name. */
static int check_xml(const char *text, const char *counted)
{
    char open[32][32];
    int depth = 0, count = 0;
    for (const char *at = text; *at;) {
        if (*at == '&') {
            size_t n = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz");
            assert_true(n > 1 && at[1 + n] == ';');
            at++;
            continue;
        }
        if (*at != '<') {
            at++;
            continue;
        }
        bool closes = at[1] == '/';
        const char *name = at + 1 + closes;
        int length = (int)strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        assert_in_range(length, 1, 31);
        const char *end = name + length;
        for (bool is_quoted = false; is_quoted || *end != '>'; end++) {
            assert_true(*end && *end != '<');
            is_quoted ^= *end == '"';
            assert_true(is_quoted || *end != '=' || end[1] == '"');
        }
        if (closes) {
            assert_true(depth > 0);
            depth--;
            assert_int_equal(strlen(open[depth]), length);
            assert_memory_equal(open[depth], name, length);
        } else {
            count += (int)strlen(counted) == length && !memcmp(name, counted, (size_t)length);
            if (end[-1] != '/') {
                assert_true(depth < 32);
                snprintf(open[depth++], 32, "%.*s", length, name);
            }
        }
        at = end + 1;
    }
    assert_int_equal(depth, 0);
    return count;
}

/* A film of one frame with texts that would break out of a document that did not escape them. */
static void hostile_film(struct film *film)
{
    must_shoot(film, "foraging:8x8-2p-1f", &(struct shot){.seed = 1, .steps = 3, .victim = -1});
    snprintf(film->player, sizeof film->player, "</script><b x=\"1\">&'\\");
    for (int f = 0; f < film->count; f++)
        for (int i = 0; i < film->frames[f].n_items; i++)
            if (film->frames[f].items[i].shape == SCENE_TEXT)
                snprintf(film->frames[f].items[i].text, SCENE_TEXT_MAX, "<a&\"\\%d>", f);
}

static void test_svg_is_well_formed_and_complete(void **state)
{
    (void)state;
    struct film film;
    char path[256];
    hostile_film(&film);
    path_of(path, "strip.svg");
    assert_int_equal(picture_write_svg(&film, &(struct picture_layout){.frames = 4}, path, NULL), 0);
    char *text = read_text(path);
    assert_true(!strncmp(text, "<svg xmlns=", 11));
    assert_int_equal(check_xml(text, "circle"), 2 * 4); /* two players, four frames */
    assert_int_equal(check_xml(text, "use"), 4);
    assert_int_equal(check_xml(text, "path"), 18); /* the grid, once */
    assert_int_equal(check_xml(text, "text"), 1 + 4 * (1 + 3));
    free(text);
    film_deinit(&film);
}

static void check_item(const json_t *got, const struct scene_item *item)
{
    const double want[] = {item->shape, item->ink, item->shade, item->x, item->y, item->a, item->b, item->weight};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_true(fabs(json_number_value(json_array_get(got, i)) - want[i]) <= 1e-4 * fabs(want[i]));
    if (item->shape == SCENE_TEXT)
        assert_string_equal(json_string_value(json_array_get(got, 8)), item->text);
}

/* A frame's list names its items by number, [from,to] being a run. */
static void check_frame(const json_t *list, const json_t *items, const struct film_frame *frame)
{
    size_t i;
    int count = 0;
    json_t *entry;
    json_array_foreach(list, i, entry)
    {
        json_int_t from = json_integer_value(json_is_array(entry) ? json_array_get(entry, 0) : entry);
        json_int_t to = json_integer_value(json_is_array(entry) ? json_array_get(entry, 1) : entry);
        for (; from <= to; from++, count++) {
            assert_true(count < frame->n_items);
            check_item(json_array_get(items, (size_t)from), &frame->items[count]);
        }
    }
    assert_int_equal(count, frame->n_items);
}

static void check_page(const struct film *film, const json_t *tree)
{
    static const char *const lists[] = {"frames", "actions", "rewards", "alive", "returns"};
    const json_t *items = json_object_get(tree, "items");
    size_t i;
    json_t *item;
    for (i = 0; i < ARRAY_LEN(lists); i++)
        assert_int_equal(json_array_size(json_object_get(tree, lists[i])), film->count);
    json_array_foreach(items, i, item)
    {
        assert_int_equal(json_array_size(item), json_integer_value(json_array_get(item, 0)) == SCENE_TEXT ? 9 : 8);
        for (size_t j = 0; j < i; j++)
            assert_false(json_equal(item, json_array_get(items, j)));
    }
    for (int f = 0; f < film->count; f++)
        check_frame(json_array_get(json_object_get(tree, "frames"), (size_t)f), items, &film->frames[f]);
    assert_string_equal(json_string_value(json_object_get(tree, "player")), film->player);
    assert_int_equal(json_array_size(json_object_get(tree, "inks")), INK_COUNT);
}

static void test_page_holds_the_film_and_nothing_from_outside(void **state)
{
    (void)state;
    struct film film;
    struct err err = {""};
    char path[256];
    hostile_film(&film);
    path_of(path, "replay.html");
    assert_int_equal(picture_write_html(&film, path, NULL), 0);
    char *text = read_text(path), *begin = strstr(text, "const film = "), *end = strstr(begin, ";\nconst $");
    assert_true(begin && end);
    begin += strlen("const film = ");
    json_t *tree = json_parse("film", begin, (size_t)(end - begin), &err);
    if (!tree)
        fail_msg("%s", err.text);
    check_page(&film, tree);
    json_decref(tree);
    assert_null(strstr(text, "http:"));
    assert_null(strstr(text, "https:"));
    assert_null(strstr(text, "src="));
    char *script_end = strstr(text, "</script>");
    assert_true(script_end > end && !strstr(script_end + 1, "</script>"));
    free(text);
    film_deinit(&film);
}

static void test_picture_files_are_whole(void **state)
{
    (void)state;
    struct film film;
    char png[256], gif[256];
    unsigned char *data;
    size_t length;
    must_shoot(&film, "matrix", &(struct shot){.seed = 1, .steps = 5, .script = "uniform", .victim = -1});
    path_of(png, "strip.png");
    path_of(gif, "episode.gif");
    assert_int_equal(picture_write_png(&film, &(struct picture_layout){0}, png, NULL), 0);
    assert_int_equal(picture_write_gif(&film, &(struct picture_layout){.side = 100}, gif, NULL), 0);
    assert_int_equal(file_read(png, FILE_MAX, &data, &length, NULL), 0);
    assert_memory_equal(data + length - 8, "IEND\xae\x42\x60\x82", 8);
    free(data);
    assert_int_equal(file_read(gif, FILE_MAX, &data, &length, NULL), 0);
    int frames = 0;
    for (size_t i = 0; i + 4 < length; i++) /* heads of frames */
        frames += !memcmp(data + i, "\x21\xf9\x04\x05", 4);
    assert_memory_equal(data, "GIF89a\x64", 7); /* 100 wide */
    assert_int_equal(data[length - 1], ';');
    assert_int_equal(frames, film.count);
    free(data);
    assert_int_equal(picture_write_png(&film, &(struct picture_layout){0}, "/nowhere/at/all.png", NULL), ERR_IO);
    film_deinit(&film);
}

/* ---- terminal ---- */

static struct film_frame frame_of(struct scene_item *items, int n)
{
    return (struct film_frame){.left = 0, .bottom = 0, .right = 10, .top = 10, .items = items, .n_items = n};
}

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

static void test_screen_fits_and_shows_labels(void **state)
{
    (void)state;
    struct scene_item items[] = {{SCENE_RECT, INK_GROUND, 0, 0, 0, 10, 10, 0, ""},
                                 {SCENE_CIRCLE, INK_ALLY, 0, 5, 5, 2, 0, 0, ""},
                                 {SCENE_TEXT, INK_LABEL, 1, 5, 5, 1, 0, 0, "XY"},
                                 {SCENE_TEXT, INK_LABEL, 0, 9.8f, 5, 1, 0, 0, "ABCDEF"}, /* half of it */
                                 {SCENE_TEXT, INK_LABEL, 0, 500, 5, 1, 0, 0, "far"}};
    struct film_frame frame = frame_of(items, ARRAY_LEN(items));
    char *text = screen_frame(&frame, 60, 12, true); /* 24 half rows are what limits a square */
    assert_non_null(text);
    assert_int_equal(count_of(text, "\n"), 12);
    assert_int_equal(count_of(text, "\xe2\x96\x80"), 24 * 12 - 2 - 3);
    assert_int_equal(count_of(text, "mX") + count_of(text, "mY"), 2);
    assert_int_equal(count_of(text, "mC"), 1);
    assert_int_equal(count_of(text, "mD"), 0);
    assert_null(strstr(text, "far"));
    assert_non_null(strstr(text, "\033[48;2;0;114;178m")); /* the agent's blue, somewhere in its middle */
    free(text);
    text = screen_frame(&frame, 60, 12, false);
    assert_non_null(text);
    assert_null(strstr(text, ";2;"));
    assert_int_equal(count_of(text, "\033[48;5;"), 24 * 12);
    free(text);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[256];
    static const char *const names[] = {"strip.svg", "replay.html", "strip.png", "episode.gif"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        path_of(path, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_film_follows_the_episode),
        cmocka_unit_test(test_adversaries_wear_a_ring_and_labels_are_readable),
        cmocka_unit_test(test_svg_is_well_formed_and_complete),
        cmocka_unit_test(test_page_holds_the_film_and_nothing_from_outside),
        cmocka_unit_test(test_picture_files_are_whole),
        cmocka_unit_test(test_screen_fits_and_shows_labels),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
