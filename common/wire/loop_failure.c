#include "wire/loop_failure.h"

const char *loop_failure_name(enum loop_failure failure)
{
    static const char *const names[] = {
        [LOOP_FAILURE_DENIED] = "denied", [LOOP_FAILURE_PLAIN] = "plain",       [LOOP_FAILURE_KEY] = "key",
        [LOOP_FAILURE_REPLAY] = "replay", [LOOP_FAILURE_PROTOCOL] = "protocol", [LOOP_FAILURE_BROKEN] = "broken"};
    return names[failure];
}

int loop_failure_explain(enum loop_failure failure, const char *endpoint, bool has_keys, struct err *err)
{
    if (failure == LOOP_FAILURE_DENIED)
        return err_set(err, ERR_DENIED, "%s does not admit this key; a line in its list `allowed` would let it in", endpoint);
    if (failure != LOOP_FAILURE_PLAIN)
        return 0;
    return has_keys ? err_set(err, ERR_DENIED, "%s speaks plain text, and keys were to be used; --insecure does without", endpoint)
                    : err_set(err, ERR_DENIED, "%s asks for a key, and none was used; --key FILE names one", endpoint);
}

const char *loop_failure_hint(bool has_keys)
{
    return has_keys ? "hangs up during the handshake; does it use keys, and is the server key in our file its key?"
                    : "hangs up during the handshake; perhaps it asks for a key, which --key FILE names";
}
