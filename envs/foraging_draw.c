/* Level-based foraging: pictures of a board, as text and as shapes. */
#include <stdio.h>

#include "envs/foraging.h"

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

void foraging_render(const void *params, const void *state, char *text, size_t size)
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

/* One cell is one unit; row 0 is on top. */
static float bottom_of(const struct foraging_params *p, const struct piece *piece)
{
    return (float)(p->rows - 1 - piece->row);
}

static void draw_grid(const struct foraging_params *p, struct scene *scene)
{
    float width = (float)p->cols, height = (float)p->rows;
    scene_rect(scene, INK_GROUND, 0, 0, 0, width, height);
    for (int col = 0; col <= p->cols; col++)
        scene_line(scene, INK_GRID, 0, (float)col, 0, (float)col, height, 0.02f);
    for (int row = 0; row <= p->rows; row++)
        scene_line(scene, INK_GRID, 0, 0, (float)row, width, (float)row, 0.02f);
}

/* Food as squares, players as discs (those that see nothing with a bar across), both with their level. */
void foraging_draw(const void *params, const void *state, struct scene *scene)
{
    const struct foraging_params *p = params;
    const struct foraging_state *g = state;
    const struct piece *food = foraging_foods_view(p, g);
    scene_begin(scene, 0, 0, (float)p->cols, (float)p->rows);
    draw_grid(p, scene);
    for (int i = 0; i < g->n_food; i++) {
        float x = food[i].col, y = bottom_of(p, &food[i]);
        scene_rect(scene, INK_GOAL, 0, x + 0.15f, y + 0.15f, 0.7f, 0.7f);
        scene_text(scene, INK_LABEL, 0, x + 0.5f, y + 0.5f, 0.5f, "%d", food[i].level);
    }
    for (int n = 0; n < p->P; n++) {
        float x = g->piece[n].col, y = bottom_of(p, &g->piece[n]);
        scene_circle(scene, INK_ALLY, n, x + 0.5f, y + 0.5f, 0.38f);
        if (n >= p->n_seers)
            scene_line(scene, INK_WALL, 0, x + 0.2f, y + 0.72f, x + 0.8f, y + 0.72f, 0.08f);
        scene_text(scene, INK_LABEL, 0, x + 0.5f, y + 0.5f, 0.45f, "%d", g->piece[n].level);
    }
}
