/* Random numbers as pure functions of what they are for.
 *
 * A draw is named by (run seed, purpose, episode id, step, agent): no generator state is stored anywhere, so a draw does
 * not depend on the actor, the place in a batch, the order of arrival or the time. The name is hashed to 64 bits by three
 * rounds of the SplitMix64 finaliser (Steele, Lea, Flood 2014, doi 10.1145/2714064.2660195), one over each pair of words.
 * Where one name needs many numbers (a reset that places food by rejection), rng_stream counts on from the name's hash. */
#ifndef TESTUDO_BASE_RNG_H
#define TESTUDO_BASE_RNG_H

#include <stdint.h>

/* What a draw is for. Append only: the numbers are part of what a checkpoint hash means. */
enum rng_purpose {
    RNG_RESET = 1,       /* environment reset */
    RNG_STEP = 2,        /* randomness of the environment's own dynamics */
    RNG_PARTITION = 3,   /* who is an adversary in an episode */
    RNG_POLICY = 4,      /* action of the policy that a team member would follow */
    RNG_ADVERSARY = 5,   /* action of an adversary */
    RNG_NOISE = 6,       /* observation or message noise */
    RNG_INIT = 7,        /* initial weights; episode = net, step = layer */
    RNG_BATCH = 8,       /* minibatch order and sampling in the learner; episode = update */
    RNG_BOOTSTRAP = 9,   /* resampling in reports */
    RNG_EXPLORE = 10,    /* exploration of off-policy actors */
    RNG_SIMULATION = 11, /* faults and delays of the protocol simulation */
    RNG_TEST = 12,
    RNG_EVALUATE = 13, /* the seed that evaluation episodes are drawn under */
    RNG_ADMIT = 14,    /* which trajectories are scored again or audited; seed = a learner's own secret key, never the run's */
};

/* 64 uniformly distributed bits for one name. */
uint64_t rng_bits(uint64_t seed, enum rng_purpose purpose, uint64_t episode, uint32_t step, uint32_t agent);

/* The same name as a float uniform in [0,1), 24 bits. */
float rng_unit(uint64_t seed, enum rng_purpose purpose, uint64_t episode, uint32_t step, uint32_t agent);

/* Many numbers under one name. Plain data on the caller's stack; never saved. */
struct rng {
    uint64_t key, count;
};
struct rng rng_stream(uint64_t seed, enum rng_purpose purpose, uint64_t episode, uint32_t step, uint32_t agent);
uint64_t rng_next(struct rng *rng);
uint32_t rng_below(struct rng *rng, uint32_t n); /* uniform in 0..n-1, n >= 1, without modulo bias */
double rng_double(struct rng *rng);              /* uniform in [0,1), 53 bits */
double rng_normal(struct rng *rng);              /* standard normal, Box-Muller, cosine half only */

#endif
