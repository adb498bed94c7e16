/* Updates over shards: the same bits for any number of threads, bad numbers left out, nothing allocated. */
#include <math.h>

#include "learner/updater.h"
#include "tests/local.h"

enum { ROWS = 333, IN = 9, OUT = 4 };

struct task {
    real x[ROWS * IN], target[ROWS * OUT];
    int bad_row; /* whose input is NaN; -1: none */
    bool has_infinite_loss;
};

static void squared_block(void *context, struct block *block)
{
    const struct task *task = context;
    real *x = arena_array(block->scratch, real, (size_t)block->count * IN),
         *weight = arena_array(block->scratch, real, block->count);
    for (int i = 0; i < block->count; i++) {
        memcpy(x + i * IN, task->x + (block->first + i) * IN, IN * sizeof *x);
        weight[i] = task->has_infinite_loss ? (real)INFINITY : 1;
        if (block->first + i == task->bad_row)
            x[i * IN + 3] = (real)NAN;
        block->stats[0] += 1;
        block->stats[1] += block->first + i;
    }
    struct node *input = tape_input(block->tape, block->count, IN, x, false);
    struct node *out = net_forward(block->tape, block->weights, block->gradient, input, 1, block->count, NULL, NULL, NULL);
    tape_squared_loss(block->tape, out, task->target + block->first * OUT, weight);
}

struct fixture {
    struct task task;
    struct model model;
    struct updater updater;
};

static void setup(struct fixture *f, int threads)
{
    struct err err = {""};
    struct net_arch arch = mlp(IN, OUT);
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    f->task.bad_row = -1;
    f->task.has_infinite_loss = false;
    for (int i = 0; i < ROWS * IN; i++)
        f->task.x[i] = (real)rng_normal(&rng);
    for (int i = 0; i < ROWS * OUT; i++)
        f->task.target[i] = (real)rng_normal(&rng);
    assert_int_equal(model_init(&f->model, "defender", &arch, 7, 1.0, true, &err), 0);
    assert_int_equal(updater_init(&f->updater, threads, f->model.count, updater_tape_bytes(&arch, 64), 1 << 20, &err), 0);
}

static void teardown(struct fixture *f)
{
    updater_deinit(&f->updater);
    model_deinit(&f->model);
}

static void step(struct fixture *f, int block_items, struct updater_result *result)
{
    updater_step(&f->updater, &f->model, 1e-2, 10, ROWS, block_items, squared_block, &f->task, result);
}

static void test_same_bits_with_any_number_of_threads(void **state)
{
    (void)state;
    static struct fixture one, many;
    struct updater_result a, b;
    setup(&one, 1);
    for (int threads = 2; threads <= 9; threads += 1 + (threads == 3) * 4) {
        setup(&many, threads);
        model_deinit(&one.model);
        struct net_arch arch = mlp(IN, OUT);
        assert_int_equal(model_init(&one.model, "defender", &arch, 7, 1.0, true, NULL), 0);
        for (int u = 0; u < 10; u++) {
            step(&one, 20, &a);
            step(&many, 20, &b);
            assert_true(a.loss == b.loss && a.norm == b.norm);
            assert_memory_equal(one.model.w, many.model.w, one.model.count * sizeof *one.model.w);
        }
        teardown(&many);
    }
    teardown(&one);
}

static void test_every_item_is_seen_once(void **state)
{
    (void)state;
    static struct fixture f;
    struct updater_result result;
    static const int blocks[] = {1, 7, 20, 64, 332, 333};
    setup(&f, 2);
    updater_deinit(&f.updater);
    struct net_arch arch = mlp(IN, OUT);
    assert_int_equal(updater_init(&f.updater, 2, f.model.count, updater_tape_bytes(&arch, ROWS), 1 << 20, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        step(&f, blocks[i], &result);
        assert_true(result.stats[0] == ROWS && result.stats[1] == ROWS * (ROWS - 1) / 2);
    }
    teardown(&f);
}

static void test_loss_goes_down(void **state)
{
    (void)state;
    static struct fixture f;
    struct updater_result first, last;
    setup(&f, 2);
    step(&f, 64, &first);
    for (int u = 0; u < 100; u++)
        step(&f, 64, &last);
    assert_true(last.loss < 0.8 * first.loss);
    assert_int_equal(f.model.adam.step, 101);
    teardown(&f);
}

static void test_bad_numbers_skip_the_step_and_are_counted(void **state)
{
    (void)state;
    static struct fixture f;
    struct updater_result result;
    setup(&f, 2);
    step(&f, 64, &result);
    size_t bytes = f.model.count * sizeof *f.model.w;
    real *w = malloc(bytes), *m = malloc(bytes);
    memcpy(w, f.model.w, bytes);
    memcpy(m, f.model.adam.m, bytes);
    for (int bad = 0; bad < 2; bad++) {
        f.task.bad_row = bad ? -1 : 200;
        f.task.has_infinite_loss = bad;
        step(&f, 64, &result);
        assert_true(result.is_skipped);
        assert_int_equal(f.updater.skipped, bad + 1);
        assert_memory_equal(f.model.w, w, bytes);
        assert_memory_equal(f.model.adam.m, m, bytes);
        assert_memory_equal(net_weights_flat(f.model.weights), w, bytes);
        assert_int_equal(f.model.adam.step, 1);
    }
    f.task.has_infinite_loss = false;
    step(&f, 64, &result); /* and goes on */
    assert_false(result.is_skipped);
    assert_int_equal(f.model.adam.step, 2);
    free(w), free(m);
    teardown(&f);
}

static void test_no_items_no_step(void **state)
{
    (void)state;
    static struct fixture f;
    struct updater_result result;
    setup(&f, 2);
    updater_step(&f.updater, &f.model, 1e-2, 10, 0, 64, squared_block, &f.task, &result);
    assert_true(result.loss == 0 && !result.is_skipped && f.model.adam.step == 0);
    updater_forward(&f.updater, &f.model, 0, 64, squared_block, &f.task);
    teardown(&f);
}

/* With one thread: those of the pool may still be starting, and a start allocates. */
static void test_a_step_allocates_nothing(void **state)
{
    (void)state;
    static struct fixture f;
    struct updater_result result;
    count_allocations();
    setup(&f, 1);
    step(&f, 64, &result);
    long before = allocations;
    for (int u = 0; u < 3; u++)
        step(&f, 64, &result);
    assert_int_equal(allocations, before);
    teardown(&f);
}

static void test_threads_out_of_range_are_refused(void **state)
{
    (void)state;
    struct updater updater;
    assert_int_equal(updater_init(&updater, 0, 10, 1 << 20, 1 << 20, NULL), ERR_RANGE);
    assert_int_equal(updater_init(&updater, UPDATER_THREADS_MAX + 1, 10, 1 << 20, 1 << 20, NULL), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits_with_any_number_of_threads),
        cmocka_unit_test(test_every_item_is_seen_once),
        cmocka_unit_test(test_loss_goes_down),
        cmocka_unit_test(test_bad_numbers_skip_the_step_and_are_counted),
        cmocka_unit_test(test_no_items_no_step),
        cmocka_unit_test(test_a_step_allocates_nothing),
        cmocka_unit_test(test_threads_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
