/* Trains and evaluates in one process, without broker or sockets: rollouts and trainer called in turn. For looking at learning
 * and speed in isolation; a real run is `bin/testudo train`, and gives the same weights (tests/system/determinism.sh).
 *
 *   local_train RECIPE.yaml [key=value ...]     prints one line per 10 % of the budget, then returns under each eval threat */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/rollout.h"
#include "base/clock.h"
#include "base/file.h"
#include "learner/evaluation.h"
#include "learner/partitions.h"
#include "learner/trainer.h"

static void die(const struct err *err)
{
    fprintf(stderr, "local_train: %s\n", err->text);
    exit(1);
}

static struct trajectory *make_trajectories(int n, size_t bytes)
{
    struct trajectory *t = calloc((size_t)n, sizeof *t);
    for (int i = 0; i < n; i++) {
        t[i].capacity = (bytes + 63) & ~(size_t)63;
        t[i].frame = aligned_alloc(64, t[i].capacity);
    }
    return t;
}

static void run_orders(struct rollout *rollout, struct weights *weights, const struct order *orders, int n, struct trajectory *t)
{
    const struct order *o[ORDER_LANES_MAX];
    struct trajectory *out[ORDER_LANES_MAX];
    struct err err = {""};
    for (int i = 0; i < n; i++) {
        o[i] = &orders[i];
        out[i] = &t[i];
    }
    if (rollout_run(rollout, weights, o, n, out, NULL, &err))
        die(&err);
}

static void evaluate(struct rollout *rollout, struct trainer *trainer, const struct evaluation_config *config, const char *threats)
{
    struct evaluation *evaluation;
    struct weights *weights;
    struct err err = {""};
    int N = rollout_spec(rollout)->N;
    double clean, mean, lowest;
    if (evaluation_create(&evaluation, threats, config->episodes, config->per_task, N, 1, &err) ||
        trainer_weights(trainer, (struct weights_version){1, 1000000}, &weights, &err))
        die(&err);
    int n = evaluation_tasks(evaluation);
    struct order *orders = calloc((size_t)n, sizeof *orders);
    struct trajectory *t = make_trajectories(n, schema_bytes_max(rollout_schema(rollout)));
    for (int i = 0; i < n; i++) {
        evaluation_task(evaluation, i, &orders[i]);
        orders[i].version = (struct weights_version){1, 1000000};
    }
    for (int begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n && rollout_same_group(&orders[begin], &orders[end]);)
            end++;
        run_orders(rollout, weights, orders + begin, end - begin, t + begin);
        for (int i = begin; i < end; i++) {
            struct batch_view view;
            batch_map(trainer_batch(trainer), &t[i], &view);
            if (!evaluation_take(evaluation, &t[i], &view))
                fprintf(stderr, "local_train: an answer was not taken\n");
        }
    }
    evaluation_summary(evaluation, &clean, &mean, &lowest);
    printf("  %-24s clean %.4f attacked mean %.4f lowest %.4f\n", threats, clean, mean, lowest);
    for (int i = 0; i < n; i++)
        free(t[i].frame);
    free(t);
    free(orders);
    weights_unref(&weights);
    evaluation_destroy(&evaluation);
}

static void train(struct rollout *rollout, struct trainer *trainer, const struct run_config *run)
{
    struct order *orders = calloc((size_t)run->lanes, sizeof *orders);
    struct trajectory *t = make_trajectories((int)run->lanes, schema_bytes_max(rollout_schema(rollout)));
    const struct trajectory *batch[ORDER_LANES_MAX];
    struct partitions partitions = {0};
    struct err err = {""};
    double acting = 0, updating = 0;
    monotonic_us begin = clock_us();
    for (uint64_t u = trainer_updates(trainer); u < trainer_total(trainer); u++) {
        struct weights *weights;
        struct report report = {0};
        if (trainer_weights(trainer, (struct weights_version){1, u + 1}, &weights, &err))
            die(&err);
        for (int l = 0; l < run->lanes; l++) {
            orders[l] = (struct order){.number = u + 1, .lane = l, .slice = u, .version = {1, u + 1}, .victim = -1};
            batch[l] = &t[l];
        }
        monotonic_us start = clock_us();
        run_orders(rollout, weights, orders, (int)run->lanes, t);
        acting += clock_seconds_since(start);
        start = clock_us();
        trainer_update(trainer, batch, &report);
        updating += clock_seconds_since(start);
        for (int l = 0; l < run->lanes; l++) {
            struct batch_view view;
            batch_map(trainer_batch(trainer), &t[l], &view);
            for (int e = 0; e < view.episodes; e++)
                partitions_count(&partitions, (uint64_t)view.record_partition[e], view.record_return[e]);
        }
        weights_unref(&weights);
        if ((u + 1) % (trainer_total(trainer) / 10 + 1) == 0 || u + 1 == trainer_total(trainer)) {
            double clean, attacked, lowest;
            partitions_returns(&partitions, &clean, &attacked, &lowest);
            printf("%9lld steps  clean %.3f attacked %.3f lowest %.3f  rollout %.2f s update %.2f s",
                   (long long)trainer_steps(trainer), clean, attacked, lowest, acting, updating);
            for (int i = 0; i < report.count; i++)
                if (strstr(report.entries[i].name, "entropy") || strstr(report.entries[i].name, "accuracy"))
                    printf(" %s %.3f", report.entries[i].name, report.entries[i].value);
            printf("\n");
            fflush(stdout);
        }
    }
    printf("%lld steps in %.2f s: %.0f steps/s\n", (long long)trainer_steps(trainer), clock_seconds_since(begin),
           (double)trainer_steps(trainer) / clock_seconds_since(begin));
    for (int l = 0; l < run->lanes; l++)
        free(t[l].frame);
    free(t);
    free(orders);
}

/* attack=KEY=VALUE arguments overlay the recipe for a worst-case attack on the team that was just trained. */
int main(int argc, char **argv)
{
    struct recipe *recipe = recipe_create();
    struct err err = {""};
    unsigned char *text;
    size_t length;
    struct rollout *rollout = NULL;
    struct trainer *trainer = NULL, *attacker = NULL;
    struct run_config run;
    struct evaluation_config evaluation;
    if (argc < 2 || file_read(argv[1], RECIPE_BYTES_MAX, &text, &length, &err) ||
        recipe_parse(recipe, argv[1], (char *)text, length, &err))
        die(&err);
    bool has_attack = false;
    for (int i = 2; i < argc; i++) {
        has_attack |= !strncmp(argv[i], "attack=", 7);
        if (strncmp(argv[i], "attack=", 7) && recipe_set_argument(recipe, argv[i], &err))
            die(&err);
    }
    if (run_config_bind(&run, recipe, &err) || evaluation_config_bind(&evaluation, recipe, &err) ||
        rollout_create(&rollout, recipe, &err) ||
        trainer_create(&trainer, recipe, rollout_spec(rollout), rollout_schema(rollout), NULL, &err))
        die(&err);
    train(rollout, trainer, &run);
    evaluate(rollout, trainer, &evaluation, "clean");
    for (char *threat = strtok(strdup(evaluation.threats), ","); threat; threat = strtok(NULL, ","))
        if (strcmp(threat, "clean"))
            evaluate(rollout, trainer, &evaluation, threat);
    if (has_attack) {
        struct safetensors *file;
        struct models *source = calloc(1, sizeof *source);
        if (safetensors_create(&file) || trainer_save(trainer, file, &err) || trainer_load_source(source, file, &err))
            die(&err);
        for (int i = 2; i < argc; i++)
            if (!strncmp(argv[i], "attack=", 7)) {
                if (strchr(argv[i] + 7, '=')) {
                    if (recipe_set_argument(recipe, argv[i] + 7, &err))
                        die(&err);
                } else if (file_read(argv[i] + 7, RECIPE_BYTES_MAX, &text, &length, &err) ||
                           recipe_parse(recipe, argv[i] + 7, (char *)text, length, &err)) {
                    die(&err);
                }
            }
        rollout_destroy(&rollout);
        if (run_config_bind(&run, recipe, &err) || rollout_create(&rollout, recipe, &err) ||
            trainer_create(&attacker, recipe, rollout_spec(rollout), rollout_schema(rollout), source, &err))
            die(&err);
        train(rollout, attacker, &run);
        evaluate(rollout, attacker, &evaluation, "learned");
        trainer_destroy(&attacker);
    }
    trainer_destroy(&trainer);
    rollout_destroy(&rollout);
    recipe_destroy(&recipe);
    return 0;
}
