/* Films on a terminal: half a character cell is a pixel, the scene's texts are letters in their cells. */
#ifndef TESTUDO_DEPLOY_SCREEN_H
#define TESTUDO_DEPLOY_SCREEN_H

#include "deploy/pictures/film.h"

/* Plays to standard output: in colour on a terminal that shows colours, one frame over the other, `fps` a second; otherwise the
 * environment's text frames, one after the other, without pauses unless on a terminal. ERR_IO when the reader left. */
MUST_USE int screen_play(const struct film *film, int fps, struct err *err);

/* One frame as lines of colour codes and half blocks, at most columns x rows cells; for screen_play and its test. true_colour: 24
 * bits, else the 256 usual ones. The caller frees; NULL when out of memory. */
char *screen_frame(const struct film_frame *frame, int columns, int rows, bool true_colour);

#endif
