/* Parameters and state of Traffic Junction, shared by the rules (traffic.c), the map (traffic_roads.c), rows and names
 * (traffic_config.c), the observations (traffic_observe.c), pictures, scripts and the trace part. */
#ifndef TESTUDO_ENVS_TRAFFIC_H
#define TESTUDO_ENVS_TRAFFIC_H

#include "envs/env.h"

#define TRAFFIC_CARS_MAX SPEC_AGENTS_MAX
#define TRAFFIC_SIDE_MAX 72
#define TRAFFIC_ENTRIES_MAX 8
#define TRAFFIC_ROUTES_MAX 56
#define TRAFFIC_PLACES_MAX 4608 /* cells of all routes; a hard map of side 72 has 4240 */
#define TRAFFIC_CAR_NUMBERS 6   /* of one car in a whole view of the roads */

enum { TRAFFIC_GAS, TRAFFIC_BRAKE, TRAFFIC_ACTIONS };
enum { MAP_EASY, MAP_MEDIUM, MAP_HARD };
enum { COST_GROWING, COST_FLAT };
enum { REWARD_OWN, REWARD_SUM };
enum { STATE_CARS, STATE_JOINT, STATE_OWN };
enum { CELLS_CODE, CELLS_SCALAR };
enum { OUTSIDE_PUBLISHED, OUTSIDE_ZERO };
enum { LIMIT_ENDS, LIMIT_CUTS };

#define TRAFFIC_NO_ROAD (-1)

struct traffic_route {
    int16_t start, length; /* places[start..start + length) */
};

struct traffic_params {
    /* bound from rows */
    int64_t dim, cars, vision, horizon, curriculum_start, curriculum_end, epoch;
    double add_rate_min, add_rate_max;
    int difficulty, time_cost, reward, state, cells, outside, time_limit;
    bool keeps_last_action, sees_parked, observes_all;

    /* derived by prepare */
    int32_t N, O, S, side, vision_cells, cell_width; /* cell_width: numbers for one visible cell */
    int32_t n_codes;                                 /* the published number BASE: 2, 4 or 8 times dim */
    double add_rate;
    float route_share[TRAFFIC_ROUTES_MAX]; /* number of a route / (routes - 1): how it is observed */
    int32_t n_entries, n_routes, n_places;
    int16_t first_route[TRAFFIC_ENTRIES_MAX + 1]; /* entry e has the routes first_route[e]..first_route[e + 1] - 1 */
    struct traffic_route route[TRAFFIC_ROUTES_MAX];
    uint16_t place[TRAFFIC_PLACES_MAX];                /* spots: row * 256 + col */
    int16_t code[TRAFFIC_SIDE_MAX * TRAFFIC_SIDE_MAX]; /* of a road's cell, TRAFFIC_NO_ROAD beside the roads */
};

struct traffic_car {
    int16_t route, place; /* route -1: not on the road; then place and wait are 0 */
    int32_t wait;         /* steps since it entered */
    int32_t last_action;  /* 1 when it braked last */
};

struct traffic_state {
    int32_t step;
    int32_t entered, arrived; /* cars so far; the difference is on the road */
    int32_t collisions;       /* car-steps spent in a cell with another car */
    struct traffic_car car[]; /* [N] */
};

static inline bool traffic_is_driving(const struct traffic_car *car)
{
    return car->route >= 0;
}

/* Where a car on the road is: row * 256 + col. */
static inline int traffic_spot(const struct traffic_params *p, const struct traffic_car *car)
{
    return p->place[p->route[car->route].start + car->place];
}

/* A spot as an index of the map: row * side + col. */
static inline int traffic_cell(const struct traffic_params *p, int spot)
{
    return (spot >> 8) * p->side + (spot & 255);
}

/* traffic_config.c */
#define TRAFFIC_ROWS 19
extern const struct config_row traffic_rows[TRAFFIC_ROWS];
extern const char *const traffic_scenarios[];
int traffic_scenario(const char *scenario, struct recipe *defaults, struct err *err);
int traffic_prepare(void *params, struct err *err);
void traffic_spec(const void *params, struct spec *spec);

/* traffic_roads.c: fills side, code, entries and routes from difficulty and dim. */
void traffic_build(struct traffic_params *p);

/* traffic_observe.c: fills the view. */
void traffic_observe(const void *params, const void *state, const struct env_view *view);

/* traffic.c: the parts of a step, which a recorded one goes through too. reward [N], in double. */
void traffic_drive(const struct traffic_params *p, struct traffic_state *g, const int32_t *choice);
void traffic_enter(const struct traffic_params *p, struct traffic_state *g, int car, int route);
void traffic_pay(const struct traffic_params *p, struct traffic_state *g, double *reward);

/* traffic_draw.c */
void traffic_render(const void *params, const void *state, char *text, size_t size);
void traffic_draw(const void *params, const void *state, struct scene *scene);

/* traffic_scripts.c */
#define TRAFFIC_SCRIPTS 2
extern const struct env_script traffic_scripts[TRAFFIC_SCRIPTS];

extern const struct env_ops env_traffic;
extern const struct env_trace_ops traffic_trace;

#endif
