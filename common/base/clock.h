/* Monotonic time, with its own type so that it is never mixed up with a duration in other units. */
#ifndef TESTUDO_BASE_CLOCK_H
#define TESTUDO_BASE_CLOCK_H

#include <stdint.h>

typedef int64_t monotonic_us; /* microseconds since an arbitrary start; differences only */

monotonic_us clock_us(void);
double clock_seconds_since(monotonic_us start);

#endif
