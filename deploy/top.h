/* The screen of `testudo top`, made of a broker's answer: lines of text, without terminal or clock, so that a test can read it. */
#ifndef TESTUDO_DEPLOY_TOP_H
#define TESTUDO_DEPLOY_TOP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

#define TOP_LINE_MAX 256

struct top_look {
    int columns, rows; /* of the terminal: longer lines are cut, actors that do not fit are counted; rows 0: all */
    char sort;         /* letter of a column; see top_sorts */
    bool is_reversed;
    const char *bold, *dim, *off; /* styles, "" for none */
};

/* The letters that `sort` may be, with what they mean, for --help and the screen's own: "a actor  h host ...". */
const char *top_sorts(void);
bool top_can_sort(char letter);

/* Calls `line` for each line, without newline; text is borrowed. */
void top_draw(const json_t *tree, const struct top_look *look, void (*line)(void *context, const char *text), void *context);

#endif
