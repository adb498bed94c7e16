/* Sizes of a task, as an actor tells them to everybody else: the learner links no environment.
 *   N agents, O observation width, S per-agent critic-state width, padded to the largest agent;
 *   C components of one agent's action, A numbers that a policy gives for them.
 *
 *   kind             an action is          A                                   a policy gives
 *   discrete         1 choice of A         number of choices                   logits
 *   multi-discrete   C choices             sum of the components' choices      logits, component after component
 *   box              C real numbers        C                                   means, before any clipping to the bounds */
#ifndef TESTUDO_BASE_SPEC_H
#define TESTUDO_BASE_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SPEC_AGENTS_MAX 64
#define SPEC_WIDTH_MAX 16384
#define SPEC_ACTIONS_MAX 512
#define SPEC_BLOCKS_MAX 128
#define SPEC_COMPONENTS_MAX 32

enum action_kind { ACTION_DISCRETE, ACTION_MULTI_DISCRETE, ACTION_BOX };

struct spec_block { /* a named run of the observation: "own", "food 2", "id" */
    char name[24];
    int32_t start, width;
};

struct spec_component { /* of an action */
    int32_t choices;    /* discrete kinds */
    double low, high;   /* box */
};

struct spec {
    char env[32];      /* "foraging" */
    char scenario[64]; /* "8x8-4p-2f-c" */
    int32_t N, O, S, A;
    int32_t horizon;     /* steps until the time limit ends an episode */
    int32_t state_bytes; /* of one environment's save(); 0 when it cannot */
    enum action_kind action;
    int32_t C; /* components; 1 when discrete */
    struct spec_component components[SPEC_COMPONENTS_MAX];
    int32_t n_widths;                /* N, or 0: every agent has all O */
    int32_t widths[SPEC_AGENTS_MAX]; /* observation numbers that agent n really has; the rest of its O are 0 */
    bool state_is_observation;       /* critic state row = the agent's own observation; S == O and no state is shipped */
    double return_min, return_max;   /* of one episode's team return, where the rules bound it; else -inf, +inf */
    int32_t n_blocks;
    struct spec_block blocks[SPEC_BLOCKS_MAX];
};

/* Fills what follows from the rest where an environment left it 0: C = 1 and its A choices of a
 * discrete task, C = A of a box. */
void spec_complete(struct spec *spec);

/* Refuses sizes beyond the ceilings, blocks outside O and unterminated names: a spec may come from the network. */
MUST_USE int spec_check(const struct spec *spec, struct err *err);
bool spec_equal(const struct spec *a, const struct spec *b);

#endif
