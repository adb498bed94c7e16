/* What a simulated world looks like from inside. See world.h. */
#include "tests/sim/parts.h"

#include "broker/stats.h"

/* The state of all parties on stderr, for someone who hunts a failing seed (SIM_DUMP=1). */
void world_dump(struct world *world)
{
    static char json[BROKER_STATS_BYTES];
    if (world->learner.is_alive) {
        struct orders_stats o = orders_stats(world->learner.orders);
        struct learner_link_stats l = learner_link_stats(world->learner.link);
        (void)!ledger_json(world->learner.ledger, json, sizeof json);
        fprintf(stderr,
                "learner state %d updates %d arrivals %d live %d malformed %llu unknown %llu dropped %llu publish_due %d\n%s\n",
                learner_link_state(world->learner.link), world->learner.updates, world->learner.n_arrivals, l.actors_live,
                (unsigned long long)l.malformed, (unsigned long long)l.unknown, (unsigned long long)l.dropped,
                world->learner.publish_due, json);
        fprintf(stderr,
                "orders issued %llu reissued %llu leases %llu outstanding %d idle %d actors %d tasks %d unplaced %d oldest %llu\n",
                (unsigned long long)o.issued, (unsigned long long)o.reissued, (unsigned long long)o.leases_over, o.outstanding,
                o.idle, o.actors, o.tasks, o.unplaced, (unsigned long long)o.oldest_version);
    }
    for (int i = 0; i < world->course.actors; i++)
        if (world->actors[i].link) {
            struct actor_link_stats a = actor_link_stats(world->actors[i].link);
            fprintf(
                stderr,
                "actor %d state %d next %llu acked %llu may %llu resent %llu orders %llu queue %d malformed %llu version %llu\n", i,
                actor_link_state(world->actors[i].link), (unsigned long long)a.next_sequence, (unsigned long long)a.acked_upto,
                (unsigned long long)a.may_send_upto, (unsigned long long)a.resent, (unsigned long long)a.orders,
                world->actors[i].count, (unsigned long long)a.malformed, (unsigned long long)a.version.number);
        }
    if (world->broker && broker_core_stats(world->broker, world->now, json, sizeof json) > 0)
        fprintf(stderr, "%s\n", json);
}
