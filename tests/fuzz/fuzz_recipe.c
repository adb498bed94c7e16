/* Recipes: what was parsed is written as text that parses to the same text. */
#include <stdlib.h>
#include <string.h>

#include "base/recipe.h"
#include "tests/fuzz/fuzz.h"

void fuzz_recipe(const uint8_t *data, size_t size)
{
    struct recipe *first = recipe_create(), *second = recipe_create();
    struct err err;
    ASSERT(first && second);
    if (recipe_parse(first, "fuzz", (const char *)data, size, &err) == 0) {
        char *text = recipe_text(first);
        ASSERT(text && recipe_parse(second, "again", text, strlen(text), &err) == 0);
        char *again = recipe_text(second);
        ASSERT(again && strcmp(text, again) == 0);
        free(text);
        free(again);
    }
    recipe_destroy(&first);
    recipe_destroy(&second);
}
