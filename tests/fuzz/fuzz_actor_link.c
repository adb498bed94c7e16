/* An actor's link hears anything from a broker: states, orders, blobs, refusals. It never forgets a trajectory that was not announced, and
 * orders that it hands out have complete weights. */
#include <stdlib.h>

#include "actor/actor_link.h"
#include "base/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/talk.h"

enum { WINDOW = 4 };
static struct trajectory buffers[WINDOW];
static int released;

static int on_send(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    (void)context, (void)envelope, (void)envelope_bytes, (void)payload, (void)payload_bytes;
    return 0;
}
static void on_recipe(void *context, const char *run, const char *text, size_t length)
{
    (void)context, (void)run, (void)text, (void)length;
}
static void on_work(void *context, struct work *work)
{
    (void)context;
    ASSERT(work->weights);
    work_destroy(&work);
}
static void on_generation(void *context, uint32_t generation)
{
    (void)context, (void)generation;
}
static void on_release(void *context, struct trajectory *trajectory)
{
    (void)context;
    ASSERT(trajectory >= buffers && trajectory < buffers + WINDOW);
    released++;
}
static void on_refused(void *context, int code, const char *text)
{
    (void)context, (void)code, (void)text;
}

static void describe(struct actor_link *link, monotonic_us now)
{
    static struct schema schema;
    static const struct spec spec = {.env = "foraging",
                                     .scenario = "8x8",
                                     .N = 2,
                                     .O = 3,
                                     .S = 3,
                                     .A = 2,
                                     .C = 1,
                                     .components = {{.choices = 2}},
                                     .horizon = 10,
                                     .state_is_observation = true,
                                     .return_max = 1};
    struct err err;
    if (!schema.hash.low) {
        schema_init(&schema, 4, 2);
        ASSERT(schema_add(&schema, "base", "x", COLUMN_F32, SPAN_STEP, 2, -1, 1, &err) >= 0 && !schema_finish(&schema, &err));
    }
    if (actor_link_state(link) == LINK_WAIT_DESCRIPTION)
        ASSERT(!actor_link_describe(link, now, &spec, &schema, 4));
}

void fuzz_actor_link(const uint8_t *data, size_t size)
{
    static const struct actor_link_ops ops = {on_send, on_recipe, on_work, on_generation, on_release, on_refused};
    const struct actor_link_options options = {
        .actor = 1, .incarnation = 10, .window = WINDOW, .window_bytes = 1 << 10, .cache_bytes = 1 << 16, .ops = &ops};
    struct talk talk = {.at = data, .end = data + size};
    struct actor_link *link;
    monotonic_us now = 1000000;
    int submitted = 0;
    ASSERT(!actor_link_create(&link, &options));
    released = 0;
    actor_link_tick(link, now);
    while (talk_next(&talk)) {
        actor_link_message(link, now, talk.envelope, talk.envelope_bytes, talk.payload, talk.payload_bytes);
        describe(link, now);
        buffers[submitted % WINDOW] = (struct trajectory){.bytes = 8, .version = {UINT32_MAX, 1}};
        if (submitted < WINDOW && talk.who % 4 == 0)
            submitted += actor_link_submit(link, now, &buffers[submitted]) == 0;
        now += (monotonic_us)(talk.who / 4) * 100000;
        actor_link_tick(link, now);
        struct actor_link_stats stats = actor_link_stats(link);
        ASSERT(stats.acked_upto < stats.next_sequence && stats.ring + (uint64_t)released == (uint64_t)submitted);
    }
    actor_link_destroy(&link);
    ASSERT(released == submitted);
}
