/* bench: how fast the parts are on this machine, a few seconds in all. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "deploy/verb.h"
#include "envs/registry.h"
#include "envs/vec_bench.h"
#include "wire/wire_bench.h"

struct figures {
    json_t *list; /* of {"part", "name", "value", "unit"} */
    bool as_json;
};

static void add(struct figures *figures, const char *part, const char *name, double value, const char *unit)
{
    if (figures->as_json)
        json_array_append_new(figures->list, json_pack("{s:s, s:s, s:f, s:s}", "part", part, "name", name, "value", value, "unit", unit));
    else
        printf("%-6s %-40s %12.4g %s\n", part, name, value, unit);
    fflush(stdout);
}

/* Every environment with its first scenario. */
static int bench_envs(struct figures *figures, double seconds, struct err *err)
{
    for (const struct env_ops *const *ops = env_registry; *ops; ops++) {
        char name[128];
        struct recipe *recipe = recipe_create();
        double rate = ERR_NOMEM;
        int r = recipe ? recipe_set(recipe, "env.name", (*ops)->name, "bench", err) : err_set(err, ERR_NOMEM, "out of memory");
        if (!r)
            rate = vec_bench_steps_per_second(recipe, 64, seconds, err);
        recipe_destroy(&recipe);
        if (r || rate < 0)
            return r ? r : (int)rate;
        snprintf(name, sizeof name, "%s %s, 64 at once", (*ops)->name, (*ops)->scenarios[0]);
        add(figures, "envs", name, rate, "steps/s");
    }
    return 0;
}

static int bench_wire(struct figures *figures, double seconds, struct err *err)
{
    struct wire_bench result;
    int rounds = (int)(seconds * 100) + 1;
    int r = wire_bench_run(4u << 20, 32, rounds > 1000 ? 1000 : rounds, &result);
    if (r)
        return err_set(err, r, "cannot measure frames: %s", err_text(r));
    add(figures, "wire", "memcpy of 4 MiB frames", result.memcpy_gb_s, "GB/s");
    add(figures, "wire", "writing frames row by row, over memcpy", result.encode_ratio, "");
    add(figures, "wire", "checked copy of received frames, over memcpy", result.decode_ratio, "");
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct figures *figures, double seconds, struct err *err);
} benches[] = {{"envs", bench_envs}, {"wire", bench_wire}};

static bool is_asked(const struct words *words, const char *name)
{
    for (int i = 0; i < words->count; i++)
        if (!strcmp(words->word[i], name))
            return true;
    return !words->count;
}

static int check_words(const struct verb *verb, const struct words *words)
{
    for (int i = 0; i < words->count; i++) {
        size_t b = 0;
        while (b < ARRAY_LEN(benches) && strcmp(benches[b].name, words->word[i]))
            b++;
        if (b == ARRAY_LEN(benches))
            return verb_misused(verb, "unknown part \"%s\", expected envs or wire", words->word[i]);
    }
    return 0;
}

static int run_bench(const struct verb *verb, int argc, char **argv)
{
    int64_t tenths = 5;
    struct figures figures = {0};
    const struct option_row rows[] = {
        {"tenths", OPTION_INT, &tenths, 1, 600, "N", "tenths of a second for each figure", "5"},
        {"json", OPTION_FLAG, &figures.as_json, 0, 0, "", "print JSON", NULL},
    };
    struct words words;
    struct err err = {""};
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0 || (r = check_words(verb, &words)))
        return r;
    if (!(figures.list = json_array()))
        return verb_failed(verb, "out of memory");
    for (size_t b = 0; b < ARRAY_LEN(benches) && !r; b++)
        if (is_asked(&words, benches[b].name))
            r = benches[b].run(&figures, (double)tenths / 10, &err);
    if (!r && figures.as_json) {
        json_dumpf(figures.list, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    }
    json_decref(figures.list);
    return r ? verb_failed(verb, "%s", err.text) : EXIT_DONE;
}

const struct verb verb_bench = {
    .name = "bench",
    .summary = "measure the parts on this machine",
    .arguments = "[envs] [wire] [--json]",
    .example = "testudo bench envs",
    .run = run_bench,
};
