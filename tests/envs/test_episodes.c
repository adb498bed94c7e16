/* Whole episodes of every environment in all scenarios it lists: random play with hostile actions in between, and pictures of what
 * comes of it. EPISODES=N plays N episodes of each environment, spread over its scenarios (tests/long/environments.sh); without it
 * some of each scenario. ENVIRONMENT=NAME plays only one. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/envs/envs_test.h"

#define EPISODES_SHORT 20
#define STEPS_SHORT 2500 /* of a scenario, after which no further episode is begun */
#define EPISODES_LEAST 2
#define PICTURE_EVERY 16 /* steps */
#define TEXT_MAX 16384

struct play {
    struct vec vec;
    struct scene *scene;
    char *text;
    struct rng dice;
    union cell action[JOINT_MAX];
    int64_t episodes, steps;
};

static bool is_chosen(const struct env_ops *ops)
{
    const char *only = getenv("ENVIRONMENT");
    return !only || !strcmp(only, ops->name);
}

/* ---- pictures ---- */

static void check_item(const struct scene *scene, const struct scene_item *item)
{
    float width = scene->right - scene->left, height = scene->top - scene->bottom, whole = width + height;
    assert_in_range(item->shape, SCENE_RECT, SCENE_TEXT);
    assert_in_range(item->ink, INK_GROUND, INK_COUNT - 1);
    assert_true(item->shade >= 0);
    assert_true(isfinite(item->x) && isfinite(item->y) && isfinite(item->a) && isfinite(item->b) && isfinite(item->weight));
    assert_true(item->x >= scene->left - width && item->x <= scene->right + width);
    assert_true(item->y >= scene->bottom - height && item->y <= scene->top + height);
    if (item->shape == SCENE_LINE) {
        assert_true(item->weight >= 0 && item->weight <= whole);
        assert_true(item->a >= scene->left - width && item->a <= scene->right + width);
        assert_true(item->b >= scene->bottom - height && item->b <= scene->top + height);
    } else {
        assert_true(item->a >= 0 && item->a <= 2 * whole && item->b >= 0 && item->b <= 2 * whole);
    }
    assert_non_null(memchr(item->text, 0, sizeof item->text));
    for (const char *letter = item->text; *letter; letter++)
        assert_true(isprint((unsigned char)*letter));
}

static void check_picture(struct play *play)
{
    const struct env_instance *env = play->vec.instance;
    struct scene *scene = play->scene;
    assert_non_null(env->ops->draw);
    scene->count = -1;
    env->ops->draw(env->params, play->vec.states, scene);
    assert_true(scene->count > 0 && scene->dropped == 0);
    assert_true(isfinite(scene->left) && isfinite(scene->bottom) && scene->right > scene->left && scene->top > scene->bottom);
    for (int i = 0; i < scene->count; i++)
        check_item(scene, &scene->items[i]);
    env->ops->render(env->params, play->vec.states, play->text, TEXT_MAX);
    assert_true(strlen(play->text) > 20 && strlen(play->text) < TEXT_MAX - 1);
}

/* ---- play ---- */

static union cell hostile_cell(const struct spec *spec, uint32_t which)
{
    static const int32_t choices[] = {-1, 99, 512, INT32_MIN, INT32_MAX};
    static const float reals[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f};
    return spec->action == ACTION_BOX ? (union cell){.real = reals[which % ARRAY_LEN(reals)]}
                                      : (union cell){.choice = choices[which % ARRAY_LEN(choices)]};
}

/* One step in eight has a hostile number, one in sixty-four nothing else; an unavailable choice is among them. */
static void spoil(struct play *play)
{
    const struct spec *spec = &play->vec.instance->spec;
    uint32_t cells = (uint32_t)(spec->N * spec->C), dice = rng_below(&play->dice, 64);
    for (uint32_t i = 0; i < cells && dice == 0; i++)
        play->action[i] = hostile_cell(spec, rng_below(&play->dice, 30));
    if (dice >= 1 && dice <= 8)
        play->action[rng_below(&play->dice, cells)] = hostile_cell(spec, rng_below(&play->dice, 30));
    if (dice == 9 && spec->action != ACTION_BOX) {
        uint32_t cell = rng_below(&play->dice, cells);
        play->action[cell].choice = (int32_t)rng_below(&play->dice, (uint32_t)spec->components[cell % (uint32_t)spec->C].choices);
    }
}

static void check_masks(const struct vec *vec, int n)
{
    const struct spec *spec = &vec->instance->spec;
    const uint8_t *available = vec->available + n * spec->A;
    for (int c = 0; c < spec->C; c++) {
        int choices = spec->action == ACTION_BOX ? 1 : spec->components[c].choices, count = 0;
        for (int a = 0; a < choices; a++) {
            assert_true(available[a] <= 1);
            count += available[a];
        }
        assert_true(count > 0);
        available += choices;
    }
}

static void check_step(const struct vec *vec)
{
    const struct spec *spec = &vec->instance->spec;
    for (int i = 0; i < spec->N * spec->O; i++)
        assert_true(isfinite(vec->observation[i]));
    for (int i = 0; vec->state && i < spec->N * spec->S; i++)
        assert_true(isfinite(vec->state[i]));
    for (int n = 0; n < spec->N; n++) {
        assert_true(vec->alive[n] <= 1 && isfinite(vec->reward[n]));
        check_masks(vec, n);
    }
    assert_true(vec->terminated[0] + vec->truncated[0] <= 1);
}

static void check_end(const struct play *play, int length, double team_return)
{
    const struct env_instance *env = play->vec.instance;
    struct env_outcome outcome;
    memset(&outcome, 0xff, sizeof outcome);
    env->ops->outcome(env->params, play->vec.states, &outcome);
    for (int i = 0; env->ops->info && env->ops->info[i]; i++) {
        assert_true(i < ENV_INFO_MAX);
        assert_true(isfinite(outcome.info[i]));
    }
    assert_true(length <= env->spec.horizon);
    assert_true(team_return <= env->spec.return_max + 1e-6 && team_return >= env->spec.return_min - 1e-6);
}

static void play_one(struct play *play)
{
    struct vec *vec = &play->vec;
    double team_return = 0;
    int length = 0, N = vec->instance->spec.N;
    struct rng rng = rng_stream(77, RNG_RESET, (uint64_t)play->episodes, 0, 0);
    vec_reset(vec, 0, &rng);
    check_picture(play);
    do {
        random_actions(vec, &play->dice, play->action);
        spoil(play);
        step_all(vec, play->action, 77 + (uint64_t)play->episodes, length++);
        check_step(vec);
        for (int n = 0; n < N; n++)
            team_return += (double)vec->reward[n] / N;
        if (length % PICTURE_EVERY == 0)
            check_picture(play);
    } while (!vec->terminated[0] && !vec->truncated[0]);
    check_picture(play);
    check_end(play, length, team_return);
    play->episodes++;
    play->steps += length;
}

static bool is_enough(const struct play *play, int64_t asked)
{
    if (asked)
        return play->episodes >= asked;
    return play->episodes >= EPISODES_SHORT || (play->episodes >= EPISODES_LEAST && play->steps >= STEPS_SHORT);
}

/* asked: episodes; 0: some. */
static void play_scenario(const struct env_ops *ops, const char *scenario, int64_t asked, int64_t *episodes, int64_t *steps)
{
    struct env_instance *env = malloc(sizeof *env);
    struct play *play = calloc(1, sizeof *play);
    char name[64], text[128];
    assert_true(env && play && (play->scene = malloc(sizeof *play->scene)) && (play->text = malloc(TEXT_MAX)));
    snprintf(name, sizeof name, "env.name=%s", ops->name);
    snprintf(text, sizeof text, "env.scenario=%s", scenario);
    must_open(env, ARGUMENTS(name, text));
    must_init(&play->vec, env, 1);
    play->dice = rng_stream(78, RNG_TEST, 0, 0, 0);
    while (!is_enough(play, asked))
        play_one(play);
    *episodes += play->episodes;
    *steps += play->steps;
    vec_deinit(&play->vec);
    free(play->scene);
    free(play->text);
    free(play);
    free(env);
}

static void play_environment(const struct env_ops *ops, int64_t asked)
{
    int64_t scenarios = 0, episodes = 0, steps = 0;
    monotonic_us start = clock_us();
    while (ops->scenarios[scenarios])
        scenarios++;
    for (int64_t i = 0; i < scenarios; i++)
        play_scenario(ops, ops->scenarios[i], (asked + scenarios - 1) / scenarios, &episodes, &steps);
    print_message("# %s: %lld episodes, %lld steps in %lld scenarios, %.1f s\n", ops->name, (long long)episodes, (long long)steps,
                  (long long)scenarios, clock_seconds_since(start));
}

static void test_episodes_survive_hostile_play(void **state)
{
    (void)state;
    const char *asked = getenv("EPISODES");
    int played = 0;
    for (const struct env_ops *const *ops = env_registry; *ops; ops++)
        if (env_missing(*ops))
            print_message("# %s is left out: this build lacks %s\n", (*ops)->name, env_missing(*ops));
        else if (is_chosen(*ops)) {
            play_environment(*ops, asked ? atoll(asked) : 0);
            played++;
        }
    assert_true(played > 0);
}

/* ---- rules ---- */

/* What `envs describe` prints is the head of the environment's file, and says where the rules are from. */
static void test_rules_come_with_their_source(void **state)
{
    (void)state;
    for (const struct env_ops *const *ops = env_registry; *ops; ops++) {
        const struct env_rules *rules = env_rules_find((*ops)->name);
        assert_non_null(rules);
        print_message("# %s: %zu bytes of rules\n", (*ops)->name, strlen(rules->rules));
        assert_true(strlen(rules->rules) > 400);
        assert_null(strstr(rules->rules, "#include"));
        assert_null(strstr(rules->rules, "*/"));
        assert_true(strstr(rules->rules, "Source") || strstr(rules->rules, "arXiv:") || strstr(rules->rules, "doi"));
        assert_true(strstr(rules->rules, "eward") && strstr(rules->rules, "ction"));
    }
    assert_null(env_rules_find("chess"));
    assert_non_null(strstr(env_rules_find("matrix")->rules, "\n    s   a0 == a1           a0 != a1\n"));
    assert_null(env_rules_find("matrix")->observation);
    assert_non_null(strstr(env_rules_find("foraging")->observation, "Nothing is scaled."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_episodes_survive_hostile_play),
        cmocka_unit_test(test_rules_come_with_their_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
