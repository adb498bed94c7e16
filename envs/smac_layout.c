/* SMAC combat: what follows from a map's cells and groups: rectangles of cliff, which units evade and pictures show, and where the
 * units of a group stand. */
#include <math.h>

#include "envs/smac.h"

#define GAP 0.05 /* cells between units of a group; SMAClite's */

/* Rows of cells to rectangles as SMAClite does it: from each cliff cell not yet covered, as far east as there is cliff, then as
 * far north as the whole run is cliff. They may overlap. A row has at most 16 runs, so there are at most SMAC_BOXES_MAX. */
static void find_boxes(struct smac_map *map)
{
    uint32_t covered[SMAC_SIDE] = {0};
    for (int y = 0; y < SMAC_SIDE; y++)
        for (int x = 0; x < SMAC_SIDE; x++) {
            if (((covered[y] | map->walkable[y]) >> x) & 1)
                continue;
            int right = x, top = y;
            while (right < SMAC_SIDE && !(map->walkable[y] >> right & 1))
                right++;
            uint32_t run = (uint32_t)((1ull << right) - (1ull << x));
            while (top < SMAC_SIDE && !(map->walkable[top] & run))
                covered[top++] |= run;
            map->boxes[map->n_boxes++] = (struct smac_box){(float)x, (float)y, (float)right, (float)top};
        }
}

static double gap(double a, double b, double c, double d)
{
    return smac_most(smac_most(c - b, a - d), 0); /* between [a, b] and [c, d] */
}

/* How far a unit looks for cliffs: as far as it goes in the second that avoidance looks ahead, from its rim. */
static double farthest_look(const struct smac_map *map)
{
    double farthest = 0;
    for (int kind = 0; kind < SMAC_KINDS; kind++)
        if ((map->kinds[ALLY] | map->kinds[ENEMY]) >> kind & 1)
            farthest = smac_most(farthest, smac_types[kind].radius + smac_types[kind].speed);
    return farthest;
}

static void note_near_boxes(struct smac_map *map)
{
    double look = farthest_look(map) * 1.001; /* for rounding; what is noted is looked at more exactly later */
    for (int y = 0; y < SMAC_SIDE; y++)
        for (int x = 0; x < SMAC_SIDE; x++)
            for (int i = 0; i < map->n_boxes; i++) {
                const struct smac_box *box = &map->boxes[i];
                double dx = gap(x, x + 1, box->west, box->east), dy = gap(y, y + 1, box->south, box->north);
                int bit = i < SMAC_BOX_BITS - 1 ? i : SMAC_BOX_BITS - 1;
                if (dx * dx + dy * dy <= look * look)
                    map->near[y][x] |= 1ull << bit;
            }
}

void smac_lay_out(const uint8_t *kinds, int count, enum smac_side side, double x, double y, double *out_x, double *out_y)
{
    int q = (int)ceil(sqrt(count)), sign = side == ALLY ? 1 : -1;
    double radius[SMAC_UNITS_MAX] = {0}, width = 0, height = 0; /* radius: largest of a row */
    for (int row = 0; row < q; row++) {
        double row_width = 0;
        for (int i = row * q; i < count && i < (row + 1) * q; i++) {
            radius[row] = fmax(radius[row], smac_types[kinds[i]].radius);
            row_width += 2 * smac_types[kinds[i]].radius;
        }
        width = fmax(width, row_width);
        height += radius[row];
    }
    height = 2 * height + (q - 1) * GAP;
    double left = x - sign * width / 2, before = 0;
    y -= sign * height / 2;
    for (int row = 0; row < q; row++) {
        double at = left, beside = 0;
        y += sign * (before + radius[row]);
        before = radius[row];
        for (int i = row * q; i < count && i < (row + 1) * q; i++) {
            at += sign * (beside + smac_types[kinds[i]].radius);
            beside = smac_types[kinds[i]].radius;
            out_x[i] = at;
            out_y[i] = y;
            at += sign * GAP;
        }
        y += sign * GAP;
    }
}

static void lay_out_groups(struct smac_map *map)
{
    for (int i = 0; i < map->n_groups; i++) {
        const struct smac_group *group = &map->groups[i];
        int first = group->first;
        smac_lay_out(map->kind + first, group->count, (enum smac_side)group->side, (group->x0 + group->x1) / 2,
                     (group->y0 + group->y1) / 2, map->spawn_x + first, map->spawn_y + first);
    }
}

/* Scattered units need a cell to stand on. */

void smac_map_derive(struct smac_map *map)
{
    find_boxes(map);
    note_near_boxes(map);
    lay_out_groups(map);
}
