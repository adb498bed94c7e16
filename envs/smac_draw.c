/* SMAC combat: a frame of text, and the same as shapes.
 *
 * Text: a character per two cells of height and one of width would distort, so every cell of the plane is two characters wide; a
 * unit shows as its type's letter (upper case allies, lower case enemies) with its place beside it, cliff as '##'. Below, everybody's
 * health, and shield after a plus. Shapes: circles of the units' size, a bar of health and one of shield above, a line to the
 * target of each unit that has one. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/smac.h"

#define BAR_HEIGHT 0.12f
#define BAR_GAP 0.15f

struct canvas {
    char cell[SMAC_SIDE][2 * SMAC_SIDE + 1]; /* row 0: north */
};

static char glyph_of(const struct smac_params *p, const struct smac_unit *unit, int id)
{
    char glyph = smac_type_of(unit)->glyph;
    return p->map.side[id] == ALLY ? glyph : (char)tolower((unsigned char)glyph);
}

static char digit_of(int place)
{
    return (char)(place < 10 ? '0' + place : place < 36 ? 'a' + place - 10 : '*');
}

static void paint(const struct smac_params *p, const struct smac_state *g, struct canvas *canvas)
{
    for (int y = 0; y < SMAC_SIDE; y++) {
        for (int x = 0; x < SMAC_SIDE; x++)
            memcpy(&canvas->cell[SMAC_SIDE - 1 - y][2 * x], p->map.walkable[y] >> x & 1 ? " ." : "##", 2);
        canvas->cell[y][2 * SMAC_SIDE] = 0;
    }
    for (int id = 0; id < p->map.n_units; id++) {
        const struct smac_unit *unit = &g->unit[id];
        if (!unit->is_alive || unit->x < 0 || unit->x >= SMAC_SIDE || unit->y < 0 || unit->y >= SMAC_SIDE)
            continue;
        char *cell = &canvas->cell[SMAC_SIDE - 1 - (int)unit->y][2 * (int)unit->x];
        cell[0] = glyph_of(p, unit, id);
        cell[1] = digit_of(p->map.place[id]);
    }
}

void smac_render(const void *params, const void *state, char *text, size_t size)
{
    const struct smac_params *p = params;
    const struct smac_state *g = state;
    struct canvas canvas;
    size_t used = 0;
#define PRINT(...) (used += used < size ? (size_t)snprintf(text + used, size - used, __VA_ARGS__) : 0)
    paint(p, g, &canvas);
    PRINT("step %d of %d   allies %d   enemies %d\n", (int)g->step, (int)p->horizon, smac_count(p, g, ALLY),
          smac_count(p, g, ENEMY));
    for (int row = 0; row < SMAC_SIDE; row++)
        PRINT("%s\n", canvas.cell[row]);
    for (int side = ALLY; side <= ENEMY; side++) {
        PRINT("%s", side == ALLY ? "allies " : "enemies");
        for (int id = 0; id < p->map.n_units; id++) {
            const struct smac_unit *unit = &g->unit[id];
            if (p->map.side[id] != side || !unit->is_alive)
                continue;
            PRINT(" %c%c:%.0f", glyph_of(p, unit, id), digit_of(p->map.place[id]), unit->hp);
            if (unit->shield > 0)
                PRINT("+%.0f", unit->shield);
        }
        PRINT("\n");
    }
#undef PRINT
}

/* A bar of `share` of full length above a unit, `level` bars up. */
static void draw_bar(struct scene *scene, enum scene_ink ink, const struct smac_unit *unit, double share, int level)
{
    float radius = (float)smac_type_of(unit)->radius;
    float y = (float)unit->y + radius + BAR_GAP + (float)level * (BAR_HEIGHT + BAR_GAP / 3);
    scene_rect(scene, ink, 0, (float)unit->x - radius, y, 2 * radius * (float)share, BAR_HEIGHT);
}

static void draw_unit(const struct smac_params *p, const struct smac_unit *unit, int id, struct scene *scene)
{
    const struct smac_type *type = smac_type_of(unit);
    bool is_ally = p->map.side[id] == ALLY;
    scene_circle(scene, is_ally ? INK_ALLY : INK_ENEMY, is_ally ? p->map.place[id] : unit->kind, (float)unit->x, (float)unit->y,
                 (float)type->radius);
    scene_text(scene, INK_LABEL, 0, (float)unit->x, (float)unit->y, (float)type->radius, "%c%s", type->glyph,
               unit->is_disabled ? "!" : "");
    draw_bar(scene, INK_HEALTH, unit, unit->hp / type->hp, 0);
    if (unit->shield > 0)
        draw_bar(scene, INK_SHIELD, unit, unit->shield / type->shield, 1);
}

static void draw_aim(const struct smac_state *g, const struct smac_unit *unit, struct scene *scene)
{
    if (unit->target == SMAC_NOBODY || !g->unit[unit->target].is_alive)
        return;
    const struct smac_unit *target = &g->unit[unit->target];
    scene_line(scene, INK_EFFECT, 0, (float)unit->x, (float)unit->y, (float)target->x, (float)target->y, 0.04f);
}

/* What can be walked on and a cell of cliff around it: many maps use a part of the plane only. */
static struct smac_box frame_of(const struct smac_map *map)
{
    struct smac_box frame = {SMAC_SIDE, SMAC_SIDE, 0, 0};
    for (int y = 0; y < SMAC_SIDE; y++)
        for (int x = 0; x < SMAC_SIDE; x++)
            if (map->walkable[y] >> x & 1)
                frame = (struct smac_box){.west = fminf(frame.west, (float)x - 1),
                                          .south = fminf(frame.south, (float)y - 1),
                                          .east = fmaxf(frame.east, (float)x + 2),
                                          .north = fmaxf(frame.north, (float)y + 2)};
    return (struct smac_box){fmaxf(frame.west, 0), fmaxf(frame.south, 0), fminf(frame.east, SMAC_SIDE),
                             fminf(frame.north, SMAC_SIDE)};
}

static void draw_box(struct scene *scene, enum scene_ink ink, const struct smac_box *box, const struct smac_box *frame)
{
    float west = fmaxf(box->west, frame->west), south = fmaxf(box->south, frame->south);
    float east = fminf(box->east, frame->east), north = fminf(box->north, frame->north);
    if (west < east && south < north)
        scene_rect(scene, ink, 0, west, south, east - west, north - south);
}

void smac_draw(const void *params, const void *state, struct scene *scene)
{
    const struct smac_params *p = params;
    const struct smac_state *g = state;
    const struct smac_box frame = frame_of(&p->map);
    scene_begin(scene, frame.west, frame.south, frame.east, frame.north);
    draw_box(scene, INK_GROUND, &frame, &frame);
    for (int i = 0; i < p->map.n_boxes; i++)
        draw_box(scene, INK_WALL, &p->map.boxes[i], &frame);
    for (int id = 0; id < p->map.n_units; id++)
        if (g->unit[id].is_alive)
            draw_aim(g, &g->unit[id], scene);
    for (int id = 0; id < p->map.n_units; id++)
        if (g->unit[id].is_alive)
            draw_unit(p, &g->unit[id], id, scene);
}
