/* The wire form of a version of weights.
 *
 *   { generation, number, nets: [ {id, arch: [9 integers], bytes, hash}... ], tables: [ {name, values: [numbers]}... ] }
 *
 * Unknown keys are ignored, known ones are required and come once. Everything read is checked by manifest_check before
 * anybody sizes anything by it. */
#include <math.h>
#include <string.h>

#include "wire/name.h"
#include "wire/pack.h"
#include "wire/weights.h"

#define KEYS_MAX 16 /* pairs of any map, unknown ones included */

enum { TOP_GENERATION, TOP_NUMBER, TOP_NETS, TOP_TABLES, TOP_COUNT };
static const char *const top_names[TOP_COUNT] = {"generation", "number", "nets", "tables"};
enum { NET_ID, NET_ARCH, NET_BYTES, NET_HASH, NET_COUNT };
static const char *const net_names[NET_COUNT] = {"id", "arch", "bytes", "hash"};
enum { TABLE_NAME, TABLE_VALUES, TABLE_COUNT };
static const char *const table_names[TABLE_COUNT] = {"name", "values"};

int weights_version_compare(struct weights_version a, struct weights_version b)
{
    if (a.generation != b.generation)
        return a.generation < b.generation ? -1 : 1;
    return a.number < b.number ? -1 : a.number > b.number;
}

/* --- checks --- */

static int check_net(const struct manifest *manifest, int index, struct err *err)
{
    const struct manifest_net *net = &manifest->nets[index];
    if (!name_is_valid(net->id, sizeof net->id))
        return err_set(err, ERR_INVALID, "refused manifest: net %d has an invalid id", index);
    if (net->bytes == 0 || net->bytes % sizeof(float) != 0 || net->bytes > WEIGHTS_BLOB_MAX)
        return err_set(err, ERR_RANGE, "refused manifest: net %s has %u bytes", net->id, net->bytes);
    for (int other = 0; other < index; other++) {
        const struct manifest_net *before = &manifest->nets[other];
        if (strcmp(before->id, net->id) == 0)
            return err_set(err, ERR_DUPLICATE, "refused manifest: net %s twice", net->id);
        if (hash_equal(before->content, net->content) && before->bytes != net->bytes)
            return err_set(err, ERR_MISMATCH, "refused manifest: nets %s and %s have one hash and two sizes", before->id, net->id);
    }
    return 0;
}

static int check_table(const struct manifest *manifest, int index, struct err *err)
{
    const struct manifest_table *table = &manifest->tables[index];
    if (!name_is_valid(table->name, sizeof table->name))
        return err_set(err, ERR_INVALID, "refused manifest: table %d has an invalid name", index);
    if (table->count < 1 || table->count > WEIGHTS_TABLE_VALUES_MAX)
        return err_set(err, ERR_RANGE, "refused manifest: table %s has %d values", table->name, table->count);
    for (int i = 0; i < table->count; i++)
        if (!isfinite(table->values[i]))
            return err_set(err, ERR_NOT_FINITE, "refused manifest: table %s, value %d is not finite", table->name, i);
    for (int other = 0; other < index; other++)
        if (strcmp(manifest->tables[other].name, table->name) == 0)
            return err_set(err, ERR_DUPLICATE, "refused manifest: table %s twice", table->name);
    return 0;
}

int manifest_check(const struct manifest *manifest, struct err *err)
{
    int code = 0;
    if (manifest->n_nets < 0 || manifest->n_nets > WEIGHTS_NETS_MAX || manifest->n_tables < 0 ||
        manifest->n_tables > WEIGHTS_TABLES_MAX)
        return err_set(err, ERR_LIMIT, "refused manifest: %d nets, %d tables", manifest->n_nets, manifest->n_tables);
    for (int i = 0; !code && i < manifest->n_nets; i++)
        code = check_net(manifest, i, err);
    for (int i = 0; !code && i < manifest->n_tables; i++)
        code = check_table(manifest, i, err);
    return code;
}

/* --- encode --- */

static void encode_net(struct pack *pack, const struct manifest_net *net)
{
    pack_map(pack, NET_COUNT);
    pack_key(pack, net_names[NET_ID]);
    pack_text(pack, net->id);
    pack_key(pack, net_names[NET_ARCH]);
    pack_array(pack, WEIGHTS_ARCH_NUMBERS);
    for (int i = 0; i < WEIGHTS_ARCH_NUMBERS; i++)
        pack_i64(pack, net->arch[i]);
    pack_key(pack, net_names[NET_BYTES]);
    pack_u64(pack, net->bytes);
    pack_key(pack, net_names[NET_HASH]);
    pack_hash(pack, net->content);
}

static void encode_table(struct pack *pack, const struct manifest_table *table)
{
    pack_map(pack, TABLE_COUNT);
    pack_key(pack, table_names[TABLE_NAME]);
    pack_text(pack, table->name);
    pack_key(pack, table_names[TABLE_VALUES]);
    pack_array(pack, (uint32_t)table->count);
    for (int i = 0; i < table->count; i++)
        pack_f64(pack, (double)table->values[i]);
}

int manifest_encode(const struct manifest *manifest, void *out, size_t size)
{
    struct pack pack;
    int code = manifest_check(manifest, NULL);
    if (code)
        return code;
    pack_begin(&pack, out, size);
    pack_map(&pack, TOP_COUNT);
    pack_key(&pack, top_names[TOP_GENERATION]);
    pack_u64(&pack, manifest->version.generation);
    pack_key(&pack, top_names[TOP_NUMBER]);
    pack_u64(&pack, manifest->version.number);
    pack_key(&pack, top_names[TOP_NETS]);
    pack_array(&pack, (uint32_t)manifest->n_nets);
    for (int i = 0; i < manifest->n_nets; i++)
        encode_net(&pack, &manifest->nets[i]);
    pack_key(&pack, top_names[TOP_TABLES]);
    pack_array(&pack, (uint32_t)manifest->n_tables);
    for (int i = 0; i < manifest->n_tables; i++)
        encode_table(&pack, &manifest->tables[i]);
    return pack_end(&pack);
}

/* --- decode --- */

static void decode_arch(struct unpack *unpack, int32_t arch[WEIGHTS_ARCH_NUMBERS])
{
    if (unpack_array(unpack, WEIGHTS_ARCH_NUMBERS) != WEIGHTS_ARCH_NUMBERS)
        unpack_fail(unpack, ERR_FORMAT, "architecture does not have 9 numbers");
    for (int i = 0; i < WEIGHTS_ARCH_NUMBERS; i++)
        arch[i] = (int32_t)unpack_i64(unpack, INT32_MIN, INT32_MAX);
}

static void decode_net(struct unpack *unpack, struct manifest_net *net)
{
    uint64_t seen = 0;
    for (uint32_t left = unpack_map(unpack, KEYS_MAX); left > 0; left--)
        switch (unpack_field(unpack, net_names, NET_COUNT, &seen)) {
        case NET_ID: unpack_text(unpack, net->id, sizeof net->id); break;
        case NET_ARCH: decode_arch(unpack, net->arch); break;
        case NET_BYTES: net->bytes = (uint32_t)unpack_u64(unpack, WEIGHTS_BLOB_MAX); break;
        case NET_HASH: net->content = unpack_hash(unpack); break;
        }
    unpack_require(unpack, net_names, NET_COUNT, seen, (1u << NET_COUNT) - 1);
}

static void decode_nets(struct unpack *unpack, struct manifest *manifest)
{
    manifest->n_nets = (int32_t)unpack_array(unpack, WEIGHTS_NETS_MAX);
    for (int i = 0; i < manifest->n_nets; i++)
        decode_net(unpack, &manifest->nets[i]);
}

/* Doubles are narrowed; one beyond float's range becomes infinite and manifest_check refuses it. */
static void decode_values(struct unpack *unpack, struct manifest_table *table)
{
    table->count = (int32_t)unpack_array(unpack, WEIGHTS_TABLE_VALUES_MAX);
    for (int i = 0; i < table->count; i++)
        table->values[i] = (float)unpack_f64(unpack);
}

static void decode_table(struct unpack *unpack, struct manifest_table *table)
{
    uint64_t seen = 0;
    for (uint32_t left = unpack_map(unpack, KEYS_MAX); left > 0; left--)
        switch (unpack_field(unpack, table_names, TABLE_COUNT, &seen)) {
        case TABLE_NAME: unpack_text(unpack, table->name, sizeof table->name); break;
        case TABLE_VALUES: decode_values(unpack, table); break;
        }
    unpack_require(unpack, table_names, TABLE_COUNT, seen, (1u << TABLE_COUNT) - 1);
}

static void decode_tables(struct unpack *unpack, struct manifest *manifest)
{
    manifest->n_tables = (int32_t)unpack_array(unpack, WEIGHTS_TABLES_MAX);
    for (int i = 0; i < manifest->n_tables; i++)
        decode_table(unpack, &manifest->tables[i]);
}

int manifest_decode(struct manifest *manifest, const void *data, size_t length, struct err *err)
{
    struct unpack unpack;
    uint64_t seen = 0;
    memset(manifest, 0, sizeof *manifest);
    if (length > MANIFEST_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "refused manifest: %zu bytes, at most %d", length, MANIFEST_BYTES_MAX);
    unpack_begin(&unpack, data, length);
    for (uint32_t left = unpack_map(&unpack, KEYS_MAX); left > 0; left--)
        switch (unpack_field(&unpack, top_names, TOP_COUNT, &seen)) {
        case TOP_GENERATION: manifest->version.generation = (uint32_t)unpack_u64(&unpack, UINT32_MAX); break;
        case TOP_NUMBER: manifest->version.number = unpack_u64(&unpack, UINT64_MAX); break;
        case TOP_NETS: decode_nets(&unpack, manifest); break;
        case TOP_TABLES: decode_tables(&unpack, manifest); break;
        }
    unpack_require(&unpack, top_names, TOP_COUNT, seen, (1u << TOP_COUNT) - 1);
    int code = unpack_end(&unpack, "manifest", err);
    return code ? code : manifest_check(manifest, err);
}

/* --- which blobs --- */

static bool is_first_use(const struct manifest *manifest, int index)
{
    for (int before = 0; before < index; before++)
        if (hash_equal(manifest->nets[before].content, manifest->nets[index].content))
            return false;
    return true;
}

int manifest_missing(const struct manifest *manifest, struct blob_store *store, int *nets)
{
    int n_missing = 0;
    for (int i = 0; i < manifest->n_nets; i++)
        if (!blob_store_find(store, manifest->nets[i].content) && is_first_use(manifest, i))
            nets[n_missing++] = i;
    return n_missing;
}

int manifest_trim(const struct manifest *manifest, struct blob_store *store)
{
    struct hash keep[WEIGHTS_NETS_MAX];
    for (int i = 0; i < manifest->n_nets; i++)
        keep[i] = manifest->nets[i].content;
    return blob_store_trim(store, keep, manifest->n_nets);
}

struct hash weights_hash(const struct manifest *manifest)
{
    struct hash hash = {0};
    for (int i = 0; i < manifest->n_nets; i++)
        hash = hash_combine(hash, manifest->nets[i].content);
    return hash;
}
