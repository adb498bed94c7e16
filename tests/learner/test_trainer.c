/* The trainer: a run continued from a checkpoint is the run; threads and kernels of a machine change nothing; what does not fit is
 * refused and changes nothing. */
#include <math.h>

#include "learner/regularisers/value_adversary.h"
#include "learner/replay.h"
#include "tests/learner/local_learner.h"

static const char *const *eir(void)
{
    static const char *const arguments[] = {SMALL_EIR, NULL};
    return arguments;
}

#define SMALL_QMIX                                                                                                       \
    "env.name=foraging", "env.scenario=8x8-2p-1f", "learner.algorithm=qmix", "act.behaviour=epsilon", "act.recurrent=8", \
        "act.last_action=true", "q.hidden=8", "q.batch=8", "q.target_every=4", "rollout.lanes=6", "rollout.steps=40",    \
        "replay.episodes=30"

/* Gives the lanes of `to` the state that `file` keeps for them, as orders of a resumed run do. */
static void hand_over_lanes(struct local_run *to, const struct safetensors *file)
{
    const struct tensor *lanes = safetensors_find(file, "lanes");
    size_t bytes = (size_t)lanes->shape[1];
    for (int l = 0; l < to->lanes; l++) {
        to->group->order[l].snapshot = (const unsigned char *)lanes->data + (size_t)l * bytes;
        to->group->order[l].snapshot_bytes = (uint32_t)bytes;
    }
}

static void check_continued(const char *const *arguments)
{
    struct local_run straight, resumed;
    open_run(&straight, arguments, NULL);
    open_run(&resumed, arguments, NULL);
    train(&straight, 3);
    struct safetensors *file = saved(&straight);
    assert_int_equal(trainer_load(resumed.trainer, file, NULL), 0);
    assert_same_hash(state_hash(&resumed), state_hash(&straight));
    assert_int_equal(trainer_updates(resumed.trainer), 3);
    hand_over_lanes(&resumed, file);
    roll_out(&resumed);
    learn(&resumed);
    for (int l = 0; l < resumed.lanes; l++)
        resumed.group->order[l].snapshot_bytes = 0;
    train(&resumed, 3);
    train(&straight, 4);
    assert_same_hash(state_hash(&resumed), state_hash(&straight));
    safetensors_destroy(&file);
    close_run(&straight);
    close_run(&resumed);
}

static void test_save_load_continue_is_straight_through(void **state)
{
    (void)state;
    check_continued(eir());
    check_continued(ARGUMENTS("env.name=matrix", "rollout.lanes=4", "rollout.steps=20", "mi.lambda=0.1", "mi.hidden=8",
                              "mi.ring=200", SMALL_NETS)); /* a ring of more steps than one update brings */
    check_continued(ARGUMENTS(SMALL_QMIX));
    check_continued(ARGUMENTS(SMALL_QMIX, "learner.algorithm=qplex"));
}

/* Off-policy teams with the information penalty, of choices with masks and deaths, and of real numbers. */
#define SMALL_COMBAT \
    "env.name=smac", "env.scenario=3m", "env.horizon=20", "env.time_limit=truncate", "rollout.lanes=4", "rollout.steps=20"
#define COMBAT_QMIX                                                                                                           \
    SMALL_COMBAT, "learner.algorithm=qmix", "act.behaviour=epsilon", "act.recurrent=8", "act.last_action=true", "q.hidden=8", \
        "q.batch=4", "qmix.embed=4", "qmix.hypernet=8", "mi.hidden=8", "mi.ring=100", "replay.episodes=8"
#define SMALL_MADDPG                                                                                                          \
    SMALL_COMBAT, "learner.algorithm=maddpg", "act.behaviour=gumbel", "act.recurrent=8", "maddpg.hidden=8", "maddpg.batch=4", \
        "mi.hidden=8", "mi.ring=100", "replay.episodes=8"
#define SMALL_MADDPG_BOX                                                                                                     \
    "env.name=rendezvous", "env.scenario=mir3-4", "env.horizon=20", "rollout.lanes=4", "rollout.steps=20",                   \
        "learner.algorithm=maddpg", "act.behaviour=tanh", "maddpg.hidden=8", "maddpg.batch=4", "mi.hidden=8", "mi.ring=100", \
        "replay.episodes=8"

static void test_information_on_replay_goes_on_after_a_restart(void **state)
{
    (void)state;
    check_continued(ARGUMENTS(COMBAT_QMIX, "mi.lambda=0.1"));
    check_continued(ARGUMENTS(COMBAT_QMIX, "mi.lambda=0.1", "mi.x=hidden"));
    check_continued(ARGUMENTS(SMALL_MADDPG, "mi.lambda=0.1", "mi.x=observation"));
    check_continued(ARGUMENTS(SMALL_MADDPG_BOX, "mi.lambda=0.1"));
}

#define SMALL_SMOOTHNESS "smoothness.weight=0.5", "smoothness.noise=0.05"
#define SMALL_ROMQ "romq.hidden=8", "partition.kind=k-of-n", "partition.probability=0.5", "attack.threat=lowest-value"

static void test_rivals_go_on_after_a_restart(void **state)
{
    (void)state;
    check_continued(ARGUMENTS(COMBAT_QMIX, SMALL_SMOOTHNESS));
    check_continued(ARGUMENTS(COMBAT_QMIX, SMALL_ROMQ));
    check_continued(ARGUMENTS(SMALL_MADDPG, SMALL_SMOOTHNESS, SMALL_ROMQ));
    check_continued(ARGUMENTS(SMALL_MADDPG_BOX, SMALL_ROMQ));
    check_continued(ARGUMENTS(SMALL_MADDPG_BOX, "m3ddpg.epsilon=0.1"));
    check_continued(ARGUMENTS(SMALL_MADDPG, "romax.share=0.2"));
}

/* ROM-Q's adversary plays in the share of episodes that the recipe says, and the team meets what it executed. */
static void check_adversary_plays(const char *const *arguments)
{
    struct local_run run;
    open_run(&run, arguments, NULL);
    const int N = rollout_spec(run.rollout)->N, C = rollout_spec(run.rollout)->C, T = 20;
    int attacked = 0, others = 0, rows = 0;
    for (int u = 0; u < 30; u++) {
        train(&run, 1);
        for (int l = 0; l < run.lanes; l++) {
            const struct trajectory *t = &run.group->t[l];
            for (int i = 0; i < T * N; i++, rows++) {
                bool is_adversary = COLUMN(run.rollout, t, uint8_t, slot)[i];
                const int32_t *executed = COLUMN(run.rollout, t, int32_t, action), *own = COLUMN(run.rollout, t, int32_t, intended);
                bool is_own = !memcmp(executed + i * C, own + i * C, (size_t)C * sizeof *own);
                attacked += is_adversary;
                others += is_adversary && !is_own;
                assert_true(is_adversary || is_own);
            }
        }
    }
    if (fabs((double)attacked / rows - 0.5 / N) > 0.05)
        fail_msg("%d of %d rows are an adversary's, expected about %g of them", attacked, rows, 0.5 / N);
    if (others < attacked / 2)
        fail_msg("in %d of its %d rows the adversary did what the agent had in mind", attacked - others, attacked);
    assert_true(reported(&run, "adversary/loss") > 0 && reported(&run, "skipped") == 0);
    close_run(&run);
}

static void test_romq_has_its_adversary_in_training(void **state)
{
    (void)state;
    check_adversary_plays(ARGUMENTS(COMBAT_QMIX, SMALL_ROMQ));
    check_adversary_plays(ARGUMENTS(SMALL_MADDPG_BOX, SMALL_ROMQ));
}

static void assert_same_nets(const struct local_run *a, const struct local_run *b, const char *const *ids)
{
    struct safetensors *one = saved(a), *two = saved(b);
    int compared = 0;
    for (; *ids; ids++)
        for (int i = 0; i < safetensors_count(one); i++) {
            const struct tensor *x = safetensors_at(one, i), *y;
            if (strncmp(x->name, *ids, strlen(*ids)))
                continue;
            assert_non_null(y = safetensors_find(two, x->name));
            assert_int_equal(x->bytes, y->bytes);
            assert_memory_equal(x->data, y->data, x->bytes);
            compared++;
        }
    assert_true(compared > 0);
    safetensors_destroy(&one);
    safetensors_destroy(&two);
}

/* A share of 0 episodes: the adversary learns and never plays, and what the team learns is the backbone's bit for bit. */
static void check_share_0(const char *const *with, const char *const *without)
{
    static const char *const team[] = {"nets/defender/", "nets/critic/", "adam/defender/", "lanes", "replay/", NULL};
    struct local_run a, b;
    open_run(&a, with, NULL);
    open_run(&b, without, NULL);
    train(&a, 6);
    train(&b, 6);
    assert_same_nets(&a, &b, team);
    close_run(&a);
    close_run(&b);
}

static void test_romq_of_share_0_is_its_backbone_bit_for_bit(void **state)
{
    (void)state;
    check_share_0(ARGUMENTS(COMBAT_QMIX, SMALL_ROMQ, "partition.probability=0"), ARGUMENTS(COMBAT_QMIX));
    check_share_0(ARGUMENTS(SMALL_MADDPG, SMALL_ROMQ, "partition.probability=0"), ARGUMENTS(SMALL_MADDPG));
    check_share_0(ARGUMENTS(SMALL_MADDPG_BOX, SMALL_ROMQ, "partition.probability=0"), ARGUMENTS(SMALL_MADDPG_BOX));
}

static void test_rivals_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct recipe *recipe = must_recipe(ARGUMENTS("romq.hidden=8"));
    const struct batch_shape shape = {.O = 5, .A = 6, .head = {.kind = ACTION_MULTI_DISCRETE, .C = 2, .A = 6, .choices = {4, 2}}};
    const struct spec spec = {.env = "talking"};
    struct value_adversary adversary;
    struct models models = {0};
    struct err err = {""};
    assert_int_equal(value_adversary_init(&adversary, &(struct algorithm_context){.recipe = recipe, .spec = &spec, .shape = &shape},
                                          &models, 0.9, true, &err),
                     ERR_INVALID);
    assert_non_null(strstr(err.text, "romq.hidden: ROM-Q's adversary needs one choice or real numbers, and talking has others"));
    recipe_destroy(&recipe);
}

static void check_threads(const char *const *one, const char *const *two)
{
    struct local_run a, b;
    open_run(&a, one, NULL);
    open_run(&b, two, NULL);
    train(&a, 4);
    train(&b, 4);
    assert_same_hash(state_hash(&a), state_hash(&b));
    for (int i = 0; i < a.report.count; i++)
        assert_memory_equal(&a.report.entries[i].value, &b.report.entries[i].value, sizeof(double));
    close_run(&a);
    close_run(&b);
}

#define SMALL_MI "env.name=matrix", "rollout.lanes=4", "rollout.steps=20", "mi.lambda=0.1", "mi.hidden=8", SMALL_NETS
#define SMALL_MI_BOX                                                                                                     \
    "env.name=rendezvous", "env.scenario=mir3-4", "rollout.lanes=4", "rollout.steps=20", "mi.lambda=0.1", "mi.hidden=8", \
        "mi.estimator=l1out", "mi.others=16", SMALL_NETS

static void test_threads_do_not_change_results(void **state)
{
    (void)state;
    check_threads(ARGUMENTS(SMALL_EIR, "learner.threads=1"), ARGUMENTS(SMALL_EIR, "learner.threads=2"));
    check_threads(ARGUMENTS(SMALL_EIR, "run.mode=async", "eir.own_normalisation=true", "learner.threads=1"),
                  ARGUMENTS(SMALL_EIR, "run.mode=async", "eir.own_normalisation=true", "learner.threads=5"));
    check_threads(ARGUMENTS(SMALL_MI, "learner.threads=1"), ARGUMENTS(SMALL_MI, "learner.threads=2"));
    check_threads(ARGUMENTS(SMALL_MI_BOX, "learner.threads=1"), ARGUMENTS(SMALL_MI_BOX, "learner.threads=2"));
    check_threads(ARGUMENTS(SMALL_QMIX, "learner.threads=1"), ARGUMENTS(SMALL_QMIX, "learner.threads=2"));
    check_threads(ARGUMENTS(SMALL_QMIX, "learner.threads=1"), ARGUMENTS(SMALL_QMIX, "learner.threads=5"));
    check_threads(ARGUMENTS(SMALL_QMIX, "learner.algorithm=qplex", "learner.threads=1"),
                  ARGUMENTS(SMALL_QMIX, "learner.algorithm=qplex", "learner.threads=5"));
    check_threads(ARGUMENTS(COMBAT_QMIX, "mi.lambda=0.1", "mi.x=hidden", "learner.threads=1"),
                  ARGUMENTS(COMBAT_QMIX, "mi.lambda=0.1", "mi.x=hidden", "learner.threads=3"));
    check_threads(ARGUMENTS(SMALL_MADDPG_BOX, "mi.lambda=0.1", "learner.threads=1"),
                  ARGUMENTS(SMALL_MADDPG_BOX, "mi.lambda=0.1", "learner.threads=3"));
    check_threads(ARGUMENTS(COMBAT_QMIX, SMALL_SMOOTHNESS, SMALL_ROMQ, "learner.threads=1"),
                  ARGUMENTS(COMBAT_QMIX, SMALL_SMOOTHNESS, SMALL_ROMQ, "learner.threads=3"));
    check_threads(ARGUMENTS(SMALL_MADDPG, SMALL_SMOOTHNESS, "m3ddpg.epsilon=0.1", "learner.threads=1"),
                  ARGUMENTS(SMALL_MADDPG, SMALL_SMOOTHNESS, "m3ddpg.epsilon=0.1", "learner.threads=3"));
    check_threads(ARGUMENTS(SMALL_MADDPG_BOX, SMALL_ROMQ, "romax.share=0.2", "learner.threads=1"),
                  ARGUMENTS(SMALL_MADDPG_BOX, SMALL_ROMQ, "romax.share=0.2", "learner.threads=3"));
}

/* The critic's rows have T+1 places a lane, the belief's blocks are whole chunks: none of it may outgrow what was sized for
 * learner.block_rows. */
static void test_blocks_of_any_size_fit(void **state)
{
    (void)state;
    static const char *const shapes[][4] = {{"rollout.steps=800", "rollout.chunk=800", "learner.block_rows=16", "belief.hidden=64"},
                                            {"rollout.steps=6", "rollout.chunk=1", "learner.block_rows=16", "belief.hidden=8"},
                                            {"rollout.steps=40", "rollout.chunk=20", "learner.block_rows=4096", "belief.hidden=8"}};
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct local_run run;
        open_run(&run, ARGUMENTS(SMALL_EIR, shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]), NULL);
        train(&run, 2);
        assert_true(isfinite(reported(&run, "belief/loss")) && reported(&run, "skipped") == 0);
        close_run(&run);
    }
    struct local_run wide; /* the information estimator has blocks of 64 rows */
    open_run(&wide,
             ARGUMENTS("env.name=foraging", "env.scenario=8x8-4p-2f-c", "rollout.lanes=4", "rollout.steps=40", SMALL_NETS,
                       "mi.lambda=0.1", "mi.hidden=512", "learner.block_rows=16"),
             NULL);
    train(&wide, 2);
    assert_true(reported(&wide, "mi/nll") > 0);
    close_run(&wide);
}

static void test_two_timescales_and_warm_start(void **state)
{
    (void)state;
    struct local_run run;
    open_run(&run, ARGUMENTS(SMALL_EIR, "eir.interval=3", "eir.warm_start=0.5", "run.steps=1200"), NULL); /* 10 updates */
    assert_int_equal(trainer_total(run.trainer), 10);
    for (int u = 0; u < 6; u++) {
        struct safetensors *before = saved(&run);
        train(&run, 1);
        struct safetensors *after = saved(&run);
        bool team_learned = !hash_equal(safetensors_hash(before, "nets/defender"), safetensors_hash(after, "nets/defender"));
        bool critic_learned = !hash_equal(safetensors_hash(before, "nets/critic"), safetensors_hash(after, "nets/critic"));
        bool belief_learned = !hash_equal(safetensors_hash(before, "nets/belief"), safetensors_hash(after, "nets/belief"));
        bool adversary_learned = !hash_equal(safetensors_hash(before, "nets/adversary"), safetensors_hash(after, "nets/adversary"));
        assert_int_equal(team_learned, u % 3 == 2);
        assert_int_equal(critic_learned, u % 3 == 2);
        assert_int_equal(belief_learned, u % 3 == 2);
        int attacked = 0; /* nobody, while the team warms up: but episodes that began earlier keep their partition */
        for (int l = 0; l < run.lanes; l++)
            for (int i = 0; i < 20 * 4; i++)
                attacked += COLUMN(run.rollout, &run.group->t[l], uint8_t, slot)[i];
        assert_int_equal(attacked > 0, u >= 5);
        assert_int_equal(adversary_learned, u >= 5);
        safetensors_destroy(&before);
        safetensors_destroy(&after);
    }
    close_run(&run);
}

/* Copies a checkpoint but for one tensor, which is left out (replacement NULL) or gets other sizes. */
static struct safetensors *copy_but(const struct safetensors *file, const char *name, const int64_t *shape, const void *data)
{
    struct safetensors *copy;
    assert_int_equal(safetensors_create(&copy), 0);
    for (int i = 0; i < safetensors_count(file); i++) {
        const struct tensor *t = safetensors_at(file, i);
        bool is_it = !strcmp(t->name, name);
        if (is_it && !data)
            continue;
        assert_int_equal(safetensors_add(copy, t->name, t->type, t->n_dims, is_it ? shape : t->shape, is_it ? data : t->data, NULL),
                         0);
    }
    return copy;
}

static void test_checkpoints_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"nets/defender/trunk.0.weight",
                                        "nets/belief/gru.weight_h",
                                        "adam/critic/v",
                                        "adam/adversary/step",
                                        "norms/value",
                                        "progress",
                                        "lanes"};
    struct local_run from, to;
    open_run(&from, eir(), NULL);
    open_run(&to, eir(), NULL);
    train(&from, 2);
    train(&to, 1);
    struct safetensors *good = saved(&from);
    struct hash before = state_hash(&to);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct err err = {""};
        struct safetensors *bad = copy_but(good, names[i], NULL, NULL);
        assert_int_equal(trainer_load(to.trainer, bad, &err), ERR_MISMATCH);
        if (!strstr(err.text, names[i]))
            fail_msg("\"%s\" does not name %s", err.text, names[i]);
        assert_same_hash(state_hash(&to), before);
        assert_int_equal(trainer_updates(to.trainer), 1);
        safetensors_destroy(&bad);
    }
    const int64_t shape[2] = {3, 5}, two = 2, negative[2] = {-1, 10};
    const double numbers[15] = {0};
    struct err err = {""};
    struct safetensors *bad = copy_but(good, "nets/critic/head.weight", shape, numbers);
    assert_int_equal(trainer_load(to.trainer, bad, &err), ERR_MISMATCH);
    assert_non_null(strstr(err.text, "3x5, the recipe says 12x1"));
    safetensors_destroy(&bad);
    bad = copy_but(good, "progress", &two, negative);
    assert_int_equal(trainer_load(to.trainer, bad, &err), ERR_MISMATCH);
    safetensors_destroy(&bad);
    assert_same_hash(state_hash(&to), before);
    assert_int_equal(trainer_load(to.trainer, good, &err), 0);
    assert_same_hash(state_hash(&to), state_hash(&from));
    safetensors_destroy(&good);
    close_run(&from);
    close_run(&to);
}

static void test_published_weights_are_the_models(void **state)
{
    (void)state;
    struct local_run run;
    struct weights *weights;
    open_run(&run, eir(), NULL);
    train(&run, 1);
    assert_int_equal(trainer_weights(run.trainer, (struct weights_version){4, 9}, &weights, NULL), 0);
    struct safetensors *file = saved(&run);
    static const char *const published[] = {"defender", "adversary", "belief"};
    assert_int_equal(weights->manifest.n_nets, 3); /* the critic stays at home */
    assert_int_equal(weights->manifest.version.generation, 4);
    for (size_t i = 0; i < 3; i++) {
        int which = weights_find(weights, published[i]);
        char name[64];
        assert_true(which >= 0);
        snprintf(name, sizeof name, "nets/%s/head.bias", published[i]);
        const struct tensor *bias = safetensors_find(file, name);
        size_t count = weights->manifest.nets[which].bytes / sizeof(float), n = bias->bytes / sizeof(real);
        assert_memory_equal(weights->blobs[which] + count - n, bias->data, bias->bytes); /* the last parameter of the flat array */
    }
    safetensors_destroy(&file);
    weights_unref(&weights);
    close_run(&run);
}

static void test_unknown_algorithms_and_schemas_are_refused(void **state)
{
    (void)state;
    struct local_run run;
    struct err err = {""};
    assert_int_equal(try_local_run(&run, ARGUMENTS("env.name=matrix", "learner.algorithm=mapo"), NULL, &err), ERR_UNKNOWN);
    assert_non_null(strstr(err.text, "did you mean mappo?"));
    struct rollout *rollout = must_rollout(ARGUMENTS("env.name=matrix"));
    struct recipe *recipe = must_recipe(ARGUMENTS("env.name=matrix", "rollout.steps=100"));
    struct trainer *trainer = NULL;
    assert_int_equal(trainer_create(&trainer, recipe, rollout_spec(rollout), rollout_schema(rollout), NULL, &err), ERR_MISMATCH);
    assert_null(trainer);
    recipe_destroy(&recipe);
    rollout_destroy(&rollout);
}

static void test_information_penalty_lowers_rewards_by_what_it_reports(void **state)
{
    (void)state;
    struct local_run run;
    open_run(&run, ARGUMENTS("env.name=matrix", "rollout.lanes=4", "rollout.steps=20", "mi.lambda=0.5", "mi.hidden=8", SMALL_NETS),
             NULL);
    train(&run, 3);
    const struct batch *batch = trainer_batch(run.trainer);
    double difference = 0;
    for (int r = 0; r < batch_rows(batch); r++)
        difference += (double)batch->view[r / 40].reward[r % 40] - (double)batch->reward[r];
    assert_float_equal(difference / batch_rows(batch), 0.5 * reported(&run, "mi/mean"), 1e-5);
    assert_true(reported(&run, "mi/mean") != 0);
    close_run(&run);
}

/* lambda 0 is the backbone bit for bit, and looking at it changes nothing: `same` trains what `plain` does, `other` does not. */
static void check_left_alone(const char *const *plain, const char *const *same, const char *const *other, const char *const *nets)
{
    const char *const *const recipes[] = {plain, same, other};
    struct local_run runs[3];
    struct safetensors *files[3];
    for (int i = 0; i < 3; i++) {
        open_run(&runs[i], recipes[i], NULL);
        train(&runs[i], 4);
        files[i] = saved(&runs[i]);
    }
    for (; *nets; nets++) {
        assert_same_hash(safetensors_hash(files[1], *nets), safetensors_hash(files[0], *nets));
        assert_false(hash_equal(safetensors_hash(files[2], *nets), safetensors_hash(files[0], *nets)));
    }
    assert_true(reported(&runs[1], "mi/mean") != 0 && reported(&runs[1], "mi/share") == 0);
    assert_true(reported(&runs[1], "mi/low") < reported(&runs[1], "mi/mean"));
    assert_true(reported(&runs[1], "mi/high") > reported(&runs[1], "mi/mean"));
    assert_true(reported(&runs[2], "mi/share") > 0);
    for (int i = 0; i < 3; i++) {
        safetensors_destroy(&files[i]);
        close_run(&runs[i]);
    }
}

static void test_measuring_information_leaves_the_backbone_alone(void **state)
{
    (void)state;
#define PLAIN "env.name=matrix", "rollout.lanes=4", "rollout.steps=20", "mi.hidden=8", SMALL_NETS
    check_left_alone(ARGUMENTS(PLAIN), ARGUMENTS(PLAIN, "mi.measure=true"), ARGUMENTS(PLAIN, "mi.lambda=0.1"),
                     ARGUMENTS("nets/defender", "nets/critic", "adam/defender", "adam/critic", "norms/"));
    check_left_alone(ARGUMENTS(COMBAT_QMIX), ARGUMENTS(COMBAT_QMIX, "mi.measure=true"), ARGUMENTS(COMBAT_QMIX, "mi.lambda=0.1"),
                     ARGUMENTS("nets/defender", "nets/mixer/w1", "nets/mixer/v", "adam/defender", "adam/mixer/w2"));
    const char *const actor_critic[] = {
        "nets/defender", "nets/critic", "nets/target/defender", "nets/target/critic", "adam/defender", "adam/critic", NULL};
    check_left_alone(ARGUMENTS(SMALL_MADDPG), ARGUMENTS(SMALL_MADDPG, "mi.measure=true"), ARGUMENTS(SMALL_MADDPG, "mi.lambda=0.1"),
                     actor_critic);
    check_left_alone(ARGUMENTS(SMALL_MADDPG_BOX), ARGUMENTS(SMALL_MADDPG_BOX, "mi.measure=true"),
                     ARGUMENTS(SMALL_MADDPG_BOX, "mi.lambda=0.1"), actor_critic);
}

static void test_information_of_boxes_and_of_each_estimator_reaches_the_rewards(void **state)
{
    (void)state;
    static const char *const estimators[] = {"mi.estimator=club", "mi.estimator=club-sample", "mi.estimator=vub",
                                             "mi.estimator=l1out"};
    static const char *const inputs[] = {"mi.x=state", "mi.x=observation"};
    for (size_t e = 0; e < ARRAY_LEN(estimators); e++)
        for (size_t x = 0; x < ARRAY_LEN(inputs); x++) {
            struct local_run run;
            open_run(&run, ARGUMENTS(SMALL_MI_BOX, estimators[e], inputs[x]), NULL);
            train(&run, 2);
            const struct batch *batch = trainer_batch(run.trainer);
            double difference = 0;
            for (int r = 0; r < batch_rows(batch); r++)
                difference += (double)batch->view[r / 80].reward[r % 80] - (double)batch->reward[r];
            assert_float_equal(difference / batch_rows(batch), 0.1 * reported(&run, "mi/mean"), 1e-5);
            assert_true(reported(&run, "mi/mean") != 0 && reported(&run, "skipped") == 0);
            close_run(&run);
        }
}

/* With one thread: those of the pool may still be starting, and a start allocates. */
static void test_an_update_allocates_nothing(void **state)
{
    (void)state;
    const char *const *const recipes[] = {
        ARGUMENTS(SMALL_EIR, "learner.threads=1"),
        ARGUMENTS(SMALL_EIR, "run.mode=async", "learner.threads=1"),
        ARGUMENTS("env.name=matrix", "env.horizon=7", "env.time_limit=truncate", "rollout.lanes=4", "rollout.steps=20",
                  "mi.lambda=0.1", "mi.hidden=8", SMALL_NETS, "learner.threads=1"),
        ARGUMENTS(SMALL_MI_BOX, "learner.threads=1"),
        ARGUMENTS(SMALL_MI_BOX, "mi.x=observation", "learner.threads=1"),
        ARGUMENTS(COMBAT_QMIX, "mi.lambda=0.1", "mi.x=hidden", "learner.threads=1"),
        ARGUMENTS(SMALL_MADDPG, "mi.lambda=0.1", "learner.threads=1"),
        ARGUMENTS(COMBAT_QMIX, SMALL_SMOOTHNESS, SMALL_ROMQ, "learner.threads=1"),
        ARGUMENTS(SMALL_MADDPG, SMALL_SMOOTHNESS, SMALL_ROMQ, "m3ddpg.epsilon=0.1", "learner.threads=1"),
        ARGUMENTS(SMALL_MADDPG_BOX, SMALL_ROMQ, "romax.share=0.2", "learner.threads=1")};
    count_allocations();
    for (size_t i = 0; i < ARRAY_LEN(recipes); i++) {
        struct local_run run;
        open_run(&run, recipes[i], NULL);
        train(&run, 1);
        roll_out(&run);
        long before = allocations;
        update_unchecked(&run);
        assert_int_equal(allocations, before);
        close_run(&run);
    }
}

/* Taking in episodes, writing them to the run folder as they come, and optimiser steps on replayed ones. */
static void check_replay_allocates_nothing(const char *const *arguments)
{
    struct local_run run;
    struct err err = {""};
    char folder[256], command[300];
    snprintf(folder, sizeof folder, "%s/testudo-trainer-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(folder));
    count_allocations();
    open_run(&run, arguments, NULL);
    assert_int_equal(trainer_keep_replay(run.trainer, folder, &err), 0);
    train(&run, 2);
    for (int u = 0; u < 12; u++) {
        roll_out(&run);
        long before = allocations;
        update_unchecked(&run);
        assert_int_equal(allocations, before);
    }
    assert_true(reported(&run, "q/updates") > 0);
    assert_true(segments_count(replay_segments(trainer_replay(run.trainer))) > 0); /* some were written */
    close_run(&run);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void test_an_update_with_a_replay_allocates_nothing(void **state)
{
    (void)state;
    check_replay_allocates_nothing(ARGUMENTS(SMALL_QMIX, "learner.threads=1"));
    check_replay_allocates_nothing(ARGUMENTS(SMALL_QMIX, "learner.algorithm=qplex", "learner.threads=1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_load_continue_is_straight_through),
        cmocka_unit_test(test_information_on_replay_goes_on_after_a_restart),
        cmocka_unit_test(test_rivals_go_on_after_a_restart),
        cmocka_unit_test(test_romq_has_its_adversary_in_training),
        cmocka_unit_test(test_romq_of_share_0_is_its_backbone_bit_for_bit),
        cmocka_unit_test(test_rivals_that_do_not_fit_are_refused),
        cmocka_unit_test(test_threads_do_not_change_results),
        cmocka_unit_test(test_blocks_of_any_size_fit),
        cmocka_unit_test(test_two_timescales_and_warm_start),
        cmocka_unit_test(test_checkpoints_that_do_not_fit_change_nothing),
        cmocka_unit_test(test_published_weights_are_the_models),
        cmocka_unit_test(test_unknown_algorithms_and_schemas_are_refused),
        cmocka_unit_test(test_information_penalty_lowers_rewards_by_what_it_reports),
        cmocka_unit_test(test_measuring_information_leaves_the_backbone_alone),
        cmocka_unit_test(test_information_of_boxes_and_of_each_estimator_reaches_the_rewards),
        cmocka_unit_test(test_an_update_allocates_nothing),
        cmocka_unit_test(test_an_update_with_a_replay_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
