/* Level-based foraging: a scripted forager, read from the observation alone.
 *
 * All players of a team that sees everything pick the same food, the one with the smallest sum of distances to the players (the
 * first in the list of equals): a food that only several can lift would otherwise be waited at for ever. One step in ten is
 * random, which resolves two players who block each other and the cell behind a food that no straight way leads to. */
#include <stdlib.h>

#include "envs/foraging.h"

#define STRAY 0.1f /* probability of a random available action */

struct sighting {
    int row, col;
};

struct view {
    struct sighting self, food[FORAGING_FOODS_MAX], player[FORAGING_PLAYERS_MAX];
    int n_food, n_player;
};

/* Foods by slot, oneself first among the players; an empty slot has row -1. */
static void read_list(const struct foraging_params *p, const float *observation, struct view *view)
{
    const float *at = observation;
    for (int i = 0; i < p->F; i++, at += 3)
        if (at[0] >= 0)
            view->food[view->n_food++] = (struct sighting){(int)at[0], (int)at[1]};
    view->self = (struct sighting){(int)at[0], (int)at[1]};
    for (int n = 0; n < p->P; n++, at += p->observes_levels ? 3 : 2)
        if (at[0] >= 0)
            view->player[view->n_player++] = (struct sighting){(int)at[0], (int)at[1]};
}

/* Coordinates are those of the window, oneself in its centre. */
static void read_grid(const struct foraging_params *p, const float *observation, struct view *view)
{
    int side = 2 * (int)p->sight + 1, cells = side * side;
    view->self = (struct sighting){(int)p->sight, (int)p->sight};
    for (int i = 0; i < cells; i++) {
        struct sighting here = {i / side, i % side};
        if (observation[i] > 0 && view->n_player < FORAGING_PLAYERS_MAX)
            view->player[view->n_player++] = here;
        if (observation[cells + i] > 0 && view->n_food < FORAGING_FOODS_MAX)
            view->food[view->n_food++] = here;
    }
}

static int distance(struct sighting a, struct sighting b)
{
    return abs(a.row - b.row) + abs(a.col - b.col);
}

static struct sighting nearest_food(const struct view *view)
{
    int best = 0, best_sum = 0;
    for (int i = 0; i < view->n_food; i++) {
        int sum = 0;
        for (int n = 0; n < view->n_player; n++)
            sum += distance(view->food[i], view->player[n]);
        if (i == 0 || sum < best_sum) {
            best = i;
            best_sum = sum;
        }
    }
    return view->food[best];
}

/* The actions that serve: load when standing beside the food, else the moves that shorten the way. Returns how many. */
static int useful_actions(struct sighting self, struct sighting food, const uint8_t *available, bool useful[FORAGE_ACTIONS])
{
    bool is_beside = distance(self, food) == 1;
    useful[FORAGE_LOAD] = is_beside;
    useful[FORAGE_NORTH] = !is_beside && food.row < self.row;
    useful[FORAGE_SOUTH] = !is_beside && food.row > self.row;
    useful[FORAGE_WEST] = !is_beside && food.col < self.col;
    useful[FORAGE_EAST] = !is_beside && food.col > self.col;
    int count = 0;
    for (int a = 0; a < FORAGE_ACTIONS; a++)
        count += useful[a] = useful[a] && available[a];
    return count;
}

static void act_greedy(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                       float *probability)
{
    (void)agent, (void)step, (void)memory;
    const struct foraging_params *p = params;
    struct view view = {0};
    bool useful[FORAGE_ACTIONS] = {false};
    if (p->is_grid)
        read_grid(p, observation, &view);
    else
        read_list(p, observation, &view);
    int n_useful = view.n_food ? useful_actions(view.self, nearest_food(&view), available, useful) : 0, n_available = 0;
    for (int a = 0; a < FORAGE_ACTIONS; a++)
        n_available += available[a];
    float stray = n_useful ? STRAY : 1;
    for (int a = 0; a < FORAGE_ACTIONS; a++)
        probability[a] = (available[a] ? stray / (float)n_available : 0) + (useful[a] ? (1 - stray) / (float)n_useful : 0);
}

const struct env_script foraging_scripts[FORAGING_SCRIPTS] = {
    {"greedy", "walks to the food nearest to the team and loads it; one step in ten is random", 0, act_greedy},
};
