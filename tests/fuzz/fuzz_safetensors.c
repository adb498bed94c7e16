/* Checkpoints: accepted files have tensors that lie inside and are as long as their shapes say. */
#include "net/safetensors.h"
#include "tests/fuzz/fuzz.h"

static size_t type_bytes(enum tensor_type type)
{
    return type == TENSOR_U8 ? 1 : type == TENSOR_F64 || type == TENSOR_I64 ? 8 : 4;
}

static void check_tensor(const struct tensor *tensor)
{
    size_t bytes = type_bytes(tensor->type), sum = 0;
    ASSERT(tensor->n_dims >= 0 && tensor->n_dims <= 4);
    for (int d = 0; d < tensor->n_dims; d++)
        bytes *= (size_t)tensor->shape[d];
    ASSERT(bytes == tensor->bytes);
    for (size_t i = 0; i < bytes; i++) /* every byte is readable */
        sum += ((const unsigned char *)tensor->data)[i];
    ASSERT(sum <= 255 * bytes);
}

void fuzz_safetensors(const uint8_t *data, size_t size)
{
    struct safetensors *file = NULL;
    struct err err;
    if (safetensors_parse(&file, data, size, "fuzz", &err))
        return;
    for (int i = 0; i < safetensors_count(file); i++) {
        const struct tensor *tensor = safetensors_at(file, i);
        check_tensor(tensor);
        ASSERT(safetensors_find(file, tensor->name) == tensor);
    }
    safetensors_hash(file, "");
    safetensors_destroy(&file);
}
