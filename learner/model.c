#include "learner/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

int model_init(struct model *model, const char *id, const struct net_arch *arch, uint64_t seed, double head_gain, bool is_published,
               struct err *err)
{
    *model = (struct model){.arch = *arch, .is_published = is_published};
    snprintf(model->id, sizeof model->id, "%s", id);
    int r = net_arch_check(arch, err);
    if (r)
        return err_prefix(err, r, "net %s", id);
    model->count = net_parameter_count(arch);
    model->w = calloc(model->count, sizeof *model->w);
    if (!model->w || adam_init(&model->adam, model->count, 0.9, 0.999, 1e-5) || net_weights_create(&model->weights, arch)) {
        model_deinit(model);
        return err_set(err, ERR_NOMEM, "net %s: out of memory", id);
    }
    net_init(arch, seed, (uint32_t)hash_bytes(id, strlen(id)).low, (real)head_gain, model->w);
    model_changed(model);
    return 0;
}

void model_deinit(struct model *model)
{
    free(model->w);
    adam_deinit(&model->adam);
    net_weights_destroy(&model->weights);
    *model = (struct model){0};
}

void model_changed(struct model *model)
{
    net_weights_set(model->weights, model->w);
}

void model_step(struct model *model, double lr, double scale, const real *gradient)
{
    if (model->optimiser == OPTIMISER_RMSPROP)
        rmsprop_step_scaled(&model->adam, lr, scale, gradient, model->w);
    else
        adam_step_scaled(&model->adam, lr, scale, gradient, model->w);
    model_changed(model);
}

void model_init_uniform(struct model *model, uint64_t seed)
{
    net_init_uniform(&model->arch, seed, (uint32_t)hash_bytes(model->id, strlen(model->id)).low, model->w);
    model_changed(model);
}

void model_follow(struct model *model, const struct model *from, double share)
{
    for (size_t i = 0; i < model->count; i++)
        model->w[i] = (real)(share * (double)model->w[i] + (1 - share) * (double)from->w[i]);
    model_changed(model);
}

struct model *models_add(struct models *models, const char *id, const struct net_arch *arch, uint64_t seed, double head_gain,
                         bool is_published, struct err *err)
{
    if (models->count == MODELS_MAX) {
        err_set(err, ERR_LIMIT, "more than %d nets", MODELS_MAX);
        return NULL;
    }
    struct model *model = &models->model[models->count];
    if (model_init(model, id, arch, seed, head_gain, is_published, err))
        return NULL;
    models->count++;
    return model;
}

struct value_norm *models_add_norm(struct models *models, const char *id, double beta, struct err *err)
{
    if (models->n_norms == NORMS_MAX) {
        err_set(err, ERR_LIMIT, "more than %d value normalisers", NORMS_MAX);
        return NULL;
    }
    int at = models->n_norms++;
    snprintf(models->norms[at].id, sizeof models->norms[at].id, "%s", id);
    value_norm_init(&models->norms[at].norm, beta);
    return &models->norms[at].norm;
}

struct model_state *models_add_state(struct models *models, const char *id, size_t bytes, struct err *err)
{
    if (models->n_states == STATES_MAX) {
        err_set(err, ERR_LIMIT, "more than %d states", STATES_MAX);
        return NULL;
    }
    struct model_state *state = &models->states[models->n_states];
    *state = (struct model_state){.data = calloc(1, bytes), .bytes = bytes};
    if (!state->data) {
        err_set(err, ERR_NOMEM, "no memory for %zu bytes of %s", bytes, id);
        return NULL;
    }
    snprintf(state->id, sizeof state->id, "%s", id);
    models->n_states++;
    return state;
}

struct model *models_find(struct models *models, const char *id)
{
    for (int i = 0; i < models->count; i++)
        if (!strcmp(models->model[i].id, id))
            return &models->model[i];
    return NULL;
}

void models_deinit(struct models *models)
{
    for (int i = 0; i < models->count; i++)
        model_deinit(&models->model[i]);
    for (int i = 0; i < models->n_states; i++)
        free(models->states[i].data);
    models->count = models->n_norms = models->n_states = 0;
}

int model_add_to(struct weights *weights, const struct model *model, struct err *err)
{
    int32_t arch[WEIGHTS_ARCH_NUMBERS];
    _Static_assert(sizeof arch == sizeof model->arch, "an architecture is its numbers on the wire");
    memcpy(arch, &model->arch, sizeof arch);
    float *values = malloc(model->count * sizeof *values);
    if (!values)
        return err_set(err, ERR_NOMEM, "no memory for the weights of %s", model->id);
    for (size_t i = 0; i < model->count; i++)
        values[i] = (float)model->w[i];
    int r = weights_add_net(weights, model->id, arch, values, model->count, err);
    free(values);
    return r;
}
