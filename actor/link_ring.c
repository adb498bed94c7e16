/* Trajectories that are on their way: see link_parts.h. */
#include "actor/link_parts.h"

#include <string.h>

struct trajectory **link_ring_slot(struct actor_link *link, uint64_t sequence)
{
    return &link->ring[sequence % (uint64_t)link->options.window];
}

static int send_trajectory(struct actor_link *link, uint64_t sequence)
{
    const struct trajectory *trajectory = *link_ring_slot(link, sequence);
    link->out->kind = MESSAGE_TRAJECTORY;
    link->out->trajectory =
        (struct message_trajectory){.actor = link->options.actor, .incarnation = link->options.incarnation, .body = *trajectory};
    memcpy(link->out->trajectory.run, link->run, sizeof link->run);
    return link_emit(link, trajectory->frame, trajectory->bytes);
}

/* Sends what the grant allows and this stream has not carried yet. Without a learner nobody would take it. */
void link_send_ring(struct actor_link *link)
{
    if (!link->epoch || !link->learner)
        return;
    while (link->sent_upto + 1 < link->next && link->sent_upto < link->may_send_upto) {
        uint64_t sequence = link->sent_upto + 1;
        if (send_trajectory(link, sequence))
            return; /* full or unconnected: the tick comes back to it */
        link->sent++;
        link->resent += sequence <= link->high_upto;
        link->sent_upto = sequence;
        if (sequence > link->high_upto)
            link->high_upto = sequence;
    }
}

/* The learner has everything up to here. */
uint64_t link_there_upto(const struct actor_link *link)
{
    return link->received_upto > link->acked_upto ? link->received_upto : link->acked_upto;
}

void link_send_again(struct actor_link *link)
{
    link->sent_upto = link_there_upto(link);
}

void link_acknowledge(struct actor_link *link, uint64_t upto)
{
    while (link->acked_upto < upto) {
        struct trajectory **slot = link_ring_slot(link, ++link->acked_upto), *trajectory = *slot;
        link->ring_bytes -= trajectory->bytes;
        *slot = NULL;
        link->options.ops->release(link->options.context, trajectory);
    }
    if (link->sent_upto < link->acked_upto)
        link->sent_upto = link->acked_upto;
}

/* The learner has everything up to here: how long each of those that it did not have before was under way. */
void link_note_ages(struct actor_link *link, monotonic_us now, uint64_t before, uint64_t upto)
{
    for (uint64_t s = before + 1; s <= upto && s < link->next; s++)
        histogram_add(&link->ages, HISTOGRAM_SECONDS, (double)(now - link->ended_at[s % (uint64_t)link->options.window]) * 1e-6);
}

void link_check_progress(struct actor_link *link, monotonic_us now)
{
    uint64_t there = link_there_upto(link);
    if (link->sent_upto <= there) {
        link->progress_at = now;
        return;
    }
    if (now - link->progress_at < link->resend_us)
        return;
    link->progress_at = now;
    link->resend_us = link->resend_us * 2 < RESEND_MAX_US ? link->resend_us * 2 : RESEND_MAX_US;
    link_send_again(link);
}
