/* Parameters and state of Hallway, for its tests. */
#ifndef TESTUDO_ENVS_HALLWAY_H
#define TESTUDO_ENVS_HALLWAY_H

#include "envs/env.h"

#define HALLWAY_AGENTS_MAX SPEC_AGENTS_MAX
#define HALLWAY_GROUPS_MAX 8
#define HALLWAY_LENGTH_MAX 1000

enum { HALLWAY_STILL, HALLWAY_LEFT, HALLWAY_RIGHT, HALLWAY_ACTIONS };
enum { GROUP_WALKS, GROUP_WON, GROUP_FAILED, GROUP_CLASHED };

struct hallway_params {
    /* bound from rows */
    char lengths_text[CONFIG_TEXT_MAX];
    int64_t horizon; /* 0 until prepare has set the published one */
    double win_reward, clash_reward;
    bool observes_all, has_agent_id;
    int time_limit;

    /* derived by prepare */
    int32_t N, G, longest;
    int32_t length[HALLWAY_AGENTS_MAX], group[HALLWAY_AGENTS_MAX];
};

struct hallway_state {
    int32_t step;
    int32_t cell[]; /* [N] positions, 0 the goal; then [G] what became of the groups */
};

static inline int32_t *hallway_status(const struct hallway_params *p, struct hallway_state *g)
{
    return g->cell + p->N;
}

static inline const int32_t *hallway_status_view(const struct hallway_params *p, const struct hallway_state *g)
{
    return g->cell + p->N;
}

extern const struct env_ops env_hallway;

#endif
