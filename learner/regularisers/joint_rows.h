/* Rows that a centralised critic reads, as regularisers on the actions of the others see them: agent j's A numbers stand in columns
 * at + j*A. */
#ifndef TESTUDO_LEARNER_REGULARISERS_JOINT_ROWS_H
#define TESTUDO_LEARNER_REGULARISERS_JOINT_ROWS_H

#include "net/net.h"

struct joint_rows {
    int n, width, N, A, at;
    const int32_t *own;  /* [n] whose action the row is about: it stays as it is */
    const int32_t *from; /* [n] where that action came from, a row of a matrix of actions; NULL where nobody asks */
};

#endif
