#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

json_t *json_parse(const char *name, const char *text, size_t length, struct err *err)
{
    json_error_t error;
    json_t *tree = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!tree)
        err_set(err, ERR_FORMAT, "cannot read %s: bad JSON in line %d: %s", name, error.line, error.text);
    return tree;
}

json_t *json_read(const char *path, struct err *err)
{
    unsigned char *data;
    size_t length;
    if (file_read(path, JSON_FILE_MAX, &data, &length, err))
        return NULL;
    json_t *tree = json_parse(path, (const char *)data, length, err);
    free(data);
    return tree;
}

int json_write(const char *path, const json_t *tree, struct err *err)
{
    char *text = json_dumps(tree, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    size_t length = text ? strlen(text) : 0;
    char *line = text ? realloc(text, length + 2) : NULL;
    if (!line) {
        free(text);
        return err_set(err, ERR_NOMEM, "cannot write \"%s\": out of memory", path);
    }
    line[length] = '\n';
    int r = file_write(path, line, length + 1, err);
    free(line);
    return r;
}

json_t *json_number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}
