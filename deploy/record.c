#include "deploy/record.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/recipe.h"
#include "learner/results.h"
#include "net/safetensors.h"

static json_t *row_of(const struct result_row *row)
{
    return json_pack("{s:s,s:i,s:I,s:I,s:o,s:o,s:o,s:o}", "threat", row->threat, "victim", (int)row->victim, "attack_steps",
                     (json_int_t)row->attack_steps, "episodes", (json_int_t)row->episodes, "mean", json_number_or_null(row->mean),
                     "low", json_number_or_null(row->low), "high", json_number_or_null(row->high), "success",
                     json_number_or_null(row->success));
}

/* One results file of the run, when it is there, under its name ("train", "eval", "attack"). */
static int add_results(json_t *record, const char *folder, const char *file, const char *name, struct err *err)
{
    char path[PATH_MAX];
    struct results *results;
    if (file_join(path, sizeof path, folder, file) || access(path, F_OK))
        return 0;
    int r = results_read(&results, path, err);
    if (r)
        return r;
    json_t *rows = json_array();
    for (int i = 0; i < results->count; i++)
        json_array_append_new(rows, row_of(&results->rows[i]));
    json_object_set_new(record, "method", json_string(results->method));
    json_object_set_new(record, "env", json_string(results->env));
    json_object_set_new(record, "scenario", json_string(results->scenario));
    json_object_set_new(record, "seed", json_integer(results->seed));
    json_object_set_new(record, "steps", json_integer(results->steps));
    json_object_set_new(record, name, json_pack("{s:f,s:o}", "wall_seconds", results->wall_seconds, "rows", rows));
    results_destroy(&results);
    return 0;
}

static int add_recipe(json_t *record, const char *folder, struct err *err)
{
    char path[PATH_MAX], text[HASH_TEXT_SIZE];
    unsigned char *data;
    size_t length;
    struct recipe *recipe = recipe_create();
    int r = recipe && !file_join(path, sizeof path, folder, "recipe.yaml") ? 0 : err_set(err, ERR_NOMEM, "cannot read a recipe");
    if (!r && !(r = file_read(path, RECIPE_BYTES_MAX, &data, &length, err))) {
        hash_text(hash_bytes(data, length), text);
        r = recipe_parse(recipe, path, (const char *)data, length, err);
        free(data);
    }
    if (!r) {
        json_t *keys = json_object();
        for (int i = 0; i < recipe->count; i++)
            json_object_set_new(keys, recipe->entries[i].key, json_string(recipe->entries[i].value));
        json_object_set_new(record, "recipe_hash", json_string(text));
        json_object_set_new(record, "recipe", keys);
    }
    recipe_destroy(&recipe);
    return r;
}

static int add_checkpoint(json_t *record, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    struct safetensors *file;
    if (file_join(path, sizeof path, folder, "checkpoints/latest") || access(path, F_OK))
        return 0;
    int r = safetensors_load(&file, path, err);
    if (r)
        return r;
    const char *hash = safetensors_metadata(file, "hash"), *core = safetensors_metadata(file, "core");
    json_object_set_new(record, "checkpoint_hash", json_string(hash ? hash : ""));
    json_object_set_new(record, "core", json_string(core ? core : ""));
    safetensors_destroy(&file);
    return 0;
}

int record_add_run(void *records, const char *folder, struct err *err)
{
    json_t *record = json_object();
    int r;
    if ((r = add_results(record, folder, "results/train.json", "train", err)) ||
        (r = add_results(record, folder, "eval/results/eval.json", "eval", err)) ||
        (r = add_results(record, folder, "attack/results/attack.json", "attack", err)) || (r = add_recipe(record, folder, err)) ||
        (r = add_checkpoint(record, folder, err))) {
        json_decref(record);
        return r;
    }
    json_array_append_new(records, record);
    return 0;
}
