#include "learner/quarantine.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

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

/* ---- actors ---- */

static int path_of_actors(char path[PATH_MAX], const char *run, struct err *err)
{
    return file_join(path, PATH_MAX, run, "quarantine/actors.json") ? err_set(err, ERR_LIMIT, "path of \"%.200s\" is too long", run)
                                                                    : 0;
}

int quarantine_write_actors(const char *run, const struct quarantined_actor *actors, int n, struct err *err)
{
    char path[PATH_MAX], folder[PATH_MAX];
    json_t *list = json_array();
    int r = path_of_actors(path, run, err);
    if (!r && file_join(folder, sizeof folder, run, "quarantine"))
        r = err_set(err, ERR_LIMIT, "path of \"%.200s\" is too long", run);
    if (!r)
        r = file_make_folder(folder, err);
    for (int i = 0; i < n && !r; i++)
        if (json_array_append_new(list, json_pack("{s:I,s:s,s:s}", "actor", (json_int_t)actors[i].actor, "how", actors[i].how,
                                                  "text", actors[i].text)))
            r = err_set(err, ERR_NOMEM, "cannot list the quarantined actors");
    if (!r)
        r = json_write(path, list, err);
    json_decref(list);
    return r;
}

static int read_actor(const json_t *row, const char *path, size_t place, struct quarantined_actor *actor, struct err *err)
{
    json_int_t number = -1;
    const char *how = "", *text = "";
    if (json_unpack((json_t *)(uintptr_t)row, "{s:I,s?s,s?s}", "actor", &number, "how", &how, "text", &text) || number < 0 ||
        number > UINT32_MAX)
        return err_set(err, ERR_FORMAT, "%s: entry %zu is not {\"actor\": NUMBER, \"how\": TEXT, \"text\": TEXT}", path, place);
    *actor = (struct quarantined_actor){.actor = (uint32_t)number};
    snprintf(actor->how, sizeof actor->how, "%s", how);
    snprintf(actor->text, sizeof actor->text, "%s", text);
    return 0;
}

int quarantine_read_actors(const char *run, struct quarantined_actor *actors, int max, int *n, struct err *err)
{
    char path[PATH_MAX];
    *n = 0;
    int r = path_of_actors(path, run, err);
    if (r || access(path, F_OK))
        return r;
    json_t *list = json_read(path, err);
    if (!list)
        return ERR_FORMAT;
    if (!json_is_array(list))
        r = err_set(err, ERR_FORMAT, "%s: not a list of actors", path);
    else if (json_array_size(list) > (size_t)max)
        r = err_set(err, ERR_LIMIT, "%s: %zu actors, at most %d", path, json_array_size(list), max);
    for (size_t i = 0; !r && i < json_array_size(list); i++)
        if (!(r = read_actor(json_array_get(list, i), path, i, &actors[*n], err)))
            ++*n;
    json_decref(list);
    return r;
}
