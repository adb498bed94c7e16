/* Level-based foraging: what the players see.
 *
 * Lists (the default). The window of a player at (r, c) with sight k is the part of the grid within k rows and columns; its north-
 * west corner o = (max(r-k, 0), max(c-k, 0)) is the origin, so that with full sight coordinates are absolute.
 *
 *   block        width           meaning
 *   food 0..     3 each          row - o.row, col - o.col, level of the foods in the window, row by row; then (-1, -1, 0)
 *   own          3               the same of the player itself
 *   ally 0..     3 each          of the other players it sees, by index, closed up; then (-1, -1, 0)
 *   id           P               the player's index one-hot; switch env.agent_id
 *   zero tail    P               zeros; switch env.zero_tail
 *   Levels of players are left out (2 numbers each) without env.observe_levels. Nothing is scaled.
 *   Upstream's oddity, kept: a player is seen when both its coordinates lie in 0..2k, which near the north and west border, where
 *   the window is cut, reaches up to 2k cells.
 *
 * Grid. Three layers of (2k+1) x (2k+1) cells with the player in the centre: level of the player on a cell (1 without
 * env.observe_levels; the highest index wins a shared cell); level of the food; 1 where one could stand (inside, no food,
 * nobody, not even oneself). Then id and zero tail as above.
 *
 * With the whole grid in sight all lists are the same up to who comes first: they are built once, and copied by stores of four
 * floats whose last lane the next store overwrites. observe_list is the plain version of the same; a test compares them. */
#include <string.h>

#include "envs/foraging.h"

typedef float quad __attribute__((vector_size(16)));
typedef float quad_store __attribute__((vector_size(16), aligned(4), may_alias));
typedef int16_t quad_short __attribute__((vector_size(8)));

static float *put_triple(float *out, int row, int col, int level)
{
    out[0] = (float)row;
    out[1] = (float)col;
    out[2] = (float)level;
    return out + 3;
}

static float *put_player(const struct foraging_params *p, float *out, int row, int col, int level)
{
    out[0] = (float)row;
    out[1] = (float)col;
    if (!p->observes_levels)
        return out + 2;
    out[2] = (float)level;
    return out + 3;
}

static int origin(int at, int64_t sight)
{
    return at > sight ? at - (int)sight : 0;
}

static float *list_foods(const struct foraging_params *p, const struct foraging_state *g, const struct piece *self, float *out)
{
    const struct piece *food = foraging_foods_view(p, g);
    int row0 = origin(self->row, p->sight), col0 = origin(self->col, p->sight), k = (int)p->sight, seen = 0;
    for (int i = 0; i < g->n_food; i++) {
        if (food[i].row < row0 || food[i].row > self->row + k || food[i].col < col0 || food[i].col > self->col + k)
            continue;
        out = put_triple(out, food[i].row - row0, food[i].col - col0, food[i].level);
        seen++;
    }
    for (; seen < p->F; seen++)
        out = put_triple(out, -1, -1, 0);
    return out;
}

static float *list_players(const struct foraging_params *p, const struct foraging_state *g, int self, float *out)
{
    const struct piece *player = g->piece;
    int row0 = origin(player[self].row, p->sight), col0 = origin(player[self].col, p->sight), reach = 2 * (int)p->sight, seen = 1;
    out = put_player(p, out, player[self].row - row0, player[self].col - col0, player[self].level);
    for (int n = 0; n < p->P; n++) {
        int row = player[n].row - row0, col = player[n].col - col0;
        if (n == self || row < 0 || row > reach || col < 0 || col > reach)
            continue;
        out = put_player(p, out, row, col, player[n].level);
        seen++;
    }
    for (; seen < p->P; seen++)
        out = put_player(p, out, -1, -1, 0);
    return out;
}

static float *put_tail(const struct foraging_params *p, int self, float *out)
{
    if (p->agent_id == SWITCH_TRUE) {
        for (int n = 0; n < p->P; n++)
            out[n] = n == self;
        out += p->P;
    }
    for (int n = 0; n < p->P && p->has_zero_tail; n++)
        *out++ = 0;
    return out;
}

static void observe_list(const struct foraging_params *p, const struct foraging_state *g, float *out)
{
    for (int n = 0; n < p->P; n++) {
        out = list_foods(p, g, &g->piece[n], out);
        out = list_players(p, g, n, out);
        out = put_tail(p, n, out);
    }
}

static quad as_floats(const struct piece *piece)
{
    quad_short numbers;
    memcpy(&numbers, piece, sizeof numbers);
    return __builtin_convertvector(numbers, quad);
}

static float *store_quads(const quad *from, int count, float *out)
{
    for (int i = 0; i < count; i++, out += 3)
        *(quad_store *)out = from[i];
    return out;
}

/* Needs sees_all, observes_levels and a tail: the store of a row's last triple spills one float, which must stay in the row. */
static void observe_all(const struct foraging_params *p, const struct foraging_state *g, float *out)
{
    quad food[FORAGING_FOODS_MAX], player[FORAGING_PLAYERS_MAX];
    for (int i = 0; i < p->F; i++)
        food[i] = i < g->n_food ? as_floats(&g->piece[p->P + i]) : (quad){-1, -1, 0, 0};
    for (int n = 0; n < p->P; n++)
        player[n] = as_floats(&g->piece[n]);
    for (int n = 0; n < p->P; n++) {
        out = store_quads(food, p->F, out);
        out = store_quads(&player[n], 1, out);
        out = store_quads(player, n, out);
        out = store_quads(player + n + 1, p->P - n - 1, out);
        out = put_tail(p, n, out);
    }
}

static bool is_inside(const struct foraging_params *p, int row, int col)
{
    return row >= 0 && row < p->rows && col >= 0 && col < p->cols;
}

/* Where a piece lies in the window around `self`, -1 when outside. */
static int window_index(const struct foraging_params *p, const struct piece *self, const struct piece *piece)
{
    int k = (int)p->sight, row = piece->row - self->row + k, col = piece->col - self->col + k;
    return row < 0 || col < 0 || row > 2 * k || col > 2 * k ? -1 : row * (2 * k + 1) + col;
}

static float *draw_window(const struct foraging_params *p, const struct foraging_state *g, const struct piece *self, float *out)
{
    int k = (int)p->sight, cells = (2 * k + 1) * (2 * k + 1), at;
    float *players = out, *foods = out + cells, *is_free = out + 2 * cells;
    const struct piece *food = foraging_foods_view(p, g);
    memset(out, 0, 2 * (size_t)cells * sizeof *out);
    for (int i = 0; i < cells; i++)
        is_free[i] = is_inside(p, self->row - k + i / (2 * k + 1), self->col - k + i % (2 * k + 1));
    for (int i = 0; i < g->n_food; i++)
        if ((at = window_index(p, self, &food[i])) >= 0) {
            foods[at] = food[i].level;
            is_free[at] = 0;
        }
    for (int n = 0; n < p->P; n++)
        if ((at = window_index(p, self, &g->piece[n])) >= 0) {
            players[at] = p->observes_levels ? g->piece[n].level : 1;
            is_free[at] = 0;
        }
    return out + 3 * cells;
}

static void observe_grid(const struct foraging_params *p, const struct foraging_state *g, float *out)
{
    for (int n = 0; n < p->P; n++)
        out = put_tail(p, n, draw_window(p, g, &g->piece[n], out));
}

static bool is_food(uint8_t board)
{
    return board != BOARD_EMPTY && board != BOARD_WALL;
}

static void observe_available(const struct foraging_params *p, const struct foraging_state *g, uint8_t *available)
{
    const uint8_t *board = foraging_board_view(p, g);
    for (int n = 0; n < p->P; n++, available += FORAGE_ACTIONS) {
        const uint8_t *here = board + g->piece[n].cell;
        uint8_t north = here[-p->stride], south = here[p->stride], west = here[-1], east = here[1];
        available[FORAGE_NONE] = 1;
        available[FORAGE_NORTH] = north == BOARD_EMPTY;
        available[FORAGE_SOUTH] = south == BOARD_EMPTY;
        available[FORAGE_WEST] = west == BOARD_EMPTY;
        available[FORAGE_EAST] = east == BOARD_EMPTY;
        available[FORAGE_LOAD] = is_food(north) | is_food(south) | is_food(west) | is_food(east);
    }
}

void foraging_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct foraging_params *p = params;
    if (p->is_grid)
        observe_grid(p, state, view->observation);
    else if (p->sees_all && p->observes_levels && (p->agent_id == SWITCH_TRUE || p->has_zero_tail))
        observe_all(p, state, view->observation);
    else
        observe_list(p, state, view->observation);
    size_t row = (size_t)p->P * (size_t)p->O;
    for (int n = 0; n < p->P && p->state == STATE_JOINT; n++)
        memcpy(view->state + (size_t)n * row, view->observation, row * sizeof(float));
    observe_available(p, state, view->available);
    memset(view->alive, 1, (size_t)p->P);
}
