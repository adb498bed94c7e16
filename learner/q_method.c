/* Ops that all value-decomposition methods share; each passes on to q_learning.c or the replay. */
#include "learner/q_method.h"

#include <stdlib.h>

int q_method_create(struct algorithm **out, const struct algorithm_context *context, q_mixer *mix, q_add_mixer *add,
                    struct err *err)
{
    struct algorithm *algorithm = calloc(1, sizeof *algorithm);
    if (!algorithm)
        return err_set(err, ERR_NOMEM, "no memory for the algorithm");
    int r = q_begin(&algorithm->team, context, mix, err);
    if (!r && add)
        r = add(&algorithm->team, context->recipe, err);
    if (!r)
        r = q_ready(&algorithm->team, context, err);
    if (r) {
        q_method_destroy(&algorithm);
        return r;
    }
    *out = algorithm;
    return 0;
}

void q_method_destroy(struct algorithm **algorithm_at)
{
    struct algorithm *algorithm = *algorithm_at;
    if (!algorithm)
        return;
    q_deinit(&algorithm->team);
    free(algorithm);
    *algorithm_at = NULL;
}

void q_method_update(struct algorithm *algorithm, struct batch *batch, const struct progress *progress, struct report *report)
{
    q_update(&algorithm->team, batch, progress, report);
}

struct models *q_method_models(struct algorithm *algorithm)
{
    return &algorithm->team.models;
}

int q_method_tables(const struct algorithm *algorithm, const struct progress *progress, struct weights *weights, struct err *err)
{
    return q_tables(&algorithm->team, progress, weights, err);
}

int q_method_save(const struct algorithm *algorithm, struct safetensors *file, struct err *err)
{
    return replay_save(algorithm->team.replay, file, err);
}

int q_method_load(struct algorithm *algorithm, const struct safetensors *file, bool only_looks, struct err *err)
{
    return replay_load(algorithm->team.replay, file, only_looks, err);
}

struct replay *q_method_replay(const struct algorithm *algorithm)
{
    return algorithm->team.replay;
}

struct node *q_mixer_net(const struct q_mixing *mixing, int which, struct node *input)
{
    return net_forward(mixing->tape, mixing->nets[which], mixing->gradients ? mixing->gradients[which] : NULL, input, 1, mixing->R,
                       NULL, NULL, NULL);
}
