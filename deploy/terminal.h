/* Colour only where a person looks: on a terminal, and when NO_COLOR (no-color.org) is not set. */
#ifndef TESTUDO_DEPLOY_TERMINAL_H
#define TESTUDO_DEPLOY_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

enum terminal_style { STYLE_OFF, STYLE_ERROR, STYLE_GOOD, STYLE_DIM, STYLE_BOLD };

bool terminal_is(FILE *stream);
const char *terminal_style(FILE *stream, enum terminal_style style); /* "" where colour is not wanted */
void terminal_size(int *columns, int *rows);                         /* of stdout; untouched when unknown */
int terminal_columns(void);                                          /* of stderr; 80 when unknown */
int terminal_rows(void);                                             /* the same; 24 */

#endif
