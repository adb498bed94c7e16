/* Metrics: the numbers of a run over its steps, in two forms of the same content.
 *
 *   progress.csv   header "steps,wall_seconds,<names>", one row per call; an unknown number is an empty cell
 *   tb/            TensorBoard event files with one scalar per name; every start of the learner opens a new one
 *
 * Names are fixed when the run begins; "return/clean" shows up in TensorBoard as chart "clean" of group "return". A learner
 * that goes on from a checkpoint says at which step: rows behind it are cut off, because these steps are done again, and
 * TensorBoard is told to forget them. Used from one thread. */
#ifndef TESTUDO_LEARNER_METRICS_H
#define TESTUDO_LEARNER_METRICS_H

#include <stdint.h>

#include "base/err.h"

#define METRICS_NAMES_MAX 128
#define METRICS_NAME_MAX 64 /* bytes; letters, digits, '_', '-', '.', '/' */

struct metrics;

/* folder: of the run; must exist. names [n] are copied. resume_steps: the checkpoint's steps, -1 for a fresh run.
 * ERR_MISMATCH when a progress.csv is there whose header names other numbers. */
MUST_USE int metrics_open(struct metrics **metrics, const char *folder, const char *const *names, int n, int64_t resume_steps,
                          struct err *err);
void metrics_close(struct metrics **metrics); /* NULL inside is fine */

/* One row; values [n], NaN for unknown. Allocates nothing. ERR_IO when a file took less than the row: the caller counts it and
 * goes on, the next row starts on a line of its own. */
MUST_USE int metrics_write(struct metrics *metrics, int64_t steps, double wall_seconds, const double *values, struct err *err);

#endif
