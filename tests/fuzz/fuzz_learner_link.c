/* A learner's link hears anything from a broker: rosters, descriptions, trajectories. Its books close after every message. */
#include "base/log.h"
#include "learner/learner_link.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/talk.h"

static struct arrival *held[TALK_RECORDS_MAX];
static int n_held;

static int on_send(void *context, const void *envelope, size_t envelope_bytes, const void *payload, size_t payload_bytes)
{
    (void)context, (void)envelope, (void)envelope_bytes, (void)payload, (void)payload_bytes;
    return 0;
}
static int on_described(void *context, const struct spec *spec, const struct schema *schema)
{
    (void)spec;
    intake_set_schema(context, schema);
    return 0;
}
static void on_deliver(void *context, struct arrival *arrival)
{
    (void)context;
    ASSERT(n_held < TALK_RECORDS_MAX);
    held[n_held++] = arrival;
}
static void on_refused(void *context, int code, const char *text)
{
    (void)context, (void)code, (void)text;
}
static int on_status(void *context, char *json, size_t size)
{
    (void)context, (void)json, (void)size;
    return 0;
}

static void publish(struct learner_link *link, monotonic_us now)
{
    static const int32_t arch[WEIGHTS_ARCH_NUMBERS] = {1};
    const float values[4] = {0};
    struct weights *weights;
    struct err err;
    ASSERT(!weights_create(&weights, (struct weights_version){1, 1}) &&
           !weights_add_net(weights, "defender", arch, values, 4, &err) && !learner_link_publish(link, now, weights, 4));
    weights_unref(&weights);
}

void fuzz_learner_link(const uint8_t *data, size_t size)
{
    static const struct learner_link_ops ops = {on_send, on_described, on_deliver, on_refused, on_status};
    static const struct intake_ops intake_ops = {0};
    const struct orders_options orders = {.lanes = 4, .depth = 1, .lease_ms = 3000};
    const struct intake_options intake = {.run = "run-1", .generation = 1, .pool_bytes = 1 << 18, .ops = &intake_ops};
    struct learner_link_options options = {
        .run = "run-1", .generation = 1, .incarnation = 50, .recipe = "recipe", .recipe_bytes = 6, .ops = &ops};
    struct talk talk = {.at = data, .end = data + size};
    struct learner_link *link;
    monotonic_us now = 1000000;
    ASSERT(!ledger_create(&options.ledger) && !orders_create(&options.orders, &orders) && !intake_create(&options.intake, &intake));
    options.context = options.intake;
    ASSERT(!learner_link_create(&link, &options));
    n_held = 0;
    publish(link, now);
    while (talk_next(&talk)) {
        learner_link_message(link, now, talk.envelope, talk.envelope_bytes, talk.payload, talk.payload_bytes);
        now += (monotonic_us)(talk.who / 4) * 100000;
        learner_link_tick(link, now);
        struct book book = ledger_book(options.ledger);
        ASSERT(book.unexplained == 0 && book.held == (uint64_t)n_held);
        ASSERT(book.received == book.distinct + book.duplicate + book.gap);
    }
    while (n_held)
        intake_release(options.intake, &held[--n_held]);
    learner_link_destroy(&link);
    intake_destroy(&options.intake);
    orders_destroy(&options.orders);
    ledger_destroy(&options.ledger);
}
