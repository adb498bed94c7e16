/* Intake: see intake.h. The checks stand in the order of their price: numbers of the envelope first, the frame last. */
#include "learner/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define VERSIONS 64

struct kept_bad {
    struct quarantined info;
    unsigned char *bytes; /* QUARANTINE_BYTES, allocated at first use */
};

struct intake {
    struct intake_options options; /* options.run points to `run` */
    char run[PROTOCOL_RUN_SIZE];
    struct schema *schema; /* NULL until known */
    size_t frame_bytes;    /* capacity of one arrival */
    size_t used_bytes;     /* of all arrivals, free ones included */
    struct arrival *free;
    struct {
        struct weights_version version;
        struct hash weights;
    } published[VERSIONS];
    uint64_t n_published;
    struct kept_bad bad[QUARANTINE_ENTRIES];
    uint64_t n_bad;
};

int intake_create(struct intake **intake, const struct intake_options *options)
{
    *intake = calloc(1, sizeof **intake);
    if (!*intake)
        return ERR_NOMEM;
    (*intake)->options = *options;
    snprintf((*intake)->run, sizeof(*intake)->run, "%s", options->run);
    (*intake)->options.run = (*intake)->run;
    return 0;
}

static void free_pool(struct intake *intake)
{
    while (intake->free) {
        struct arrival *arrival = intake->free;
        intake->free = arrival->next;
        intake->used_bytes -= arrival->t.capacity;
        free(arrival->t.frame);
        free(arrival);
    }
}

void intake_destroy(struct intake **intake)
{
    struct intake *old = *intake;
    if (!old)
        return;
    free_pool(old);
    ASSERT(old->used_bytes == 0); /* every arrival was given back */
    for (int i = 0; i < QUARANTINE_ENTRIES; i++)
        free(old->bad[i].bytes);
    free(old->schema);
    free(old);
    *intake = NULL;
}

void intake_set_schema(struct intake *intake, const struct schema *schema)
{
    struct schema *copy = malloc(sizeof *copy);
    ASSERT(copy);
    *copy = *schema;
    free(intake->schema);
    free_pool(intake);
    intake->schema = copy;
    intake->frame_bytes = (schema_bytes_max(schema) + SCHEMA_ALIGN - 1) / SCHEMA_ALIGN * SCHEMA_ALIGN;
}

void intake_published(struct intake *intake, struct weights_version version, struct hash weights)
{
    intake->published[intake->n_published % VERSIONS].version = version;
    intake->published[intake->n_published % VERSIONS].weights = weights;
    intake->n_published++;
}

/* --- the pool --- */

bool intake_has_room(struct intake *intake)
{
    return intake->free || intake->used_bytes + intake->frame_bytes <= intake->options.pool_bytes;
}

static struct arrival *take_arrival(struct intake *intake)
{
    struct arrival *arrival = intake->free;
    if (arrival) {
        intake->free = arrival->next;
        arrival->next = NULL;
        return arrival;
    }
    arrival = calloc(1, sizeof *arrival);
    unsigned char *frame = aligned_alloc(SCHEMA_ALIGN, intake->frame_bytes ? intake->frame_bytes : SCHEMA_ALIGN);
    if (!arrival || !frame) {
        free(arrival);
        free(frame);
        return NULL;
    }
    arrival->t.frame = frame;
    arrival->t.capacity = intake->frame_bytes;
    intake->used_bytes += intake->frame_bytes;
    return arrival;
}

void intake_release(struct intake *intake, struct arrival **arrival)
{
    struct arrival *back = *arrival;
    *arrival = NULL;
    back->next = intake->free;
    intake->free = back;
    if (back->t.capacity != intake->frame_bytes)
        free_pool(intake); /* of an earlier schema */
}

/* --- verdicts --- */

static void reject(struct verdict *verdict, enum reject_reason reason, const char *text)
{
    verdict->fate = FATE_REJECTED;
    verdict->reason = reason;
    snprintf(verdict->text, sizeof verdict->text, "%s", text);
}

/* A line for each of the first ones, then for each power of two: a stranger must not fill the disk with our log. */
static bool is_worth_a_line(uint64_t n)
{
    return n <= 64 || (n & (n - 1)) == 0;
}

static void quarantine(struct intake *intake, struct quarantined info, const void *frame)
{
    struct kept_bad *bad = &intake->bad[intake->n_bad++ % QUARANTINE_ENTRIES];
    if (!bad->bytes && !(bad->bytes = malloc(QUARANTINE_BYTES)))
        return;
    info.kept = info.bytes < QUARANTINE_BYTES ? info.bytes : QUARANTINE_BYTES;
    info.frame = bad->bytes;
    bad->info = info;
    if (info.kept)
        memcpy(bad->bytes, frame, info.kept);
    if (is_worth_a_line(intake->n_bad))
        log_warning("trajectory rejected reason=%s actor=%u sequence=%llu rejected_total=%llu text=\"%s\"",
                    reject_reason_name(info.reason), info.actor, (unsigned long long)info.sequence,
                    (unsigned long long)intake->n_bad, info.text);
}

static struct quarantined describe(uint32_t actor, uint64_t incarnation, uint64_t sequence, enum reject_reason reason, size_t bytes,
                                   const char *text)
{
    struct quarantined info = {.actor = actor, .incarnation = incarnation, .sequence = sequence, .reason = reason, .bytes = bytes};
    snprintf(info.text, sizeof info.text, "%s", text);
    return info;
}

void intake_keep(struct intake *intake, uint32_t actor, uint64_t incarnation, const struct trajectory *trajectory,
                 const struct misfit *misfit, const char *text)
{
    struct quarantined info = describe(actor, incarnation, trajectory->sequence, REJECT_RESCORE, trajectory->bytes, text);
    info.misfit = *misfit;
    quarantine(intake, info, trajectory->frame);
}

static const struct hash *weights_of(const struct intake *intake, struct weights_version version)
{
    for (int i = 0; i < VERSIONS; i++)
        if (!weights_version_compare(intake->published[i].version, version))
            return &intake->published[i].weights;
    return NULL;
}

/* Run and version: what this learner can judge without looking at the order. False: decided. */
static bool check_origin(const struct intake *intake, const struct message_trajectory *message, struct verdict *verdict)
{
    const struct trajectory *t = &message->body;
    if (strcmp(message->run, intake->options.run)) {
        reject(verdict, REJECT_RUN, "of another run");
        return false;
    }
    if (t->version.generation < intake->options.generation) {
        verdict->fate = FATE_STALE;
        snprintf(verdict->text, sizeof verdict->text, "generation %u, now %u", t->version.generation, intake->options.generation);
        return false;
    }
    if (t->version.generation > intake->options.generation) {
        reject(verdict, REJECT_VERSION, "a generation that was never published");
        return false;
    }
    return true;
}

static bool check_numbers(const struct intake *intake, const struct trajectory *t, size_t frame_bytes, struct schema_layout *layout,
                          struct verdict *verdict)
{
    const struct hash *weights = weights_of(intake, t->version);
    if (!weights || !hash_equal(*weights, t->weights)) {
        reject(verdict, REJECT_VERSION, "acted with other weights than this version has");
        return false;
    }
    if (!intake->schema || !hash_equal(t->schema, intake->schema->hash)) {
        reject(verdict, REJECT_SCHEMA, "another schema than this run's");
        return false;
    }
    bool has_steps = t->purpose != ORDER_EVALUATE;
    if ((has_steps && t->steps < 1) || (!has_steps && t->steps != 0) || t->steps > intake->schema->T || t->episodes < 0 ||
        t->episodes > intake->schema->T) {
        reject(verdict, REJECT_SHAPE, "steps or episodes out of range");
        return false;
    }
    schema_layout(intake->schema, t->steps, t->episodes, layout);
    if (layout->bytes != t->bytes || layout->bytes != frame_bytes || layout->bytes > intake->frame_bytes) {
        reject(verdict, REJECT_BYTES, "frame of another size than its envelope says");
        return false;
    }
    return true;
}

/* Copies and checks the contents; the arrival, or NULL with the verdict set. */
static struct arrival *check_contents(struct intake *intake, const struct message_trajectory *message,
                                      const struct schema_layout *layout, const void *frame, struct verdict *verdict)
{
    struct err err = {.text = ""};
    struct arrival *arrival = take_arrival(intake);
    if (!arrival) {
        reject(verdict, REJECT_BYTES, "out of memory");
        return NULL;
    }
    struct trajectory buffer = arrival->t;
    arrival->actor = message->actor;
    arrival->incarnation = message->incarnation;
    arrival->layout = *layout;
    arrival->t = message->body;
    arrival->t.frame = buffer.frame;
    arrival->t.capacity = buffer.capacity;
    int r = schema_copy_checked(intake->schema, layout, frame, arrival->t.frame, &err);
    if (r)
        reject(verdict, r == ERR_NOT_FINITE ? REJECT_NOT_FINITE : REJECT_RANGE, err.text);
    else if (intake->options.ops->check && intake->options.ops->check(intake->options.context, arrival, &err))
        reject(verdict, REJECT_CONTENT, err.text);
    else
        return arrival;
    intake_release(intake, &arrival);
    return NULL;
}

static bool take_snapshot(struct intake *intake, struct orders *orders, const struct arrival *arrival)
{
    uint32_t bytes = 0;
    const void *snapshot = NULL;
    if (intake->options.ops->snapshot && arrival->t.purpose == ORDER_TRAIN)
        snapshot = intake->options.ops->snapshot(intake->options.context, arrival, &bytes);
    return orders_arrived(orders, arrival->actor, arrival->incarnation, &arrival->t, snapshot, bytes) == 0;
}

static void accept_answer(struct intake *intake, struct orders *orders, struct verdict *verdict)
{
    if (verdict->arrival && !take_snapshot(intake, orders, verdict->arrival)) {
        intake_release(intake, &verdict->arrival);
        reject(verdict, REJECT_BYTES, "no memory for the snapshot");
    }
    verdict->is_accepted = verdict->arrival != NULL;
}

static void judge_answer(struct intake *intake, struct orders *orders, const struct message_trajectory *message, const void *frame,
                         size_t frame_bytes, struct verdict *verdict)
{
    struct schema_layout layout;
    if (message->body.status) {
        char text[PROTOCOL_TEXT_SIZE];
        snprintf(text, sizeof text, "the actor gave the order back: %s", err_text(message->body.status));
        reject(verdict, REJECT_GIVEN_BACK, text);
    } else if (check_numbers(intake, &message->body, frame_bytes, &layout, verdict))
        verdict->arrival = check_contents(intake, message, &layout, frame, verdict);
    if (verdict->arrival && intake->options.ops->examine &&
        intake->options.ops->examine(intake->options.context, verdict->arrival)) {
        verdict->arrival = NULL;
        verdict->is_pending = true;
        return;
    }
    accept_answer(intake, orders, verdict);
    if (!verdict->is_accepted)
        orders_failed(orders, message->actor, message->incarnation, &message->body);
}

void intake_judge(struct intake *intake, struct orders *orders, const struct message_trajectory *message, const void *frame,
                  size_t frame_bytes, struct verdict *verdict)
{
    *verdict = (struct verdict){.fate = FATE_STALE};
    if (check_origin(intake, message, verdict)) {
        int r = orders_match(orders, message->actor, message->incarnation, &message->body);
        if (r == ERR_DUPLICATE)
            snprintf(verdict->text, sizeof verdict->text, "late copy: the order was given to another actor or answered");
        else if (r == ERR_RANGE)
            reject(verdict, REJECT_ORDER, "no such lane");
        else if (r) {
            reject(verdict, REJECT_ORDER, "contradicts the order that it answers");
            orders_failed(orders, message->actor, message->incarnation, &message->body);
        } else
            judge_answer(intake, orders, message, frame, frame_bytes, verdict);
    }
    if (!verdict->is_accepted && verdict->fate == FATE_REJECTED)
        quarantine(
            intake,
            describe(message->actor, message->incarnation, message->body.sequence, verdict->reason, frame_bytes, verdict->text),
            frame);
}

void intake_examined(struct intake *intake, struct orders *orders, struct arrival **arrival_at, const struct misfit *misfit,
                     struct verdict *verdict)
{
    struct arrival *arrival = *arrival_at;
    const struct arrival told = *arrival;
    *arrival_at = NULL;
    *verdict = (struct verdict){.fate = FATE_STALE};
    bool is_open = orders_match(orders, told.actor, told.incarnation, &told.t) == 0;
    if (misfit) {
        char text[PROTOCOL_TEXT_SIZE];
        misfit_text(misfit, text, sizeof text);
        reject(verdict, REJECT_RESCORE, text);
        intake_keep(intake, told.actor, told.incarnation, &told.t, misfit, text);
        intake_release(intake, &arrival);
    } else if (is_open) {
        verdict->arrival = arrival;
        accept_answer(intake, orders, verdict);
    } else {
        snprintf(verdict->text, sizeof verdict->text, "the order was given to another actor while it was examined");
        intake_release(intake, &arrival);
    }
    if (is_open && !verdict->is_accepted)
        orders_failed(orders, told.actor, told.incarnation, &told.t);
}

int intake_quarantine(const struct intake *intake, struct quarantined out[QUARANTINE_ENTRIES])
{
    int n = intake->n_bad < QUARANTINE_ENTRIES ? (int)intake->n_bad : QUARANTINE_ENTRIES;
    for (int i = 0; i < n; i++)
        out[i] = intake->bad[(intake->n_bad - 1 - (uint64_t)i) % QUARANTINE_ENTRIES].info;
    return n;
}

uint64_t intake_kept(const struct intake *intake)
{
    return intake->n_bad;
}

size_t intake_bytes(const struct intake *intake)
{
    return intake->used_bytes;
}
