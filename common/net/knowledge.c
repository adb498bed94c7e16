#include "net/knowledge.h"

#include <math.h>

#define OFF(field) offsetof(struct knowledge_config, field)

static const float LOGIT_LIMIT = 9.210240f; /* ln((1 - 1e-4) / 1e-4) */

static const struct config_row rows[] = {
    {"knowledge.kind", CONFIG_CHOICE, OFF(kind), "none", 0, 0, "", "none|belief|true-type",
     "what a defender knows of its team-mates' types: nothing, a recurrent belief, or the truth (an upper bound, not a method)"},
    {"knowledge.form", CONFIG_CHOICE, OFF(form), "probability", 0, 0, "", "probability|logit",
     "how a belief is fed to actor and critic; the paper feeds probabilities, logits spread small beliefs further apart"},
    {"belief.hidden", CONFIG_INT, OFF(belief_hidden), "128", 1, 4096, "", NULL, "width of the belief net and of its GRU"},
    {"belief.depth", CONFIG_INT, OFF(belief_depth), "3", 0, 8, "layers", NULL,
     "layers before the belief's GRU; the released code has 3, the paper gives only the width"},
};

const struct config_table knowledge_table = {"knowledge", rows, ARRAY_LEN(rows)};

int knowledge_config_bind(struct knowledge_config *config, const struct recipe *recipe, struct err *err)
{
    return config_bind(rows, ARRAY_LEN(rows), recipe, config, err);
}

int knowledge_width(const struct knowledge_config *config, const struct spec *spec)
{
    return config->kind == KNOWLEDGE_NONE ? 0 : spec->N;
}

struct net_arch knowledge_belief_arch(const struct knowledge_config *config, const struct spec *spec)
{
    return (struct net_arch){.in = spec->O,
                             .hidden = (int32_t)config->belief_hidden,
                             .depth = (int32_t)config->belief_depth,
                             .out = spec->N,
                             .activation = ACTIVATION_RELU,
                             .input_norm = 1,
                             .layer_norm = 1,
                             .gru = 1};
}

void knowledge_from_logits(const struct knowledge_config *config, size_t count, const real *logits, float *out)
{
    for (size_t i = 0; i < count; i++) {
        float logit = (float)logits[i];
        if (config->form == KNOWLEDGE_LOGIT)
            out[i] = logit > LOGIT_LIMIT ? LOGIT_LIMIT : logit < -LOGIT_LIMIT ? -LOGIT_LIMIT : logit;
        else
            out[i] = 1.0f / (1.0f + expf(-logit));
    }
}

float knowledge_from_type(const struct knowledge_config *config, int theta)
{
    if (config->form == KNOWLEDGE_LOGIT)
        return theta ? LOGIT_LIMIT : -LOGIT_LIMIT;
    return theta ? 1.0f : 0.0f;
}
