/* Traffic Junction: scripted drivers. */
#include <math.h>

#include "envs/traffic.h"

static void play(float *probability, int action)
{
    probability[TRAFFIC_GAS] = action == TRAFFIC_GAS;
    probability[TRAFFIC_BRAKE] = action == TRAFFIC_BRAKE;
}

static void act_gas(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                    float *probability)
{
    (void)params, (void)agent, (void)step, (void)observation, (void)memory;
    play(probability, available[TRAFFIC_GAS] ? TRAFFIC_GAS : TRAFFIC_BRAKE);
}

/* What a driver who sees all knows of one car. */
struct sighting {
    bool is_driving, goes;
    int spot, next; /* next -1: it is at its route's end */
    float wait;
};

static void read_car(const struct traffic_params *p, const float *number, struct sighting *car)
{
    *car = (struct sighting){.is_driving = number[0] > 0.5f, .next = -1, .wait = number[5]};
    if (!car->is_driving)
        return;
    const struct traffic_route *route = &p->route[lroundf(number[2] * (float)(p->n_routes - 1))];
    float last = (float)(p->side - 1);
    car->goes = true;
    car->spot = (int)lroundf(number[3] * last) << 8 | (int)lroundf(number[4] * last);
    for (int i = 0; i + 1 < route->length; i++)
        if (p->place[route->start + i] == car->spot)
            car->next = p->place[route->start + i + 1];
}

/* Cars longer on the road go first, the lower index among equals. */
static bool goes_before(const struct sighting *car, int a, int b)
{
    return car[a].wait > car[b].wait || (car[a].wait == car[b].wait && a < b);
}

/* Does this car's next cell stay taken, or fall to another one that goes before it? */
static bool must_brake(const struct traffic_params *p, const struct sighting *car, int self)
{
    for (int n = 0; n < p->N; n++) {
        if (n == self || !car[n].is_driving)
            continue;
        if (!car[n].goes && car[n].spot == car[self].next)
            return true;
        if (car[n].goes && car[n].next == car[self].next && goes_before(car, n, self))
            return true;
    }
    return false;
}

/* Who sees all cars can work out what everybody will do: all want to go; those who must brake do, until nobody else has to. */
static void act_yield(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                      float *probability)
{
    const struct traffic_params *p = params;
    struct sighting car[TRAFFIC_CARS_MAX];
    if (!p->observes_all || !available[TRAFFIC_GAS]) {
        act_gas(params, agent, step, observation, available, memory, probability);
        return;
    }
    const float *number = observation + p->O - p->N * TRAFFIC_CAR_NUMBERS;
    for (int n = 0; n < p->N; n++)
        read_car(p, number + n * TRAFFIC_CAR_NUMBERS, &car[n]);
    for (bool has_changed = true; has_changed;) {
        has_changed = false;
        for (int n = 0; n < p->N; n++)
            if (car[n].is_driving && car[n].goes && car[n].next >= 0 && must_brake(p, car, n)) {
                car[n].goes = false;
                has_changed = true;
            }
    }
    play(probability, car[agent].goes ? TRAFFIC_GAS : TRAFFIC_BRAKE);
}

const struct env_script traffic_scripts[TRAFFIC_SCRIPTS] = {
    {"yield", "brakes for whoever has been on the road longer, and behind who brakes; needs env.full_state_observation, else gas",
     0, act_yield},
    {"gas", "never brakes", 0, act_gas},
};
