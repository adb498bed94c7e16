#include "net/partition.h"

#include "base/rng.h"

#define OFF(field) offsetof(struct partition_config, field)

static const struct config_row rows[] = {
    {"partition.kind", CONFIG_CHOICE, OFF(kind), "none", 0, 0, "", "none|k-of-n|fixed|by-lane",
     "which agents are adversaries in an episode; drawn per episode, where the released code draws per rollout"},
    {"partition.probability", CONFIG_REAL, OFF(probability), "0.5", 0, 1, "", NULL, "share of episodes with adversaries (k-of-n)"},
    {"partition.adversaries", CONFIG_INT, OFF(adversaries), "1", 1, SPEC_AGENTS_MAX, "agents", NULL,
     "adversaries in an attacked episode"},
    {"partition.victim", CONFIG_INT, OFF(victim), "0", 0, SPEC_AGENTS_MAX - 1, "agent", NULL, "the adversary of kind fixed"},
};

const struct config_table partition_table = {"partition", rows, ARRAY_LEN(rows)};

int partition_config_bind(struct partition_config *config, const struct recipe *recipe, struct err *err)
{
    return config_bind(rows, ARRAY_LEN(rows), recipe, config, err);
}

/* k distinct agents, all subsets equally likely: Floyd's sampling. */
static uint64_t draw_subset(int N, int k, struct rng *rng)
{
    uint64_t mask = 0;
    for (int j = N - k; j < N; j++) {
        uint64_t bit = 1ull << rng_below(rng, (uint32_t)j + 1);
        mask |= mask & bit ? 1ull << j : bit;
    }
    return mask;
}

uint64_t partition_draw(const struct partition_config *config, const struct spec *spec, double probability, uint64_t seed,
                        uint64_t episode)
{
    struct rng rng = rng_stream(seed, RNG_PARTITION, episode, 0, 0);
    switch ((enum partition_kind)config->kind) {
    case PARTITION_K_OF_N: return rng_double(&rng) < probability ? draw_subset(spec->N, (int)config->adversaries, &rng) : 0;
    case PARTITION_FIXED: return 1ull << config->victim;
    case PARTITION_BY_LANE: return 1ull << ((episode >> 32) % (uint64_t)spec->N);
    case PARTITION_NONE: break;
    }
    return 0;
}
