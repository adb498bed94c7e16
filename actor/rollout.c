/* Rollouts. See rollout.h.
 *
 * Lanes live in `held`, by lane number. A group of orders is copied to places 0..B-1 of `work`, stepped there together, and
 * copied back. One step of a group is the list in step_group: know, perturb, decide, attack, record, step, end episodes.
 * Invariants: held[lane] is what the lane's newest slice left (head.next_slice says which slice may continue it); nothing is
 * allocated while a group runs, except scratch when nets of a new size arrive. */
#include "actor/rollout_internal.h"

#include "base/clock.h"

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
            rollout_record_episode(rollout, b);
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
    struct stage stage = rollout_stage(rollout, group);
    const struct attack_ops *attack = group->threat.ops;
    int r = 0;
    memset(stage.channels, 0, (size_t)(stage.B * stage.N));
    for (int b = 0; t >= 0 && b < stage.B; b++)
        rollout_record_belief_state(rollout, b, t);
    rollout_list_attacked(rollout, group, &stage);
    rollout_fill_input(rollout, &stage);
    if (stage.n_attacked && attack->observation && (r = attack->observation(&stage, err)))
        return r;
    rollout_decide(rollout, &stage, group);
    if (stage.n_attacked && attack->action && (r = attack->action(&stage, err)))
        return r;
    rollout->times.acting += clock_seconds_since(start);
    start = clock_us();
    for (int b = 0; t >= 0 && b < stage.B; b++) {
        rollout_record_input(rollout, &stage, b, t);
        rollout_record_decision(rollout, &stage, b, t);
    }
    rollout->times.building += clock_seconds_since(start);
    remember_actions(rollout, &stage);
    step_environments(rollout, group);
    for (int b = 0; t >= 0 && b < stage.B; b++)
        rollout_record_outcome(rollout, b, t);
    end_episodes(rollout, group);
    return 0;
}

/* What follows the slice: the observation that the next slice starts from, and the belief that these weights have of it. */
static void record_after_slice(struct rollout *rollout, const struct group *group)
{
    struct stage stage = rollout_stage(rollout, group);
    size_t O = (size_t)stage.O, I = (size_t)stage_width(&stage), R = (size_t)(stage.B * stage.N);
    put_rows(rollout->buffers.belief_copy, rollout->work.belief_state, R * (size_t)rollout->widths.H * sizeof(float));
    for (size_t row = 0; row < R; row++)
        memcpy(stage.input + row * I, rollout->work_vec.observation + row * O, O * sizeof(float));
    rollout_know(rollout, stage.B, rollout->work_vec.observation, rollout->buffers.belief_copy, rollout->work.head, stage.input + O,
                 I);
    for (int b = 0; b < stage.B; b++)
        rollout_record_input(rollout, &stage, b, (int)rollout->run.T);
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
