/* NOISY OBSERVATIONS: an attacked agent sees its observation with a normal deviate of the given standard deviation added to every
 * number. No adversary: a worn sensor. Li et al. 2025 (MIR3), arXiv:2310.09833, "Gaussian noise on observations", on all agents and steps
 * with 0.3 ("noise:0.3@all"); whether that is deviation or variance is not said, we take the deviation. Numbers that an agent only
 * has as padding stay 0. The knowledge behind the observation stays: the belief ran on the clean one. */
#include "actor/attack.h"
#include "base/rng.h"

static int perturb(struct stage *stage, struct err *err)
{
    (void)err;
    const struct spec *spec = &stage->env->spec;
    for (int i = 0; i < stage->n_attacked; i++) {
        int row = stage->attacked[i], b = row / stage->N, n = row % stage->N;
        int width = spec->n_widths ? spec->widths[n] : stage->O;
        float *x = stage->input + (size_t)row * (size_t)(stage->O + stage->K);
        struct rng rng = rng_stream(stage->seed, RNG_NOISE, stage->episode[b], (uint32_t)stage->episode_step[b], (uint32_t)n);
        for (int o = 0; o < width; o++)
            x[o] += stage->strength * (float)rng_normal(&rng);
        stage->channels[row] |= ATTACK_OBSERVATION;
    }
    return 0;
}

const struct attack_ops attack_noise = {
    .name = "noise",
    .summary = "the attacked agent sees its observation with normal noise of the given standard deviation",
    .channel = ATTACK_OBSERVATION,
    .has_strength = true,
    .observation = perturb,
};
