/* Checkpoints on disk: which are kept, which is the newest, what a damaged one or a full disk does. */
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "learner/checkpoint.h"
#include "tests/learner/local_learner.h"

struct fixture {
    char run[PATH_MAX], path[PATH_MAX + 64];
};

static void setup(struct fixture *f)
{
    snprintf(f->run, sizeof f->run, "%s/testudo-checkpoint-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(f->run));
}

static void teardown(struct fixture *f)
{
    char command[PATH_MAX + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", f->run);
    assert_int_equal(system(command), 0);
}

static int try_write(struct fixture *f, uint64_t updates, struct err *err)
{
    struct safetensors *file;
    int64_t one = 1, value = (int64_t)updates;
    assert_int_equal(safetensors_create(&file), 0);
    assert_int_equal(safetensors_add(file, "progress", TENSOR_I64, 1, &one, &value, NULL), 0);
    checkpoint_path(f->path, sizeof f->path, f->run, updates);
    int r = checkpoint_write(file, f->path, f->run, err);
    safetensors_destroy(&file);
    return r;
}

static void write_at(struct fixture *f, uint64_t updates)
{
    struct err err = {""};
    if (try_write(f, updates, &err))
        fail_msg("%s", err.text);
}

static bool exists(struct fixture *f, uint64_t updates)
{
    checkpoint_path(f->path, sizeof f->path, f->run, updates);
    return !access(f->path, F_OK);
}

static void assert_latest(struct fixture *f, const char *name)
{
    char link[PATH_MAX + 32], target[256];
    snprintf(link, sizeof link, "%s/checkpoints/latest", f->run);
    ssize_t n = readlink(link, target, sizeof target - 1);
    assert_true(n > 0);
    target[n] = 0;
    assert_string_equal(target, name);
}

static void test_the_untrained_and_the_two_newest_are_kept(void **state)
{
    (void)state;
    struct fixture f;
    char newest[PATH_MAX + 64];
    setup(&f);
    static const uint64_t all[] = {0, 50, 100, 150, 99999999, 100000000, 123456789012};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        write_at(&f, all[i]);
        assert_int_equal(checkpoint_newest(newest, sizeof newest, f.run, NULL), 0);
        checkpoint_path(f.path, sizeof f.path, f.run, all[i]);
        assert_string_equal(newest, f.path);
        for (size_t k = 0; k <= i; k++)
            assert_int_equal(exists(&f, all[k]), k == 0 || k + 1 >= i);
    }
    assert_latest(&f, "123456789012.safetensors");
    teardown(&f);
}

/* A run that went back to an older checkpoint must not lose what it writes now. */
static void test_the_one_just_written_is_never_removed(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    write_at(&f, 400);
    write_at(&f, 500);
    write_at(&f, 300);
    assert_true(exists(&f, 300) && exists(&f, 400) && exists(&f, 500));
    assert_latest(&f, "00000300.safetensors");
    teardown(&f);
}

static void test_other_files_are_no_checkpoints(void **state)
{
    (void)state;
    struct fixture f;
    char newest[PATH_MAX + 64], path[PATH_MAX + 64];
    struct err err = {""};
    setup(&f);
    assert_int_equal(checkpoint_newest(newest, sizeof newest, f.run, &err), ERR_UNKNOWN); /* no folder */
    assert_non_null(strstr(err.text, "no checkpoint"));
    write_at(&f, 7);
    static const char *const others[] = {"00000009.safetensors.tmp", "x00000010.safetensors", "00000011", "-12.safetensors",
                                         ".13.safetensors"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        snprintf(path, sizeof path, "%s/checkpoints/%s", f.run, others[i]);
        assert_int_equal(file_write(path, "x", 1, NULL), 0);
    }
    assert_int_equal(checkpoint_newest(newest, sizeof newest, f.run, NULL), 0);
    checkpoint_path(f.path, sizeof f.path, f.run, 7);
    assert_string_equal(newest, f.path);
    for (uint64_t u = 8; u < 12; u++)
        write_at(&f, u);
    snprintf(path, sizeof path, "%s/checkpoints/%s", f.run, others[0]);
    assert_int_equal(access(path, F_OK), 0); /* nor removed */
    teardown(&f);
}

static void test_a_failed_write_leaves_the_old_ones(void **state)
{
    (void)state;
    struct fixture f;
    char newest[PATH_MAX + 64], folder[PATH_MAX + 64];
    struct err err = {""};
    setup(&f);
    write_at(&f, 1);
    write_at(&f, 2);
    checkpoint_path(folder, sizeof folder, f.run, 3);
    assert_int_equal(mkdir(folder, 0700), 0); /* a file cannot be renamed over a folder */
    assert_int_not_equal(try_write(&f, 3, &err), 0);
    assert_true(err.text[0]);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(checkpoint_newest(newest, sizeof newest, f.run, NULL), 0);
    assert_true(exists(&f, 1) && exists(&f, 2));
    assert_latest(&f, "00000002.safetensors");
    teardown(&f);
}

static void test_metadata_names_hash_and_core(void **state)
{
    (void)state;
    struct fixture f;
    struct local_run run;
    struct safetensors *back;
    char text[HASH_TEXT_SIZE];
    setup(&f);
    open_run(&run, ARGUMENTS("env.name=matrix", "rollout.lanes=2", "rollout.steps=20", SMALL_NETS), NULL);
    train(&run, 1);
    struct safetensors *file = saved(&run);
    checkpoint_path(f.path, sizeof f.path, f.run, 1);
    assert_int_equal(checkpoint_write(file, f.path, f.run, NULL), 0);
    assert_int_equal(safetensors_load(&back, f.path, NULL), 0);
    hash_text(state_hash(&run), text);
    assert_string_equal(safetensors_metadata(back, "hash"), text);
    assert_true(strlen(safetensors_metadata(back, "core")) > 0);
    assert_same_hash(checkpoint_hash(back), state_hash(&run));
    safetensors_destroy(&back);
    safetensors_destroy(&file);
    close_run(&run);
    teardown(&f);
}

static void test_the_hash_covers_learning_state_only(void **state)
{
    (void)state;
    struct local_run run;
    open_run(&run, ARGUMENTS("env.name=matrix", "rollout.lanes=2", "rollout.steps=20", SMALL_NETS), NULL);
    train(&run, 1);
    struct safetensors *file = saved(&run);
    struct hash before = checkpoint_hash(file);
    int64_t one = 1, value = 3;
    assert_int_equal(safetensors_add(file, "books/ledger", TENSOR_I64, 1, &one, &value, NULL), 0);
    assert_int_equal(safetensors_set_metadata(file, "steps", "12", NULL), 0);
    assert_same_hash(checkpoint_hash(file), before);
    assert_int_equal(safetensors_add(file, "nets/other", TENSOR_I64, 1, &one, &value, NULL), 0);
    assert_false(hash_equal(checkpoint_hash(file), before));
    safetensors_destroy(&file);
    close_run(&run);
}

static void test_generations_only_go_up(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t generation;
    struct err err = {""};
    setup(&f);
    for (uint32_t expected = 1; expected < 5; expected++) {
        assert_int_equal(checkpoint_next_generation(f.run, &generation, NULL), 0);
        assert_int_equal(generation, expected);
    }
    snprintf(f.path, sizeof f.path, "%s/generation", f.run);
    static const char *const bad[] = {"", "x", "4294967295\n", "99999999999999999999\n", "-1\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(file_write(f.path, bad[i], strlen(bad[i]), NULL), 0);
        assert_int_equal(checkpoint_next_generation(f.run, &generation, &err), ERR_FORMAT);
        assert_non_null(strstr(err.text, "generation"));
    }
    teardown(&f);
}

static void test_the_run_name_is_that_of_its_folder(void **state)
{
    (void)state;
    struct fixture f;
    char a[64], b[64], same[PATH_MAX + 8];
    setup(&f);
    snprintf(same, sizeof same, "%s/./", f.run);
    assert_int_equal(checkpoint_run_name(a, sizeof a, f.run, NULL), 0);
    assert_int_equal(checkpoint_run_name(b, sizeof b, same, NULL), 0);
    assert_string_equal(a, b);
    assert_int_equal(checkpoint_run_name(b, sizeof b, "/tmp", NULL), 0);
    assert_string_not_equal(a, b);
    assert_int_equal(checkpoint_run_name(b, sizeof b, "/nowhere/at/all", NULL), ERR_IO);
    teardown(&f);
}

/* ---- books ---- */

struct books {
    struct ledger *ledger;
    struct orders *orders;
    struct convergence convergence;
};

static void open_books(struct books *books)
{
    const struct orders_options options = {.lanes = 4, .depth = 1, .lease_ms = 1000};
    books->convergence = (struct convergence){0};
    assert_int_equal(ledger_create(&books->ledger), 0);
    assert_int_equal(orders_create(&books->orders, &options), 0);
}

static void close_books(struct books *books)
{
    ledger_destroy(&books->ledger);
    orders_destroy(&books->orders);
    convergence_deinit(&books->convergence);
}

static void test_books_and_history_come_back(void **state)
{
    (void)state;
    struct books a, b;
    struct safetensors *file;
    const struct spec spec = {.N = 3, .return_max = 1};
    const struct convergence_config config = {0.02, 1000};
    const struct victims victims = {.n = 3, .mask = {1, 2, 4}};
    struct partitions partitions = {0};
    open_books(&a);
    open_books(&b);
    convergence_begin(&a.convergence, &config, &spec, &victims, 10);
    for (int u = 0; u < 5; u++) {
        partitions_begin_update(&partitions);
        partitions_count(&partitions, 2, 0.5 * u);
        convergence_count(&a.convergence, &partitions);
    }
    assert_int_equal(safetensors_create(&file), 0);
    assert_int_equal(checkpoint_add_books(file, a.ledger, a.orders, &a.convergence, NULL), 0);
    assert_int_equal(checkpoint_load_books(file, b.ledger, b.orders, &b.convergence, NULL), 0);
    convergence_begin(&b.convergence, &config, &spec, &victims, 10);
    assert_int_equal(b.convergence.updates, 5);
    assert_memory_equal(b.convergence.sums, a.convergence.sums, 15 * sizeof(double));
    assert_memory_equal(b.convergence.counts, a.convergence.counts, 15 * sizeof(double));
    safetensors_destroy(&file);
    close_books(&a);
    close_books(&b);
}

static void test_books_that_are_missing_or_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct books books;
    struct safetensors *file;
    struct err err = {""};
    double numbers[6] = {0};
    const int64_t two_by_three[2] = {2, 3}, three_by_two[2] = {3, 2};
    open_books(&books);
    assert_int_equal(safetensors_create(&file), 0);
    assert_int_equal(checkpoint_load_books(file, books.ledger, books.orders, &books.convergence, &err), ERR_MISMATCH);
    assert_int_equal(checkpoint_add_books(file, books.ledger, books.orders, &books.convergence, NULL), 0);
    assert_int_equal(safetensors_add(file, "history/sums", TENSOR_F64, 2, two_by_three, numbers, NULL), 0);
    assert_int_equal(checkpoint_load_books(file, books.ledger, books.orders, &books.convergence, &err), ERR_MISMATCH);
    assert_int_equal(safetensors_add(file, "history/counts", TENSOR_F64, 2, three_by_two, numbers, NULL), 0);
    assert_int_equal(checkpoint_load_books(file, books.ledger, books.orders, &books.convergence, &err), ERR_MISMATCH);
    assert_non_null(strstr(err.text, "history"));
    safetensors_destroy(&file);
    close_books(&books);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_untrained_and_the_two_newest_are_kept),
        cmocka_unit_test(test_the_one_just_written_is_never_removed),
        cmocka_unit_test(test_other_files_are_no_checkpoints),
        cmocka_unit_test(test_a_failed_write_leaves_the_old_ones),
        cmocka_unit_test(test_metadata_names_hash_and_core),
        cmocka_unit_test(test_the_hash_covers_learning_state_only),
        cmocka_unit_test(test_generations_only_go_up),
        cmocka_unit_test(test_the_run_name_is_that_of_its_folder),
        cmocka_unit_test(test_books_and_history_come_back),
        cmocka_unit_test(test_books_that_are_missing_or_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
