/* The seven sentences of the delivery contract, checked against what really happened. See world.h. What can only be seen where it happens is
 * checked there: trained twice or out of order (learner.c), forgotten before the fate and another version's weights (actors.c). */
#include "tests/sim/parts.h"

/* What the learner decided by itself (stale, rejected) shows in its bitmap and marks: note it as decided in the world. */
static void note_decisions(struct world *world)
{
    struct ledger *ledger = world->learner.ledger;
    for (int i = 0; i < ledger_count(ledger); i++) {
        const struct ledger_entry *entry = ledger_at(ledger, i);
        int index;
        struct incarnation *real = incarnation_of(world, entry->incarnation, &index);
        while (real && real->noted_upto < entry->decided_upto)
            real->decided[++real->noted_upto] = 1;
    }
}

static void check_book(struct world *world)
{
    struct sim_learner *learner = &world->learner;
    struct book book = ledger_book(learner->ledger);
    uint64_t held = (uint64_t)learner->n_arrivals;
    if (book.unexplained)
        violated(world, 3, "%lld of %llu announced trajectories are unexplained", (long long)book.unexplained,
                 (unsigned long long)book.announced);
    if (book.held != held)
        violated(world, 3, "the book says %llu held, the trainer has %llu", (unsigned long long)book.held,
                 (unsigned long long)held);
    if (book.fates[FATE_TRAINED] != (uint64_t)world->n_history)
        violated(world, 3, "the book says %llu trained, the history has %d", (unsigned long long)book.fates[FATE_TRAINED],
                 world->n_history);
    if (book.received != book.distinct + book.duplicate + book.gap)
        violated(world, 3, "deliveries do not add up");
}

void check_learner(struct world *world)
{
    if (!world->learner.is_alive)
        return;
    note_decisions(world);
    check_book(world);
    if (intake_bytes(world->learner.intake) > POOL_BYTES)
        violated(world, 5, "the intake holds %zu bytes", intake_bytes(world->learner.intake));
}

void check_announced(struct world *world)
{
    struct ledger *ledger = world->learner.ledger;
    for (int i = 0; world->learner.is_alive && i < ledger_count(ledger); i++) {
        const struct ledger_entry *entry = ledger_at(ledger, i);
        int index;
        const struct incarnation *real = incarnation_of(world, entry->incarnation, &index);
        uint64_t announced = !real            ? 0
                             : real->is_alive ? actor_link_stats(world->actors[real->actor].link).next_sequence - 1
                                              : real->announced;
        if (entry->announced > announced)
            violated(world, 3, "the book knows %llu announced by actor %u, it announced %llu", (unsigned long long)entry->announced,
                     entry->actor, (unsigned long long)announced);
    }
}

void check_actors(struct world *world, int first, int last)
{
    for (int i = first; i <= last; i++) {
        struct sim_actor *actor = &world->actors[i];
        if (!actor->link)
            continue;
        struct actor_link_stats stats = actor_link_stats(actor->link);
        if (weights_version_compare(stats.version, actor->known) < 0)
            violated(world, 4, "actor %d knew version %llu, now %llu", i, (unsigned long long)actor->known.number,
                     (unsigned long long)stats.version.number);
        actor->known = stats.version;
        if (stats.ring > WINDOW)
            violated(world, 5, "actor %d holds %llu trajectories, window %d", i, (unsigned long long)stats.ring, WINDOW);
    }
}

void check_broker(struct world *world)
{
    if (!world->broker)
        return;
    struct broker_counts c = broker_core_counts(world->broker);
    if (c.received != c.distinct + c.duplicate + c.gap + c.unknown + c.over_grant + c.unrouted)
        violated(world, 3, "the broker's deliveries do not add up");
}

void check_cache(struct world *world)
{
    if (!world->broker)
        return;
    struct broker_view view;
    broker_core_view(world->broker, broker_clock(world), &view);
    if (view.cache_bytes > BROKER_CACHE)
        violated(world, 5, "the broker's cache holds %zu bytes, its ceiling is %u", view.cache_bytes, BROKER_CACHE);
}

/* After an update: a checkpoint that failed is tried again as soon as its pause is over, and the pause has a bound. */
void check_disk(struct world *world)
{
    const struct save_schedule *save = &world->learner.save;
    monotonic_us now = learner_clock(world);
    if (save->failing && (now >= save->retry_at || save->retry_at - now > SAVE_RETRY_MAX_US))
        violated(world, 6, "%llu updates are not saved, and the next attempt comes %s",
                 (unsigned long long)save_schedule_at_stake(save, (uint64_t)world->learner.updates),
                 now >= save->retry_at ? "too late" : "in more than 30 s");
}
