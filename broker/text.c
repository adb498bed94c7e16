#include "broker/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

void text_add(struct text *text, const char *format, ...)
{
    if (text->used >= text->size)
        return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->at + text->used, text->size - text->used, format, args);
    va_end(args);
    text->used += n > 0 ? (size_t)n : 0;
}

void text_string(struct text *text, const char *string, size_t length)
{
    text_add(text, "\"");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)string[i];
        text_add(text, "%c", c < 0x20 || c > 0x7e || c == '"' || c == '\\' ? '?' : c);
    }
    text_add(text, "\"");
}

void text_number(struct text *text, double value)
{
    if (isfinite(value))
        text_add(text, "%.9g", value);
    else
        text_add(text, "null");
}

int text_end(const struct text *text)
{
    return text->used < text->size ? (int)text->used : ERR_LIMIT;
}
