/* SMAC combat: maps are text. One statement a line, '#' begins a comment, ';' ends a statement too (so that a map fits one line
 * of a recipe):
 *
 *   limit 120                                   steps of an episode
 *   attack 9 16                                 the point that enemies walk to, x y
 *   terrain simple                              cliffs: a name that the program knows (envs/maps/NAME.terrain) ...
 *   terrain                                     ... or 32 rows of 32 cells after it, the northernmost first: '.' ground, 'X' cliff
 *   ally 9 16: 2 stalker, 3 zealot              units side by side in rows around a point
 *   enemy 20..28 10..22: 8 zergling             units scattered over a rectangle, x0..x1 y0..y1, anew for every episode
 *   random 5 5: 0.5 marine, 0.5 marauder        instead of groups: so many allies and enemies, drawn by weight for every episode
 *   not_all medivac                             no random team consists of these alone
 *   types stalker zealot                        order of the one-hot of types in observations; a type not listed has no bit
 *
 * limit and attack and either groups or random are needed; without terrain all is ground. Without types there is a bit for each
 * type, in the order of appearance, if a side has more than one type, else none. Groups get their ids in the order of the text. */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/smac.h"

#define NAME_MAX_LENGTH 24

struct reader {
    const char *name;
    const char *at, *end; /* of the statement */
    int line;             /* number of the line, or of the statement in a one-line map */
    struct smac_map *map;
    bool has_limit, has_attack, has_types;
    int rows;              /* of terrain still to come */
    int order[SMAC_KINDS]; /* kinds in the order of appearance */
    int n_order;
    struct err *err;
};

static int refuse(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct reader *reader, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(reader->err, ERR_FORMAT, "%s:%d: bad map: %s", reader->name, reader->line, text);
}

/* -- words ---------------------------------------------------------------------------------------------------------------------- */

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\r'))
        reader->at++;
}

static bool is_at_end(struct reader *reader)
{
    skip_blanks(reader);
    return reader->at == reader->end;
}

/* The word that stands next, for an error message. */
static const char *rest(struct reader *reader, char text[40])
{
    skip_blanks(reader);
    snprintf(text, 40, "%.*s", (int)(reader->end - reader->at), reader->at);
    text[strcspn(text, " \t\r")] = 0;
    return *text ? text : "nothing";
}

static bool take(struct reader *reader, const char *mark)
{
    size_t length = strlen(mark);
    skip_blanks(reader);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, mark, length))
        return false;
    reader->at += length;
    return true;
}

/* Decimal digits with at most one point; strtod would also take "inf", and the ".." of a range. */
static int take_number(struct reader *reader, const char *what, double low, double high, double *value)
{
    char text[40], digits[32];
    size_t n = 0;
    skip_blanks(reader);
    const char *at = reader->at;
    bool has_point = false;
    while (at < reader->end && n < sizeof digits - 1 &&
           (isdigit((unsigned char)*at) || (*at == '.' && !has_point && !(at + 1 < reader->end && at[1] == '.')))) {
        has_point |= *at == '.';
        digits[n++] = *at++;
    }
    digits[n] = 0;
    *value = strtod(digits, NULL);
    if (n == (size_t)has_point || *value < low || *value > high)
        return refuse(reader, "got \"%s\", expected %s from %g to %g", rest(reader, text), what, low, high);
    reader->at = at;
    return 0;
}

static int take_count(struct reader *reader, const char *what, int high, int *value)
{
    double number;
    int r = take_number(reader, what, 1, high, &number);
    *value = (int)number;
    if (!r && *value != number)
        return refuse(reader, "got %g, expected a whole %s", number, what);
    return r;
}

static int take_kind(struct reader *reader, int *kind)
{
    char text[40], names[160] = "";
    size_t length = 0;
    skip_blanks(reader);
    while (reader->at + length < reader->end && (isalpha((unsigned char)reader->at[length]) || reader->at[length] == '_'))
        length++;
    *kind = smac_find_kind(reader->at, length);
    for (int k = 0; k < SMAC_KINDS && *kind < 0; k++) {
        strcat(names, k ? ", " : "");
        strcat(names, smac_types[k].name);
    }
    if (*kind < 0)
        return refuse(reader, "got \"%s\", expected a unit: %s", rest(reader, text), names);
    reader->at += length;
    return 0;
}

/* -- statements ----------------------------------------------------------------------------------------------------------------- */

static void note_kind(struct reader *reader, int side, int kind)
{
    bool is_new = !((reader->map->kinds[ALLY] | reader->map->kinds[ENEMY]) >> kind & 1);
    if (is_new)
        reader->order[reader->n_order++] = kind;
    reader->map->kinds[side] |= 1u << kind;
}

static int add_units(struct reader *reader, int side, int kind, int count)
{
    struct smac_map *map = reader->map;
    int on_side = side == ALLY ? map->n_allies : map->n_enemies;
    if (map->n_units + count > SMAC_UNITS_MAX)
        return refuse(reader, "more than %d units", SMAC_UNITS_MAX);
    if (side == ALLY && on_side + count > SMAC_ALLIES_MAX)
        return refuse(reader, "more than %d allies", SMAC_ALLIES_MAX);
    for (int i = 0; i < count; i++, on_side++) {
        int id = map->n_units++;
        map->side[id] = (uint8_t)side;
        map->place[id] = (uint8_t)on_side;
        map->kind[id] = (uint8_t)kind;
        (side == ALLY ? map->ally : map->enemy)[on_side] = (uint8_t)id;
    }
    *(side == ALLY ? &map->n_allies : &map->n_enemies) = on_side;
    return 0;
}

/* "9", or "4..28". */
static int read_span(struct reader *reader, const char *what, double *low, double *high, bool *is_range)
{
    int r = take_number(reader, what, 0, SMAC_SIDE, low);
    *high = *low;
    *is_range = !r && take(reader, "..");
    if (*is_range)
        r = take_number(reader, what, *low, SMAC_SIDE, high);
    return r;
}

static int read_units(struct reader *reader, struct smac_group *group)
{
    int count, kind, r;
    do {
        if ((r = take_count(reader, "number of units", SMAC_UNITS_MAX, &count)) || (r = take_kind(reader, &kind)) ||
            (r = add_units(reader, group->side, kind, count)))
            return r;
        note_kind(reader, group->side, kind);
        group->count += count;
    } while (take(reader, ","));
    return 0;
}

static int read_group(struct reader *reader, int side)
{
    struct smac_map *map = reader->map;
    bool is_wide, is_high;
    char text[40];
    int r;
    if (map->is_random)
        return refuse(reader, "groups and random in one map, expected one of them");
    if (map->n_groups == SMAC_GROUPS_MAX)
        return refuse(reader, "more than %d groups", SMAC_GROUPS_MAX);
    struct smac_group *group = &map->groups[map->n_groups++];
    *group = (struct smac_group){.side = side, .first = map->n_units};
    if ((r = read_span(reader, "an x", &group->x0, &group->x1, &is_wide)) ||
        (r = read_span(reader, "a y", &group->y0, &group->y1, &is_high)))
        return r;
    group->is_scattered = is_wide || is_high;
    if (!take(reader, ":"))
        return refuse(reader, "got \"%s\", expected a colon and units, like \": 3 marine\"", rest(reader, text));
    return read_units(reader, group);
}

static int read_random(struct reader *reader)
{
    struct smac_map *map = reader->map;
    char text[40];
    int n_allies, n_enemies, kind, r;
    double weight;
    if (map->n_units)
        return refuse(reader, "groups and random in one map, expected one of them");
    if ((r = take_count(reader, "number of allies", SMAC_ALLIES_MAX, &n_allies)) ||
        (r = take_count(reader, "number of enemies", SMAC_UNITS_MAX, &n_enemies)))
        return r;
    if (!take(reader, ":"))
        return refuse(reader, "got \"%s\", expected a colon and weights, like \": 0.5 marine\"", rest(reader, text));
    do {
        if ((r = take_number(reader, "a weight", 0, 1e6, &weight)) || (r = take_kind(reader, &kind)))
            return r;
        if (weight == 0 || map->weight[kind] > 0)
            return refuse(reader, "%s has weight 0 or occurs twice", smac_types[kind].name);
        map->weight[kind] = weight;
        note_kind(reader, ALLY, kind);
        note_kind(reader, ENEMY, kind);
    } while (take(reader, ","));
    map->is_random = true;
    r = add_units(reader, ALLY, reader->order[0], n_allies);
    return r ? r : add_units(reader, ENEMY, reader->order[0], n_enemies);
}

static int read_types(struct reader *reader)
{
    struct smac_map *map = reader->map;
    int kind, r;
    reader->has_types = true;
    if (take(reader, "none"))
        return 0;
    do {
        if ((r = take_kind(reader, &kind)))
            return r;
        if (map->bit[kind] >= 0)
            return refuse(reader, "%s twice", smac_types[kind].name);
        map->bit[kind] = (int8_t)map->n_bits++;
    } while (!is_at_end(reader));
    return 0;
}

static int read_excepted(struct reader *reader)
{
    int kind, r = take_kind(reader, &kind);
    reader->map->excepted = kind;
    return r;
}

/* One row of cells; the first of the text is the northernmost. */
static int read_row(struct reader *reader)
{
    char text[40];
    skip_blanks(reader);
    const char *at = reader->at;
    uint32_t bits = 0;
    for (int x = 0; x < SMAC_SIDE; x++, at++) {
        if (at == reader->end || (*at != '.' && *at != 'X'))
            return refuse(reader, "got \"%s\", expected a row of %d cells of '.' and 'X', %d more to come", rest(reader, text),
                          SMAC_SIDE, reader->rows);
        bits |= (uint32_t)(*at == '.') << x;
    }
    reader->at = at;
    reader->map->walkable[--reader->rows] = bits;
    return 0;
}

static int read_statements(struct reader *reader, const char *text);

/* A known terrain is text of rows alone. */
static int read_terrain(struct reader *reader)
{
    char name[NAME_MAX_LENGTH + 16], text[40];
    reader->rows = SMAC_SIDE;
    if (is_at_end(reader))
        return 0;
    snprintf(name, sizeof name, "%.*s",
             NAME_MAX_LENGTH < reader->end - reader->at ? NAME_MAX_LENGTH : (int)(reader->end - reader->at), reader->at);
    name[strcspn(name, " \t\r")] = 0;
    size_t length = strlen(name);
    strcat(name, ".terrain");
    for (const struct smac_file *file = smac_files; file->name; file++)
        if (!strcmp(file->name, name)) {
            struct reader rows = {.name = file->name, .map = reader->map, .rows = SMAC_SIDE, .err = reader->err};
            reader->at += length;
            reader->rows = 0;
            return read_statements(&rows, file->text);
        }
    return refuse(reader, "got terrain \"%s\", expected a name of envs/maps/*.terrain or %d rows after this line",
                  rest(reader, text), SMAC_SIDE);
}

static int read_limit(struct reader *reader)
{
    reader->has_limit = true;
    return take_count(reader, "number of steps", 1000000, &reader->map->horizon);
}

static int read_attack(struct reader *reader)
{
    reader->has_attack = true;
    int r = take_number(reader, "an x", 0, SMAC_SIDE, &reader->map->attack_x);
    return r ? r : take_number(reader, "a y", 0, SMAC_SIDE, &reader->map->attack_y);
}

static int read_statement(struct reader *reader)
{
    char text[40];
    int r;
    if (is_at_end(reader))
        return 0;
    if (reader->rows)
        r = read_row(reader);
    else if (take(reader, "limit "))
        r = read_limit(reader);
    else if (take(reader, "attack "))
        r = read_attack(reader);
    else if (take(reader, "terrain"))
        r = read_terrain(reader);
    else if (take(reader, "ally "))
        r = read_group(reader, ALLY);
    else if (take(reader, "enemy "))
        r = read_group(reader, ENEMY);
    else if (take(reader, "random "))
        r = read_random(reader);
    else if (take(reader, "not_all "))
        r = read_excepted(reader);
    else if (take(reader, "types "))
        r = read_types(reader);
    else
        return refuse(reader, "got \"%s\", expected limit, attack, terrain, ally, enemy, random, not_all or types",
                      rest(reader, text));
    if (!r && !is_at_end(reader))
        return refuse(reader, "got \"%s\" after the statement, expected its end", rest(reader, text));
    return r;
}

/* From `at` to the end of the statement: a comment or the separator. Returns where the next one starts. */
static const char *end_of_statement(const char *at, const char **end)
{
    *end = at + strcspn(at, "#;\n");
    at = **end == '#' ? *end + strcspn(*end, "\n") : *end;
    return *at ? at + 1 : at;
}

static int read_statements(struct reader *reader, const char *text)
{
    bool is_one_line = !strchr(text, '\n');
    int r = 0;
    reader->line = 1;
    while (*text && !r) {
        reader->at = text;
        text = end_of_statement(text, &reader->end);
        r = read_statement(reader);
        reader->line += is_one_line || text[-1] == '\n';
    }
    return r;
}

/* -- what follows from the statements ------------------------------------------------------------------------------------------- */

static bool has_several(uint32_t kinds)
{
    return kinds & (kinds - 1);
}

static void assign_bits(struct reader *reader)
{
    struct smac_map *map = reader->map;
    if (reader->has_types || (!has_several(map->kinds[ALLY]) && !has_several(map->kinds[ENEMY])))
        return;
    for (int i = 0; i < reader->n_order; i++)
        map->bit[reader->order[i]] = (int8_t)map->n_bits++;
}

/* Scattered units need a cell to stand on. */
static int check_scattered(struct reader *reader)
{
    for (int i = 0; i < reader->map->n_groups; i++) {
        const struct smac_group *group = &reader->map->groups[i];
        bool has_ground = !group->is_scattered;
        for (int y = (int)group->y0; y < group->y1 || y == (int)group->y0; y++)
            for (int x = (int)group->x0; x < group->x1 || x == (int)group->x0; x++)
                has_ground |= smac_is_walkable(reader->map, x, y);
        if (!has_ground)
            return refuse(reader, "group %d: all cells of %g..%g %g..%g are cliff", i + 1, group->x0, group->x1, group->y0,
                          group->y1);
    }
    return 0;
}

static int check_whole(struct reader *reader)
{
    const struct smac_map *map = reader->map;
    if (reader->rows)
        return refuse(reader, "terrain ends %d rows early, expected %d", reader->rows, SMAC_SIDE);
    if (!reader->has_limit || !reader->has_attack)
        return refuse(reader, "no %s, expected a line like \"%s\"", reader->has_limit ? "attack" : "limit",
                      reader->has_limit ? "attack 9 16" : "limit 60");
    if (!map->n_allies || !map->n_enemies)
        return refuse(reader, "no %s, expected a line like \"%s\"", map->n_allies ? "enemies" : "allies",
                      map->n_allies ? "enemy 23 16: 3 marine" : "ally 9 16: 3 marine");
    if (map->is_random && map->excepted >= 0 && !has_several(map->kinds[ALLY]))
        return refuse(reader, "not_all %s, but there is no other unit", smac_types[map->excepted].name);
    return check_scattered(reader);
}

int smac_map_read(struct smac_map *map, const char *name, const char *text, struct err *err)
{
    struct reader reader = {.name = name, .map = map, .err = err};
    memset(map, 0, sizeof *map);
    memset(map->walkable, 0xff, sizeof map->walkable);
    memset(map->bit, -1, sizeof map->bit);
    map->excepted = -1;
    int r = read_statements(&reader, text);
    if (!r)
        r = check_whole(&reader);
    if (r)
        return r;
    assign_bits(&reader);
    smac_map_derive(map);
    return 0;
}

int smac_map_flatten(const char *name, const char *text, char *line, size_t size, struct err *err)
{
    size_t used = 0;
    line[0] = 0;
    while (*text) {
        const char *at = text, *end;
        text = end_of_statement(text, &end);
        while (at < end && isspace((unsigned char)*at))
            at++;
        while (end > at && isspace((unsigned char)end[-1]))
            end--;
        if (at == end)
            continue;
        int n = snprintf(line + used, size - used, "%s%.*s", used ? "; " : "", (int)(end - at), at);
        used += (size_t)n;
        if (used >= size)
            return err_set(err, ERR_LIMIT, "bad map %s: longer than %zu bytes without comments", name, size - 1);
    }
    return 0;
}
