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
};

extern const struct config_table partition_table;
MUST_USE int partition_config_bind(struct partition_config *config, const struct recipe *recipe, struct err *err);

/* The mask for one episode. k-of-n: with `probability`, `adversaries` agents chosen uniformly (Li et al. 2024: one of N with
 * probability 0.5); fixed: agent `victim` always; by-lane: agent lane mod N always (worst-case attacks, one net per victim).
 * adversaries <= N and victim < N: the caller has checked. */
uint64_t partition_draw(const struct partition_config *config, const struct spec *spec, double probability, uint64_t seed,
                        uint64_t episode);

#endif
