#include "learner/team.h"

#include <stdio.h>
#include <unistd.h>

#include "learner/regularisers/smoothness.h"

enum { TEAM_ROWS_MIN = 64 }; /* blocks of the information estimator, and one row for each agent */

int team_begin(struct team *team, const struct algorithm_context *context, struct err *err)
{
    *team = (struct team){.seed = context->seed, .shape = *context->shape, .recordings = 1};
    int r = ppo_config_bind(&team->config, context->recipe, err);
    if (!r && advantages_init(&team->advantages, context->shape, context->is_async))
        r = err_set(err, ERR_NOMEM, "no memory for advantages");
    return r;
}

int team_ready(struct team *team, struct err *err)
{
    const struct batch_shape *s = &team->shape;
    int rows = (int)team->config.block_rows, widest = 1;
    rows = s->chunk > rows ? s->chunk : rows; /* a block of the belief is at least one chunk */
    rows = rows < TEAM_ROWS_MIN ? TEAM_ROWS_MIN : rows;
    size_t capacity = 1, tape = 0, act = 0;
    for (int i = 0; i < team->models.count; i++) {
        const struct model *model = &team->models.model[i];
        size_t bytes = updater_tape_bytes(&model->arch, rows);
        size_t acting = net_act_scratch(&model->arch, rows) + smoothness_scratch(&model->arch, rows);
        capacity = model->count > capacity ? model->count : capacity;
        tape = bytes > tape ? bytes : tape;
        act = acting > act ? acting : act;
        widest = model->arch.in > widest ? model->arch.in : widest;
    }
    size_t width = (size_t)(widest + s->N * (s->A + s->S) + s->H + s->A + 64),
           batch_rows = (size_t)s->L * (size_t)s->T * (size_t)s->N;
    size_t scratch = (size_t)rows * width * 16 + batch_rows * 16 + act + ((size_t)1 << 20);
    long threads = team->config.n_threads ? team->config.n_threads : sysconf(_SC_NPROCESSORS_ONLN);
    if (threads > UPDATER_SHARDS)
        threads = UPDATER_SHARDS; /* more would have nothing to do */
    return updater_init(&team->updater, (int)(threads > 0 ? threads : 1), capacity, tape * (size_t)team->recordings, scratch, err);
}

void team_deinit(struct team *team)
{
    models_deinit(&team->models);
    updater_deinit(&team->updater);
    advantages_deinit(&team->advantages);
}

int team_add_defender(struct team *team, struct err *err)
{
    struct net_arch arch = ppo_policy_arch(&team->config, team->shape.O + team->shape.K, &team->shape.head);
    return models_add(&team->models, "defender", &arch, team->seed, team->config.head_gain, true, err) ? 0 : ERR_INVALID;
}

int team_add_critic(struct team *team, const char *id, const char *norm_id, struct err *err)
{
    struct net_arch arch = ppo_arch(&team->config, team->shape.S + team->shape.K, 1);
    if (!models_add(&team->models, id, &arch, team->seed, 1.0, false, err))
        return ERR_INVALID;
    return models_add_norm(&team->models, norm_id, team->config.norm_beta, err) ? 0 : ERR_LIMIT;
}

void team_report_policy(struct report *report, const char *prefix, const struct policy_result *result)
{
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"loss", result->loss},
                   {"entropy", result->entropy},
                   {"clip", result->clip_fraction},
                   {"kl", result->kl},
                   {"norm", result->norm}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%s", prefix, numbers[i].name);
        report_add(report, name, numbers[i].value);
    }
}
