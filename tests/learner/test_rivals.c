/* Robust methods on MADDPG and QMIX that MIR3 is compared with: whole updates against float64 (tests/golden/off_policy_golden.py), and that
 * without strength each is its backbone. */
#include "tests/learner/off_policy_update.h"

static void test_m3ddpg_update_of_choices(void **state)
{
    (void)state;
    check_update("learner/m3ddpg");
}

static void test_m3ddpg_update_of_real_numbers(void **state)
{
    (void)state;
    check_update("learner/m3ddpg_box");
}

static void test_m3ddpg_update_by_the_released_rule(void **state)
{
    (void)state;
    check_update("learner/m3ddpg_released");
}

static void test_ernie_update_on_maddpg_of_choices(void **state)
{
    (void)state;
    check_update("learner/ernie_maddpg");
}

static void test_ernie_update_on_maddpg_of_real_numbers(void **state)
{
    (void)state;
    check_update("learner/ernie_maddpg_box");
}

static void test_ernie_update_on_qmix(void **state)
{
    (void)state;
    check_update("learner/ernie_qmix");
}

static void test_romax_update_of_choices(void **state)
{
    (void)state;
    check_update("learner/romax");
}

static void test_romax_update_of_real_numbers(void **state)
{
    (void)state;
    check_update("learner/romax_box");
}

/* The adversary's own step. */
static void test_romq_update_on_vdn(void **state)
{
    (void)state;
    check_update("learner/romq_vdn");
}

/* The same, and an actor that does not learn from what the adversary did. */
static void test_romq_update_on_maddpg(void **state)
{
    (void)state;
    check_update("learner/romq_maddpg");
}

/* A critic and an actor of the adversary's own. */
static void test_romq_update_on_maddpg_of_real_numbers(void **state)
{
    (void)state;
    check_update("learner/romq_maddpg_box");
}

/* After two updates. */
static struct hash hash_after(const char *name, const char *const *extra)
{
    struct fixture f;
    setup_with(&f, name, extra);
    for (int u = 0; u < 2; u++) {
        struct report report = {0};
        trainer_update(f.trainer, f.batch, &report);
        for (int l = 0; l < f.n_lanes; l++)
            f.t[l].slice++;
    }
    struct safetensors *file = saved(&f);
    struct hash hash = checkpoint_hash(file);
    safetensors_destroy(&file);
    teardown(&f);
    return hash;
}

/* off: the method's keys with its strength 0; on: the same with some. */
static void check_strength(const char *backbone, const char *const *off, const char *const *on)
{
    struct hash plain = hash_after(backbone, NULL);
    assert_true(hash_equal(plain, hash_after(backbone, off)));
    assert_false(hash_equal(plain, hash_after(backbone, on)));
}

static void test_m3ddpg_of_epsilon_0_is_maddpg_bit_for_bit(void **state)
{
    (void)state;
    static const char *const off[] = {"m3ddpg.epsilon=0", NULL}, *const on[] = {"m3ddpg.epsilon=1e-3", NULL};
    check_strength("learner/maddpg", off, on);
    check_strength("learner/maddpg_box", off, on);
}

static void test_romax_of_share_0_or_radius_0_is_maddpg_bit_for_bit(void **state)
{
    (void)state;
    static const char *const off[] = {"romax.share=0", "romax.epsilon=0.1", NULL};
    static const char *const point[] = {"romax.share=0.5", "romax.epsilon=0", NULL};
    static const char *const on[] = {"romax.share=0.5", "romax.epsilon=0.1", NULL};
    check_strength("learner/maddpg", off, on);
    check_strength("learner/maddpg_box", point, on);
}

static void test_ernie_of_weight_0_is_its_backbone_bit_for_bit(void **state)
{
    (void)state;
    static const char *const off[] = {"smoothness.weight=0", "smoothness.radius=0.5", "smoothness.steps=3", NULL};
    static const char *const on[] = {"smoothness.weight=0.01", "smoothness.radius=0.5", "smoothness.steps=3", NULL};
    check_strength("learner/maddpg", off, on);
    check_strength("learner/maddpg_box", off, on);
    check_strength("learner/qmix", off, on);
}

/* The adversary's net is nobody's teacher: it only plays. */
static void check_team_is_the_same(const char *name, const char *net)
{
    static const char *const off[] = {"romq.hidden=0", NULL};
    struct fixture with, without;
    struct report report = {0};
    const char *parameter;
    json_t *unused;
    char tensor[128];
    setup(&with, name);
    setup_with(&without, name, off);
    trainer_update(with.trainer, with.batch, &report);
    report.count = 0;
    trainer_update(without.trainer, without.batch, &report);
    struct safetensors *one = saved(&with), *two = saved(&without);
    json_object_foreach(json_object_get(json_object_get(with.tree, "result"), net), parameter, unused)
    {
        snprintf(tensor, sizeof tensor, "nets/%.31s/%.31s", net, parameter);
        const struct tensor *a = safetensors_find(one, tensor), *b = safetensors_find(two, tensor);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    assert_null(safetensors_find(two, "nets/adversary/head.weight"));
    safetensors_destroy(&one);
    safetensors_destroy(&two);
    teardown(&with);
    teardown(&without);
}

static void test_romq_teaches_the_team_nothing_but_what_was_executed(void **state)
{
    (void)state;
    check_team_is_the_same("learner/romq_vdn", "defender");
    check_team_is_the_same("learner/romq_maddpg", "defender");
    check_team_is_the_same("learner/romq_maddpg", "critic");
    check_team_is_the_same("learner/romq_maddpg_box", "defender");
    check_team_is_the_same("learner/romq_maddpg_box", "critic");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_m3ddpg_update_of_choices),
        cmocka_unit_test(test_m3ddpg_update_of_real_numbers),
        cmocka_unit_test(test_m3ddpg_update_by_the_released_rule),
        cmocka_unit_test(test_ernie_update_on_maddpg_of_choices),
        cmocka_unit_test(test_ernie_update_on_maddpg_of_real_numbers),
        cmocka_unit_test(test_ernie_update_on_qmix),
        cmocka_unit_test(test_romax_update_of_choices),
        cmocka_unit_test(test_romax_update_of_real_numbers),
        cmocka_unit_test(test_romq_update_on_vdn),
        cmocka_unit_test(test_romq_update_on_maddpg),
        cmocka_unit_test(test_romq_update_on_maddpg_of_real_numbers),
        cmocka_unit_test(test_m3ddpg_of_epsilon_0_is_maddpg_bit_for_bit),
        cmocka_unit_test(test_romax_of_share_0_or_radius_0_is_maddpg_bit_for_bit),
        cmocka_unit_test(test_romq_teaches_the_team_nothing_but_what_was_executed),
        cmocka_unit_test(test_ernie_of_weight_0_is_its_backbone_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
