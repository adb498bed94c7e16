/* Parameters, state and board of level-based foraging, shared by the rules (foraging.c), the forms of observation
 * (foraging_observe.c), reading of names and levels (foraging_config.c), the pictures (foraging_draw.c), the scripts and the
 * trace part.
 *
 * The state is one run of plain bytes: the head, P players, F food slots (the first n_food hold food, in row-major order), then
 * the board of (rows + 2) x (cols + 2) bytes: BOARD_EMPTY, food slot + 1, or BOARD_WALL around the grid. The board answers
 * "what lies beside this player" in one read; it says nothing new, so check_state can rebuild it. */
#ifndef TESTUDO_ENVS_FORAGING_H
#define TESTUDO_ENVS_FORAGING_H

#include "envs/env.h"

#define FORAGING_PLAYERS_MAX SPEC_AGENTS_MAX
#define FORAGING_FOODS_MAX 64
#define FORAGING_SIDE_MAX 128
#define FORAGING_LEVEL_MAX 10000

enum { BOARD_EMPTY = 0, BOARD_WALL = 255 };
enum { FORAGE_NONE, FORAGE_NORTH, FORAGE_SOUTH, FORAGE_WEST, FORAGE_EAST, FORAGE_LOAD, FORAGE_ACTIONS };

/* Indices into the rows' choices. The single switches follow env.rules unless set; prepare replaces AS_RULES. */
enum { RULES_ROBUST, RULES_V3, RULES_EIR };
enum { AS_RULES = 0 };
enum { REWARD_INDIVIDUAL = 1, REWARD_TEAM };
enum { COLLIDE_UPSTREAM = 1, COLLIDE_LOWEST_INDEX, COLLIDE_FREE };
enum { SPAWN_V3 = 1, SPAWN_EIR };
enum { SWITCH_TRUE = 1, SWITCH_FALSE };
enum { LIMIT_TERMINATES, LIMIT_TRUNCATES };
enum { STATE_OBSERVATION, STATE_JOINT };
enum { LOADS_BY_ACTION, LOADS_BY_STANDING };

struct piece { /* a player or a food */
    int16_t row, col, level;
    int16_t cell; /* on the board: (row + 1) * stride + col + 1 */
};

struct foraging_params {
    /* bound from rows */
    int64_t rows, cols, players, foods, sight, seers, horizon;
    double penalty;
    int rules, reward, collisions, spawn, load, agent_id, time_limit, state;
    bool is_coop, normalises_reward, observes_levels, is_grid, has_zero_tail;
    char min_player_level_text[CONFIG_TEXT_MAX], max_player_level_text[CONFIG_TEXT_MAX];
    char min_food_level_text[CONFIG_TEXT_MAX], max_food_level_text[CONFIG_TEXT_MAX];

    /* derived by prepare */
    int32_t P, F, O, A, stride, board_cells; /* stride: cells from one board row to the next */
    int32_t n_seers;                         /* players from this index on see nothing */
    int32_t sees_all;                        /* the window always covers the grid, so coordinates are absolute */
    int32_t has_food_cap;                    /* 0: the cap of food levels is the sum of the three lowest player levels */
    struct piece shift[FORAGE_ACTIONS];      /* what an action adds to a player */
    int16_t min_player_level[FORAGING_PLAYERS_MAX], max_player_level[FORAGING_PLAYERS_MAX];
    int16_t min_food_level[FORAGING_FOODS_MAX], max_food_level[FORAGING_FOODS_MAX];
};

struct foraging_state {
    int32_t step;
    int32_t n_food;       /* still on the board */
    int32_t spawned;      /* sum of food levels at the reset: the divisor of normalised rewards */
    struct piece piece[]; /* [P] players, [F] food slots, then the board */
};

static inline struct piece *foraging_foods(const struct foraging_params *p, struct foraging_state *g)
{
    return g->piece + p->P;
}

static inline const struct piece *foraging_foods_view(const struct foraging_params *p, const struct foraging_state *g)
{
    return g->piece + p->P;
}

static inline uint8_t *foraging_board(const struct foraging_params *p, struct foraging_state *g)
{
    return (uint8_t *)(g->piece + p->P + p->F);
}

static inline const uint8_t *foraging_board_view(const struct foraging_params *p, const struct foraging_state *g)
{
    return (const uint8_t *)(g->piece + p->P + p->F);
}

static inline int foraging_cell(const struct foraging_params *p, int row, int col)
{
    return (row + 1) * p->stride + col + 1;
}

/* foraging_config.c: the rows; reading a scenario name; checking sizes and deriving the second half of the params. */
#define FORAGING_ROWS 25
extern const struct config_row foraging_rows[FORAGING_ROWS];
extern const char *const foraging_scenarios[];
int foraging_scenario(const char *scenario, struct recipe *defaults, struct err *err);
int foraging_prepare(void *params, struct err *err);
void foraging_spec(const void *params, struct spec *spec);

/* foraging_observe.c: fills the view from the state. */
void foraging_observe(const void *params, const void *state, const struct env_view *view);

/* foraging.c: sets pieces and board from lists [P], [n_food] of row, col, level (food in row-major order); what a reset and a
 * recorded episode have in common. */
void foraging_place(const struct foraging_params *p, struct foraging_state *g, const struct piece *players,
                    const struct piece *foods, int n_food, int spawned);
/* One step with rewards in double, [P]; the environment's float rewards are these, rounded once. */
void foraging_advance(const struct foraging_params *p, struct foraging_state *g, const int32_t *action, double *reward);
bool foraging_is_cleared(const struct foraging_state *g);
bool foraging_is_over(const struct foraging_params *p, const struct foraging_state *g);

/* foraging_draw.c */
void foraging_render(const void *params, const void *state, char *text, size_t size);
void foraging_draw(const void *params, const void *state, struct scene *scene);

/* foraging_scripts.c */
#define FORAGING_SCRIPTS 2
extern const struct env_script foraging_scripts[FORAGING_SCRIPTS];

extern const struct env_ops env_foraging;
extern const struct env_trace_ops foraging_trace;

#endif
