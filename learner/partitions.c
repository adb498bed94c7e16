#include "learner/partitions.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/err.h"

void partitions_begin_update(struct partitions *partitions)
{
    for (int i = 0; i < partitions->count; i++) {
        partitions->rows[i].update_sum = 0.0;
        partitions->rows[i].update_count = 0;
    }
}

static struct partition_row *row_of(struct partitions *partitions, uint64_t mask)
{
    for (int i = 0; i < partitions->count; i++)
        if (partitions->rows[i].mask == mask)
            return &partitions->rows[i];
    if (partitions->count == PARTITIONS_MAX)
        return NULL;
    partitions->rows[partitions->count] = (struct partition_row){.mask = mask};
    return &partitions->rows[partitions->count++];
}

void partitions_count(struct partitions *partitions, uint64_t mask, double episode_return)
{
    struct partition_row *row = row_of(partitions, mask);
    partitions->total++;
    if (!row) {
        partitions->others++;
        return;
    }
    row->episodes++;
    double weight = row->episodes < 100 ? 1.0 / (double)row->episodes : 0.01;
    row->recent += weight * (episode_return - row->recent);
    row->update_sum += episode_return;
    row->update_count++;
}

void partitions_returns(const struct partitions *partitions, double *clean, double *attacked, double *lowest)
{
    double sum = 0.0, weight = 0.0;
    *clean = *lowest = *attacked = NAN;
    for (int i = 0; i < partitions->count; i++) {
        const struct partition_row *row = &partitions->rows[i];
        if (!row->mask) {
            *clean = row->recent;
            continue;
        }
        sum += row->recent * (double)row->episodes;
        weight += (double)row->episodes;
        if (!(*lowest <= row->recent)) /* also while it is NaN */
            *lowest = row->recent;
    }
    if (weight > 0)
        *attacked = sum / weight;
}

static int write_row(const struct partition_row *row, int64_t total, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "{\"partition\":[");
    const char *comma = "";
    for (int n = 0; n < 64 && used < size; n++)
        if (row->mask >> n & 1) {
            used += (size_t)snprintf(out + used, size - used, "%s%d", comma, n);
            comma = ",";
        }
    if (used < size)
        used += (size_t)snprintf(out + used, size - used, "],\"episodes\":%" PRId64 ",\"share\":%.6g,\"return\":%.9g}",
                                 row->episodes, (double)row->episodes / (double)total, row->recent);
    return used < size ? (int)used : ERR_LIMIT;
}

int partitions_json(const struct partitions *partitions, char *out, size_t size)
{
    if (size < 3)
        return ERR_LIMIT;
    size_t used = 0;
    out[used++] = '[';
    for (int i = 0; i < partitions->count; i++) {
        if (i && used < size)
            out[used++] = ',';
        int n = write_row(&partitions->rows[i], partitions->total, out + used, size - used);
        if (n < 0)
            return n;
        used += (size_t)n;
    }
    if (used + 2 > size)
        return ERR_LIMIT;
    out[used++] = ']';
    out[used] = 0;
    return (int)used;
}
