/* One optimiser step runs over blocks of a few episodes. Within a block rows are (t * episodes + b) * N + n, steps 0..T with T the length of
 * its longest episode; live and target net are unrolled over all T + 1 of them in one go each. */
#include "learner/q_learning.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "learner/ppo_config.h"

#define OFF(field) offsetof(struct q_config, field)

static const struct config_row rows[] = {
    {"q.hidden", CONFIG_INT, OFF(hidden), "64", 1, 4096, "", NULL,
     "width of the agent net before its GRU, which has act.recurrent"},
    {"q.batch", CONFIG_INT, OFF(batch), "32", 1, 4096, "episodes", NULL, "drawn for an optimiser step"},
    {"q.updates_per_episode", CONFIG_REAL, OFF(updates_per_episode), "1", 0, 1000, "", NULL,
     "optimiser steps for each episode that ended"},
    {"q.optimiser", CONFIG_CHOICE, OFF(optimiser), "rmsprop", 0, 0, "", "adam|rmsprop", "RMSprop as published"},
    {"q.lr", CONFIG_REAL, OFF(lr), "5e-4", 0, 1, "per step", NULL, "step size"},
    {"q.alpha", CONFIG_REAL, OFF(alpha), "0.99", 0, 1, "", NULL, "memory of RMSprop's squares; Adam keeps 0.999"},
    {"q.eps", CONFIG_REAL, OFF(eps), "1e-5", 0, 1, "", NULL, "added to the optimiser's root"},
    {"q.max_norm", CONFIG_REAL, OFF(max_norm), "10", 0, 1e9, "", NULL, "ceiling on the gradient's norm over all nets; 0: none"},
    {"q.gamma", CONFIG_REAL, OFF(gamma), "0.99", 0, 1, "per step", NULL, "discount"},
    {"q.double", CONFIG_BOOL, OFF(is_double), "true", 0, 0, "", NULL, "the live net chooses the target's actions"},
    {"q.bootstraps_limits", CONFIG_BOOL, OFF(bootstraps_limits), "true", 0, 0, "", NULL,
     "the step at which the time limit cuts an episode goes on with the value of what follows; false: it ends there"},
    {"q.target_every", CONFIG_INT, OFF(target_every), "200", 0, 1e9, "episodes", NULL,
     "between copies of the nets to their targets; 0: they follow by q.target_share"},
    {"q.target_share", CONFIG_REAL, OFF(target_share), "0.01", 0, 1, "per step", NULL,
     "with target_every 0: share by which targets follow after each optimiser step"},
    {"q.epsilon_start", CONFIG_REAL, OFF(epsilon_start), "1", 0, 1, "", NULL, "share of random actions at the start"},
    {"q.epsilon_finish", CONFIG_REAL, OFF(epsilon_finish), "0.05", 0, 1, "", NULL, "and at the end of the schedule"},
    {"q.epsilon_steps", CONFIG_INT, OFF(epsilon_steps), "50000", 1, 1e12, "environment steps", NULL,
     "over which epsilon falls, counted over the whole run"},
};

const struct config_table q_table = {"q", rows, ARRAY_LEN(rows)};

const char *const q_reports[] = {"q/loss",    "q/norm",          "q/chosen",        "q/target",    "q/error",       "q/updates",
                                 "q/epsilon", "replay/episodes", "replay/left_out", "replay/beta", "replay/weight", NULL};

enum { CONFIG_ADAM, CONFIG_RMSPROP }; /* q.optimiser */

int q_state_width(const struct batch_shape *shape)
{
    return shape->state_is_observation ? shape->N * shape->O : shape->S;
}

/* ---- create ---- */

static int check_recipe(const struct q_team *team, const struct algorithm_context *context, struct err *err)
{
    if (context->shape->head.kind != ACTION_DISCRETE)
        return err_set(err, ERR_INVALID, "%s values one discrete action an agent, and %s has others", "learner.algorithm",
                       context->spec->env);
    if (team->acting.behaviour != BEHAVIOUR_EPSILON)
        return err_set(err, ERR_INVALID, "act.behaviour must be epsilon: learner.algorithm learns action values, not a policy");
    return 0;
}

int q_add(struct q_team *team, const char *id, const struct net_arch *arch, struct err *err)
{
    struct model *model = models_add(&team->models, id, arch, team->seed, 1.0, team->models.count == 0, err);
    if (!model)
        return ERR_INVALID;
    if (++team->n_live > Q_NETS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d nets of one team", Q_NETS_MAX);
    model_init_uniform(model, team->seed);
    model->adam.eps = team->config.eps;
    if (team->config.optimiser == CONFIG_RMSPROP) {
        model->optimiser = OPTIMISER_RMSPROP;
        model->adam.beta2 = team->config.alpha;
    }
    return 0;
}

int q_begin(struct q_team *team, const struct algorithm_context *context, q_mixer *mix, struct err *err)
{
    const struct batch_shape *s = context->shape;
    *team = (struct q_team){.shape = *s, .seed = context->seed, .steps_per_update = (int64_t)s->L * s->T, .mix = mix};
    int r;
    if ((r = config_bind(rows, ARRAY_LEN(rows), context->recipe, &team->config, err)) ||
        (r = acting_config_bind(&team->acting, context->recipe, &s->head, err)) || (r = check_recipe(team, context, err)) ||
        (r = smoothness_init(&team->smoothness, context, SMOOTHNESS_SQUARED, err)))
        return r;
    struct net_arch agent = {.in = s->O + s->K + acting_width(&team->acting, &s->head),
                             .hidden = (int32_t)team->config.hidden,
                             .depth = 1,
                             .out = s->A,
                             .activation = ACTIVATION_RELU,
                             .gru = team->acting.recurrent ? NET_GRU : NET_NO_GRU};
    if (team->acting.recurrent && team->acting.recurrent != team->config.hidden)
        return err_set(err, ERR_INVALID, "act.recurrent is %lld and q.hidden %lld: the agent net has one width",
                       (long long)team->acting.recurrent, (long long)team->config.hidden);
    return q_add(team, "defender", &agent, err);
}

static int add_targets(struct q_team *team, struct err *err)
{
    for (int i = 0; i < team->n_live; i++) {
        char id[48];
        snprintf(id, sizeof id, "target/%s", team->models.model[i].id);
        ASSERT(strlen(id) < sizeof team->models.model[i].id);
        struct model *target = models_add(&team->models, id, &team->models.model[i].arch, team->seed, 1.0, false, err);
        if (!target)
            return ERR_LIMIT;
        target->is_frozen = true; /* it has no optimiser of its own */
        model_follow(target, &team->models.model[i], 0);
    }
    return 0;
}

/* Episodes of a block: as many blocks as there are shards, where there are enough. */
static int block_episodes(const struct q_team *team)
{
    return ((int)team->config.batch + UPDATER_SHARDS - 1) / UPDATER_SHARDS;
}

static int ready_updater(struct q_team *team, const struct algorithm_context *context, struct err *err)
{
    const struct batch_shape *s = &team->shape;
    size_t steps = (size_t)block_episodes(team) * (size_t)(context->spec->horizon + 1), agent_rows = steps * (size_t)s->N;
    size_t capacity = 0, tape = ((size_t)4 << 20) + 32 * agent_rows * sizeof(real), state = steps * (size_t)q_state_width(s),
           input = (size_t)team->models.model[0].arch.in;
    for (int i = 0; i < team->n_live; i++) {
        const struct model *model = &team->models.model[i];
        capacity += model->count;
        tape += 2 * updater_tape_bytes(&model->arch, (int)(i ? steps : agent_rows));
    }
    const struct net_arch *agent = &team->models.model[0].arch;
    tape += smoothness_is_on(&team->smoothness) ? updater_tape_bytes(agent, (int)agent_rows) : 0;
    /* A mixer may keep its states with joint actions, of both sides. */
    size_t scratch = (agent_rows * (input + 12 + 2 * (size_t)s->A) + 4 * state + 16 * steps) * sizeof(real) +
                     smoothness_sample_scratch(agent, (int)agent_rows) + ((size_t)1 << 20);
    mi_replay_need(&team->mi, &capacity, &tape, &scratch);
    value_adversary_need(&team->adversary, (int)agent_rows, &capacity, &tape, &scratch);
    struct ppo_config shared;
    int r = ppo_config_bind(&shared, context->recipe, err);
    long threads = shared.n_threads ? shared.n_threads : sysconf(_SC_NPROCESSORS_ONLN);
    threads = threads > UPDATER_SHARDS ? UPDATER_SHARDS : threads < 1 ? 1 : threads;
    return r ? r : updater_init(&team->updater, (int)threads, capacity, tape, scratch, err);
}

int q_ready(struct q_team *team, const struct algorithm_context *context, struct err *err)
{
    int r;
    if ((r = add_targets(team, err)) ||
        (r = replay_create(&team->replay, context->recipe, context->shape, context->spec->horizon, err)) ||
        (r = mi_replay_init(&team->mi, context, &team->models, &team->models.model[0], &team->acting, replay_shape(team->replay),
                            (int)team->config.batch, err)) ||
        (r = value_adversary_init(&team->adversary, context, &team->models, team->config.gamma, team->config.bootstraps_limits,
                                  err)) ||
        (r = ready_updater(team, context, err)))
        return r;
    if (sample_init(&team->sample, replay_shape(team->replay), (int)team->config.batch))
        return err_set(err, ERR_NOMEM, "no memory for a sample of %d episodes", (int)team->config.batch);
    return 0;
}

void q_deinit(struct q_team *team)
{
    models_deinit(&team->models);
    updater_deinit(&team->updater);
    replay_destroy(&team->replay);
    sample_deinit(&team->sample);
    mi_replay_deinit(&team->mi);
}

/* ---- one block ---- */

enum { STAT_CHOSEN, STAT_TARGET, STAT_ERROR, STAT_SMOOTHNESS, STATS };

struct q_block { /* B episodes of the sample, T the longest of them; R = T * B steps that count, (T + 1) * B in all */
    const struct q_team *team;
    const struct sample *sample;
    const struct episode *episode;
    int first, B, T, N, A, I;
};

static const int32_t *action_at(const struct episode *episode, int t, int n, int N)
{
    return &episode->action[t * N + n];
}

static void gather_actions(const struct q_block *q, int32_t *out)
{
    for (int t = 0; t < q->T; t++)
        for (int b = 0; b < q->B; b++)
            for (int n = 0; n < q->N; n++)
                *out++ = t < q->episode[b].length ? *action_at(&q->episode[b], t, n, q->N) : 0;
}

/* The actions that `judge` finds best among the available ones at steps from..from+T-1, and the values `of` gives them. Behind an episode's
 * end, and at the end of one that offers nothing: action 0, value 0. Outputs [R,N]. */
static void choose_best(const struct q_block *q, int from, const struct node *judge, const struct node *of, int32_t *action,
                        real *value)
{
    for (int t = from; t < from + q->T; t++)
        for (int b = 0; b < q->B; b++)
            for (int n = 0; n < q->N; n++) {
                const struct episode *episode = &q->episode[b];
                size_t row = ((size_t)t * (size_t)q->B + (size_t)b) * (size_t)q->N + (size_t)n;
                int32_t best = -1;
                if (t < episode->length + from)
                    best = acting_best(q->A, judge->value + row * (size_t)q->A,
                                       episode->available + ((size_t)t * (size_t)q->N + (size_t)n) * (size_t)q->A);
                *action++ = best < 0 ? 0 : best;
                *value++ = best < 0 ? 0 : of->value[row * (size_t)q->A + (size_t)best];
            }
}

/* y and the weights of the squared loss, which takes half the square; both [R]. */
static void make_targets(const struct q_block *q, const real *next, real *target, real *weight)
{
    const struct sample *sample = q->sample;
    const real gamma = (real)q->team->config.gamma;
    for (int t = 0; t < q->T; t++)
        for (int b = 0; b < q->B; b++) {
            const struct episode *episode = &q->episode[b];
            int r = t * q->B + b;
            bool is_real = t < episode->length, is_last = t == episode->length - 1;
            bool is_end = is_last && (episode->is_terminated || !q->team->config.bootstraps_limits);
            weight[r] = is_real ? (real)(sample->weight[q->first + b] * (2.0 / (double)sample->steps)) : 0;
            target[r] = is_real ? sample->reward[(size_t)(q->first + b) * (size_t)sample->T + (size_t)t] : 0;
            if (is_real && !is_end)
                target[r] += gamma * next[r];
        }
}

/* Adds what live and target side have in common: tape, sizes and the side's nets. */
static struct node *mix(const struct q_block *q, struct block *block, bool is_target, struct q_mixing mixing)
{
    const struct q_team *team = q->team;
    const struct net_weights *nets[Q_NETS_MAX] = {NULL};
    for (int i = 1; i < team->n_live; i++)
        nets[i - 1] = team->models.model[i + (is_target ? team->n_live : 0)].weights;
    mixing.tape = block->tape;
    mixing.scratch = block->scratch;
    mixing.R = mixing.chosen->rows, mixing.N = q->N, mixing.A = q->A, mixing.Z = q->sample->shape->Z;
    mixing.nets = nets;
    mixing.gradients = is_target ? NULL : block->gradients + 1;
    return team->mix(&mixing);
}

/* Q'_tot of the step after each, at the actions that are best there. */
static const real *mix_next(const struct q_block *q, struct block *block, const struct node *live, const struct node *late,
                            const real *state)
{
    const size_t count = (size_t)q->T * (size_t)q->B * (size_t)q->N;
    int32_t *action = arena_array(block->scratch, int32_t, count), *unused = arena_array(block->scratch, int32_t, count);
    real *next = arena_array(block->scratch, real, count), *best = arena_array(block->scratch, real, count);
    choose_best(q, 1, q->team->config.is_double ? live : late, late, action, next);
    choose_best(q, 1, late, late, unused, best);
    struct q_mixing mixing = {.chosen = tape_input(block->tape, q->T * q->B, q->N, next, false),
                              .action = action,
                              .best = best,
                              .state = state + (size_t)q->B * (size_t)q->sample->shape->Z};
    return mix(q, block, true, mixing)->value;
}

/* Q_tot of the actions that were done. */
static struct node *mix_done(const struct q_block *q, struct block *block, struct node *live, const real *state)
{
    const size_t count = (size_t)q->T * (size_t)q->B * (size_t)q->N;
    int32_t *action = arena_array(block->scratch, int32_t, count), *unused = arena_array(block->scratch, int32_t, count);
    real *best = arena_array(block->scratch, real, count);
    gather_actions(q, action);
    choose_best(q, 0, live, live, unused, best);
    struct q_mixing mixing = {
        .chosen = tape_choose(block->tape, live, action, q->T * q->B, q->N), .action = action, .best = best, .state = state};
    return mix(q, block, false, mixing);
}

static void count_stats(const struct q_block *q, const struct node *total, const real *target, const real *weight, double *stats)
{
    for (int r = 0; r < total->rows; r++) {
        if (weight[r] == 0)
            continue;
        stats[STAT_CHOSEN] += (double)total->value[r] / (double)q->sample->steps;
        stats[STAT_TARGET] += (double)target[r] / (double)q->sample->steps;
        double error = fabs((double)total->value[r] - (double)target[r]);
        stats[STAT_ERROR] += error / (double)q->sample->steps;
        sample_count_error(q->sample, q->first + r % q->B, error);
    }
}

static void q_block_update(void *context, struct block *block)
{
    const struct q_team *team = context;
    const struct model *agent = &team->models.model[0];
    struct q_block q = {.team = team,
                        .sample = &team->sample,
                        .episode = team->sample.episode + block->first,
                        .first = block->first,
                        .B = block->count,
                        .T = team->sample.episode[block->first].length,
                        .N = team->shape.N,
                        .A = team->shape.A,
                        .I = agent->arch.in};
    const size_t R = (size_t)q.T * (size_t)q.B, steps = R + (size_t)q.B, N = (size_t)q.N, Z = (size_t)team->sample.shape->Z;
    real *input = arena_array(block->scratch, real, steps * N * (size_t)q.I), *state = arena_array(block->scratch, real, steps * Z);
    real *target = arena_array(block->scratch, real, R), *weight = arena_array(block->scratch, real, R);
    struct sample_block rows_of = sample_block(&team->sample, block->first, block->count);
    sample_gather_input(&rows_of, &team->shape.head, team->acting.has_last_action, q.I, input);
    sample_gather_states(&rows_of, state);

    const struct smoothness *smoothness = &team->smoothness;
    struct smoothness_rows smooth;
    const real *perturbed =
        smoothness_perturb_sample(smoothness, block, &rows_of, q.T + 1, input, (uint64_t)team->episode, team->which, &smooth);
    struct node *x = tape_input(block->tape, (int)(steps * N), q.I, input, false);
    int sequences = q.B * q.N;
    struct node *live = net_forward(block->tape, agent->weights, block->gradients[0], x, q.T + 1, sequences, NULL, NULL, NULL);
    struct node *late =
        net_forward(block->tape, team->models.model[team->n_live].weights, NULL, x, q.T + 1, sequences, NULL, NULL, NULL);
    make_targets(&q, mix_next(&q, block, live, late, state), target, weight);
    struct node *total = mix_done(&q, block, live, state);
    tape_squared_loss(block->tape, total, target, weight);
    count_stats(&q, total, target, weight, block->stats);
    if (perturbed)
        block->stats[STAT_SMOOTHNESS] += smoothness_record(smoothness, block, &smooth, live, perturbed);
}

/* ---- an update ---- */

struct q_sums {
    int updates, reported; /* entries of the report before the first optimiser step */
    double loss, norm, stats[STATS];
};

/* step: number of this optimiser step in the run. */
static void optimise(struct q_team *team, uint64_t step, int64_t episode, int which, struct q_sums *sums, struct report *report)
{
    struct rng rng = rng_stream(team->seed, RNG_BATCH, (uint64_t)episode, (uint32_t)which, 0);
    struct model *live[Q_NETS_MAX];
    struct updater_result result;
    team->episode = episode;
    team->which = which;
    sample_draw(&team->sample, team->replay, &rng);
    report->count = sums->reported; /* the last sample's numbers stand for the update */
    mi_replay_shape(&team->mi, &team->updater, &team->sample, step, report);
    value_adversary_step(&team->adversary, &team->updater, &team->sample, block_episodes(team), report);
    for (int i = 0; i < team->n_live; i++)
        live[i] = &team->models.model[i];
    updater_step_joint(&team->updater, live, team->n_live, team->config.lr, team->config.max_norm, team->sample.B,
                       block_episodes(team), q_block_update, team, &result);
    if (!result.is_skipped)
        sample_learned(&team->sample, team->replay);
    sums->updates++;
    sums->loss += result.loss;
    sums->norm += result.norm;
    for (int i = 0; i < STATS; i++)
        sums->stats[i] += result.stats[i];
}

static void follow(struct q_team *team, double share)
{
    for (int i = 0; i < team->n_live; i++)
        model_follow(&team->models.model[team->n_live + i], &team->models.model[i], share);
}

/* What is due when the run's episode number `episode` (from 1) has come in: both are functions of that number alone. */
static void take_episode(struct q_team *team, int64_t episode, struct q_sums *sums, struct report *report)
{
    const struct q_config *config = &team->config;
    double before = floor((double)(episode - 1) * config->updates_per_episode);
    int due = (int)(floor((double)episode * config->updates_per_episode) - before);
    for (int i = 0; i < due && replay_count(team->replay) >= team->sample.B; i++) {
        optimise(team, (uint64_t)before + (uint64_t)i, episode, i, sums, report);
        if (config->target_every == 0)
            follow(team, 1 - config->target_share);
    }
    if (config->target_every && episode % config->target_every == 0)
        follow(team, 0);
}

static void add_report(const struct q_team *team, const struct progress *progress, const struct q_sums *sums, struct report *report)
{
    if (sums->updates) {
        report_add(report, "q/loss", sums->loss / sums->updates);
        report_add(report, "q/norm", sums->norm / sums->updates);
        report_add(report, "q/chosen", sums->stats[STAT_CHOSEN] / sums->updates);
        report_add(report, "q/target", sums->stats[STAT_TARGET] / sums->updates);
        report_add(report, "q/error", sums->stats[STAT_ERROR] / sums->updates);
        if (smoothness_is_on(&team->smoothness))
            report_add(report, "smoothness", sums->stats[STAT_SMOOTHNESS] / sums->updates);
        sample_report(&team->sample, team->replay, report);
    }
    report_add(report, "q/updates", sums->updates);
    report_add(report, "q/epsilon", q_epsilon(team, progress));
    report_add(report, "replay/episodes", replay_count(team->replay));
    report_add(report, "replay/left_out", (double)replay_left_out(team->replay));
    report_add(report, "skipped", (double)team->updater.skipped);
}

void q_update(struct q_team *team, const struct batch *batch, const struct progress *progress, struct report *report)
{
    struct q_sums sums = {.reported = report->count};
    int64_t before = replay_total(team->replay);
    int kept = replay_add(team->replay, batch);
    mi_replay_take(&team->mi, &team->updater, team->replay, kept);
    sample_begin(&team->sample, team->replay, progress);
    for (int64_t episode = before + 1; episode <= before + kept; episode++)
        take_episode(team, episode, &sums, report);
    add_report(team, progress, &sums, report);
}

double q_epsilon(const struct q_team *team, const struct progress *progress)
{
    double done = (double)progress->update * (double)team->steps_per_update / (double)team->config.epsilon_steps;
    double start = team->config.epsilon_start, finish = team->config.epsilon_finish;
    return done >= 1 ? finish : start + (finish - start) * done;
}

int q_tables(const struct q_team *team, const struct progress *progress, struct weights *weights, struct err *err)
{
    const float epsilon = (float)q_epsilon(team, progress);
    return weights_add_table(weights, "epsilon", &epsilon, 1, err);
}
