#include "learner/quarantine.h"

#include <limits.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"

/* What did not fit when it was done again: where, and both numbers. */
static void add_misfit(json_t *tree, const struct misfit *misfit)
{
    json_object_set_new(tree, "step", misfit->t >= 0 ? json_integer(misfit->t) : json_null());
    json_object_set_new(tree, "agent", misfit->agent >= 0 ? json_integer(misfit->agent) : json_null());
    json_object_set_new(tree, "field", json_string(misfit->field));
    json_object_set_new(tree, "expected", json_string(misfit->expected));
    json_object_set_new(tree, "found", json_string(misfit->found));
}

static int write_entry(const char *folder, const struct quarantined *entry, int place, struct err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%d.frame", folder, place) >= (int)sizeof path)
        return err_set(err, ERR_LIMIT, "path of \"%.200s\" is too long", folder);
    int r = file_write(path, entry->frame, entry->kept, err);
    if (r)
        return r;
    json_t *tree =
        json_pack("{s:I,s:I,s:I,s:s,s:s,s:I,s:I}", "actor", (json_int_t)entry->actor, "incarnation", (json_int_t)entry->incarnation,
                  "sequence", (json_int_t)entry->sequence, "reason", reject_reason_name(entry->reason), "text", entry->text,
                  "bytes", (json_int_t)entry->bytes, "kept", (json_int_t)entry->kept);
    if (!tree)
        return err_set(err, ERR_NOMEM, "cannot describe a refused trajectory");
    if (entry->misfit.field[0])
        add_misfit(tree, &entry->misfit);
    int length = snprintf(path, sizeof path, "%s/%d.json", folder, place);
    r = length < (int)sizeof path ? json_write(path, tree, err) : err_set(err, ERR_LIMIT, "path of \"%.200s\" is too long", folder);
    json_decref(tree);
    return r;
}

int quarantine_write(const char *run, const struct quarantined *entries, int n, struct err *err)
{
    char folder[PATH_MAX];
    if (file_join(folder, sizeof folder, run, "quarantine"))
        return err_set(err, ERR_LIMIT, "path of \"%.200s\" is too long", run);
    int r = n ? file_make_folder(folder, err) : 0;
    for (int i = 0; i < n && !r; i++)
        r = write_entry(folder, &entries[i], i, err);
    return r;
}
