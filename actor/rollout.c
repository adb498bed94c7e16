/* Rollouts. See rollout.h.
 *
 * Lanes live in `held`, by lane number. A group of orders is copied to places 0..B-1 of `work`, stepped there together, and
 * copied back. One step of a group is the list in step_group: know, perturb, decide, attack, record, step, end episodes.
 * Invariants: held[lane] is what the lane's newest slice left (head.next_slice says which slice may continue it); nothing is
 * allocated while a group runs, except scratch when nets of a new size arrive. */
#include "actor/rollout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actor/attack.h"
#include "actor/columns.h"
#include "actor/lane.h"
#include "actor/rollout_config.h"
#include "base/clock.h"
#include "net/acting.h"
#include "net/knowledge.h"
#include "net/partition.h"
#include "wire/run.h"

enum { PLACES_MIN = 64 }; /* evaluation groups are at least this wide */

struct buffers {               /* one step of all places; R = places * N rows */
    float *input;              /* [R,O+K+M] */
    float *logits;             /* [R,max(A,N)] outputs of a net */
    float *probability;        /* [R,A] */
    float *logp, *action_logp; /* [R] */
    float *noise;              /* [R,C] */
    void *intended, *action;   /* [R,C] int32_t choices, or floats of a box in policy units */
    void *previous;            /* [R,C] action of the step before, of a group */
    float *executed;           /* [R,C] of a box, in the environment's units */
    int32_t *attacked;         /* [R] */
    int32_t *attacker;         /* [places] */
    uint8_t *channels;         /* [R] */
    uint64_t *episode;         /* [places] */
    int32_t *episode_step;     /* [places] */
    float *belief_copy;        /* [R,H] */
    struct rng *step_rng;      /* [places] */
};

struct place {            /* what a place of the running group writes to */
    struct frame frame;   /* columns of the order's frame that do not depend on the number of episodes */
    struct frame staging; /* episode columns, until their number is known */
    unsigned char *staging_bytes;
    int episodes;
    bool is_done; /* evaluation: has all its episodes */
};

struct rollout {
    struct run_config run;
    struct knowledge_config knowledge;
    struct partition_config partition;
    struct victims victims;
    struct rollout_config config;
    struct acting_config acting;
    struct env_instance env;
    struct schema schema;
    struct schema_layout step_layout, staging_layout;
    struct columns columns;
    const struct env_script *script; /* NULL: defenders are nets */
    struct threat training_threat;
    struct nets nets;
    struct action_head head;
    int K, M, n_places; /* knowledge slots, numbers of the last action */
    struct lane_widths widths;
    struct lanes held, work;
    struct vec held_vec, work_vec;
    bool *is_held; /* [run.lanes] */
    struct place *places;
    struct buffers buffers;
    struct arena memory, scratch;
    struct rollout_times times;
    void (*watch)(void *context, const struct rollout_moment *moment); /* or NULL */
    void *watch_context;
};

struct group { /* the orders in hand */
    const struct order *const *orders;
    struct trajectory *const *out;
    int B;
    bool is_evaluation;
    struct threat threat;
    uint64_t seed;
    double attack_probability;
    float epsilon; /* of the defender's behaviour; 0 in evaluations */
    struct hash weights_hash;
};

/* ---- create ---- */

/* What rows cannot say: partition and threat must fit the team, and each other. */
static int check_partition(const struct rollout *rollout, struct err *err)
{
    const struct partition_config *partition = &rollout->partition;
    int N = rollout->env.spec.N;
    if (partition->kind == PARTITION_K_OF_N && partition->adversaries > N)
        return err_set(err, ERR_INVALID, "partition.adversaries is %lld, the environment has %d agents",
                       (long long)partition->adversaries, N);
    if (partition->together > N)
        return err_set(err, ERR_INVALID, "attack.adversaries is %lld, the environment has %d agents",
                       (long long)partition->together, N);
    if (partition->kind == PARTITION_FIXED && partition->victim >= N)
        return err_set(err, ERR_INVALID, "partition.victim is %lld, the environment has agents 0 to %d",
                       (long long)partition->victim, N - 1);
    if (partition->kind != PARTITION_NONE && !rollout->training_threat.ops)
        return err_set(err, ERR_INVALID,
                       "partition.kind names adversaries but attack.threat is clean: they would be recorded and nobody play them");
    if (partition->kind != PARTITION_NONE && rollout->training_threat.hits_all)
        return err_set(err, ERR_INVALID, "attack.threat %s hits every agent, but partition.kind names adversaries: set it to none",
                       rollout->config.threat);
    return 0;
}

static int bind_config(struct rollout *rollout, const struct recipe *recipe, struct err *err)
{
    int r;
    if ((r = run_config_bind(&rollout->run, recipe, err)) || (r = knowledge_config_bind(&rollout->knowledge, recipe, err)) ||
        (r = partition_config_bind(&rollout->partition, recipe, err)) || (r = rollout_config_bind(&rollout->config, recipe, err)) ||
        (r = env_open(&rollout->env, recipe, err)))
        return r;
    if ((r = threat_parse(&rollout->training_threat, rollout->config.threat, err)))
        return err_prefix(err, r, "attack.threat");
    if (rollout->training_threat.ops && rollout->training_threat.ops->is_for_evaluation)
        return err_set(err, ERR_INVALID, "attack.threat is %s, which is for evaluations only (eval.threats)",
                       rollout->config.threat);
    if ((r = check_partition(rollout, err)))
        return r;
    rollout->victims = victims_of(&rollout->partition, rollout->env.spec.N);
    return 0;
}

static int find_script(struct rollout *rollout, struct err *err)
{
    const char *name = rollout->config.defender;
    if (!strcmp(name, "net"))
        return 0;
    const struct env_ops *ops = rollout->env.ops;
    for (int i = 0; i < ops->n_scripts; i++)
        if (!strcmp(ops->scripts[i].name, name))
            rollout->script = &ops->scripts[i];
    if (!rollout->script)
        return err_set(err, ERR_UNKNOWN, "rollout.defender is \"%s\", expected net or a script of environment %s", name, ops->name);
    if (rollout->script->memory_bytes > SCRIPT_MEMORY_MAX)
        return err_set(err, ERR_LIMIT, "script %s wants %zu bytes of memory, at most %d allowed", name,
                       rollout->script->memory_bytes, SCRIPT_MEMORY_MAX);
    return 0;
}

static int declare_schema(struct rollout *rollout, struct err *err)
{
    schema_init(&rollout->schema, (int32_t)rollout->run.T, (int32_t)rollout->run.chunk);
    int r = columns_declare(&rollout->columns, &rollout->schema, &rollout->env.spec, rollout->K, rollout->widths.H,
                            (int)lane_snapshot_bytes(&rollout->env, &rollout->widths), err);
    schema_layout(&rollout->schema, (int32_t)rollout->run.T, 0, &rollout->step_layout);
    schema_layout(&rollout->schema, 0, (int32_t)rollout->run.T, &rollout->staging_layout);
    return r;
}

static int allocate_buffers(struct rollout *rollout)
{
    const struct spec *spec = &rollout->env.spec;
    size_t places = (size_t)rollout->n_places, R = places * (size_t)spec->N, I = (size_t)(spec->O + rollout->K + rollout->M);
    size_t A = (size_t)spec->A, wide = (size_t)(spec->A > spec->N ? spec->A : spec->N), H = (size_t)rollout->widths.H,
           C = (size_t)spec->C;
    size_t bytes =
        R * (I + wide + A + H + 5 * C + 12) * 4 + places * (rollout->staging_layout.bytes + 64 + sizeof(struct place)) + 64 * 64;
    int r = arena_init(&rollout->memory, "rollout", bytes + places * 256);
    if (r)
        return r;
    struct arena *arena = &rollout->memory;
    rollout->buffers = (struct buffers){
        .input = arena_zero_array(arena, float, R *I),
        .logits = arena_zero_array(arena, float, R *wide),
        .probability = arena_zero_array(arena, float, R *A),
        .logp = arena_zero_array(arena, float, R),
        .action_logp = arena_zero_array(arena, float, R),
        .noise = arena_zero_array(arena, float, R *C),
        .intended = arena_zero_array(arena, int32_t, R * C),
        .action = arena_zero_array(arena, int32_t, R * C),
        .previous = arena_zero_array(arena, int32_t, R * C),
        .executed = arena_zero_array(arena, float, R *C),
        .attacked = arena_zero_array(arena, int32_t, R),
        .attacker = arena_zero_array(arena, int32_t, rollout->n_places),
        .channels = arena_zero_array(arena, uint8_t, R),
        .episode = arena_zero_array(arena, uint64_t, places),
        .episode_step = arena_zero_array(arena, int32_t, places),
        .belief_copy = arena_zero_array(arena, float, R *H),
        .step_rng = arena_zero_array(arena, struct rng, places),
    };
    rollout->places = arena_zero_array(arena, struct place, places);
    for (size_t i = 0; i < places; i++) {
        struct place *place = &rollout->places[i];
        place->staging_bytes = arena_zero(arena, rollout->staging_layout.bytes);
        frame_map(&place->staging, &rollout->columns, &rollout->staging_layout, place->staging_bytes);
    }
    return 0;
}

static int allocate(struct rollout *rollout)
{
    int lanes = (int)rollout->run.lanes, r;
    rollout->n_places = lanes > PLACES_MIN ? lanes : PLACES_MIN;
    if ((r = lanes_init(&rollout->held, lanes, &rollout->env, &rollout->widths)) ||
        (r = vec_init(&rollout->held_vec, &rollout->env, lanes)) ||
        (r = lanes_init(&rollout->work, rollout->n_places, &rollout->env, &rollout->widths)) ||
        (r = vec_init(&rollout->work_vec, &rollout->env, rollout->n_places)))
        return r;
    if (!(rollout->is_held = calloc((size_t)lanes, sizeof *rollout->is_held)))
        return ERR_NOMEM;
    return allocate_buffers(rollout);
}

int rollout_create(struct rollout **out, const struct recipe *recipe, struct err *err)
{
    struct rollout *rollout = calloc(1, sizeof *rollout);
    if (!rollout)
        return err_set(err, ERR_NOMEM, "cannot create rollout: out of memory");
    int r;
    if ((r = bind_config(rollout, recipe, err)) || (r = find_script(rollout, err)))
        goto failed;
    rollout->head = action_head_of(&rollout->env.spec);
    if ((r = acting_config_bind(&rollout->acting, recipe, &rollout->head, err)))
        goto failed;
    rollout->K = knowledge_width(&rollout->knowledge, &rollout->env.spec);
    rollout->M = acting_width(&rollout->acting, &rollout->head);
    rollout->widths =
        (struct lane_widths){.H = rollout->knowledge.kind == KNOWLEDGE_BELIEF ? (int)rollout->knowledge.belief_hidden : 0,
                             .P = (int)rollout->acting.recurrent,
                             .M = rollout->M};
    if ((r = declare_schema(rollout, err)))
        goto failed;
    if ((r = allocate(rollout))) {
        err_set(err, r, "cannot create rollout: out of memory");
        goto failed;
    }
    *out = rollout;
    return 0;
failed:
    rollout_destroy(&rollout);
    return r;
}

void rollout_destroy(struct rollout **rollout_at)
{
    struct rollout *rollout = *rollout_at;
    if (!rollout)
        return;
    nets_deinit(&rollout->nets);
    arena_deinit(&rollout->scratch);
    arena_deinit(&rollout->memory);
    free(rollout->is_held);
    vec_deinit(&rollout->work_vec);
    lanes_deinit(&rollout->work);
    vec_deinit(&rollout->held_vec);
    lanes_deinit(&rollout->held);
    free(rollout);
    *rollout_at = NULL;
}

const struct spec *rollout_spec(const struct rollout *rollout)
{
    return &rollout->env.spec;
}

const struct schema *rollout_schema(const struct rollout *rollout)
{
    return &rollout->schema;
}

struct rollout_times rollout_times(const struct rollout *rollout)
{
    return rollout->times;
}

void rollout_watch(struct rollout *rollout, void (*watch)(void *context, const struct rollout_moment *moment), void *context)
{
    rollout->watch = watch;
    rollout->watch_context = context;
}

/* Shows place 0. action: NULL after a reset. */
static void show(const struct rollout *rollout, const void *action)
{
    const struct vec *vec = &rollout->work_vec;
    if (rollout->watch)
        rollout->watch(rollout->watch_context, &(struct rollout_moment){.env = &rollout->env,
                                                                        .state = vec->states,
                                                                        .action = action,
                                                                        .reward = vec->reward,
                                                                        .adversaries = rollout->work.head[0].partition,
                                                                        .is_terminated = action && vec->terminated[0],
                                                                        .is_truncated = action && vec->truncated[0]});
}

/* ---- episodes ---- */

static size_t row_floats(const struct rollout *rollout, int width)
{
    return (size_t)rollout->env.spec.N * (size_t)width;
}

static void clear_state(const struct rollout *rollout, float *states, int place, int width)
{
    memset(states + (size_t)place * row_floats(rollout, width), 0, row_floats(rollout, width) * sizeof(float));
}

static void clear_recurrent(struct rollout *rollout, int place)
{
    const struct lane_widths *widths = &rollout->widths;
    clear_state(rollout, rollout->work.belief_state, place, widths->H);
    clear_state(rollout, rollout->work.policy_state, place, widths->P);
    clear_state(rollout, rollout->work.last_action, place, widths->M);
    memset(rollout->work.memory + (size_t)place * row_floats(rollout, SCRIPT_MEMORY_MAX), 0,
           row_floats(rollout, SCRIPT_MEMORY_MAX));
}

static void begin_episode(struct rollout *rollout, const struct group *group, int place, uint64_t episode)
{
    struct lane_head *head = &rollout->work.head[place];
    const struct order *order = group->orders[place];
    head->episode = episode;
    head->episode_step = 0;
    head->episode_return = 0.0f;
    if (group->is_evaluation)
        head->partition = order->victim >= 0 ? rollout->victims.mask[order->victim] : 0;
    else
        head->partition = partition_draw(&rollout->partition, &rollout->env.spec, group->attack_probability, group->seed, episode);
    clear_recurrent(rollout, place);
    struct rng rng = rng_stream(group->seed, RNG_RESET, episode, 0, 0);
    vec_reset(&rollout->work_vec, place, &rng);
    if (place == 0)
        show(rollout, NULL);
}

/* ---- taking up a group ---- */

static int take_lane(struct rollout *rollout, const struct group *group, int place, struct err *err)
{
    const struct order *order = group->orders[place];
    if (group->is_evaluation || (order->slice == 0 && !order->snapshot_bytes)) {
        rollout->work.head[place] = (struct lane_head){0};
        begin_episode(rollout, group, place, (uint64_t)order->lane << 32);
        return 0;
    }
    if (order->snapshot_bytes) {
        int r = lane_load(&rollout->work, &rollout->work_vec, place, order->snapshot, order->snapshot_bytes, err);
        if (r)
            return err_prefix(err, r, "lane %d slice %llu", order->lane, (unsigned long long)order->slice);
        if (rollout->work.head[place].episode >> 32 != (uint64_t)order->lane)
            return err_set(err, ERR_MISMATCH, "order for lane %d carries a snapshot of lane %llu", order->lane,
                           (unsigned long long)(rollout->work.head[place].episode >> 32));
    } else {
        if (!rollout->is_held[order->lane])
            return err_set(err, ERR_STATE, "lane %d is not held here", order->lane);
        lane_copy(&rollout->work, &rollout->work_vec, place, &rollout->held, &rollout->held_vec, order->lane);
        vec_observe(&rollout->work_vec, place);
    }
    if (rollout->work.head[place].next_slice != order->slice)
        return err_set(err, ERR_STATE, "lane %d continues with slice %llu, the order says %llu", order->lane,
                       (unsigned long long)rollout->work.head[place].next_slice, (unsigned long long)order->slice);
    return 0;
}

static int check_orders(const struct rollout *rollout, const struct group *group, struct err *err)
{
    for (int i = 0; i < group->B; i++) {
        const struct order *order = group->orders[i];
        int lanes = group->is_evaluation ? ORDER_LANES_MAX : (int)rollout->run.lanes;
        if (order->lane < 0 || order->lane >= lanes)
            return err_set(err, ERR_RANGE, "order for lane %d, expected 0 to %d", order->lane, lanes - 1);
        if (group->is_evaluation && (order->episodes < 1 || order->episodes > rollout->run.T))
            return err_set(err, ERR_RANGE, "order for %d episodes, expected 1 to %lld", order->episodes, (long long)rollout->run.T);
        if (order->victim >= rollout->victims.n)
            return err_set(err, ERR_RANGE, "order for victim %d, expected below %d", order->victim, rollout->victims.n);
    }
    return 0;
}

static int check_net(const struct rollout *rollout, const char *id, int in, int out, int hidden, struct err *err)
{
    const struct net_weights *net = nets_find(&rollout->nets, id);
    if (!net)
        return err_set(err, ERR_MISMATCH, "the weights have no net \"%s\"", id);
    const struct net_arch *arch = net_weights_arch(net);
    bool is_gaussian = !strcmp(id, "defender") && acting_is_gaussian(&rollout->acting, &rollout->head);
    if (arch->log_std != is_gaussian)
        return err_set(err, ERR_MISMATCH, "net %s has %s standard deviations, actions of %s need %s", id,
                       arch->log_std ? "its" : "no", rollout->env.spec.env, is_gaussian ? "them" : "none");
    if (arch->in != in || arch->out != out || (arch->gru ? arch->hidden : 0) != hidden)
        return err_set(err, ERR_MISMATCH, "net %s maps %d to %d with %d recurrent, expected %d to %d with %d", id, arch->in,
                       arch->out, arch->gru ? arch->hidden : 0, in, out, hidden);
    return 0;
}

static int take_weights(struct rollout *rollout, const struct weights *weights, struct err *err)
{
    const struct spec *spec = &rollout->env.spec;
    int r = nets_update(&rollout->nets, weights, err);
    if (r)
        return r;
    if (!rollout->script &&
        (r = check_net(rollout, "defender", spec->O + rollout->K + rollout->M, spec->A, rollout->widths.P, err)))
        return r;
    if (rollout->knowledge.kind == KNOWLEDGE_BELIEF && (r = check_net(rollout, "belief", spec->O, spec->N, rollout->widths.H, err)))
        return r;
    size_t need = attack_scratch(&rollout->nets, spec, spec->O + rollout->K + rollout->M, rollout->n_places * spec->N) +
                  rollout->env.state_bytes + ARENA_ALIGN;
    if (need > rollout->scratch.size) {
        arena_deinit(&rollout->scratch);
        if (arena_init(&rollout->scratch, "rollout scratch", need))
            return err_set(err, ERR_NOMEM, "no memory for %zu bytes of scratch", need);
    }
    return 0;
}

int rollout_same_group(const struct order *a, const struct order *b)
{
    return a->purpose == b->purpose && !weights_version_compare(a->version, b->version) && a->victim == b->victim &&
           !strcmp(a->threat, b->threat);
}

/* ---- the stages of a step ---- */

static struct stage make_stage(struct rollout *rollout, const struct group *group)
{
    const struct buffers *buffers = &rollout->buffers;
    for (int b = 0; b < group->B; b++) {
        buffers->episode[b] = rollout->work.head[b].episode;
        buffers->episode_step[b] = rollout->work.head[b].episode_step;
        if (rollout->partition.together > 1)
            buffers->attacker[b] = victims_find(&rollout->victims, rollout->work.head[b].partition);
    }
    return (struct stage){
        .vec = &rollout->work_vec,
        .env = &rollout->env,
        .nets = &rollout->nets,
        .defender = rollout->script ? NULL : nets_find(&rollout->nets, "defender"),
        .B = group->B,
        .N = rollout->env.spec.N,
        .O = rollout->env.spec.O,
        .K = rollout->K,
        .M = rollout->M,
        .A = rollout->env.spec.A,
        .C = rollout->env.spec.C,
        .head = rollout->head,
        .seed = group->seed,
        .episode = buffers->episode,
        .episode_step = buffers->episode_step,
        .attacked = buffers->attacked,
        .attacker = rollout->partition.together > 1 ? buffers->attacker : NULL,
        .strength = group->threat.strength,
        .previous = buffers->previous,
        .input = buffers->input,
        .probability = buffers->probability,
        .action = buffers->action,
        .action_logp = buffers->action_logp,
        .channels = buffers->channels,
        .scratch = &rollout->scratch,
    };
}

static void list_attacked(struct rollout *rollout, const struct group *group, struct stage *stage)
{
    stage->n_attacked = 0;
    if (!group->threat.ops)
        return;
    for (int b = 0; b < stage->B; b++)
        for (int n = 0; n < stage->N; n++)
            if (group->threat.hits_all || rollout->work.head[b].partition >> n & 1)
                rollout->buffers.attacked[stage->n_attacked++] = b * stage->N + n;
}

/* b_i or theta, for `B` observations [B,N,O]; belief states [B,N,H] are advanced in place. out: [B*N] rows of `stride` numbers. */
static void know(struct rollout *rollout, int B, const float *observation, float *belief_state, const struct lane_head *heads,
                 float *out, size_t stride)
{
    int N = rollout->env.spec.N;
    if (rollout->knowledge.kind == KNOWLEDGE_BELIEF) {
        float *logits = rollout->buffers.logits;
        net_act(nets_find(&rollout->nets, "belief"), B * N, observation, belief_state, logits, &rollout->scratch);
        for (int row = 0; row < B * N; row++)
            knowledge_from_logits(&rollout->knowledge, (size_t)N, logits + (size_t)row * (size_t)N, out + (size_t)row * stride);
    } else if (rollout->knowledge.kind == KNOWLEDGE_TRUE_TYPE) {
        for (int row = 0; row < B * N; row++)
            for (int n = 0; n < N; n++)
                out[(size_t)row * stride + (size_t)n] =
                    knowledge_from_type(&rollout->knowledge, (int)(heads[row / N].partition >> n & 1));
    }
}

static void fill_input(struct rollout *rollout, const struct stage *stage)
{
    size_t O = (size_t)stage->O, I = (size_t)stage_width(stage), M = (size_t)stage->M;
    for (size_t row = 0; row < (size_t)(stage->B * stage->N); row++) {
        memcpy(stage->input + row * I, rollout->work_vec.observation + row * O, O * sizeof(float));
        memcpy(stage->input + (row + 1) * I - M, rollout->work.last_action + row * M, M * sizeof(float));
    }
    know(rollout, stage->B, rollout->work_vec.observation, rollout->work.belief_state, rollout->work.head, stage->input + O, I);
}

/* Inverse of the cumulative distribution, as categorical_sample does from logits. */
static int sample_probability(const float *probability, int A, float unit)
{
    float sum = 0.0f;
    int last = 0;
    for (int a = 0; a < A; a++) {
        if (probability[a] <= 0.0f)
            continue;
        last = a;
        sum += probability[a];
        if (unit < sum)
            break;
    }
    return last;
}

/* A script's probabilities (of a box, its action) to cells and log-probability. */
static void take_script_action(const struct rollout *rollout, const float *probability, const float *noise, void *intended,
                               float *logp)
{
    const struct action_head *head = &rollout->head;
    *logp = 0;
    if (head->kind == ACTION_BOX) {
        action_head_from_executed(&rollout->env.spec, probability, intended);
        return;
    }
    for (int c = 0; c < head->C; probability += head->choices[c], c++) {
        int choice = sample_probability(probability, head->choices[c], noise[c]);
        ((int32_t *)intended)[c] = choice;
        *logp += logf(probability[choice]);
    }
}

static void decide_by_script(struct rollout *rollout, const struct stage *stage)
{
    const struct buffers *buffers = &rollout->buffers;
    size_t C = (size_t)stage->C;
    for (int row = 0; row < stage->B * stage->N; row++) {
        float *probability = buffers->probability + (size_t)row * (size_t)stage->A;
        rollout->script->act(rollout->env.params, row % stage->N, stage->episode_step[row / stage->N],
                             stage->input + (size_t)row * (size_t)stage_width(stage),
                             rollout->work_vec.available + (size_t)row * (size_t)stage->A,
                             rollout->work.memory + (size_t)row * SCRIPT_MEMORY_MAX, probability);
        take_script_action(rollout, probability, buffers->noise + (size_t)row * C, (int32_t *)buffers->intended + (size_t)row * C,
                           &buffers->logp[row]);
    }
}

static void act_by_outputs(struct rollout *rollout, const struct stage *stage, float epsilon)
{
    const struct buffers *buffers = &rollout->buffers;
    size_t A = (size_t)stage->A, C = (size_t)stage->C;
    for (size_t row = 0; row < (size_t)(stage->B * stage->N); row++) {
        size_t b = row / (size_t)stage->N;
        struct rng explore = rng_stream(stage->seed, RNG_EXPLORE, stage->episode[b], (uint32_t)stage->episode_step[b],
                                        (uint32_t)(row % (size_t)stage->N));
        buffers->logp[row] = acting_row((enum behaviour)rollout->acting.behaviour, &rollout->head, buffers->logits + row * A,
                                        rollout->work_vec.available + row * A, epsilon, &explore,
                                        (int32_t *)buffers->intended + row * C, buffers->probability + row * A);
    }
}

static void act_by_policy(struct rollout *rollout, const struct stage *stage, const real *log_std, bool is_evaluation)
{
    const struct buffers *buffers = &rollout->buffers;
    const uint8_t *available = rollout->work_vec.available;
    int R = stage->B * stage->N;
    action_head_sample(&rollout->head, R, buffers->logits, log_std, available, buffers->noise, buffers->intended, buffers->logp,
                       buffers->probability);
    if (is_evaluation && rollout->acting.evaluation) {
        acting_most_likely(&rollout->head, R, buffers->logits, available, buffers->intended);
        action_head_logp(&rollout->head, R, buffers->logits, log_std, available, buffers->intended, buffers->logp);
    }
}

static void decide_by_net(struct rollout *rollout, const struct stage *stage, const struct group *group)
{
    const struct buffers *buffers = &rollout->buffers;
    const struct net_weights *defender = nets_find(&rollout->nets, "defender");
    int R = stage->B * stage->N;
    net_act(defender, R, stage->input, rollout->widths.P ? rollout->work.policy_state : NULL, buffers->logits, &rollout->scratch);
    if (rollout->acting.behaviour == BEHAVIOUR_SAMPLE)
        act_by_policy(rollout, stage, net_weights_log_std(defender), group->is_evaluation);
    else
        act_by_outputs(rollout, stage, group->epsilon);
}

static void decide(struct rollout *rollout, const struct stage *stage, const struct group *group)
{
    const struct buffers *buffers = &rollout->buffers;
    int R = stage->B * stage->N;
    for (int row = 0; row < R; row++)
        action_head_noise(&rollout->head, stage->seed, RNG_POLICY, stage->episode[row / stage->N],
                          (uint32_t)stage->episode_step[row / stage->N], (uint32_t)(row % stage->N),
                          buffers->noise + (size_t)row * (size_t)stage->C);
    if (rollout->script)
        decide_by_script(rollout, stage);
    else
        decide_by_net(rollout, stage, group);
    memcpy(buffers->action, buffers->intended, (size_t)R * (size_t)stage->C * sizeof(int32_t));
    memcpy(buffers->action_logp, buffers->logp, (size_t)R * sizeof *buffers->action_logp);
}

/* ---- recording ---- */

#define PUT(frame, column, type, row, width) ((type *)(frame)->at[COL_##column] + (size_t)(row) * (size_t)(width))

static void put_rows(void *to, const void *from, size_t bytes)
{
    if (to && bytes)
        memcpy(to, from, bytes);
}

/* Observation as acted on and knowledge of place b as row t. */
static void record_input(const struct rollout *rollout, const struct stage *stage, int b, int t)
{
    const struct frame *frame = &rollout->places[b].frame;
    size_t O = (size_t)stage->O, K = (size_t)stage->K, N = (size_t)stage->N, S = (size_t)rollout->env.spec.S;
    for (size_t n = 0; n < N; n++) {
        const float *input = stage->input + ((size_t)b * N + n) * (size_t)stage_width(stage);
        memcpy(PUT(frame, observation, float, t, N *O) + n * O, input, O * sizeof(float));
        if (K)
            memcpy(PUT(frame, knowledge, float, t, N *K) + n * K, input + O, K * sizeof(float));
    }
    if (frame->at[COL_state])
        memcpy(PUT(frame, state, float, t, N *S), rollout->work_vec.state + (size_t)b * N * S, N * S * sizeof(float));
}

/* Before the belief moves on: its state at the start of a chunk. */
static void record_belief_state(const struct rollout *rollout, int b, int t)
{
    const struct frame *frame = &rollout->places[b].frame;
    size_t width = row_floats(rollout, rollout->widths.H);
    if (frame->at[COL_belief_state] && t % rollout->schema.chunk == 0)
        memcpy(PUT(frame, belief_state, float, t / rollout->schema.chunk, width), rollout->work.belief_state + (size_t)b * width,
               width * sizeof(float));
}

static void record_decision(const struct rollout *rollout, const struct stage *stage, int b, int t)
{
    const struct frame *frame = &rollout->places[b].frame;
    const struct buffers *buffers = &rollout->buffers;
    const struct lane_head *head = &rollout->work.head[b];
    size_t N = (size_t)stage->N, A = (size_t)stage->A, C = (size_t)stage->C, first = (size_t)b * N;
    memcpy(PUT(frame, available, uint8_t, t, N * A), rollout->work_vec.available + first * A, N * A);
    memcpy(PUT(frame, alive, uint8_t, t, N), rollout->work_vec.alive + first, N);
    put_rows(PUT(frame, intended, int32_t, t, N * C), (int32_t *)buffers->intended + first * C, N * C * sizeof(int32_t));
    memcpy(PUT(frame, intended_logp, float, t, N), buffers->logp + first, N * sizeof(float));
    put_rows(PUT(frame, action, int32_t, t, N * C), (int32_t *)buffers->action + first * C, N * C * sizeof(int32_t));
    memcpy(PUT(frame, action_logp, float, t, N), buffers->action_logp + first, N * sizeof(float));
    memcpy(PUT(frame, channels, uint8_t, t, N), buffers->channels + first, N);
    for (size_t n = 0; n < N; n++)
        PUT(frame, slot, uint8_t, t, N)[n] = head->partition >> n & 1;
    *PUT(frame, episode, int64_t, t, 1) = (int64_t)head->episode;
    *PUT(frame, episode_step, int32_t, t, 1) = head->episode_step;
}

static void record_outcome(const struct rollout *rollout, int b, int t)
{
    const struct frame *frame = &rollout->places[b].frame;
    size_t N = (size_t)rollout->env.spec.N;
    memcpy(PUT(frame, reward, float, t, N), rollout->work_vec.reward + (size_t)b * N, N * sizeof(float));
    *PUT(frame, terminated, uint8_t, t, 1) = rollout->work_vec.terminated[b];
    *PUT(frame, truncated, uint8_t, t, 1) = rollout->work_vec.truncated[b];
}

/* What the last observation of a cut episode is worth needs the belief on it; a copy of the belief state moves, not the lane's.
 * A terminated episode bootstraps from 0, so its knowledge stays 0. */
static void record_final_view(struct rollout *rollout, int b, int e)
{
    const struct frame *staging = &rollout->places[b].staging;
    size_t N = (size_t)rollout->env.spec.N, O = (size_t)rollout->env.spec.O, S = (size_t)rollout->env.spec.S,
           K = (size_t)rollout->K, A = (size_t)rollout->env.spec.A;
    const float *observation = rollout->work_vec.observation + (size_t)b * N * O;
    put_rows(PUT(staging, final_observation, float, e, N *O), observation, N * O * sizeof(float));
    if (staging->at[COL_final_state])
        memcpy(PUT(staging, final_state, float, e, N *S), rollout->work_vec.state + (size_t)b * N * S, N * S * sizeof(float));
    memcpy(PUT(staging, final_available, uint8_t, e, N * A), rollout->work_vec.available + (size_t)b * N * A, N * A);
    if (!K)
        return;
    float *knowledge = PUT(staging, final_knowledge, float, e, N *K);
    memset(knowledge, 0, N * K * sizeof(float));
    if (rollout->work_vec.truncated[b]) {
        size_t width = row_floats(rollout, rollout->widths.H);
        put_rows(rollout->buffers.belief_copy, rollout->work.belief_state + (size_t)b * width, width * sizeof(float));
        know(rollout, 1, observation, rollout->buffers.belief_copy, &rollout->work.head[b], knowledge, K);
    }
}

static void record_episode(struct rollout *rollout, int b)
{
    struct place *place = &rollout->places[b];
    const struct lane_head *head = &rollout->work.head[b];
    struct env_outcome outcome = {0};
    int e = place->episodes++;
    rollout->env.ops->outcome(rollout->env.params, rollout->work_vec.states + (size_t)b * rollout->work_vec.state_stride, &outcome);
    *PUT(&place->staging, record_episode, int64_t, e, 1) = (int64_t)head->episode;
    *PUT(&place->staging, record_partition, int64_t, e, 1) = (int64_t)head->partition;
    *PUT(&place->staging, record_return, float, e, 1) = head->episode_return;
    *PUT(&place->staging, record_length, int32_t, e, 1) = head->episode_step;
    *PUT(&place->staging, record_success, uint8_t, e, 1) = outcome.has_success ? outcome.success : 2;
    record_final_view(rollout, b, e);
}

/* ---- stepping ---- */

static void count_step(struct rollout *rollout, int b)
{
    struct lane_head *head = &rollout->work.head[b];
    int N = rollout->env.spec.N;
    float sum = 0.0f;
    for (int n = 0; n < N; n++)
        sum += rollout->work_vec.reward[(size_t)b * (size_t)N + (size_t)n];
    head->episode_return += sum / (float)N;
    head->episode_step++;
}

static void end_episodes(struct rollout *rollout, const struct group *group)
{
    for (int b = 0; b < group->B; b++) {
        struct place *place = &rollout->places[b];
        if (!rollout->work_vec.terminated[b] && !rollout->work_vec.truncated[b])
            continue;
        if (!place->is_done)
            record_episode(rollout, b);
        if (group->is_evaluation && place->episodes == group->orders[b]->episodes)
            place->is_done = true;
        begin_episode(rollout, group, b, rollout->work.head[b].episode + 1);
    }
}

/* The actions [R,C] as the environments take them. */
static const void *execute(struct rollout *rollout, int R)
{
    const struct buffers *buffers = &rollout->buffers;
    size_t C = (size_t)rollout->env.spec.C;
    if (rollout->head.kind != ACTION_BOX)
        return buffers->action;
    for (size_t row = 0; row < (size_t)R; row++)
        action_head_execute(&rollout->env.spec, (const float *)buffers->action + row * C, buffers->executed + row * C);
    return buffers->executed;
}

/* What the defenders will be told they did: the executed actions. */
static void remember_actions(struct rollout *rollout, const struct stage *stage)
{
    size_t M = (size_t)stage->M, C = (size_t)stage->C;
    for (size_t row = 0; M && row < (size_t)(stage->B * stage->N); row++)
        acting_last_action(&rollout->head, (const int32_t *)stage->action + row * C, rollout->work.last_action + row * M);
}

static void step_environments(struct rollout *rollout, const struct group *group)
{
    monotonic_us start = clock_us();
    for (int b = 0; b < group->B; b++)
        rollout->buffers.step_rng[b] =
            rng_stream(group->seed, RNG_STEP, rollout->buffers.episode[b], (uint32_t)rollout->buffers.episode_step[b], 0);
    const void *executed = execute(rollout, group->B * rollout->env.spec.N);
    vec_step(&rollout->work_vec, executed, rollout->buffers.step_rng);
    show(rollout, executed);
    memcpy(rollout->buffers.previous, rollout->buffers.action, (size_t)(group->B * rollout->env.spec.N * rollout->env.spec.C) * 4);
    for (int b = 0; b < group->B; b++)
        count_step(rollout, b);
    rollout->times.stepping += clock_seconds_since(start);
}

/* One step of all places. t < 0: nothing is recorded but episodes (evaluation). */
static int step_group(struct rollout *rollout, const struct group *group, int t, struct err *err)
{
    monotonic_us start = clock_us();
    struct stage stage = make_stage(rollout, group);
    const struct attack_ops *attack = group->threat.ops;
    int r = 0;
    memset(stage.channels, 0, (size_t)(stage.B * stage.N));
    for (int b = 0; t >= 0 && b < stage.B; b++)
        record_belief_state(rollout, b, t);
    list_attacked(rollout, group, &stage);
    fill_input(rollout, &stage);
    if (stage.n_attacked && attack->observation && (r = attack->observation(&stage, err)))
        return r;
    decide(rollout, &stage, group);
    if (stage.n_attacked && attack->action && (r = attack->action(&stage, err)))
        return r;
    rollout->times.acting += clock_seconds_since(start);
    start = clock_us();
    for (int b = 0; t >= 0 && b < stage.B; b++) {
        record_input(rollout, &stage, b, t);
        record_decision(rollout, &stage, b, t);
    }
    rollout->times.building += clock_seconds_since(start);
    remember_actions(rollout, &stage);
    step_environments(rollout, group);
    for (int b = 0; t >= 0 && b < stage.B; b++)
        record_outcome(rollout, b, t);
    end_episodes(rollout, group);
    return 0;
}

/* What follows the slice: the observation that the next slice starts from, and the belief that these weights have of it. */
static void record_after_slice(struct rollout *rollout, const struct group *group)
{
    struct stage stage = make_stage(rollout, group);
    size_t O = (size_t)stage.O, I = (size_t)stage_width(&stage), R = (size_t)(stage.B * stage.N);
    put_rows(rollout->buffers.belief_copy, rollout->work.belief_state, R * (size_t)rollout->widths.H * sizeof(float));
    for (size_t row = 0; row < R; row++)
        memcpy(stage.input + row * I, rollout->work_vec.observation + row * O, O * sizeof(float));
    know(rollout, stage.B, rollout->work_vec.observation, rollout->buffers.belief_copy, rollout->work.head, stage.input + O, I);
    for (int b = 0; b < stage.B; b++)
        record_input(rollout, &stage, b, (int)rollout->run.T);
}

/* ---- carrying out a group ---- */

static void open_frames(struct rollout *rollout, const struct group *group)
{
    for (int i = 0; i < group->B; i++) {
        struct place *place = &rollout->places[i];
        ASSERT(group->out[i]->capacity >= schema_bytes_max(&rollout->schema));
        place->episodes = 0;
        place->is_done = false;
        if (!group->is_evaluation) {
            memset(group->out[i]->frame, 0, rollout->step_layout.bytes); /* gaps between columns are part of an audit */
            frame_map(&place->frame, &rollout->columns, &rollout->step_layout, group->out[i]->frame);
        }
    }
}

/* Moves the staged episode columns to their places and adds the lane's snapshot (zeroes in an evaluation). Gaps stay zero. */
static void close_frame(struct rollout *rollout, const struct group *group, int i)
{
    struct trajectory *out = group->out[i];
    const struct place *place = &rollout->places[i];
    struct schema_layout layout;
    struct frame frame;
    schema_layout(&rollout->schema, out->steps, out->episodes, &layout);
    size_t begin = out->steps ? rollout->step_layout.bytes : 0; /* the step columns lie below and stay as they are */
    for (int c = 0; c < rollout->schema.n_columns; c++)
        if (rollout->schema.columns[c].span == SPAN_EPISODE && layout.start[c] < begin)
            begin = layout.start[c];
    if (layout.bytes > begin)
        memset(out->frame + begin, 0, layout.bytes - begin);
    frame_map(&frame, &rollout->columns, &layout, out->frame);
    for (int id = 0; id < COLUMNS; id++) {
        int c = rollout->columns.index[id];
        if (c < 0 || rollout->schema.columns[c].span != SPAN_EPISODE)
            continue;
        memcpy(frame.at[id], place->staging.at[id], (size_t)out->episodes * column_row_bytes(&rollout->schema.columns[c]));
    }
    if (!group->is_evaluation) /* there, the state depends on how long the other places took */
        lane_save(&rollout->work, &rollout->work_vec, i, frame.at[COL_snapshot]);
    out->bytes = layout.bytes;
}

static void finish_group(struct rollout *rollout, const struct group *group)
{
    monotonic_us start = clock_us();
    for (int i = 0; i < group->B; i++) {
        const struct order *order = group->orders[i];
        struct trajectory *out = group->out[i];
        rollout->work.head[i].next_slice = order->slice + 1;
        out->order = order->number;
        out->purpose = order->purpose;
        out->lane = order->lane;
        out->slice = order->slice;
        out->version = order->version;
        out->weights = group->weights_hash;
        out->steps = group->is_evaluation ? 0 : (int32_t)rollout->run.T;
        out->episodes = rollout->places[i].episodes;
        out->schema = rollout->schema.hash;
        close_frame(rollout, group, i);
        if (order->purpose == ORDER_TRAIN) {
            lane_copy(&rollout->held, &rollout->held_vec, order->lane, &rollout->work, &rollout->work_vec, i);
            rollout->is_held[order->lane] = true;
        }
    }
    rollout->times.building += clock_seconds_since(start);
}

static bool is_finished(const struct rollout *rollout, const struct group *group, int t)
{
    if (!group->is_evaluation)
        return t == rollout->run.T;
    for (int b = 0; b < group->B; b++)
        if (!rollout->places[b].is_done)
            return false;
    return true;
}

static int run_group(struct rollout *rollout, const struct group *group, const atomic_int *stop, struct err *err)
{
    int r;
    rollout->work_vec.B = group->B;
    open_frames(rollout, group);
    for (int i = 0; i < group->B; i++)
        if ((r = take_lane(rollout, group, i, err)))
            return r;
    for (int t = 0; !is_finished(rollout, group, t); t++) {
        if (stop && *stop)
            return err_set(err, ERR_CLOSED, "stopped");
        if ((r = step_group(rollout, group, group->is_evaluation ? -1 : t, err)))
            return r;
    }
    if (!group->is_evaluation)
        record_after_slice(rollout, group);
    finish_group(rollout, group);
    return 0;
}

int rollout_run(struct rollout *rollout, const struct weights *weights, const struct order *const *orders, int n,
                struct trajectory *const *out, const atomic_int *stop, struct err *err)
{
    int r = take_weights(rollout, weights, err);
    struct group whole = {.is_evaluation = orders[0]->purpose == ORDER_EVALUATE,
                          .threat = rollout->training_threat,
                          .seed = (uint64_t)rollout->run.seed,
                          .attack_probability =
                              weights_scalar(weights, "attack_probability", (float)rollout->partition.probability),
                          .weights_hash = weights_hash(&weights->manifest)};
    whole.epsilon = whole.is_evaluation ? 0 : weights_scalar(weights, "epsilon", 0);
    if (!r && whole.is_evaluation) {
        whole.seed = rng_bits(whole.seed, RNG_EVALUATE, 0, 0, 0);
        r = threat_parse(&whole.threat, orders[0]->threat, err);
    }
    for (int begin = 0; begin < n && !r; begin += rollout->n_places) {
        struct group group = whole;
        group.orders = orders + begin;
        group.out = out + begin;
        group.B = n - begin < rollout->n_places ? n - begin : rollout->n_places;
        if (!(r = check_orders(rollout, &group, err)))
            r = run_group(rollout, &group, stop, err);
    }
    rollout->work_vec.B = rollout->n_places;
    return r;
}
