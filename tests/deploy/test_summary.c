/* Summaries over seeds: victims boil down to mean and lowest, seeds to one line, files to marl-eval's tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "deploy/summary.h"

static struct results *results_of(int64_t seed, double clean, double attacked0, double attacked1)
{
    struct results *results;
    assert_int_equal(results_create(&results), 0);
    snprintf(results->method, sizeof results->method, "m");
    snprintf(results->env, sizeof results->env, "e");
    snprintf(results->scenario, sizeof results->scenario, "s");
    results->seed = seed;
    results->steps = 1000;
    assert_int_equal(results_add(results, "clean", -1, 0, (double[]){clean - 1, clean + 1}, 2, 1, NULL), 0);
    assert_int_equal(results_add(results, "learned", 0, 500, &attacked0, 1, -1, NULL), 0);
    assert_int_equal(results_add(results, "learned", 1, 500, &attacked1, 1, -1, NULL), 0);
    return results;
}

static void test_summary_victims_give_mean_and_lowest(void **state)
{
    (void)state;
    struct results *results = results_of(1, 10, 2, 6);
    struct summary_sample sample;
    summary_boil_down(results, "learned", &sample);
    assert_true(sample.mean == 4 && sample.lowest == 2 && isnan(sample.success) && sample.attack_steps == 500);
    summary_boil_down(results, "clean", &sample);
    assert_true(sample.mean == 10 && isnan(sample.lowest) && sample.success == 0.5 && sample.episodes == 2);
    summary_boil_down(results, "absent", &sample);
    assert_true(isnan(sample.mean));
    results_destroy(&results);
}

static void test_summary_prints_one_line_per_method_and_threat(void **state)
{
    (void)state;
    struct summary *summary;
    char *text = NULL;
    size_t length;
    assert_int_equal(summary_create(&summary), 0);
    for (int64_t seed = 1; seed <= 3; seed++) {
        struct results *results = results_of(seed, (double)(10 * seed), 1, 2);
        assert_int_equal(summary_add(summary, results, NULL), 0);
        assert_int_equal(summary_add(summary, results, NULL), 0); /* the same seed again replaces itself */
        results_destroy(&results);
    }
    assert_int_equal(summary->count, 6);
    FILE *out = open_memstream(&text, &length);
    assert_int_equal(summary_print(summary, out, NULL), 0);
    fclose(out);
    char *clean = strstr(text, "clean"), *learned = strstr(text, "learned");
    assert_true(clean && learned && !strstr(clean + 1, "clean") && strstr(clean, "[10, 30]") && strstr(clean, " 20 "));
    free(text);
    summary_destroy(&summary);
}

static void test_summary_run_folder_becomes_marl_eval_tree(void **state)
{
    (void)state;
    char folder[] = "/tmp/testudo-test-XXXXXX", path[128], command[128];
    static const char csv[] = "steps,wall_seconds,return/clean,loss\n100,1.5,3,1\n200,2.5,,1\n300,3.5,5,1\n";
    struct summary *summary;
    struct results *results = results_of(7, 10, 1, 2);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(summary_create(&summary), 0);
    assert_int_equal(summary_add_run(summary, folder, NULL), ERR_STATE);
    snprintf(path, sizeof path, "%s/results", folder);
    assert_int_equal(file_make_folder(path, NULL), 0);
    snprintf(path, sizeof path, "%s/results/train.json", folder);
    assert_int_equal(results_write(results, path, NULL), 0);
    snprintf(path, sizeof path, "%s/progress.csv", folder);
    assert_int_equal(file_write(path, csv, sizeof csv - 1, NULL), 0);
    assert_int_equal(summary_add_run(summary, folder, NULL), 0);
    const json_t *seed = json_object_get(json_object_get(json_object_get(json_object_get(summary->tree, "e"), "s"), "m"), "seed_7");
    const json_t *last = json_object_get(seed, "step_1"), *absolute = json_object_get(seed, "absolute_metrics");
    assert_int_equal(json_object_size(seed), 3); /* two steps: the row without a return is none */
    assert_int_equal(json_integer_value(json_object_get(last, "step_count")), 300);
    assert_true(json_real_value(json_array_get(json_object_get(last, "return"), 0)) == 5);
    assert_int_equal(json_array_size(json_object_get(absolute, "return")), 2);
    assert_int_equal(json_array_size(json_object_get(absolute, "return_learned")), 2);
    results_destroy(&results);
    summary_destroy(&summary);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary_victims_give_mean_and_lowest),
        cmocka_unit_test(test_summary_prints_one_line_per_method_and_threat),
        cmocka_unit_test(test_summary_run_folder_becomes_marl_eval_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
