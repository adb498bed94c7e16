/* The information estimator as a backbone uses it: rows in, fitted on a ring, bounds out. */
#include <math.h>

#include "tests/local.h"

#include "learner/regularisers/mi.h"

enum { BATCH = 4096 };

struct fixture {
    struct mi mi;
    struct models models;
    struct updater updater;
};

static int try_setup(struct fixture *f, const struct action_head *head, int N, const struct mi_widths *widths, int max_steps,
                     const char *const *arguments, struct err *err)
{
    struct recipe *recipe = must_recipe(arguments);
    if (!recipe_value(recipe, "mi.masks", NULL)) /* the tests of masks say so themselves */
        assert_int_equal(recipe_set_argument(recipe, "mi.masks=false", err), 0);
    struct spec spec = {.env = "made", .N = N, .A = head->A};
    struct batch_shape shape = {.L = 1, .T = max_steps, .N = N, .A = head->A, .head = *head};
    struct algorithm_context context = {.recipe = recipe, .spec = &spec, .shape = &shape, .seed = 3};
    memset(f, 0, sizeof *f);
    int r = mi_init(&f->mi, &context, &f->models, widths, max_steps, err);
    recipe_destroy(&recipe);
    if (!r && mi_is_on(&f->mi)) {
        const struct model *net = models_find(&f->models, "mi/action");
        r = updater_init(&f->updater, 2, net->count, updater_tape_bytes(&net->arch, MI_BLOCK), mi_scratch(&f->mi), err);
    }
    if (r)
        models_deinit(&f->models);
    return r;
}

static void setup(struct fixture *f, const struct action_head *head, int N, struct mi_widths widths, int max_steps,
                  const char *const *arguments)
{
    struct err err = {""};
    if (try_setup(f, head, N, &widths, max_steps, arguments, &err))
        fail_msg("%s", err.text);
}

static void teardown(struct fixture *f)
{
    updater_deinit(&f->updater);
    mi_deinit(&f->mi);
    models_deinit(&f->models);
}

static struct action_head box(int C)
{
    return (struct action_head){.kind = ACTION_BOX, .C = C, .A = C};
}

static void close_to(const char *what, double got, double expected, double limit)
{
    if (!(fabs(got - expected) <= limit))
        fail_msg("%s: got %.6f, expected %.6f within %.2g", what, got, expected, limit);
}

/* ---- known distributions, learned q ---- */

enum { SYMBOLS = 5 };
static const double SAME = 0.7;

/* x is a symbol, one-hot; the agent's action is the symbol with probability 0.7. */
static void draw_symbols(struct rng *rng, int n, float *x, int32_t *y)
{
    memset(x, 0, (size_t)n * SYMBOLS * sizeof *x);
    for (int i = 0; i < n; i++) {
        int symbol = (int)rng_below(rng, SYMBOLS), other = (symbol + 1 + (int)rng_below(rng, SYMBOLS - 1)) % SYMBOLS;
        x[i * SYMBOLS + symbol] = 1;
        y[i] = rng_double(rng) < SAME ? symbol : other;
    }
}

static void remember_all(struct mi *mi, int n, const float *x, const int32_t *y)
{
    for (int i = 0; i < n; i++)
        mi_remember(mi, x + (size_t)i * (size_t)(mi->R * mi->X), y + (size_t)i * (size_t)(mi->R * mi->Y), NULL, NULL);
}

/* The estimator's bound within 10 per cent of the analytic one, and the interval around it. */
static void check_live(struct fixture *f, const char *what, const float *x, const int32_t *y, double expected, double nll)
{
    double *out = malloc(BATCH * sizeof *out), got_nll = 0;
    struct mi_estimate e;
    for (uint64_t update = 0; update < 30; update++)
        got_nll = mi_fit(&f->mi, &f->updater, update);
    mi_information(&f->mi, &f->updater, &(struct mi_steps){.n = BATCH, .x = x, .y = y}, 7, out, &e);
    close_to(what, e.mean, expected, 0.1 * expected);
    close_to("negative log-likelihood", got_nll, nll, 0.2 * nll);
    if (!(e.low < e.mean && e.mean < e.high && e.high - e.low < 0.2 * expected))
        fail_msg("%s: %g in [%g, %g]", what, e.mean, e.low, e.high);
    assert_true(e.min <= e.mean && e.mean <= e.max);
    free(out);
}

static void test_symbols_are_measured_live(void **state)
{
    (void)state;
    double information = log(SYMBOLS) + SAME * log(SAME) + (1 - SAME) * log((1 - SAME) / (SYMBOLS - 1));
    double club = (SAME - 1.0 / SYMBOLS) * (log(SAME) - log((1 - SAME) / (SYMBOLS - 1)));
    const struct {
        const char *estimator;
        double expected;
    } cases[] = {{"mi.estimator=club", club},
                 {"mi.estimator=club-sample", club},
                 {"mi.estimator=vub", information},
                 {"mi.estimator=l1out", information}};
    struct action_head head = action_head_discrete(SYMBOLS);
    float *x = malloc(BATCH * SYMBOLS * sizeof *x);
    int32_t *y = malloc(BATCH * sizeof *y);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
        setup(&f, &head, 1, (struct mi_widths){.state = SYMBOLS}, BATCH,
              ARGUMENTS("mi.lambda=1", "mi.hidden=16", "mi.fit_steps=50", "mi.lr=2e-3", "mi.ring=20000", cases[i].estimator));
        for (int k = 0; k < 5; k++) {
            draw_symbols(&rng, BATCH, x, y);
            remember_all(&f.mi, BATCH, x, y);
        }
        draw_symbols(&rng, BATCH, x, y); /* rows that it never saw */
        check_live(&f, cases[i].estimator, x, y, cases[i].expected, log(SYMBOLS) - information);
        teardown(&f);
    }
    free(x), free(y);
}

/* y_d = rho x_d + sqrt(1 - rho^2) e_d */
static void draw_pairs(struct rng *rng, int n, int dims, double rho, float *x, int32_t *y)
{
    for (int i = 0; i < n * dims; i++) {
        float number;
        x[i] = (float)rng_normal(rng);
        number = (float)(rho * (double)x[i] + sqrt(1 - rho * rho) * rng_normal(rng));
        memcpy(&y[i], &number, sizeof number);
    }
}

static void test_pairs_of_a_box_are_measured_live(void **state)
{
    (void)state;
    enum { DIMS = 2 };
    const double rho = 0.7, square = rho * rho, information = -0.5 * DIMS * log(1 - square), club = DIMS * square / (1 - square);
    const struct {
        const char *estimator;
        double expected;
    } cases[] = {{"mi.estimator=club", club},
                 {"mi.estimator=club-sample", club},
                 {"mi.estimator=vub", information},
                 {"mi.estimator=l1out", information}};
    struct action_head head = box(DIMS);
    float *x = malloc(BATCH * DIMS * sizeof *x);
    int32_t *y = malloc(BATCH * DIMS * sizeof *y);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        struct rng rng = rng_stream(2, RNG_TEST, 0, 0, 0);
        setup(&f, &head, 1, (struct mi_widths){.state = DIMS}, BATCH,
              ARGUMENTS("mi.lambda=1", "mi.hidden=32", "mi.fit_steps=60", "mi.lr=2e-3", "mi.ring=20000", "mi.others=500",
                        cases[i].estimator));
        for (int k = 0; k < 5; k++) {
            draw_pairs(&rng, BATCH, DIMS, rho, x, y);
            remember_all(&f.mi, BATCH, x, y);
        }
        draw_pairs(&rng, BATCH, DIMS, rho, x, y);
        check_live(&f, cases[i].estimator, x, y, cases[i].expected, DIMS * (log(2 * M_PI) + 1 + log(1 - square)) / 2);
        teardown(&f);
    }
    free(x), free(y);
}

/* ---- rows ---- */

enum { AGENTS = 3, STEPS = 50 };

static const char *const *by_agent(const char *estimator)
{
    static const char *list[8];
    const char *const all[] = {"mi.lambda=1", "mi.hidden=8", "mi.x=observation", "mi.ring=400", "mi.others=0", estimator};
    memcpy(list, all, sizeof all);
    return list;
}

/* Rows that are not real change nothing, whatever they hold: not the ring, not the negatives of others, not their own bound. */
static void test_padding_and_the_dead_leave_no_trace(void **state)
{
    (void)state;
    static const char *const estimators[] = {"mi.estimator=club", "mi.estimator=vub", "mi.estimator=l1out"};
    struct action_head head = action_head_discrete(SYMBOLS);
    for (size_t which = 0; which < ARRAY_LEN(estimators); which++) {
        struct fixture padded, plain;
        float x[STEPS * AGENTS * SYMBOLS], kept_x[STEPS * AGENTS * SYMBOLS];
        int32_t y[STEPS * AGENTS], kept_y[STEPS * AGENTS], kept = 0;
        uint8_t is_real[STEPS * AGENTS];
        double out[STEPS], kept_out[STEPS];
        struct mi_estimate e, kept_e;
        struct rng rng = rng_stream(3, RNG_TEST, 0, 0, 0);
        setup(&padded, &head, AGENTS, (struct mi_widths){.observation = SYMBOLS}, STEPS, by_agent(estimators[which]));
        setup(&plain, &head, AGENTS, (struct mi_widths){.observation = SYMBOLS}, STEPS, by_agent(estimators[which]));
        draw_symbols(&rng, STEPS * AGENTS, x, y);
        for (int t = 0; t < STEPS; t++) {
            bool is_padding = t % 7 == 3;
            for (int n = 0; n < AGENTS; n++) {
                int row = t * AGENTS + n;
                is_real[row] = !is_padding;
                if (is_padding) {
                    x[row * SYMBOLS] = NAN;
                    y[row] = 1 << 30;
                    continue;
                }
                memcpy(kept_x + (kept * AGENTS + n) * SYMBOLS, x + row * SYMBOLS, SYMBOLS * sizeof *x);
                kept_y[kept * AGENTS + n] = y[row];
            }
            kept += !is_padding;
            mi_remember(&padded.mi, x + t * AGENTS * SYMBOLS, y + t * AGENTS, is_real + t * AGENTS, NULL);
        }
        remember_all(&plain.mi, kept, kept_x, kept_y);
        assert_true(mi_fit(&padded.mi, &padded.updater, 1) == mi_fit(&plain.mi, &plain.updater, 1));
        mi_information(&padded.mi, &padded.updater, &(struct mi_steps){STEPS, x, y, is_real, 0}, 1, out, &e);
        mi_information(&plain.mi, &plain.updater, &(struct mi_steps){kept, kept_x, kept_y, NULL, 0}, 1, kept_out, &kept_e);
        for (int t = 0, k = 0; t < STEPS; t++) {
            double expected = t % 7 == 3 ? 0 : kept_out[k++];
            assert_memory_equal(&out[t], &expected, sizeof expected);
        }
        assert_memory_equal(&e, &kept_e, sizeof e);
        teardown(&padded);
        teardown(&plain);
    }
}

/* An agent is held against its own other steps: two agents that always do the same thing, each another one, tell nothing, though a
 * sample of both together would. */
static void test_agents_are_held_against_themselves(void **state)
{
    (void)state;
    struct fixture f;
    struct action_head head = action_head_discrete(2);
    float x[STEPS * 2 * 2];
    int32_t y[STEPS * 2];
    double out[STEPS];
    struct mi_estimate e;
    for (int row = 0; row < STEPS * 2; row++) {
        y[row] = row % 2;
        x[row * 2] = (float)(row % 2), x[row * 2 + 1] = (float)(1 - row % 2);
    }
    setup(&f, &head, 2, (struct mi_widths){.observation = 2}, STEPS,
          ARGUMENTS("mi.lambda=1", "mi.hidden=8", "mi.x=observation", "mi.fit_steps=300", "mi.lr=1e-2"));
    remember_all(&f.mi, STEPS, x, y);
    assert_true(mi_fit(&f.mi, &f.updater, 0) < 0.1); /* it knows who does what */
    mi_information(&f.mi, &f.updater, &(struct mi_steps){.n = STEPS, .x = x, .y = y}, 0, out, &e);
    close_to("information", e.mean, 0, 1e-5);
    teardown(&f);
}

static void test_the_ring_keeps_the_newest_rows(void **state)
{
    (void)state;
    struct fixture f;
    struct action_head head = action_head_discrete(SYMBOLS);
    setup(&f, &head, 1, (struct mi_widths){.state = 1}, 10, ARGUMENTS("mi.lambda=1", "mi.ring=10", "mi.hidden=4"));
    assert_true(isnan(mi_fit(&f.mi, &f.updater, 0))); /* nothing to fit on yet */
    for (int i = 0; i < 27; i++)
        mi_remember(&f.mi, &(float){(float)i}, &(int32_t){i % SYMBOLS}, NULL, NULL);
    bool seen[27] = {false};
    assert_int_equal(f.mi.ring.cursor[1], 10);
    for (int i = 0; i < 10; i++) {
        int number = (int)f.mi.ring.x[i];
        assert_int_equal(f.mi.ring.y[i], number % SYMBOLS);
        seen[number] = true;
    }
    for (int i = 0; i < 27; i++)
        assert_int_equal(seen[i], i >= 17);
    teardown(&f);
}

/* Steps of a trajectory are alike: with copies in place of fresh steps the interval does not shrink. */
static void test_the_interval_counts_trajectories_not_steps(void **state)
{
    (void)state;
    enum { N_CLUSTERS = 12, COPIES = 20, n = N_CLUSTERS * COPIES };
    struct fixture f;
    struct action_head head = action_head_discrete(SYMBOLS);
    float x[n * SYMBOLS], first_x[N_CLUSTERS * SYMBOLS];
    int32_t y[n], first_y[N_CLUSTERS];
    double out[n];
    struct mi_estimate few, copied, naive;
    struct rng rng = rng_stream(5, RNG_TEST, 0, 0, 0);
    setup(&f, &head, 1, (struct mi_widths){.state = SYMBOLS}, n, ARGUMENTS("mi.lambda=1", "mi.hidden=8"));
    draw_symbols(&rng, N_CLUSTERS, first_x, first_y);
    for (int i = 0; i < n; i++) {
        memcpy(x + i * SYMBOLS, first_x + i / COPIES * SYMBOLS, SYMBOLS * sizeof *x);
        y[i] = first_y[i / COPIES];
    }
    mi_information(&f.mi, &f.updater, &(struct mi_steps){.n = N_CLUSTERS, .x = first_x, .y = first_y}, 0, out, &few);
    mi_information(&f.mi, &f.updater, &(struct mi_steps){.n = n, .x = x, .y = y, .cluster = COPIES}, 0, out, &copied);
    mi_information(&f.mi, &f.updater, &(struct mi_steps){.n = n, .x = x, .y = y}, 0, out, &naive);
    close_to("mean", copied.mean, few.mean, 1e-9);
    close_to("low", copied.low, few.low, 1e-9);
    assert_true(naive.high - naive.low < 0.5 * (copied.high - copied.low));
    struct mi_estimate one;
    mi_information(&f.mi, &f.updater, &(struct mi_steps){.n = n, .x = x, .y = y, .cluster = n}, 0, out, &one);
    assert_true(isnan(one.low) && isnan(one.high) && !isnan(one.mean));
    teardown(&f);
}

/* Two agents in one row: the first is dead in every other step and can only wait; the second sees an enemy in the first half only, and then has
 * three choices instead of two, among which it draws without looking. The state tells all of that; the team's actions tell nothing. */
enum { WAIT, MOVE, SHOOT };

static void draw_combat(struct rng *rng, const struct mi *mi, int n, float *x, int32_t *y, uint8_t *mask)
{
    for (int i = 0; i < n; i++) {
        const uint8_t alive[2] = {i % 2, 1}, sees = i < n / 2;
        const uint8_t available[6] = {!alive[0], alive[0], alive[0] && sees, 0, 1, sees};
        x[i * 2] = alive[0], x[i * 2 + 1] = sees;
        y[i * 2] = alive[0] ? MOVE + (int)rng_below(rng, 1 + sees) : WAIT;
        y[i * 2 + 1] = MOVE + (int)rng_below(rng, 1 + sees);
        if (mask)
            mi_put_mask(mi, available, alive, y + i * 2, mask + i * 6);
    }
}

static double combat_information(const char *masks, const char *estimator)
{
    enum { n = 400 };
    struct fixture f;
    struct action_head head = action_head_discrete(3);
    float x[n * 2];
    int32_t y[n * 2];
    uint8_t mask[n * 6];
    double out[n];
    struct mi_estimate e;
    struct rng rng = rng_stream(7, RNG_TEST, 0, 0, 0);
    setup(&f, &head, 2, (struct mi_widths){.state = 2}, n,
          ARGUMENTS("mi.lambda=1", "mi.hidden=16", "mi.fit_steps=1000", "mi.lr=1e-2", masks, estimator));
    bool has_masks = mi_has_masks(&f.mi);
    draw_combat(&rng, &f.mi, n, x, y, has_masks ? mask : NULL);
    for (int i = 0; i < n; i++)
        mi_remember(&f.mi, x + i * 2, y + i * 2, NULL, has_masks ? mask + i * 6 : NULL);
    assert_true(mi_fit(&f.mi, &f.updater, 0) < 2 * log(2));
    mi_information(&f.mi, &f.updater, &(struct mi_steps){.n = n, .x = x, .y = y, .mask = has_masks ? mask : NULL}, 0, out, &e);
    for (int i = 0; has_masks && i < n; i++)
        assert_true(fabs(out[i]) < 2 * log(3));
    teardown(&f);
    return e.mean;
}

static void test_what_masks_give_away_is_not_the_policys_information(void **state)
{
    (void)state;
    static const char *const estimators[] = {"mi.estimator=club", "mi.estimator=club-sample", "mi.estimator=vub"};
    for (size_t i = 0; i < ARRAY_LEN(estimators); i++)
        close_to(estimators[i], combat_information("mi.masks=true", estimators[i]), 0, 0.03);
    /* Three of four actions of the second and of the living first are moves, which is L1Out's marginal for those who have both: a bound that is
     * looser by the divergence from it, for half of the steps of the second and a quarter of the first's. */
    double divergence = 0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25);
    close_to("l1out", combat_information("mi.masks=true", "mi.estimator=l1out"), divergence * (0.5 + 0.25), 0.03);
    double club = combat_information("mi.masks=false", "mi.estimator=club"); /* no bound on what it may say */
    if (club < 2 * log(3))
        fail_msg("club without masks is %g, which 2 log 3 would allow", club);
    assert_true(combat_information("mi.masks=false", "mi.estimator=l1out") > 0.5);
}

/* Of a dead agent, and of one that did what is not available, the choice made is the only one. */
static void test_masks_hold_what_can_be_chosen(void **state)
{
    (void)state;
    struct fixture f;
    struct action_head head = {.kind = ACTION_MULTI_DISCRETE, .C = 2, .A = 5, .choices = {3, 2}};
    const uint8_t available[10] = {1, 0, 1, 1, 1, 1, 1, 1, 0, 1}, living[2] = {1, 1}, first_dead[2] = {0, 1};
    const int32_t y[4] = {2, 1, 1, 0};
    uint8_t mask[10];
    setup(&f, &head, 2, (struct mi_widths){.state = 1}, 4, ARGUMENTS("mi.lambda=1", "mi.masks=true"));
    mi_put_mask(&f.mi, available, living, y, mask);
    assert_memory_equal(mask, ((const uint8_t[]){1, 0, 1, 1, 1, 1, 1, 1, 1, 0}), 10);
    mi_put_mask(&f.mi, available, first_dead, y, mask);
    assert_memory_equal(mask, ((const uint8_t[]){0, 0, 1, 0, 1, 1, 1, 1, 1, 0}), 10);
    teardown(&f);
}

/* Agents with two choices of different size each: one softmax a component. */
static void test_components_have_a_softmax_each(void **state)
{
    (void)state;
    struct fixture f;
    struct action_head head = {.kind = ACTION_MULTI_DISCRETE, .C = 2, .A = 5, .choices = {3, 2}};
    setup(&f, &head, 2, (struct mi_widths){.state = 1}, 4, ARGUMENTS("mi.lambda=1", "mi.hidden=4", "mi.estimator=vub"));
    assert_int_equal(f.mi.W, 10);
    assert_int_equal(f.mi.G, 4);
    const float x[4] = {0, 1, -1, 2};
    const int32_t y[16] = {0, 1, 2, 0, 1, 1, 0, 0, 2, 0, 1, 1, 0, 0, 2, 1};
    double out[4];
    struct mi_estimate e;
    remember_all(&f.mi, 4, x, y);
    assert_true(mi_fit(&f.mi, &f.updater, 0) > 0);
    mi_information(&f.mi, &f.updater, &(struct mi_steps){.n = 4, .x = x, .y = y}, 0, out, &e);
    for (int t = 0; t < 4; t++) {
        const real *logq = f.mi.q + t * 10;
        for (int g = 0, at = 0; g < 4; at += f.mi.choices[g], g++) {
            double sum = 0;
            for (int a = 0; a < f.mi.choices[g]; a++)
                sum += exp((double)logq[at + a]);
            close_to("probabilities", sum, 1, 1e-5);
        }
        assert_true(out[t] >= 0 && out[t] < 2 * (log(3) + log(2)));
    }
    teardown(&f);
}

static void test_what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {""};
    struct action_head head = action_head_discrete(SYMBOLS);
    struct mi_widths widths = {.state = 4, .observation = 3};
    assert_int_equal(try_setup(&f, &head, 2, &widths, 8, ARGUMENTS("mi.lambda=1", "mi.x=hidden"), &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "mi.x is hidden, which this backbone does not have: expected one of state observation"));
    assert_int_equal(try_setup(&f, &head, 2, &widths, 8, ARGUMENTS("mi.x=hidden"), &err), 0); /* nothing is measured */
    assert_int_equal(f.models.count, 0);
    widths.hidden = 6;
    setup(&f, &head, 2, widths, 8, ARGUMENTS("mi.measure=true", "mi.x=hidden", "mi.ring=5"));
    assert_int_equal(f.mi.X, 6);

    const struct model_state *ring = &f.models.states[0];
    unsigned char *bytes = malloc(ring->bytes);
    memcpy(bytes, ring->data, ring->bytes);
    assert_int_equal(ring->check(ring->context, bytes, &err), 0);
    int64_t cursor[2] = {3, 4};
    memcpy(bytes, cursor, sizeof cursor);
    int32_t *label = (int32_t *)(bytes + ring->bytes) - 10; /* rows of the ring: 5 steps of 2 agents, one action each */
    label[2] = SYMBOLS;
    assert_int_equal(ring->check(ring->context, bytes, &err), ERR_MISMATCH);
    assert_non_null(strstr(err.text, "choice 5 in row 2"));
    label[2] = 0;
    cursor[1] = 11;
    memcpy(bytes, cursor, sizeof cursor);
    assert_int_equal(ring->check(ring->context, bytes, &err), ERR_MISMATCH);
    free(bytes);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbols_are_measured_live),
        cmocka_unit_test(test_pairs_of_a_box_are_measured_live),
        cmocka_unit_test(test_padding_and_the_dead_leave_no_trace),
        cmocka_unit_test(test_agents_are_held_against_themselves),
        cmocka_unit_test(test_the_ring_keeps_the_newest_rows),
        cmocka_unit_test(test_the_interval_counts_trajectories_not_steps),
        cmocka_unit_test(test_what_masks_give_away_is_not_the_policys_information),
        cmocka_unit_test(test_masks_hold_what_can_be_chosen),
        cmocka_unit_test(test_components_have_a_softmax_each),
        cmocka_unit_test(test_what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
