#include "learner/algorithm.h"

#include <stdio.h>
#include <string.h>

void report_add(struct report *report, const char *name, double value)
{
    if (report->count == REPORT_MAX)
        return;
    snprintf(report->entries[report->count].name, sizeof report->entries[0].name, "%s", name);
    report->entries[report->count++].value = value;
}

int algorithm_find(const char *name, const struct algorithm_ops **ops, struct err *err)
{
    const char *names[64];
    int n = 0;
    for (; algorithm_registry[n] && n < (int)ARRAY_LEN(names); n++) {
        names[n] = algorithm_registry[n]->name;
        if (!strcmp(names[n], name)) {
            *ops = algorithm_registry[n];
            return 0;
        }
    }
    const char *near = config_nearest(name, names, n);
    return err_set(err, ERR_UNKNOWN, "unknown learner.algorithm \"%s\"%s%s%s", name, near ? "; did you mean " : "",
                   near ? near : "", near ? "?" : "");
}
