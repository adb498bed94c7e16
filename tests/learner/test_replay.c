/* The replay in a run folder: a trainer that goes on from a checkpoint and its segments is the one that was never interrupted, wherever it
 * was killed; and checkpoint.c removes segments only when no checkpoint needs them. */
#include <dirent.h>
#include <limits.h>
#include <unistd.h>

#include "base/file.h"
#include "learner/checkpoint.h"
#include "learner/replay.h"
#include "tests/learner/golden_update.h"

struct folder {
    char run[PATH_MAX - 128];
};

static void make_folder(struct folder *folder)
{
    snprintf(folder->run, sizeof folder->run, "%s/testudo-replay-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(folder->run));
}

static void remove_folder(struct folder *folder)
{
    char command[PATH_MAX];
    snprintf(command, sizeof command, "rm -rf '%s'", folder->run);
    assert_int_equal(system(command), 0);
}

static void setup_in(struct fixture *f, struct folder *folder)
{
    struct err err = {""};
    setup(f, "learner/vdn");
    if (trainer_keep_replay(f->trainer, folder->run, &err))
        fail_msg("%s", err.text);
}

static void train(struct fixture *f, int updates)
{
    struct report report;
    for (int u = 0; u < updates; u++) { /* 6 episodes each, into a ring of 20 */
        report.count = 0;
        trainer_update(f->trainer, f->batch, &report);
        for (int l = 0; l < f->n_lanes; l++)
            f->t[l].slice++;
    }
}

static void resume(struct fixture *f, const struct safetensors *file, int updates)
{
    struct err err = {""};
    if (trainer_load(f->trainer, file, &err))
        fail_msg("%s", err.text);
    for (int l = 0; l < f->n_lanes; l++)
        f->t[l].slice += updates;
}

static struct hash undisturbed(int updates)
{
    struct fixture f;
    setup(&f, "learner/vdn"); /* without a folder: the hash does not depend on where episodes are kept */
    train(&f, updates);
    struct hash hash = hash_of(&f);
    teardown(&f);
    return hash;
}

static void test_killed_anywhere_it_goes_on_bit_for_bit(void **state)
{
    (void)state;
    struct hash expected = undisturbed(9);
    for (int after = 0; after <= 4; after++) { /* updates that the killed process made behind its checkpoint, all of them on disk */
        struct folder folder;
        struct fixture f, g;
        struct err err = {""};
        make_folder(&folder);
        setup_in(&f, &folder);
        train(&f, 5);
        struct safetensors *file = saved(&f);
        train(&f, after);
        assert_int_equal(replay_write(trainer_replay(f.trainer), &err), 0);
        teardown(&f);
        setup_in(&g, &folder);
        resume(&g, file, 5);
        train(&g, 4);
        assert_true(hash_equal(hash_of(&g), expected));
        safetensors_destroy(&file);
        teardown(&g);
        remove_folder(&folder);
    }
}

static void test_episodes_that_the_ring_dropped_unwritten_are_not_missed(void **state)
{
    (void)state;
    struct folder folder;
    struct fixture f, g;
    make_folder(&folder);
    setup_in(&f, &folder);
    train(&f, 2);
    struct safetensors *early = saved(&f), *late;
    train(&f, 10); /* 60 episodes through a ring of 20 between two checkpoints */
    late = saved(&f);
    setup_in(&g, &folder);
    resume(&g, late, 12);
    assert_true(hash_equal(hash_of(&g), undisturbed(12)));
    safetensors_destroy(&early);
    safetensors_destroy(&late);
    teardown(&f);
    teardown(&g);
    remove_folder(&folder);
}

/* Spoils the only segment with a shell command ("$1" is its path) and loads; returns the line. */
static void load_spoilt(const char *how, const char *expected)
{
    struct folder folder;
    struct fixture f, g;
    struct err err = {""};
    char command[PATH_MAX + 128];
    make_folder(&folder);
    setup_in(&f, &folder);
    train(&f, 3);
    struct safetensors *file = saved(&f);
    snprintf(command, sizeof command, "set -- '%s/replay/00000000.segment'; %s", folder.run, how);
    assert_int_equal(system(command), 0);
    setup_in(&g, &folder);
    struct hash before = hash_of(&g);
    assert_int_not_equal(trainer_load(g.trainer, file, &err), 0);
    if (!strstr(err.text, expected) || !strstr(err.text, "replay/00000000.segment"))
        fail_msg("\"%s\" should name the segment and say %s", err.text, expected);
    assert_true(hash_equal(hash_of(&g), before)); /* nothing was taken */
    safetensors_destroy(&file);
    teardown(&f);
    teardown(&g);
    remove_folder(&folder);
}

static void test_a_spoilt_segment_is_named(void **state)
{
    (void)state;
    load_spoilt("rm \"$1\"", "No such file");
    load_spoilt("truncate -s -1 \"$1\"", "it was cut off");
    load_spoilt("printf x | dd of=\"$1\" bs=1 seek=300 conv=notrunc status=none", "it was altered");
}

static void test_a_ceiling_below_two_checkpoints_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {""};
    struct folder folder;
    make_folder(&folder);
    setup(&f, "learner/vdn");
    struct recipe *recipe = recipe_of(f.tree);
    struct replay *replay;
    const struct batch_shape *shape = &trainer_batch(f.trainer)->shape;
    assert_int_equal(recipe_set_argument(recipe, "replay.disk_bytes=1000", &err), 0);
    assert_int_equal(replay_create(&replay, recipe, shape, 100, &err), 0);
    assert_int_equal(replay_keep_in(replay, folder.run, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "replay.disk_bytes is 1000, but"));
    replay_destroy(&replay);
    recipe_destroy(&recipe);
    teardown(&f);
    remove_folder(&folder);
}

/* ---- with checkpoints on disk ---- */

static void checkpoint(struct fixture *f, struct folder *folder)
{
    char path[PATH_MAX];
    struct err err = {""};
    struct safetensors *file = saved(f);
    checkpoint_path(path, sizeof path, folder->run, trainer_updates(f->trainer));
    if (checkpoint_write(file, path, folder->run, &err))
        fail_msg("%s", err.text);
    safetensors_destroy(&file);
}

static int files(const struct folder *folder)
{
    char path[PATH_MAX];
    int count = 0;
    snprintf(path, sizeof path, "%s/replay", folder->run);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

/* A process for each checkpoint, so each has a segment of its own; a ring of 20 needs the newest four. */
static void test_segments_go_with_the_last_checkpoint_that_needs_them(void **state)
{
    (void)state;
    struct folder folder;
    struct err err = {""};
    make_folder(&folder);
    char path[PATH_MAX];
    for (int i = 0; i < 8; i++) {
        struct fixture f;
        struct safetensors *file = NULL;
        setup_in(&f, &folder);
        if (i) {
            assert_int_equal(checkpoint_newest(path, sizeof path, folder.run, &err), 0);
            assert_int_equal(safetensors_load(&file, path, &err), 0);
            resume(&f, file, i);
        }
        train(&f, 1);
        checkpoint(&f, &folder);
        assert_int_equal(checkpoint_prune_segments(folder.run, replay_segments(trainer_replay(f.trainer)), &err), 0);
        assert_int_equal(files(&folder), i < 5 ? i + 1 : 5); /* two checkpoints kept: one segment more than one of them needs */
        if (i == 7) {
            assert_int_equal(checkpoint_make_room(folder.run, replay_segments(trainer_replay(f.trainer)), &err), 0);
            assert_int_equal(files(&folder), 4);
            assert_true(hash_equal(hash_of(&f), undisturbed(8)));
        }
        safetensors_destroy(&file);
        teardown(&f);
    }
    remove_folder(&folder);
}

static void test_nothing_is_removed_while_a_checkpoint_is_unreadable(void **state)
{
    (void)state;
    struct folder folder;
    struct fixture f;
    struct err err = {""};
    char path[PATH_MAX];
    make_folder(&folder);
    setup_in(&f, &folder);
    train(&f, 2);
    checkpoint(&f, &folder);
    segments_forget(replay_segments(trainer_replay(f.trainer)), 1 << 20);
    checkpoint_path(path, sizeof path, folder.run, 1);
    assert_int_equal(file_write(path, "x", 1, &err), 0);
    assert_int_not_equal(checkpoint_prune_segments(folder.run, replay_segments(trainer_replay(f.trainer)), &err), 0);
    assert_int_equal(files(&folder), 1);
    teardown(&f);
    remove_folder(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_anywhere_it_goes_on_bit_for_bit),
        cmocka_unit_test(test_episodes_that_the_ring_dropped_unwritten_are_not_missed),
        cmocka_unit_test(test_a_spoilt_segment_is_named),
        cmocka_unit_test(test_a_ceiling_below_two_checkpoints_is_refused),
        cmocka_unit_test(test_segments_go_with_the_last_checkpoint_that_needs_them),
        cmocka_unit_test(test_nothing_is_removed_while_a_checkpoint_is_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
