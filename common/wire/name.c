#include "wire/name.h"

#include <string.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_separator(char c)
{
    return c == '/' || c == '.' || c == ':' || c == '-';
}

bool name_is_valid(const char *name, size_t size)
{
    size_t length = strnlen(name, size);
    if (length == 0 || length == size || !is_letter(name[0]) || !is_letter(name[length - 1]))
        return false;
    for (size_t i = 1; i < length; i++)
        if (!is_letter(name[i]) && !(is_separator(name[i]) && is_letter(name[i - 1])))
            return false;
    return true;
}
