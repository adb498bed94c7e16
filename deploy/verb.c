/* Options, help and messages that all verbs share. */
#include "deploy/verb.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "deploy/terminal.h"

static void print_options(const struct option_row *rows, int n_rows)
{
    for (int i = 0; i < n_rows; i++) {
        char left[64];
        const char letter[] = {'-', rows[i].letter, ',', ' ', 0};
        snprintf(left, sizeof left, "%s--%s%s%s", rows[i].letter ? letter : "", rows[i].name,
                 rows[i].type == OPTION_FLAG ? "" : " ", rows[i].type == OPTION_FLAG ? "" : rows[i].placeholder);
        bool has_example = rows[i].example != NULL;
        printf("  %-22s %s%s%s%s\n", left, rows[i].help, has_example ? " (e.g. " : "", has_example ? rows[i].example : "",
               has_example ? ")" : "");
    }
    printf("  %-22s %s\n", "--help", "this text");
}

static void print_help(const struct verb *verb, const struct option_row *rows, int n_rows)
{
    printf("testudo %s: %s\n\nusage: testudo %s %s\n\noptions:\n", verb->name, verb->summary, verb->name, verb->arguments);
    print_options(rows, n_rows);
    if (verb->more)
        printf("\n%s", verb->more);
    printf("\nexample: %s\n", verb->example);
}

static void print_message(const struct verb *verb, const char *format, va_list args)
{
    fprintf(stderr, "%stestudo %s:%s ", terminal_style(stderr, STYLE_ERROR), verb->name, terminal_style(stderr, STYLE_OFF));
    vfprintf(stderr, format, args);
}

int verb_misused(const struct verb *verb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message(verb, format, args);
    va_end(args);
    fprintf(stderr, " (see: testudo %s --help)\n", verb->name);
    return EXIT_MISUSED;
}

int verb_failed(const struct verb *verb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message(verb, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_FAILED;
}

void verb_command_line(char *out, size_t size, int argc, char **argv)
{
    size_t used = (size_t)snprintf(out, size, "testudo");
    for (int i = 0; i < argc && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, " %s", argv[i]);
}

int verb_exit_code(int result)
{
    switch (result) {
    case 0: return EXIT_DONE;
    case ERR_INVALID:
    case ERR_RANGE:
    case ERR_FORMAT:
    case ERR_MISMATCH:
    case ERR_UNKNOWN:
    case ERR_LIMIT:
    case ERR_DUPLICATE: return EXIT_MISUSED;
    default: return EXIT_FAILED;
    }
}

static const struct option_row *find_option(const struct option_row *rows, int n_rows, const char *name, size_t length)
{
    for (int i = 0; i < n_rows; i++)
        if (strlen(rows[i].name) == length && !strncmp(rows[i].name, name, length))
            return &rows[i];
    return NULL;
}

static const struct option_row *find_letter(const struct option_row *rows, int n_rows, char letter)
{
    for (int i = 0; i < n_rows; i++)
        if (rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

static int unknown_option(const struct verb *verb, const struct option_row *rows, int n_rows, const char *name)
{
    const char *names[32] = {"help"};
    int n = 1;
    for (int i = 0; i < n_rows && n < 32; i++)
        names[n++] = rows[i].name;
    const char *near = config_nearest(name, names, n);
    return verb_misused(verb, "unknown option --%s%s%s%s", name, near ? "; did you mean --" : "", near ? near : "",
                        near ? "?" : "");
}

static bool store_flag(bool *flag, const char *value)
{
    *flag = !value || !strcmp(value, "true");
    return *flag || !strcmp(value, "false");
}

/* Integers have the notation of config rows: 20k, 4M, 4e6. */
static bool store_int(const struct option_row *row, const char *value)
{
    struct err err;
    const struct config_row as_row = {row->name, CONFIG_INT, 0, "0", row->min < 0 ? row->min : 0, row->max, "", NULL, ""};
    struct recipe *recipe = recipe_create();
    int64_t number = 0;
    bool ok = recipe && !recipe_set(recipe, row->name, value, "command line", &err) &&
              !config_bind(&as_row, 1, recipe, &number, &err) && (double)number >= row->min;
    recipe_destroy(&recipe);
    if (ok)
        *(int64_t *)row->value = number;
    return ok;
}

static int store_option(const struct verb *verb, const struct option_row *row, const char *value)
{
    switch (row->type) {
    case OPTION_FLAG:
        return store_flag(row->value, value) ? 0 : verb_misused(verb, "--%s is \"%s\", expected true or false", row->name, value);
    case OPTION_INT:
        return store_int(row, value) ? 0
                                     : verb_misused(verb, "--%s is \"%s\", expected a whole number from %.15g to %.15g", row->name,
                                                    value, row->min, row->max);
    case OPTION_TEXT: *(const char **)row->value = value; return 0;
    }
    return 0;
}

/* The option at argv[*at], with its value behind '=' or, except for flags, in the next argument. A flag takes the next
 * argument only when it reads true or false. */
static int parse_option(const struct verb *verb, const struct option_row *rows, int n_rows, int argc, char **argv, int *at)
{
    bool is_short = argv[*at][1] != '-';
    const char *name = argv[*at] + (is_short ? 1 : 2), *equals = is_short ? NULL : strchr(name, '='),
               *value = equals ? equals + 1 : NULL;
    const struct option_row *row = is_short ? find_letter(rows, n_rows, name[0])
                                            : find_option(rows, n_rows, name, equals ? (size_t)(equals - name) : strlen(name));
    if (row && is_short)
        name = row->name;
    if (!row)
        return unknown_option(verb, rows, n_rows, name);
    const char *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    bool takes_next = !value && next && (row->type != OPTION_FLAG || !strcmp(next, "true") || !strcmp(next, "false"));
    if (takes_next) {
        value = next;
        (*at)++;
    }
    if (!value && row->type != OPTION_FLAG)
        return verb_misused(verb, "--%s needs a value %s", row->name, row->placeholder);
    return store_option(verb, row, value);
}

int verb_parse(const struct verb *verb, const struct option_row *rows, int n_rows, int argc, char **argv, struct words *words)
{
    words->count = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_help(verb, rows, n_rows);
            return EXIT_DONE;
        }
        bool is_letter = argv[i][0] == '-' && argv[i][1] && !argv[i][2] && find_letter(rows, n_rows, argv[i][1]);
        if (strncmp(argv[i], "--", 2) && !is_letter) {
            if (words->count == WORDS_MAX)
                return verb_misused(verb, "more than %d arguments", WORDS_MAX);
            words->word[words->count++] = argv[i];
            continue;
        }
        int r = parse_option(verb, rows, n_rows, argc, argv, &i);
        if (r)
            return r;
    }
    return -1;
}
