/* One update of an off-policy method against float64: report, moments, weights, targets. Used by test_q_learning.c and test_rivals.c. */
#ifndef TESTUDO_TESTS_LEARNER_OFF_POLICY_UPDATE_H
#define TESTUDO_TESTS_LEARNER_OFF_POLICY_UPDATE_H

#include "tests/learner/golden_update.h"

static inline double reported(const struct report *report, const char *name)
{
    for (int i = 0; i < report->count; i++)
        if (!strcmp(report->entries[i].name, name))
            return report->entries[i].value;
    fail_msg("%s is not reported", name);
    return 0;
}

static inline void check_update(const char *name)
{
    struct fixture f;
    struct report report = {0};
    const char *key;
    json_t *value;
    setup(&f, name);
    trainer_update(f.trainer, f.batch, &report);
    json_object_foreach(json_object_get(f.tree, "report"), key, value)
        golden_compare_number(key, reported(&report, key), json_number_value(value), 1e-5);
    struct safetensors *file = saved(&f);
    json_object_foreach(json_object_get(f.tree, "result"), key, value)
    {
        bool has_adam = !strcmp(key, "mi/action"); /* whatever the backbone's optimiser is */
        if (strncmp(key, "target/", 7))
            compare_net(&f, file, key, has_adam ? "m" : json_string_value(json_object_get(f.tree, "moment")), 1e-5);
        else
            compare_weights(&f, file, key, 1e-5);
    }
    safetensors_destroy(&file);
    teardown(&f);
}

#endif
