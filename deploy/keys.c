#include "deploy/keys.h"

static void print_kind(FILE *out, const struct config_row *row)
{
    switch (row->type) {
    case CONFIG_BOOL: fputs("true|false", out); break;
    case CONFIG_INT: fprintf(out, "whole number %.15g..%.15g", row->min, row->max); break;
    case CONFIG_REAL: fprintf(out, "number %g..%g", row->min, row->max); break;
    case CONFIG_CHOICE: fputs(row->choices, out); break;
    case CONFIG_TEXT: fputs("text", out); break;
    }
}

void keys_print(FILE *out, const struct config_row *rows, int count)
{
    for (int i = 0; i < count; i++) {
        fprintf(out, "  %s = %s  (", rows[i].name, *rows[i].fallback ? rows[i].fallback : "\"\"");
        print_kind(out, &rows[i]);
        fprintf(out, "%s%s)\n      %s\n", *rows[i].unit ? ", " : "", rows[i].unit, rows[i].help);
    }
}
