#include "learner/misfit.h"

#include <inttypes.h>
#include <stdio.h>

void misfit_number(enum column_type type, const void *numbers, size_t index, char text[32])
{
    switch (type) {
    case COLUMN_F32: snprintf(text, 32, "%.9g", (double)((const float *)numbers)[index]); break;
    case COLUMN_I32: snprintf(text, 32, "%" PRId32, ((const int32_t *)numbers)[index]); break;
    case COLUMN_I64: snprintf(text, 32, "%" PRId64, ((const int64_t *)numbers)[index]); break;
    case COLUMN_U8: snprintf(text, 32, "%d", ((const uint8_t *)numbers)[index]); break;
    }
}

void misfit_text(const struct misfit *m, char *text, size_t size)
{
    int used = m->t >= 0 ? snprintf(text, size, "step %d", m->t) : snprintf(text, size, "the slice");
    if (m->agent >= 0 && (size_t)used < size)
        used += snprintf(text + used, size - (size_t)used, " agent %d", m->agent);
    if ((size_t)used < size)
        snprintf(text + used, size - (size_t)used, ": %s is %s, expected %s", m->field, m->found, m->expected);
}

size_t misfit_number_bytes(enum column_type type)
{
    return type == COLUMN_U8 ? 1 : type == COLUMN_I64 ? 8 : 4;
}
