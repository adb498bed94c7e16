/* inspect: what is in a checkpoint, or in a run's quarantine. */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "deploy/verb.h"
#include "learner/replay.h"
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

static int look_at_record(void *context, const struct segment_record *record, struct err *err)
{
    (void)context, (void)record, (void)err;
    return 0;
}

/* Reads a segment from beginning to cursor. */
static int check_segment(const struct segment_reference *reference, const char *path, struct err *err)
{
    unsigned char *data;
    size_t length;
    int r = file_read_first(path, (size_t)reference->bytes, &data, &length, err);
    if (r)
        return r;
    r = segment_parse(reference, data, length, path, look_at_record, NULL, err);
    free(data);
    return r;
}

/* The files of the replay that a checkpoint refers to; they lie in <run>/replay, it in <run>/checkpoints. */
static int print_segments(const struct safetensors *file, const char *path, struct err *err)
{
    struct segment_reference *references;
    char own[PATH_MAX], segment[PATH_MAX + 64], hash[HASH_TEXT_SIZE];
    int n = replay_references(file, &references, err), r = n < 0 ? n : 0;
    if (n > 0 && !realpath(path, own))
        r = err_set(err, ERR_IO, "cannot resolve \"%s\": %s", path, strerror(errno));
    const char *folder = n > 0 && !r ? dirname(own) : "";
    for (int i = 0; i < n && !r; i++) {
        const struct segment_reference *at = &references[i];
        snprintf(segment, sizeof segment, "%s/../replay/%08" PRId64 ".segment", folder, at->id);
        hash_text(at->hash, hash);
        printf("replay/%08" PRId64 ".segment  %" PRId64 " bytes  episodes %" PRId64 " to %" PRId64 "  hash %s\n", at->id, at->bytes,
               at->first, at->last, hash);
        r = check_segment(at, segment, err);
    }
    free(references);
    return r;
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
        if ((r = print_segments(file, path, &err)))
            verb_failed(verb, "%s", err.text);
        printf("hash of the learning state: ");
    }
    printf("%s\n", hash);
    safetensors_destroy(&file);
    return r ? verb_exit_code(r) : EXIT_DONE;
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
