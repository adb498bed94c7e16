/* Partitions: which agents of an episode are adversaries. Keys `partition.*`. A partition is a bit mask over agents, drawn once
 * per episode at its reset, as a pure function of (run seed, episode id). */
#ifndef TESTUDO_NET_PARTITION_H
#define TESTUDO_NET_PARTITION_H

#include "base/config.h"
#include "base/spec.h"

enum partition_kind { PARTITION_NONE, PARTITION_K_OF_N, PARTITION_FIXED, PARTITION_BY_LANE };

struct partition_config {
    int kind;
    double probability; /* that an episode has adversaries at all; the table "attack_probability" of the weights overrides it */
    int64_t adversaries;
    int64_t victim;
    int64_t together, sets; /* attack.adversaries, attack.sets */
};

/* Who is attacked in turn, by evaluations and by partitions of kind by-lane: victim v is the agents of mask[v]. */
struct victims {
    int n, together; /* together: agents of each */
    uint64_t mask[SPEC_AGENTS_MAX];
};

extern const struct config_table partition_table;
MUST_USE int partition_config_bind(struct partition_config *config, const struct recipe *recipe, struct err *err);

/* With attack.adversaries 1 the N agents, one by one; with more, all sets of so many of them in lexicographic order, or, when there are more
 * than attack.sets, that many of them: one out of each of so many equal parts of the list, the same ones for every team and seed.
 * ERR_INVALID when attack.adversaries is above N. */
MUST_USE int victims_init(struct victims *victims, const struct partition_config *config, int N, struct err *err);
int victims_find(const struct victims *victims, uint64_t mask); /* v, or -1 */

/* The mask for one episode. k-of-n: with `probability`, `adversaries` agents chosen uniformly (Li et al. 2024: one of N with
 * probability 0.5); fixed: agent `victim` always; by-lane: victim lane mod V of the V victims, always (worst-case attacks, one net
 * per victim). adversaries, attack.adversaries <= N and victim < N: the caller has checked. */
uint64_t partition_draw(const struct partition_config *config, const struct spec *spec, double probability, uint64_t seed,
                        uint64_t episode);

#endif
