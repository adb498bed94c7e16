/* Level-based foraging: scripted foragers, read from the observation alone.
 *
 * All players of a team that sees everything pick the same food, the one with the smallest sum of distances to the players (the
 * first in the list of equals): a food that only several can lift would otherwise be waited at for ever. One step in ten is
 * random, which resolves two players who block each other and the cell behind a food that no straight way leads to. Who stands
 * beside the food loads it, or stays there where standing is loading. Who sees nothing moves at random. */
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

/* Coordinates are those of the window, oneself in its centre and first among the players. */
static void read_grid(const struct foraging_params *p, const float *observation, struct view *view)
{
    int side = 2 * (int)p->sight + 1, cells = side * side, centre = cells / 2;
    view->self = (struct sighting){(int)p->sight, (int)p->sight};
    view->player[view->n_player++] = view->self;
    for (int i = 0; i < cells; i++) {
        struct sighting here = {i / side, i % side};
        if (observation[i] > 0 && i != centre && view->n_player < FORAGING_PLAYERS_MAX)
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

/* The actions that serve: load (or stay) when standing beside the food, else the moves that shorten the way. Returns how many. */
static int useful_actions(const struct foraging_params *p, struct sighting self, struct sighting food, const uint8_t *available,
                          bool useful[FORAGE_ACTIONS])
{
    bool is_beside = distance(self, food) == 1;
    useful[p->load == LOADS_BY_ACTION ? FORAGE_LOAD : FORAGE_NONE] = is_beside;
    useful[FORAGE_NORTH] = !is_beside && food.row < self.row;
    useful[FORAGE_SOUTH] = !is_beside && food.row > self.row;
    useful[FORAGE_WEST] = !is_beside && food.col < self.col;
    useful[FORAGE_EAST] = !is_beside && food.col > self.col;
    int count = 0;
    for (int a = 0; a < p->A; a++)
        count += useful[a] = useful[a] && available[a];
    return count;
}

/* What agent `agent` sees; nothing when it is blind. */
static void read_view(const struct foraging_params *p, int agent, const float *observation, struct view *view)
{
    *view = (struct view){.n_food = 0};
    if (agent >= p->n_seers)
        return;
    if (p->is_grid)
        read_grid(p, observation, view);
    else
        read_list(p, observation, view);
}

/* Even odds for the useful actions, but for the share `stray` even odds for all available ones. */
static void mix(const struct foraging_params *p, const bool *useful, int n_useful, const uint8_t *available, float stray,
                float *probability)
{
    int n_available = 0;
    for (int a = 0; a < p->A; a++)
        n_available += available[a];
    for (int a = 0; a < p->A; a++)
        probability[a] = (available[a] ? stray / (float)n_available : 0) + (useful[a] ? (1 - stray) / (float)n_useful : 0);
}

static void act_greedy(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                       float *probability)
{
    (void)step, (void)memory;
    const struct foraging_params *p = params;
    struct view view;
    bool useful[FORAGE_ACTIONS] = {false};
    read_view(p, agent, observation, &view);
    int n_useful = view.n_food ? useful_actions(p, view.self, nearest_food(&view), available, useful) : 0;
    mix(p, useful, n_useful, available, n_useful ? STRAY : 1, probability);
}

/* Surrounding */

#define SIDES 4

/* Steps from a cell to a place beside the food, around the food where it lies in the straight way. */
static int walk(struct sighting from, struct sighting to, struct sighting food)
{
    bool is_behind = (from.row == to.row && from.row == food.row && (food.col - from.col) * (food.col - to.col) < 0) ||
                     (from.col == to.col && from.col == food.col && (food.row - from.row) * (food.row - to.row) < 0);
    return distance(from, to) + (is_behind ? 2 : 0);
}

/* A number by which all players order a pair of player and side in the same way, shorter walks first. */
static int rank(struct sighting player, int side, int steps)
{
    return ((steps * FORAGING_SIDE_MAX + player.row) * FORAGING_SIDE_MAX + player.col) * SIDES + side;
}

/* The side of the food that falls to player 0 of the view, when sides go one after the other to whoever walks least to one of
 * those left; -1 when none is left for it. */
static int find_side(const struct view *view, struct sighting food, const struct sighting *place)
{
    bool is_given[SIDES] = {false}, has_side[FORAGING_PLAYERS_MAX] = {false};
    for (int round = 0; round < SIDES && round < view->n_player; round++) {
        int best = -1, best_player = 0, best_side = 0;
        for (int n = 0; n < view->n_player; n++)
            for (int side = 0; side < SIDES; side++) {
                int order = rank(view->player[n], side, walk(view->player[n], place[side], food));
                if (has_side[n] || is_given[side] || (best >= 0 && order >= best))
                    continue;
                best = order;
                best_player = n;
                best_side = side;
            }
        if (best_player == 0)
            return best_side;
        has_side[best_player] = is_given[best_side] = true;
    }
    return -1;
}

static bool is_occupied(const struct view *view, struct sighting cell)
{
    for (int n = 1; n < view->n_player; n++)
        if (distance(view->player[n], cell) == 0)
            return true;
    return false;
}

/* Moves into empty cells that shorten the walk to the place. Returns how many. */
static int find_moves(const struct view *view, struct sighting to, struct sighting food, const uint8_t *available, bool *useful)
{
    static const int8_t direction[FORAGE_ACTIONS][2] = {
        [FORAGE_NORTH] = {-1, 0}, [FORAGE_SOUTH] = {1, 0}, [FORAGE_WEST] = {0, -1}, [FORAGE_EAST] = {0, 1}};
    int count = 0;
    for (int a = FORAGE_NORTH; a <= FORAGE_EAST; a++) {
        struct sighting ahead = {view->self.row + direction[a][0], view->self.col + direction[a][1]};
        useful[a] = available[a] && !is_occupied(view, ahead) && walk(ahead, to, food) < walk(view->self, to, food);
        count += useful[a];
    }
    return count;
}

/* For rules under which players refuse each other's cells: each takes a side of its own, and stays (or loads) once there. */
static void act_surround(const void *params, int agent, int step, const float *observation, const uint8_t *available, void *memory,
                         float *probability)
{
    (void)step, (void)memory;
    const struct foraging_params *p = params;
    struct view view;
    bool useful[FORAGE_ACTIONS] = {false};
    read_view(p, agent, observation, &view);
    if (!view.n_food) {
        mix(p, useful, 0, available, 1, probability);
        return;
    }
    struct sighting food = nearest_food(&view);
    const struct sighting place[SIDES] = {
        {food.row - 1, food.col}, {food.row + 1, food.col}, {food.row, food.col - 1}, {food.row, food.col + 1}};
    int side = find_side(&view, food, place);
    if (side >= 0 && distance(view.self, place[side]) > 0) {
        int n_useful = find_moves(&view, place[side], food, available, useful);
        mix(p, useful, n_useful, available, n_useful ? STRAY : 1, probability);
        return;
    }
    useful[available[p->A - 1] && p->load == LOADS_BY_ACTION ? FORAGE_LOAD : FORAGE_NONE] = true;
    mix(p, useful, 1, available, 0, probability);
}

const struct env_script foraging_scripts[FORAGING_SCRIPTS] = {
    {"greedy", "walks to the food nearest to the team and loads it; one step in ten is random", 0, act_greedy},
    {"surround", "takes a side of that food for itself and stays there; random where the way is blocked, and one step in ten", 0,
     act_surround},
};
