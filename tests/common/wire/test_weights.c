/* Versions of weights: what is published arrives, contents are shared, strangers' manifests are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>

#include "wire/name.h"
#include "wire/pack.h"
#include "wire/weights.h"

static const int32_t arch[WEIGHTS_ARCH_NUMBERS] = {1, 64, 64, 5, 0, -1, 2, 0};

/* A version with a defender of `defender` everywhere, and an adversary and a table that stay the same. */
static struct weights *make_version(uint64_t number, float defender)
{
    struct weights *weights;
    float values[1000], table[2] = {0.5f, 0.25f};
    assert_int_equal(weights_create(&weights, (struct weights_version){3, number}), 0);
    for (int i = 0; i < 1000; i++)
        values[i] = defender;
    assert_int_equal(weights_add_net(weights, "defender", arch, values, 1000, NULL), 0);
    for (int i = 0; i < 10; i++)
        values[i] = (float)i;
    assert_int_equal(weights_add_net(weights, "adversary/17", arch, values, 10, NULL), 0);
    assert_int_equal(weights_add_table(weights, "attack_probability", table, 2, NULL), 0);
    return weights;
}

static struct manifest *travel(const struct manifest *manifest)
{
    unsigned char *frame = malloc(MANIFEST_BYTES_MAX);
    struct manifest *out = malloc(sizeof *out);
    int length = manifest_encode(manifest, frame, MANIFEST_BYTES_MAX);
    assert_true(length > 0);
    assert_int_equal(manifest_decode(out, frame, (size_t)length, NULL), 0);
    free(frame);
    return out;
}

/* Sends what the store lacks in chunks of 256 bytes; returns the bytes sent. */
static size_t fetch(const struct manifest *manifest, const struct weights *from, struct blob_store *store)
{
    int nets[WEIGHTS_NETS_MAX], n_missing = manifest_missing(manifest, store, nets);
    size_t sent = 0;
    for (int i = 0; i < n_missing; i++) {
        const struct blob *blob = weights_blob(from, nets[i]);
        int done = 0;
        while (!done) {
            uint32_t offset = blob_store_wanted(store, blob->content);
            uint32_t length = blob->bytes - offset < 256 ? blob->bytes - offset : 256;
            done = blob_store_write(store, blob->content, blob->bytes, offset, (const char *)blob->values + offset, length, NULL);
            assert_true(done >= 0);
            sent += length;
        }
    }
    return sent;
}

static void test_weights_version_travels_and_is_the_same(void **state)
{
    (void)state;
    struct weights *sent = make_version(7, 1.5f), *got;
    struct manifest *manifest = travel(&sent->manifest);
    struct blob_store *store;
    assert_memory_equal(manifest, &sent->manifest, sizeof *manifest);
    assert_int_equal(blob_store_create(&store, 1 << 20, 8), 0);
    assert_int_equal(weights_from_manifest(&got, manifest, store, NULL), ERR_AGAIN);
    assert_int_equal(fetch(manifest, sent, store), 4040);
    assert_int_equal(weights_from_manifest(&got, manifest, store, NULL), 0);
    int net = weights_find(got, "adversary/17");
    assert_int_equal(net, 1);
    assert_true(got->blobs[net][9] == 9.0f && got->blobs[0][999] == 1.5f);
    assert_int_equal((uintptr_t)got->blobs[0] % 64, 0);
    assert_true(weights_scalar(got, "attack_probability", 9) == 0.5f && weights_scalar(got, "epsilon", 9) == 9.0f);
    assert_true(hash_equal(weights_hash(manifest), weights_hash(&sent->manifest)));
    assert_int_equal(weights_find(got, "belief"), -1);
    blob_store_destroy(&store); /* the version lives on without the store */
    assert_true(got->blobs[0][0] == 1.5f);
    weights_unref(&got);
    weights_unref(&sent);
    assert_null(sent);
    free(manifest);
}

static void test_weights_successive_versions_share_what_did_not_change(void **state)
{
    (void)state;
    struct weights *sent[3] = {make_version(1, 1), make_version(2, 2), make_version(3, 3)}, *got[3];
    struct blob_store *store;
    assert_int_equal(blob_store_create(&store, 2 * 4000 + 40, 3), 0);
    for (int i = 0; i < 3; i++) {
        if (i == 2) { /* full: the first version must go before the third fits */
            int nets[WEIGHTS_NETS_MAX];
            const struct blob *blob = weights_blob(sent[2], 0);
            assert_int_equal(manifest_missing(&sent[2]->manifest, store, nets), 1);
            assert_int_equal(blob_store_write(store, blob->content, blob->bytes, 0, blob->values, 4, NULL), ERR_LIMIT);
            assert_int_equal(manifest_trim(&sent[2]->manifest, store), 0);
            weights_unref(&got[0]);
            assert_int_equal(manifest_trim(&sent[2]->manifest, store), 1);
        }
        assert_int_equal(fetch(&sent[i]->manifest, sent[i], store), i == 0 ? 4040 : 4000);
        assert_int_equal(weights_from_manifest(&got[i], &sent[i]->manifest, store, NULL), 0);
    }
    assert_ptr_equal(got[1]->blobs[1], got[2]->blobs[1]);
    assert_int_equal(blob_store_bytes(store), 8040);
    weights_unref(&got[1]);
    weights_unref(&got[2]);
    assert_int_equal(blob_store_trim(store, NULL, 0), 3);
    assert_int_equal(blob_store_bytes(store), 0);
    blob_store_destroy(&store);
    for (int i = 0; i < 3; i++)
        weights_unref(&sent[i]);
}

static void test_blob_store_refuses_damage_gaps_and_impossible_sizes(void **state)
{
    (void)state;
    float good[4] = {1, 2, 3, 4}, bad[4] = {1, 2, NAN, 4};
    struct hash content = hash_bytes(good, 16), bad_content = hash_bytes(bad, 16);
    struct blob_store *store;
    assert_int_equal(blob_store_create(&store, 1000, 2), 0);
    assert_int_equal(blob_store_write(store, content, 16, 8, good, 4, NULL), ERR_STATE);
    assert_int_equal(blob_store_write(store, content, 18, 0, good, 4, NULL), ERR_RANGE);
    assert_int_equal(blob_store_write(store, content, 16, 12, good, 8, NULL), ERR_RANGE);
    assert_int_equal(blob_store_write(store, content, 16, UINT32_MAX, good, 8, NULL), ERR_RANGE);
    assert_int_equal(blob_store_write(store, content, 2000, 0, good, 16, NULL), ERR_LIMIT);
    assert_int_equal(blob_store_write(store, content, 16, 0, good, 8, NULL), 0);
    assert_int_equal(blob_store_write(store, content, 16, 0, good, 8, NULL), 0); /* repeated: no harm */
    assert_int_equal(blob_store_write(store, content, 20, 8, good, 8, NULL), ERR_MISMATCH);
    assert_int_equal(blob_store_write(store, content, 16, 12, good + 3, 4, NULL), ERR_STATE);
    assert_null(blob_store_find(store, content));
    assert_int_equal(blob_store_write(store, content, 16, 8, good, 8, NULL), ERR_MISMATCH); /* wrong bytes: dropped */
    assert_int_equal(blob_store_wanted(store, content), 0);
    assert_int_equal(blob_store_write(store, content, 16, 0, good, 16, NULL), 1);
    assert_int_equal(blob_store_write(store, content, 16, 8, good, 8, NULL), 1);
    assert_non_null(blob_store_find(store, content));
    assert_int_equal(blob_store_write(store, bad_content, 16, 0, bad, 16, NULL), ERR_NOT_FINITE);
    assert_int_equal(blob_store_count(store), 1);
    blob_store_destroy(&store);
}

static void test_weights_add_refuses_what_could_not_be_published(void **state)
{
    (void)state;
    struct weights *weights = make_version(1, 1);
    float values[2] = {1, INFINITY};
    assert_int_equal(weights_add_net(weights, "defender", arch, values, 1, NULL), ERR_DUPLICATE);
    assert_int_equal(weights_add_net(weights, "../etc", arch, values, 1, NULL), ERR_INVALID);
    assert_int_equal(weights_add_net(weights, "belief", arch, values, 0, NULL), ERR_LIMIT);
    assert_int_equal(weights_add_net(weights, "belief", arch, values, 2, NULL), ERR_NOT_FINITE);
    assert_int_equal(weights_add_table(weights, "attack_probability", values, 1, NULL), ERR_DUPLICATE);
    assert_int_equal(weights_add_table(weights, "odds", values, WEIGHTS_TABLE_VALUES_MAX + 1, NULL), ERR_LIMIT);
    assert_int_equal(weights_add_table(weights, "odds", values, 2, NULL), ERR_NOT_FINITE);
    assert_int_equal(manifest_check(&weights->manifest, NULL), 0);
    weights_unref(&weights);
}

/* Packs a manifest by hand with one field replaced. */
static int decode_crafted(const char *id, uint64_t bytes, double value, int n_arch, bool twice, struct err *err)
{
    unsigned char frame[1024];
    struct manifest manifest;
    struct pack pack;
    pack_begin(&pack, frame, sizeof frame);
    pack_map(&pack, 4);
    pack_key(&pack, "generation");
    pack_u64(&pack, 1);
    pack_key(&pack, "number");
    pack_u64(&pack, 1);
    pack_key(&pack, "nets");
    pack_array(&pack, twice ? 2 : 1);
    for (int i = 0; i < (twice ? 2 : 1); i++) {
        pack_map(&pack, 4);
        pack_key(&pack, "id");
        pack_text(&pack, id);
        pack_key(&pack, "arch");
        pack_array(&pack, (uint32_t)n_arch);
        for (int a = 0; a < n_arch; a++)
            pack_u64(&pack, 1);
        pack_key(&pack, "bytes");
        pack_u64(&pack, bytes);
        pack_key(&pack, "hash");
        pack_hash(&pack, (struct hash){1, 2});
    }
    pack_key(&pack, "tables");
    pack_array(&pack, 1);
    pack_map(&pack, 2);
    pack_key(&pack, "name");
    pack_text(&pack, "odds");
    pack_key(&pack, "values");
    pack_array(&pack, 1);
    pack_f64(&pack, value);
    return manifest_decode(&manifest, frame, (size_t)pack_end(&pack), err);
}

static void test_manifest_refuses_what_a_stranger_could_send(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(decode_crafted("defender", 16, 1, 9, false, &err), 0);
    assert_int_equal(decode_crafted("", 16, 1, 9, false, &err), ERR_INVALID);
    assert_int_equal(decode_crafted("a//b", 16, 1, 9, false, &err), ERR_INVALID);
    assert_int_equal(decode_crafted("a name", 16, 1, 9, false, &err), ERR_INVALID);
    assert_int_equal(decode_crafted("abcdefghijklmnopqrstuvwxyzabcdefgh", 16, 1, 9, false, &err), ERR_LIMIT);
    assert_int_equal(decode_crafted("defender", 18, 1, 9, false, &err), ERR_RANGE);
    assert_int_equal(decode_crafted("defender", 0, 1, 9, false, &err), ERR_RANGE);
    assert_int_equal(decode_crafted("defender", WEIGHTS_BLOB_MAX + 4ull, 1, 9, false, &err), ERR_RANGE);
    assert_int_equal(decode_crafted("defender", 16, 1e300, 9, false, &err), ERR_NOT_FINITE);
    assert_int_equal(decode_crafted("defender", 16, 1, 7, false, &err), ERR_FORMAT);
    assert_int_equal(decode_crafted("defender", 16, 1, 10, false, &err), ERR_LIMIT);
    assert_int_equal(decode_crafted("defender", 16, 1, 9, true, &err), ERR_DUPLICATE);
}

static void test_manifest_of_full_size_fits_its_ceiling(void **state)
{
    (void)state;
    struct manifest *manifest = calloc(1, sizeof *manifest);
    manifest->version = (struct weights_version){UINT32_MAX, UINT64_MAX};
    manifest->n_nets = WEIGHTS_NETS_MAX;
    manifest->n_tables = WEIGHTS_TABLES_MAX;
    for (int i = 0; i < WEIGHTS_NETS_MAX; i++) {
        snprintf(manifest->nets[i].id, 32, "a_net_with_a_long_name_%08x", (unsigned)i);
        manifest->nets[i].bytes = WEIGHTS_BLOB_MAX;
        manifest->nets[i].content.low = (uint64_t)i;
        for (int a = 0; a < WEIGHTS_ARCH_NUMBERS; a++)
            manifest->nets[i].arch[a] = INT32_MIN;
    }
    for (int i = 0; i < WEIGHTS_TABLES_MAX; i++) {
        snprintf(manifest->tables[i].name, 32, "a_table_of_long_name_%010x", (unsigned)i);
        manifest->tables[i].count = WEIGHTS_TABLE_VALUES_MAX;
    }
    struct manifest *got = travel(manifest);
    assert_memory_equal(got, manifest, sizeof *got);
    free(got);
    free(manifest);
}

static void test_names_are_safe(void **state)
{
    (void)state;
    static const char *const good[] = {"defender", "adversary/17", "mi/action", "pgd:0.5", "a", "_x", "host-3.local"};
    static const char *const bad[] = {"", "/a", "a/", "..", "a..b", "a b", "a\n", "\xc3\xa4", "a\"", "-x", "$a"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(name_is_valid(good[i], 32));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(name_is_valid(bad[i], 32));
    assert_false(name_is_valid("abcd", 4)); /* not terminated within its array */
}

static void *ref_and_unref(void *context)
{
    for (int i = 0; i < 100000; i++) {
        struct weights *mine = weights_ref(context);
        weights_unref(&mine);
    }
    return NULL;
}

static void test_weights_references_are_safe_from_any_thread(void **state)
{
    (void)state;
    struct weights *weights = make_version(1, 1);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, weights), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(weights->blobs[0][0] == 1.0f);
    weights_unref(&weights);
}

static void test_versions_are_ordered_by_generation_first(void **state)
{
    (void)state;
    struct weights_version a = {1, 900}, b = {2, 1}, c = {2, 2};
    assert_true(weights_version_compare(a, b) < 0 && weights_version_compare(c, b) > 0 && weights_version_compare(b, b) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_version_travels_and_is_the_same),
        cmocka_unit_test(test_weights_successive_versions_share_what_did_not_change),
        cmocka_unit_test(test_blob_store_refuses_damage_gaps_and_impossible_sizes),
        cmocka_unit_test(test_weights_add_refuses_what_could_not_be_published),
        cmocka_unit_test(test_manifest_refuses_what_a_stranger_could_send),
        cmocka_unit_test(test_manifest_of_full_size_fits_its_ceiling),
        cmocka_unit_test(test_names_are_safe),
        cmocka_unit_test(test_weights_references_are_safe_from_any_thread),
        cmocka_unit_test(test_versions_are_ordered_by_generation_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
