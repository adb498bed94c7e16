/* Log: events, one line each. `12:04:31.207 N learner/0 weights published version=1841`
 *
 * Level glyphs: E error, W warning, N notice, D detail. Metrics are numbers and live in their own files. The sink is the one
 * file-level variable of this code base: set once at start by log_open, then written by any thread (one write(2) a line). */
#ifndef TESTUDO_BASE_LOG_H
#define TESTUDO_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_DETAIL };

/* Names the process ("actor/3"), keeps lines up to `level`, and appends them to `path`; NULL means stderr. */
MUST_USE int log_open(const char *role, enum log_level level, const char *path, struct err *err);
void log_close(void);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_NOTICE, __VA_ARGS__)
#define log_detail(...) log_line(LOG_DETAIL, __VA_ARGS__)

#endif
