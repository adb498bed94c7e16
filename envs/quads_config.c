/* The drone swarm: rows, scenario names, widths.
 *
 * A scenario is the published mode, and the number of drones if it is not 8: static_same_goal, swarm_vs_swarm-16. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/quads.h"

#define KEY(key, kind, field, fallback, low, high, unit, choices, help)                                  \
    {                                                                                                    \
        "env." key, kind, offsetof(struct quads_params, field), fallback, low, high, unit, choices, help \
    }
#define WEIGHT(key, field, fallback, help) KEY(key, CONFIG_REAL, field, fallback, 0, 1e6, "", NULL, help)
#define SWITCH(key, field, fallback, help) KEY(key, CONFIG_BOOL, field, fallback, 0, 0, "", NULL, help)
const struct config_row quads_rows[QUADS_ROWS] = {
    KEY("mode", CONFIG_CHOICE, mode, "static_same_goal", 0, 0, "", "static_same_goal|swarm_vs_swarm",
        "one goal for all, or two halves whose formations change places every 4 to 6 seconds"),
    KEY("drones", CONFIG_INT, drones, "8", 2, QUADS_DRONES_MAX, "", NULL, "agents"),
    KEY("neighbours", CONFIG_INT, neighbours, "6", -1, QUADS_DRONES_MAX, "", NULL,
        "how many others a drone sees, the most urgent first; -1 or at least all: all, by index; 6 as in the published training"),
    KEY("horizon", CONFIG_INT, horizon, "1501", 1, 1000000, "steps", NULL,
        "time limit of an episode; 15 s and the one step more that the published code takes"),
    KEY("time_limit", CONFIG_CHOICE, time_limit, "truncate", 0, 0, "", "truncate|terminate",
        "what the end at the horizon counts as; the published code terminates, but no drone sees the clock"),
    KEY("self", CONFIG_CHOICE, self, "plain", 0, 0, "", "plain|floor|walls",
        "own observation: 18 numbers, or the height after them, or the distances to the six walls"),
    KEY("state", CONFIG_CHOICE, state, "observation", 0, 0, "", "observation|joint",
        "what the critic sees: the agent's own observation, as published, or all agents' joined"),
    SWITCH("agent_id", has_agent_id, "false", "append the agent's index one-hot to its observation"),
    SWITCH("motor_noise", has_motor_noise, "true", "thrust wanders about what was demanded (Ornstein-Uhlenbeck)"),
    SWITCH("sensor_noise", has_sensor_noise, "true", "own position, velocity and spin are observed with errors"),
    SWITCH("impulses", has_impulses, "true", "drones that touch are thrown apart"),
    SWITCH("wall_hits", has_wall_hits, "true", "walls and ceiling throw a drone back; else it slides along them"),
    SWITCH("stale_goal", has_stale_goal, "true",
           "when goals change, the observation of that step still shows the old ones, unless something was thrown; as published"),
    WEIGHT("distance_weight", distance_weight, "1", "cost of a metre to the goal, times 0.005 per step like the next four"),
    WEIGHT("effort_weight", effort_weight, "0.05", "cost of the length of the action"),
    WEIGHT("crash_weight", crash_weight, "1", "cost of lying on the floor"),
    WEIGHT("tilt_weight", tilt_weight, "1", "cost of leaning: -1 upright, 1 upside down or on the floor"),
    WEIGHT("spin_weight", spin_weight, "0.1", "cost of a rad/s of spin"),
    WEIGHT("collision_weight", collision_weight, "5",
           "cost of bumping into a drone; raised from 0 over the first 3e8 steps in the published training"),
    WEIGHT("proximity_weight", proximity_weight, "10",
           "cost of touching a drone, times 0.01 per step, falling to 0 at two diameters; raised from 0 likewise"),
    KEY("action_cap", CONFIG_REAL, action_cap, "10", 1, 1000, "", NULL,
        "size up to which the reward charges numbers beyond [-1,1]; the published code has no limit; 1: only what is flown"),
};
#undef KEY
#undef WEIGHT
#undef SWITCH

const char *const quads_scenarios[] = {"static_same_goal", "swarm_vs_swarm", "static_same_goal-4", "swarm_vs_swarm-16", NULL};

int quads_scenario(const char *scenario, struct recipe *defaults, struct err *err)
{
    static const char *const modes[] = {"static_same_goal", "swarm_vs_swarm"};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        size_t length = strlen(modes[i]);
        const char *drones = scenario + length + 1;
        if (strncmp(scenario, modes[i], length) || (scenario[length] && scenario[length] != '-'))
            continue;
        int r = recipe_set(defaults, "env.mode", modes[i], "scenario", err);
        return r || !scenario[length] ? r : recipe_set(defaults, "env.drones", drones, "scenario", err);
    }
    return err_set(err, ERR_UNKNOWN, "unknown scenario \"%s\" of quads: expected a name like static_same_goal or swarm_vs_swarm-16",
                   scenario);
}

int quads_prepare(void *params, struct err *err)
{
    (void)err;
    struct quads_params *p = params;
    struct spec spec;
    p->N = (int32_t)p->drones;
    p->K = p->neighbours < 0 || p->neighbours >= p->N ? p->N - 1 : (int32_t)p->neighbours;
    quads_spec(p, &spec);
    p->O = spec.O;
    p->S = spec.S;
    return 0;
}

static void add_block(struct spec *spec, int width, const char *format, int index)
{
    struct spec_block *block = &spec->blocks[spec->n_blocks++];
    snprintf(block->name, sizeof block->name, format, index);
    block->start = spec->O;
    block->width = width;
    spec->O += width;
}

void quads_spec(const void *params, struct spec *spec)
{
    const struct quads_params *p = params;
    *spec = (struct spec){.N = p->N, .A = QUADS_MOTORS, .horizon = (int32_t)p->horizon, .action = ACTION_BOX};
    for (int c = 0; c < QUADS_MOTORS; c++)
        spec->components[c] = (struct spec_component){.low = -1, .high = 1};
    add_block(spec, 3, "to goal", 0);
    add_block(spec, 3, "velocity", 0);
    add_block(spec, 9, "rotation", 0);
    add_block(spec, 3, "spin", 0);
    if (p->self != SELF_PLAIN)
        add_block(spec, p->self == SELF_FLOOR ? 1 : 6, p->self == SELF_FLOOR ? "height" : "walls", 0);
    for (int k = 0; k < p->K; k++)
        add_block(spec, 6, "neighbour %d", k);
    if (p->has_agent_id)
        add_block(spec, p->N, "id", 0);
    spec->state_is_observation = p->state == STATE_OBSERVATION;
    spec->S = spec->state_is_observation ? spec->O : spec->O * p->N;
    /* Costs are bounded too, by some thousands that no team comes near: no use as a scale. */
    spec->return_min = -INFINITY;
    spec->return_max = (double)p->horizon * QUADS_SUBSTEP_S * p->tilt_weight;
}
