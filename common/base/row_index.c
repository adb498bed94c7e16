/* Rows by key: see row_index.h.
 * Invariant: a listed row is in the chain of its key's head, once; head[h] and next[r] are rows or NONE. */
#include "base/row_index.h"

#include <stdlib.h>

#define NONE (-1)

struct row_index {
    int rows, bits; /* 1 << bits heads */
    int *head, *next;
    uint64_t *key;
};

/* Keys are often small numbers in a row or multiples of something: the high bits of a product with an odd constant (2^64 over the golden
 * ratio: Knuth, The Art of Computer Programming 3, section 6.4) spread both. */
static int *head_of(const struct row_index *index, uint64_t key)
{
    return &index->head[key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - index->bits)];
}

int row_index_create(struct row_index **out, int rows)
{
    struct row_index *index = calloc(1, sizeof *index);
    ASSERT(rows > 0 && rows <= 1 << 24);
    *out = index;
    if (!index)
        return ERR_NOMEM;
    index->rows = rows;
    for (index->bits = 1; 1 << index->bits < rows;)
        index->bits++;
    index->head = malloc(sizeof *index->head << index->bits);
    index->next = malloc(sizeof *index->next * (size_t)rows);
    index->key = malloc(sizeof *index->key * (size_t)rows);
    if (!index->head || !index->next || !index->key) {
        row_index_destroy(out);
        return ERR_NOMEM;
    }
    row_index_clear(index);
    return 0;
}

void row_index_destroy(struct row_index **out)
{
    struct row_index *index = *out;
    *out = NULL;
    if (!index)
        return;
    free(index->head);
    free(index->next);
    free(index->key);
    free(index);
}

void row_index_clear(struct row_index *index)
{
    for (int h = 0; h < 1 << index->bits; h++)
        index->head[h] = NONE;
}

void row_index_put(struct row_index *index, int row, uint64_t key)
{
    int *head = head_of(index, key);
    ASSERT(row >= 0 && row < index->rows);
    index->key[row] = key;
    index->next[row] = *head;
    *head = row;
}

/* The link that leads to a row. */
static int *link_to(const struct row_index *index, int row)
{
    ASSERT(row >= 0 && row < index->rows);
    int *link = head_of(index, index->key[row]);
    while (*link != row) {
        ASSERT(*link != NONE);
        link = &index->next[*link];
    }
    return link;
}

void row_index_drop(struct row_index *index, int row)
{
    *link_to(index, row) = index->next[row];
}

void row_index_move(struct row_index *index, int from, int to)
{
    ASSERT(to >= 0 && to < index->rows);
    *link_to(index, from) = to;
    index->key[to] = index->key[from];
    index->next[to] = index->next[from];
}

static int matching(const struct row_index *index, int row, uint64_t key)
{
    while (row != NONE && index->key[row] != key)
        row = index->next[row];
    return row;
}

int row_index_first(const struct row_index *index, uint64_t key)
{
    return matching(index, *head_of(index, key), key);
}

int row_index_next(const struct row_index *index, int row)
{
    return matching(index, index->next[row], index->key[row]);
}
