/* inspect: what is in a checkpoint, or in a run's quarantine. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "deploy/verb.h"
#include "learner/trainer.h"
#include "net/safetensors.h"

static const char *type_name(enum tensor_type type)
{
    static const char *const names[] = {
        [TENSOR_F32] = "f32", [TENSOR_F64] = "f64", [TENSOR_I32] = "i32", [TENSOR_I64] = "i64", [TENSOR_U8] = "u8"};
    return names[type];
}

static double number_at(const struct tensor *tensor, size_t i)
{
    switch (tensor->type) {
    case TENSOR_F32: return ((const float *)tensor->data)[i];
    case TENSOR_F64: return ((const double *)tensor->data)[i];
    case TENSOR_I32: return ((const int32_t *)tensor->data)[i];
    case TENSOR_I64: return (double)((const int64_t *)tensor->data)[i];
    case TENSOR_U8: return ((const uint8_t *)tensor->data)[i];
    }
    return NAN;
}

static void print_tensor(const struct tensor *tensor)
{
    char shape[96] = "";
    size_t count = 1;
    int used = 0;
    for (int i = 0; i < tensor->n_dims; i++) {
        used += snprintf(shape + used, sizeof shape - (size_t)used, "%s%" PRId64, i ? "x" : "", tensor->shape[i]);
        count *= (size_t)tensor->shape[i];
    }
    double sum = 0, square = 0;
    size_t not_finite = 0;
    for (size_t i = 0; i < count; i++) {
        double value = number_at(tensor, i);
        not_finite += !isfinite(value);
        sum += value;
        square += value * value;
    }
    double mean = count ? sum / (double)count : 0, rms = count ? sqrt(square / (double)count) : 0;
    printf("%-44s %-4s %-14s mean %11.4g  rms %11.4g", tensor->name, type_name(tensor->type), shape, mean, rms);
    if (not_finite)
        printf("  NOT FINITE: %zu", not_finite);
    putchar('\n');
}

/* A refused trajectory of a run's quarantine, or any other JSON file of a run folder. */
static int inspect_json(const struct verb *verb, const char *path)
{
    struct err err = {""};
    json_t *tree = json_read(path, &err);
    if (!tree)
        return verb_failed(verb, "%s", err.text);
    json_dumpf(tree, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(tree);
    return EXIT_DONE;
}

static int inspect(const struct verb *verb, const char *path, bool only_hash)
{
    const char *dot = strrchr(path, '.');
    if (dot && !strcmp(dot, ".json"))
        return inspect_json(verb, path);
    struct safetensors *file;
    struct err err = {""};
    char hash[HASH_TEXT_SIZE];
    int r = safetensors_load(&file, path, &err);
    if (r) {
        verb_failed(verb, "%s", err.text);
        return verb_exit_code(r);
    }
    hash_text(checkpoint_hash(file), hash);
    if (!only_hash) {
        const char *key, *value;
        for (int i = 0; safetensors_metadata_at(file, i, &key, &value); i++)
            printf("%s: %s\n", key, value);
        for (int i = 0; i < safetensors_count(file); i++)
            print_tensor(safetensors_at(file, i));
        printf("hash of the learning state: ");
    }
    printf("%s\n", hash);
    safetensors_destroy(&file);
    return EXIT_DONE;
}

static int run_inspect(const struct verb *verb, int argc, char **argv)
{
    bool only_hash = false;
    const struct option_row rows[] = {
        {"hash", OPTION_FLAG, &only_hash, 0, 0, "", "print only the hash of the learning state", NULL}};
    struct words words;
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (!words.count)
        return verb_misused(verb, "no file given");
    r = EXIT_DONE;
    for (int i = 0; i < words.count && !r; i++)
        r = inspect(verb, words.word[i], only_hash);
    return r;
}

const struct verb verb_inspect = {
    .name = "inspect",
    .summary = "print the tensors of a checkpoint and the hash of its learning state",
    .arguments = "FILE... [--hash]",
    .example = "testudo inspect runs/latest/checkpoints/*.safetensors --hash",
    .run = run_inspect,
};
