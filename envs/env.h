/* What an environment is.
 *
 * An environment is one file with one exported symbol, `const struct env_ops env_<name>`, found by the build (see registry.h).
 * It knows agents, not adversaries. Its parameters are plain data bound from config rows; its state is plain data of
 * state_bytes(params), so that saving and loading are a copy. It borrows the slices that it fills, never logs, never exits,
 * never allocates and never resets itself: the rollout does, after keeping the last observation. N agents, O observation width,
 * S critic-state width, A actions: struct spec. */
#ifndef TESTUDO_ENVS_ENV_H
#define TESTUDO_ENVS_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/spec.h"
#include "envs/scene.h"

#define ENV_PARAMS_MAX 32768 /* bytes of a params struct */
#define ENV_INFO_MAX 8

/* Where one environment's outputs go; borrowed for the call. */
struct env_view {
    float *observation; /* [N,O] */
    float *state;       /* [N,S]; NULL when spec.state_is_observation */
    uint8_t *available; /* [N,A] at least one 1 per agent and component; all 1 for a box */
    uint8_t *alive;     /* [N] */
};

/* The joint action of one environment. C components per agent: spec.C. */
struct env_action {
    const int32_t *choice; /* [N,C] discrete kinds; else NULL */
    const float *real;     /* [N,C] box; else NULL */
};

struct env_result {
    float *reward;       /* [N] */
    uint8_t *terminated; /* [1] the task ended */
    uint8_t *truncated;  /* [1] the time limit cut it */
};

/* What an episode amounted to, asked at its end. The team's return is the mean over agents of their summed rewards. */
struct env_outcome {
    bool has_success, success; /* win, cleared map; has_success false where the task defines none */
    float info[ENV_INFO_MAX];  /* further numbers, named by ops->info */
};

/* A reference policy that comes with the rules: the conventions of the matrix game, a greedy forager. For tests, anchors and
 * partners. probability [A]: of each choice, component after component; of a box, the action itself. memory [memory_bytes] is zero at the episode's start. */
struct env_script {
    const char *name, *summary;
    size_t memory_bytes; /* per agent, at most 64 */
    /* step: within the episode, from 0. probability [A] out, zero where not available. */
    void (*act)(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                float *probability);
};

struct env_ops {
    const char *name, *summary;
    const char *const *needs;      /* the package that this build lacks, so that opening fails; NULL, or to NULL: nothing */
    const struct config_row *rows; /* "env.<key>" rows of the params struct */
    int n_rows;
    size_t params_bytes;

    /* Reads a scenario name ("8x8-4p-2f-c") into params, before the rows of the recipe override single keys: sets the rows it
     * decides by recipe_set on `defaults`. A scenario that only this machine can read (a file) is replaced by setting
     * env.scenario there too: resolved recipes travel. Error names the accepted forms. */
    int (*scenario)(const char *scenario, struct recipe *defaults, struct err *err);
    const char *const *scenarios; /* NULL-terminated examples for `envs` */
    /* After binding: checks what rows cannot say (sizes that fit together) and fills fields derived from the rows. */
    int (*prepare)(void *params, struct err *err);
    void (*spec)(const void *params, struct spec *spec);

    /* Equal states are equal bytes: no padding, no pointers. A state may come from the network: check_state refuses what step
     * or observe could not take (ERR_FORMAT). */
    size_t (*state_bytes)(const void *params);
    int (*check_state)(const void *params, const void *state, struct err *err);
    void (*reset)(const void *params, void *state, struct rng *rng);
    void (*observe)(const void *params, const void *state, const struct env_view *view);
    /* rng may be NULL where the rules draw nothing after the reset. An action that is unknown or not available is replaced as
     * the file's rules say (mostly by "none"), a number out of bounds is clipped and one that is not finite counts as 0; it is
     * never an error. */
    void (*step)(const void *params, void *state, const struct env_action *action, struct rng *rng,
                 const struct env_result *result);
    bool draws; /* step draws from rng */
    void (*outcome)(const void *params, const void *state, struct env_outcome *outcome);
    const char *const *info; /* names of outcome's info ("allies left"), NULL-terminated, at most ENV_INFO_MAX; NULL: none */
    void (*render)(const void *params, const void *state, char *text, size_t size); /* one frame for a terminal */
    void (*draw)(const void *params, const void *state, struct scene *scene);       /* the same as shapes; see scene.h */

    /* How to replay recorded steps of the reference implementation, see trace.h. NULL when none were recorded. */
    const struct env_trace_ops *trace;

    const struct env_script *scripts;
    int n_scripts;
};

#endif
