/* The actor process: see actor.h.
 *
 *   loop thread:    socket, link, timer, signals        rollout thread: waits for the recipe, then for groups of orders
 *        work from the link --- inbox (bounded by the orders that the learner gives) ---> groups
 *        ring of the link  <--- outbox (bounded by the buffers) + uv_async_send ------- trajectories
 *
 * A trajectory's buffer goes round: free -> filled by the rollout -> outbox -> ring -> free when its fate is known. There are as
 * many as memory_bytes allows and no more, so a slow learner stops the rollout and nothing grows. */
#include "actor/actor.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>
#include <zmq.h>

#include "actor/actor_link.h"
#include "actor/rollout.h"
#include "base/log.h"
#include "wire/loop_zmq.h"
#include "wire/routing_id.h"

#define TICK_MS 20
#define DEFAULT_LANES PROTOCOL_LANES_MAX /* as many as memory allows: a lane without a place stops a sync run */
#define DEFAULT_MEMORY ((size_t)512 << 20)
#define CACHE_BYTES ((size_t)256 << 20)
#define DRAIN_US 2000000
#define SILENCE_US 5000000      /* without a broker for so long: say so, once */
#define FINISH_GROUP_US 1500000 /* of it for the group under way */
#define BUFFERS_MAX PROTOCOL_WINDOW_MAX
#define GROUP_MAX PROTOCOL_LANES_MAX
#define HINT_FIRST 3   /* handshakes broken off until it is said what may be wrong, */
#define HINT_EVERY 100 /* and then once in so many */

struct inbox_item {
    struct work *work;
    struct inbox_item *next;
};

/* What both threads touch, under one lock. */
struct shared {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *recipe; /* text to build from, taken by the rollout thread */
    size_t recipe_bytes;
    struct inbox_item *first, *last;
    struct trajectory *free[BUFFERS_MAX];
    int n_free, n_buffers, max_buffers;
    size_t frame_bytes;
    struct trajectory *out[BUFFERS_MAX];
    int n_out;
    bool is_built, is_busy, quit;
    enum phase { PHASE_IDLE, PHASE_BLOCKED, PHASE_BUSY, PHASES } phase; /* of the rollout thread, since */
    monotonic_us phase_at;
    int64_t phase_us[PHASES]; /* before that */
    uint64_t steps;
    int failed; /* building failed with this code */
    struct err err;
};

struct actor {
    const struct actor_options *options;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_async_t wake;
    uv_signal_t term, interrupt;
    void *zmq;
    struct loop_zmq *socket;
    unsigned failures; /* handshakes that were broken off */
    struct actor_link *link;
    struct shared shared;
    struct inbox_item *staged_first, *staged_last; /* orders of one message, handed over together so that they make one group */
    pthread_t thread;
    bool has_thread, is_described, is_closing, is_lonely;
    atomic_int stop;                    /* polled by the rollout */
    struct rollout *rollout;            /* built by the rollout thread; read by the loop only after is_built */
    monotonic_us drain_since, heard_us; /* heard_us: when a broker was last there, at first the start */
    int result;
    struct err *err;
};

/* --- what the rollout thread does, for statistics; lock held --- */

static void enter_phase(struct shared *shared, enum phase phase)
{
    monotonic_us now = clock_us();
    if (shared->phase_at)
        shared->phase_us[shared->phase] += now - shared->phase_at;
    shared->phase = phase;
    shared->phase_at = now;
}

static struct actor_load load_of(struct shared *shared)
{
    enter_phase(shared, shared->phase);
    return (struct actor_load){.steps = shared->steps,
                               .busy_us = (uint64_t)shared->phase_us[PHASE_BUSY],
                               .idle_us = (uint64_t)shared->phase_us[PHASE_IDLE],
                               .blocked_us = (uint64_t)shared->phase_us[PHASE_BLOCKED]};
}

/* --- buffers --- */

static struct trajectory *buffer_create(size_t frame_bytes)
{
    struct trajectory *buffer = calloc(1, sizeof *buffer);
    unsigned char *frame = aligned_alloc(SCHEMA_ALIGN, frame_bytes);
    if (!buffer || !frame) {
        free(buffer);
        free(frame);
        return NULL;
    }
    buffer->frame = frame;
    buffer->capacity = frame_bytes;
    return buffer;
}

static void buffer_destroy(struct trajectory *buffer)
{
    free(buffer->frame);
    free(buffer);
}

/* Up to n buffers, waiting for at least one. 0 when the process ends. Called with the lock held. */
static int take_buffers(struct shared *shared, struct trajectory **out, int n)
{
    int got = 0;
    while (!shared->quit && got == 0) {
        while (got < n && shared->n_free > 0)
            out[got++] = shared->free[--shared->n_free];
        while (got < n && shared->n_buffers < shared->max_buffers && (out[got] = buffer_create(shared->frame_bytes))) {
            shared->n_buffers++;
            got++;
        }
        if (got == 0) {
            enter_phase(shared, PHASE_BLOCKED);
            pthread_cond_wait(&shared->changed, &shared->lock);
        }
    }
    return got;
}

static void give_buffer(struct shared *shared, struct trajectory *buffer)
{
    pthread_mutex_lock(&shared->lock);
    shared->free[shared->n_free++] = buffer;
    pthread_cond_signal(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
}

/* --- rollout thread --- */

static bool lane_is_in(struct work *const *works, int n, int32_t lane)
{
    for (int i = 0; i < n; i++)
        if (works[i]->order.lane == lane)
            return true;
    return false;
}

/* Takes the orders at the front of the inbox that can be carried out together. Lock held. */
static int take_group(struct shared *shared, struct work **works, int max)
{
    int n = 0;
    while (shared->first && n < max) {
        struct inbox_item *item = shared->first;
        if (n > 0 && (!rollout_same_group(&works[0]->order, &item->work->order) || lane_is_in(works, n, item->work->order.lane)))
            break;
        works[n++] = item->work;
        if (!(shared->first = item->next))
            shared->last = NULL;
        free(item);
    }
    return n;
}

static void put_back(struct shared *shared, struct work **works, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        struct inbox_item *item = malloc(sizeof *item);
        ASSERT(item);
        *item = (struct inbox_item){works[i], shared->first};
        if (!shared->last)
            shared->last = item;
        shared->first = item;
    }
}

static void answer(struct trajectory *out, const struct order *order, int status)
{
    if (status) { /* given back: no frame */
        out->steps = out->episodes = 0;
        out->bytes = 0;
        out->lane = order->lane;
        out->slice = order->slice;
        out->version = order->version;
        out->weights = out->schema = (struct hash){0};
    }
    out->order = order->number;
    out->purpose = order->purpose;
    out->status = status;
}

/* One group; when it fails as a whole, one by one, so that a single lost lane is all that is given back. Returns how many are
 * answered: n, or 0 when told to stop. */
static int run_group(struct actor *actor, struct work *const *works, int n, struct trajectory *const *out)
{
    const struct order *orders[GROUP_MAX];
    struct err err = {.text = ""};
    for (int i = 0; i < n; i++)
        orders[i] = &works[i]->order;
    int r = rollout_run(actor->rollout, works[0]->weights, orders, n, out, &actor->stop, &err);
    if (r == ERR_CLOSED)
        return 0;
    if (r && n > 1) {
        for (int i = 0; i < n; i++)
            if (!run_group(actor, works + i, 1, out + i))
                return 0;
        return n;
    }
    if (r && r != ERR_STATE)
        log_warning("order given back lane=%d slice=%llu reason=\"%s\"", orders[0]->lane, (unsigned long long)orders[0]->slice,
                    err.text);
    for (int i = 0; i < n; i++)
        answer(out[i], orders[i], r);
    return n;
}

static void finish_group(struct actor *actor, struct trajectory *const *buffers, int n, int answered)
{
    struct shared *shared = &actor->shared;
    for (int i = 0; i < n; i++)
        if (i < answered) {
            shared->steps += (uint64_t)buffers[i]->steps;
            shared->out[shared->n_out++] = buffers[i];
        } else
            shared->free[shared->n_free++] = buffers[i];
    shared->is_busy = false;
    enter_phase(shared, PHASE_IDLE);
    uv_async_send(&actor->wake);
}

static void work_on(struct actor *actor)
{
    struct shared *shared = &actor->shared;
    struct work *works[GROUP_MAX];
    struct trajectory *buffers[GROUP_MAX];
    int n = take_group(shared, works, GROUP_MAX);
    int got = take_buffers(shared, buffers, n);
    put_back(shared, works + got, n - got);
    shared->is_busy = got > 0;
    enter_phase(shared, got ? PHASE_BUSY : PHASE_IDLE);
    pthread_mutex_unlock(&shared->lock);
    int answered = got ? run_group(actor, works, got, buffers) : 0;
    for (int i = 0; i < got; i++)
        work_destroy(&works[i]);
    pthread_mutex_lock(&shared->lock);
    if (got)
        finish_group(actor, buffers, got, answered);
}

static int build(struct actor *actor, const char *text, size_t bytes, struct err *err)
{
    struct recipe *recipe = recipe_create();
    if (!recipe)
        return err_set(err, ERR_NOMEM, "out of memory");
    int r = recipe_parse(recipe, "recipe of the run", text, bytes, err);
    if (!r)
        r = rollout_create(&actor->rollout, recipe, err);
    recipe_destroy(&recipe);
    return r;
}

/* Lock held on entry and exit; building may take a while. */
static void build_rollout(struct actor *actor)
{
    struct shared *shared = &actor->shared;
    struct err err;
    char *text = shared->recipe;
    size_t bytes = shared->recipe_bytes;
    shared->recipe = NULL;
    pthread_mutex_unlock(&shared->lock);
    int r = build(actor, text, bytes, &err);
    free(text);
    pthread_mutex_lock(&shared->lock);
    shared->failed = r;
    shared->err = err;
    shared->is_built = !r;
    uv_async_send(&actor->wake);
}

static void *rollout_thread(void *context)
{
    struct actor *actor = context;
    struct shared *shared = &actor->shared;
    pthread_mutex_lock(&shared->lock);
    while (!shared->quit) {
        if (shared->recipe)
            build_rollout(actor);
        else if (shared->is_built && shared->first && shared->frame_bytes)
            work_on(actor);
        else
            pthread_cond_wait(&shared->changed, &shared->lock);
    }
    pthread_mutex_unlock(&shared->lock);
    return NULL;
}

/* --- what the link asks for (loop thread) --- */

static int on_send(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    struct actor *actor = context;
    const struct loop_zmq_outgoing message = {
        .envelope = envelope, .envelope_bytes = envelope_bytes, .payload = payload, .payload_bytes = payload_bytes};
    return actor->socket ? loop_zmq_send(actor->socket, &message) : ERR_CLOSED;
}

static void on_recipe(void *context, const char *run, const char *text, size_t length)
{
    struct actor *actor = context;
    struct shared *shared = &actor->shared;
    log_notice("recipe here run=%s bytes=%zu", run, length);
    char *copy = malloc(length + 1);
    ASSERT(copy);
    memcpy(copy, text, length);
    copy[length] = 0;
    pthread_mutex_lock(&shared->lock);
    shared->recipe = copy;
    shared->recipe_bytes = length;
    pthread_cond_signal(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
}

static void on_work(void *context, struct work *work)
{
    struct actor *actor = context;
    struct inbox_item *item = malloc(sizeof *item);
    ASSERT(item);
    *item = (struct inbox_item){work, NULL};
    if (actor->staged_last)
        actor->staged_last->next = item;
    else
        actor->staged_first = item;
    actor->staged_last = item;
}

/* Puts an item where its order belongs: behind all others, an audit behind the audits that wait. Its answer decides about work of
 * another actor, which goes on until then. Lock held. */
static void put_in(struct shared *shared, struct inbox_item *item)
{
    struct inbox_item **at = &shared->first, *before = shared->last;
    if (item->work->order.purpose == ORDER_AUDIT)
        for (before = NULL; *at && (*at)->work->order.purpose == ORDER_AUDIT; at = &(*at)->next)
            before = *at;
    else if (before)
        at = &before->next;
    item->next = *at;
    *at = item;
    if (before == shared->last)
        shared->last = item;
}

/* Takes over what is staged; called at the end of each event. */
static void hand_over(struct actor *actor)
{
    struct shared *shared = &actor->shared;
    if (!actor->staged_first)
        return;
    pthread_mutex_lock(&shared->lock);
    for (struct inbox_item *item = actor->staged_first, *next; item; item = next) {
        next = item->next;
        put_in(shared, item);
    }
    pthread_cond_signal(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
    actor->staged_first = actor->staged_last = NULL;
}

/* Drops work below a generation; UINT32_MAX drops all. */
static void clear_inbox(struct actor *actor, uint32_t below)
{
    struct shared *shared = &actor->shared;
    pthread_mutex_lock(&shared->lock);
    struct inbox_item *item = shared->first;
    shared->first = shared->last = NULL;
    while (item) {
        struct inbox_item *next = item->next;
        item->next = NULL;
        if (item->work->order.version.generation < below) {
            work_destroy(&item->work);
            free(item);
        } else {
            if (shared->last)
                shared->last->next = item;
            else
                shared->first = item;
            shared->last = item;
        }
        item = next;
    }
    pthread_mutex_unlock(&shared->lock);
}

static void on_generation(void *context, uint32_t generation)
{
    struct actor *actor = context;
    log_notice("learner is another one generation=%u", generation);
    hand_over(actor);
    clear_inbox(actor, generation);
}

static void on_release(void *context, struct trajectory *trajectory)
{
    struct actor *actor = context;
    give_buffer(&actor->shared, trajectory);
}

static void shut(struct actor *actor);

static void on_refused(void *context, int code, const char *text)
{
    struct actor *actor = context;
    /* Whoever is leaving leaves: no error, or the process would join the run that the broker serves now although it was asked to go. */
    if (!actor->drain_since)
        actor->result = err_set(actor->err, code ? code : ERR_STATE, "actor refused: %s", text);
    log_error("actor refused reason=\"%s\"", text);
    shut(actor);
}

/* --- events of the loop --- */

static void on_receive(void *context, const struct loop_zmq_message *message)
{
    struct actor *actor = context;
    if (actor->is_closing)
        return;
    actor_link_message(actor->link, clock_us(), message->envelope, message->envelope_bytes, message->payload,
                       message->payload_bytes);
    hand_over(actor);
}

/* Not let in: ZeroMQ would never try again, so it is for whoever started us to do. */
static void on_failed(void *context, enum loop_failure failure)
{
    struct actor *actor = context;
    struct err err;
    int code = loop_failure_explain(failure, actor->options->connect, actor->options->keys != NULL, &err);
    if (code && !actor->is_closing)
        on_refused(actor, code, err.text);
    else if (++actor->failures % HINT_EVERY == HINT_FIRST) /* once or twice is a broker that restarts */
        log_warning("%s %s", actor->options->connect, loop_failure_hint(actor->options->keys != NULL));
}

/* Fewer lanes when frames are large: two rounds of all lanes must fit into the memory for trajectories. */
static int lanes_for(const struct actor *actor, size_t frame_bytes, int *buffers)
{
    size_t memory = actor->options->memory_bytes ? actor->options->memory_bytes : DEFAULT_MEMORY;
    size_t fit = memory / frame_bytes;
    int lanes = actor->options->lanes > 0 ? actor->options->lanes : DEFAULT_LANES;
    if (lanes > PROTOCOL_LANES_MAX)
        lanes = PROTOCOL_LANES_MAX;
    *buffers = fit > BUFFERS_MAX / 2 ? BUFFERS_MAX / 2 : fit < 2 ? 2 : (int)fit;
    return lanes > *buffers / 2 ? *buffers / 2 : lanes;
}

static void describe(struct actor *actor)
{
    struct shared *shared = &actor->shared;
    const struct schema *schema = rollout_schema(actor->rollout);
    size_t frame_bytes = (schema_bytes_max(schema) + SCHEMA_ALIGN - 1) / SCHEMA_ALIGN * SCHEMA_ALIGN;
    int buffers, lanes = lanes_for(actor, frame_bytes, &buffers);
    pthread_mutex_lock(&shared->lock);
    shared->frame_bytes = frame_bytes;
    shared->max_buffers = buffers;
    pthread_mutex_unlock(&shared->lock);
    actor->is_described = true;
    int r = actor_link_describe(actor->link, clock_us(), rollout_spec(actor->rollout), schema, lanes);
    if (r) {
        actor->result = err_set(actor->err, r, "cannot describe the task to the broker: %s", err_text(r));
        shut(actor);
    }
}

static void collect(struct actor *actor)
{
    struct shared *shared = &actor->shared;
    struct trajectory *done[64];
    for (int n = 64; n == 64;) {
        pthread_mutex_lock(&shared->lock);
        n = shared->n_out < 64 ? shared->n_out : 64;
        memcpy(done, shared->out, (size_t)n * sizeof *done);
        shared->n_out -= n;
        memmove(shared->out, shared->out + n, (size_t)shared->n_out * sizeof *shared->out);
        pthread_mutex_unlock(&shared->lock);
        for (int i = 0; i < n; i++)
            if (actor_link_submit(actor->link, clock_us(), done[i])) /* void: of a learner that was replaced */
                give_buffer(shared, done[i]);
    }
}

static void on_wake(uv_async_t *async)
{
    struct actor *actor = async->data;
    struct shared *shared = &actor->shared;
    pthread_mutex_lock(&shared->lock);
    bool is_built = shared->is_built;
    int failed = shared->failed;
    pthread_mutex_unlock(&shared->lock);
    if (actor->is_closing)
        return;
    if (failed) {
        actor->result = err_set(actor->err, failed, "cannot build the run's environment: %s", shared->err.text);
        log_error("%s", shared->err.text);
        shut(actor);
        return;
    }
    if (is_built && !actor->is_described)
        describe(actor);
    if (!actor->is_closing)
        collect(actor);
    hand_over(actor);
}

static void start_drain(struct actor *actor)
{
    if (actor->drain_since)
        return;
    actor->drain_since = clock_us();
    clear_inbox(actor, UINT32_MAX);
}

/* First the group under way, then the acknowledgements, each within its time. */
static void drain(struct actor *actor, monotonic_us now)
{
    pthread_mutex_lock(&actor->shared.lock);
    bool is_busy = actor->shared.is_busy || actor->shared.n_out > 0;
    pthread_mutex_unlock(&actor->shared.lock);
    clear_inbox(actor, UINT32_MAX);
    if (is_busy && now - actor->drain_since < FINISH_GROUP_US)
        return;
    actor->stop = 1;
    actor_link_drain(actor->link, now);
    if (actor_link_state(actor->link) == LINK_DONE || now - actor->drain_since > DRAIN_US)
        shut(actor);
}

/* Broker, learner and actors may be started in any order, so a broker that is not there is waited for; a person should know. */
static void look_for_broker(struct actor *actor, monotonic_us now)
{
    if (actor_link_broker_alive(actor->link, now)) {
        if (actor->is_lonely)
            log_notice("broker is here endpoint=%s", actor->options->connect);
        actor->heard_us = now;
        actor->is_lonely = false;
    } else if (!actor->is_lonely && now - actor->heard_us > SILENCE_US) {
        log_warning("no word from a broker, waiting endpoint=%s", actor->options->connect);
        actor->is_lonely = true;
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct actor *actor = timer->data;
    monotonic_us now = clock_us();
    pthread_mutex_lock(&actor->shared.lock);
    struct actor_load load = load_of(&actor->shared);
    pthread_mutex_unlock(&actor->shared.lock);
    actor_link_load(actor->link, &load);
    actor_link_tick(actor->link, now);
    look_for_broker(actor, now);
    hand_over(actor);
    if (!actor->is_closing && actor->options->exit_when_finished && actor_link_finished(actor->link))
        start_drain(actor);
    if (!actor->is_closing && actor->drain_since)
        drain(actor, now);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct actor *actor = handle->data;
    if (actor->drain_since)
        _exit(1); /* asked twice */
    log_notice("actor drains signal=%d", number);
    start_drain(actor);
}

static void shut(struct actor *actor)
{
    if (actor->is_closing)
        return;
    actor->is_closing = true;
    actor->stop = 1;
    if (actor->link)
        actor_link_bye(actor->link);
    pthread_mutex_lock(&actor->shared.lock);
    actor->shared.quit = true;
    pthread_cond_broadcast(&actor->shared.changed);
    pthread_mutex_unlock(&actor->shared.lock);
    if (actor->socket)
        loop_zmq_close(&actor->socket);
    uv_close((uv_handle_t *)&actor->tick, NULL);
    uv_close((uv_handle_t *)&actor->term, NULL);
    uv_close((uv_handle_t *)&actor->interrupt, NULL);
}

/* --- start and end --- */

static void start_handles(struct actor *actor)
{
    ASSERT(!uv_loop_init(&actor->loop));
    ASSERT(!uv_timer_init(&actor->loop, &actor->tick));
    ASSERT(!uv_async_init(&actor->loop, &actor->wake, on_wake));
    ASSERT(!uv_signal_init(&actor->loop, &actor->term));
    ASSERT(!uv_signal_init(&actor->loop, &actor->interrupt));
    actor->tick.data = actor->wake.data = actor->term.data = actor->interrupt.data = actor;
    uv_timer_start(&actor->tick, on_tick, 0, TICK_MS);
    uv_signal_start(&actor->term, on_signal, SIGTERM);
    uv_signal_start(&actor->interrupt, on_signal, SIGINT);
    uv_unref((uv_handle_t *)&actor->wake); /* closed last, when the thread that sends to it has ended */
}

static int open_link(struct actor *actor)
{
    static const struct actor_link_ops ops = {on_send, on_recipe, on_work, on_generation, on_release, on_refused};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct actor_link_options link = {.actor = actor->options->actor,
                                      .incarnation = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
                                      .window = PROTOCOL_WINDOW_MAX,
                                      .window_bytes = SIZE_MAX / 2, /* the buffers are the bound */
                                      .cache_bytes = CACHE_BYTES,
                                      .ops = &ops,
                                      .context = actor};
    if (gethostname(link.host, sizeof link.host - 1))
        link.host[0] = 0;
    return actor_link_create(&actor->link, &link);
}

static int open_socket(struct actor *actor)
{
    char name[32], id[ROUTING_ID_SIZE];
    snprintf(name, sizeof name, "actor-%u", actor->options->actor);
    routing_id(id, name);
    struct loop_zmq_options socket = loop_zmq_defaults();
    socket.routing_id = id;
    socket.keys = actor->options->keys;
    socket.is_insecure = actor->options->is_insecure;
    socket.max_frame_bytes = PROTOCOL_PAYLOAD_BYTES;
    socket.send_max = 2 * PROTOCOL_WINDOW_MAX;
    socket.receive_max = 2 * PROTOCOL_WINDOW_MAX;
    const struct loop_zmq_callbacks callbacks = {.context = actor, .receive = on_receive, .failed = on_failed};
    return loop_zmq_open(&actor->socket, &actor->loop, actor->zmq, LOOP_ZMQ_DEALER, LOOP_ZMQ_CONNECT, actor->options->connect,
                         &socket, &callbacks, actor->err);
}

static void run(struct actor *actor)
{
    if (!actor->result && pthread_create(&actor->thread, NULL, rollout_thread, actor))
        actor->result = err_set(actor->err, ERR_NOMEM, "cannot start actor: no thread");
    actor->has_thread = !actor->result;
    if (actor->result)
        shut(actor);
    uv_run(&actor->loop, UV_RUN_DEFAULT);
    if (actor->has_thread)
        pthread_join(actor->thread, NULL);
    uv_close((uv_handle_t *)&actor->wake, NULL);
    uv_run(&actor->loop, UV_RUN_DEFAULT);
    ASSERT(!uv_loop_close(&actor->loop));
}

static void release_all(struct actor *actor)
{
    struct shared *shared = &actor->shared;
    hand_over(actor);
    clear_inbox(actor, UINT32_MAX);
    actor_link_destroy(&actor->link); /* the ring's buffers come back */
    for (int i = 0; i < shared->n_out; i++)
        buffer_destroy(shared->out[i]);
    for (int i = 0; i < shared->n_free; i++)
        buffer_destroy(shared->free[i]);
    if (actor->rollout) {
        struct rollout_times times = rollout_times(actor->rollout);
        log_notice("rollout seconds acting=%.3f stepping=%.3f building=%.3f", times.acting, times.stepping, times.building);
    }
    rollout_destroy(&actor->rollout);
    free(shared->recipe);
    pthread_cond_destroy(&shared->changed);
    pthread_mutex_destroy(&shared->lock);
}

int actor_run(const struct actor_options *options, struct err *err)
{
    struct actor *actor = calloc(1, sizeof *actor);
    if (!actor)
        return err_set(err, ERR_NOMEM, "cannot start actor: out of memory");
    actor->options = options;
    actor->err = err;
    actor->heard_us = clock_us();
    pthread_mutex_init(&actor->shared.lock, NULL);
    pthread_cond_init(&actor->shared.changed, NULL);
    start_handles(actor);
    actor->zmq = zmq_ctx_new();
    actor->result = actor->zmq ? open_link(actor) : ERR_NOMEM;
    if (actor->result)
        err_set(err, actor->result, "cannot start actor: out of memory");
    else
        actor->result = open_socket(actor);
    run(actor);
    release_all(actor);
    if (actor->zmq)
        zmq_ctx_term(actor->zmq);
    int result = actor->result;
    free(actor);
    return result;
}
