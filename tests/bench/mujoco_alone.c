/* What an environment step of multi-agent MuJoCo costs beside the library's own work: `mujoco_alone [steps]`, one JSON line per
 * scenario. Both sides run the same episodes bit for bit: first the environment with random actions, whose resets and controls
 * are kept, then mj_step alone (for the ant also the pass that fills its contact forces) from the same starts with the same
 * controls, on one mjData that nobody else touches. CPU time, the best of some rounds by turns. */
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "envs/mujoco.h"
#include "envs/vec.h"

#define ROUNDS 31

struct tape { /* of one run */
    int steps;
    float *action;   /* [steps,N,C] */
    double *control; /* [steps,nu] */
    double *start;   /* [steps, nq + 2 nv]: the state after a reset before this step */
    bool *has_start; /* [steps] */
    double check[2]; /* the last x of either side */
};

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void fill_actions(const struct env_instance *env, struct tape *tape)
{
    const struct mujoco_params *p = (const struct mujoco_params *)env->params;
    struct rng rng = rng_stream(1, RNG_TEST, 0, 0, 0);
    int N = env->spec.N, C = env->spec.C;
    for (int t = 0; t < tape->steps; t++)
        for (int n = 0; n < N; n++)
            for (int c = 0; c < C; c++) {
                float a = (float)(2 * rng_double(&rng) - 1);
                tape->action[(t * N + n) * C + c] = a;
                tape->control[t * p->sizes.nu + p->actuator[p->partition.joint[n][c]]] = (double)a;
            }
}

/* Steps, observes and resets; keeps the starts when `keep`. */
static double run_environment(const struct env_instance *env, struct tape *tape, bool keep)
{
    const struct mujoco_params *p = (const struct mujoco_params *)env->params;
    struct vec vec;
    size_t joint = (size_t)(env->spec.N * env->spec.C), numbers = (size_t)(p->sizes.nq + 2 * p->sizes.nv);
    if (vec_init(&vec, env, 1))
        abort();
    const struct mujoco_state *g = (const struct mujoco_state *)vec.states;
    bool is_over = true;
    double began = cpu_seconds();
    for (int t = 0; t < tape->steps; t++) {
        if (is_over) {
            struct rng rng = rng_stream(2, RNG_RESET, (uint64_t)t, 0, 0);
            vec_reset(&vec, 0, &rng);
        }
        if (keep && (tape->has_start[t] = is_over))
            memcpy(tape->start + (size_t)t * numbers, g->number, numbers * sizeof(double));
        vec_step(&vec, tape->action + (size_t)t * joint, NULL);
        is_over = vec.terminated[0] || vec.truncated[0];
    }
    double seconds = cpu_seconds() - began;
    tape->check[0] = g->number[0];
    vec_deinit(&vec);
    return seconds;
}

static double run_library(const struct mujoco_params *p, const mjModel *m, mjData *d, struct tape *tape)
{
    size_t numbers = (size_t)(m->nq + 2 * m->nv);
    double began = cpu_seconds();
    for (int t = 0; t < tape->steps; t++) {
        if (tape->has_start[t]) {
            const double *start = tape->start + (size_t)t * numbers;
            mj_resetData(m, d);
            memcpy(d->qpos, start, (size_t)m->nq * sizeof *start);
            memcpy(d->qvel, start + m->nq, (size_t)m->nv * sizeof *start);
            mj_forward(m, d); /* as a reset does; it may move a quaternion's last bit */
            memcpy(d->qpos, start, (size_t)m->nq * sizeof *start);
            memcpy(d->qacc_warmstart, start + m->nq + m->nv, (size_t)m->nv * sizeof *start);
        }
        memcpy(d->ctrl, tape->control + (size_t)t * (size_t)m->nu, (size_t)m->nu * sizeof *d->ctrl);
        for (int i = 0; i < mujoco_robots[p->robot].substeps; i++)
            mj_step(m, d);
        if (p->has_force)
            mj_rnePostConstraint(m, d);
    }
    double seconds = cpu_seconds() - began;
    tape->check[1] = d->qpos[0];
    return seconds;
}

static const mjModel *open_model(const struct mujoco_params *p, int links)
{
    static char text[65536];
    char reason[256], path[] = "/tmp/testudo_model_XXXXXX.xml";
    struct err err;
    const char *xml = text;
    if (!mujoco_robots[p->robot].model && mujoco_write_swimmer(links, text, sizeof text, &err))
        abort();
    for (const struct mujoco_model_text *model = mujoco_model_texts; model->name; model++)
        if (mujoco_robots[p->robot].model && !strcmp(model->name, mujoco_robots[p->robot].model))
            xml = model->xml;
    int file = mkstemps(path, 4);
    if (file < 0 || dprintf(file, "%s", xml) < 0)
        abort();
    mjModel *m = must(mj_loadXML(path, NULL, reason, sizeof reason));
    remove(path);
    m->opt.timestep = p->timestep;
    return m;
}

static void measure(const char *scenario, int steps)
{
    struct env_instance *env = must(calloc(1, sizeof *env));
    struct recipe *recipe = must(recipe_create());
    struct err err;
    double best[2] = {1e9, 1e9};
    if (recipe_set(recipe, "env.name", "mujoco", "bench", &err) || recipe_set(recipe, "env.scenario", scenario, "bench", &err) ||
        env_open(env, recipe, &err)) {
        fprintf(stderr, "mujoco_alone: %s\n", err.text);
        exit(1);
    }
    const struct mujoco_params *p = (const struct mujoco_params *)env->params;
    size_t count = (size_t)steps;
    struct tape tape = {.steps = steps,
                        .action = must(calloc(count * (size_t)(env->spec.N * env->spec.C), sizeof(float))),
                        .control = must(calloc(count * (size_t)p->sizes.nu, sizeof(double))),
                        .start = must(calloc(count * (size_t)(p->sizes.nq + 2 * p->sizes.nv), sizeof(double))),
                        .has_start = must(calloc(count, 1))};
    const mjModel *m = open_model(p, p->sizes.nu);
    mjData *d = must(mj_makeData(m));
    fill_actions(env, &tape);
    run_environment(env, &tape, true);
    for (int round = 0; round < ROUNDS; round++) {
        double seconds[2] = {run_environment(env, &tape, false), run_library(p, m, d, &tape)};
        for (int i = 0; i < 2; i++)
            best[i] = seconds[i] < best[i] ? seconds[i] : best[i];
    }
    printf("{\"scenario\": \"%s\", \"environment_steps_per_second\": %.0f, \"library_steps_per_second\": %.0f, \"ratio\": %.3f, "
           "\"same_end\": %s}\n",
           scenario, steps / best[0], steps / best[1], best[0] / best[1], tape.check[0] == tape.check[1] ? "true" : "false");
    fflush(stdout);
    free(tape.action), free(tape.control), free(tape.start), free(tape.has_start);
    mj_deleteData(d);
    recipe_destroy(&recipe);
    free(env);
}

int main(int argc, char **argv)
{
    int steps = argc > 1 ? atoi(argv[1]) : 500;
    for (const char *const *scenario = mujoco_scenarios; *scenario; scenario++)
        measure(*scenario, steps);
    return 0;
}
