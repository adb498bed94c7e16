/* Steps per second of environments: `bench_envs [B] [seconds]`, one JSON line each. foraging_upstream.py prints the same names.
 */
#include <stdio.h>
#include <stdlib.h>

#include "envs/vec_bench.h"

int main(int argc, char **argv)
{
    static const char *const cases[][3] = {{"matrix", "iterated", NULL},
                                           {"foraging", "8x8-2p-1f", "env.rules=v3"},
                                           {"foraging", "8x8-2p-1f", NULL},
                                           {"foraging", "12x12-4p-3f", "env.rules=v3"},
                                           {"foraging", "12x12-4p-3f", NULL},
                                           {"foraging", "12x12-4p-3f-c", NULL},
                                           {"foraging", "20x20-10p-6f-s3", "env.rules=v3"}};
    int B = argc > 1 ? atoi(argv[1]) : 64;
    double seconds = argc > 2 ? atof(argv[2]) : 0.5;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        struct recipe *recipe = recipe_create();
        struct vec_bench_rates rates = {-1, -1};
        if (recipe && !recipe_set(recipe, "env.name", cases[i][0], "bench", &err) &&
            !recipe_set(recipe, "env.scenario", cases[i][1], "bench", &err) &&
            (!cases[i][2] || !recipe_set_argument(recipe, cases[i][2], &err)))
            if (vec_bench(recipe, 1, B, seconds, &rates, &err))
                rates.wall = -1;
        recipe_destroy(&recipe);
        if (rates.wall < 0) {
            fprintf(stderr, "bench_envs: %s\n", err.text);
            return 1;
        }
        printf("{\"env\": \"%s\", \"scenario\": \"%s\", \"set\": \"%s\", \"B\": %d, \"steps_per_second\": %.0f}\n", cases[i][0],
               cases[i][1], cases[i][2] ? cases[i][2] : "", B, rates.wall);
    }
    return 0;
}
