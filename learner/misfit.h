/* Where two records of the same slice part: found in a trajectory, expected by whoever did it again (rescore.h, audit.h). */
#ifndef TESTUDO_LEARNER_MISFIT_H
#define TESTUDO_LEARNER_MISFIT_H

#include "wire/schema.h"

struct misfit {
    char field[32]; /* column, or a word of the envelope; "": none */
    int t, agent;   /* -1: concerns no single step, no single agent; t may be steps: what follows the slice */
    char expected[32], found[32];
};

/* "step 12 agent 3: action_logp is -0.69, expected -1.38" */
void misfit_text(const struct misfit *misfit, char *text, size_t size);
/* One number of a column as text. */
void misfit_number(enum column_type type, const void *numbers, size_t index, char text[32]);
size_t misfit_number_bytes(enum column_type type);

#endif
