#include "learner/trainer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/replay.h"

#define OFF(field) offsetof(struct trainer_config, field)

static const struct config_row rows[] = {
    {"learner.algorithm", CONFIG_TEXT, OFF(algorithm), "mappo", 0, 0, "", NULL,
     "file of learner/algorithms or learner/threats that updates"},
    {"run.checkpoint_every", CONFIG_INT, OFF(checkpoint_every), "50", 1, 1e12, "updates", NULL,
     "between checkpoints; one more at the end"},
    {"run.eval_every", CONFIG_INT, OFF(eval_every), "0", 0, 1e12, "updates", NULL, "between evaluations during training; 0: none"},
};

const struct config_table trainer_table = {"trainer", rows, ARRAY_LEN(rows)};

struct trainer {
    struct trainer_config config;
    struct run_config run;
    struct knowledge_config knowledge;
    struct spec spec;
    struct schema schema;
    const struct algorithm_ops *ops;
    struct algorithm *algorithm;
    struct batch batch;
    struct progress progress;
    unsigned char *lanes; /* [lanes, snapshot_bytes] newest snapshots, by lane */
    size_t snapshot_bytes;
    bool forgoes_replay;
};

static int bind(struct trainer *trainer, const struct recipe *recipe, struct err *err)
{
    int r;
    if ((r = config_bind(rows, ARRAY_LEN(rows), recipe, &trainer->config, err)) ||
        (r = run_config_bind(&trainer->run, recipe, err)) || (r = knowledge_config_bind(&trainer->knowledge, recipe, err)))
        return r;
    return algorithm_find(trainer->config.algorithm, &trainer->ops, err);
}

static struct batch_shape shape_of(const struct trainer *trainer)
{
    const struct spec *spec = &trainer->spec;
    return (struct batch_shape){
        .L = (int)trainer->run.lanes,
        .T = (int)trainer->run.T,
        .N = spec->N,
        .O = spec->O,
        .S = spec->S,
        .A = spec->A,
        .head = action_head_of(spec),
        .K = knowledge_width(&trainer->knowledge, spec),
        .H = trainer->knowledge.kind == KNOWLEDGE_BELIEF ? (int)trainer->knowledge.belief_hidden : 0,
        .chunk = (int)trainer->run.chunk,
        .state_is_observation = spec->state_is_observation,
    };
}

static int allocate_lanes(struct trainer *trainer)
{
    int snapshot = schema_find(&trainer->schema, "snapshot");
    trainer->snapshot_bytes = snapshot < 0 ? 0 : (size_t)trainer->schema.columns[snapshot].width;
    trainer->lanes = calloc((size_t)trainer->run.lanes, trainer->snapshot_bytes + 1);
    return trainer->lanes ? 0 : ERR_NOMEM;
}

int trainer_create(struct trainer **out, const struct recipe *recipe, const struct spec *spec, const struct schema *schema,
                   const struct models *source, struct err *err)
{
    struct trainer *trainer = calloc(1, sizeof *trainer);
    if (!trainer)
        return err_set(err, ERR_NOMEM, "no memory for the trainer");
    trainer->spec = *spec;
    trainer->schema = *schema;
    int r = bind(trainer, recipe, err);
    if (r)
        goto failed;
    struct batch_shape shape = shape_of(trainer);
    if ((r = batch_init(&trainer->batch, &shape, &trainer->schema, err)))
        goto failed;
    if ((r = allocate_lanes(trainer))) {
        err_set(err, r, "no memory for lane snapshots");
        goto failed;
    }
    struct algorithm_context context = {.recipe = recipe,
                                        .spec = &trainer->spec,
                                        .shape = &shape,
                                        .knowledge = &trainer->knowledge,
                                        .seed = (uint64_t)trainer->run.seed,
                                        .is_async = trainer->run.mode == RUN_ASYNC,
                                        .source = source};
    if ((r = trainer->ops->create(&trainer->algorithm, &context, err)))
        goto failed;
    int64_t per_update = trainer_steps_per_update(trainer);
    trainer->progress = (struct progress){.total = (uint64_t)((trainer->run.budget_steps + per_update - 1) / per_update),
                                          .seed = (uint64_t)trainer->run.seed};
    *out = trainer;
    return 0;
failed:
    trainer_destroy(&trainer);
    return r;
}

void trainer_destroy(struct trainer **trainer_at)
{
    struct trainer *trainer = *trainer_at;
    if (!trainer)
        return;
    if (trainer->algorithm)
        trainer->ops->destroy(&trainer->algorithm);
    batch_deinit(&trainer->batch);
    free(trainer->lanes);
    free(trainer);
    *trainer_at = NULL;
}

static void keep_snapshots(struct trainer *trainer, const struct trajectory *const *trajectories)
{
    for (int l = 0; l < trainer->batch.shape.L; l++)
        if (trainer->snapshot_bytes && trajectories[l]->lane >= 0 && trajectories[l]->lane < trainer->run.lanes)
            memcpy(trainer->lanes + (size_t)trajectories[l]->lane * trainer->snapshot_bytes, trainer->batch.view[l].snapshot,
                   trainer->snapshot_bytes);
}

void trainer_update(struct trainer *trainer, const struct trajectory *const *trajectories, struct report *report)
{
    batch_fill(&trainer->batch, trajectories);
    trainer->ops->update(trainer->algorithm, &trainer->batch, &trainer->progress, report);
    keep_snapshots(trainer, trajectories);
    trainer->progress.update++;
}

uint64_t trainer_updates(const struct trainer *trainer)
{
    return trainer->progress.update;
}

uint64_t trainer_total(const struct trainer *trainer)
{
    return trainer->progress.total;
}

int64_t trainer_steps_per_update(const struct trainer *trainer)
{
    return trainer->run.lanes * trainer->run.T;
}

int64_t trainer_steps(const struct trainer *trainer)
{
    return (int64_t)trainer->progress.update * trainer_steps_per_update(trainer);
}

void trainer_extend(struct trainer *trainer, uint64_t total)
{
    trainer->progress.total = total;
}

const char *const *trainer_reports(const struct trainer *trainer)
{
    return trainer->ops->reports;
}

const struct batch *trainer_batch(const struct trainer *trainer)
{
    return &trainer->batch;
}

bool trainer_has_adversary(const struct trainer *trainer)
{
    struct models *models = trainer->ops->models(trainer->algorithm);
    return models_find(models, "adversary") || models_find(models, "adversary/0");
}

int trainer_weights(struct trainer *trainer, struct weights_version version, struct weights **out, struct err *err)
{
    struct weights *weights = NULL;
    struct models *models = trainer->ops->models(trainer->algorithm);
    int r = weights_create(&weights, version);
    if (r)
        return err_set(err, r, "no memory for a version of weights");
    for (int i = 0; i < models->count && !r; i++)
        if (models->model[i].is_published)
            r = model_add_to(weights, &models->model[i], err);
    if (!r && trainer->ops->tables)
        r = trainer->ops->tables(trainer->algorithm, &trainer->progress, weights, err);
    if (r) {
        weights_unref(&weights);
        return r;
    }
    *out = weights;
    return 0;
}

/* ---- checkpoints ---- */

struct replay *trainer_replay(const struct trainer *trainer)
{
    return trainer->ops->replay ? trainer->ops->replay(trainer->algorithm) : NULL;
}

int trainer_keep_replay(struct trainer *trainer, const char *run, struct err *err)
{
    struct replay *replay = trainer_replay(trainer);
    return replay ? replay_keep_in(replay, run, err) : 0;
}

void trainer_forgo_replay(struct trainer *trainer)
{
    trainer->forgoes_replay = true;
}

static enum tensor_type real_type(void)
{
    return sizeof(real) == 4 ? TENSOR_F32 : TENSOR_F64;
}

static int save_model(const struct model *model, struct safetensors *file, struct err *err)
{
    struct net_parameter table[NET_PARAMETERS_MAX];
    char name[96], arch[128];
    int n = net_parameters(&model->arch, table), r = 0;
    for (int i = 0; i < n && !r; i++) {
        int64_t shape[2] = {table[i].rows, table[i].cols};
        snprintf(name, sizeof name, "nets/%.31s/%.31s", model->id, table[i].name);
        r = safetensors_add(file, name, real_type(), 2, shape, model->w + table[i].start, err);
    }
    const struct net_arch *a = &model->arch;
    snprintf(name, sizeof name, "arch/%s", model->id);
    snprintf(arch, sizeof arch, "%d,%d,%d,%d,%d,%d,%d,%d,%d", a->in, a->hidden, a->depth, a->out, a->activation, a->input_norm,
             a->layer_norm, a->gru, a->log_std);
    if (r || (r = safetensors_set_metadata(file, name, arch, err)) || model->is_frozen)
        return r;
    int64_t count = (int64_t)model->count, one = 1;
    snprintf(name, sizeof name, "adam/%s/m", model->id);
    if ((r = safetensors_add(file, name, real_type(), 1, &count, model->adam.m, err)))
        return r;
    snprintf(name, sizeof name, "adam/%s/v", model->id);
    if ((r = safetensors_add(file, name, real_type(), 1, &count, model->adam.v, err)))
        return r;
    snprintf(name, sizeof name, "adam/%s/step", model->id);
    return safetensors_add(file, name, TENSOR_I64, 1, &one, &model->adam.step, err);
}

int trainer_save(const struct trainer *trainer, struct safetensors *file, struct err *err)
{
    const struct models *models = trainer->ops->models(trainer->algorithm);
    char name[96];
    int r = 0;
    for (int i = 0; i < models->count && !r; i++)
        r = save_model(&models->model[i], file, err);
    for (int i = 0; i < models->n_norms && !r; i++) {
        const struct value_norm *norm = &models->norms[i].norm;
        double numbers[4] = {norm->mean, norm->mean_square, norm->debias, norm->beta};
        int64_t four = 4;
        snprintf(name, sizeof name, "norms/%s", models->norms[i].id);
        r = safetensors_add(file, name, TENSOR_F64, 1, &four, numbers, err);
    }
    for (int i = 0; i < models->n_states && !r; i++) {
        int64_t bytes = (int64_t)models->states[i].bytes;
        snprintf(name, sizeof name, "state/%s", models->states[i].id);
        r = safetensors_add(file, name, TENSOR_U8, 1, &bytes, models->states[i].data, err);
    }
    int64_t lanes[2] = {trainer->run.lanes, (int64_t)trainer->snapshot_bytes}, two = 2;
    int64_t progress[2] = {(int64_t)trainer->progress.update, (int64_t)trainer->progress.total};
    if (!r && trainer->snapshot_bytes)
        r = safetensors_add(file, "lanes", TENSOR_U8, 2, lanes, trainer->lanes, err);
    if (!r)
        r = safetensors_add(file, "progress", TENSOR_I64, 1, &two, progress, err);
    if (!r && trainer->ops->save)
        r = trainer->ops->save(trainer->algorithm, file, err);
    return r;
}

/* The tensor of that name, if it has the type and the number of bytes that are expected. */
static const void *find_tensor(const struct safetensors *file, const char *name, enum tensor_type type, size_t bytes,
                               struct err *err)
{
    const struct tensor *tensor = safetensors_find(file, name);
    if (!tensor)
        err_set(err, ERR_MISMATCH, "tensor %s is missing", name);
    else if (tensor->type != type || tensor->bytes != bytes)
        err_set(err, ERR_MISMATCH, "tensor %s has %zu bytes of type %d, expected %zu of type %d", name, tensor->bytes,
                (int)tensor->type, bytes, (int)type);
    else
        return tensor->data;
    return NULL;
}

/* Copies a tensor to `to`; with to NULL it is only looked for. */
static int take_tensor(const struct safetensors *file, const char *name, enum tensor_type type, size_t bytes, void *to,
                       struct err *err)
{
    const void *data = find_tensor(file, name, type, bytes, err);
    if (!data)
        return ERR_MISMATCH;
    if (to)
        memcpy(to, data, bytes);
    return 0;
}

/* w NULL: only looks. */
static int load_parameters(const struct net_arch *arch, const char *id, real *w, const struct safetensors *file, struct err *err)
{
    struct net_parameter table[NET_PARAMETERS_MAX];
    char name[96];
    int n = net_parameters(arch, table);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "nets/%.31s/%.31s", id, table[i].name);
        const struct tensor *tensor = safetensors_find(file, name);
        if (tensor && (tensor->n_dims != 2 || tensor->shape[0] != table[i].rows || tensor->shape[1] != table[i].cols))
            return err_set(err, ERR_MISMATCH, "tensor %s is %" PRId64 "x%" PRId64 ", the recipe says %dx%d", name, tensor->shape[0],
                           tensor->n_dims > 1 ? tensor->shape[1] : 1, table[i].rows, table[i].cols);
        size_t bytes = (size_t)table[i].rows * (size_t)table[i].cols * sizeof(real);
        int r = take_tensor(file, name, real_type(), bytes, w ? w + table[i].start : NULL, err);
        if (r)
            return r;
    }
    return 0;
}

/* A checkpoint is read twice: first it is only looked at, so that one that does not fit changes nothing. */
enum load_pass { LOAD_LOOK, LOAD_TAKE };

static int load_model(struct model *model, const struct safetensors *file, enum load_pass pass, struct err *err)
{
    char name[96];
    bool takes = pass == LOAD_TAKE;
    size_t bytes = model->count * sizeof(real);
    int r = load_parameters(&model->arch, model->id, takes ? model->w : NULL, file, err);
    if (!r && takes)
        model_changed(model);
    if (r || model->is_frozen)
        return r;
    snprintf(name, sizeof name, "adam/%s/m", model->id);
    if ((r = take_tensor(file, name, real_type(), bytes, takes ? model->adam.m : NULL, err)))
        return r;
    snprintf(name, sizeof name, "adam/%s/v", model->id);
    if ((r = take_tensor(file, name, real_type(), bytes, takes ? model->adam.v : NULL, err)))
        return r;
    snprintf(name, sizeof name, "adam/%s/step", model->id);
    return take_tensor(file, name, TENSOR_I64, sizeof(int64_t), takes ? &model->adam.step : NULL, err);
}

static int load_norms(struct models *models, const struct safetensors *file, enum load_pass pass, struct err *err)
{
    for (int i = 0; i < models->n_norms; i++) {
        char name[96];
        double numbers[4];
        snprintf(name, sizeof name, "norms/%s", models->norms[i].id);
        int r = take_tensor(file, name, TENSOR_F64, sizeof numbers, numbers, err);
        if (r)
            return r;
        if (pass == LOAD_TAKE)
            models->norms[i].norm =
                (struct value_norm){.mean = numbers[0], .mean_square = numbers[1], .debias = numbers[2], .beta = numbers[3]};
    }
    return 0;
}

static int load_states(struct models *models, const struct safetensors *file, enum load_pass pass, struct err *err)
{
    for (int i = 0; i < models->n_states; i++) {
        const struct model_state *state = &models->states[i];
        char name[96];
        snprintf(name, sizeof name, "state/%s", state->id);
        const void *data = find_tensor(file, name, TENSOR_U8, state->bytes, err);
        if (!data)
            return ERR_MISMATCH;
        int r = state->check ? state->check(state->context, data, err) : 0;
        if (r)
            return err_prefix(err, r, "tensor %s", name);
        if (pass == LOAD_TAKE)
            memcpy(state->data, data, state->bytes);
    }
    return 0;
}

static int load_progress(struct trainer *trainer, const struct safetensors *file, enum load_pass pass, struct err *err)
{
    int64_t progress[2];
    size_t lanes = (size_t)trainer->run.lanes * trainer->snapshot_bytes;
    int r = take_tensor(file, "progress", TENSOR_I64, sizeof progress, progress, err);
    if (!r && (progress[0] < 0 || progress[1] < 0))
        return err_set(err, ERR_MISMATCH, "tensor progress says %" PRId64 " of %" PRId64 " updates", progress[0], progress[1]);
    if (!r && lanes)
        r = take_tensor(file, "lanes", TENSOR_U8, lanes, pass == LOAD_TAKE ? trainer->lanes : NULL, err);
    if (r || pass == LOAD_LOOK)
        return r;
    trainer->progress.update = (uint64_t)progress[0];
    if ((uint64_t)progress[1] > trainer->progress.total)
        trainer->progress.total = (uint64_t)progress[1]; /* an attack that was extended */
    return 0;
}

static int load_pass(struct trainer *trainer, const struct safetensors *file, enum load_pass pass, struct err *err)
{
    struct models *models = trainer->ops->models(trainer->algorithm);
    int r = 0;
    for (int i = 0; i < models->count && !r; i++)
        r = load_model(&models->model[i], file, pass, err);
    if (!r)
        r = load_norms(models, file, pass, err);
    if (!r)
        r = load_states(models, file, pass, err);
    if (!r && trainer->ops->load && !trainer->forgoes_replay)
        r = trainer->ops->load(trainer->algorithm, file, pass == LOAD_LOOK, err);
    return r ? r : load_progress(trainer, file, pass, err);
}

int trainer_load(struct trainer *trainer, const struct safetensors *file, struct err *err)
{
    int r = load_pass(trainer, file, LOAD_LOOK, err);
    return r ? r : load_pass(trainer, file, LOAD_TAKE, err);
}

/* The net of this id, if the checkpoint has one. */
static int load_source_net(struct models *models, const struct safetensors *file, const char *id, struct err *err)
{
    char key[96];
    struct net_arch a = {0};
    snprintf(key, sizeof key, "arch/%s", id);
    const char *text = safetensors_metadata(file, key);
    if (!text)
        return 0;
    if (sscanf(text, "%d,%d,%d,%d,%d,%d,%d,%d,%d", &a.in, &a.hidden, &a.depth, &a.out, &a.activation, &a.input_norm, &a.layer_norm,
               &a.gru, &a.log_std) < 8) /* 8: a file from before there were boxes */
        return err_set(err, ERR_FORMAT, "metadata %s is \"%s\", expected 9 numbers", key, text);
    struct model *model = models_add(models, id, &a, 0, 1.0, true, err);
    if (!model)
        return ERR_MISMATCH;
    int r = load_parameters(&model->arch, model->id, model->w, file, err);
    if (r)
        return r;
    model_changed(model);
    model->is_frozen = true;
    return 0;
}

int trainer_load_source(struct models *models, const struct safetensors *file, struct err *err)
{
    static const char *const ids[] = {"defender", "belief", "adversary"};
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(ids) && !r; i++)
        r = load_source_net(models, file, ids[i], err);
    return r;
}

int trainer_load_team(struct models *models, const struct safetensors *file, struct err *err)
{
    int r = trainer_load_source(models, file, err);
    for (int n = 0; n < SPEC_AGENTS_MAX && !r; n++) {
        char id[32];
        snprintf(id, sizeof id, "adversary/%d", n);
        r = load_source_net(models, file, id, err);
    }
    return r;
}

struct hash checkpoint_hash(const struct safetensors *file)
{
    static const char *const parts[] = {"adam/", "lanes", "nets/", "norms/", "progress"};
    struct hash hash = {0};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        hash = hash_combine(hash, safetensors_hash(file, parts[i]));
    static const char *const few_have[] = {"state/", "replay/"};
    for (size_t p = 0; p < ARRAY_LEN(few_have); p++) {
        bool has_part = false;
        for (int i = 0; i < safetensors_count(file); i++)
            has_part |= !strncmp(safetensors_at(file, i)->name, few_have[p], strlen(few_have[p]));
        if (has_part) /* hashes of methods without stay what they were */
            hash = hash_combine(hash, safetensors_hash(file, few_have[p]));
    }
    return hash;
}
