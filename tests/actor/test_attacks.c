/* Attacks, one stage of acting at a time, on hand-made stages. */
#include <math.h>

#include "tests/local.h"

#include "actor/attack.h"
#include "envs/vec.h"
#include "net/categorical.h"

enum { B = 7, K = 4, ROWS_MAX = B * 4 };

struct fixture {
    struct env_instance env;
    struct vec vec;
    struct weights *weights;
    struct nets nets;
    struct arena scratch;
    struct stage stage;
    uint64_t episode[B];
    int32_t episode_step[B], attacked[ROWS_MAX], action[ROWS_MAX * 2];
    float action_logp[ROWS_MAX], *input, *probability;
    uint8_t channels[ROWS_MAX];
};

static void fill_stage(struct fixture *f)
{
    const struct spec *spec = &f->env.spec;
    int R = B * spec->N, I = spec->O + K;
    struct rng rng = rng_stream(3, RNG_TEST, 0, 0, 0);
    f->input = calloc((size_t)(R * I), sizeof(float));
    f->probability = calloc((size_t)(R * spec->A), sizeof(float));
    for (int b = 0; b < B; b++) {
        f->episode[b] = (uint64_t)b << 32;
        f->episode_step[b] = b;
        struct rng reset = rng_stream(1, RNG_RESET, (uint64_t)b, 0, 0);
        vec_reset(&f->vec, b, &reset);
        f->attacked[b] = b * spec->N + b % spec->N;
    }
    for (int row = 0; row < R; row++) {
        memcpy(f->input + row * I, f->vec.observation + row * spec->O, (size_t)spec->O * sizeof(float));
        for (int k = 0; k < K; k++)
            f->input[row * I + spec->O + k] = (float)rng_double(&rng);
    }
    f->stage = (struct stage){.vec = &f->vec,
                              .env = &f->env,
                              .nets = &f->nets,
                              .B = B,
                              .N = spec->N,
                              .O = spec->O,
                              .K = K,
                              .A = spec->A,
                              .C = spec->C,
                              .head = action_head_of(spec),
                              .seed = 5,
                              .episode = f->episode,
                              .episode_step = f->episode_step,
                              .attacked = f->attacked,
                              .n_attacked = B,
                              .strength = 0.5f,
                              .input = f->input,
                              .probability = f->probability,
                              .action = f->action,
                              .action_logp = f->action_logp,
                              .channels = f->channels,
                              .scratch = &f->scratch,
                              .defender = nets_find(&f->nets, "defender")};
}

/* Weights are the team's, plus an adversary of its own for agent 2. */
static void setup(struct fixture *f, const char *env, const char *scenario)
{
    char name[64], text[64];
    struct err err = {""};
    *f = (struct fixture){0};
    snprintf(name, sizeof name, "env.name=%s", env);
    snprintf(text, sizeof text, "env.scenario=%s", scenario);
    struct recipe *recipe = must_recipe(ARGUMENTS(name, text));
    if (env_open(&f->env, recipe, &err))
        fail_msg("%s", err.text);
    recipe_destroy(&recipe);
    assert_int_equal(vec_init(&f->vec, &f->env, B), 0);
    f->weights = team_weights(&f->env.spec, K, 0, 1);
    struct net_arch own = mlp(f->env.spec.O, f->env.spec.A);
    add_random_net(f->weights, "adversary/2", &own, 9);
    assert_int_equal(nets_update(&f->nets, f->weights, NULL), 0);
    size_t bytes = attack_scratch(&f->nets, &f->env.spec, f->env.spec.O + K, B * f->env.spec.N) + f->env.state_bytes + ARENA_ALIGN;
    assert_int_equal(arena_init(&f->scratch, "test", bytes), 0); /* just what the rollout takes */
    fill_stage(f);
}

static void teardown(struct fixture *f)
{
    assert_int_equal(f->scratch.used, 0);
    free(f->input);
    free(f->probability);
    arena_deinit(&f->scratch);
    nets_deinit(&f->nets);
    weights_unref(&f->weights);
    vec_deinit(&f->vec);
}

static void open_foraging(struct fixture *f)
{
    setup(f, "foraging", "8x8-4p-2f-c");
}

/* ---- names ---- */

static void test_threats_are_read_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        float strength;
    } cases[] = {{"clean", 0, 0},
                 {"none", 0, 0},
                 {"random", 0, 0},
                 {"greedy", 0, 0},
                 {"learned", 0, 0},
                 {"pgd:0.5", 0, 0.5f},
                 {"pgd:0", 0, 0},
                 {"noise:0.3", 0, 0.3f},
                 {"noise:0.3@all", 0, 0.3f},
                 {"repeat:1@all", 0, 1},
                 {"random@all", 0, 0},
                 {"repeat:1.1", ERR_INVALID, 0},
                 {"noise@all", ERR_INVALID, 0},
                 {"noise:@all", ERR_INVALID, 0},
                 {"noise:0.3@", ERR_INVALID, 0},
                 {"noise:0.3@some", ERR_INVALID, 0},
                 {"noise@all:0.3", ERR_INVALID, 0},
                 {"@all", ERR_UNKNOWN, 0},
                 {"pgd", ERR_INVALID, 0},
                 {"pgd:", ERR_INVALID, 0},
                 {"pgd:x", ERR_INVALID, 0},
                 {"pgd:-1", ERR_INVALID, 0},
                 {"pgd:nan", ERR_INVALID, 0},
                 {"pgd:inf", ERR_INVALID, 0},
                 {"pgd:1 ", ERR_INVALID, 0},
                 {"random:1", ERR_INVALID, 0},
                 {"Random", ERR_UNKNOWN, 0},
                 {"", ERR_UNKNOWN, 0},
                 {":", ERR_UNKNOWN, 0},
                 {"a name that is much longer than any attack's", ERR_UNKNOWN, 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct threat threat;
        struct err err = {""};
        int r = threat_parse(&threat, cases[i].text, &err);
        if (r != cases[i].code || (!r && threat.strength != cases[i].strength) || (r && !err.text[0]))
            fail_msg("\"%s\": %s, strength %g", cases[i].text, err_name(r), (double)threat.strength);
    }
}

static void test_all_is_said_at_the_end_of_a_threat(void **state)
{
    (void)state;
    struct threat threat;
    assert_int_equal(threat_parse(&threat, "noise:0.3@all", NULL), 0);
    assert_true(threat.hits_all);
    assert_int_equal(threat_parse(&threat, "noise:0.3", NULL), 0);
    assert_false(threat.hits_all);
}

static void test_every_attack_has_a_hook_and_says_what_it_touches(void **state)
{
    (void)state;
    for (int i = 0; attack_registry[i]; i++) {
        const struct attack_ops *ops = attack_registry[i];
        assert_true(ops->observation || ops->action);
        assert_true(strlen(ops->name) > 0 && strlen(ops->summary) > 0 && ops->channel != 0);
    }
}

/* ---- actions ---- */

static void test_random_is_uniform_over_available_actions(void **state)
{
    (void)state;
    struct fixture f;
    struct threat threat;
    open_foraging(&f);
    assert_int_equal(threat_parse(&threat, "random", NULL), 0);
    enum { DRAWS = 6000 };
    const int row = f.attacked[1], A = f.env.spec.A;
    const uint8_t *available = f.vec.available + row * A;
    int seen[16] = {0}, count = 0;
    for (int draw = 0; draw < DRAWS; draw++) {
        f.episode_step[1] = draw;
        assert_int_equal(threat.ops->action(&f.stage, NULL), 0);
        seen[f.action[row]]++;
    }
    double chi = 0;
    for (int a = 0; a < A; a++)
        count += available[a];
    assert_true(count > 1 && count < A);
    for (int a = 0; a < A; a++) {
        if (!available[a]) {
            assert_int_equal(seen[a], 0);
            continue;
        }
        double expected = (double)DRAWS / count;
        chi += (seen[a] - expected) * (seen[a] - expected) / expected;
    }
    if (chi > 20.6)
        fail_msg("chi-square %.1f over %d actions", chi, count);
    assert_float_equal(f.action_logp[row], -log(count), 1e-6);
    assert_int_equal(f.channels[row], ATTACK_ACTION);
    assert_int_equal(f.channels[0 * 4 + 1], 0); /* not attacked */
    teardown(&f);
}

static void test_greedy_answers_the_partners_most_likely_action(void **state)
{
    (void)state;
    struct fixture f;
    struct threat threat;
    setup(&f, "matrix", "iterated");
    assert_int_equal(threat_parse(&threat, "greedy", NULL), 0);
    for (int choice = 0; choice < 2; choice++) {
        for (int row = 0; row < B * 2; row++) {
            f.probability[row * 2 + choice] = 0.6f;
            f.probability[row * 2 + 1 - choice] = 0.4f;
        }
        assert_int_equal(threat.ops->action(&f.stage, NULL), 0);
        for (int i = 0; i < B; i++) { /* s = 0: the opposite, s = 1: the same */
            int row = f.attacked[i], s = f.vec.observation[row * f.env.spec.O] > 0.5f;
            assert_int_equal(f.action[row], s ? choice : 1 - choice);
            assert_int_equal(f.channels[row], ATTACK_ACTION);
        }
    }
    teardown(&f);
}

static void test_greedy_leaves_the_environment_alone(void **state)
{
    (void)state;
    struct fixture f;
    struct threat threat;
    open_foraging(&f);
    assert_int_equal(threat_parse(&threat, "greedy", NULL), 0);
    size_t bytes = f.vec.state_stride * B;
    unsigned char *before = malloc(bytes);
    memcpy(before, f.vec.states, bytes);
    assert_int_equal(threat.ops->action(&f.stage, NULL), 0);
    assert_memory_equal(f.vec.states, before, bytes);
    for (int i = 0; i < B; i++)
        assert_true(f.vec.available[f.attacked[i] * f.env.spec.A + f.action[f.attacked[i]]]);
    free(before);
    teardown(&f);
}

/* Row by row, each through its agent's own net. */
static void plain_logits(struct fixture *f, int row, float *logits)
{
    int N = f->env.spec.N, O = f->env.spec.O, agent = row % N;
    const struct net_weights *net = adversary_net(&f->nets, agent);
    float x[256] = {0};
    assert_true(O + N <= 256);
    memcpy(x, f->vec.observation + row * O, (size_t)O * sizeof *x);
    if (net_weights_arch(net)->in == O + N)
        x[O + agent] = 1;
    net_act(net, 1, x, NULL, logits, &f->scratch);
}

static void test_adversaries_read_the_clean_observation_each_through_its_net(void **state)
{
    (void)state;
    struct fixture f;
    open_foraging(&f);
    int A = f.env.spec.A;
    float logits[ROWS_MAX * 16], plain[16];
    for (int row = 0; row < B * 4; row++)
        f.input[row * (f.env.spec.O + K)] += 1; /* what an earlier hook may have done */
    assert_ptr_not_equal(adversary_net(&f.nets, 2), adversary_net(&f.nets, 1));
    assert_ptr_equal(adversary_net(&f.nets, 0), adversary_net(&f.nets, 3));
    assert_int_equal(adversary_output(&f.stage, f.attacked, B, logits, NULL, NULL), 0);
    for (int i = 0; i < B; i++) {
        plain_logits(&f, f.attacked[i], plain);
        assert_memory_equal(plain, logits + i * A, (size_t)A * sizeof *plain);
    }
    teardown(&f);
}

static void test_learned_samples_the_adversary(void **state)
{
    (void)state;
    struct fixture f;
    struct threat threat;
    open_foraging(&f);
    assert_int_equal(threat_parse(&threat, "learned", NULL), 0);
    assert_int_equal(threat.ops->action(&f.stage, NULL), 0);
    for (int i = 0; i < B; i++) {
        int row = f.attacked[i], A = f.env.spec.A;
        float logits[16], logp;
        plain_logits(&f, row, logits);
        categorical_logp(1, A, logits, f.vec.available + row * A, &f.action[row], &logp);
        assert_memory_equal(&logp, &f.action_logp[row], sizeof logp);
        assert_true(f.vec.available[row * A + f.action[row]]);
        assert_int_equal(f.channels[row], ATTACK_ACTION);
    }
    teardown(&f);
}

static void test_lowest_value_is_the_least_available_output(void **state)
{
    (void)state;
    struct fixture f;
    struct threat threat;
    open_foraging(&f);
    assert_int_equal(threat_parse(&threat, "lowest-value", NULL), 0);
    assert_int_equal(threat.ops->action(&f.stage, NULL), 0);
    for (int i = 0; i < B; i++) {
        int row = f.attacked[i], A = f.env.spec.A;
        float value[16];
        plain_logits(&f, row, value);
        assert_true(f.vec.available[row * A + f.action[row]]);
        for (int a = 0; a < A; a++)
            assert_true(!f.vec.available[row * A + a] || value[f.action[row]] <= value[a]);
        assert_int_equal(f.channels[row], ATTACK_ACTION);
    }
    teardown(&f);
}

static void open_rendezvous(struct fixture *f)
{
    setup(f, "rendezvous", "mir3-4");
    assert_int_equal(f->env.spec.C, 2);
}

/* Of real numbers tanh(u), with the team's exploration noise where it explores. */
static void test_lowest_value_of_real_numbers_is_the_adversarys_action(void **state)
{
    (void)state;
    enum { DRAWS = 400 };
    struct fixture f;
    struct threat threat;
    open_rendezvous(&f);
    float plain[B][2], first[B][2] = {{0}}, *executed = (float *)f.action;
    int count = 0, differ = 0;
    double sum = 0, square = 0;
    assert_int_equal(threat_parse(&threat, "lowest-value", NULL), 0);
    for (int row = 0; row < ROWS_MAX; row++)
        executed[row * 2] = executed[row * 2 + 1] = 0.25f;
    assert_int_equal(threat.ops->action(&f.stage, NULL), 0);
    for (int row = 0, i = 0; row < ROWS_MAX; row++) {
        if (i < B && row == f.attacked[i]) {
            plain_logits(&f, row, plain[i]);
            for (int c = 0; c < 2; c++) {
                plain[i][c] = tanhf(plain[i][c]);
                assert_true(executed[row * 2 + c] == plain[i][c]);
            }
            assert_int_equal(f.channels[row], ATTACK_ACTION);
            i++;
        } else {
            assert_true(executed[row * 2] == 0.25f && executed[row * 2 + 1] == 0.25f && f.channels[row] == 0);
        }
    }
    f.stage.epsilon = 0.05f;
    for (int draw = 0; draw < DRAWS; draw++) {
        for (int b = 0; b < B; b++)
            f.episode_step[b] = draw;
        assert_int_equal(threat.ops->action(&f.stage, NULL), 0);
        for (int i = 0; i < B; i++)
            for (int c = 0; c < 2; c++) {
                float a = executed[f.attacked[i] * 2 + c], noise = a - plain[i][c];
                assert_true(a >= -1 && a <= 1);
                first[i][c] = draw ? first[i][c] : noise;
                differ += draw && noise != first[i][c];
                if (fabsf(plain[i][c]) > 0.75f)
                    continue; /* the ends cut it off */
                sum += (double)noise, square += (double)noise * (double)noise, count++;
            }
    }
    if (count < 1000 || differ < DRAWS)
        fail_msg("%d numbers are compared, %d of them move", count, differ);
    if (fabs(sum / count) > 0.005 || fabs(sqrt(square / count) / 0.05 - 1) > 0.05)
        fail_msg("noise has the mean %g and the deviation %g, expected 0 and 0.05", sum / count, sqrt(square / count));
    teardown(&f);
}

/* A policy to be sampled is no net of ROM-Q's, nor the other way round. */
static void test_adversaries_of_real_numbers_of_another_kind_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct threat lowest, learned;
    struct err err = {""};
    open_rendezvous(&f);
    assert_int_equal(threat_parse(&lowest, "lowest-value", NULL), 0);
    assert_int_equal(threat_parse(&learned, "learned", NULL), 0);
    assert_int_equal(learned.ops->action(&f.stage, &err), ERR_MISMATCH);
    assert_non_null(strstr(err.text, "learned samples a policy, and the adversary net of agent 0 has no deviations"));
    struct weights *weights = new_weights(2);
    struct net_arch policy = mlp(f.env.spec.O, f.env.spec.A);
    policy.log_std = 1;
    add_random_net(weights, "adversary", &policy, 1);
    assert_int_equal(nets_update(&f.nets, weights, NULL), 0);
    assert_int_equal(learned.ops->action(&f.stage, NULL), 0);
    assert_int_equal(lowest.ops->action(&f.stage, &err), ERR_MISMATCH);
    assert_non_null(strstr(err.text, "lowest-value plays ROM-Q's adversary, and the net of agent 0 is a policy to be sampled"));
    weights_unref(&weights);
    teardown(&f);
}

static void test_attacks_that_lack_a_net_say_so(void **state)
{
    (void)state;
    static const char *const threats[] = {"learned", "lowest-value", "pgd:0.1"};
    for (size_t i = 0; i < ARRAY_LEN(threats); i++) {
        struct fixture f;
        struct threat threat;
        struct err err = {""};
        open_foraging(&f);
        struct weights *bare = new_weights(2);
        struct net_arch defender = mlp(f.env.spec.O + K, f.env.spec.A), wrong = mlp(f.env.spec.O + 1, f.env.spec.A);
        add_random_net(bare, "defender", &defender, 1);
        assert_int_equal(nets_update(&f.nets, bare, NULL), 0);
        f.stage.defender = nets_find(&f.nets, "defender");
        assert_int_equal(threat_parse(&threat, threats[i], NULL), 0);
        int (*hook)(struct stage *, struct err *) = threat.ops->observation ? threat.ops->observation : threat.ops->action;
        assert_int_equal(hook(&f.stage, &err), ERR_MISMATCH);
        assert_non_null(strstr(err.text, "no adversary net"));
        add_random_net(bare, "adversary", &wrong, 1);
        assert_int_equal(nets_update(&f.nets, bare, NULL), 0);
        assert_int_equal(hook(&f.stage, &err), ERR_MISMATCH);
        assert_non_null(strstr(err.text, "adversary net of victim 0 maps"));
        weights_unref(&bare);
        teardown(&f);
    }
}

/* ---- disturbances ---- */

static void test_noise_has_the_deviation_asked_for_and_leaves_the_rest(void **state)
{
    (void)state;
    struct fixture f;
    struct threat threat;
    open_foraging(&f);
    enum { DRAWS = 400 };
    int O = f.env.spec.O, I = O + K, count = 0;
    size_t bytes = sizeof(float) * (size_t)(B * 4 * I);
    float *before = malloc(bytes), first[B];
    double sum = 0, square = 0;
    memcpy(before, f.input, bytes);
    assert_int_equal(threat_parse(&threat, "noise:0.3", NULL), 0);
    f.stage.strength = threat.strength;
    for (int draw = 0; draw < DRAWS; draw++) {
        memcpy(f.input, before, bytes);
        for (int b = 0; b < B; b++)
            f.episode_step[b] = draw;
        assert_int_equal(threat.ops->observation(&f.stage, NULL), 0);
        for (int i = 0; i < B; i++) {
            const float *x = f.input + f.attacked[i] * I, *clean = before + f.attacked[i] * I;
            for (int o = 0; o < O; o++, count++) {
                sum += (double)(x[o] - clean[o]);
                square += (double)(x[o] - clean[o]) * (double)(x[o] - clean[o]);
            }
            assert_memory_equal(x + O, clean + O, sizeof(float) * K); /* knowledge stays */
            assert_true(draw == 0 || x[0] - clean[0] != first[i]);    /* every step anew */
            first[i] = x[0] - clean[0];
            assert_int_equal(f.channels[f.attacked[i]], ATTACK_OBSERVATION);
        }
    }
    for (int row = 0, i = 0; row < B * 4; row++) {
        if (i < B && f.attacked[i] == row)
            i++;
        else
            assert_memory_equal(f.input + row * I, before + row * I, sizeof(float) * (size_t)I);
    }
    double mean = sum / count, deviation = sqrt(square / count);
    if (!(fabs(mean) < 5 * 0.3 / sqrt(count) && fabs(deviation - 0.3) < 0.005))
        fail_msg("mean %.4f, deviation %.4f of %d numbers", mean, deviation, count);
    free(before);
    teardown(&f);
}

static void test_repeat_does_again_what_is_still_available(void **state)
{
    (void)state;
    struct fixture f;
    struct threat threat;
    open_foraging(&f);
    enum { DRAWS = 3000 };
    int A = f.env.spec.A, repeated = 0, tried = 0;
    int32_t previous[ROWS_MAX];
    assert_int_equal(threat_parse(&threat, "repeat:0.3", NULL), 0);
    f.stage.strength = threat.strength;
    f.stage.previous = previous;
    for (int row = 0; row < B * 4; row++) { /* decided: the first action; before: the last one that is available */
        f.action[row] = 0;
        for (int a = 0; a < A; a++)
            if (f.vec.available[row * A + a])
                previous[row] = a;
        assert_true(previous[row] > 0);
    }
    int closed = f.attacked[2], other = f.attacked[2] + 1;
    for (int a = 0; a < A; a++) /* this one's is not any more */
        if (!f.vec.available[closed * A + a])
            previous[closed] = a;
    assert_false(f.vec.available[closed * A + previous[closed]]);
    for (int draw = 0; draw < DRAWS; draw++) {
        memset(f.action, 0, sizeof f.action);
        for (int b = 0; b < B; b++)
            f.episode_step[b] = draw; /* draw 0: an episode's first step */
        assert_int_equal(threat.ops->action(&f.stage, NULL), 0);
        for (int i = 0; i < B; i++) {
            int row = f.attacked[i];
            assert_true(f.action[row] == 0 || f.action[row] == previous[row]);
            repeated += f.action[row] != 0;
            tried += draw > 0 && row != closed;
        }
        assert_int_equal(f.action[closed], 0);
        assert_int_equal(f.action[other], 0); /* not attacked */
        assert_true(draw > 0 || repeated == 0);
    }
    double share = (double)repeated / tried;
    if (fabs(share - 0.3) > 5 * sqrt(0.21 / tried))
        fail_msg("repeated %.4f of %d, expected 0.3", share, tried);
    teardown(&f);
}

/* ---- PGD ---- */

/* One row by the book: gradients from a tape, one row at a time. */
static void plain_pgd(struct fixture *f, int row, float eps, float *x)
{
    int O = f->env.spec.O, A = f->env.spec.A, I = O + K;
    const float *clean = f->vec.observation + row * O;
    const uint8_t *available = f->vec.available + row * A;
    float target[16], d[16];
    struct tape *tape;
    assert_int_equal(tape_create(&tape, 1 << 20, 64), 0);
    plain_logits(f, row, target);
    memcpy(x, f->input + row * I, (size_t)I * sizeof *x);
    for (int step = 0; step < 5; step++) {
        tape_begin(tape);
        struct node *input = tape_input(tape, 1, I, x, true);
        struct node *logits = net_forward(tape, f->stage.defender, NULL, input, 1, 1, NULL, NULL, NULL);
        for (int a = 0; a < A; a++)
            d[a] = available[a] ? logits->value[a] - target[a] : 0;
        tape_seed_gradient(tape, logits, d);
        tape_backward(tape);
        for (int o = 0; o < O; o++) {
            float g = input->gradient[o], moved = x[o] - eps * (1.0f / 3) * (float)((g > 0) - (g < 0));
            x[o] = fminf(fmaxf(moved, clean[o] - eps), clean[o] + eps);
        }
    }
    tape_destroy(&tape);
}

static double distance(struct fixture *f, int row, const float *x)
{
    int A = f->env.spec.A;
    float target[16], logits[16];
    double sum = 0;
    plain_logits(f, row, target);
    net_act(f->stage.defender, 1, x, NULL, logits, &f->scratch);
    for (int a = 0; a < A; a++)
        if (f->vec.available[row * A + a])
            sum += ((double)logits[a] - (double)target[a]) * ((double)logits[a] - (double)target[a]);
    return sum;
}

static void test_pgd_is_five_projected_steps_towards_the_adversary(void **state)
{
    (void)state;
    static const float strengths[] = {0.2f, 0.5f, 1.0f};
    for (size_t s = 0; s < ARRAY_LEN(strengths); s++) {
        struct fixture f;
        struct threat threat;
        open_foraging(&f);
        int O = f.env.spec.O, I = O + K;
        float expected[B][256], before[256];
        double near = 0, far = 0;
        float *untouched = malloc(sizeof(float) * (size_t)(B * 4 * I));
        memcpy(untouched, f.input, sizeof(float) * (size_t)(B * 4 * I));
        f.stage.strength = strengths[s];
        for (int i = 0; i < B; i++)
            plain_pgd(&f, f.attacked[i], strengths[s], expected[i]);
        assert_int_equal(threat_parse(&threat, "pgd:0.5", NULL), 0);
        assert_int_equal(threat.ops->observation(&f.stage, NULL), 0);
        for (int row = 0, i = 0; row < B * 4; row++) {
            const float *x = f.input + row * I, *old = untouched + row * I;
            if (i == B || f.attacked[i] != row) {
                assert_memory_equal(x, old, sizeof(float) * (size_t)I);
                assert_int_equal(f.channels[row], 0);
                continue;
            }
            assert_memory_equal(x, expected[i], sizeof(float) * (size_t)I); /* a row's bits do not depend on the batch */
            assert_memory_equal(x + O, old + O, sizeof(float) * K);         /* knowledge stays */
            assert_int_equal(f.channels[row], ATTACK_OBSERVATION);
            for (int o = 0; o < O; o++)
                assert_true(fabsf(x[o] - old[o]) <= strengths[s] * 1.000001f + 1e-6f);
            memcpy(before, old, sizeof(float) * (size_t)I);
            far += distance(&f, row, before);
            near += distance(&f, row, x);
            i++;
        }
        if (!(near < 0.8 * far))
            fail_msg("eps %g: squared distance of logits %g, clean %g", (double)strengths[s], near, far);
        free(untouched);
        teardown(&f);
    }
}

static void test_pgd_of_radius_zero_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct threat threat;
    open_foraging(&f);
    size_t bytes = sizeof(float) * (size_t)(B * 4 * (f.env.spec.O + K));
    float *untouched = malloc(bytes);
    memcpy(untouched, f.input, bytes);
    f.stage.strength = 0;
    assert_int_equal(threat_parse(&threat, "pgd:0", NULL), 0);
    assert_int_equal(threat.ops->observation(&f.stage, NULL), 0);
    assert_memory_equal(f.input, untouched, bytes);
    free(untouched);
    teardown(&f);
}

static void test_pgd_refuses_a_scripted_team(void **state)
{
    (void)state;
    struct fixture f;
    struct threat threat;
    struct err err = {""};
    open_foraging(&f);
    f.stage.defender = NULL;
    assert_int_equal(threat_parse(&threat, "pgd:0.5", NULL), 0);
    assert_int_equal(threat.ops->observation(&f.stage, &err), ERR_MISMATCH);
    assert_non_null(strstr(err.text, "script"));
    teardown(&f);
}

static void test_attacks_allocate_nothing(void **state)
{
    (void)state;
    static const char *const threats[] = {"learned", "pgd:0.1", "greedy", "random", "noise:0.3", "repeat:0.3"};
    struct fixture f;
    static const int32_t previous[ROWS_MAX];
    open_foraging(&f);
    f.stage.previous = previous;
    count_allocations();
    for (size_t i = 0; i < ARRAY_LEN(threats); i++) {
        struct threat threat;
        assert_int_equal(threat_parse(&threat, threats[i], NULL), 0);
        int (*hook)(struct stage *, struct err *) = threat.ops->observation ? threat.ops->observation : threat.ops->action;
        long before = allocations;
        assert_int_equal(hook(&f.stage, NULL), 0);
        assert_int_equal(allocations, before);
    }
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threats_are_read_or_refused),
        cmocka_unit_test(test_all_is_said_at_the_end_of_a_threat),
        cmocka_unit_test(test_every_attack_has_a_hook_and_says_what_it_touches),
        cmocka_unit_test(test_random_is_uniform_over_available_actions),
        cmocka_unit_test(test_greedy_answers_the_partners_most_likely_action),
        cmocka_unit_test(test_greedy_leaves_the_environment_alone),
        cmocka_unit_test(test_adversaries_read_the_clean_observation_each_through_its_net),
        cmocka_unit_test(test_learned_samples_the_adversary),
        cmocka_unit_test(test_lowest_value_is_the_least_available_output),
        cmocka_unit_test(test_lowest_value_of_real_numbers_is_the_adversarys_action),
        cmocka_unit_test(test_adversaries_of_real_numbers_of_another_kind_are_refused),
        cmocka_unit_test(test_attacks_that_lack_a_net_say_so),
        cmocka_unit_test(test_noise_has_the_deviation_asked_for_and_leaves_the_rest),
        cmocka_unit_test(test_repeat_does_again_what_is_still_available),
        cmocka_unit_test(test_pgd_is_five_projected_steps_towards_the_adversary),
        cmocka_unit_test(test_pgd_of_radius_zero_changes_nothing),
        cmocka_unit_test(test_pgd_refuses_a_scripted_team),
        cmocka_unit_test(test_attacks_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
