/* Level-based foraging: what the players see.
 *
 * Lists (the default). The window of a player at (r, c) with sight k is the part of the grid within k rows and columns; its
 * northwest corner o = (max(r-k, 0), max(c-k, 0)) is the origin, so that with full sight coordinates are absolute.
 *
 *   block        width           meaning
 *   food 0..     3 each          row - o.row, col - o.col, level of the foods in the window, row by row; then (-1, -1, 0)
 *   own          3               the same of the player itself
 *   ally 0..     3 each          of the other players it sees, by index, closed up; then (-1, -1, 0)
 *   id           P               the player's index one-hot; switch env.agent_id
 *   zero tail    P               zeros; switch env.zero_tail
 *
 * Levels of players are left out (2 numbers each) without env.observe_levels. Nothing is scaled. Upstream's oddity, kept: a
 * player is seen when both its coordinates lie in 0..2k, which near the north and west border, where the window is cut, reaches
 * up to 2k cells.
 *
 * Grid. Three layers of (2k+1) x (2k+1) cells with the player in the centre: level of the player on a cell (1 without
 * env.observe_levels; the highest index wins a shared cell); level of the food; 1 where one could stand (inside, no food,
 * nobody, not even oneself). Then id and zero tail as above.
 *
 * With env.seers, players from that index on see nothing: zeros in place of the lists or layers, then id and zero tail.
 *
 * The entries of a list are quads: row, column, level, and a fourth lane of no meaning. They are stored four floats at a time,
 * each store overwriting the meaningless lane (or lanes) of the one before. What lies in a window is picked without branches:
 * an entry is always written, and counted only if it is seen. */
#include <string.h>

#include "envs/foraging.h"

typedef float quad __attribute__((vector_size(16)));
typedef float quad_store __attribute__((vector_size(16), aligned(4), may_alias));
typedef int16_t quad_short __attribute__((vector_size(8)));

#define ENTRIES_MAX (FORAGING_FOODS_MAX + FORAGING_PLAYERS_MAX)

static const quad unseen = {-1, -1, 0, 0};

static quad as_floats(const struct piece *piece)
{
    quad_short numbers;
    memcpy(&numbers, piece, sizeof numbers);
    return __builtin_convertvector(numbers, quad);
}

static int origin(int at, int64_t sight)
{
    return at > sight ? at - (int)sight : 0;
}

/* Appends those of pieces[0..count) that lie within `rows` and `cols` of the origin; list needs room for all. Returns how many.
 */
static int pick(const struct piece *pieces, int count, int row0, int col0, int rows, int cols, quad *list)
{
    const quad corner = {(float)row0, (float)col0, 0, 0};
    int seen = 0;
    for (int i = 0; i < count; i++) {
        list[seen] = as_floats(&pieces[i]) - corner;
        seen += ((unsigned)(pieces[i].row - row0) <= (unsigned)rows) & ((unsigned)(pieces[i].col - col0) <= (unsigned)cols);
    }
    return seen;
}

/* What player n sees, list [F + P]. */
static void list_window(const struct foraging_params *p, const struct foraging_state *g, int n, quad *list)
{
    const struct piece *self = &g->piece[n];
    int k = (int)p->sight, row0 = origin(self->row, k), col0 = origin(self->col, k);
    int seen = pick(foraging_foods_view(p, g), g->n_food, row0, col0, self->row + k - row0, self->col + k - col0, list);
    for (; seen < p->F; seen++)
        list[seen] = unseen;
    seen += pick(self, 1, row0, col0, 2 * k, 2 * k, list + seen);
    seen += pick(g->piece, n, row0, col0, 2 * k, 2 * k, list + seen);
    seen += pick(self + 1, p->P - n - 1, row0, col0, 2 * k, 2 * k, list + seen);
    for (; seen < p->F + p->P; seen++)
        list[seen] = unseen;
}

/* The same for n = 0 with the whole grid in sight. */
static void list_all(const struct foraging_params *p, const struct foraging_state *g, quad *list)
{
    const struct piece *food = foraging_foods_view(p, g);
    for (int i = 0; i < p->F; i++)
        list[i] = i < g->n_food ? as_floats(&food[i]) : unseen;
    for (int n = 0; n < p->P; n++)
        list[p->F + n] = as_floats(&g->piece[n]);
}

/* From the list of player n - 1 to that of player n: 1 0 2 3 -> 2 0 1 3. */
static void bring_to_front(quad *player, int n)
{
    quad self = player[n];
    player[n] = player[0];
    player[0] = self;
}

static float *put_entries(const quad *list, int count, int width, float *out)
{
    for (int i = 0; i < count; i++, out += width)
        *(quad_store *)out = list[i];
    return out;
}

/* The last entry of a row is written lane by lane, so that nothing spills beyond the row. */
static float *put_list(const struct foraging_params *p, const quad *list, float *out)
{
    int width = p->observes_levels ? 3 : 2, last = p->F + p->P - 1;
    out = put_entries(list, p->F, 3, out);
    out = put_entries(list + p->F, p->P - 1, width, out);
    for (int i = 0; i < width; i++)
        *out++ = list[last][i];
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

/* The rows of those who see nothing. */
static void put_blind(const struct foraging_params *p, float *out)
{
    int tail = (p->agent_id == SWITCH_TRUE ? p->P : 0) + (p->has_zero_tail ? p->P : 0);
    for (int n = p->n_seers; n < p->P; n++) {
        memset(out, 0, (size_t)(p->O - tail) * sizeof *out);
        out = put_tail(p, n, out + p->O - tail);
    }
}

static void observe_lists(const struct foraging_params *p, const struct foraging_state *g, float *out)
{
    quad list[ENTRIES_MAX];
    if (p->sees_all)
        list_all(p, g, list);
    for (int n = 0; n < p->n_seers; n++) {
        if (!p->sees_all)
            list_window(p, g, n, list);
        else if (n > 0)
            bring_to_front(list + p->F, n);
        out = put_tail(p, n, put_list(p, list, out));
    }
    put_blind(p, out);
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
    for (int n = 0; n < p->n_seers; n++)
        out = put_tail(p, n, draw_window(p, g, &g->piece[n], out));
    put_blind(p, out);
}

static bool is_food(uint8_t board)
{
    return board != BOARD_EMPTY && board != BOARD_WALL;
}

static void observe_available(const struct foraging_params *p, const struct foraging_state *g, uint8_t *available)
{
    const uint8_t *board = foraging_board_view(p, g);
    for (int n = 0; n < p->P; n++, available += p->A) {
        const uint8_t *here = board + g->piece[n].cell;
        uint8_t north = here[-p->stride], south = here[p->stride], west = here[-1], east = here[1];
        available[FORAGE_NONE] = 1;
        available[FORAGE_NORTH] = north == BOARD_EMPTY;
        available[FORAGE_SOUTH] = south == BOARD_EMPTY;
        available[FORAGE_WEST] = west == BOARD_EMPTY;
        available[FORAGE_EAST] = east == BOARD_EMPTY;
        if (p->load == LOADS_BY_ACTION)
            available[FORAGE_LOAD] = is_food(north) | is_food(south) | is_food(west) | is_food(east);
    }
}

void foraging_observe(const void *params, const void *state, const struct env_view *view)
{
    const struct foraging_params *p = params;
    if (p->is_grid)
        observe_grid(p, state, view->observation);
    else
        observe_lists(p, state, view->observation);
    size_t row = (size_t)p->P * (size_t)p->O;
    for (int n = 0; n < p->P && p->state == STATE_JOINT; n++)
        memcpy(view->state + (size_t)n * row, view->observation, row * sizeof(float));
    observe_available(p, state, view->available);
    memset(view->alive, 1, (size_t)p->P);
}
