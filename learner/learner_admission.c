/* Admission in the learner process: see learner_internal.h, admission.h, rescore.h, audit.h.
 *
 *   accepted by intake -> queue -thread, drawn chunks-> fits: delivered | does not: REJECTED(rescore), its actor quarantined
 *   delivered -drawn-> audit: ordered again from a second actor -> same | differs: a third, or the scores of both, tell who lies
 *
 * A quarantined actor gets no orders for the rest of the run, under whatever incarnation (quarantine.h); what it had is given to others.
 * In sync mode the last slice of an update may wait for the thread for as long as one slice takes to score. A slice that takes less than
 * IN_PLACE_SECONDS is scored on the loop itself: the way to the thread and back costs more (with matrix, 9 % of a run's time). */
#include "learner/learner_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LAST_AUDITS_US 10000000 /* how long a run's end waits for audits that are under way */
#define IN_PLACE_SECONDS 100e-6 /* that the last slice took */

/* ---- quarantine of actors ---- */

/* Trajectories that came from it in all its incarnations. */
static uint64_t received_from(struct learner *learner, uint32_t actor)
{
    uint64_t received = 0;
    for (int i = 0; i < ledger_count(learner->ledger); i++) {
        const struct ledger_entry *entry = ledger_at(learner->ledger, i);
        received += entry->actor == actor ? entry->received_upto : 0;
    }
    return received;
}

static void note_quarantined(struct learner *learner, uint32_t actor)
{
    struct admission_counts *counts = &learner->status.admission;
    orders_quarantine(learner->orders, actor);
    if (counts->n_quarantined < PROTOCOL_ACTORS_MAX)
        counts->quarantined[counts->n_quarantined++] = actor;
}

/* For the learner that follows this one. */
static void keep_actor(struct learner *learner, uint32_t actor, const char *how, const char *text)
{
    struct admitting *a = &learner->admitting;
    struct err err;
    if (a->n_kept == PROTOCOL_ACTORS_MAX)
        return;
    struct quarantined_actor *kept = &a->kept[a->n_kept++];
    *kept = (struct quarantined_actor){.actor = actor};
    snprintf(kept->how, sizeof kept->how, "%s", how);
    snprintf(kept->text, sizeof kept->text, "%s", text);
    if (quarantine_write_actors(learner->options->run, a->kept, a->n_kept, &err))
        log_error("quarantine is forgotten when this learner ends: %s", err.text);
}

int learner_restore_quarantine(struct learner *learner)
{
    struct admitting *a = &learner->admitting;
    int r = quarantine_read_actors(learner->options->run, a->kept, PROTOCOL_ACTORS_MAX, &a->n_kept, learner->err);
    for (int i = 0; !r && i < a->n_kept; i++) {
        note_quarantined(learner, a->kept[i].actor);
        log_warning("actor stays quarantined actor=%" PRIu32 " how=%s text=\"%s\" hint=\"if it was mended, take it out of "
                    "quarantine/actors.json in the run folder and start the learner again\"",
                    a->kept[i].actor, a->kept[i].how, a->kept[i].text);
    }
    return r ? err_prefix(learner->err, r, "cannot read who is quarantined") : 0;
}

static void quarantine_actor(struct learner *learner, uint32_t actor, const char *how, const char *text)
{
    struct admission_counts *counts = &learner->status.admission;
    if (orders_is_quarantined(learner->orders, actor))
        return;
    note_quarantined(learner, actor);
    keep_actor(learner, actor, how, text);
    log_error("actor quarantined actor=%" PRIu32 " how=%s trajectories=%" PRIu64
              " quarantined_total=%d text=\"%s\" hint=\"see quarantine/ in the run folder; "
              "it gets no more orders: mend it and start it under another id\"",
              actor, how, received_from(learner, actor), counts->n_quarantined, text);
    if (orders_others(learner->orders, NULL, 0) == 0)
        log_error("no actor is left that is not quarantined: the run waits for another");
}

void learner_note_rejected(struct learner *learner, uint32_t actor, enum reject_reason reason, const char *text)
{
    if (reason == REJECT_RUN || reason == REJECT_GIVEN_BACK)
        return; /* an honest actor may come to that */
    if (conduct_rejected(learner->admitting.conduct, actor))
        quarantine_actor(learner, actor, reject_reason_name(reason), text);
}

/* ---- the thread ---- */

static void score_work(uv_work_t *work)
{
    struct learner *learner = work->data;
    struct admitting *a = &learner->admitting;
    monotonic_us start = clock_us();
    if (a->arrival)
        a->result[0] = rescore_run(a->rescore, a->weights, &a->arrival->t, a->chosen, &a->misfit[0], &a->err);
    for (int i = 0; a->dispute && i < 2; i++)
        a->result[i] = rescore_run(a->rescore, a->weights, &a->dispute->answers[i].t, NULL, &a->misfit[i], &a->err);
    a->seconds = clock_seconds_since(start);
}

/* What cannot be judged is let in: a fault of ours must not halt the run. Said once, and counted. */
static void note_unjudged(struct learner *learner, const char *why)
{
    learner->status.admission.unjudged++;
    if (!learner->admitting.has_warned)
        log_warning("slice not scored again, and let in: %s", why);
    learner->admitting.has_warned = true;
}

static void end_examination(struct learner *learner, struct arrival *arrival)
{
    struct admitting *a = &learner->admitting;
    bool is_unfit = a->result[0] == ERR_MISMATCH;
    learner->status.admission.rescored++;
    learner->status.admission.unfit += is_unfit;
    if (is_unfit) {
        char text[PROTOCOL_TEXT_SIZE];
        misfit_text(&a->misfit[0], text, sizeof text);
        quarantine_actor(learner, arrival->actor, "rescore", text);
    } else if (a->result[0])
        note_unjudged(learner, a->err.text);
    learner_link_examined(learner->link, &arrival, is_unfit ? &a->misfit[0] : NULL);
}

static void convict(struct learner *learner, struct audit **audit, int liar, const struct misfit *misfit)
{
    const struct audited *bad = &(*audit)->answers[liar];
    char text[PROTOCOL_TEXT_SIZE];
    misfit_text(misfit, text, sizeof text);
    intake_keep(learner->intake, bad->actor, bad->incarnation, &bad->t, misfit, text);
    quarantine_actor(learner, bad->actor, "audit", text);
    audits_forget(learner->admitting.audits, audit);
}

static void leave_undecided(struct learner *learner, struct audit **audit)
{
    const struct audited *answers = (*audit)->answers;
    learner->status.admission.undecided++;
    log_warning("audit undecided actors=%" PRIu32 ",%" PRIu32 " lane=%d slice=%" PRIu64 " undecided_total=%" PRIu64
                " hint=\"three actors let a third decide\"",
                answers[0].actor, (*audit)->n_answers > 1 ? answers[1].actor : answers[0].actor, answers[0].t.lane,
                answers[0].t.slice, learner->status.admission.undecided);
    audits_forget(learner->admitting.audits, audit);
}

/* Exactly one of two answers does not fit its weights: that one lies. Both fit, or neither: nobody can tell. */
static void end_dispute(struct learner *learner, struct audit *audit)
{
    struct admitting *a = &learner->admitting;
    bool is_unfit[2] = {a->result[0] == ERR_MISMATCH, a->result[1] == ERR_MISMATCH};
    if (is_unfit[0] != is_unfit[1])
        convict(learner, &audit, is_unfit[1], &a->misfit[is_unfit[1]]);
    else
        leave_undecided(learner, &audit);
}

static void start_scoring(struct learner *learner);

static void end_scoring(struct learner *learner)
{
    struct admitting *a = &learner->admitting;
    struct arrival *arrival = a->arrival;
    struct audit *dispute = a->dispute;
    a->arrival = NULL;
    a->dispute = NULL;
    if (arrival)
        end_examination(learner, arrival);
    else
        end_dispute(learner, dispute);
}

/* In hand no more. */
static void put_down(struct learner *learner)
{
    struct admitting *a = &learner->admitting;
    weights_unref(&a->weights);
    a->is_running = false;
    learner->status.admission.rescore_seconds += a->seconds;
}

static void score_done(uv_work_t *work, int status)
{
    struct learner *learner = work->data;
    (void)status;
    put_down(learner);
    if (learner->admitting.is_closing)
        return; /* learner_end_admission gives the arrival back */
    learner->now = clock_us();
    end_scoring(learner);
    start_scoring(learner);
    learner_link_pump(learner->link, learner->now);
}

static struct audit *next_dispute(struct admitting *a)
{
    int at = 0;
    for (struct audit *audit; a->audits && (audit = audits_next(a->audits, &at));)
        if (audit->wants_scores)
            return audit;
    return NULL;
}

/* False: there was no need to score it any more. */
static bool take_slice(struct learner *learner)
{
    struct admitting *a = &learner->admitting;
    struct arrival *arrival = a->first;
    struct weights *weights = learner_link_weights(learner->link, arrival->t.version);
    a->first = arrival->next;
    arrival->next = NULL;
    if (!weights) { /* its order was taken back, or the version would be kept: a late copy */
        learner_link_examined(learner->link, &arrival, NULL);
        return false;
    }
    a->weights = weights_ref(weights);
    a->arrival = arrival;
    return admission_choose(&a->admission, arrival->actor, arrival->incarnation, arrival->t.sequence, rescore_chunks(a->rescore),
                            a->chosen);
}

static bool take_dispute(struct admitting *a)
{
    if (!(a->dispute = next_dispute(a)))
        return false;
    a->weights = weights_ref(a->dispute->weights);
    return true;
}

static bool take_work(struct learner *learner)
{
    struct admitting *a = &learner->admitting;
    while (a->first)
        if (take_slice(learner))
            return true;
    return take_dispute(a);
}

static void start_scoring(struct learner *learner)
{
    struct admitting *a = &learner->admitting;
    while (!a->is_running && take_work(learner)) {
        a->is_running = true;
        if (!a->arrival || a->seconds == 0 || a->seconds > IN_PLACE_SECONDS) {
            uv_queue_work(&learner->loop, &a->work, score_work, score_done);
            return;
        }
        score_work(&a->work);
        put_down(learner);
        end_scoring(learner);
    }
}

/* ---- re-scoring ---- */

bool learner_examine(struct learner *learner, struct arrival *arrival)
{
    struct admitting *a = &learner->admitting;
    if (!a->rescore || !(a->admission.share > 0) || arrival->t.purpose != ORDER_TRAIN || learner->stage != STAGE_TRAIN)
        return false;
    if (!learner_link_weights(learner->link, arrival->t.version)) {
        note_unjudged(learner, "its version is no longer kept");
        return false;
    }
    arrival->next = NULL;
    *(a->first ? &a->last->next : &a->first) = arrival;
    a->last = arrival;
    start_scoring(learner);
    return true;
}

/* ---- audits ---- */

static int order_again(struct learner *learner, const struct trajectory *t, const void *snapshot, uint32_t bytes,
                       const uint32_t *not_actors, int n)
{
    const struct order order = {.purpose = ORDER_AUDIT,
                                .lane = t->lane,
                                .slice = t->slice,
                                .version = t->version,
                                .victim = -1,
                                .snapshot_bytes = bytes,
                                .snapshot = snapshot};
    return orders_add_task_beside(learner->orders, &order, not_actors, n);
}

static void skip_audit(struct learner *learner, uint32_t actor)
{
    learner->status.admission.skipped += conduct_owes(learner->admitting.conduct, actor, true);
}

void learner_consider_audit(struct learner *learner, const struct arrival *arrival)
{
    struct admitting *a = &learner->admitting;
    const struct trajectory *t = &arrival->t;
    uint32_t bytes = 0;
    if (!conduct_accepted(a->conduct, &a->admission, arrival->actor, arrival->incarnation) || !a->audits)
        return;
    const void *snapshot = orders_snapshot(learner->orders, t->lane, t->slice, &bytes);
    struct weights *weights = learner_link_weights(learner->link, t->version);
    int r = ERR_STATE;
    if (weights && (snapshot || t->slice == 0) && orders_others(learner->orders, &arrival->actor, 1) > 0 &&
        !(r = audits_begin(a->audits, arrival->actor, arrival->incarnation, t, weights, snapshot, bytes)) &&
        (r = order_again(learner, t, snapshot, bytes, &arrival->actor, 1)))
        audits_drop(a->audits, t);
    if (r)
        skip_audit(learner, arrival->actor);
    else
        (void)conduct_owes(a->conduct, arrival->actor, false);
}

static void drop_audit(struct learner *learner, struct audit *audit)
{
    const struct trajectory *t = &audit->answers[0].t;
    orders_drop_task(learner->orders, ORDER_AUDIT, t->lane, t->slice);
    skip_audit(learner, audit->answers[0].actor);
    audits_forget(learner->admitting.audits, &audit);
}

/* How far the first actor came until the second answered: what the share of audits was chosen for has a bound. */
static void note_delay(struct learner *learner, const struct audited *first)
{
    struct admission_counts *counts = &learner->status.admission;
    const struct ledger_entry *entry = ledger_find(learner->ledger, first->actor, first->incarnation);
    uint64_t delay = entry && entry->received_upto > first->t.sequence ? entry->received_upto - first->t.sequence : 0;
    if (delay > ADMISSION_DELAY_MAX && counts->delay_max <= ADMISSION_DELAY_MAX)
        log_warning("audits are slow: an actor sent %" PRIu64
                    " trajectories before another had repeated one of them, expected at most %d "
                    "hint=\"more actors, fewer lanes or a larger admission.audit_share find a liar as soon as promised\"",
                    delay, ADMISSION_DELAY_MAX);
    counts->delay_max = delay > counts->delay_max ? delay : counts->delay_max;
}

/* Two answers differ: a third actor from the same snapshot, else their scores. */
static void ask_third(struct learner *learner, struct audit *audit)
{
    const uint32_t both[] = {audit->answers[0].actor, audit->answers[1].actor};
    const struct trajectory *t = &audit->answers[0].t;
    if (orders_others(learner->orders, both, 2) > 0 && !order_again(learner, t, audit->snapshot, audit->snapshot_bytes, both, 2))
        return;
    audit->wants_scores = true;
    start_scoring(learner);
}

static void log_difference(const struct audit_verdict *verdict)
{
    char text[PROTOCOL_TEXT_SIZE];
    misfit_text(&verdict->misfit, text, sizeof text);
    log_warning("audit differs lane=%d slice=%" PRIu64 " first=%" PRIu32 " second=%" PRIu32 " text=\"second's %s\"",
                verdict->audit->answers[0].t.lane, verdict->audit->answers[0].t.slice, verdict->audit->answers[0].actor,
                verdict->audit->answers[1].actor, text);
}

static void follow_audit(struct learner *learner, struct audit_verdict *verdict)
{
    struct admission_counts *counts = &learner->status.admission;
    struct audit *audit = verdict->audit;
    switch (verdict->result) {
    case AUDIT_UNKNOWN: break;
    case AUDIT_SAME:
        counts->audited++;
        counts->same++;
        note_delay(learner, &audit->answers[0]);
        audits_forget(learner->admitting.audits, &audit);
        break;
    case AUDIT_DIFFERENT:
        counts->audited++;
        counts->different++;
        note_delay(learner, &audit->answers[0]);
        log_difference(verdict);
        ask_third(learner, audit);
        break;
    case AUDIT_LIAR: convict(learner, &audit, verdict->liar, &verdict->misfit); break;
    case AUDIT_UNDECIDED: leave_undecided(learner, &audit); break;
    }
}

void learner_take_audited(struct learner *learner, struct arrival *arrival)
{
    struct audit_verdict verdict;
    if (learner->admitting.audits) {
        audits_take(learner->admitting.audits, arrival->actor, arrival->incarnation, &arrival->t, &verdict);
        follow_audit(learner, &verdict);
    }
    learner_link_decide(learner->link, &arrival, FATE_EVALUATED);
    learner_try_finish(learner);
}

/* Those of an actor that was found out meanwhile, and those that nobody is left to answer. */
void learner_tend_audits(struct learner *learner)
{
    struct admitting *a = &learner->admitting;
    int at = 0;
    for (struct audit *audit; a->audits && (audit = audits_next(a->audits, &at));) {
        const uint32_t actors[] = {audit->answers[0].actor, audit->answers[1].actor};
        bool is_moot = orders_is_quarantined(learner->orders, actors[0]) ||
                       (audit->n_answers == 2 && orders_is_quarantined(learner->orders, actors[1]));
        bool is_alone = orders_others(learner->orders, actors, audit->n_answers) == 0;
        if (audit->wants_scores)
            continue;
        if (is_moot || (is_alone && audit->n_answers == 1))
            drop_audit(learner, audit);
        else if (is_alone) {
            orders_drop_task(learner->orders, ORDER_AUDIT, audit->answers[0].t.lane, audit->answers[0].t.slice);
            audit->wants_scores = true;
        }
    }
    learner->status.admission.audits_open = a->audits ? audits_open(a->audits) : 0;
    if (!a->is_closing && a->audits)
        start_scoring(learner);
}

bool learner_audits_are_done(struct learner *learner)
{
    struct admitting *a = &learner->admitting;
    int at = 0;
    if (!a->audits || !audits_open(a->audits))
        return true;
    if (!a->evaluated_us)
        a->evaluated_us = learner->now;
    if (learner->now - a->evaluated_us < LAST_AUDITS_US)
        return false;
    for (struct audit *audit; (audit = audits_next(a->audits, &at));)
        if (!audit->wants_scores)
            drop_audit(learner, audit);
    return true;
}

/* ---- begin and end ---- */

int learner_begin_admission(struct learner *learner, const struct spec *spec)
{
    struct admitting *a = &learner->admitting;
    const struct batch *batch = trainer_batch(learner->trainer);
    int r = 0;
    if (learner->options->mode == LEARNER_EVAL)
        return 0;
    if (a->admission.share > 0 || a->admission.audit_share > 0)
        r = rescore_create(&a->rescore, learner->recipe, batch, learner->err);
    if (r || !(a->admission.audit_share > 0))
        return r;
    if (!spec->state_bytes) {
        log_notice("replay audit is off: environment %s cannot save its state, so nobody can repeat a slice", spec->env);
        return 0;
    }
    return audits_create(&a->audits, batch->schema, spec->N) ? err_set(learner->err, ERR_NOMEM, "no memory for audits") : 0;
}

void learner_log_admission(const struct learner *learner)
{
    const struct admission_counts *c = &learner->status.admission;
    if (learner->admitting.rescore)
        log_notice("admission rescored=%" PRIu64 " unfit=%" PRIu64 " unjudged=%" PRIu64 " rescore_seconds=%.3f audited=%" PRIu64
                   " same=%" PRIu64 " different=%" PRIu64 " undecided=%" PRIu64 " skipped=%" PRIu64 " delay_max=%" PRIu64
                   " quarantined=%d",
                   c->rescored, c->unfit, c->unjudged, c->rescore_seconds, c->audited, c->same, c->different, c->undecided,
                   c->skipped, c->delay_max, c->n_quarantined);
}

void learner_end_admission(struct learner *learner)
{
    struct admitting *a = &learner->admitting;
    ASSERT(!a->is_running);
    if (a->arrival)
        intake_release(learner->intake, &a->arrival);
    while (a->first) {
        struct arrival *arrival = a->first;
        a->first = arrival->next;
        intake_release(learner->intake, &arrival);
    }
    conduct_destroy(&a->conduct);
    audits_destroy(&a->audits);
    rescore_destroy(&a->rescore);
}
