/* SMAC combat, inside collision avoidance: plane vectors, half-planes of velocities, and the nearest velocity that they allow.
 * A header, because avoidance is compiled twice (smac_move_fused.c). */
#ifndef TESTUDO_ENVS_SMAC_SOLVE_H
#define TESTUDO_ENVS_SMAC_SOLVE_H

#include <math.h>
#include <stdbool.h>

#include "envs/smac.h"

#define PARALLEL 1e-5 /* a smaller cross product of unit directions counts as parallel */
#define BOX_LINES 2   /* edges of a rectangle that face a point outside */
#define LINES_MAX (BOX_LINES * SMAC_BOXES_MAX + SMAC_UNITS_MAX)

struct vector {
    double x, y;
};

struct line {
    struct vector point, direction;
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

/* a b + c d. Fused: as linear algebra libraries do it on processors that can, with the second product unrounded; see
 * smac_move_fused.c. */
static inline double products(double a, double b, double c, double d)
{
#ifdef SMAC_FUSED
    return fma(c, d, a * b);
#else
    return a * b + c * d;
#endif
}

static inline double dot(struct vector a, struct vector b)
{
    return products(a.x, b.x, a.y, b.y);
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

/* Moves *v along lines[at] to the best point that the lines before it and the top speed allow: nearest to `wanted`, or, if
 * is_direction, farthest in that direction. False, and *v as it was: there is none. */
static inline bool solve_on_line(const struct line *lines, int at, double top_speed, struct vector wanted, bool is_direction,
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

static inline struct vector limited(struct vector v, double top_speed)
{
    return dot(v, v) > top_speed * top_speed ? times(unit_vector(v), top_speed) : v;
}

/* Returns how many lines could be respected, in order, and leaves in *v the best velocity for those. */
static inline int solve(const struct line *lines, int count, double top_speed, struct vector wanted, bool is_direction,
                        struct vector *v)
{
    *v = is_direction ? times(wanted, top_speed) : limited(wanted, top_speed);
    for (int i = 0; i < count; i++)
        if (!is_allowed(&lines[i], *v, 0) && !solve_on_line(lines, i, top_speed, wanted, is_direction, v))
            return i;
    return count;
}

/* The line where lines i and j are violated equally; false: they are parallel and alike. */
static inline bool between(const struct line *i, const struct line *j, struct line *out)
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
static inline void solve_least_bad(const struct line *lines, int n_cliffs, int from, int count, double top_speed, struct vector *v)
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

#endif
