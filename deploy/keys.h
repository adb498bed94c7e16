/* Printing config rows for people. */
#ifndef TESTUDO_DEPLOY_KEYS_H
#define TESTUDO_DEPLOY_KEYS_H

#include <stdio.h>

#include "base/config.h"

/* One paragraph per row: key, type with bounds or choices, default, help. */
void keys_print(FILE *out, const struct config_row *rows, int count);

#endif
