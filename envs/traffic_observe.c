/* Traffic Junction: what the cars see. See traffic.c for the table. A count of cars per cell is made once for all of them. */
#include <string.h>

#include "envs/traffic.h"

/* What all views of one state share. */
struct scan {
    int16_t row[TRAFFIC_CARS_MAX], col[TRAFFIC_CARS_MAX];
    uint8_t count[TRAFFIC_SIDE_MAX * TRAFFIC_SIDE_MAX]; /* cars in each cell */
};

static void scan_cars(const struct traffic_params *p, const struct traffic_state *g, struct scan *scan)
{
    memset(scan->count, 0, (size_t)(p->side * p->side));
    for (int n = 0; n < p->N; n++) {
        bool is_driving = traffic_is_driving(&g->car[n]);
        int spot = is_driving ? traffic_spot(p, &g->car[n]) : 0;
        scan->row[n] = (int16_t)(spot >> 8);
        scan->col[n] = (int16_t)(spot & 255);
        scan->count[traffic_cell(p, spot)] += is_driving || p->sees_parked;
    }
}

/* One visible cell; out [cell_width] is zero. */
static void put_cell(const struct traffic_params *p, const struct scan *scan, int row, int col, float *out)
{
    bool is_inside = row >= 0 && row < p->side && col >= 0 && col < p->side;
    int cell = is_inside ? row * p->side + col : 0, code = is_inside ? p->code[cell] : TRAFFIC_NO_ROAD;
    if (p->cells == CELLS_SCALAR)
        out[0] = code != TRAFFIC_NO_ROAD;
    else if (code != TRAFFIC_NO_ROAD)
        out[code] = 1;
    else if (p->outside == OUTSIDE_PUBLISHED)
        out[p->n_codes] = 1;
    out[p->cell_width - 1] = is_inside ? scan->count[cell] : 0;
}

/* Six numbers a car, all zero off the road. */
static void put_all(const struct traffic_params *p, const struct traffic_state *g, const struct scan *scan, float *out)
{
    float last = (float)(p->side - 1), horizon = (float)p->horizon;
    for (int n = 0; n < p->N; n++, out += TRAFFIC_CAR_NUMBERS) {
        const struct traffic_car *car = &g->car[n];
        bool is_driving = traffic_is_driving(car);
        out[0] = is_driving;
        out[1] = is_driving ? (float)car->last_action : 0;
        out[2] = is_driving ? p->route_share[car->route] : 0;
        out[3] = (float)scan->row[n] / last;
        out[4] = (float)scan->col[n] / last;
        out[5] = (float)car->wait / horizon;
    }
}

/* out [O] is zero, and stays so for a car that is not on the road. */
static void observe_car(const struct traffic_params *p, const struct traffic_state *g, const struct scan *scan, int n, float *out)
{
    const struct traffic_car *car = &g->car[n];
    int v = (int)p->vision;
    if (!traffic_is_driving(car))
        return;
    *out++ = (float)car->last_action;
    *out++ = p->route_share[car->route];
    if (p->cells == CELLS_SCALAR) {
        *out++ = (float)(scan->row[n] / (double)(p->side - 1));
        *out++ = (float)(scan->col[n] / (double)(p->side - 1));
    }
    for (int row = scan->row[n] - v; row <= scan->row[n] + v; row++)
        for (int col = scan->col[n] - v; col <= scan->col[n] + v; col++, out += p->cell_width)
            put_cell(p, scan, row, col, out);
    if (p->observes_all)
        put_all(p, g, scan, out);
}

/* The same row for every agent. */
static void observe_state(const struct traffic_params *p, const struct traffic_state *g, const struct scan *scan,
                          const struct env_view *view)
{
    if (p->state == STATE_JOINT)
        memcpy(view->state, view->observation, (size_t)p->S * sizeof(float));
    else
        put_all(p, g, scan, view->state);
    for (int n = 1; n < p->N; n++)
        memcpy(view->state + n * p->S, view->state, (size_t)p->S * sizeof(float));
}

void traffic_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct traffic_params *p = params;
    const struct traffic_state *g = state;
    struct scan scan;
    scan_cars(p, g, &scan);
    memset(view->observation, 0, (size_t)p->N * (size_t)p->O * sizeof(float));
    for (int n = 0; n < p->N; n++) {
        observe_car(p, g, &scan, n, view->observation + n * p->O);
        view->alive[n] = traffic_is_driving(&g->car[n]);
        view->available[n * TRAFFIC_ACTIONS + TRAFFIC_GAS] = view->alive[n];
        view->available[n * TRAFFIC_ACTIONS + TRAFFIC_BRAKE] = 1;
    }
    if (p->state != STATE_OWN)
        observe_state(p, g, &scan, view);
}
