#include "envs/scene.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void scene_begin(struct scene *scene, float left, float bottom, float right, float top)
{
    scene->left = left;
    scene->bottom = bottom;
    scene->right = right;
    scene->top = top;
    scene->count = scene->dropped = 0;
}

/* The next item, or one that is thrown away when the list is full. */
static struct scene_item *add(struct scene *scene, struct scene_item item)
{
    static _Thread_local struct scene_item spare;
    struct scene_item *place = &spare;
    if (scene->count < SCENE_ITEMS_MAX)
        place = &scene->items[scene->count++];
    else
        scene->dropped++;
    *place = item;
    return place;
}

void scene_rect(struct scene *scene, enum scene_ink ink, int shade, float x, float y, float width, float height)
{
    add(scene, (struct scene_item){.shape = SCENE_RECT, .ink = ink, .shade = shade, .x = x, .y = y, .a = width, .b = height});
}

void scene_circle(struct scene *scene, enum scene_ink ink, int shade, float x, float y, float radius)
{
    add(scene, (struct scene_item){.shape = SCENE_CIRCLE, .ink = ink, .shade = shade, .x = x, .y = y, .a = radius});
}

void scene_line(struct scene *scene, enum scene_ink ink, int shade, float x, float y, float to_x, float to_y, float weight)
{
    add(scene, (struct scene_item){
                   .shape = SCENE_LINE, .ink = ink, .shade = shade, .x = x, .y = y, .a = to_x, .b = to_y, .weight = weight});
}

void scene_text(struct scene *scene, enum scene_ink ink, int shade, float x, float y, float height, const char *format, ...)
{
    struct scene_item *item =
        add(scene, (struct scene_item){.shape = SCENE_TEXT, .ink = ink, .shade = shade, .x = x, .y = y, .a = height});
    va_list args;
    va_start(args, format);
    vsnprintf(item->text, sizeof item->text, format, args);
    va_end(args);
}
