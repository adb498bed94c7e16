/* Parameters, state and seams of the SMAC combat environment. The rules are told in smac.c; this header says what is kept where.
 *
 *   smac_units.c    what a marine is: the table of unit types   smac_fight.c    a step: orders, and the order of its eight ticks
 *   smac_map.c      reading map text                            smac_choose.c   whom to attack, where to go
 *   smac_layout.c   cliffs as rectangles, places of a group     smac_move.c     collision avoidance between units and cliffs
 *   smac_spawn.c    teams and places at a reset                 smac_weapons.c  moving, recovering, firing, healing
 *   smac_config.c   rows, scenario names, sizes                 smac_observe.c  observation, state, available actions
 *   smac_draw.c     text and shapes                             smac_scripts.c  scripted teams
 *
 * Words: a unit has an id (allies and enemies counted together, in map order) and a place (its index within its side). The
 * agents are the allies, agent n is the ally of place n. Lengths are in cells of a plane of 32 x 32, x to the east and y to the
 * north; speeds in cells per second. */
#ifndef TESTUDO_ENVS_SMAC_H
#define TESTUDO_ENVS_SMAC_H

#include "envs/env.h"

#define SMAC_SIDE 32       /* cells along an edge of the plane */
#define SMAC_UNITS_MAX 100 /* both sides together; the largest map of the papers has 66 */
#define SMAC_ALLIES_MAX SPEC_AGENTS_MAX
#define SMAC_BOXES_MAX 512 /* rectangles of cliff; a checkerboard has this many */
#define SMAC_GROUPS_MAX 16
#define SMAC_MAP_BYTES 2000 /* of a map as one line of text, with its 0 byte */
#define SMAC_TICKS 8        /* per step */
#define SMAC_TICKS_PER_SECOND 16
#define SMAC_TICK (1.0 / SMAC_TICKS_PER_SECOND)
#define SMAC_LOOKS 12 /* directions of a conic field of view */
#define SMAC_NOBODY (-1)
#define SMAC_WIN_POINTS 200.0
#define SMAC_KILL_POINTS 10.0

enum smac_side { ALLY, ENEMY };

/* Unit types. The numbers stand in saved states: append only. */
enum smac_kind {
    MARINE,
    MARAUDER,
    MEDIVAC,
    STALKER,
    ZEALOT,
    COLOSSUS,
    ZERGLING,
    BANELING,
    SPINE_CRAWLER,
    HYDRALISK,
    ROACH,
    REAPER,
    OVERSEER,
    SMAC_KINDS
};

enum smac_weapon {
    WEAPON_SHOT,  /* hits its target */
    WEAPON_BEAM,  /* hits all opponents under a short line across the line of fire */
    WEAPON_BLAST, /* hits all opponents around the shooter, who dies of it */
    WEAPON_HEAL,
    WEAPON_NONE
};

enum { GROUND = 1, AIR = 2 };                                                                  /* bits of planes */
enum { LIGHT = 1, ARMORED = 2, BIOLOGICAL = 4, MECHANICAL = 8, MASSIVE = 16, STRUCTURE = 32 }; /* bits of attributes */

struct smac_type {
    const char *name;
    char glyph; /* for text pictures, allies; enemies are lower case */
    enum smac_weapon weapon;
    int plane, hits_planes, attributes, bonus_against;
    int hits; /* per shot */
    double hp, shield, armor, damage, bonus;
    double cooldown;    /* seconds between shots */
    double range, scan; /* of the weapon; how far an enemy looks for targets */
    double speed, radius;
    double hp_regen; /* per second */
    double energy, energy_at_start;
    double sight; /* under env.ranges=unit only */
};
extern const struct smac_type smac_types[SMAC_KINDS];
int smac_find_kind(const char *name, size_t length); /* -1: there is none */

/* Actions: stop and moves, the looks of a conic field of view if there is one, then one per target. */
enum { ACT_NOTHING, ACT_STOP, ACT_NORTH, ACT_SOUTH, ACT_EAST, ACT_WEST, ACT_TARGETS };

enum { RANGES_UNIFORM, RANGES_UNIT };
enum { OPPONENT_ATTACK_MOVE, OPPONENT_FOCUS, OPPONENT_MICRO };
enum { SMAC_REWARD_DAMAGE, SMAC_REWARD_SPARSE };
enum { SMAC_LIMIT_TRUNCATES, SMAC_LIMIT_TERMINATES };

struct smac_box { /* a rectangle of cliff */
    float west, south, east, north;
};
#define SMAC_BOX_BITS 64

struct smac_group { /* units that start together, or scattered over a rectangle of cells */
    double x0, y0, x1, y1;
    int32_t side, is_scattered, first, count; /* ids first .. first + count - 1 */
};

struct smac_map { /* what map text says; smac_map.c */
    int32_t n_units, n_allies, n_enemies, n_groups, n_boxes;
    int32_t horizon;
    double attack_x, attack_y;                                                 /* where enemies go */
    uint8_t side[SMAC_UNITS_MAX], place[SMAC_UNITS_MAX], kind[SMAC_UNITS_MAX]; /* by id; kind: of fixed teams */
    uint8_t ally[SMAC_ALLIES_MAX], enemy[SMAC_UNITS_MAX];                      /* id by place */
    double spawn_x[SMAC_UNITS_MAX], spawn_y[SMAC_UNITS_MAX]; /* of scattered ones: where they would stand in the middle */
    struct smac_group groups[SMAC_GROUPS_MAX];
    uint32_t walkable[SMAC_SIDE]; /* row y, bit x */
    struct smac_box boxes[SMAC_BOXES_MAX];
    /* By row and column: bit i if box i is near enough for a unit in this cell to evade it; the last bit stands for all boxes from
     * there on. */
    uint64_t near[SMAC_SIDE][SMAC_SIDE];
    int32_t n_bits;            /* width of the one-hot of types in observations */
    int8_t bit[SMAC_KINDS];    /* -1: this type has none */
    int32_t is_random;         /* teams and places are drawn at each reset (SMACv2) */
    double weight[SMAC_KINDS]; /* of random teams; 0: does not occur */
    int32_t excepted;          /* no random team consists of this kind alone; -1: none */
    uint32_t kinds[2];         /* by side, bit per kind that may occur */
};

struct smac_params {
    /* bound from rows */
    char map_text[SMAC_MAP_BYTES];
    int64_t horizon, disabled_allies;
    double reduced_health, sight, target_range;
    double reward_negative, reward_defeat;
    int ranges, opponent, reward, time_limit;
    int is_single; /* positions and their differences are rounded to float, as the reference's are */
    bool scales_reward, has_cliff_slip, fires_at_corpses, heals_the_fallen, healers_alone_lose;
    bool has_agent_id, has_conic_view, observes_last_action, observes_position, state_has_last_action;

    int is_fused; /* sums of products are rounded once; only replays set it */

    /* derived by prepare */
    struct smac_map map;
    int32_t N, O, S, A, first_target, n_targets; /* action first_target + j is target j */
    int32_t has_shields[2], has_healers[2];
    int32_t enemy_width, ally_width, own_width, state_ally_width, state_enemy_width;
    double largest_radius;
    double max_reward; /* of fixed teams: what all there is to earn sums to before scaling */
};

/* A unit that has left the game is all zero but for kind, target (nobody), last_action and is_disabled. */
struct smac_unit {
    double x, y, vx, vy;
    double hp, shield, energy;
    double cooldown, shield_cooldown; /* seconds until the next shot, until the shield grows */
    double heal_pool;                 /* hp that were paid for and not yet given */
    int16_t target;                   /* id or SMAC_NOBODY */
    int16_t last_action;              /* of allies; -1 before the first step */
    uint8_t kind, is_alive, is_disabled, look;
};

struct smac_state {
    double max_reward, attack_x, attack_y; /* drawn with random teams */
    int64_t step;
    struct smac_unit unit[]; /* [n_units] by id */
};

static inline const struct smac_type *smac_type_of(const struct smac_unit *unit)
{
    return &smac_types[unit->kind];
}

/* Rounded to float. A call, because gcc 12 at -O3 drops the two conversions where it turns a pair of them under a condition into
 * vector code. */
double smac_rounded(double x);
double smac_fused(double a, double b, double c, double d); /* a b + c d, the second product unrounded */

/* A position, or a difference of positions, as it is kept. */
static inline double smac_kept(const struct smac_params *p, double x)
{
    return p->is_single ? smac_rounded(x) : x;
}

static inline double smac_square(const struct smac_params *p, double dx, double dy)
{
    return p->is_fused ? smac_fused(dx, dx, dy, dy) : dx * dx + dy * dy;
}

/* fmin and fmax without the calls that their rules for NaN cost; no NaN comes here. */
static inline double smac_least(double a, double b)
{
    return b < a ? b : a;
}

static inline double smac_most(double a, double b)
{
    return b > a ? b : a;
}

/* Is b within R of a? As the reference tests it: in the square, and in the diamond or in the circle. */
static inline bool smac_is_within(const struct smac_params *p, double ax, double ay, double bx, double by, double R)
{
    double dx = smac_kept(p, ax > bx ? ax - bx : bx - ax), dy = smac_kept(p, ay > by ? ay - by : by - ay);
    return dx <= R && dy <= R && (dx + dy <= R || smac_square(p, dx, dy) <= R * R);
}

static inline bool smac_is_walkable(const struct smac_map *map, double x, double y)
{
    return x >= 0 && x < SMAC_SIDE && y >= 0 && y < SMAC_SIDE && (map->walkable[(int)y] >> (int)x & 1);
}

/* smac_map.c. A map is text, one statement a line; ';' also ends a statement. */
struct smac_file { /* built into the program from envs/maps */
    const char *name, *text;
};
extern const struct smac_file smac_files[]; /* ends with a NULL name */
extern const char *const smac_scenarios[];  /* built-in maps, the default first; NULL-terminated */
/* The text as one line without comments, which is how recipes carry it. `name` is the file, for errors. */
MUST_USE int smac_map_flatten(const char *name, const char *text, char *line, size_t size, struct err *err);
/* Reads either form. Errors give name and line (statement, of the one-line form) and what was expected. */
MUST_USE int smac_map_read(struct smac_map *map, const char *name, const char *text, struct err *err);
/* smac_layout.c: boxes and places of groups, from cells and groups. */
void smac_map_derive(struct smac_map *map);
/* Places units first .. first + count - 1 of these kinds in rows around (x, y), as SMAClite lays out a group. */
void smac_lay_out(const uint8_t *kinds, int count, enum smac_side side, double x, double y, double *out_x, double *out_y);

/* smac_spawn.c: teams and places at a reset. */
void smac_spawn(const struct smac_params *p, struct smac_state *g, struct rng *rng);

/* smac_config.c */
#define SMAC_ROWS 23
extern const struct config_row smac_rows[SMAC_ROWS];
int smac_scenario(const char *scenario, struct recipe *defaults, struct err *err);
int smac_prepare(void *params, struct err *err);
void smac_spec(const void *params, struct spec *spec);

/* smac_observe.c */
void smac_observe(const void *params, const void *state, const struct env_view *view);
bool smac_is_available(const struct smac_params *p, const struct smac_state *g, int agent, int action);

/* smac_fight.c: one step. */
struct smac_score {
    double dealt, lost; /* damage points and kill bonuses on enemies; the same on allies */
};
typedef uint8_t smac_tick_order[SMAC_UNITS_MAX]; /* living unit ids in the order in which they act */
/* orders: SMAC_TICKS recorded ones, or NULL: shuffled by rng. */
void smac_fight(const struct smac_params *p, struct smac_state *g, const int32_t *action, const smac_tick_order *orders,
                struct rng *rng, struct smac_score *score);
int smac_count(const struct smac_params *p, const struct smac_state *g, enum smac_side side);

/* smac.c */
double smac_reward_of(const struct smac_params *p, const struct smac_state *g, const struct smac_score *score);
bool smac_is_over(const struct smac_params *p, const struct smac_state *g); /* by the rules, the time limit apart */
void smac_clear_unit(struct smac_unit *unit);                               /* it leaves the game */

/* smac_move.c */
struct smac_traffic { /* by id; read: living units with where they are, how they go and want to go; written: next */
    const struct smac_unit *unit;
    int n_live;
    const uint8_t *live; /* ascending ids */
    double want_x[SMAC_UNITS_MAX], want_y[SMAC_UNITS_MAX];
    double next_x[SMAC_UNITS_MAX], next_y[SMAC_UNITS_MAX];
};
void smac_avoid(const struct smac_params *p, struct smac_traffic *traffic);
void smac_avoid_fused(const struct smac_params *p, struct smac_traffic *traffic); /* smac_move_fused.c */

/* smac_draw.c */
void smac_render(const void *params, const void *state, char *text, size_t size);
void smac_draw(const void *params, const void *state, struct scene *scene);

#define SMAC_SCRIPTS 2
extern const struct env_script smac_scripts[SMAC_SCRIPTS];
extern const struct env_ops env_smac;
extern const struct env_trace_ops smac_trace;

#endif
