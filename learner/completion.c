#include "learner/completion.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "learner/checkpoint.h"

#define CHECKPOINT_BYTES_MAX ((size_t)1 << 32)

/* What the file should say now; NULL when there is no checkpoint that can be read, or no memory. */
static json_t *describe(const char *run, const struct completion *completion, struct err *err)
{
    char path[PATH_MAX], recipe[HASH_TEXT_SIZE], content[HASH_TEXT_SIZE];
    unsigned char *bytes;
    size_t length;
    if (checkpoint_newest(path, sizeof path, run, err) || file_read(path, CHECKPOINT_BYTES_MAX, &bytes, &length, err))
        return NULL;
    hash_text(hash_bytes(bytes, length), content);
    free(bytes);
    hash_text(completion->recipe, recipe);
    json_t *tree = json_pack("{s:s,s:s,s:s,s:s,s:I}", "checkpoint", strrchr(path, '/') + 1, "content", content, "results",
                             completion->results, "recipe", recipe, "source_steps", (json_int_t)completion->source_steps);
    if (!tree)
        err_set(err, ERR_NOMEM, "no memory to describe what is complete");
    return tree;
}

static int path_in(char path[PATH_MAX], const char *run, const char *folder, const char *name)
{
    return snprintf(path, PATH_MAX, "%s/%s%s", run, folder, name) < PATH_MAX ? 0 : ERR_LIMIT;
}

int completion_write(const char *run, const struct completion *completion, struct err *err)
{
    char path[PATH_MAX];
    if (path_in(path, run, "", "complete.json"))
        return err_set(err, ERR_LIMIT, "path of \"%.200s\" is too long", run);
    json_t *tree = describe(run, completion, err);
    if (!tree)
        return ERR_UNKNOWN;
    int r = json_write(path, tree, err);
    json_decref(tree);
    return r;
}

bool completion_holds(const char *run, const struct completion *completion)
{
    char path[PATH_MAX], results[PATH_MAX];
    if (path_in(path, run, "", "complete.json") || path_in(results, run, "results/", completion->results) || access(path, F_OK) ||
        access(results, F_OK))
        return false;
    json_t *said = json_read(path, NULL), *is = describe(run, completion, NULL);
    bool holds = said && is && json_equal(said, is);
    json_decref(said);
    json_decref(is);
    return holds;
}
