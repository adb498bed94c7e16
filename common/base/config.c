/* Config rows: parsing, checking, resolving, suggesting. One function per type of value; `config_bind` is the only place that
 * writes into a settings struct. A default that does not pass its own row's checks is our bug and aborts. */
#include "base/config.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 96 /* longest word that distances are computed for */

/* Factor of a suffix: "" 1, k 1e3, M 1e6, G 1e9; 0 when it is none of these. */
static double suffix_factor(const char *suffix)
{
    if (!*suffix)
        return 1;
    if (suffix[1])
        return 0;
    return *suffix == 'k' ? 1e3 : *suffix == 'M' ? 1e6 : *suffix == 'G' ? 1e9 : 0;
}

/* Decimal notation only: strtod would also take hexadecimal, "inf" and "nan". */
static bool parse_real(const char *text, double *value)
{
    char *end;
    if (text[strspn(text, "+-0123456789.eEkMG")])
        return false;
    *value = strtod(text, &end);
    double factor = suffix_factor(end);
    *value *= factor;
    return end != text && factor > 0 && isfinite(*value);
}

/* Whole numbers; written with an exponent or suffix they must be exact in a double. */
static bool parse_int(const char *text, int64_t *value)
{
    char *end;
    size_t digits = strspn(text + strspn(text, "+-"), "0123456789");
    *value = strtoll(text, &end, 10);
    if (digits && digits <= 18 && !*end)
        return true;
    double real;
    if (!parse_real(text, &real) || real != floor(real) || fabs(real) > 0x1p53)
        return false;
    *value = (int64_t)real;
    return true;
}

/* Index of `text` among "a|b|c", -1 when absent. */
static int choice_index(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (int i = 0;; i++) {
        size_t n = strcspn(choices, "|");
        if (n == length && !memcmp(choices, text, n))
            return i;
        if (!choices[n])
            return -1;
        choices += n + 1;
    }
}

/* Bytes of a text row's field. */
static size_t text_size(const struct config_row *row)
{
    return row->max > 0 ? (size_t)row->max : CONFIG_TEXT_MAX;
}

/* What the row accepts, for an error message. */
static void describe(const struct config_row *row, char *out, size_t size)
{
    switch (row->type) {
    case CONFIG_BOOL: snprintf(out, size, "true or false"); break;
    case CONFIG_INT: snprintf(out, size, "a whole number from %.15g to %.15g", row->min, row->max); break;
    case CONFIG_REAL: snprintf(out, size, "a number from %g to %g", row->min, row->max); break;
    case CONFIG_CHOICE: snprintf(out, size, "one of %s", row->choices); break;
    case CONFIG_TEXT: snprintf(out, size, "at most %zu bytes of text", text_size(row) - 1); break;
    }
}

/* Writes the value into the settings; false when the row does not accept it. */
static bool store(const struct config_row *row, const char *text, unsigned char *settings)
{
    unsigned char *place = settings + row->offset;
    switch (row->type) {
    case CONFIG_BOOL: {
        bool value = !strcmp(text, "true");
        memcpy(place, &value, sizeof value);
        return value || !strcmp(text, "false");
    }
    case CONFIG_INT: {
        int64_t value;
        if (!parse_int(text, &value) || (double)value < row->min || (double)value > row->max)
            return false;
        memcpy(place, &value, sizeof value);
        return true;
    }
    case CONFIG_REAL: {
        double value;
        if (!parse_real(text, &value) || value < row->min || value > row->max)
            return false;
        memcpy(place, &value, sizeof value);
        return true;
    }
    case CONFIG_CHOICE: {
        int value = choice_index(row->choices, text);
        memcpy(place, &value, sizeof value);
        return value >= 0;
    }
    case CONFIG_TEXT:
        if (strlen(text) >= text_size(row))
            return false;
        snprintf((char *)place, text_size(row), "%s", text);
        return true;
    }
    return false;
}

static int bad_value(const struct config_row *row, const struct recipe_entry *entry, struct err *err)
{
    char expected[256];
    describe(row, expected, sizeof expected);
    return err_set(err, ERR_RANGE, "%s: bad value for %s: got \"%.64s\", expected %s", entry->where, row->name, entry->value,
                   expected);
}

int config_bind(const struct config_row *rows, int count, const struct recipe *recipe, void *settings, struct err *err)
{
    for (int i = 0; i < count; i++) {
        ASSERT(rows[i].fallback && store(&rows[i], rows[i].fallback, settings));
        const struct recipe_entry *entry = recipe_find(recipe, rows[i].name);
        if (entry && !store(&rows[i], entry->value, settings))
            return bad_value(&rows[i], entry, err);
    }
    return 0;
}

/* One value of any type, with nothing around it. */
struct single {
    _Alignas(8) unsigned char bytes[RECIPE_VALUE_MAX];
};

static bool store_single(const struct config_row *row, const char *text, struct single *single)
{
    struct config_row alone = *row;
    alone.offset = 0;
    memset(single, 0, sizeof *single);
    return store(&alone, text, single->bytes);
}

int config_check_values(const struct config_table *tables, int n_tables, const struct recipe *recipe, struct err *err)
{
    struct single single;
    for (int t = 0; t < n_tables; t++)
        for (int i = 0; i < tables[t].count; i++) {
            const struct recipe_entry *entry = recipe_find(recipe, tables[t].rows[i].name);
            if (entry && !store_single(&tables[t].rows[i], entry->value, &single))
                return bad_value(&tables[t].rows[i], entry, err);
        }
    return 0;
}

bool config_same_value(const struct config_row *row, const char *a, const char *b)
{
    struct single x, y;
    if (!strcmp(a, b))
        return true;
    return store_single(row, a, &x) && store_single(row, b, &y) && !memcmp(&x, &y, sizeof x);
}

static int n_rows(const struct config_table *tables, int n_tables)
{
    int total = 0;
    for (int t = 0; t < n_tables; t++)
        total += tables[t].count;
    return total;
}

static const char *last_word(const char *key)
{
    const char *dot = strrchr(key, '.');
    return dot ? dot + 1 : key;
}

/* The known key that was most likely meant: a bare word is looked for behind the dots ("lr" for learner.lr) first. */
static const char *suggest(const char *key, const char *const *known, int count)
{
    const char *near = strchr(key, '.') ? config_nearest(key, known, count) : NULL;
    for (int i = 0; i < count && !near; i++)
        if (!strcmp(last_word(known[i]), last_word(key)))
            near = known[i];
    return near ? near : config_nearest(key, known, count);
}

static bool is_known(const char *key, const char *const *known, int count)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(known[i], key))
            return true;
    return false;
}

int config_check_known(const struct config_table *tables, int n_tables, const struct recipe *recipe, struct err *err)
{
    int total = n_rows(tables, n_tables), n = 0;
    const char **known = malloc(((size_t)total + 1) * sizeof *known);
    if (!known)
        return err_set(err, ERR_NOMEM, "cannot check keys: out of memory");
    for (int t = 0; t < n_tables; t++)
        for (int i = 0; i < tables[t].count; i++)
            known[n++] = tables[t].rows[i].name;
    int r = 0;
    for (int i = 0; i < recipe->count && !r; i++) {
        const struct recipe_entry *entry = &recipe->entries[i];
        if (is_known(entry->key, known, n))
            continue;
        const char *near = suggest(entry->key, known, n);
        r = err_set(err, ERR_UNKNOWN, "%s: unknown key %s%s%s%s", entry->where, entry->key, near ? "; did you mean " : "",
                    near ? near : "", near ? "?" : "");
    }
    free(known);
    return r;
}

int config_resolve(const struct config_table *tables, int n_tables, struct recipe *recipe, struct err *err)
{
    int r = 0;
    for (int t = 0; t < n_tables; t++)
        for (int i = 0; i < tables[t].count && !r; i++)
            if (!recipe_find(recipe, tables[t].rows[i].name))
                r = recipe_set(recipe, tables[t].rows[i].name, tables[t].rows[i].fallback, "default", err);
    return r;
}

/* Edits (insert, delete, replace, swap neighbours) from a to b: the optimal string alignment distance. */
static int distance(const char *a, const char *b)
{
    int row[3][WORD_MAX + 1], n = (int)strlen(a), m = (int)strlen(b);
    if (n > WORD_MAX || m > WORD_MAX)
        return n > m ? n : m;
    for (int i = 0; i <= n; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            if (!i) {
                now[j] = j;
                continue;
            }
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

const char *config_nearest(const char *word, const char *const *candidates, int count)
{
    const char *nearest = NULL;
    int best = 2 + (int)strlen(word) / 3 + 1;
    for (int i = 0; i < count; i++) {
        int edits = distance(word, candidates[i]);
        if (edits < best) {
            best = edits;
            nearest = candidates[i];
        }
    }
    return nearest;
}
