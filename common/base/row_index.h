/* Finds rows of a table by a key of 64 bits: chains through the rows, with as many heads as the table has rows, so that looking up takes
 * one step or two however long the table is. Any number of rows may have the same key; what a key stands for (a number, a hash of
 * something longer) is the table's business, and it compares the rest itself. All memory is taken at the start. */
#ifndef TESTUDO_BASE_ROW_INDEX_H
#define TESTUDO_BASE_ROW_INDEX_H

#include <stdint.h>

#include "base/err.h"

struct row_index;
/* For rows 0 .. rows - 1, none of them listed yet. ERR_NOMEM. */
MUST_USE int row_index_create(struct row_index **index, int rows);
void row_index_destroy(struct row_index **index);

void row_index_put(struct row_index *index, int row, uint64_t key); /* a row that is not listed */
void row_index_drop(struct row_index *index, int row);              /* one that is */
void row_index_clear(struct row_index *index);                      /* none is listed any more */
/* Lists row `from` as `to` instead: the table moved it. `to` is not listed. */
void row_index_move(struct row_index *index, int from, int to);

/* Rows with this key, the one that was put last first; negative: none, no more. A row may be dropped once the next one is known. */
int row_index_first(const struct row_index *index, uint64_t key);
int row_index_next(const struct row_index *index, int row);

#endif
