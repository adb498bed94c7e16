/* One animation per environment and a page with sizes, references and what the rules say of their origin. Shown is the first
 * scenario that an environment lists, played by its first script, unless `chosen` knows a livelier one. The same program writes
 * the same bytes, so that `make gallery` changes nothing unless an environment did. */
#include "deploy/gallery.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "deploy/describe.h"
#include "deploy/env_words.h"
#include "deploy/pictures/bytes.h"
#include "deploy/pictures/picture.h"
#include "deploy/pictures/shoot.h"

#define PICTURE_BYTES_MAX (40 * 1024)
#define STEPS_MAX 400
#define SEEDS 5 /* tried, for an episode that succeeds */

/* What a picture gives up, in this order, until it is small enough. */
static const struct picture_layout layouts[] = {
    {.side = 360, .frames = 80}, {.side = 320, .frames = 60}, {.side = 320, .frames = 40}, {.side = 280, .frames = 30},
    {.side = 240, .frames = 24}, {.side = 220, .frames = 16}, {.side = 200, .frames = 10}, {.side = 160, .frames = 6}};

static const struct choice {
    const char *name, *word, *script; /* script NULL: the first */
} chosen[] = {{"foraging", "foraging:8x8-4p-2f-c", NULL}, {"matrix", "matrix", "uniform"}, {"smac", "smac:2s3z", NULL}};

static struct choice choice_of(const struct env_ops *ops)
{
    for (size_t i = 0; i < ARRAY_LEN(chosen); i++)
        if (!strcmp(chosen[i].name, ops->name))
            return chosen[i];
    return (struct choice){ops->name, ops->name, NULL};
}

/* The first episode that succeeds, else the last one tried. */
static int shoot_best(struct film *film, const struct env_ops *ops, struct err *err)
{
    struct recipe *recipe;
    struct choice choice = choice_of(ops);
    int r = env_words_recipe(&recipe, choice.word, NULL, 0, err);
    if (r)
        return r;
    for (int seed = 1; seed <= SEEDS; seed++) {
        const struct shot shot = {.seed = seed, .steps = STEPS_MAX, .script = choice.script, .victim = -1};
        if ((r = shoot_env(film, recipe, &shot, err)) || !film->outcome.has_success || film->outcome.success || seed == SEEDS)
            break;
        film_deinit(film);
    }
    recipe_destroy(&recipe);
    return r;
}

static int write_picture(const struct film *film, const char *path, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        unsigned char *data;
        size_t length;
        struct picture_layout layout = layouts[i];
        layout.fps = film->count > 2 * layout.frames ? 10 : 5;
        int r = picture_film_gif(film, &layout, &data, &length, err);
        if (r)
            return r;
        bool fits = length <= PICTURE_BYTES_MAX;
        if (fits)
            r = file_write(path, data, length, err);
        free(data);
        if (fits || r)
            return r;
    }
    return err_set(err, ERR_LIMIT, "no picture of %s has less than %d bytes", film->env.spec.env, PICTURE_BYTES_MAX);
}

/* ---- the page ---- */

static void add_head(struct bytes *page)
{
    bytes_print(
        page,
        "# Environments\n\n"
        "Made by `make gallery`. Each picture is an episode that a script of the environment plays, or chance where it has none.\n"
        "`testudo envs describe NAME` prints rules, observation, actions and keys; `testudo render NAME` plays an episode on the\n"
        "terminal, and `testudo render NAME --html FILE` makes a page of it to step through. How to add one: "
        "[ADDING.md](ADDING.md).\n\n"
        "| environment | scenarios | shown | references |\n|---|---|---|---|\n");
}

static void add_row(struct bytes *page, const struct env_ops *ops, const struct spec *spec)
{
    char sizes[512], references[512];
    int n = 0;
    while (ops->scenarios[n])
        n++;
    describe_sizes(spec, sizes, sizeof sizes);
    describe_references(ops->name, references, sizeof references);
    bytes_print(page, "| [%s](#%s) | %d | `%s`: %s | %s |\n", ops->name, ops->name, n, spec->scenario, sizes, references);
}

static void add_section(struct bytes *page, const struct film *film)
{
    const struct env_ops *ops = film->env.ops;
    size_t length;
    const char *origin = describe_origin(ops->name, &length);
    char title[256];
    film_title(film, title, sizeof title);
    bytes_print(page, "\n## %s\n\n%c%s.\n\n![%s](gallery/%s.gif)\n\n", ops->name, toupper((unsigned char)ops->summary[0]),
                ops->summary + 1, title, ops->name);
    bytes_print(page, "%s.\n\n", title);
    if (origin)
        bytes_print(page, "From its rules ([%s.c](%s.c)):\n\n```\n%.*s\n```\n\n", ops->name, ops->name, (int)length, origin);
    bytes_print(page, "Scenarios:");
    for (const char *const *scenario = ops->scenarios; *scenario; scenario++)
        bytes_print(page, " `%s`", *scenario);
    bytes_print(page, "\n");
}

static int add_environment(struct bytes *table, struct bytes *sections, const char *folder, const struct env_ops *ops,
                           struct err *err)
{
    struct film film;
    char path[PATH_MAX];
    int r = shoot_best(&film, ops, err);
    if (r)
        return err_prefix(err, r, "%s", ops->name);
    if (snprintf(path, sizeof path, "%s/gallery/%s.gif", folder, ops->name) >= (int)sizeof path)
        r = err_set(err, ERR_LIMIT, "path of the gallery too long");
    else
        r = write_picture(&film, path, err);
    if (!r) {
        add_row(table, ops, &film.env.spec);
        add_section(sections, &film);
    }
    film_deinit(&film);
    return r;
}

int gallery_write(const char *folder, struct err *err)
{
    struct bytes page = {0}, sections = {0};
    char path[PATH_MAX];
    int r = file_join(path, sizeof path, folder, "gallery") ? err_set(err, ERR_LIMIT, "path of the gallery too long")
                                                            : file_make_folder(path, err);
    add_head(&page);
    for (const struct env_ops *const *ops = env_registry; *ops && !r; ops++)
        r = env_missing(*ops)
                ? err_set(err, ERR_STATE, "the gallery shows %s, too: install %s and build again", (*ops)->name, env_missing(*ops))
                : add_environment(&page, &sections, folder, *ops, err);
    bytes_add(&page, sections.data, sections.length);
    if (!r && (page.is_broken || sections.is_broken))
        r = err_set(err, ERR_NOMEM, "no memory for the gallery's page");
    if (!r && file_join(path, sizeof path, folder, "README.md"))
        r = err_set(err, ERR_LIMIT, "path of the gallery too long");
    if (!r)
        r = file_write(path, page.data, page.length, err);
    bytes_deinit(&page);
    bytes_deinit(&sections);
    return r;
}
