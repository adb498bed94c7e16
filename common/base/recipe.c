/* Recipes, read with libyaml's event parser.
 *
 * Recipes arrive over the network too (an actor gets its run's), so parsing is bounded everywhere: bytes before the parser sees
 * any, entries, key and value lengths, depth. Of YAML only maps, scalars and flat lists are let in; what could expand (aliases)
 * or construct (tags) is refused at its event. A text is first read into an empty recipe and then merged, so that a refused
 * text changes nothing, and "twice in one text" is told apart from "overrides an earlier one". */
#include "base/recipe.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#define DEPTH_MAX 4

struct recipe *recipe_create(void)
{
    return calloc(1, sizeof(struct recipe));
}

void recipe_destroy(struct recipe **recipe)
{
    free(*recipe);
    *recipe = NULL;
}

/* Keys are words of letters, digits, '_', '-' and '/' with single dots between them. */
static bool is_key(const char *key, size_t length)
{
    char before = '.';
    for (size_t i = 0; i < length; before = key[i++]) {
        char c = key[i];
        bool is_word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '/';
        if (!is_word && !(c == '.' && before != '.'))
            return false;
    }
    return before != '.';
}

/* One code point of well-formed UTF-8 (RFC 3629) at text[*at]; 0 when it is not. */
static uint32_t utf8_next(const unsigned char *text, size_t length, size_t *at)
{
    unsigned char first = text[(*at)++];
    if (first < 0x80)
        return first;
    int more = first >= 0xf0 && first <= 0xf4 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || length - *at < (size_t)more)
        return 0;
    uint32_t code = first & (0x3fu >> more);
    for (int i = 0; i < more; i++, (*at)++) {
        if ((text[*at] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[*at] & 0x3f);
    }
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < smallest[more] || code > 0x10ffff || is_surrogate ? 0 : code;
}

/* Values are one line of UTF-8 without control characters: what recipe_text writes must read back as the same value. */
static bool is_value(const char *value, size_t length)
{
    for (size_t at = 0; at < length;) {
        uint32_t code = utf8_next((const unsigned char *)value, length, &at);
        bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
        bool is_break_or_mark = code == 0x2028 || code == 0x2029 || code == 0xfeff || (code & 0xfffe) == 0xfffe;
        if (is_control || is_break_or_mark)
            return false;
    }
    return true;
}

static struct recipe_entry *find(struct recipe *recipe, const char *key)
{
    for (int i = 0; i < recipe->count; i++)
        if (!strcmp(recipe->entries[i].key, key))
            return &recipe->entries[i];
    return NULL;
}

int recipe_set(struct recipe *recipe, const char *key, const char *value, const char *where, struct err *err)
{
    size_t key_length = strlen(key), value_length = strlen(value);
    if (key_length >= RECIPE_KEY_MAX)
        return err_set(err, ERR_LIMIT, "%s: key \"%.40s...\" has %zu bytes, at most %d allowed", where, key, key_length,
                       RECIPE_KEY_MAX - 1);
    if (!is_key(key, key_length))
        return err_set(err, ERR_FORMAT, "%s: \"%.40s\" is no key, expected words of letters, digits, _ and - joined by dots", where,
                       key);
    if (value_length >= RECIPE_VALUE_MAX)
        return err_set(err, ERR_LIMIT, "%s: value of %s has %zu bytes, at most %d allowed", where, key, value_length,
                       RECIPE_VALUE_MAX - 1);
    if (!is_value(value, value_length))
        return err_set(err, ERR_FORMAT, "%s: value of %s is not one line of plain UTF-8 text", where, key);
    struct recipe_entry *entry = find(recipe, key);
    if (!entry && recipe->count == RECIPE_ENTRIES_MAX)
        return err_set(err, ERR_LIMIT, "%s: more than %d keys", where, RECIPE_ENTRIES_MAX);
    if (!entry)
        entry = &recipe->entries[recipe->count++];
    memmove(entry->key, key, key_length + 1); /* the key may be the entry's own */
    memmove(entry->value, value, value_length + 1);
    snprintf(entry->where, sizeof entry->where, "%s", where);
    return 0;
}

int recipe_set_argument(struct recipe *recipe, const char *argument, struct err *err)
{
    const char *equals = strchr(argument, '=');
    if (!equals)
        return err_set(err, ERR_FORMAT, "bad argument \"%.80s\", expected key=value", argument);
    char key[RECIPE_KEY_MAX];
    if (equals - argument >= RECIPE_KEY_MAX)
        return err_set(err, ERR_LIMIT, "bad argument \"%.80s...\": key longer than %d bytes", argument, RECIPE_KEY_MAX - 1);
    snprintf(key, sizeof key, "%.*s", (int)(equals - argument), argument);
    return recipe_set(recipe, key, equals + 1, "command line", err);
}

/* -- YAML ------------------------------------------------------------------------------------------------------------------ */

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; always valid to delete */
    const char *name;
    struct recipe *out;
    struct err *err;
    int depth;
    size_t prefix[DEPTH_MAX + 1]; /* bytes of `key` that belong to the maps around */
    char key[RECIPE_KEY_MAX];
};

/* "name:line" of the current event; a long name keeps its end, which says more than its beginning. */
static const char *where(const struct reader *reader, char out[static 96])
{
    size_t length = strlen(reader->name), room = 80;
    snprintf(out, 96, "%s:%zu", reader->name + (length > room ? length - room : 0), reader->event.start_mark.line + 1);
    return out;
}

static int refuse(struct reader *reader, const char *what)
{
    char place[96];
    return err_set(reader->err, ERR_FORMAT, "%s: %s", where(reader, place), what);
}

static int next(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    if (!yaml_parser_parse(&reader->parser, &reader->event)) {
        const yaml_parser_t *p = &reader->parser;
        size_t line = p->error == YAML_READER_ERROR ? 0 : p->problem_mark.line;
        memset(&reader->event, 0, sizeof reader->event);
        return err_set(reader->err, p->error == YAML_MEMORY_ERROR ? ERR_NOMEM : ERR_FORMAT, "%s:%zu: bad YAML: %s", reader->name,
                       line + 1, p->problem ? p->problem : "out of memory");
    }
    const yaml_event_t *e = &reader->event;
    const void *anchor = NULL, *tag = NULL;
    if (e->type == YAML_ALIAS_EVENT)
        return refuse(reader, "aliases are not allowed in a recipe");
    if (e->type == YAML_SCALAR_EVENT)
        anchor = e->data.scalar.anchor, tag = e->data.scalar.tag;
    else if (e->type == YAML_MAPPING_START_EVENT)
        anchor = e->data.mapping_start.anchor, tag = e->data.mapping_start.tag;
    else if (e->type == YAML_SEQUENCE_START_EVENT)
        anchor = e->data.sequence_start.anchor, tag = e->data.sequence_start.tag;
    return anchor || tag ? refuse(reader, "anchors and tags are not allowed in a recipe") : 0;
}

/* The current event's scalar as text without 0 bytes, or NULL. */
static const char *scalar(const struct reader *reader)
{
    const char *text = (const char *)reader->event.data.scalar.value;
    return strlen(text) == reader->event.data.scalar.length ? text : NULL;
}

/* Puts the current scalar behind the keys of the maps around it. */
static int read_key(struct reader *reader)
{
    size_t start = reader->prefix[reader->depth];
    const char *text;
    if (reader->event.type != YAML_SCALAR_EVENT || !(text = scalar(reader)))
        return refuse(reader, "expected a plain key");
    int put = snprintf(reader->key + start, sizeof reader->key - start, "%s%s", start ? "." : "", text);
    if (put < 0 || (size_t)put >= sizeof reader->key - start)
        return refuse(reader, "key too long");
    return is_key(reader->key + start + (start > 0), strlen(text)) ? 0
                                                                   : refuse(reader, "expected a key of letters, digits, _ and -");
}

static int set(struct reader *reader, const char *value)
{
    char place[96];
    if (find(reader->out, reader->key))
        return err_set(reader->err, ERR_DUPLICATE, "%s: %s is set twice, before at %s", where(reader, place), reader->key,
                       find(reader->out, reader->key)->where);
    return recipe_set(reader->out, reader->key, value, where(reader, place), reader->err);
}

static int read_scalar(struct reader *reader)
{
    const char *value = scalar(reader);
    bool is_missing = reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && value && (!*value || !strcmp(value, "~"));
    if (!value || is_missing)
        return refuse(reader, is_missing ? "key without a value (write \"\" for an empty text)" : "value holds a 0 byte");
    return set(reader, value);
}

static int read_list(struct reader *reader)
{
    char joined[RECIPE_VALUE_MAX] = "";
    size_t used = 0;
    int r;
    for (int i = 0;; i++) {
        if ((r = next(reader)))
            return r;
        if (reader->event.type == YAML_SEQUENCE_END_EVENT)
            return set(reader, joined);
        const char *text = reader->event.type == YAML_SCALAR_EVENT ? scalar(reader) : NULL;
        if (!text || strchr(text, ','))
            return refuse(reader, "a list holds only plain values without commas");
        int put = snprintf(joined + used, sizeof joined - used, "%s%s", i ? "," : "", text);
        if (put < 0 || (size_t)put >= sizeof joined - used)
            return refuse(reader, "list too long");
        used += (size_t)put;
    }
}

/* Reads events until the outermost map ends; depth is counted, so nothing recurses. */
static int read_map(struct reader *reader)
{
    int r = 0;
    reader->depth = 1;
    while (!r && reader->depth) {
        if ((r = next(reader)))
            break;
        if (reader->event.type == YAML_MAPPING_END_EVENT) {
            reader->depth--;
            continue;
        }
        if ((r = read_key(reader)) || (r = next(reader)))
            break;
        if (reader->event.type == YAML_SCALAR_EVENT)
            r = read_scalar(reader);
        else if (reader->event.type == YAML_SEQUENCE_START_EVENT)
            r = read_list(reader);
        else if (reader->depth == DEPTH_MAX)
            r = refuse(reader, "maps nested too deep, at most 4 allowed");
        else
            reader->prefix[++reader->depth] = strlen(reader->key);
    }
    return r;
}

static int read_stream(struct reader *reader)
{
    int r;
    if ((r = next(reader)) || (r = next(reader))) /* the stream's start, then a document or the end */
        return r;
    if (reader->event.type == YAML_STREAM_END_EVENT)
        return 0;
    if ((r = next(reader)))
        return r;
    bool is_empty = reader->event.type == YAML_SCALAR_EVENT && !reader->event.data.scalar.length;
    if (!is_empty && reader->event.type != YAML_MAPPING_START_EVENT)
        return refuse(reader, "a recipe is a map of keys to values");
    if ((!is_empty && (r = read_map(reader))) || (r = next(reader)) ||
        (r = next(reader))) /* the document's end, then the stream's */
        return r;
    return reader->event.type == YAML_STREAM_END_EVENT ? 0 : refuse(reader, "more than one document");
}

static int merge(struct recipe *into, const struct recipe *from, struct err *err)
{
    int r = 0;
    for (int i = 0; i < from->count && !r; i++)
        r = recipe_set(into, from->entries[i].key, from->entries[i].value, from->entries[i].where, err);
    return r;
}

int recipe_parse(struct recipe *recipe, const char *name, const char *text, size_t length, struct err *err)
{
    if (length > RECIPE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "cannot read recipe %s: %zu bytes, at most %d allowed", name, length, RECIPE_BYTES_MAX);
    struct reader reader = {.name = name, .out = recipe_create(), .err = err};
    if (!reader.out || !yaml_parser_initialize(&reader.parser)) {
        recipe_destroy(&reader.out);
        return err_set(err, ERR_NOMEM, "cannot read recipe %s: out of memory", name);
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
    int r = read_stream(&reader);
    if (!r)
        r = merge(recipe, reader.out, err);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    recipe_destroy(&reader.out);
    return r;
}

/* -- reading back ----------------------------------------------------------------------------------------------------------- */

const struct recipe_entry *recipe_find(const struct recipe *recipe, const char *key)
{
    return find((struct recipe *)recipe, key);
}

const char *recipe_value(const struct recipe *recipe, const char *key, const char *fallback)
{
    const struct recipe_entry *entry = recipe_find(recipe, key);
    return entry ? entry->value : fallback;
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const struct recipe_entry *const *)a)->key, (*(const struct recipe_entry *const *)b)->key);
}

char *recipe_text(const struct recipe *recipe)
{
    const struct recipe_entry *sorted[RECIPE_ENTRIES_MAX];
    size_t size = 1;
    for (int i = 0; i < recipe->count; i++) {
        sorted[i] = &recipe->entries[i];
        size += strlen(sorted[i]->key) + 2 * strlen(sorted[i]->value) + 5; /* every value byte may need a backslash */
    }
    qsort(sorted, (size_t)recipe->count, sizeof sorted[0], by_key);
    char *text = malloc(size), *p = text;
    if (!text)
        return NULL;
    for (int i = 0; i < recipe->count; i++) {
        p += sprintf(p, "%s: \"", sorted[i]->key);
        for (const char *v = sorted[i]->value; *v; v++) {
            if (*v == '"' || *v == '\\')
                *p++ = '\\';
            *p++ = *v;
        }
        p += sprintf(p, "\"\n");
    }
    *p = 0;
    return text;
}
