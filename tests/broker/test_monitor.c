/* What the broker tells: rates, totals, curves, JSON and metrics, on a core that is driven by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "base/json.h"
#include "broker/metrics.h"
#include "broker/monitor.h"
#include "broker/stats.h"

static struct broker_core *core;
static struct envelope in;
static unsigned char bytes[PROTOCOL_ENVELOPE_BYTES];
static char text[BROKER_STATS_BYTES];

static int on_send(void *context, const struct wire_peer *peer, const void *envelope, size_t envelope_bytes, const void *payload,
                   size_t payload_bytes)
{
    (void)context, (void)peer, (void)envelope, (void)envelope_bytes, (void)payload, (void)payload_bytes;
    return 0;
}

static int set_up(void **state)
{
    static const struct broker_core_ops ops = {.send = on_send};
    const struct broker_core_options options = {.epoch = 5, .cache_bytes = 1 << 20, .ops = &ops};
    (void)state;
    return broker_core_create(&core, &options);
}

static int tear_down(void **state)
{
    (void)state;
    broker_core_destroy(&core);
    return 0;
}

static void say(const char *peer, monotonic_us now, const char *payload)
{
    struct wire_peer who = wire_peer_of(peer, strlen(peer));
    int n = envelope_encode(&in, bytes, sizeof bytes);
    assert_true(n > 0);
    broker_core_message(core, now, &who, bytes, (size_t)n, payload, payload ? strlen(payload) : 0);
}

static void learner_says(uint64_t incarnation, monotonic_us now, const char *status)
{
    in.kind = MESSAGE_LEARNER_HELLO;
    in.learner_hello = (struct message_learner_hello){.major = PROTOCOL_MAJOR,
                                                      .minor = PROTOCOL_MINOR,
                                                      .run = "r",
                                                      .generation = (uint32_t)incarnation,
                                                      .incarnation = incarnation,
                                                      .recipe = {{1, 1}, 4}};
    say("learner", now, status);
}

static void actor_says(uint32_t actor, monotonic_us now, struct actor_load load)
{
    in.kind = MESSAGE_ACTOR_HELLO;
    in.actor_hello = (struct message_actor_hello){.major = PROTOCOL_MAJOR,
                                                  .minor = PROTOCOL_MINOR,
                                                  .actor = actor,
                                                  .incarnation = 7,
                                                  .next_sequence = 1,
                                                  .lanes = 3,
                                                  .description = {{2, 2}, 9},
                                                  .host = "node\"7\n",
                                                  .clock_us = (uint64_t)now,
                                                  .rtt_us = 4000,
                                                  .load = load};
    char peer[16];
    snprintf(peer, sizeof peer, "actor-%u", actor);
    say(peer, now, NULL);
}

static struct broker_view look(monotonic_us now)
{
    struct broker_view view;
    broker_core_view(core, now, &view);
    return view;
}

#define S 1000000
/* Twelve seconds: two actors make 500 steps a second each, busy a quarter of the time; the learner is busy for a half, and makes two
 * updates a second. */
static monotonic_us run_for_a_while(void)
{
    char status[512];
    monotonic_us now = S;
    for (int s = 0; s <= 12; s++, now += S) {
        snprintf(status, sizeof status,
                 "{\"phase\":\"train\",\"mode\":\"sync\",\"lanes\":8,\"update\":%d,\"steps\":%d,\"uptime_seconds\":%d,\"busy_"
                 "seconds\":%.1f,"
                 "\"rtt_seconds\":0.002,\"return_clean\":3.5,\"book\":{\"announced\":%d,\"trained\":%d,\"evaluated\":0,\"stale\":1,"
                 "\"rejected\":2,\"rolled_back\":0,\"lost\":0,\"in_flight\":{\"actors\":4,\"learner\":3},\"unexplained\":0,"
                 "\"rejected_by\":{\"range\":2}}}",
                 2 * s, 1000 * s, s, 0.5 * s, 10 * s + 10, 10 * s);
        learner_says(1, now, status);
        for (uint32_t a = 1; a <= 2; a++)
            actor_says(a, now,
                       (struct actor_load){.steps = 500u * (unsigned)s,
                                           .busy_us = 250000u * (unsigned)s,
                                           .idle_us = 750000u * (unsigned)s,
                                           .ages = {[5] = 10u * (unsigned)s},
                                           .ages_us = 300000u * (unsigned)s});
        broker_core_tick(core, now);
    }
    return now - S;
}

static void near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-6 * fmax(1, fabs(expected))))
        print_error("%.9g, expected %.9g\n", value, expected);
    assert_true(fabs(value - expected) <= 1e-6 * fmax(1, fabs(expected)));
}

static void test_monitor_rates_are_those_of_the_last_seconds(void **state)
{
    (void)state;
    struct broker_view view = look(run_for_a_while());
    const struct monitor_rates *rates = &view.monitor->rates;
    near(rates->seconds, MONITOR_SECONDS);
    near(rates->steps, 1000);
    near(rates->updates, 2);
    near(rates->learner_steps, 1000);
    near(rates->learner_busy, 0.5);
    near(rates->actor_busy, 0.25);
    near(rates->actor_idle, 0.75);
    near(rates->actor_rtt, 0.004);
    assert_true(rates->age_p50 > 0.016 && rates->age_p50 <= 0.032);
    near((double)view.work->steps, 12000);
    near((double)histogram_total(&view.work->ages), 240);
    near(view.actors[0].rates.steps_per_s, 500);
}

static void test_monitor_totals_grow_when_a_learner_goes_back(void **state)
{
    (void)state;
    monotonic_us now = run_for_a_while();
    assert_int_equal(look(now).monitor->totals[TOTAL_TRAINED], 120);
    learner_says(2, now + S,
                 "{\"phase\":\"train\",\"update\":20,\"uptime_seconds\":1,\"busy_seconds\":0,\"book\":{\"trained\":100}}");
    learner_says(2, now + 2 * S,
                 "{\"phase\":\"train\",\"update\":21,\"uptime_seconds\":2,\"busy_seconds\":0,\"book\":{\"trained\":105}}");
    struct broker_view view = look(now + 2 * S);
    assert_int_equal(view.monitor->totals[TOTAL_TRAINED], 125);
    assert_int_equal(view.monitor->totals[TOTAL_UPDATES], 25);
    near(monitor_number(view.monitor, "book.trained"), 105); /* the book itself says what is true now */
    broker_core_tick(core, now + 2 * S);
    view = look(now + 2 * S);
    assert_false(view.monitor->rates.updates < 0); /* no rate across two learners */
}

static void test_monitor_keeps_the_last_words_that_were_json(void **state)
{
    (void)state;
    static const char *const hostile[] = {"", "[1]", "{\"phase\":\"x\"", "{\"a\":1,\"a\":2}", "\"}", "nul"};
    struct err err;
    learner_says(1, S, "{\"phase\":\"train\",\"update\":3}");
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
        learner_says(1, S + 1, hostile[i]);
    struct broker_view view = look(S + 2);
    assert_string_equal(monitor_phase(view.monitor), "train");
    assert_int_equal(view.counts->malformed, ARRAY_LEN(hostile));
    json_t *tree = json_parse("stats", text, (size_t)broker_stats_json(&view, text, sizeof text), &err);
    assert_non_null(tree);
    json_decref(tree);
}

static void test_monitor_answers_are_json_whatever_a_host_calls_itself(void **state)
{
    (void)state;
    struct broker_view view = look(run_for_a_while());
    int (*const writers[])(const struct broker_view *, char *, size_t) = {broker_stats_json, broker_varz_json, broker_connz_json};
    for (size_t i = 0; i < ARRAY_LEN(writers); i++) {
        struct err err;
        int length = writers[i](&view, text, sizeof text);
        json_t *tree = length > 0 ? json_parse("answer", text, (size_t)length, &err) : NULL;
        assert_non_null(tree);
        assert_int_equal(json_array_size(json_object_get(tree, "actors")), i == 1 ? 0 : 2);
        json_decref(tree);
        assert_int_equal(writers[i](&view, text, 50), ERR_LIMIT);
    }
}

static void test_history_covers_the_run_in_bounded_memory(void **state)
{
    (void)state;
    static struct history history;
    const int seconds = 10 * HISTORY_ROWS + 7;
    for (int s = 0; s < seconds; s++) {
        const struct history_row row = {.seconds = s, .values = {(float)s, NAN}};
        history_add(&history, &row);
    }
    assert_true(history.n > HISTORY_ROWS / 2 && history.n <= HISTORY_ROWS);
    assert_true(history.rows[0].seconds == 0);
    assert_true(history.rows[history.n - 1].seconds >= seconds - 2 * history.every);
    for (int i = 1; i < history.n; i++)
        assert_true(history.rows[i].seconds - history.rows[i - 1].seconds == history.every);
    struct err err;
    json_t *tree = json_parse("history", text, (size_t)history_json(&history, text, sizeof text), &err);
    assert_int_equal(json_array_size(json_object_get(tree, "rows")), history.n);
    assert_int_equal(json_array_size(json_object_get(tree, "columns")), HISTORY_WIDTH + 1);
    assert_true(json_is_null(json_array_get(json_array_get(json_object_get(tree, "rows"), 0), 2)));
    json_decref(tree);
}

/* The format's rules: per family one HELP and one TYPE before its samples, no family twice, samples named after their family. */
static void test_metrics_are_well_formed(void **state)
{
    (void)state;
    struct broker_view view = look(run_for_a_while());
    int length = broker_metrics(&view, "0.0.0", text, sizeof text), families = 0;
    char family[64] = "", seen[200][64], *save = NULL;
    assert_true(length > 0 && text[length - 1] == '\n');
    assert_non_null(strstr(text, "testudo_env_steps_total{role=\"actor\"} 12000\n"));
    assert_non_null(strstr(text, "testudo_trajectories_total{fate=\"trained\"} 120\n"));
    assert_non_null(strstr(text, "testudo_book_trajectories{place=\"in_flight_actors\"} 4\n"));
    assert_non_null(strstr(text, "testudo_rejects_total{reason=\"range\"} 2\n"));
    assert_non_null(strstr(text, "testudo_trajectory_age_seconds_count 240\n"));
    assert_non_null(strstr(text, "host=\"node?7?\"")); /* what a label cannot hold is not in one */
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[64] = "", type[16] = "";
        if (sscanf(line, "# HELP %63s", name) == 1) {
            for (int i = 0; i < families; i++)
                assert_string_not_equal(seen[i], name);
            memcpy(seen[families++], name, sizeof name);
            memcpy(family, name, sizeof name);
        } else if (sscanf(line, "# TYPE %63s %15s", name, type) == 2) {
            assert_string_equal(name, family);
            size_t end = strlen(name) > 6 ? strlen(name) - 6 : 0;
            assert_int_equal(!strcmp(type, "counter"), !strcmp(name + end, "_total"));
        } else {
            char *space = strrchr(line, ' '), *end;
            assert_int_equal(strncmp(line, family, strlen(family)), 0);
            assert_non_null(space);
            (void)strtod(space + 1, &end);
            assert_true(*end == 0);
        }
    }
    assert_true(families > 40);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_monitor_rates_are_those_of_the_last_seconds), TEST(test_monitor_totals_grow_when_a_learner_goes_back),
        TEST(test_monitor_keeps_the_last_words_that_were_json), TEST(test_monitor_answers_are_json_whatever_a_host_calls_itself),
        TEST(test_history_covers_the_run_in_bounded_memory),    TEST(test_metrics_are_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
