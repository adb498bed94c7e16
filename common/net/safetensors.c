/* Safetensors: the format of huggingface/safetensors, README "Format".
 *
 * The file is kept as a list of tensors sorted by name, each with its own copy of the bytes: the format forbids gaps, so a
 * tensor behind an odd number of bytes would otherwise lie at an address that its type cannot be read from. Written files put
 * wide types first, as the reference writer does, so that a reader which maps the file finds every tensor aligned.
 * Invariants: names are unique and sorted; bytes == product of shape x size of type. */
#include "net/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are stored little-endian and copied as they lie");

#define HEADER_MAX (1u << 20)
#define FILE_MAX ((size_t)4 << 30)
#define DIMS_MAX 4
#define METADATA_KEY "__metadata__"

struct safetensors {
    struct tensor *tensors; /* [capacity], sorted by name */
    int count, capacity;
    json_t *metadata; /* object of texts */
};

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [TENSOR_F32] = {"F32", 4}, [TENSOR_F64] = {"F64", 8}, [TENSOR_I32] = {"I32", 4},
    [TENSOR_I64] = {"I64", 8}, [TENSOR_U8] = {"U8", 1},
};

int safetensors_create(struct safetensors **file)
{
    *file = calloc(1, sizeof **file);
    if (*file && !((*file)->metadata = json_object()))
        safetensors_destroy(file);
    return *file ? 0 : ERR_NOMEM;
}

void safetensors_destroy(struct safetensors **file)
{
    if (!*file)
        return;
    for (int i = 0; i < (*file)->count; i++)
        free((void *)(*file)->tensors[i].data);
    free((*file)->tensors);
    json_decref((*file)->metadata);
    free(*file);
    *file = NULL;
}

/* Place of the name, or where it belongs. */
static int lower_bound(const struct safetensors *file, const char *name)
{
    int low = 0, high = file->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (strcmp(file->tensors[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Bytes of a tensor, or 0 in *ok when the shape is negative or its product overflows the ceiling. */
static size_t shape_bytes(enum tensor_type type, int n_dims, const int64_t *shape, bool *ok)
{
    size_t bytes = types[type].size;
    bool is_empty = false;
    *ok = n_dims >= 0 && n_dims <= DIMS_MAX;
    for (int i = 0; *ok && i < n_dims; i++) {
        *ok = shape[i] >= 0 && (shape[i] == 0 || bytes <= FILE_MAX / (uint64_t)shape[i]);
        is_empty |= shape[i] == 0;
        bytes *= shape[i] ? (size_t)shape[i] : 1;
    }
    return is_empty ? 0 : bytes;
}

static int make_room(struct safetensors *file)
{
    if (file->count < file->capacity)
        return 0;
    int capacity = file->capacity ? 2 * file->capacity : 32;
    struct tensor *larger = realloc(file->tensors, (size_t)capacity * sizeof *larger);
    if (!larger)
        return ERR_NOMEM;
    file->tensors = larger;
    file->capacity = capacity;
    return 0;
}

int safetensors_add(struct safetensors *file, const char *name, enum tensor_type type, int n_dims, const int64_t *shape,
                    const void *data, struct err *err)
{
    struct tensor tensor = {.type = type, .n_dims = n_dims};
    bool is_shape;
    size_t bytes = shape_bytes(type, n_dims, shape, &is_shape), length = strlen(name);
    if (!length || length >= sizeof tensor.name || !strcmp(name, METADATA_KEY))
        return err_set(err, ERR_LIMIT, "bad tensor name \"%.100s\", expected 1 to %zu bytes", name, sizeof tensor.name - 1);
    if (!is_shape)
        return err_set(err, ERR_RANGE, "bad shape of tensor %s: %d dimensions, expected at most %d and %zu bytes", name, n_dims,
                       DIMS_MAX, FILE_MAX);
    int at = lower_bound(file, name);
    if (at < file->count && !strcmp(file->tensors[at].name, name))
        return err_set(err, ERR_DUPLICATE, "tensor %s is there twice", name);
    void *copy = malloc(bytes ? bytes : 1);
    if (!copy || make_room(file)) {
        free(copy);
        return err_set(err, ERR_NOMEM, "cannot keep tensor %s: out of memory", name);
    }
    if (bytes)
        memcpy(copy, data, bytes);
    memcpy(tensor.name, name, length + 1);
    if (n_dims)
        memcpy(tensor.shape, shape, (size_t)n_dims * sizeof *shape);
    tensor.data = copy;
    tensor.bytes = bytes;
    memmove(&file->tensors[at + 1], &file->tensors[at], (size_t)(file->count - at) * sizeof tensor);
    file->tensors[at] = tensor;
    file->count++;
    return 0;
}

int safetensors_set_metadata(struct safetensors *file, const char *key, const char *value, struct err *err)
{
    if (json_object_set_new(file->metadata, key, json_string(value)))
        return err_set(err, ERR_FORMAT, "cannot set metadata \"%.64s\": not UTF-8, or out of memory", key);
    return 0;
}

/* -- writing ---------------------------------------------------------------------------------------------------------------- */

/* Order in the file: wide types first, then by name. */
static int by_width(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;
    size_t width_x = types[x->type].size, width_y = types[y->type].size;
    return width_x != width_y ? (width_x < width_y) - (width_x > width_y) : strcmp(x->name, y->name);
}

static json_t *describe(const struct tensor *tensor, size_t start)
{
    json_t *shape = json_array();
    for (int i = 0; i < tensor->n_dims; i++)
        json_array_append_new(shape, json_integer(tensor->shape[i]));
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", types[tensor->type].name, "shape", shape, "data_offsets", (json_int_t)start,
                     (json_int_t)(start + tensor->bytes));
}

/* The JSON header of the tensors in file order; *data_bytes gets their total. NULL when out of memory or a name is not UTF-8. */
static char *make_header(const struct safetensors *file, const struct tensor *const *order, size_t *data_bytes)
{
    json_t *header = json_object();
    bool ok = header && (!json_object_size(file->metadata) || !json_object_set(header, METADATA_KEY, file->metadata));
    *data_bytes = 0;
    for (int i = 0; ok && i < file->count; i++) {
        ok = !json_object_set_new(header, order[i]->name, describe(order[i], *data_bytes));
        *data_bytes += order[i]->bytes;
    }
    char *text = ok ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    return text;
}

static void store_u64(unsigned char *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

/* Length, header padded with spaces so that the tensors start at a multiple of 64, tensors. */
static unsigned char *assemble(const struct safetensors *file, const struct tensor *const *order, size_t *length)
{
    size_t data_bytes;
    char *header = make_header(file, order, &data_bytes);
    size_t text = header ? strlen(header) : 0, padded = (8 + text + 63) / 64 * 64;
    unsigned char *out = header && padded - 8 <= HEADER_MAX && data_bytes <= FILE_MAX - padded ? malloc(padded + data_bytes) : NULL;
    if (out) {
        store_u64(out, padded - 8);
        memset(out + 8, ' ', padded - 8);
        memcpy(out + 8, header, text);
        unsigned char *p = out + padded;
        for (int i = 0; i < file->count; p += order[i++]->bytes)
            memcpy(p, order[i]->data, order[i]->bytes);
        *length = padded + data_bytes;
    }
    free(header);
    return out;
}

int safetensors_write(const struct safetensors *file, const char *path, struct err *err)
{
    const struct tensor **order = malloc(((size_t)file->count + 1) * sizeof *order);
    for (int i = 0; order && i < file->count; i++)
        order[i] = &file->tensors[i];
    if (order)
        qsort(order, (size_t)file->count, sizeof *order, by_width);
    size_t length;
    unsigned char *bytes = order ? assemble(file, order, &length) : NULL;
    free(order);
    if (!bytes)
        return err_set(err, ERR_NOMEM, "cannot write \"%s\": out of memory, or header over %u bytes", path, HEADER_MAX);
    int r = file_write(path, bytes, length, err);
    free(bytes);
    return r;
}

/* -- reading ---------------------------------------------------------------------------------------------------------------- */

struct entry { /* a tensor as the header describes it */
    const char *name;
    enum tensor_type type;
    int n_dims;
    int64_t shape[DIMS_MAX];
    size_t start, end;
};

static int by_start(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->start != y->start ? (x->start > y->start) - (x->start < y->start) : (x->end > y->end) - (x->end < y->end);
}

/* A whole number from 0 to `max`; false when it is anything else. */
static bool whole(const json_t *value, size_t max, int64_t *out)
{
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= 0 && (uint64_t)*out <= max;
}

static int parse_entry(const char *name, const json_t *value, size_t data_bytes, struct entry *entry, struct err *err)
{
    const json_t *shape = json_object_get(value, "shape"), *offsets = json_object_get(value, "data_offsets");
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    *entry = (struct entry){.name = name, .n_dims = (int)json_array_size(shape)};
    size_t type = 0;
    while (dtype && type < ARRAY_LEN(types) && strcmp(types[type].name, dtype))
        type++;
    if (!dtype || type == ARRAY_LEN(types))
        return err_set(err, ERR_VERSION, "tensor %.64s has type %.16s, expected F32, F64, I32, I64 or U8", name,
                       dtype ? dtype : "(none)");
    entry->type = (enum tensor_type)type;
    if (!json_is_array(shape) || json_array_size(shape) > DIMS_MAX)
        return err_set(err, ERR_LIMIT, "tensor %.64s has %zu dimensions, at most %d allowed", name, json_array_size(shape),
                       DIMS_MAX);
    bool ok = true;
    for (int i = 0; ok && i < entry->n_dims; i++)
        ok = whole(json_array_get(shape, (size_t)i), FILE_MAX, &entry->shape[i]);
    int64_t start = 0, end = 0;
    ok = ok && json_array_size(offsets) == 2 && whole(json_array_get(offsets, 0), data_bytes, &start) &&
         whole(json_array_get(offsets, 1), data_bytes, &end) && start <= end;
    entry->start = (size_t)start;
    entry->end = (size_t)end;
    size_t bytes = ok ? shape_bytes(entry->type, entry->n_dims, entry->shape, &ok) : 0;
    if (!ok || bytes != entry->end - entry->start)
        return err_set(err, ERR_MISMATCH, "tensor %.64s: shape and offsets do not agree, or leave the file of %zu bytes", name,
                       data_bytes);
    return 0;
}

static int parse_metadata(struct safetensors *file, const json_t *value, struct err *err)
{
    const char *key;
    json_t *text;
    if (!json_is_object(value))
        return err_set(err, ERR_FORMAT, "metadata is not a map");
    json_object_foreach((json_t *)value, key,
                        text) if (!json_is_string(text) ||
                                  json_object_set(file->metadata, key,
                                                  text)) return err_set(err, ERR_FORMAT, "metadata \"%.64s\" is not a text", key);
    return 0;
}

/* The tensors must cover the data from its first to its last byte, one behind the other. */
static int add_all(struct safetensors *file, struct entry *entries, int n, const unsigned char *data, size_t data_bytes,
                   struct err *err)
{
    qsort(entries, (size_t)n, sizeof *entries, by_start);
    size_t at = 0;
    for (int i = 0; i < n; at = entries[i++].end)
        if (entries[i].start != at)
            return err_set(err, ERR_FORMAT, "tensor %.64s starts at byte %zu, expected %zu", entries[i].name, entries[i].start, at);
    if (at != data_bytes)
        return err_set(err, ERR_FORMAT, "tensors end at byte %zu of %zu", at, data_bytes);
    int r = 0;
    for (int i = 0; i < n && !r; i++)
        r = safetensors_add(file, entries[i].name, entries[i].type, entries[i].n_dims, entries[i].shape, data + entries[i].start,
                            err);
    return r;
}

static int read_header(struct safetensors *file, json_t *header, const unsigned char *data, size_t data_bytes, struct err *err)
{
    if (!json_is_object(header))
        return err_set(err, ERR_FORMAT, "header is not a map");
    struct entry *entries = calloc(json_object_size(header) + 1, sizeof *entries);
    if (!entries)
        return err_set(err, ERR_NOMEM, "out of memory");
    const char *name;
    json_t *value;
    int n = 0, r = 0;
    json_object_foreach(header, name, value)
    {
        if ((r = strcmp(name, METADATA_KEY) ? parse_entry(name, value, data_bytes, &entries[n++], err)
                                            : parse_metadata(file, value, err)))
            break;
    }
    if (!r)
        r = add_all(file, entries, n, data, data_bytes, err);
    free(entries);
    return r;
}

static uint64_t load_u64(const unsigned char *in)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)in[i] << (8 * i);
    return value;
}

int safetensors_parse(struct safetensors **file, const void *data, size_t length, const char *name, struct err *err)
{
    const unsigned char *bytes = data;
    *file = NULL;
    if (length < 8 || length > FILE_MAX)
        return err_set(err, ERR_FORMAT, "cannot load %s: %zu bytes, expected 8 to %zu", name, length, FILE_MAX);
    uint64_t header_bytes = load_u64(bytes);
    if (header_bytes > HEADER_MAX || header_bytes > length - 8)
        return err_set(err, ERR_FORMAT, "cannot load %s: header of %llu bytes in a file of %zu, at most %u allowed", name,
                       (unsigned long long)header_bytes, length, HEADER_MAX);
    json_t *header = json_parse(name, (const char *)bytes + 8, header_bytes, err);
    if (!header)
        return ERR_FORMAT;
    int r = safetensors_create(file);
    if (r)
        err_set(err, r, "cannot load %s: out of memory", name);
    else if ((r = read_header(*file, header, bytes + 8 + header_bytes, length - 8 - header_bytes, err)))
        err_prefix(err, r, "cannot load %s", name);
    json_decref(header);
    if (r)
        safetensors_destroy(file);
    return r;
}

int safetensors_load(struct safetensors **file, const char *path, struct err *err)
{
    unsigned char *data;
    size_t length;
    *file = NULL;
    int r = file_read(path, FILE_MAX, &data, &length, err);
    if (r)
        return r;
    r = safetensors_parse(file, data, length, path, err);
    free(data);
    return r;
}

/* -- asking ----------------------------------------------------------------------------------------------------------------- */

int safetensors_count(const struct safetensors *file)
{
    return file->count;
}

const struct tensor *safetensors_at(const struct safetensors *file, int index)
{
    ASSERT(index >= 0 && index < file->count);
    return &file->tensors[index];
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    int at = lower_bound(file, name);
    return at < file->count && !strcmp(file->tensors[at].name, name) ? &file->tensors[at] : NULL;
}

const char *safetensors_metadata(const struct safetensors *file, const char *key)
{
    return json_string_value(json_object_get(file->metadata, key));
}

bool safetensors_metadata_at(const struct safetensors *file, int index, const char **key, const char **value)
{
    void *at = json_object_iter(file->metadata);
    for (int i = 0; at && i < index; i++)
        at = json_object_iter_next(file->metadata, at);
    if (!at)
        return false;
    *key = json_object_iter_key(at);
    *value = json_string_value(json_object_iter_value(at));
    return true;
}

static struct hash tensor_hash(const struct tensor *tensor)
{
    int64_t numbers[2 + DIMS_MAX] = {tensor->type, tensor->n_dims};
    memcpy(numbers + 2, tensor->shape, sizeof tensor->shape);
    struct hash head = hash_combine(hash_bytes(tensor->name, strlen(tensor->name)), hash_bytes(numbers, sizeof numbers));
    return hash_combine(head, hash_bytes(tensor->data, tensor->bytes));
}

struct hash safetensors_hash(const struct safetensors *file, const char *prefix)
{
    struct hash hash = {0, 0};
    size_t length = strlen(prefix);
    for (int i = lower_bound(file, prefix); i < file->count && !strncmp(file->tensors[i].name, prefix, length); i++)
        hash = hash_combine(hash, tensor_hash(&file->tensors[i]));
    return hash;
}
