/* What a defender is told about its team-mates' types: nothing, its own belief, or the truth. Keys `knowledge.*`.
 *
 * Li et al. 2024 (EIR-MAPPO): b_i = p(theta | history of agent i), N independent sigmoids of a recurrent net on the local
 * observation, written behind the observation that actor and critic read. "true-type" is the paper's upper bound: the slots
 * hold theta itself, in training and in tests. */
#ifndef TESTUDO_NET_KNOWLEDGE_H
#define TESTUDO_NET_KNOWLEDGE_H

#include "base/config.h"
#include "base/spec.h"
#include "net/net.h"

enum knowledge_kind { KNOWLEDGE_NONE, KNOWLEDGE_BELIEF, KNOWLEDGE_TRUE_TYPE };
enum knowledge_form { KNOWLEDGE_PROBABILITY, KNOWLEDGE_LOGIT };

struct knowledge_config {
    int kind, form;
    int64_t belief_hidden, belief_depth;
};

extern const struct config_table knowledge_table;
MUST_USE int knowledge_config_bind(struct knowledge_config *config, const struct recipe *recipe, struct err *err);

/* Slots behind the observation: N, or 0 without knowledge. */
int knowledge_width(const struct knowledge_config *config, const struct spec *spec);
struct net_arch knowledge_belief_arch(const struct knowledge_config *config, const struct spec *spec);

/* The slots from the belief net's output: sigmoid(logit), or the logit clamped to +-ln((1-1e-4)/1e-4). out may be logits. */
void knowledge_from_logits(const struct knowledge_config *config, size_t count, const real *logits, float *out);
/* The slots from the true type: theta 0 or 1. */
float knowledge_from_type(const struct knowledge_config *config, int theta);

#endif
