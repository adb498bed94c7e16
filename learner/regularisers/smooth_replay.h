/* Smoothness (smoothness.h) of nets with memory on replayed episodes: ERNIE on Q nets and on MADDPG's actors. The term is the mean over real
 * steps and agents; a perturbation of one step is felt by the later ones, through the memory, and is found with regard to them. */
#ifndef TESTUDO_LEARNER_REGULARISERS_SMOOTH_REPLAY_H
#define TESTUDO_LEARNER_REGULARISERS_SMOOTH_REPLAY_H

#include "learner/regularisers/smoothness.h"
#include "learner/sample.h"

/* Rows of the block's steps 0..T-1, whose inputs [T*B*N,in] are given; their first O numbers may be moved. Masks and weights come from the
 * scratch. step: number of the optimiser step in the run; draws are named after it, the episode's place in the replay, step and agent. */
struct smoothness_rows smooth_replay_rows(const struct sample_block *block, int T, const real *input, int O, uint64_t step,
                                          struct arena *scratch);

/* Raises bytes of tape and scratch by what the term takes for `rows` rows of a net with A outputs; nothing when it is off. */
void smooth_replay_need(const struct smoothness *smoothness, const struct net_arch *arch, int rows, size_t *tape_bytes,
                        size_t *scratch_bytes);

#endif
