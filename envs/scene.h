/* A picture of one environment state: a short list of shapes in the environment's own units, x to the right, y up. Environments
 * fill it (ops->draw); terminal, SVG, GIF and HTML are made of it elsewhere, so no environment knows a picture format. */
#ifndef TESTUDO_ENVS_SCENE_H
#define TESTUDO_ENVS_SCENE_H

#include <stdint.h>

#define SCENE_ITEMS_MAX 2048
#define SCENE_TEXT_MAX 32

enum scene_shape {
    SCENE_RECT,   /* lower left corner x, y; size a, b */
    SCENE_CIRCLE, /* centre x, y; radius a */
    SCENE_LINE,   /* from x, y to a, b; width in `weight` */
    SCENE_TEXT    /* centre x, y; height a */
};

/* What a shape stands for; whoever paints picks the colours, so that all environments look alike. */
enum scene_ink {
    INK_GROUND,
    INK_WALL,
    INK_GRID,   /* thin guiding lines */
    INK_GOAL,   /* landmarks, food, targets */
    INK_ALLY,   /* agents; `shade` tells them apart */
    INK_ENEMY,  /* what the team plays against */
    INK_HEALTH, /* bars */
    INK_SHIELD,
    INK_EFFECT, /* shots, collisions, communication */
    INK_LABEL,  /* text */
    INK_COUNT
};

struct scene_item {
    enum scene_shape shape;
    enum scene_ink ink;
    int shade;                 /* index of the agent or kind, from 0 */
    float x, y, a, b, weight;  /* as enum scene_shape says */
    char text[SCENE_TEXT_MAX]; /* SCENE_TEXT */
};

struct scene {
    float left, bottom, right, top; /* what is shown */
    int count, dropped;             /* dropped: items beyond SCENE_ITEMS_MAX */
    struct scene_item items[SCENE_ITEMS_MAX];
};

void scene_begin(struct scene *scene, float left, float bottom, float right, float top);
void scene_rect(struct scene *scene, enum scene_ink ink, int shade, float x, float y, float width, float height);
void scene_circle(struct scene *scene, enum scene_ink ink, int shade, float x, float y, float radius);
void scene_line(struct scene *scene, enum scene_ink ink, int shade, float x, float y, float to_x, float to_y, float weight);
void scene_text(struct scene *scene, enum scene_ink ink, int shade, float x, float y, float height, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

#endif
