/* PGD ON OBSERVATIONS: an attacked agent goes on following its own policy, but sees an observation that was pushed, inside a ball of
 * radius eps, to where the policy's logits come nearest to those of a trained adversary on the clean observation.
 * Madry et al. 2018, arXiv:1706.06083 (projected steps along the gradient's sign); the target, 5 steps of eps/3 from the clean
 * observation and no clamp to the observation's range as in EIR-MAPPO's released code (Li et al. 2024, "noisy observation").
 *   theirs      ours      shape   meaning
 *   eps         strength  -       l-inf radius, in the observation's own units
 *   z(o)        logits    [n,A]   of the defender on the perturbed input; only available actions count
 *   z*(o_0)     target    [n,A]   of the adversary on the clean observation
 * The knowledge behind the observation stays: the belief ran on the clean one. */
#include <math.h>
#include <string.h>

#include "actor/attack.h"

enum { STEPS = 5 };
static const float STEP_SHARE = 1.0f / 3; /* of eps */

struct pgd { /* n attacked rows */
    int n, I;
    float *x;        /* [n,I] input: perturbed observation, then knowledge */
    float *gradient; /* [n,I] */
    float *logits;   /* [n,A], then their gradient */
    float *target;   /* [n,A] */
};

/* d/dz (of a box: its means) of 1/2 sum over available actions of (z - z*)^2: the mean's factor does not change a sign. */
static void error_of_logits(const struct stage *stage, struct pgd *pgd)
{
    size_t A = (size_t)stage->A;
    for (int i = 0; i < pgd->n; i++) {
        const uint8_t *available = stage->vec->available + (size_t)stage->attacked[i] * A;
        for (size_t a = 0; a < A; a++) {
            size_t at = (size_t)i * A + a;
            pgd->logits[at] = available[a] ? pgd->logits[at] - pgd->target[at] : 0.0f;
        }
    }
}

/* o <- clip(o - eps/3 sign(gradient), o_0 - eps, o_0 + eps) */
static void step_and_project(const struct stage *stage, struct pgd *pgd)
{
    size_t O = (size_t)stage->O, I = (size_t)pgd->I;
    float eps = stage->strength, size = eps * STEP_SHARE;
    for (int i = 0; i < pgd->n; i++) {
        const float *clean = stage->vec->observation + (size_t)stage->attacked[i] * O, *gradient = pgd->gradient + (size_t)i * I;
        float *x = pgd->x + (size_t)i * I;
        for (size_t o = 0; o < O; o++) {
            float moved = x[o] - size * (float)((gradient[o] > 0) - (gradient[o] < 0));
            x[o] = fminf(fmaxf(moved, clean[o] - eps), clean[o] + eps);
        }
    }
}

static struct pgd take_rows(struct stage *stage)
{
    size_t n = (size_t)stage->n_attacked, I = (size_t)stage_width(stage), A = (size_t)stage->A;
    struct pgd pgd = {.n = stage->n_attacked,
                      .I = (int)I,
                      .x = arena_array(stage->scratch, float, n *I),
                      .gradient = arena_array(stage->scratch, float, n *I),
                      .logits = arena_array(stage->scratch, float, n *A),
                      .target = arena_array(stage->scratch, float, n *A)};
    for (size_t i = 0; i < n; i++)
        memcpy(pgd.x + i * I, stage->input + (size_t)stage->attacked[i] * I, I * sizeof(float));
    return pgd;
}

static void put_rows(const struct pgd *pgd, struct stage *stage)
{
    size_t O = (size_t)stage->O, I = (size_t)pgd->I;
    for (int i = 0; i < pgd->n; i++) {
        memcpy(stage->input + (size_t)stage->attacked[i] * I, pgd->x + (size_t)i * I, O * sizeof(float));
        stage->channels[stage->attacked[i]] |= ATTACK_OBSERVATION;
    }
}

static int perturb(struct stage *stage, struct err *err)
{
    if (!stage->defender)
        return err_set(err, ERR_MISMATCH, "pgd needs the gradient of a defender net, but a script plays the team");
    if (net_weights_arch(stage->defender)->gru)
        return err_set(err, ERR_MISMATCH, "pgd takes gradients of a net without memory, but the defender has a GRU");
    size_t mark = arena_mark(stage->scratch);
    struct pgd pgd = take_rows(stage);
    int r = adversary_output(stage, stage->attacked, pgd.n, pgd.target, NULL, err);
    for (int step = 0; step < STEPS && !r; step++) {
        net_act(stage->defender, pgd.n, pgd.x, NULL, pgd.logits, stage->scratch);
        error_of_logits(stage, &pgd);
        net_act_input_gradient(stage->defender, pgd.n, pgd.x, pgd.logits, pgd.gradient, stage->scratch);
        step_and_project(stage, &pgd);
    }
    if (!r)
        put_rows(&pgd, stage);
    arena_release(stage->scratch, mark);
    return r;
}

const struct attack_ops attack_pgd = {
    .name = "pgd",
    .summary =
        "the attacked agent sees an observation within the given distance that steers it towards a trained adversary's choice",
    .channel = ATTACK_OBSERVATION,
    .has_strength = true,
    .needs_adversary = true,
    .observation = perturb,
};
