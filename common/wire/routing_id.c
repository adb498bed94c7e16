#include "wire/routing_id.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/err.h"

void routing_id(char id[ROUTING_ID_SIZE], const char *name)
{
    uint8_t random[6];
    ASSERT(getrandom(random, sizeof random, 0) == sizeof random); /* so few bytes are never cut short */
    snprintf(id, ROUTING_ID_SIZE, "%.18s-%02x%02x%02x%02x%02x%02x", name, random[0], random[1], random[2], random[3], random[4],
             random[5]);
}
