#include "net/partition.h"

#include "base/rng.h"

#define ATTACKED_MAX 8 /* so that the number of sets fits into 64 bits */
#define OFF(field) offsetof(struct partition_config, field)

static const struct config_row rows[] = {
    {"partition.kind", CONFIG_CHOICE, OFF(kind), "none", 0, 0, "", "none|k-of-n|fixed|by-lane",
     "which agents are adversaries in an episode; drawn per episode, where the released code draws per rollout"},
    {"partition.probability", CONFIG_REAL, OFF(probability), "0.5", 0, 1, "", NULL, "share of episodes with adversaries (k-of-n)"},
    {"partition.adversaries", CONFIG_INT, OFF(adversaries), "1", 1, SPEC_AGENTS_MAX, "agents", NULL,
     "adversaries in an attacked episode"},
    {"attack.adversaries", CONFIG_INT, OFF(together), "1", 1, ATTACKED_MAX, "agents", NULL,
     "agents that an attack or an evaluation attacks together"},
    {"attack.sets", CONFIG_INT, OFF(sets), "10", 1, SPEC_AGENTS_MAX, "", NULL,
     "with attack.adversaries above 1: sets of agents that are looked at, when there are more"},
    {"partition.victim", CONFIG_INT, OFF(victim), "0", 0, SPEC_AGENTS_MAX - 1, "agent", NULL, "the adversary of kind fixed"},
};

const struct config_table partition_table = {"partition", rows, ARRAY_LEN(rows)};

int partition_config_bind(struct partition_config *config, const struct recipe *recipe, struct err *err)
{
    return config_bind(rows, ARRAY_LEN(rows), recipe, config, err);
}

/* ---- victims ---- */

static uint64_t choose(int n, int k)
{
    uint64_t ways = 1;
    for (int i = 1; i <= k; i++)
        ways = ways * (uint64_t)(n - k + i) / (uint64_t)i;
    return n < k ? 0 : ways;
}

/* The set of k out of N agents at a place of the lexicographic list. */
static uint64_t set_at(uint64_t place, int N, int k)
{
    uint64_t mask = 0;
    for (int n = 0; n < N && k > 0; n++) {
        uint64_t with_n = choose(N - 1 - n, k - 1);
        if (place < with_n) {
            mask |= 1ull << n;
            k--;
        } else
            place -= with_n;
    }
    return mask;
}

static int count_victims(const struct partition_config *config, int N)
{
    uint64_t all = choose(N, (int)config->together);
    return (int)(config->together == 1 || all < (uint64_t)config->sets ? all : (uint64_t)config->sets);
}

static uint64_t victim_at(const struct partition_config *config, int N, int v, int n)
{
    int k = (int)config->together;
    uint64_t part = choose(N, k) / (uint64_t)n;
    return set_at(part * (uint64_t)v + rng_bits(0, RNG_PARTITION, (uint64_t)v, (uint32_t)N, (uint32_t)k) % part, N, k);
}

int victims_init(struct victims *victims, const struct partition_config *config, int N, struct err *err)
{
    if (config->together > N)
        return err_set(err, ERR_INVALID, "attack.adversaries is %lld, the environment has %d agents", (long long)config->together,
                       N);
    *victims = (struct victims){.n = count_victims(config, N), .together = (int)config->together};
    for (int v = 0; v < victims->n; v++)
        victims->mask[v] = victim_at(config, N, v, victims->n);
    return 0;
}

int victims_find(const struct victims *victims, uint64_t mask)
{
    for (int v = 0; v < victims->n; v++)
        if (victims->mask[v] == mask)
            return v;
    return -1;
}

/* ---- partitions ---- */

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
    case PARTITION_BY_LANE: {
        int n = count_victims(config, spec->N);
        return victim_at(config, spec->N, (int)((episode >> 32) % (uint64_t)n), n);
    }
    case PARTITION_NONE: break;
    }
    return 0;
}
