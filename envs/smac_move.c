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

#include "envs/smac.h"

#define HORIZON 1.0     /* seconds that are looked ahead; written where it multiplies, as in the paper */
#define PARALLEL 1e-5   /* a smaller cross product of unit directions counts as parallel */
#define COVERED (-1e-5) /* tolerance of "an earlier line covers this edge" */

#define BOX_LINES 2 /* edges of a rectangle that face a point outside */
#define LINES_MAX (BOX_LINES * SMAC_BOXES_MAX + SMAC_UNITS_MAX)

struct vector {
    double x, y;
};

struct line {
    struct vector point, direction;
};

struct mover { /* the unit whose velocity is sought */
    struct vector position, velocity, wanted;
    double radius, top_speed;
    bool has_cliff_slip;
};

static inline struct vector minus(struct vector a, struct vector b)
{
    return (struct vector){a.x - b.x, a.y - b.y};
}

static inline struct vector times(struct vector a, double s)
{
    return (struct vector){a.x * s, a.y * s};
}

static inline struct vector along(struct vector from, struct vector direction, double t)
{
    return (struct vector){from.x + t * direction.x, from.y + t * direction.y};
}

static inline double dot(struct vector a, struct vector b)
{
    return a.x * b.x + a.y * b.y;
}

static inline double cross(struct vector a, struct vector b)
{
    return a.x * b.y - a.y * b.x;
}

static inline struct vector negated(struct vector a)
{
    return (struct vector){-a.x, -a.y};
}

static inline struct vector turned_right(struct vector a)
{
    return (struct vector){a.y, -a.x};
}

/* Of length 1; east where there is no direction. */
static inline struct vector unit_vector(struct vector a)
{
    double length = sqrt(dot(a, a));
    return length > 0 ? (struct vector){a.x / length, a.y / length} : (struct vector){1, 0};
}

static inline bool is_allowed(const struct line *line, struct vector v, double slack)
{
    return cross(line->direction, minus(line->point, v)) <= slack;
}

/* -- cliffs --------------------------------------------------------------------------------------------------------------------- */

/* The edges of a box counter-clockwise from its south-west corner, cliff on their left. */
static const struct vector edge_direction[4] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};

static struct vector corner(const struct smac_box *box, int edge)
{
    return (struct vector){box->x + (edge == 1 || edge == 2 ? box->width : 0), box->y + (edge >= 2 ? box->height : 0)};
}

static bool is_covered(const struct line *lines, int count, struct vector a, struct vector b, double radius)
{
    for (int i = 0; i < count; i++)
        if (cross(minus(a, lines[i].point), lines[i].direction) - radius >= COVERED &&
            cross(minus(b, lines[i].point), lines[i].direction) - radius >= COVERED)
            return true;
    return false;
}

/* The tangent from the origin to the circle around z: on its left for side 1, on its right for -1. */
static struct vector leg(struct vector z, double radius, double side)
{
    double square = dot(z, z), length = sqrt(smac_most(square - radius * radius, 0)), r = side * radius;
    if (square == 0)
        return (struct vector){1, 0};
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

struct wedge { /* of velocities that run into an edge within the horizon */
    struct vector first, second;           /* its ends as seen from the unit, left one first */
    struct vector first_way, second_way;   /* directions of the edges that start there */
    struct vector left, right;             /* its sides */
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
    return !(is_left ? w->is_left_foreign : w->is_right_foreign);
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
    double reach = m->radius + HORIZON * m->top_speed;
    double dx = smac_most(0, fabs(m->position.x - (box->x + box->width / 2)) - box->width / 2);
    double dy = smac_most(0, fabs(m->position.y - (box->y + box->height / 2)) - box->height / 2);
    return dx <= reach && dy <= reach && (dx + dy <= reach || dx * dx + dy * dy <= reach * reach);
}

/* Appends the lines of a box to lines[0..count). */
static int add_box(const struct mover *m, const struct smac_box *box, struct line *lines, int count)
{
    for (int edge = 0; edge < 4; edge++) {
        struct vector a = minus(corner(box, edge), m->position), b = minus(corner(box, (edge + 1) % 4), m->position);
        if (cross(a, minus(b, a)) >= 0) /* the unit is not outside of this edge */
            continue;
        if (!is_covered(lines, count, a, b, m->radius))
            count += edge_line(m, a, b, edge, &lines[count]);
    }
    return count;
}

static int add_cliffs(const struct mover *m, const struct smac_map *map, struct line *lines)
{
    int count = 0;
    for (int i = 0; i < map->n_boxes; i++)
        if (is_box_near(m, &map->boxes[i]))
            count = add_box(m, &map->boxes[i], lines, count);
    return count;
}

/* -- units ---------------------------------------------------------------------------------------------------------------------- */

/* p: where the other is, seen from the unit; v: velocity relative to it; reach: sum of the radii; effort: the share of the
 * evasion that is ours. */
static struct line neighbour_line(struct vector velocity, struct vector p, struct vector v, double square, double reach,
                                  double effort)
{
    struct vector direction, u;
    double distance = sqrt(square), d2 = distance * distance, reach2 = reach * reach; /* d2: as the reference rounds it */
    if (d2 > reach2) {
        struct vector w = minus(v, p);
        double w2 = dot(w, w), wp = dot(w, p);
        if (wp < 0 && wp * wp > reach2 * w2) { /* nearest to the cut-off circle */
            double length = sqrt(w2);
            struct vector e = times(w, 1 / length);
            direction = turned_right(e);
            u = times(e, reach - length);
        } else { /* nearest to a side of the cone */
            double l = sqrt(d2 - reach2);
            direction = cross(p, w) > 0 ? (struct vector){(p.x * l - p.y * reach) / d2, (p.x * reach + p.y * l) / d2}
                                        : (struct vector){(-p.x * l - p.y * reach) / d2, (p.x * reach - p.y * l) / d2};
            u = minus(times(direction, dot(v, direction)), v);
        }
    } else { /* touching: apart within one tick */
        struct vector w = minus(v, times(p, SMAC_TICKS_PER_SECOND)), e = unit_vector(w);
        direction = turned_right(e);
        u = times(e, reach * SMAC_TICKS_PER_SECOND - sqrt(dot(w, w)));
    }
    return (struct line){along(velocity, u, effort), direction};
}

/* -- the nearest allowed velocity ----------------------------------------------------------------------------------------------- */

/* Moves *v along lines[at] to the best point that the lines before it and the top speed allow: nearest to `wanted`, or, if
 * is_direction, farthest in that direction. False, and *v as it was: there is none. */
static bool solve_on_line(const struct line *lines, int at, double top_speed, struct vector wanted, bool is_direction,
                          struct vector *v)
{
    struct vector P = lines[at].point, d = lines[at].direction;
    double b = dot(P, d), discriminant = b * b + top_speed * top_speed - dot(P, P);
    if (discriminant < 0)
        return false;
    double root = sqrt(discriminant), left = -b - root, right = -b + root;
    for (int i = 0; i < at; i++) {
        double denominator = cross(d, lines[i].direction), numerator = cross(lines[i].direction, minus(P, lines[i].point));
        if (fabs(denominator) < PARALLEL) {
            if (numerator < 0)
                return false;
            continue;
        }
        double t = numerator / denominator;
        if (denominator >= 0)
            right = t < right ? t : right;
        else
            left = t > left ? t : left;
        if (left > right)
            return false;
    }
    double t = is_direction ? (dot(wanted, d) > 0 ? right : left) : dot(d, minus(wanted, P));
    *v = along(P, d, t < left ? left : t > right ? right : t);
    return true;
}

/* Returns how many lines could be respected, in order, and leaves in *v the best velocity for those. */
static int solve(const struct line *lines, int count, double top_speed, struct vector wanted, bool is_direction, struct vector *v)
{
    if (is_direction)
        *v = times(wanted, top_speed);
    else if (dot(wanted, wanted) > top_speed * top_speed)
        *v = times(unit_vector(wanted), top_speed);
    else
        *v = wanted;
    for (int i = 0; i < count; i++)
        if (!is_allowed(&lines[i], *v, 0) && !solve_on_line(lines, i, top_speed, wanted, is_direction, v))
            return i;
    return count;
}

/* The line where lines i and j are violated equally; false: they are parallel and alike. */
static bool between(const struct line *i, const struct line *j, struct line *out)
{
    double determinant = cross(i->direction, j->direction);
    if (fabs(determinant) <= PARALLEL) {
        if (dot(i->direction, j->direction) > 0)
            return false;
        out->point = (struct vector){0.5 * (i->point.x + j->point.x), 0.5 * (i->point.y + j->point.y)};
    } else {
        out->point = along(i->point, i->direction, cross(j->direction, minus(i->point, j->point)) / determinant);
    }
    out->direction = unit_vector(minus(j->direction, i->direction));
    return true;
}

/* Nothing satisfies all: cliffs are respected, and the worst violation of the units' lines is made least. */
static void solve_least_bad(const struct line *lines, int n_cliffs, int from, int count, double top_speed, struct vector *v)
{
    struct line projected[LINES_MAX];
    double violation = 0;
    for (int i = 0; i < n_cliffs; i++)
        projected[i] = lines[i];
    for (int i = from; i < count; i++) {
        if (is_allowed(&lines[i], *v, violation))
            continue;
        int n = n_cliffs;
        for (int j = n_cliffs; j < i; j++)
            n += between(&lines[i], &lines[j], &projected[n]);
        struct vector inward = {-lines[i].direction.y, lines[i].direction.x}, best;
        if (solve(projected, n, top_speed, inward, true, &best) == n)
            *v = best;
        violation = cross(lines[i].direction, minus(lines[i].point, *v));
    }
}

/* -- everybody ------------------------------------------------------------------------------------------------------------------ */

struct plane { /* the living units of a plane, side by side for the search */
    int n;
    uint8_t id[SMAC_UNITS_MAX];
    double x[SMAC_UNITS_MAX], y[SMAC_UNITS_MAX];
};

static bool wants_to_move(const struct smac_traffic *t, int id)
{
    return t->want_x[id] != 0 || t->want_y[id] != 0;
}

static int add_units(const struct smac_params *p, const struct mover *m, const struct smac_traffic *t, const struct plane *plane, int id, double search,
                     struct line *lines)
{
    int count = 0;
    for (int i = 0; i < plane->n; i++) {
        double dx = plane->x[i] - m->position.x, dy = plane->y[i] - m->position.y, square = dx * dx + dy * dy;
        int other = plane->id[i];
        if (!(square <= search * search) || other == id)
            continue;
        const struct smac_unit *unit = &t->unit[other];
        struct vector v = {m->velocity.x - unit->vx, m->velocity.y - unit->vy};
        double effort = wants_to_move(t, other) ? 0.5 : 1;
        struct vector apart = {smac_kept(p, dx), smac_kept(p, dy)};
        lines[count++] = neighbour_line(m->velocity, apart, v, square, m->radius + smac_type_of(unit)->radius, effort);
    }
    return count;
}

static void avoid(const struct smac_params *p, struct smac_traffic *t, const struct plane *plane, int id)
{
    struct line lines[LINES_MAX];
    const struct smac_unit *unit = &t->unit[id];
    const struct smac_type *type = smac_type_of(unit);
    const struct mover m = {.position = {unit->x, unit->y},
                            .velocity = {unit->vx, unit->vy},
                            .wanted = {t->want_x[id], t->want_y[id]},
                            .radius = type->radius,
                            .top_speed = type->speed,
                            .has_cliff_slip = p->has_cliff_slip};
    int n_cliffs = type->plane == GROUND ? add_cliffs(&m, &p->map, lines) : 0;
    int count = n_cliffs + add_units(p, &m, t, plane, id, m.radius + p->largest_radius, lines + n_cliffs);
    struct vector v;
    int solved = solve(lines, count, m.top_speed, m.wanted, false, &v);
    if (solved < count)
        solve_least_bad(lines, n_cliffs, solved, count, m.top_speed, &v);
    t->next_x[id] = v.x;
    t->next_y[id] = v.y;
}

static void add_to_plane(struct plane *plane, const struct smac_unit *unit, int id)
{
    plane->id[plane->n] = (uint8_t)id;
    plane->x[plane->n] = unit->x;
    plane->y[plane->n++] = unit->y;
}

void smac_avoid(const struct smac_params *p, struct smac_traffic *t)
{
    struct plane ground, air;
    ground.n = air.n = 0;
    for (int i = 0; i < t->n_live; i++) {
        const struct smac_unit *unit = &t->unit[t->live[i]];
        add_to_plane(smac_type_of(unit)->plane == GROUND ? &ground : &air, unit, t->live[i]);
    }
    for (int i = 0; i < t->n_live; i++) {
        int id = t->live[i];
        t->next_x[id] = t->next_y[id] = 0;
        if (wants_to_move(t, id))
            avoid(p, t, smac_type_of(&t->unit[id])->plane == GROUND ? &ground : &air, id);
    }
}
