/* report: mean and interval over the seeds of any number of runs. */
#include <stdio.h>

#include "deploy/record.h"
#include "deploy/runs.h"
#include "deploy/summary.h"
#include "deploy/verb.h"

static int add_run(void *context, const char *folder, struct err *err)
{
    return summary_add_run(context, folder, err);
}

static int print(const struct verb *verb, const struct summary *summary, bool as_json)
{
    struct err err = {""};
    if (!as_json)
        return summary_print(summary, stdout, &err) ? verb_failed(verb, "%s", err.text) : EXIT_DONE;
    if (json_dumpf(summary->tree, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)))
        return verb_failed(verb, "cannot write JSON");
    putchar('\n');
    return EXIT_DONE;
}

/* --record: what is kept of results when run folders are not. */
static int print_records(const struct verb *verb, const struct words *words)
{
    json_t *records = json_array();
    struct err err = {""};
    int r = 0;
    for (int i = 0; i < words->count && !r; i++)
        r = runs_visit(words->word[i], record_add_run, records, &err);
    if (r)
        r = (verb_failed(verb, "%s", err.text), verb_exit_code(r));
    else if (json_dumpf(records, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) || putchar('\n') == EOF)
        r = verb_failed(verb, "cannot write JSON");
    json_decref(records);
    return r;
}

static int run_report(const struct verb *verb, int argc, char **argv)
{
    bool as_json = false, as_record = false;
    const struct option_row rows[] = {
        {"json", OPTION_FLAG, &as_json, 0, 0, "", "print JSON in marl-eval's layout", NULL},
        {"record", OPTION_FLAG, &as_record, 0, 0, "", "print one small JSON object per run: recipe, hashes, means", NULL}};
    struct words words;
    struct summary *summary;
    struct err err = {""};
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (!words.count)
        return verb_misused(verb, "no run given");
    if (as_record)
        return print_records(verb, &words);
    if (summary_create(&summary))
        return verb_failed(verb, "out of memory");
    r = 0;
    for (int i = 0; i < words.count && !r; i++)
        r = runs_visit(words.word[i], add_run, summary, &err);
    r = r ? (verb_failed(verb, "%s", err.text), verb_exit_code(r)) : print(verb, summary, as_json);
    summary_destroy(&summary);
    return r;
}

const struct verb verb_report = {
    .name = "report",
    .summary = "mean return and 95 % bootstrap interval over seeds",
    .arguments = "RUN... [--json|--record]",
    .example = "testudo report runs/foraging",
    .more = "RUN is a run folder or any folder above some.\n",
    .run = run_report,
};
