/* The timing loop of `testudo bench` for environments. Actions are drawn as the reference's timing draws them, uniformly among
 * the available ones, so that boards, masks and ends of episodes are those of real play. */
#include "envs/vec_bench.h"

#include <stdlib.h>
#include <time.h>

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

static double cpu_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void step_once(struct bench *bench)
{
    draw_actions(bench);
    vec_step(&bench->vec, bench->action, bench->rngs);
    reset_finished(bench);
}

/* Groups take turns at every step, as single environments do that act together. */
static void run(struct bench *benches, int groups, double seconds, struct vec_bench_rates *rates)
{
    double elapsed = 0, steps = 0, cpu = cpu_seconds();
    monotonic_us start = clock_us();
    while (elapsed < seconds) {
        for (int round = 0; round < ROUNDS_PER_LOOK; round++)
            for (int g = 0; g < groups; g++)
                step_once(&benches[g]);
        steps += (double)ROUNDS_PER_LOOK * groups * benches[0].vec.B;
        elapsed = clock_seconds_since(start);
    }
    *rates = (struct vec_bench_rates){steps / elapsed, steps / (cpu_seconds() - cpu)};
}

static int begin(struct bench *bench, const struct env_instance *instance, int group, int B)
{
    *bench = (struct bench){.draw = 88172645463325252u + (uint64_t)group, .episodes = (uint64_t)group << 32};
    bench->action = calloc((size_t)B * (size_t)instance->spec.N * (size_t)instance->spec.C, sizeof(int32_t));
    bench->rngs = calloc((size_t)B, sizeof *bench->rngs);
    if (!bench->action || !bench->rngs || vec_init(&bench->vec, instance, B))
        return ERR_NOMEM;
    for (int b = 0; b < B; b++) {
        reset(bench, b);
        bench->rngs[b] = rng_stream(1, RNG_STEP, (uint64_t)(group * B + b), 0, 0);
    }
    return 0;
}

static void end(struct bench *bench)
{
    vec_deinit(&bench->vec);
    free(bench->action);
    free(bench->rngs);
}

int vec_bench(const struct recipe *recipe, int groups, int B, double seconds, struct vec_bench_rates *rates, struct err *err)
{
    struct env_instance *instance = malloc(sizeof *instance);
    struct bench *benches = calloc((size_t)groups, sizeof *benches);
    int r =
        instance && benches ? env_open(instance, recipe, err) : err_set(err, ERR_NOMEM, "cannot time environment: out of memory");
    for (int g = 0; g < groups && !r; g++)
        if ((r = begin(&benches[g], instance, g, B)))
            err_set(err, r, "cannot time environment: out of memory for %d of them", groups * B);
    if (!r)
        run(benches, groups, seconds, rates);
    for (int g = 0; g < groups && benches; g++)
        end(&benches[g]);
    free(benches);
    free(instance);
    return r;
}
