#include "base/clock.h"

#include <time.h>

monotonic_us clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (monotonic_us)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

double clock_seconds_since(monotonic_us start)
{
    return (double)(clock_us() - start) * 1e-6;
}
