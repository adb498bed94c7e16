/* Errors: one list of codes, and one line of text for a person.
 *
 * Every function that can fail returns 0 or one of these negative codes. Where a person will read the reason, the
 * last parameter is `struct err *err` (may be NULL): it receives one line, lower case, no full stop, failure first,
 * then the object, then the reason, with got and expected when they differ. Errors of libuv and ZeroMQ are translated
 * where they arise, in common/wire. A broken invariant of our own is not an error: ASSERT aborts in every build. */
#ifndef TESTUDO_BASE_ERR_H
#define TESTUDO_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#define ERR_MAP(X)                                                   \
    X(ERR_INVALID, -1, "invalid input")                              \
    X(ERR_RANGE, -2, "value out of range")                           \
    X(ERR_NOMEM, -3, "out of memory")                                \
    X(ERR_IO, -4, "input or output failed")                          \
    X(ERR_FORMAT, -5, "malformed data")                              \
    X(ERR_MISMATCH, -6, "does not match what was expected")          \
    X(ERR_LIMIT, -7, "a ceiling was exceeded")                       \
    X(ERR_STATE, -8, "not allowed in this state")                    \
    X(ERR_AGAIN, -9, "not now")                                      \
    X(ERR_CLOSED, -10, "closed")                                     \
    X(ERR_UNKNOWN, -11, "unknown name")                              \
    X(ERR_NOT_FINITE, -12, "not a finite number")                    \
    X(ERR_DUPLICATE, -13, "seen before")                             \
    X(ERR_VERSION, -14, "protocol or format version not understood") \
    X(ERR_DENIED, -15, "not admitted")

enum err_code {
    ERR_OK = 0,
#define ERR_ENUM(name, value, text) name = value,
    ERR_MAP(ERR_ENUM)
#undef ERR_ENUM
};

#define MUST_USE __attribute__((warn_unused_result))

struct err {
    char text[512];
};

/* Writes the line (truncated to fit) and returns `code`, so that a failure reads `return err_set(err, ERR_X, ...)`.
 * err may be NULL. */
int err_set(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "<format>: " before the line that is already there; returns `code`. */
int err_prefix(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Name ("ERR_RANGE") and meaning of a code; never NULL. */
const char *err_name(int code);
const char *err_text(int code);

/* Our own bug: prints file, line and the condition on stderr and aborts, in every build. */
void assert_failed(const char *file, int line, const char *condition) __attribute__((noreturn));
#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(__FILE__, __LINE__, #condition))

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
