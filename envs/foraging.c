/* Level-based foraging: players of different levels collect food that is often too heavy for one of them.
 *
 * On a grid lie foods, each with a level. Players walk; those who stand beside a food and choose to load it at the same step
 * add up their levels, and if the sum reaches the food's level it is taken. Food never touches the border and no cell is beside
 * two foods. Sources: Papoudakis et al. 2021, "Benchmarking multi-agent deep reinforcement learning algorithms in cooperative
 * tasks", arXiv:2006.07869, with the maintained package (the rules "v3" here), and the edited copy that came with Li et al.,
 * ICLR 2024 ("eir"): team reward, another way to refuse moves, players up to level 3. We learn under a third set, "robust":
 *
 *   env.rules    reward      two players want one cell       spawn                                     id in observation
 *   v3           individual  neither moves                   players 1..2, food 1..cap                 no
 *   eir          team        the lower index moves there     players 1..3, food 1..cap-1               no
 *   robust       team        all move, cells may be shared   as eir                                    yes
 *
 * robust differs from eir in two points. Eir's appendix says that collisions are off, but in its code an adversary of low index
 * can still block everyone and one of high index nobody, so who the adversary is would change the task; here nobody blocks.
 * And without ids agents that share weights cannot tell apart who they are, which beliefs about each other need.
 *
 *   action      effect                         available when
 *   0 none      stay                           always
 *   1..4        row-1, row+1, col-1, col+1     the cell is inside the grid and holds no food (players do not matter)
 *   5 load      load the food beside           one of the four neighbours is a food
 *   An action that is not available, or no action at all (-1, 99), counts as none.
 *
 * Order of a step: clock; moves, all at once; loading, with the positions after the moves; rewards; ending.
 *
 * Reward: each of the loaders of a taken food gets its level x food level / (sum of the loaders' levels x sum of all food
 * levels at the reset), so clearing the map is worth 1 to the team; without normalisation level x food level. Loaders of a food
 * too heavy for them each lose env.penalty. With team reward everybody gets the sum over players.
 *
 * Ending: no food left, or the time limit. Observation: see foraging_observe.c.
 *
 * Kept from upstream: swaps and following succeed, and a player whose move was refused does not claim its old cell again, so
 * that another may have moved into it (under v3 this takes three players). Left out: upstream counts the cells that players
 * held at the end of the last episode as taken while it places new ones; a reset here depends on its random numbers alone.
 * Where upstream would crash because no free cell was drawn in 1000 tries, the first free cell is taken. */
#include "envs/foraging.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAWN_TRIES 1000 /* upstream's, per player, and for all foods together */
#define CAP_PLAYERS 3    /* this many of the lowest levels bound a food's level */

/* Spawning */

static bool is_taken(const struct piece *pieces, int count, int row, int col)
{
    for (int i = 0; i < count; i++)
        if (pieces[i].row == row && pieces[i].col == col)
            return true;
    return false;
}

static int uniform(struct rng *rng, int low, int high)
{
    return low + (int)rng_below(rng, (uint32_t)(high - low + 1));
}

/* order[n]: a random permutation (Fisher-Yates), by which upstream deals out unequal level bounds. */
static void draw_order(struct rng *rng, int n, uint8_t *order)
{
    for (int i = 0; i < n; i++) {
        int j = (int)rng_below(rng, (uint32_t)i + 1);
        order[i] = order[j];
        order[j] = (uint8_t)i;
    }
}

static void draw_free_cell(const struct foraging_params *p, struct rng *rng, const struct piece *taken, int n_taken,
                           struct piece *out)
{
    int row, col, tries = 0;
    do {
        row = uniform(rng, 0, (int)p->rows - 1);
        col = uniform(rng, 0, (int)p->cols - 1);
    } while (is_taken(taken, n_taken, row, col) && ++tries < SPAWN_TRIES);
    for (int cell = 0; tries == SPAWN_TRIES && is_taken(taken, n_taken, row, col); cell++) {
        row = cell / (int)p->cols;
        col = cell % (int)p->cols;
    }
    *out = (struct piece){.row = (int16_t)row, .col = (int16_t)col};
}

static void spawn_players(const struct foraging_params *p, struct rng *rng, struct piece *players)
{
    uint8_t order[FORAGING_PLAYERS_MAX];
    draw_order(rng, p->P, order);
    for (int n = 0; n < p->P; n++) {
        int low = p->spawn == SPAWN_V3 ? p->min_player_level[order[n]] : 1;
        int high = p->spawn == SPAWN_V3 ? p->max_player_level[order[n]] : p->max_player_level[n];
        draw_free_cell(p, rng, players, n, &players[n]);
        players[n].level = (int16_t)uniform(rng, low, high);
    }
}

static int compare_levels(const void *a, const void *b)
{
    return *(const int16_t *)a - *(const int16_t *)b;
}

/* Any three players can lift a food of this level. */
static int sum_of_lowest_levels(const struct foraging_params *p, const struct piece *players)
{
    int16_t level[FORAGING_PLAYERS_MAX];
    int sum = 0;
    for (int n = 0; n < p->P; n++)
        level[n] = players[n].level;
    qsort(level, (size_t)p->P, sizeof *level, compare_levels);
    for (int n = 0; n < p->P && n < CAP_PLAYERS; n++)
        sum += level[n];
    return sum;
}

/* Upstream leaves a plus of two cells and the diagonals around each food free of other food. */
static bool is_near_food(const struct piece *foods, int n_food, int row, int col)
{
    for (int i = 0; i < n_food; i++) {
        int dr = abs(foods[i].row - row), dc = abs(foods[i].col - col);
        if ((dr <= 1 && dc <= 1) || (dr == 0 && dc == 2) || (dc == 0 && dr == 2))
            return true;
    }
    return false;
}

static int draw_food_level(const struct foraging_params *p, struct rng *rng, int low, int cap)
{
    if (p->is_coop || low >= cap)
        return cap;
    return p->spawn == SPAWN_V3 ? uniform(rng, low, cap) : cap == 1 ? 1 : uniform(rng, 1, cap - 1);
}

/* Keeps foods[0..n_food) in row-major order, the order in which they are observed. */
static void insert_food(struct piece *foods, int n_food, struct piece food)
{
    int at = n_food;
    for (; at > 0 && (foods[at - 1].row > food.row || (foods[at - 1].row == food.row && foods[at - 1].col > food.col)); at--)
        foods[at] = foods[at - 1];
    foods[at] = food;
}

/* Returns how many foods found a place. */
static int spawn_foods(const struct foraging_params *p, struct rng *rng, const struct piece *players, struct piece *foods)
{
    uint8_t order[FORAGING_FOODS_MAX];
    int n_food = 0, common_cap = p->has_food_cap ? 0 : sum_of_lowest_levels(p, players);
    draw_order(rng, p->F, order);
    for (int tries = 0; n_food < p->F && tries < SPAWN_TRIES; tries++) {
        int row = uniform(rng, 1, (int)p->rows - 2), col = uniform(rng, 1, (int)p->cols - 2);
        if (is_near_food(foods, n_food, row, col) || is_taken(players, p->P, row, col))
            continue;
        int kind = order[n_food], cap = p->has_food_cap ? p->max_food_level[kind] : common_cap;
        int level = draw_food_level(p, rng, p->min_food_level[kind], cap);
        insert_food(foods, n_food++, (struct piece){.row = (int16_t)row, .col = (int16_t)col, .level = (int16_t)level});
    }
    return n_food;
}

/* The board */

static void mark_foods(const struct foraging_params *p, struct foraging_state *g, int from)
{
    const struct piece *foods = foraging_foods_view(p, g);
    uint8_t *board = foraging_board(p, g);
    for (int i = from; i < g->n_food; i++)
        board[foods[i].cell] = (uint8_t)(i + 1);
}

static void clear_board(const struct foraging_params *p, struct foraging_state *g)
{
    uint8_t *board = foraging_board(p, g);
    memset(board, BOARD_WALL, (size_t)p->board_cells);
    for (int row = 0; row < p->rows; row++)
        memset(board + foraging_cell(p, row, 0), BOARD_EMPTY, (size_t)p->cols);
}

void foraging_place(const struct foraging_params *p, struct foraging_state *g, const struct piece *players,
                    const struct piece *foods, int n_food, int spawned)
{
    struct piece *pieces = g->piece;
    *g = (struct foraging_state){.n_food = n_food, .spawned = spawned};
    memset(pieces, 0, (size_t)(p->P + p->F) * sizeof *pieces);
    memcpy(pieces, players, (size_t)p->P * sizeof *pieces);
    memcpy(pieces + p->P, foods, (size_t)n_food * sizeof *pieces);
    for (int i = 0; i < p->P + n_food; i++)
        pieces[i].cell = (int16_t)foraging_cell(p, pieces[i].row, pieces[i].col);
    clear_board(p, g);
    mark_foods(p, g, 0);
}

/* The food slot beside a board cell, or -1; there is at most one. */
static int food_beside(const struct foraging_params *p, const uint8_t *board, int cell)
{
    uint8_t beside[4] = {board[cell - p->stride], board[cell + p->stride], board[cell - 1], board[cell + 1]};
    for (int i = 0; i < 4; i++)
        if (beside[i] != BOARD_EMPTY && beside[i] != BOARD_WALL)
            return beside[i] - 1;
    return -1;
}

static size_t foraging_state_bytes(const void *params)
{
    const struct foraging_params *p = params;
    return sizeof(struct foraging_state) + (size_t)(p->P + p->F) * sizeof(struct piece) + (size_t)p->board_cells;
}

static bool is_good_piece(const struct foraging_params *p, const struct piece *piece)
{
    return piece->row >= 0 && piece->row < p->rows && piece->col >= 0 && piece->col < p->cols && piece->level >= 1 &&
           piece->level <= FORAGING_LEVEL_MAX && piece->cell == foraging_cell(p, piece->row, piece->col);
}

/* Every byte of the board follows from the pieces. */
static bool is_good_board(const struct foraging_params *p, const struct foraging_state *g)
{
    const struct piece *foods = foraging_foods_view(p, g);
    const uint8_t *board = foraging_board_view(p, g);
    int next = 0;
    for (int cell = 0; cell < p->board_cells; cell++) {
        int row = cell / p->stride - 1, col = cell % p->stride - 1;
        bool is_wall = row < 0 || row >= p->rows || col < 0 || col >= p->cols;
        bool is_food = next < g->n_food && foods[next].cell == cell;
        next += is_food;
        if (board[cell] != (is_wall ? BOARD_WALL : is_food ? next : BOARD_EMPTY))
            return false;
    }
    return next == g->n_food;
}

static int foraging_check_state(const void *params, const void *state, struct err *err)
{
    const struct foraging_params *p = params;
    const struct foraging_state *g = state;
    static const struct piece none;
    bool is_good = g->step >= 0 && g->step <= p->horizon && g->n_food >= 0 && g->n_food <= p->F && g->spawned >= g->n_food &&
                   g->spawned <= FORAGING_FOODS_MAX * FORAGING_LEVEL_MAX;
    for (int i = 0; i < p->P + p->F && is_good; i++)
        is_good = i < p->P + g->n_food ? is_good_piece(p, &g->piece[i]) : !memcmp(&g->piece[i], &none, sizeof none);
    if (!is_good || !is_good_board(p, g))
        return err_set(err, ERR_FORMAT, "bad foraging state at step %d: its pieces do not fit a board of %d x %d", g->step,
                       (int)p->rows, (int)p->cols);
    return 0;
}

static void foraging_reset(const void *params, void *state, struct rng *rng)
{
    const struct foraging_params *p = params;
    struct piece players[FORAGING_PLAYERS_MAX], foods[FORAGING_FOODS_MAX];
    int spawned = 0;
    spawn_players(p, rng, players);
    int n_food = spawn_foods(p, rng, players, foods);
    for (int i = 0; i < n_food; i++)
        spawned += foods[i].level;
    foraging_place(p, state, players, foods, n_food, spawned);
}

/* Moving */

static struct piece moved(struct piece from, struct piece by)
{
    return (struct piece){.row = (int16_t)(from.row + by.row),
                          .col = (int16_t)(from.col + by.col),
                          .level = from.level,
                          .cell = (int16_t)(from.cell + by.cell)};
}

/* Where everyone wants to be: movers beside, all others (and those who face a wall or food) where they are. */
static void aim(const struct foraging_params *p, const struct foraging_state *g, const int32_t *action, struct piece *target)
{
    const uint8_t *board = foraging_board_view(p, g);
    for (int n = 0; n < p->P; n++) {
        uint32_t a = (uint32_t)action[n] < FORAGE_ACTIONS ? (uint32_t)action[n] : FORAGE_NONE;
        struct piece ahead = moved(g->piece[n], p->shift[a]);
        target[n] = board[ahead.cell] == BOARD_EMPTY ? ahead : g->piece[n];
    }
}

static int claims(const struct piece *target, int from, int to, int cell)
{
    int count = 0;
    for (int n = from; n < to; n++)
        count += target[n].cell == cell;
    return count;
}

/* Staying counts as a claim to one's own cell. */
static void move_players(const struct foraging_params *p, struct foraging_state *g, const struct piece *target)
{
    for (int n = 0; n < p->P; n++) {
        bool is_refused = p->collisions == COLLIDE_UPSTREAM       ? claims(target, 0, p->P, target[n].cell) > 1
                          : p->collisions == COLLIDE_LOWEST_INDEX ? claims(target, 0, n, target[n].cell) > 0
                                                                  : false;
        if (!is_refused)
            g->piece[n] = target[n];
    }
}

/* Loading */

/* slot[P]: the food that each player loads, or -1. Returns how many load. */
static int find_loaders(const struct foraging_params *p, const struct foraging_state *g, const int32_t *action, int8_t *slot)
{
    int count = 0;
    for (int n = 0; n < p->P; n++) {
        slot[n] = -1;
        if (action[n] == FORAGE_LOAD)
            slot[n] = (int8_t)food_beside(p, foraging_board_view(p, g), g->piece[n].cell);
        count += slot[n] >= 0;
    }
    return count;
}

static double share(const struct foraging_params *p, const struct foraging_state *g, int level, int food_level, int group_level)
{
    double product = (double)level * food_level;
    return p->normalises_reward ? product / ((double)group_level * g->spawned) : product;
}

static void remove_food(const struct foraging_params *p, struct foraging_state *g, int slot)
{
    struct piece *foods = foraging_foods(p, g);
    foraging_board(p, g)[foods[slot].cell] = BOARD_EMPTY;
    memmove(foods + slot, foods + slot + 1, (size_t)(--g->n_food - slot) * sizeof *foods);
    foods[g->n_food] = (struct piece){0};
    mark_foods(p, g, slot);
}

static void load_foods(const struct foraging_params *p, struct foraging_state *g, const int8_t *slot, double *reward)
{
    const struct piece *foods = foraging_foods_view(p, g);
    int group_level[FORAGING_FOODS_MAX] = {0};
    for (int n = 0; n < p->P; n++)
        if (slot[n] >= 0)
            group_level[slot[n]] += g->piece[n].level;
    for (int n = 0; n < p->P; n++) {
        int i = slot[n];
        if (i >= 0)
            reward[n] =
                group_level[i] >= foods[i].level ? share(p, g, g->piece[n].level, foods[i].level, group_level[i]) : -p->penalty;
    }
    for (int i = g->n_food - 1; i >= 0; i--)
        if (group_level[i] >= foods[i].level)
            remove_food(p, g, i);
}

static void share_among_team(const struct foraging_params *p, double *reward)
{
    double sum = 0;
    for (int n = 0; n < p->P; n++)
        sum += reward[n];
    for (int n = 0; n < p->P; n++)
        reward[n] = sum;
}

void foraging_advance(const struct foraging_params *p, struct foraging_state *g, const int32_t *action, double *reward)
{
    struct piece target[FORAGING_PLAYERS_MAX];
    int8_t slot[FORAGING_PLAYERS_MAX];
    g->step++;
    for (int n = 0; n < p->P; n++)
        reward[n] = 0;
    aim(p, g, action, target);
    move_players(p, g, target);
    if (!find_loaders(p, g, action, slot))
        return;
    load_foods(p, g, slot, reward);
    if (p->reward == REWARD_TEAM)
        share_among_team(p, reward);
}

bool foraging_is_cleared(const struct foraging_state *g)
{
    return g->n_food == 0;
}

bool foraging_is_over(const struct foraging_params *p, const struct foraging_state *g)
{
    return foraging_is_cleared(g) || g->step >= p->horizon;
}

static void foraging_step(const void *params, void *state, const struct env_action *action, struct rng *rng,
                          const struct env_result *result)
{
    (void)rng;
    const struct foraging_params *p = params;
    struct foraging_state *g = state;
    double reward[FORAGING_PLAYERS_MAX];
    foraging_advance(p, g, action->choice, reward);
    for (int n = 0; n < p->P; n++)
        result->reward[n] = (float)reward[n];
    bool is_late = !foraging_is_cleared(g) && g->step >= p->horizon;
    *result->terminated = foraging_is_cleared(g) || (is_late && p->time_limit == LIMIT_TERMINATES);
    *result->truncated = is_late && p->time_limit == LIMIT_TRUNCATES;
}

static void foraging_outcome(const void *params, const void *state, struct env_outcome *outcome)
{
    (void)params;
    *outcome = (struct env_outcome){.has_success = true, .success = foraging_is_cleared(state)};
}

/* Players as letters (the last one wins a shared cell), food as its level ('+' above 9). */
static char glyph(const struct foraging_params *p, const struct foraging_state *g, int cell)
{
    int slot = foraging_board_view(p, g)[cell];
    if (slot != BOARD_EMPTY) {
        int level = foraging_foods_view(p, g)[slot - 1].level;
        return level > 9 ? '+' : (char)('0' + level);
    }
    for (int n = p->P - 1; n >= 0; n--)
        if (g->piece[n].cell == cell)
            return (char)(n < 26 ? 'a' + n : n < 52 ? 'A' + n - 26 : '@');
    return '.';
}

static void foraging_render(const void *params, const void *state, char *text, size_t size)
{
    const struct foraging_params *p = params;
    const struct foraging_state *g = state;
    size_t used = 0;
#define PRINT(...) (used += used < size ? (size_t)snprintf(text + used, size - used, __VA_ARGS__) : 0)
    PRINT("step %d of %d   food %d   levels", g->step, (int)p->horizon, g->n_food);
    for (int n = 0; n < p->P; n++)
        PRINT(" %d", g->piece[n].level);
    for (int row = 0; row < p->rows; row++) {
        PRINT("\n");
        for (int col = 0; col < p->cols; col++)
            PRINT("%c ", glyph(p, g, foraging_cell(p, row, col)));
    }
    PRINT("\n");
#undef PRINT
}

static void draw_grid(const struct foraging_params *p, struct scene *scene)
{
    float rows = (float)p->rows, cols = (float)p->cols;
    scene_rect(scene, INK_GROUND, 0, 0, 0, cols, rows);
    for (int row = 0; row <= p->rows; row++)
        scene_line(scene, INK_GRID, 0, 0, (float)row, cols, (float)row, 0.03f);
    for (int col = 0; col <= p->cols; col++)
        scene_line(scene, INK_GRID, 0, (float)col, 0, (float)col, rows, 0.03f);
}

/* Players who share a cell stand on a ring around its middle. `mates` of them, of which this one is the `place`th. */
static void draw_player(const struct foraging_params *p, const struct foraging_state *g, int n, int place, int mates,
                        struct scene *scene)
{
    const struct piece *player = &g->piece[n];
    float angle = 6.2831853f * (float)place / (float)mates, off = mates > 1 ? 0.24f : 0;
    float x = (float)player->col + 0.5f + off * cosf(angle), y = (float)(p->rows - player->row) - 0.5f + off * sinf(angle);
    float radius = mates > 1 ? 0.21f : 0.36f;
    scene_circle(scene, INK_ALLY, n, x, y, radius);
    scene_text(scene, INK_LABEL, 0, x, y, 0.9f * radius, "%d", player->level);
}

/* Food as squares, players as circles, levels in both. Row 0 is on top. */
static void foraging_draw(const void *params, const void *state, struct scene *scene)
{
    const struct foraging_params *p = params;
    const struct foraging_state *g = state;
    const struct piece *foods = foraging_foods_view(p, g);
    scene_begin(scene, 0, 0, (float)p->cols, (float)p->rows);
    draw_grid(p, scene);
    for (int i = 0; i < g->n_food; i++) {
        float x = (float)foods[i].col, y = (float)(p->rows - 1 - foods[i].row);
        scene_rect(scene, INK_GOAL, 0, x + 0.12f, y + 0.12f, 0.76f, 0.76f);
        scene_text(scene, INK_LABEL, 0, x + 0.5f, y + 0.5f, foods[i].level > 99 ? 0.2f : 0.38f, "%d", foods[i].level);
    }
    for (int n = 0; n < p->P; n++) {
        int place = 0, mates = 0;
        for (int m = 0; m < p->P; m++) {
            place += m < n && g->piece[m].cell == g->piece[n].cell;
            mates += g->piece[m].cell == g->piece[n].cell;
        }
        draw_player(p, g, n, place, mates, scene);
    }
}

const struct env_ops env_foraging = {
    .name = "foraging",
    .summary = "level-based foraging: players of different levels load food that few of them can lift alone",
    .rows = foraging_rows,
    .n_rows = FORAGING_ROWS,
    .params_bytes = sizeof(struct foraging_params),
    .scenario = foraging_scenario,
    .scenarios = foraging_scenarios,
    .prepare = foraging_prepare,
    .spec = foraging_spec,
    .state_bytes = foraging_state_bytes,
    .check_state = foraging_check_state,
    .reset = foraging_reset,
    .observe = foraging_observe,
    .step = foraging_step,
    .outcome = foraging_outcome,
    .render = foraging_render,
    .draw = foraging_draw,
    .trace = &foraging_trace,
    .scripts = foraging_scripts,
    .n_scripts = FORAGING_SCRIPTS,
};
