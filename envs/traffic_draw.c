/* Traffic Junction: pictures of the roads, as text and as shapes. */
#include <stdio.h>

#include "envs/traffic.h"

/* '#' two cars or more, the only car's letter (a capital when it braked), '.' road. */
static char glyph(const struct traffic_params *p, const struct traffic_state *g, int cell)
{
    char mark = p->code[cell] == TRAFFIC_NO_ROAD ? ' ' : '.';
    int count = 0;
    for (int n = 0; n < p->N; n++) {
        const struct traffic_car *car = &g->car[n];
        if (!traffic_is_driving(car) || traffic_cell(p, traffic_spot(p, car)) != cell)
            continue;
        mark = (char)((car->last_action ? 'A' : 'a') + n % 26);
        count++;
    }
    return count > 1 ? '#' : mark;
}

void traffic_render(const void *params, const void *state, char *text, size_t size)
{
    const struct traffic_params *p = params;
    const struct traffic_state *g = state;
    size_t used = 0;
#define PRINT(...) (used += used < size ? (size_t)snprintf(text + used, size - used, __VA_ARGS__) : 0)
    PRINT("step %d of %d   cars on the road %d, arrived %d, car-steps in collision %d\n", g->step, (int)p->horizon,
          g->entered - g->arrived, g->arrived, g->collisions);
    for (int row = 0; row < p->side; row++) {
        for (int col = 0; col < p->side; col++)
            PRINT("%c ", glyph(p, g, row * p->side + col));
        PRINT("\n");
    }
#undef PRINT
}

/* One cell is one unit; row 0 is on top. */
static void draw_roads(const struct traffic_params *p, struct scene *scene)
{
    scene_rect(scene, INK_WALL, 0, 0, 0, (float)p->side, (float)p->side);
    for (int row = 0; row < p->side; row++)
        for (int col = 0; col < p->side;) {
            int end = col;
            while (end < p->side && p->code[row * p->side + end] != TRAFFIC_NO_ROAD)
                end++;
            if (end > col)
                scene_rect(scene, INK_GROUND, 0, (float)col, (float)(p->side - 1 - row), (float)(end - col), 1);
            col = end > col ? end : col + 1;
        }
}

static int count_at(const struct traffic_params *p, const struct traffic_state *g, int spot)
{
    int count = 0;
    for (int n = 0; n < p->N; n++)
        count += traffic_is_driving(&g->car[n]) && traffic_spot(p, &g->car[n]) == spot;
    return count;
}

/* Cars as discs with their index, a bar under one that braked, a ring of collision behind those that share a cell. */
void traffic_draw(const void *params, const void *state, struct scene *scene)
{
    const struct traffic_params *p = params;
    const struct traffic_state *g = state;
    scene_begin(scene, 0, 0, (float)p->side, (float)p->side);
    draw_roads(p, scene);
    for (int n = 0; n < p->N; n++) {
        const struct traffic_car *car = &g->car[n];
        if (!traffic_is_driving(car))
            continue;
        int spot = traffic_spot(p, car);
        float x = (float)(spot & 255) + 0.5f, y = (float)(p->side - 1 - (spot >> 8)) + 0.5f;
        if (count_at(p, g, spot) > 1)
            scene_circle(scene, INK_EFFECT, 0, x, y, 0.5f);
        scene_circle(scene, INK_ALLY, n, x, y, 0.35f);
        scene_text(scene, INK_LABEL, 0, x, y, 0.4f, "%d", n);
        if (car->last_action)
            scene_line(scene, INK_EFFECT, 0, x - 0.35f, y - 0.42f, x + 0.35f, y - 0.42f, 0.08f);
    }
}
