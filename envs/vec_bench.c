/* The timing loop of `testudo bench` for environments. Actions are drawn as the reference's timing draws them, uniformly among
 * the available ones, so that boards, masks and ends of episodes are those of real play. */
#include "envs/vec_bench.h"

#include <stdlib.h>

#include "base/clock.h"
#include "envs/vec.h"

#define ROUNDS_PER_LOOK 16 /* at the clock */

struct bench {
    struct vec vec;
    void *action;     /* [B,N,C] */
    struct rng *rngs; /* [B] for rules that draw */
    uint64_t draw, episodes;
};

/* Marsaglia 2003, xorshift64: cheap, so that what is timed is the environment. */
static uint32_t draw_below(uint64_t *state, uint32_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(((*state >> 32) * n) >> 32);
}

static int32_t draw_choice(struct bench *bench, const uint8_t *available, int choices)
{
    int32_t choice[SPEC_ACTIONS_MAX];
    uint32_t count = 0;
    for (int a = 0; a < choices; a++) {
        choice[count] = a;
        count += available[a];
    }
    return choice[draw_below(&bench->draw, count)];
}

static void draw_actions(struct bench *bench)
{
    const struct spec *spec = &bench->vec.instance->spec;
    const uint8_t *available = bench->vec.available;
    int32_t *choice = bench->action;
    float *real = bench->action;
    for (int i = 0; i < bench->vec.B * spec->N; i++)
        for (int c = 0; c < spec->C; c++) {
            const struct spec_component *component = &spec->components[c];
            if (spec->action == ACTION_BOX) {
                *real++ =
                    (float)(component->low + (component->high - component->low) * (draw_below(&bench->draw, 1 << 16) / 65536.0));
                continue;
            }
            *choice++ = draw_choice(bench, available, component->choices);
            available += component->choices;
        }
}

static void reset(struct bench *bench, int b)
{
    struct rng rng = rng_stream(1, RNG_RESET, bench->episodes++, 0, 0);
    vec_reset(&bench->vec, b, &rng);
}

/* Environments of a batch must be at different points of their episodes, as they are after a while of real use. */
static void reset_finished(struct bench *bench)
{
    for (int b = 0; b < bench->vec.B; b++)
        if (bench->vec.terminated[b] | bench->vec.truncated[b])
            reset(bench, b);
}

static double run(struct bench *bench, double seconds)
{
    monotonic_us start = clock_us();
    double elapsed = 0, steps = 0;
    for (int b = 0; b < bench->vec.B; b++) {
        reset(bench, b);
        bench->rngs[b] = rng_stream(1, RNG_STEP, (uint64_t)b, 0, 0);
    }
    while (elapsed < seconds) {
        for (int round = 0; round < ROUNDS_PER_LOOK; round++) {
            draw_actions(bench);
            vec_step(&bench->vec, bench->action, bench->rngs);
            reset_finished(bench);
        }
        steps += (double)ROUNDS_PER_LOOK * bench->vec.B;
        elapsed = clock_seconds_since(start);
    }
    return steps / elapsed;
}

double vec_bench_steps_per_second(const struct recipe *recipe, int B, double seconds, struct err *err)
{
    struct env_instance *instance = malloc(sizeof *instance);
    struct bench bench = {.draw = 88172645463325252u};
    double rate = ERR_NOMEM;
    int r = instance ? env_open(instance, recipe, err) : err_set(err, ERR_NOMEM, "cannot time environment: out of memory");
    if (r) {
        free(instance);
        return r;
    }
    bench.action = calloc((size_t)B * (size_t)instance->spec.N * (size_t)instance->spec.C, sizeof(int32_t));
    bench.rngs = calloc((size_t)B, sizeof *bench.rngs);
    if (!bench.action || !bench.rngs || vec_init(&bench.vec, instance, B))
        rate = err_set(err, ERR_NOMEM, "cannot time environment: out of memory for %d of them", B);
    else
        rate = run(&bench, seconds);
    vec_deinit(&bench.vec);
    free(bench.action);
    free(bench.rngs);
    free(instance);
    return rate;
}
