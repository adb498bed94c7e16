/* Safetensors files: 8 bytes little-endian header length, a JSON header, the tensors' bytes. Readable by PyTorch
 * (safetensors.torch.load_file). Writing goes through memory, so that a file is complete or absent (base/file.h).
 * Reading is safe on hostile files: header at most 1 MiB, offsets inside the file, in order, without gaps or overlap. */
#ifndef TESTUDO_NET_SAFETENSORS_H
#define TESTUDO_NET_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

enum tensor_type { TENSOR_F32, TENSOR_F64, TENSOR_I32, TENSOR_I64, TENSOR_U8 };

struct tensor {
    char name[96];
    enum tensor_type type;
    int32_t n_dims;
    int64_t shape[4];
    const void *data; /* borrowed: from the caller when writing, into the file's memory when reading; 8-byte aligned */
    size_t bytes;
};

struct safetensors; /* a growing list to write, or a loaded file */

MUST_USE int safetensors_create(struct safetensors **file);
void safetensors_destroy(struct safetensors **file);
/* Copies the tensor's bytes. Names must be unique. */
MUST_USE int safetensors_add(struct safetensors *file, const char *name, enum tensor_type type, int n_dims, const int64_t *shape,
                             const void *data, struct err *err);
MUST_USE int safetensors_set_metadata(struct safetensors *file, const char *key, const char *value, struct err *err);
MUST_USE int safetensors_write(const struct safetensors *file, const char *path, struct err *err);

MUST_USE int safetensors_load(struct safetensors **file, const char *path, struct err *err);
MUST_USE int safetensors_parse(struct safetensors **file, const void *data, size_t length, const char *name,
                               struct err *err); /* copies */
int safetensors_count(const struct safetensors *file);
const struct tensor *safetensors_at(const struct safetensors *file, int index);          /* sorted by name */
const struct tensor *safetensors_find(const struct safetensors *file, const char *name); /* NULL when absent */
const char *safetensors_metadata(const struct safetensors *file, const char *key);       /* NULL when absent */
/* Pair `index` in the order of writing, borrowed; false behind the last one. */
bool safetensors_metadata_at(const struct safetensors *file, int index, const char **key, const char **value);

/* Hash of names, types, shapes and bytes of all tensors whose name begins with `prefix` ("" for all), in name order. Metadata
 * does not count. */
struct hash safetensors_hash(const struct safetensors *file, const char *prefix);

#endif
