/* Re-scoring: see rescore.h. One function per group of fields, in the header's order; each compares rows and stops at the first that
 * differs. All rows of a slice go through a net together; a belief runs over all chunks at once, step by step within them. */
#include "learner/rescore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/ready_nets.h"
#include "net/knowledge.h"
#include "net/partition.h"
#include "wire/run.h"

enum threat_kind { THREAT_NONE, THREAT_LEARNED, THREAT_RANDOM, THREAT_GREEDY, THREAT_PGD, THREAT_OTHER };
enum { ON_OBSERVATION = 1, ON_ACTION = 2 }; /* bits of the column channels */

static const struct {
    const char *name;
    int channel;
} threats[] = {[THREAT_NONE] = {"clean", 0},
               [THREAT_LEARNED] = {"learned", ON_ACTION},
               [THREAT_RANDOM] = {"random", ON_ACTION},
               [THREAT_GREEDY] = {"greedy", ON_ACTION},
               [THREAT_PGD] = {"pgd", ON_OBSERVATION}};

struct rescore {
    const struct batch *batch;
    struct run_config run;
    struct knowledge_config knowledge;
    struct partition_config partition;
    struct victims victims;
    enum threat_kind threat;
    bool is_scripted, hits_all; /* "@all": every agent is attacked, whatever its slot */
    int episode_column, channels_column;
    struct ready_nets *nets;
    real *input, *output; /* [rows,O+max(K,N)], [rows,max(A,N)] */
    float *noise, *logp;  /* [rows,C], [rows] */
    int32_t *action;      /* [rows,C] cells */
    uint8_t *available;   /* [rows,A] */
    int32_t *list;        /* [rows] */
    real *h, *h_copy;     /* [chunks*N,H], [N,H] */
    real *final_output;   /* [N,N] */
    bool *is_known;       /* [chunks*N] whether h is the agent's belief */
    int32_t *ended;       /* [T] episodes that ended before */
    int32_t *chunks;      /* [chunks] in hand */
};

struct slice { /* in hand */
    const struct rescore *r;
    const struct trajectory *t;
    struct batch_view view;
    const int64_t *episode;  /* [T] */
    const uint8_t *channels; /* [T,N] */
    double attack_probability;
    struct misfit *misfit;
    int n_chunks; /* that are done again; their numbers in r->chunks, ascending */
};

/* ---- create ---- */

static enum threat_kind threat_of(const char *text)
{
    size_t length = strcspn(text, ":@");
    for (size_t i = 0; i < ARRAY_LEN(threats); i++)
        if (strlen(threats[i].name) == length && !memcmp(threats[i].name, text, length))
            return (enum threat_kind)i;
    return !strcmp(text, "none") ? THREAT_NONE : THREAT_OTHER;
}

/* act.*: a hidden state at the start of a slice and a table's epsilon are not in the frame. */
static bool acts_by_other_rules(const struct recipe *recipe)
{
    return strcmp(recipe_value(recipe, "act.behaviour", "sample"), "sample") ||
           strcmp(recipe_value(recipe, "act.recurrent", "0"), "0") ||
           strcmp(recipe_value(recipe, "act.last_action", "false"), "false");
}

static int bind(struct rescore *r, const struct recipe *recipe, struct err *err)
{
    const struct schema *schema = r->batch->schema;
    int code;
    if ((code = run_config_bind(&r->run, recipe, err)) || (code = knowledge_config_bind(&r->knowledge, recipe, err)) ||
        (code = partition_config_bind(&r->partition, recipe, err)) ||
        (code = victims_init(&r->victims, &r->partition, r->batch->shape.N, err)))
        return code;
    r->threat = threat_of(recipe_value(recipe, "attack.threat", "clean"));
    r->hits_all = r->threat != THREAT_NONE && strchr(recipe_value(recipe, "attack.threat", "clean"), '@');
    r->is_scripted = strcmp(recipe_value(recipe, "rollout.defender", "net"), "net") || acts_by_other_rules(recipe);
    r->episode_column = schema_find(schema, "episode");
    r->channels_column = schema_find(schema, "channels");
    if (r->episode_column < 0 || schema->columns[r->episode_column].type != COLUMN_I64 ||
        schema->columns[r->episode_column].span != SPAN_STEP || schema->columns[r->episode_column].width != 1)
        return err_set(err, ERR_MISMATCH, "trajectories have no column \"episode\" of one i64 a step");
    if (r->channels_column < 0 || schema->columns[r->channels_column].type != COLUMN_U8 ||
        schema->columns[r->channels_column].span != SPAN_STEP || schema->columns[r->channels_column].width != r->batch->shape.N)
        return err_set(err, ERR_MISMATCH, "trajectories have no column \"channels\" of a u8 for each agent");
    return 0;
}

static int allocate(struct rescore *r)
{
    const struct batch_shape *s = &r->batch->shape;
    size_t rows = (size_t)(s->T * s->N), states = (size_t)((s->T + s->chunk - 1) / s->chunk * s->N);
    size_t in = (size_t)(s->O + (s->K > s->N ? s->K : s->N)), out = (size_t)(s->A > s->N ? s->A : s->N), C = (size_t)s->head.C;
    rows = rows > states ? rows : states;
    r->input = calloc(rows * in, sizeof *r->input);
    r->output = calloc(rows * out, sizeof *r->output);
    r->noise = calloc(rows * C, sizeof *r->noise);
    r->logp = calloc(rows, sizeof *r->logp);
    r->action = calloc(rows * C, sizeof *r->action);
    r->available = calloc(rows * (size_t)s->A, 1);
    r->list = calloc(rows, sizeof *r->list);
    r->h = calloc(states * (size_t)s->H + 1, sizeof *r->h);
    r->h_copy = calloc((size_t)(s->N * s->H + 1), sizeof *r->h_copy);
    r->final_output = calloc((size_t)(s->N * s->N), sizeof *r->final_output);
    r->ended = calloc((size_t)s->T, sizeof *r->ended);
    r->chunks = calloc((size_t)s->T, sizeof *r->chunks);
    r->is_known = calloc(states, sizeof *r->is_known);
    bool is_good = r->input && r->output && r->noise && r->logp && r->action && r->available && r->list && r->h && r->h_copy &&
                   r->is_known && r->final_output && r->ended && r->chunks;
    return is_good ? ready_nets_create(&r->nets, RESCORE_VERSIONS) : ERR_NOMEM;
}

int rescore_create(struct rescore **rescore, const struct recipe *recipe, const struct batch *batch, struct err *err)
{
    struct rescore *r = calloc(1, sizeof *r);
    *rescore = r;
    if (!r)
        return err_set(err, ERR_NOMEM, "no memory for re-scoring");
    r->batch = batch;
    int code = bind(r, recipe, err);
    if (!code && (code = allocate(r)))
        err_set(err, code, "no memory for re-scoring");
    if (code)
        rescore_destroy(rescore);
    return code;
}

void rescore_destroy(struct rescore **rescore)
{
    struct rescore *r = *rescore;
    if (!r)
        return;
    ready_nets_destroy(&r->nets);
    free(r->input);
    free(r->output);
    free(r->noise);
    free(r->logp);
    free(r->action);
    free(r->available);
    free(r->list);
    free(r->h);
    free(r->h_copy);
    free(r->final_output);
    free(r->ended);
    free(r->chunks);
    free(r->is_known);
    free(r);
    *rescore = NULL;
}

/* ---- what did not fit ---- */

/* Compares `count` numbers bit for bit. 0, or ERR_MISMATCH with the misfit at the first that differs. */
static int compare(const struct slice *s, const char *field, enum column_type type, int t, int agent, size_t count,
                   const void *expected, const void *found)
{
    size_t size = misfit_number_bytes(type);
    if (!memcmp(expected, found, count * size))
        return 0;
    size_t at = 0;
    while (!memcmp((const char *)expected + at * size, (const char *)found + at * size, size))
        at++;
    struct misfit *m = s->misfit;
    snprintf(m->field, sizeof m->field, "%s", field);
    m->t = t;
    m->agent = agent;
    misfit_number(type, expected, at, m->expected);
    misfit_number(type, found, at, m->found);
    return ERR_MISMATCH;
}

static int compare_i64(const struct slice *s, const char *field, int t, int64_t expected, int64_t found)
{
    return compare(s, field, COLUMN_I64, t, -1, 1, &expected, &found);
}

/* ---- episodes, slots, records ---- */

static bool ends_at(const struct slice *s, int t)
{
    return s->view.terminated[t] || s->view.truncated[t];
}

static uint64_t mask_at(const struct slice *s, int t)
{
    uint64_t mask = 0;
    int N = s->r->batch->shape.N;
    for (int n = 0; n < N; n++)
        mask |= (uint64_t)(s->view.slot[t * N + n] & 1) << n;
    return mask;
}

static uint64_t drawn_mask(const struct slice *s, uint64_t episode)
{
    struct spec spec = {.N = s->r->batch->shape.N};
    return partition_draw(&s->r->partition, &spec, s->attack_probability, (uint64_t)s->r->run.seed, episode);
}

/* A partition is drawn when the episode begins: at t > 0 under this version; an episode that a slice starts with began under the one
 * before, whose probability is not at hand. */
static int check_slot(const struct slice *s, int t)
{
    int N = s->r->batch->shape.N;
    bool begins = t ? ends_at(s, t - 1) : s->t->slice == 0;
    if (!begins && t == 0)
        return 0;
    uint64_t mask = begins ? drawn_mask(s, (uint64_t)s->episode[t]) : mask_at(s, t - 1);
    for (int n = 0; n < N; n++) {
        uint8_t expected = mask >> n & 1;
        int code = compare(s, "slot", COLUMN_U8, t, n, 1, &expected, s->view.slot + t * N + n);
        if (code)
            return code;
    }
    return 0;
}

static int check_episodes(const struct slice *s)
{
    int code;
    for (int t = 0; t < s->t->steps; t++) {
        int64_t first = (int64_t)s->t->lane << 32, expected = t ? s->episode[t - 1] + ends_at(s, t - 1) : s->episode[0];
        if (t == 0)
            expected = s->t->slice == 0 ? first : first | (s->episode[0] & 0xffffffff);
        if ((code = compare_i64(s, "episode", t, expected, s->episode[t])))
            return code;
        if (t == 0 && s->t->slice == 0 && (code = compare_i64(s, "episode_step", 0, 0, s->view.episode_step[0])))
            return code;
        if ((code = check_slot(s, t)))
            return code;
    }
    return 0;
}

/* The e-th record, of the episode that ends at t. total: its return so far, counted as the actor counts. */
static int check_record(const struct slice *s, int e, int t, bool began_inside, float total)
{
    const struct batch_view *v = &s->view;
    int code;
    if ((code = compare_i64(s, "record_episode", t, s->episode[t], v->record_episode[e])) ||
        (code = compare_i64(s, "record_partition", t, (int64_t)mask_at(s, t), v->record_partition[e])) ||
        (code = compare_i64(s, "record_length", t, (int64_t)v->episode_step[t] + 1, v->record_length[e])))
        return code;
    return began_inside ? compare(s, "record_return", COLUMN_F32, t, -1, 1, &total, v->record_return + e) : 0;
}

static int check_records(const struct slice *s)
{
    int N = s->r->batch->shape.N, e = 0, code;
    bool began_inside = s->view.episode_step[0] == 0;
    float total = 0;
    for (int t = 0; t < s->t->steps; t++) {
        float sum = 0;
        for (int n = 0; n < N; n++)
            sum += s->view.reward[t * N + n];
        total += sum / (float)N;
        if (!ends_at(s, t))
            continue;
        if (e < s->view.episodes && (code = check_record(s, e, t, began_inside, total)))
            return code;
        e++;
        began_inside = true;
        total = 0;
    }
    return 0;
}

/* ---- knowledge ---- */

static bool is_attacked(const struct slice *s, int row)
{
    return s->r->threat != THREAT_NONE && (s->r->hits_all || s->view.slot[row]);
}

static bool is_blinded(const struct slice *s, int row) /* it sees another observation than its belief did */
{
    return (s->r->threat == THREAT_OTHER || s->r->threat == THREAT_PGD) && is_attacked(s, row);
}

static int chunks_of(const struct slice *s)
{
    return (s->t->steps + s->r->batch->shape.chunk - 1) / s->r->batch->shape.chunk;
}

/* What is known after the episode at t was cut: from a copy of the states h [N,H] that the step left. */
static int check_final(const struct slice *s, const struct net_weights *belief, int t, const real *h, const bool *is_known)
{
    const struct rescore *r = s->r;
    size_t N = (size_t)r->batch->shape.N, O = (size_t)r->batch->shape.O, e = (size_t)r->ended[t];
    float slots[SPEC_AGENTS_MAX] = {0};
    if (e >= (size_t)s->view.episodes)
        return 0;
    memcpy(r->h_copy, h, N * (size_t)r->batch->shape.H * sizeof *h);
    if (s->view.truncated[t])
        net_act(belief, (int)N, s->view.final_observation + e * N * O, r->h_copy, r->final_output, ready_nets_scratch(r->nets));
    for (size_t n = 0; n < N; n++) {
        if (s->view.truncated[t])
            knowledge_from_logits(&r->knowledge, N, r->final_output + n * N, slots);
        const float *found = s->view.final_knowledge + (e * N + n) * N;
        int code = is_known[n] ? compare(s, "final_knowledge", COLUMN_F32, t, (int)n, N, slots, found) : 0;
        if (code)
            return code;
    }
    return 0;
}

/* Step t, whose states and outputs stand at state row `first`: knowledge against the record; an episode's end wipes the states. */
static int check_belief_step(const struct slice *s, const struct net_weights *belief, int t, size_t first)
{
    const struct rescore *r = s->r;
    size_t N = (size_t)r->batch->shape.N, H = (size_t)r->batch->shape.H;
    float slots[SPEC_AGENTS_MAX];
    int code;
    for (size_t n = 0; n < N; n++) {
        size_t row = (size_t)t * N + n;
        r->is_known[first + n] &= !is_blinded(s, (int)row);
        knowledge_from_logits(&r->knowledge, N, r->output + (first + n) * N, slots);
        if (r->is_known[first + n] &&
            (code = compare(s, "knowledge", COLUMN_F32, t, (int)n, N, slots, s->view.knowledge + row * N)))
            return code;
    }
    if (!ends_at(s, t))
        return 0;
    if ((code = check_final(s, belief, t, r->h + first * H, r->is_known + first)))
        return code;
    memset(r->h + first * H, 0, N * H * sizeof *r->h);
    for (size_t n = 0; n < N; n++)
        r->is_known[first + n] = true;
    return 0;
}

/* Step j of every chunk in hand: one product for all of them. */
static int check_belief_steps(const struct slice *s, const struct net_weights *belief, int j)
{
    const struct rescore *r = s->r;
    const struct batch_shape *b = &r->batch->shape;
    size_t N = (size_t)b->N, O = (size_t)b->O;
    int code;
    for (int i = 0; i < s->n_chunks; i++)
        memcpy(r->input + (size_t)i * N * O, s->view.observation + (size_t)(r->chunks[i] * b->chunk + j) * N * O,
               N * O * sizeof(float));
    net_act(belief, s->n_chunks * b->N, r->input, r->h, r->output, ready_nets_scratch(r->nets));
    for (int i = 0; i < s->n_chunks; i++)
        if ((code = check_belief_step(s, belief, r->chunks[i] * b->chunk + j, (size_t)i * N)))
            return code;
    return 0;
}

/* What follows the slice is known from where its last chunk went. */
static int check_belief_after(const struct slice *s, const struct net_weights *belief, real *h, const bool *is_known)
{
    const struct rescore *r = s->r;
    size_t N = (size_t)r->batch->shape.N, O = (size_t)r->batch->shape.O, T = (size_t)s->t->steps;
    float slots[SPEC_AGENTS_MAX];
    int code;
    net_act(belief, (int)N, s->view.observation + T * N * O, h, r->output, ready_nets_scratch(r->nets));
    for (size_t n = 0; n < N; n++) {
        knowledge_from_logits(&r->knowledge, N, r->output + n * N, slots);
        const float *found = s->view.knowledge + (T * N + n) * N;
        if (is_known[n] && (code = compare(s, "knowledge", COLUMN_F32, (int)T, (int)n, N, slots, found)))
            return code;
    }
    return 0;
}

/* Where a chunk went is where the next one starts. */
static int check_belief_ends(const struct slice *s, const struct net_weights *belief)
{
    const struct rescore *r = s->r;
    const struct batch_shape *b = &r->batch->shape;
    size_t N = (size_t)b->N, H = (size_t)b->H;
    for (int i = 0; i < s->n_chunks; i++) {
        int next = r->chunks[i] + 1, code;
        if (next == chunks_of(s))
            return check_belief_after(s, belief, r->h + (size_t)i * N * H, r->is_known + (size_t)i * N);
        for (size_t n = 0; n < N; n++) {
            size_t row = (size_t)i * N + n;
            const float *found = s->view.belief_state + ((size_t)next * N + n) * H;
            if (r->is_known[row] &&
                (code = compare(s, "belief_state", COLUMN_F32, next * b->chunk, (int)n, H, r->h + row * H, found)))
                return code;
        }
    }
    return 0;
}

static int check_beliefs(const struct slice *s, const struct net_weights *belief)
{
    const struct rescore *r = s->r;
    const struct batch_shape *b = &r->batch->shape;
    size_t width = (size_t)(b->N * b->H);
    int ended = 0, code;
    for (int t = 0; t < s->t->steps; ended += ends_at(s, t), t++)
        r->ended[t] = ended;
    for (int i = 0; i < s->n_chunks; i++)
        memcpy(r->h + (size_t)i * width, s->view.belief_state + (size_t)r->chunks[i] * width, width * sizeof(float));
    memset(r->is_known, true, (size_t)(s->n_chunks * b->N));
    for (int j = 0; j < b->chunk; j++) /* T is a multiple of it: run_config */
        if ((code = check_belief_steps(s, belief, j)))
            return code;
    return check_belief_ends(s, belief);
}

static int check_types(const struct slice *s, const char *field, int t, uint64_t mask, bool is_empty, const float *found)
{
    int N = s->r->batch->shape.N, code;
    float slots[SPEC_AGENTS_MAX];
    for (int n = 0; n < N; n++)
        slots[n] = is_empty ? 0 : knowledge_from_type(&s->r->knowledge, (int)(mask >> n & 1));
    for (int n = 0; n < N; n++)
        if ((code = compare(s, field, COLUMN_F32, t, n, (size_t)N, slots, found + (size_t)n * (size_t)N)))
            return code;
    return 0;
}

static int check_true_types(const struct slice *s)
{
    size_t width = (size_t)(s->r->batch->shape.N * s->r->batch->shape.N);
    int T = s->t->steps, e = 0, code;
    for (int t = 0; t < T; t++) {
        if ((code = check_types(s, "knowledge", t, mask_at(s, t), false, s->view.knowledge + (size_t)t * width)))
            return code;
        if (ends_at(s, t) && e < s->view.episodes &&
            (code = check_types(s, "final_knowledge", t, mask_at(s, t), s->view.terminated[t],
                                s->view.final_knowledge + (size_t)e++ * width)))
            return code;
    }
    uint64_t next = ends_at(s, T - 1) ? drawn_mask(s, (uint64_t)s->episode[T - 1] + 1) : mask_at(s, T - 1);
    return check_types(s, "knowledge", T, next, false, s->view.knowledge + (size_t)T * width);
}

/* ---- decisions ---- */

static int missing(const char *id, struct err *err)
{
    return err_set(err, ERR_STATE, "the version has no net \"%s\" of the task's shape", id);
}

static bool has_shape(const struct net_weights *net, int in, int out, bool gru, bool log_std)
{
    const struct net_arch *arch = net_weights_arch(net);
    return arch->in == in && arch->out == out && !arch->gru == !gru && !arch->log_std == !log_std;
}

static int check_rows(const struct slice *s, const char *action_field, const char *logp_field, const void *actions,
                      const float *logps, int row, const int32_t *action, const float *logp)
{
    const struct batch_shape *b = &s->r->batch->shape;
    enum column_type type = b->head.kind == ACTION_BOX ? COLUMN_F32 : COLUMN_I32;
    int t = row / b->N, n = row % b->N, code;
    if ((code = compare(s, logp_field, COLUMN_F32, t, n, 1, logp, logps + row)))
        return code;
    return action ? compare(s, action_field, type, t, n, (size_t)b->head.C, action, batch_choices(b, actions, row)) : 0;
}

/* The i-th row in hand, as a row of the slice. */
static int row_in_hand(const struct slice *s, int i)
{
    int rows = s->r->batch->shape.chunk * s->r->batch->shape.N;
    return s->r->chunks[i / rows] * rows + i % rows;
}

static int rows_in_hand(const struct slice *s)
{
    return s->n_chunks * s->r->batch->shape.chunk * s->r->batch->shape.N;
}

static void gather_intended(const struct slice *s, int i, uint8_t *available)
{
    const struct rescore *r = s->r;
    const struct batch_shape *b = &r->batch->shape;
    size_t O = (size_t)b->O, K = (size_t)b->K, A = (size_t)b->A;
    int row = row_in_hand(s, i), t = row / b->N;
    float *input = r->input + (size_t)i * (O + K);
    memcpy(input, s->view.observation + (size_t)row * O, O * sizeof(float));
    if (K)
        memcpy(input + O, s->view.knowledge + (size_t)row * K, K * sizeof(float));
    memcpy(available + (size_t)i * A, s->view.available + (size_t)row * A, A);
    action_head_noise(&b->head, (uint64_t)r->run.seed, RNG_POLICY, (uint64_t)s->episode[t], (uint32_t)s->view.episode_step[t],
                      (uint32_t)(row % b->N), r->noise + (size_t)i * (size_t)b->head.C);
}

static int check_intended(const struct slice *s, const struct net_weights *defender)
{
    const struct rescore *r = s->r;
    const struct batch_shape *b = &r->batch->shape;
    int rows = rows_in_hand(s), code;
    for (int i = 0; i < rows; i++)
        gather_intended(s, i, r->available);
    net_act(defender, rows, r->input, NULL, r->output, ready_nets_scratch(r->nets));
    action_head_sample(&b->head, rows, r->output, net_weights_log_std(defender), r->available, r->noise, r->action, r->logp, NULL);
    for (int i = 0; i < rows; i++)
        if ((code = check_rows(s, "intended", "intended_logp", s->view.intended, s->view.intended_logp, row_in_hand(s, i),
                               r->action + (size_t)i * (size_t)b->head.C, r->logp + i)))
            return code;
    return 0;
}

/* The net that plays agent n at step t: of the victims that it is one of there, or everybody's. */
static const struct net_weights *adversary_of(const struct slice *s, int n, int t)
{
    const struct rescore *r = s->r;
    int victim = r->victims.together > 1 ? victims_find(&r->victims, mask_at(s, t)) : n;
    char id[32];
    snprintf(id, sizeof id, "adversary/%d", victim >= 0 ? victim : n);
    const struct net_weights *own = ready_nets_find(r->nets, id);
    return own ? own : ready_nets_find(r->nets, "adversary");
}

/* Rows of one agent that an adversary net plays. */
static int check_adversary(const struct slice *s, int n, const struct net_weights *net, struct err *err)
{
    const struct rescore *r = s->r;
    const struct batch_shape *b = &r->batch->shape;
    size_t O = (size_t)b->O, in = net ? (size_t)net_weights_arch(net)->in : 0;
    int count = 0, code;
    if (!net || (!has_shape(net, b->O, b->A, false, b->head.kind == ACTION_BOX) &&
                 !has_shape(net, b->O + b->N, b->A, false, b->head.kind == ACTION_BOX)))
        return missing("adversary", err);
    for (int i = n; i < rows_in_hand(s); i += b->N) {
        int row = row_in_hand(s, i);
        if (!is_attacked(s, row))
            continue;
        float *input = r->input + (size_t)count * in;
        memset(input, 0, in * sizeof(float));
        memcpy(input, s->view.observation + (size_t)row * O, O * sizeof(float));
        if (in > O)
            input[O + (size_t)n] = 1.0f;
        r->list[count++] = row;
    }
    if (count)
        net_act(net, count, r->input, NULL, r->output, ready_nets_scratch(r->nets));
    for (int i = 0; i < count; i++) {
        int row = r->list[i], t = row / b->N;
        int32_t action[SPEC_COMPONENTS_MAX];
        float noise[SPEC_COMPONENTS_MAX], logp;
        action_head_noise(&b->head, (uint64_t)r->run.seed, RNG_ADVERSARY, (uint64_t)s->episode[t],
                          (uint32_t)s->view.episode_step[t], (uint32_t)n, noise);
        action_head_sample(&b->head, 1, r->output + (size_t)i * (size_t)b->A, net_weights_log_std(net),
                           s->view.available + (size_t)row * (size_t)b->A, noise, action, &logp, NULL);
        if ((code = check_rows(s, "action", "action_logp", s->view.action, s->view.action_logp, row, action, &logp)))
            return code;
    }
    return 0;
}

static int check_uniform(const struct slice *s, int row)
{
    const struct batch_shape *b = &s->r->batch->shape;
    int t = row / b->N;
    int32_t action[SPEC_COMPONENTS_MAX];
    float logp;
    struct rng rng = rng_stream((uint64_t)s->r->run.seed, RNG_ADVERSARY, (uint64_t)s->episode[t], (uint32_t)s->view.episode_step[t],
                                (uint32_t)(row % b->N));
    action_head_uniform(&b->head, &rng, s->view.available + (size_t)row * (size_t)b->A, action, &logp);
    return check_rows(s, "action", "action_logp", s->view.action, s->view.action_logp, row, action, &logp);
}

/* Who is not under an action threat executes what it intended. */
static int check_executed(const struct slice *s, int row)
{
    const struct rescore *r = s->r;
    const struct batch_shape *b = &r->batch->shape;
    bool is_target = is_attacked(s, row);
    uint8_t channel = is_target && r->threat != THREAT_OTHER ? (uint8_t)threats[r->threat].channel : 0;
    const float zero = 0;
    int code;
    if (is_target && r->threat == THREAT_OTHER)
        return 0;
    if ((code = compare(s, "channels", COLUMN_U8, row / b->N, row % b->N, 1, &channel, s->channels + row)))
        return code;
    if (channel != ON_ACTION)
        return check_rows(s, "action", "action_logp", s->view.action, s->view.action_logp, row,
                          batch_choices(b, s->view.intended, row), s->view.intended_logp + row);
    if (r->threat == THREAT_RANDOM)
        return check_uniform(s, row);
    if (r->threat == THREAT_GREEDY)
        return check_rows(s, "action", "action_logp", s->view.action, s->view.action_logp, row, NULL, &zero);
    return 0; /* learned: by agent, see check_adversary */
}

static int check_decisions(const struct slice *s, const struct net_weights *defender, struct err *err)
{
    const struct rescore *r = s->r;
    const struct batch_shape *b = &r->batch->shape;
    int code = r->is_scripted ? 0 : check_intended(s, defender);
    for (int i = 0; i < rows_in_hand(s) && !code; i++)
        code = check_executed(s, row_in_hand(s, i));
    for (int n = 0; n < b->N && !code && r->threat == THREAT_LEARNED; n++) {
        int first = -1; /* step at which it is attacked */
        for (int i = n; i < rows_in_hand(s) && first < 0; i += b->N)
            first = is_attacked(s, row_in_hand(s, i)) ? row_in_hand(s, i) / b->N : -1;
        if (first >= 0)
            code = check_adversary(s, n, adversary_of(s, n, first), err);
    }
    return code;
}

/* ---- a slice ---- */

static int check_knowledge(const struct slice *s, struct err *err)
{
    const struct rescore *r = s->r;
    const struct batch_shape *b = &r->batch->shape;
    if (!b->K)
        return 0;
    if (r->knowledge.kind == KNOWLEDGE_TRUE_TYPE)
        return check_true_types(s);
    const struct net_weights *belief = ready_nets_find(r->nets, "belief");
    if (!belief || !has_shape(belief, b->O, b->N, true, false) || net_weights_arch(belief)->hidden != b->H)
        return missing("belief", err);
    return check_beliefs(s, belief);
}

static int check_slice(const struct slice *s, struct err *err)
{
    const struct rescore *r = s->r;
    const struct batch_shape *b = &r->batch->shape;
    const struct net_weights *defender = r->is_scripted ? NULL : ready_nets_find(r->nets, "defender");
    if (!r->is_scripted && (!defender || !has_shape(defender, b->O + b->K, b->A, false, b->head.kind == ACTION_BOX)))
        return missing("defender", err);
    int code = check_episodes(s);
    if (!code)
        code = check_records(s);
    if (!code)
        code = check_knowledge(s, err);
    return code ? code : check_decisions(s, defender, err);
}

int rescore_chunks(const struct rescore *r)
{
    return r->batch->shape.T / r->batch->shape.chunk;
}

int rescore_run(struct rescore *r, const struct weights *weights, const struct trajectory *trajectory, const bool *chosen,
                struct misfit *misfit, struct err *err)
{
    const struct batch_shape *b = &r->batch->shape;
    struct schema_layout layout;
    ASSERT(trajectory->steps == b->T);
    int states = (b->T + b->chunk - 1) / b->chunk * b->N, rows = b->T * b->N;
    int code = ready_nets_take(r->nets, weights, rows > states ? rows : states, err);
    if (code)
        return code;
    struct slice s = {.r = r,
                      .t = trajectory,
                      .misfit = misfit,
                      .attack_probability = weights_scalar(weights, "attack_probability", (float)r->partition.probability)};
    batch_map(r->batch, trajectory, &s.view);
    schema_layout(r->batch->schema, trajectory->steps, trajectory->episodes, &layout);
    s.episode = (const int64_t *)(const void *)(trajectory->frame + layout.start[r->episode_column]);
    for (int c = 0; c < rescore_chunks(r); c++)
        if (!chosen || chosen[c])
            r->chunks[s.n_chunks++] = c;
    s.channels = trajectory->frame + layout.start[r->channels_column];
    *misfit = (struct misfit){.agent = -1};
    code = s.n_chunks ? check_slice(&s, err) : 0;
    if (code == ERR_MISMATCH) {
        char text[160];
        misfit_text(misfit, text, sizeof text);
        err_set(err, code, "%s", text);
    }
    return code;
}
