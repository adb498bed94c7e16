/* Names that travel: policy ids, tables, columns, owners, actor ids. */
#ifndef TESTUDO_WIRE_NAME_H
#define TESTUDO_WIRE_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* True when the array of `size` bytes holds a terminated, non-empty name of letters, digits and '_', with single separators
 * '/', '.', ':' or '-' between them ("adversary/17", "pgd:0.5"). So a name is safe in logs, file names and metric labels, and
 * never contains "..". */
bool name_is_valid(const char *name, size_t size);

#endif
