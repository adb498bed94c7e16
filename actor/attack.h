/* The actor's half of an attack: hooks into the stages of acting, called for all lanes at once.
 *
 * A stage lists the attacked rows (row = lane b * N + agent n). An attack changes only those rows: what is observed, or what
 * is done. It marks what it touched in `channels`. New attack: a file in attacks/ that exports `attack_<name>`; found by the build. */
#ifndef TESTUDO_ACTOR_ATTACK_H
#define TESTUDO_ACTOR_ATTACK_H

#include "actor/nets.h"
#include "base/arena.h"
#include "envs/vec.h"
#include "net/action_head.h"

enum attack_channel { ATTACK_OBSERVATION = 1, ATTACK_ACTION = 2, ATTACK_MESSAGE = 4 };

/* One step of all lanes of a group. R = B*N rows, I = O + K + M numbers of policy input (K knowledge slots). */
struct stage {
    const struct vec *vec; /* the environments before the step; clean observations and masks */
    const struct env_instance *env;
    const struct nets *nets;
    const struct net_weights *defender; /* NULL when a script plays the team */
    int B, N, O, K, M, A, C;            /* M: numbers of the last action in the input, act.last_action */
    struct action_head head;
    uint64_t seed;
    const uint64_t *episode;     /* [B] */
    const int32_t *episode_step; /* [B] */
    const int32_t *attacked;     /* [n_attacked] rows under attack, ascending */
    int n_attacked;
    const int32_t *attacker; /* [B] number of the net that plays all attacked agents there; NULL or -1: each has its own */
    float strength;          /* the number behind the colon: "pgd:0.5" */
    float epsilon;           /* of the defender's behaviour (net/acting.h); 0 in evaluations */
    const void *previous;    /* [R,C] executed at the step before; of a row whose episode_step is 0 it means nothing */

    float *input;       /* [R,I] observation as acted on, knowledge, last action; observation hooks change the first O numbers */
    float *probability; /* [R,A] of the defender policy on the input */
    void *action; /* [R,C] executed, int32_t choices or floats of a box in policy units; the defender's until a hook changes it */
    float *action_logp; /* [R] */
    uint8_t *channels;  /* [R] bits of enum attack_channel */
    struct arena *scratch;
};

struct attack_ops {
    const char *name, *summary;
    enum attack_channel channel;
    bool has_strength, needs_adversary; /* an argument after ':', an adversary net in the weights */
    float strength_max;                 /* 0: any */
    bool is_for_evaluation;             /* it reads `previous`, which a lane's snapshot does not hold: no threat of training */
    /* At most one of the two is NULL. ERR_MISMATCH when the weights do not fit. */
    int (*observation)(struct stage *stage, struct err *err);
    int (*action)(struct stage *stage, struct err *err);
};

extern const struct attack_ops *const attack_registry[]; /* NULL-terminated, generated */

struct threat { /* an attack with its argument; ops NULL: nobody is attacked */
    const struct attack_ops *ops;
    float strength;
    bool hits_all; /* "@all": every agent at every step, whatever the partition; nobody counts as an adversary */
};

/* Reads "clean", "learned", "pgd:0.5", "noise:0.3@all", ...; names what is known on failure. */
MUST_USE int threat_parse(struct threat *threat, const char *text, struct err *err);

/* The net that plays victim v (an agent, or a set of them) as an adversary: "adversary/<v>" if there is one, else "adversary"; NULL when there is
 * neither. */
const struct net_weights *adversary_net(const struct nets *nets, int victim);

/* The adversaries' outputs [n,A] on the clean observations of rows [n]: a net reads the observation, and, when it is O + N wide, the
 * one-hot index of its agent behind it. log_std [n] (may be NULL) receives each row's net's (net_weights_log_std): NULL of a net that is no
 * policy of real numbers.
 * ERR_MISMATCH when an agent has no net, or one of another shape. */
MUST_USE int adversary_output(struct stage *stage, const int32_t *rows, int n, float *output, const float **log_std,
                              struct err *err);

static inline int stage_width(const struct stage *stage)
{
    return stage->O + stage->K + stage->M;
}

/* Row `row` of stage->action: its C cells. */
static inline void *attack_action(const struct stage *stage, int row)
{
    return (int32_t *)stage->action + (size_t)row * (size_t)stage->C;
}

/* Bytes of stage.scratch that any attack takes for `rows` rows of input width I. */
size_t attack_scratch(const struct nets *nets, const struct spec *spec, int I, int rows);

#endif
