/* Which endpoints a socket may use. */
#ifndef TESTUDO_WIRE_LOOP_ENDPOINT_H
#define TESTUDO_WIRE_LOOP_ENDPOINT_H

#include <stdbool.h>

#include "base/err.h"

/* Accepts "ipc://path" and "tcp://host:port" (port a number, or * when binding). Unless may_leave, the host must be this
 * machine, spelled 127.x.y.z, localhost or [::1]. ERR_INVALID with the reason. */
MUST_USE int loop_endpoint_check(const char *endpoint, bool is_bind, bool may_leave, struct err *err);

#endif
