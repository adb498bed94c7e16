/* Traffic Junction: replay of traces recorded from the public code of IC3Net. Exact. The header's cfg holds the code's arguments
 * (difficulty, dim, vision, nagents, vocab_type) and the limit of its trainer; a line's cars are [route, place on it, steps since
 * entering, last action] by index, route -1 off the road; a step's enter lists [car, route] of those that entered. The code
 * knows neither masks nor endings. */
#include <stdio.h>
#include <string.h>

#include "envs/trace.h"
#include "envs/traffic.h"

static int set_text(struct recipe *recipe, const char *key, const json_t *value, struct err *err)
{
    const char *text = json_string_value(value);
    return text ? recipe_set(recipe, key, text, "trace header", err)
                : err_set(err, ERR_FORMAT, "bad trace header: no text for %s", key);
}

static int traffic_configure(const json_t *header, struct recipe *recipe, struct err *err)
{
    const json_t *cfg = json_object_get(header, "cfg");
    const char *vocab = json_string_value(json_object_get(cfg, "vocab_type"));
    int r;
    if (!vocab || (strcmp(vocab, "bool") && strcmp(vocab, "scalar")))
        return err_set(err, ERR_UNKNOWN, "unknown vocab_type \"%s\" of traffic: expected bool or scalar", vocab ? vocab : "");
    if ((r = set_text(recipe, "env.difficulty", json_object_get(cfg, "difficulty"), err)) ||
        (r = trace_set(recipe, "dim", json_object_get(cfg, "dim"), NULL, err)) ||
        (r = trace_set(recipe, "vision", json_object_get(cfg, "vision"), NULL, err)) ||
        (r = trace_set(recipe, "cars", json_object_get(cfg, "nagents"), NULL, err)) ||
        (r = trace_set(recipe, "horizon", json_object_get(header, "limit"), NULL, err)) ||
        (r = recipe_set(recipe, "env.cells", strcmp(vocab, "bool") ? "scalar" : "code", "trace header", err)))
        return r;
    r = recipe_set(recipe, "env.last_action_stays", "true", "trace", err);
    return r ? r : recipe_set(recipe, "env.parked_cars_seen", "true", "trace", err);
}

static int read_car(const json_t *item, struct traffic_car *car, struct err *err)
{
    int64_t route, place, wait, last_action;
    int r;
    if ((r = trace_int(item, 0, -1, TRAFFIC_ROUTES_MAX - 1, &route, err)) ||
        (r = trace_int(item, 1, 0, TRAFFIC_PLACES_MAX, &place, err)) || (r = trace_int(item, 2, 0, INT32_MAX, &wait, err)) ||
        (r = trace_int(item, 3, 0, 1, &last_action, err)))
        return r;
    *car = (struct traffic_car){
        .route = (int16_t)route, .place = (int16_t)place, .wait = (int32_t)wait, .last_action = (int32_t)last_action};
    return 0;
}

static int traffic_set_state(const void *params, void *state, const json_t *line, struct err *err)
{
    const struct traffic_params *p = params;
    struct traffic_state *g = state;
    const json_t *cars = json_object_get(line, "cars");
    int r = 0;
    if (json_array_size(cars) != (size_t)p->N)
        return err_set(err, ERR_FORMAT, "got %zu cars, expected %d", json_array_size(cars), p->N);
    *g = (struct traffic_state){.step = 0};
    for (int n = 0; n < p->N && !r; n++) {
        r = read_car(json_array_get(cars, (size_t)n), &g->car[n], err);
        g->entered += traffic_is_driving(&g->car[n]);
    }
    return r ? r : env_traffic.check_state(params, state, err);
}

/* Entries that make no sense are left out, so that the states differ. */
static void enter_recorded(const struct traffic_params *p, struct traffic_state *g, const json_t *entries)
{
    for (size_t i = 0; i < json_array_size(entries); i++) {
        int64_t car, route;
        const json_t *entry = json_array_get(entries, i);
        if (!trace_int(entry, 0, 0, p->N - 1, &car, NULL) && !trace_int(entry, 1, 0, p->n_routes - 1, &route, NULL) &&
            !traffic_is_driving(&g->car[car]))
            traffic_enter(p, g, (int)car, (int)route);
    }
}

static void traffic_trace_step(const void *params, void *state, const json_t *line, const int32_t *choice, double *reward,
                               bool *is_over)
{
    const struct traffic_params *p = params;
    struct traffic_state *g = state;
    traffic_drive(p, g, choice);
    enter_recorded(p, g, json_object_get(line, "enter"));
    traffic_pay(p, g, reward);
    *is_over = g->step >= p->horizon;
}

static bool traffic_same_state(const void *params, const void *state, const json_t *line, const struct trace_rule *rule, char *text,
                               size_t size)
{
    (void)rule;
    const struct traffic_params *p = params;
    const struct traffic_state *g = state;
    const json_t *collided = json_object_get(line, "failed");
    for (int n = 0; n < p->N; n++) {
        const struct traffic_car *ours = &g->car[n];
        struct traffic_car theirs;
        if (read_car(json_array_get(json_object_get(line, "cars"), (size_t)n), &theirs, NULL) ||
            memcmp(ours, &theirs, sizeof theirs) != 0) {
            snprintf(text, size, "car %d: got route %d, place %d, wait %d, last action %d, recorded something else", n, ours->route,
                     ours->place, ours->wait, ours->last_action);
            return false;
        }
    }
    if (!collided || (json_integer_value(collided) != 0) == (g->collisions > 0))
        return true;
    snprintf(text, size, "collision: got %d car-steps, recorded the opposite", g->collisions);
    return false;
}

const struct env_trace_ops traffic_trace = {
    .env = "traffic",
    .rule = {.share = 1, .reward_tolerance = 1e-12, .left_out = TRACE_AVAILABLE | TRACE_ENDING},
    .configure = traffic_configure,
    .set_state = traffic_set_state,
    .step = traffic_trace_step,
    .same_state = traffic_same_state,
};
