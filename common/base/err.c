#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return code;
}

int err_prefix(struct err *err, int code, const char *format, ...)
{
    if (err) {
        struct err old = *err;
        va_list args;
        va_start(args, format);
        int used = vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        int room = (int)sizeof err->text - 3 - used; /* for the old line, after ": " and before the final 0 */
        if (used >= 0 && room > 0)
            snprintf(err->text + used, sizeof err->text - (size_t)used, ": %.*s", room, old.text);
    }
    return code;
}

const char *err_name(int code)
{
    switch (code) {
    case ERR_OK: return "OK";
#define ERR_NAME(name, value, text) \
    case name: return #name;
        ERR_MAP(ERR_NAME)
#undef ERR_NAME
    default: return "ERR_?";
    }
}

const char *err_text(int code)
{
    switch (code) {
    case ERR_OK: return "no error";
#define ERR_TEXT(name, value, text) \
    case name: return text;
        ERR_MAP(ERR_TEXT)
#undef ERR_TEXT
    default: return "unlisted error";
    }
}

void assert_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
    abort();
}
