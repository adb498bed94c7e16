/* Letters for raster pictures, drawn with a round pen: each is a few straight strokes on a small grid, so that it stays sharp at
 * any size and needs no font file. ASCII; anything else shows as a box. */
#ifndef TESTUDO_DEPLOY_FONT_H
#define TESTUDO_DEPLOY_FONT_H

#define FONT_CAP 6.0f   /* grid units from baseline to the top of capitals */
#define FONT_PEN 0.85f  /* grid units: width of a stroke that reads well */
#define FONT_STROKES 24 /* at most, in one letter */

struct font_stroke { /* grid units; baseline at y = 0, y up; x from 0 */
    float x, y, to_x, to_y;
};

/* Fills stroke[FONT_STROKES] and returns how many; *advance: to where the next letter begins. */
int font_letter(char letter, struct font_stroke *stroke, float *advance);
float font_width(const char *text); /* grid units */

#endif
