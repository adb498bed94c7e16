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

const struct algorithm_ops *algorithm_find(const char *name)
{
    for (int i = 0; algorithm_registry[i]; i++)
        if (!strcmp(algorithm_registry[i]->name, name))
            return algorithm_registry[i];
    return NULL;
}
