/* Particle worlds: a frame of text and a picture. Both show [-1.4,1.4]^2, where nearly all play happens;
 * a body that has left (nothing holds it back) is drawn at the picture's edge. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/mpe.h"

#define EDGE 1.4
#define TEXT_COLS 57 /* characters are about twice as high as wide */
#define TEXT_ROWS 29

static int cell_of(double x, int cells)
{
    double at = floor((x + EDGE) / (2 * EDGE) * cells);
    return (int)fmin(fmax(at, 0), cells - 1);
}

static void put(char grid[TEXT_ROWS][TEXT_COLS + 1], const double *at, char glyph)
{
    grid[cell_of(-at[1], TEXT_ROWS)][cell_of(at[0], TEXT_COLS)] = glyph;
}

/* The word that was said loudest, '_' for silence. */
static char word_of(const struct mpe_params *p, const struct mpe_state *g, int body)
{
    const double *said = mpe_speech(p, g, body);
    int best = -1;
    for (int w = 0; w < p->words; w++)
        if (said[w] > 0 && (best < 0 || said[w] > said[best]))
            best = w;
    return (char)(best < 0 ? '_' : '0' + best);
}

/* Landmarks as digits ('o' for obstacles and beyond 9), agents as letters, prey as '*'. */
static void fill_grid(const struct mpe_params *p, const struct mpe_state *g, char grid[TEXT_ROWS][TEXT_COLS + 1])
{
    for (int row = 0; row < TEXT_ROWS; row++) {
        memset(grid[row], ' ', TEXT_COLS);
        grid[row][TEXT_COLS] = 0;
    }
    for (int l = 0; l < p->L; l++)
        put(grid, mpe_landmark(p, g, l), p->has_contacts && p->task_index == TASK_TAG ? 'o' : l < 10 ? (char)('0' + l) : 'o');
    for (int b = 0; b < p->B; b++)
        put(grid, g->motion[b].at, p->body[b].is_prey ? '*' : (char)(b < 26 ? 'a' + b : 'A' + b - 26));
}

void mpe_render(const void *params, const void *state, char *text, size_t size)
{
    const struct mpe_params *p = params;
    const struct mpe_state *g = state;
    char grid[TEXT_ROWS][TEXT_COLS + 1];
    size_t used = 0;
#define PRINT(...) (used += used < size ? (size_t)snprintf(text + used, size - used, __VA_ARGS__) : 0)
    PRINT("%s step %d of %lld   touches %d   distance left %.2f", mpe_task_of(p)->name, g->step, (long long)p->horizon, g->touches,
          mpe_task_of(p)->distance(p, g));
    for (int b = 0; b < p->B && p->words; b++)
        if (p->body[b].is_speaker)
            PRINT("   %c says %c (goal %d)", 'a' + b, word_of(p, g, b), g->goal[b]);
    PRINT("\n");
    fill_grid(p, g, grid);
    for (int row = 0; row < TEXT_ROWS; row++)
        PRINT("|%s|\n", grid[row]);
#undef PRINT
}

/* Of a coordinate. */
static float shown(double x)
{
    return (float)fmin(fmax(x, -EDGE), EDGE);
}

static void draw_landmarks(const struct mpe_params *p, const struct mpe_state *g, struct scene *scene)
{
    enum scene_ink ink = p->task_index == TASK_TAG ? INK_WALL : INK_GOAL;
    for (int l = 0; l < p->L; l++) {
        const double *at = mpe_landmark(p, g, l);
        scene_circle(scene, ink, l, (float)at[0], (float)at[1], (float)p->landmark_size);
        if (p->words)
            scene_text(scene, INK_LABEL, l, (float)at[0], (float)at[1] + 0.1f, 0.08f, "%d", l);
    }
}

static void draw_bodies(const struct mpe_params *p, const struct mpe_state *g, struct scene *scene)
{
    for (int b = 0; b < p->B; b++) {
        const struct mpe_motion *body = &g->motion[b];
        float x = shown(body->at[0]), y = shown(body->at[1]);
        scene_circle(scene, p->body[b].is_prey ? INK_ENEMY : INK_ALLY, b, x, y, (float)p->body[b].size);
        scene_line(scene, INK_EFFECT, b, x, y, shown(x + 0.2 * body->velocity[0]), shown(y + 0.2 * body->velocity[1]), 0.01f);
        if (p->body[b].is_speaker)
            scene_text(scene, INK_LABEL, b, x, y - 0.12f, 0.08f, "says %c, wants %d", word_of(p, g, b), g->goal[b]);
    }
}

void mpe_draw(const void *params, const void *state, struct scene *scene)
{
    const struct mpe_params *p = params;
    const float edge = (float)EDGE;
    scene_begin(scene, -edge, -edge, edge, edge);
    scene_rect(scene, INK_GROUND, 0, -edge, -edge, 2 * edge, 2 * edge);
    draw_landmarks(p, state, scene);
    draw_bodies(p, state, scene);
}
