/* bench: how fast the parts are on this machine, about a minute in all. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "deploy/bench.h"
#include "deploy/env_words.h"
#include "deploy/verb.h"
#include "learner/q_bench.h"
#include "math/blas_core.h"
#include "net/net_bench.h"
#include "wire/wire_bench.h"

void figures_add(struct figures *figures, const struct figure *figure)
{
    if (figures->as_json) {
        json_t *object = json_pack("{s:s, s:s, s:o, s:s}", "part", figure->part, "name", figure->name, "value",
                                   json_number_or_null(figure->value), "unit", figure->unit);
        if (figure->must != 0)
            json_object_update_new(object, json_pack("{s:f, s:f}", "must", figure->must, "aim", figure->aim));
        json_array_append_new(figures->list, object);
        return;
    }
    printf("%-6s %-66s %10.4g %-8s", figure->part, figure->name, figure->value, figure->unit);
    if (figure->must != 0)
        printf(" bar %g, aim %g", figure->must, figure->aim);
    putchar('\n');
    fflush(stdout);
}

/* ---- frames ---- */

static int bench_wire(struct figures *figures, double seconds, struct err *err)
{
    static const struct {
        const char *name;
        size_t bytes;
    } sizes[] = {{"0.5 MiB", 512u << 10}, {"1 MiB", 1u << 20}, {"4 MiB", 4u << 20}};
    int rounds = (int)(seconds * 100) + 1;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct wire_bench result;
        char name[128];
        int r = wire_bench_run(sizes[i].bytes, 32, rounds > 1000 ? 1000 : rounds, &result);
        if (r)
            return err_set(err, r, "cannot measure frames: %s", err_text(r));
        snprintf(name, sizeof name, "memcpy, 32 frames of %s in turn", sizes[i].name);
        figures_add(figures, &(struct figure){"wire", name, "GB/s", result.memcpy_gb_s, 0, 0});
        snprintf(name, sizeof name, "frames of %s: writing row by row, over memcpy", sizes[i].name);
        figures_add(figures, &(struct figure){"wire", name, "", result.encode_ratio, 0.8, 0.95});
        snprintf(name, sizeof name, "frames of %s: checked copy, over memcpy", sizes[i].name);
        figures_add(figures, &(struct figure){"wire", name, "", result.decode_ratio, 0.75, 0.95});
    }
    return 0;
}

/* ---- numeric core ---- */

static int bench_net(struct figures *figures, double seconds, struct err *err)
{
    struct net_bench_row rows[NET_BENCH_ROWS];
    int n = net_bench(seconds * 12, rows);
    if (n < 0)
        return err_set(err, n, "cannot measure the numeric core: %s", err_text(n));
    for (int i = 0; i < n; i++)
        figures_add(figures, &(struct figure){"net", rows[i].name, rows[i].unit, rows[i].value, rows[i].must, rows[i].aim});
    return 0;
}

/* ---- QMIX ---- */

static int bench_qmix(struct figures *figures, double seconds, struct err *err)
{
    struct net_bench_row rows[Q_BENCH_ROWS];
    int n = q_bench(seconds * 6, rows, err);
    for (int i = 0; i < n; i++)
        figures_add(figures, &(struct figure){"qmix", rows[i].name, rows[i].unit, rows[i].value, rows[i].must, rows[i].aim});
    return n < 0 ? n : 0;
}

/* ---- OpenBLAS's kernels: the choice is made when the library is loaded, so each takes a process of its own ---- */

enum { SGEMM_TURNS = 5 };

static int bench_sgemm(struct figures *figures, double seconds, struct err *err)
{
    (void)err;
    char name[64];
    snprintf(name, sizeof name, "sgemm 512x512x512, %s", blas_core_name());
    figures_add(figures, &(struct figure){"sgemm", name, "GFLOP/s", net_bench_sgemm(seconds), 0, 0});
    return 0;
}

/* The rate that a child reaches with the core type, or with what the program chooses (NULL); 0 when the child cannot run it. */
static double sgemm_of_child(const char *core, double seconds)
{
    char command[256];
    double rate = 0;
    snprintf(command, sizeof command,
             "env -u TESTUDO_BLAS_CORE -u OPENBLAS_CORETYPE %s%s%s%s /proc/%ld/exe bench sgemm --tenths %d 2>/dev/null",
             core ? "TESTUDO_BLAS_CORE=" : "", core ? core : "", core ? " OPENBLAS_CORETYPE=" : "", core ? core : "",
             (long)getpid(), seconds < 0.1 ? 1 : (int)(seconds * 10));
    FILE *child = popen(command, "r");
    if (!child)
        return 0;
    if (fscanf(child, "sgemm sgemm 512x512x512, %*s %lf", &rate) != 1)
        rate = 0;
    return pclose(child) ? 0 : rate;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* As started against each kernel that one could ask for, in turn; medians. */
static int bench_cores(struct figures *figures, double seconds, struct err *err)
{
    static const char *const cores[] = {NULL, "SkylakeX", "Cooperlake", "SapphireRapids", "Zen", "Haswell"};
    double rate[ARRAY_LEN(cores)][SGEMM_TURNS], best = 0;
    (void)err;
    for (int turn = 0; turn < SGEMM_TURNS; turn++)
        for (size_t c = 0; c < ARRAY_LEN(cores); c++)
            rate[c][turn] = sgemm_of_child(cores[c], seconds / SGEMM_TURNS);
    for (size_t c = 0; c < ARRAY_LEN(cores); c++) {
        char name[64];
        qsort(rate[c], SGEMM_TURNS, sizeof rate[c][0], compare);
        double middle = rate[c][SGEMM_TURNS / 2];
        best = c > 0 && middle > best ? middle : best;
        snprintf(name, sizeof name, "sgemm 512x512x512 %s", cores[c] ? cores[c] : "as started");
        if (middle > 0)
            figures_add(figures, &(struct figure){"cores", name, "GFLOP/s", middle, 0, 0});
    }
    figures_add(figures, &(struct figure){"cores", "sgemm as started, over the best of the others", "",
                                          best > 0 ? rate[0][SGEMM_TURNS / 2] / best : 0, 0.95, 1});
    return 0;
}

static int bench_train_seconds(struct figures *figures, double seconds, struct err *err)
{
    (void)seconds;
    return bench_train(figures, err);
}

/* ---- the verb ---- */

static const struct {
    const char *name;
    int (*run)(struct figures *figures, double seconds, struct err *err); /* NULL: environments, which take words */
    bool is_default;
} benches[] = {{"envs", NULL, true},
               {"wire", bench_wire, true},
               {"net", bench_net, true},
               {"qmix", bench_qmix, true},
               {"cores", bench_cores, true},
               {"sgemm", bench_sgemm, false},
               {"train", bench_train_seconds, true}};

static bool is_asked(const struct words *words, size_t bench)
{
    for (int i = 0; i < words->count; i++)
        if (!strcmp(words->word[i], benches[bench].name))
            return true;
    return !words->count && benches[bench].is_default;
}

static bool is_part(const char *word)
{
    for (size_t b = 0; b < ARRAY_LEN(benches); b++)
        if (!strcmp(benches[b].name, word))
            return true;
    return false;
}

/* Parts, and behind "envs" environments, which go to names[WORDS_MAX]. */
static int check_words(const struct verb *verb, const struct words *words, const char **names, int *n_names)
{
    bool takes_names = false;
    for (int i = 0; i < words->count; i++) {
        const char *word = words->word[i];
        if (is_part(word)) {
            takes_names = !strcmp(word, "envs");
            continue;
        }
        if (!takes_names)
            return verb_misused(verb, "unknown part \"%s\", expected envs, wire, net, qmix, cores, sgemm or train", word);
        if (!env_word_is_known(word)) {
            struct recipe *recipe;
            struct err err = {""};
            if (!env_words_recipe(&recipe, word, NULL, 0, &err))
                recipe_destroy(&recipe);
            return verb_misused(verb, "%s", err.text);
        }
        names[(*n_names)++] = word;
    }
    return 0;
}

/* What every ratio has to be read with. */
static json_t *describe_machine(void)
{
    struct utsname system = {0};
    double load = 0;
    uname(&system);
    if (getloadavg(&load, 1) != 1)
        load = 0;
    return json_pack("{s:s, s:s, s:I, s:s, s:f}", "version", TESTUDO_VERSION, "machine", system.machine, "cores",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "openblas_core", blas_core_name(), "load_before", load);
}

static int run_bench(const struct verb *verb, int argc, char **argv)
{
    int64_t tenths = 5;
    struct figures figures = {0};
    const struct option_row rows[] = {
        {"tenths", OPTION_INT, &tenths, 1, 600, "N", "tenths of a second for each figure", "5"},
        {"json", OPTION_FLAG, &figures.as_json, 0, 0, "", "print one JSON object", NULL},
    };
    struct words words;
    const char *names[WORDS_MAX];
    struct err err = {""};
    int n_names = 0, r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0 || (r = check_words(verb, &words, names, &n_names)))
        return r;
    json_t *object = describe_machine();
    if (!object || !(figures.list = json_array()))
        return verb_failed(verb, "out of memory");
    for (size_t b = 0; b < ARRAY_LEN(benches) && !r; b++)
        if (is_asked(&words, b))
            r = benches[b].run ? benches[b].run(&figures, (double)tenths / 10, &err)
                               : bench_envs(&figures, names, n_names, (double)tenths / 10, &err);
    json_object_set_new(object, "figures", figures.list);
    if (!r && figures.as_json) {
        json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    }
    json_decref(object);
    return r ? verb_failed(verb, "%s", err.text) : EXIT_DONE;
}

const struct verb verb_bench = {
    .name = "bench",
    .summary = "measure the parts on this machine",
    .arguments = "[envs [NAME[:SCENARIO] ...]] [wire] [net] [qmix] [cores] [sgemm] [train] [--json]",
    .example = "testudo bench envs",
    .more = "envs: steps of environments against the reference implementations, and a batch of 64 against 64 single ones.\n"
            "wire: frames of trajectories against memcpy.  net: learning and acting against sgemm.\n"
            "qmix: a whole update against sgemm.  cores: OpenBLAS's kernels as this program starts it.  train: EIR-MAPPO through "
            "broker, learner and actors.\n",
    .run = run_bench,
};
