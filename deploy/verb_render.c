/* render: look at an episode, on the terminal or as pictures. Who plays is a script or chance, a run's trained team, or a recorded
 * trace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/env_words.h"
#include "deploy/pictures/picture.h"
#include "deploy/pictures/screen.h"
#include "deploy/pictures/shoot.h"
#include "deploy/runs.h"
#include "deploy/verb.h"

struct render { /* as the options say */
    const struct verb *verb;
    const char *word; /* environment, run or trace */
    struct shot shot;
    const char *svg, *png, *gif, *html;
    int64_t side, frames, columns, fps;
};

/* ---- what to show ---- */

static bool is_trace(const char *word)
{
    return strstr(word, ".jsonl") && !access(word, F_OK);
}

static int only_folder(void *context, const char *folder, struct err *err)
{
    char *only = context;
    if (*only)
        return err_set(err, ERR_INVALID, "several runs: %.150s, %.150s, ...; name one of them", only, folder);
    snprintf(only, PATH_MAX, "%s", folder);
    return 0;
}

static int shoot_word(struct film *film, const struct render *render, struct err *err)
{
    char folder[PATH_MAX] = "";
    struct recipe *recipe;
    const struct shot *shot = &render->shot;
    if (is_trace(render->word))
        return shoot_trace(film, render->word, shot, err);
    if (env_word_is_known(render->word) || access(render->word, F_OK)) {
        int r = env_words_recipe(&recipe, render->word, shot->arguments, shot->n_arguments, err);
        if (r)
            return r;
        r = shoot_env(film, recipe, shot, err);
        recipe_destroy(&recipe);
        return r;
    }
    int r = runs_visit(render->word, only_folder, folder, err);
    return r ? r : shoot_run(film, folder, shot, err);
}

/* Options that mean nothing for what is shown would be silently ignored. */
static int check_options(const struct render *render)
{
    const struct shot *shot = &render->shot;
    bool trace = is_trace(render->word), env = !trace && (env_word_is_known(render->word) || access(render->word, F_OK));
    if (shot->script && !env)
        return verb_misused(render->verb, "--script is for environments; \"%s\" is %s", render->word, trace ? "a trace" : "a run");
    if ((shot->checkpoint || shot->threat || shot->victim >= 0) && (env || trace))
        return verb_misused(render->verb, "--checkpoint, --threat and --victim are for runs; \"%s\" is none", render->word);
    if (trace && shot->n_arguments)
        return verb_misused(render->verb, "a trace says itself how its environment is set: %s", shot->arguments[0]);
    bool wants_victim = shot->threat && strcmp(shot->threat, "clean") && !strchr(shot->threat, '@');
    if (wants_victim != (shot->victim >= 0))
        return verb_misused(render->verb, "--threat and --victim go together, except that THREAT@all has no victim");
    return 0;
}

/* ---- where to ---- */

static int write_pictures(const struct render *render, const struct film *film, struct err *err)
{
    const struct picture_layout layout = {(int)render->side, (int)render->frames, (int)render->columns, (int)render->fps};
    int r = 0;
    if (render->svg)
        r = picture_write_svg(film, &layout, render->svg, err);
    if (!r && render->png)
        r = picture_write_png(film, &layout, render->png, err);
    if (!r && render->gif)
        r = picture_write_gif(film, &layout, render->gif, err);
    if (!r && render->html)
        r = picture_write_html(film, render->html, err);
    return r;
}

static int show(const struct render *render, const struct film *film, struct err *err)
{
    char title[256];
    if (!render->svg && !render->png && !render->gif && !render->html)
        return screen_play(film, render->fps ? (int)render->fps : 8, err);
    int r = write_pictures(render, film, err);
    film_title(film, title, sizeof title);
    if (!r)
        printf("%s\n", title);
    return r;
}

static int run_render(const struct verb *verb, int argc, char **argv)
{
    struct render render = {.verb = verb, .shot = {.seed = 1, .victim = -1}};
    struct shot *shot = &render.shot;
    const struct option_row rows[] = {
        {"script", OPTION_TEXT, &shot->script, 0, 0, "NAME", "who plays an environment; default: its first script", "random"},
        {"seed", OPTION_INT, &shot->seed, 0, 1e15, "N", "of an episode that is played here", "1"},
        {"episode", OPTION_INT, &shot->episode, 0, 4095, "N", "which one, from 0: of a trace, of a run's evaluation", "3"},
        {"steps", OPTION_INT, &shot->steps, 0, FILM_FRAMES_MAX - 1, "N", "at most so many; default: the whole episode", "50"},
        {"checkpoint", OPTION_TEXT, &shot->checkpoint, 0, 0, "FILE", "of a run: which weights; default: the newest", NULL},
        {"threat", OPTION_TEXT, &shot->threat, 0, 0, "THREAT", "of a run: what the victim is under, as in eval.threats", "pgd:0.5"},
        {"victim", OPTION_INT, &shot->victim, 0, SPEC_AGENTS_MAX - 1, "N", "of a run: the agent under the threat", "0"},
        {"png", OPTION_TEXT, &render.png, 0, 0, "FILE", "write a strip of frames", "episode.png"},
        {"svg", OPTION_TEXT, &render.svg, 0, 0, "FILE", "the same as SVG", "episode.svg"},
        {"gif", OPTION_TEXT, &render.gif, 0, 0, "FILE", "write an animation", "episode.gif"},
        {"html", OPTION_TEXT, &render.html, 0, 0, "FILE", "write a page that replays it, with a slider", "episode.html"},
        {"side", OPTION_INT, &render.side, 16, 2048, "N", "pixels of a frame's longer side", "320"},
        {"frames", OPTION_INT, &render.frames, 1, 2000, "N", "at most so many in a strip (64) or an animation", "12"},
        {"columns", OPTION_INT, &render.columns, 1, 64, "N", "frames in a row of a strip", "4"},
        {"fps", OPTION_INT, &render.fps, 1, 50, "N", "steps a second, on the terminal and in an animation; default: 8", "4"},
    };
    struct words words;
    struct film film = {0};
    struct err err = {""};
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (!words.count)
        return verb_misused(verb, "no environment, run or trace given");
    render.word = words.word[0];
    shot->arguments = words.word + 1;
    shot->n_arguments = words.count - 1;
    if ((r = check_options(&render)))
        return r;
    if (!(r = shoot_word(&film, &render, &err))) {
        r = show(&render, &film, &err);
        film_deinit(&film);
    }
    if (r)
        verb_failed(verb, "%s", err.text);
    return r ? verb_exit_code(r) : EXIT_DONE;
}

const struct verb verb_render = {
    .name = "render",
    .summary = "show an episode on the terminal, or write it as PNG, SVG, GIF or a replay page",
    .arguments = "NAME[:SCENARIO] | RUN | TRACE [key=value ...]",
    .example = "testudo render foraging:8x8-4p-2f-c --html episode.html",
    .more =
        "NAME is an environment, played by a script or at random; RUN a run folder, whose trained team plays (RUN/attack has the\n"
        "adversaries that were trained against it: --threat learned --victim 0); TRACE a recorded file (*.jsonl.gz).\n",
    .run = run_render,
};
