/* Multi-agent MuJoCo: a frame of text and a picture: the robot from the side (x, z), the ant and the swimmer from above (x, y). The
 * view follows the robot. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/mujoco.h"

#define LIMBS_MAX (MUJOCO_JOINTS_MAX + 8)
#define TEXT_COLS 64
#define TEXT_ROWS 20

struct frame { /* what is shown, in metres */
    double left, bottom, width, height;
    int up; /* the axis that points up: 2 z, 1 y */
};

static struct frame frame_of(const struct mujoco_params *p, const struct mujoco_limb *limbs, int count)
{
    bool is_above = p->robot == ROBOT_ANT || p->robot == ROBOT_SWIMMER;
    double width = p->robot == ROBOT_SWIMMER ? p->sizes.nu + 3.0 : 4, x = 0, y = 0;
    struct frame frame = {.width = width, .height = is_above ? width : width / 2, .up = is_above ? 1 : 2};
    for (int i = 0; i < count; i++) {
        x += (limbs[i].from[0] + limbs[i].to[0]) / 2 / count;
        y += (limbs[i].from[1] + limbs[i].to[1]) / 2 / count;
    }
    frame.left = x - width / 2;
    frame.bottom = is_above ? y - width / 2 : -0.2;
    return frame;
}

/* Draws the limb's axis into the grid by dense points. */
static void trace_limb(const struct frame *frame, const struct mujoco_limb *limb, char grid[TEXT_ROWS][TEXT_COLS + 1])
{
    for (int i = 0; i <= TEXT_COLS; i++) {
        double t = (double)i / TEXT_COLS, x = limb->from[0] + t * (limb->to[0] - limb->from[0]);
        double y = limb->from[frame->up] + t * (limb->to[frame->up] - limb->from[frame->up]);
        double col = floor((x - frame->left) / frame->width * TEXT_COLS);
        double row = floor((frame->bottom + frame->height - y) / frame->height * TEXT_ROWS);
        if (col >= 0 && col < TEXT_COLS && row >= 0 && row < TEXT_ROWS)
            grid[(int)row][(int)col] = '#';
    }
}

static void put_ground(const struct frame *frame, char grid[TEXT_ROWS][TEXT_COLS + 1])
{
    for (int row = 0; row < TEXT_ROWS; row++) {
        double y = frame->bottom + frame->height - (row + 0.5) / TEXT_ROWS * frame->height;
        memset(grid[row], frame->up == 2 && y < 0 ? '=' : ' ', TEXT_COLS);
        grid[row][TEXT_COLS] = 0;
    }
    for (int col = 0; col < TEXT_COLS; col++) /* a post every metre shows that it moves */
        if (frame->up == 2 && fmod(fabs(floor((frame->left + col * frame->width / TEXT_COLS) / 0.0625)), 16) == 0)
            grid[TEXT_ROWS - 1][col] = '|';
}

void mujoco_render(const void *params, const void *state, char *text, size_t size)
{
    const struct mujoco_params *p = params;
    const struct mujoco_state *g = state;
    struct mujoco_limb limbs[LIMBS_MAX];
    char grid[TEXT_ROWS][TEXT_COLS + 1];
    size_t used = 0;
    int count = mujoco_pose(p->model, g->number, limbs, LIMBS_MAX);
    struct frame frame = frame_of(p, limbs, count);
    put_ground(&frame, grid);
    for (int i = 0; i < count; i++)
        trace_limb(&frame, &limbs[i], grid);
#define PRINT(...) (used += used < size ? (size_t)snprintf(text + used, size - used, __VA_ARGS__) : 0)
    PRINT("%s %s step %d of %lld   x %.2f   speed %.2f m/s%s\n", mujoco_robots[p->robot].name, p->partition_text, g->step,
          (long long)p->horizon, g->number[0], g->number[p->sizes.nq], g->is_broken ? "   (blew up)" : "");
    for (int row = 0; row < TEXT_ROWS; row++)
        PRINT("%s\n", grid[row]);
#undef PRINT
}

static void draw_ground(const struct frame *frame, struct scene *scene)
{
    float left = (float)frame->left, bottom = (float)frame->bottom, width = (float)frame->width, height = (float)frame->height;
    scene_begin(scene, left, bottom, left + width, bottom + height);
    scene_rect(scene, INK_GROUND, 0, left, bottom, width, height);
    if (frame->up == 2)
        scene_rect(scene, INK_WALL, 0, left, bottom, width, -bottom);
    for (float x = ceilf(left); x < left + width; x += 1) {
        scene_line(scene, INK_GRID, 0, x, bottom, x, bottom + height, 0.01f);
        scene_text(scene, INK_LABEL, 0, x, bottom + 0.03f * height, 0.04f * height, "%.0f m", (double)x);
    }
}

void mujoco_draw(const void *params, const void *state, struct scene *scene)
{
    const struct mujoco_params *p = params;
    const struct mujoco_state *g = state;
    struct mujoco_limb limbs[LIMBS_MAX];
    int count = mujoco_pose(p->model, g->number, limbs, LIMBS_MAX);
    struct frame frame = frame_of(p, limbs, count);
    draw_ground(&frame, scene);
    for (int i = 0; i < count; i++) {
        float x = (float)limbs[i].from[0], y = (float)limbs[i].from[frame.up], r = (float)limbs[i].radius;
        float to_x = (float)limbs[i].to[0], to_y = (float)limbs[i].to[frame.up];
        scene_line(scene, INK_ALLY, i, x, y, to_x, to_y, 2 * r);
        scene_circle(scene, INK_ALLY, i, x, y, r);
        scene_circle(scene, INK_ALLY, i, to_x, to_y, r);
    }
}
