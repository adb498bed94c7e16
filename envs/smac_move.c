/* SMAC combat: collision avoidance. Every unit that wants to move gets the velocity nearest to the wanted one among those that,
 * if the others do their half, lead to no collision within a second: optimal reciprocal collision avoidance (ORCA; van den Berg,
 * Guy, Lin, Manocha 2011, doi 10.1007/978-3-642-19457-3_1), in the form and with the constants that SMAClite uses.
 *
 * Each neighbour and each visible cliff edge forbids a half-plane of velocities. A half-plane is a line with a point P and a unit
 * direction d; velocities v with cross(d, P - v) <= 0 are allowed. They are found first (cliffs before units, because cliffs are
 * never compromised on), then the nearest allowed velocity is computed by adding one line after the other; when nothing is
 * allowed, the velocity that penetrates the units' half-planes least.
 *
 * Kept from the reference, as the traces need it:
 *   - A unit that wants to stand still stands, and evades nobody.
 *   - Neighbours are those within the sum of the unit's radius and the largest radius of the map. For the largest type that is
 *     the distance of touching, so avoidance starts at contact, and the last bit of a distance can decide.
 *   - has_cliff_slip: lines of cliffs are shifted by r (-d.y, -d.y) instead of r (-d.y, d.x), so that horizontal cliffs are not
 *     widened by the unit's radius.
 * Not kept: where it divides by zero (units at one point, an edge touched exactly), which loaded states can ask for; a fixed
 * direction stands in, so that every velocity is a finite number. */
#include <math.h>
#include <string.h>

#include "envs/smac_solve.h"

#ifdef SMAC_FUSED
#define SMAC_AVOID smac_avoid_fused
#else
#define SMAC_AVOID smac_avoid
#endif

#define HORIZON 1.0     /* seconds that are looked ahead; written where it multiplies, as in the paper */
#define COVERED (-1e-5) /* tolerance of "an earlier line covers this edge" */

struct mover { /* the unit whose velocity is sought */
    struct vector position, velocity;
    double radius, top_speed;
    bool has_cliff_slip;
};

/* -- cliffs --------------------------------------------------------------------------------------------------------------------- */

/* The edges of a box counter-clockwise from its south-west corner, cliff on their left. */
static const struct vector edge_direction[4] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};

static bool is_covered(const struct line *lines, int count, struct vector a, struct vector b, double radius)
{
    for (int i = 0; i < count; i++)
        if (cross(minus(a, lines[i].point), lines[i].direction) - radius >= COVERED &&
            cross(minus(b, lines[i].point), lines[i].direction) - radius >= COVERED)
            return true;
    return false;
}

/* The tangent from the origin to the circle around z: on its left for side 1, on its right for -1. No number when the origin is
 * inside: that happens exactly beside an end of an edge, and then wedge_line goes by the other side. */
static struct vector leg(struct vector z, double radius, double side)
{
    double square = dot(z, z), length = sqrt(square - radius * radius), r = side * radius;
    return (struct vector){(z.x * length - z.y * r) / square, (z.x * r + z.y * length) / square};
}

/* A line along `direction`, moved off the cliff by the unit's radius. */
static struct line shifted(const struct mover *m, struct vector base, struct vector direction)
{
    struct vector off = {-direction.y, m->has_cliff_slip ? -direction.y : direction.x};
    return (struct line){along(base, off, m->radius), direction};
}

/* Around the end of an edge. */
static struct line rounded(const struct mover *m, struct vector end)
{
    struct vector e = unit_vector(minus(m->velocity, end));
    return (struct line){along(end, e, m->radius), turned_right(e)};
}

struct wedge {                                        /* of velocities that run into an edge within the horizon */
    struct vector first, second;                      /* its ends as seen from the unit, left one first */
    struct vector first_way, second_way;              /* directions of the edges that start there */
    struct vector left, right;                        /* its sides */
    bool is_point, is_left_foreign, is_right_foreign; /* foreign: the side belongs to the next edge, which sees to it */
};

/* The half-plane that keeps the velocity out of the wedge at its nearest point; false: none is needed. */
static bool wedge_line(const struct mover *m, const struct wedge *w, struct line *line)
{
    struct vector v = m->velocity, chord = minus(w->second, w->first), from_first = minus(v, w->first);
    double t = w->is_point ? 0.5 : dot(from_first, chord) / dot(chord, chord);
    double t_left = dot(from_first, w->left), t_right = dot(minus(v, w->second), w->right);
    if ((t < 0 && t_left < 0) || (w->is_point && t_left < 0 && t_right < 0)) {
        *line = rounded(m, w->first);
        return true;
    }
    if (t > 1 && t_right < 0) {
        *line = rounded(m, w->second);
        return true;
    }
    struct vector to_chord = minus(v, along(w->first, chord, t)), to_left = minus(v, along(w->first, w->left, t_left)),
                  to_right = minus(v, along(w->second, w->right, t_right));
    double chord_square = t < 0 || t > 1 || w->is_point ? INFINITY : dot(to_chord, to_chord);
    double left_square = t_left < 0 ? INFINITY : dot(to_left, to_left);
    double right_square = t_right < 0 ? INFINITY : dot(to_right, to_right);
    if (chord_square <= left_square && chord_square <= right_square) {
        *line = shifted(m, w->first, negated(w->first_way));
        return true;
    }
    bool is_left = left_square <= right_square;
    *line = is_left ? shifted(m, w->first, w->left) : shifted(m, w->second, negated(w->right));
    return !(is_left ? w->is_left_foreign : w->is_right_foreign) && !isnan(line->direction.x);
}

/* The line of one edge, seen from the unit: ends a and b. False: none. */
static bool edge_line(const struct mover *m, struct vector a, struct vector b, int edge, struct line *line)
{
    struct vector way = edge_direction[edge], next_way = edge_direction[(edge + 1) % 4], chord = minus(b, a);
    double r2 = m->radius * m->radius, s = -dot(a, chord) / dot(chord, chord);
    struct vector foot = along(a, chord, s);
    double a2 = dot(a, a), b2 = dot(b, b), foot2 = dot(foot, foot);
    line->point = (struct vector){0, 0};
    if (s < 0 && a2 < r2) { /* touching the first end */
        line->direction = unit_vector((struct vector){-a.y, a.x});
        return true;
    }
    if (s > 1 && b2 <= r2) { /* the second end, unless the next edge sees to it */
        line->direction = unit_vector((struct vector){-b.y, b.x});
        return cross(b, next_way) >= 0;
    }
    if (s > 0 && s < 1 && foot2 <= r2) { /* the edge itself */
        line->direction = negated(way);
        return true;
    }
    bool is_first_only = s < 0 && foot2 <= r2, is_second_only = s > 1 && foot2 <= r2;
    struct wedge w = {.first = is_second_only ? b : a,
                      .second = is_first_only ? a : b,
                      .first_way = is_second_only ? next_way : way,
                      .second_way = is_first_only ? way : next_way,
                      .is_point = is_first_only || is_second_only};
    struct vector before = negated(edge_direction[(edge + 3) % 4]);
    w.left = leg(w.first, m->radius, 1);
    w.right = leg(w.second, m->radius, -1);
    w.is_left_foreign = cross(w.left, before) >= 0;
    w.is_right_foreign = cross(w.right, w.second_way) <= 0;
    if (w.is_left_foreign)
        w.left = before;
    if (w.is_right_foreign)
        w.right = w.second_way;
    return wedge_line(m, &w, line);
}

static bool is_box_near(const struct mover *m, const struct smac_box *box)
{
    double reach = m->radius + HORIZON * m->top_speed, x = m->position.x, y = m->position.y;
    double dx = smac_most(smac_most(box->west - x, x - box->east), 0);
    double dy = smac_most(smac_most(box->south - y, y - box->north), 0);
    return dx <= reach && dy <= reach && (dx + dy <= reach || dx * dx + dy * dy <= reach * reach);
}

/* Appends the lines of a box to lines[0..count): of the edges that the unit is outside of. */
static int add_box(const struct mover *m, const struct smac_box *box, struct line *lines, int count)
{
    double west = box->west - m->position.x, east = box->east - m->position.x, south = box->south - m->position.y,
           north = box->north - m->position.y;
    const struct vector corner[5] = {{west, south}, {east, south}, {east, north}, {west, north}, {west, south}};
    const bool is_outside[4] = {south > 0, east < 0, north<0, west> 0};
    for (int edge = 0; edge < 4; edge++)
        if (is_outside[edge] && !is_covered(lines, count, corner[edge], corner[edge + 1], m->radius))
            count += edge_line(m, corner[edge], corner[edge + 1], edge, &lines[count]);
    return count;
}

static int add_boxes(const struct mover *m, const struct smac_map *map, int from, int to, struct line *lines, int count)
{
    for (int i = from; i < to; i++)
        if (is_box_near(m, &map->boxes[i]))
            count = add_box(m, &map->boxes[i], lines, count);
    return count;
}

/* The boxes that a unit may have to evade; off the map any. As map->near. */
static uint64_t boxes_near(const struct smac_map *map, double x, double y)
{
    bool is_inside = x >= 0 && x < SMAC_SIDE && y >= 0 && y < SMAC_SIDE;
    uint64_t all = map->n_boxes < SMAC_BOX_BITS ? (1ull << map->n_boxes) - 1 : ~0ull;
    return is_inside ? map->near[(int)y][(int)x] : all;
}

static int add_cliffs(const struct mover *m, const struct smac_map *map, uint64_t boxes, struct line *lines)
{
    int count = 0;
    for (; boxes; boxes &= boxes - 1) {
        int i = __builtin_ctzll(boxes);
        count = add_boxes(m, map, i, i < SMAC_BOX_BITS - 1 ? i + 1 : map->n_boxes, lines, count);
    }
    return count;
}

/* -- units ---------------------------------------------------------------------------------------------------------------------- */

/* The living units of a plane by ascending id, side by side. */
struct plane {
    int n;
    uint8_t id[SMAC_UNITS_MAX];
    bool moves[SMAC_UNITS_MAX]; /* wants to */
    double x[SMAC_UNITS_MAX], y[SMAC_UNITS_MAX], vx[SMAC_UNITS_MAX], vy[SMAC_UNITS_MAX], radius[SMAC_UNITS_MAX];
    double search2[SMAC_UNITS_MAX]; /* the square of how far neighbours are looked for; -1 for those that want to stand */
};

#define BATCH 32 /* pairs whose lines are computed at once */

/* What two units have to do with each other, seen from the first: where the second is, the velocity relative to it, the sum of
 * the radii. The line of the second is the same turned around, so it is computed once. */
struct batch {
    double square[BATCH], px[BATCH], py[BATCH], vx[BATCH], vy[BATCH], reach[BATCH];
};

/* Of a pair: the direction of the first one's line, and the change of relative velocity that avoids the other. */
struct evasion {
    double dx, dy, ux, uy;
};

#define PAIRS_MAX (SMAC_UNITS_MAX * (SMAC_UNITS_MAX - 1) / 2)

/* By index in the plane: the pairs of a unit that wants to move, by ascending id of the other. */
struct pairs {
    int n;
    uint8_t count[SMAC_UNITS_MAX], other[SMAC_UNITS_MAX][SMAC_UNITS_MAX];
    uint16_t pair[SMAC_UNITS_MAX][SMAC_UNITS_MAX];
    struct evasion evasion[PAIRS_MAX];
};

/* Written without branches, so that compilers make vector code of it. Three cases: units that touch get out of each other within
 * a tick; of others the relative velocity is nearest to the circle that cuts the forbidden cone off, or to a side of it. */
static void evade(const struct batch *in, int n, struct evasion *out)
{
    for (int k = 0; k < n; k++) {
        double px = in->px[k], py = in->py[k], vx = in->vx[k], vy = in->vy[k], reach = in->reach[k];
        double distance = sqrt(in->square[k]), d2 = distance * distance; /* as the reference rounds it */
        double reach2 = reach * reach, far = d2 - reach2, rate = far > 0 ? 1 / HORIZON : SMAC_TICKS_PER_SECOND;
        double wx = vx - rate * px, wy = vy - rate * py, w2 = products(wx, wx, wy, wy), wp = products(wx, px, wy, py);
        double w = sqrt(w2), divisor = w > 0 ? w : 1;
        double ex = w > 0 ? wx / divisor : 1, ey = wy / divisor, push = reach * rate - w; /* to the circle */
        double leg = sqrt(far > 0 ? far : 0), side = px * wy - py * wx > 0 ? leg : -leg, square = d2 > 0 ? d2 : 1;
        double lx = (px * side - py * reach) / square, ly = (px * reach + py * side) / square, vl = products(vx, lx, vy, ly);
        bool is_circle = (far <= 0) | ((wp < 0) & (wp * wp > reach2 * w2));
        out[k].dx = is_circle ? ey : lx;
        out[k].dy = is_circle ? -ex : ly;
        out[k].ux = is_circle ? push * ex : vl * lx - vx;
        out[k].uy = is_circle ? push * ey : vl * ly - vy;
    }
}

static void add_to_batch(const struct smac_params *p, const struct plane *plane, int i, int j, double square, struct batch *batch,
                         int k)
{
    batch->square[k] = square;
    batch->px[k] = smac_kept(p, plane->x[j] - plane->x[i]);
    batch->py[k] = smac_kept(p, plane->y[j] - plane->y[i]);
    batch->vx[k] = plane->vx[i] - plane->vx[j];
    batch->vy[k] = plane->vy[i] - plane->vy[j];
    batch->reach[k] = plane->radius[i] + plane->radius[j];
}

/* Sets of units of a plane by strip of the map, from west to east and from south to north: a unit's possible neighbours are in
 * its own strips and those beside them. Units off the map count to the outermost. */
#define STRIPS 64
#define NARROWEST ((double)SMAC_SIDE / STRIPS)
#define FEW 12 /* so many units are compared without */
#define WORDS ((SMAC_UNITS_MAX + 63) / 64)
struct strips {
    double per_cell; /* a strip is at least as wide as neighbours can be apart */
    int count;
    uint64_t column[STRIPS + 2][WORDS], row[STRIPS + 2][WORDS]; /* with an empty one on either side */
};

static int strip_of(const struct strips *strips, double x)
{
    double at = x * strips->per_cell;
    return 1 + (at < 0 ? 0 : at >= strips->count ? strips->count - 1 : (int)at);
}

static void sort_into_strips(const struct plane *plane, double apart, struct strips *strips)
{
    double width = smac_most(apart, NARROWEST) * 1.0001; /* for rounding */
    strips->per_cell = 1 / width;
    strips->count = 1 + (int)((SMAC_SIDE - 1e-6) / width);
    memset(strips->column, 0, (size_t)(strips->count + 2) * sizeof *strips->column);
    memset(strips->row, 0, (size_t)(strips->count + 2) * sizeof *strips->row);
    for (int i = 0; i < plane->n; i++) {
        strips->column[strip_of(strips, plane->x[i])][i / 64] |= 1ull << i % 64;
        strips->row[strip_of(strips, plane->y[i])][i / 64] |= 1ull << i % 64;
    }
}

/* The units after i, by ascending index, that may be near it: all of a few, else those of the strips around. Returns how many. */
static int list_candidates(const struct plane *plane, const struct strips *strips, int i, uint8_t *out)
{
    int count = 0;
    if (plane->n <= FEW) {
        for (int j = i + 1; j < plane->n; j++)
            out[count++] = (uint8_t)j;
        return count;
    }
    const uint64_t(*c)[WORDS] = &strips->column[strip_of(strips, plane->x[i])];
    const uint64_t(*r)[WORDS] = &strips->row[strip_of(strips, plane->y[i])];
    for (int w = i / 64; w * 64 < plane->n; w++) {
        uint64_t after = w == i / 64 ? ~1ull << i % 64 : ~0ull;
        for (uint64_t set = after & (c[-1][w] | c[0][w] | c[1][w]) & (r[-1][w] | r[0][w] | r[1][w]); set; set &= set - 1)
            out[count++] = (uint8_t)(w * 64 + __builtin_ctzll(set));
    }
    return count;
}

/* Keeps of a unit's candidates those that are near enough for one of the two, with the squares of their distances. Without
 * branches: which are, is hard to foretell. */
static int keep_near(const struct plane *plane, int i, uint8_t *candidates, int count, double *square)
{
    int kept = 0;
    for (int k = 0; k < count; k++) {
        int j = candidates[k];
        double dx = plane->x[j] - plane->x[i], dy = plane->y[j] - plane->y[i];
        square[kept] = dx * dx + dy * dy;
        candidates[kept] = (uint8_t)j;
        kept += (square[kept] <= plane->search2[i]) | (square[kept] <= plane->search2[j]);
    }
    return kept;
}

static void note_pair(struct pairs *pairs, int i, int j)
{
    pairs->other[i][pairs->count[i]] = (uint8_t)j;
    pairs->pair[i][pairs->count[i]++] = (uint16_t)pairs->n;
}

/* All pairs of which one wants to move and has the other within its search distance. In this order each unit's list ascends. */
static void find_pairs(const struct smac_params *p, const struct plane *plane, struct pairs *pairs)
{
    struct batch batch;
    struct strips strips;
    pairs->n = 0;
    memset(pairs->count, 0, (size_t)plane->n);
    if (plane->n > FEW)
        sort_into_strips(plane, 2 * p->largest_radius, &strips);
    for (int i = 0; i < plane->n; i++) {
        uint8_t near[SMAC_UNITS_MAX];
        double square[SMAC_UNITS_MAX + 1];
        int count = keep_near(plane, i, near, list_candidates(plane, &strips, i, near), square);
        for (int k = 0; k < count; k++) {
            if (square[k] <= plane->search2[i])
                note_pair(pairs, i, near[k]);
            if (square[k] <= plane->search2[near[k]])
                note_pair(pairs, near[k], i);
            add_to_batch(p, plane, i, near[k], square[k], &batch, pairs->n % BATCH);
            if (++pairs->n % BATCH == 0)
                evade(&batch, BATCH, pairs->evasion + pairs->n - BATCH);
        }
    }
    evade(&batch, pairs->n % BATCH, pairs->evasion + pairs->n / BATCH * BATCH);
}

static int add_units(const struct plane *plane, const struct pairs *pairs, int i, struct line *lines)
{
    for (int k = 0; k < pairs->count[i]; k++) {
        int j = pairs->other[i][k];
        const struct evasion *e = &pairs->evasion[pairs->pair[i][k]];
        double sign = j > i ? 1 : -1, effort = sign * (plane->moves[j] ? 0.5 : 1); /* the share of the evasion that is ours */
        lines[k].point = (struct vector){plane->vx[i] + effort * e->ux, plane->vy[i] + effort * e->uy};
        lines[k].direction = (struct vector){sign * e->dx, sign * e->dy};
    }
    return pairs->count[i];
}

/* -- everybody ------------------------------------------------------------------------------------------------------------------ */

static struct vector avoid(const struct smac_params *p, const struct plane *plane, const struct pairs *pairs, int i,
                           const struct smac_type *type, uint64_t boxes, struct vector wanted)
{
    struct line lines[LINES_MAX];
    const struct mover m = {.position = {plane->x[i], plane->y[i]},
                            .velocity = {plane->vx[i], plane->vy[i]},
                            .radius = type->radius,
                            .top_speed = type->speed,
                            .has_cliff_slip = p->has_cliff_slip};
    int n_cliffs = add_cliffs(&m, &p->map, boxes, lines);
    int count = n_cliffs + add_units(plane, pairs, i, lines + n_cliffs);
    struct vector v;
    int solved = solve(lines, count, m.top_speed, wanted, false, &v);
    if (solved < count)
        solve_least_bad(lines, n_cliffs, solved, count, m.top_speed, &v);
    return v;
}

static void add_to_plane(struct plane *plane, const struct smac_traffic *t, int id, double largest_radius)
{
    const struct smac_unit *unit = &t->unit[id];
    int i = plane->n++;
    plane->id[i] = (uint8_t)id;
    plane->moves[i] = t->want_x[id] != 0 || t->want_y[id] != 0;
    plane->x[i] = unit->x;
    plane->y[i] = unit->y;
    plane->vx[i] = unit->vx;
    plane->vy[i] = unit->vy;
    plane->radius[i] = smac_type_of(unit)->radius;
    double search = plane->radius[i] + largest_radius;
    plane->search2[i] = plane->moves[i] ? search * search : -1;
}

static void avoid_on(const struct smac_params *p, struct smac_traffic *t, const struct plane *plane)
{
    struct pairs pairs;
    find_pairs(p, plane, &pairs);
    for (int i = 0; i < plane->n; i++) {
        int id = plane->id[i];
        const struct smac_type *type = smac_type_of(&t->unit[id]);
        struct vector v = {t->want_x[id], t->want_y[id]};
        uint64_t boxes = type->plane == GROUND ? boxes_near(&p->map, plane->x[i], plane->y[i]) : 0;
        if (plane->moves[i])
            v = pairs.count[i] || boxes ? avoid(p, plane, &pairs, i, type, boxes, v) : limited(v, type->speed);
        t->next_x[id] = v.x;
        t->next_y[id] = v.y;
    }
}

void SMAC_AVOID(const struct smac_params *p, struct smac_traffic *t)
{
    struct plane ground, air;
    ground.n = air.n = 0;
    for (int i = 0; i < t->n_live; i++)
        add_to_plane(smac_type_of(&t->unit[t->live[i]])->plane == GROUND ? &ground : &air, t, t->live[i], p->largest_radius);
    avoid_on(p, t, &ground);
    if (air.n)
        avoid_on(p, t, &air);
}
