/* The colours of all pictures: what a scene's inks look like in the terminal, in PNG, GIF, SVG and HTML. Agents are cool, what they
 * play against is warm, goals are yellow. The first shades are Okabe and Ito's (2002, "Color universal design"); the others were
 * searched for so that groups stay apart, and shades within a group as far as ten allow, with red or green cones missing, too:
 * tests/deploy/test_pictures.c measures it. */
#ifndef TESTUDO_DEPLOY_PALETTE_H
#define TESTUDO_DEPLOY_PALETTE_H

#include <stdint.h>

#include "envs/scene.h"

struct colour {
    uint8_t r, g, b;
    float alpha; /* 1 covers what lies below */
};

#define PALETTE_SHADES 10                                 /* after which they repeat */
#define PALETTE_PAPER ((struct colour){251, 250, 247, 1}) /* below a scene */
#define PALETTE_PAGE ((struct colour){255, 255, 255, 1})  /* between scenes */
#define PALETTE_CAPTION ((struct colour){74, 80, 89, 1})

/* How a shape is filled. */
struct colour palette_fill(enum scene_ink ink, int shade);

/* The rim of circles and rectangles that stand for something (agents, enemies, goals): a darker fill. Its width is a share of a
 * circle's radius, or of a rectangle's shorter side; 0 for inks without rim. */
#define PALETTE_RIM_CIRCLE 0.13f
#define PALETTE_RIM_RECT 0.05f
struct colour palette_rim(enum scene_ink ink, int shade);
float palette_rim_share(enum scene_ink ink, enum scene_shape shape);

/* Whether white reads better than black on this colour. */
int palette_is_dark(struct colour colour);

int palette_shades(enum scene_ink ink);           /* how many before they repeat */
const char *palette_ink_name(enum scene_ink ink); /* "ally" */

#endif
