/* What `testudo doctor` looks at before a run, one function a subject. Each adds lines: how it is, and when it is not well, the remedy. */
#ifndef TESTUDO_DEPLOY_DOCTOR_H
#define TESTUDO_DEPLOY_DOCTOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

enum doctor_grade { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_GRADES };
const char *doctor_grade_name(enum doctor_grade grade); /* "ok" */

#define DOCTOR_LINES_MAX 64

struct doctor_line {
    enum doctor_grade grade;
    const char *subject; /* "ports" */
    char text[256], remedy[256];
};

struct doctor {
    int n;
    struct doctor_line lines[DOCTOR_LINES_MAX];
};

/* Adds a line; `remedy` NULL when all is well. Beyond DOCTOR_LINES_MAX lines are dropped. */
void doctor_add(struct doctor *doctor, enum doctor_grade grade, const char *subject, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
enum doctor_grade doctor_worst(const struct doctor *doctor);

void doctor_ports(struct doctor *doctor, const int *ports, int n);       /* of 127.0.0.1 */
void doctor_keys(struct doctor *doctor, const char *folder);             /* key files, their modes, and the list beside them */
void doctor_clock(struct doctor *doctor);                                /* of this machine alone */
void doctor_files(struct doctor *doctor);                                /* limit of open files */
void doctor_cpu(struct doctor *doctor);                                  /* instructions, cores */
void doctor_blas(struct doctor *doctor);                                 /* kernel, threads */
void doctor_disk(struct doctor *doctor, const char *folder, size_t mib); /* space; speed of writing so much and syncing it */

/* What a broker's answer to STATS says when it came at `now_us` (wall clock): protocol, clock, refused peers. */
void doctor_broker(struct doctor *doctor, const json_t *answer, uint64_t now_us);

#endif
