/* Text of a combat map: read whole or refused with a line. What is read has both sides within their limits, and its numbers are finite. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "envs/smac.h"
#include "tests/fuzz/fuzz.h"

void fuzz_map(const uint8_t *data, size_t size)
{
    static struct smac_map map;
    struct err err = {.text = ""};
    char *text = malloc(size + 1), *line = malloc(2 * size + 64);
    if (text && line) {
        memcpy(text, data, size);
        text[size] = 0;
        memset(&map, 0, sizeof map);
        if (smac_map_read(&map, "fuzz", text, &err))
            ASSERT(err.text[0]);
        else {
            ASSERT(map.n_allies <= SMAC_ALLIES_MAX && map.n_units <= SMAC_UNITS_MAX && map.n_groups <= SMAC_GROUPS_MAX);
            ASSERT(isfinite(map.attack_x) && isfinite(map.attack_y) && map.horizon > 0);
            smac_map_derive(&map);
        }
        (void)!smac_map_flatten("fuzz", text, line, 2 * size + 64, &err);
    }
    free(text);
    free(line);
}
