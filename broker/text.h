/* Text of bounded size that is written piece by piece: JSON and metrics. A piece that has no room marks the text as cut. */
#ifndef TESTUDO_BROKER_TEXT_H
#define TESTUDO_BROKER_TEXT_H

#include <stddef.h>

struct text {
    char *at;
    size_t size, used; /* used >= size: cut */
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* In quotes. Names come from the network: anything that could end a JSON string or a label is shown as '?'. */
void text_string(struct text *text, const char *string, size_t length);
void text_number(struct text *text, double value); /* null where it is not finite */
int text_end(const struct text *text);             /* its length, or ERR_LIMIT */

#endif
