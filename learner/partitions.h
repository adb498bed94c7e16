/* Shares and returns of the partitions that episodes were played under: what `stats` shows and convergence looks at. */
#ifndef TESTUDO_LEARNER_PARTITIONS_H
#define TESTUDO_LEARNER_PARTITIONS_H

#include <stddef.h>
#include <stdint.h>

#define PARTITIONS_MAX 128 /* kinds remembered; episodes of further ones are counted in `others` */

struct partition_row {
    uint64_t mask;     /* of adversaries */
    int64_t episodes;  /* since this process started */
    double recent;     /* return, averaged over about the last 100 episodes */
    double update_sum; /* of returns since partitions_begin_update */
    int64_t update_count;
};

struct partitions { /* plain data; zero is empty */
    int count;
    int64_t others, total;
    struct partition_row rows[PARTITIONS_MAX];
};

void partitions_begin_update(struct partitions *partitions);
void partitions_count(struct partitions *partitions, uint64_t mask, double episode_return);

/* Mean recent return of episodes without adversaries, over attacked ones, and the lowest of a single attacked partition; NaN: none. */
void partitions_returns(const struct partitions *partitions, double *clean, double *attacked, double *lowest);

/* [{"partition": [agents], "episodes", "share", "return"}]; bytes written or ERR_LIMIT. */
int partitions_json(const struct partitions *partitions, char *out, size_t size);

#endif
