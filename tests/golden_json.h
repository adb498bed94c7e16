/* Reading numbers of tests/golden/<case>.json, and comparing: the norm of the difference is at most a part of the norm. */
#ifndef TESTUDO_TESTS_GOLDEN_JSON_H
#define TESTUDO_TESTS_GOLDEN_JSON_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "math/real.h"

static inline json_t *golden_read(const char *name)
{
    char path[256];
    struct err err = {{0}};
    snprintf(path, sizeof path, "tests/golden/%s.json", name); /* tests run from the top of the tree */
    json_t *tree = json_read(path, &err);
    if (!tree)
        fail_msg("%s", err.text);
    return tree;
}

static inline double golden_number(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("no number %s", key);
    return json_number_value(value);
}

static inline size_t golden_count(const json_t *object, const char *key)
{
    json_t *array = json_object_get(object, key);
    if (!json_is_array(array))
        fail_msg("no array %s", key);
    return json_array_size(array);
}

static inline double golden_at(const json_t *object, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(object, key), i));
}

/* The caller frees. */
static inline real *golden_reals(const json_t *object, const char *key)
{
    size_t n = golden_count(object, key);
    real *x = malloc(sizeof *x * (n ? n : 1));
    for (size_t i = 0; i < n; i++)
        x[i] = (real)golden_at(object, key, i);
    return x;
}

static inline uint8_t *golden_flags(const json_t *object, const char *key)
{
    size_t n = golden_count(object, key);
    uint8_t *x = malloc(n ? n : 1);
    for (size_t i = 0; i < n; i++)
        x[i] = golden_at(object, key, i) != 0;
    return x;
}

static inline void golden_compare(const char *what, const real *got, const json_t *object, const char *key, double limit)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < golden_count(object, key); i++) {
        double e = golden_at(object, key, i), d = (double)got[i] - e;
        difference += d * d;
        size += e * e;
    }
    if (!(sqrt(difference) <= limit * sqrt(size)) || size == 0)
        fail_msg("%s %s: norm of the difference %.3g, norm %.3g", what, key, sqrt(difference), sqrt(size));
}

static inline void golden_compare_number(const char *what, double got, double expected, double limit)
{
    if (!(fabs(got - expected) <= limit * fabs(expected)))
        fail_msg("%s: got %.9g, expected %.9g", what, got, expected);
}

#endif
