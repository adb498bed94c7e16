/* Who asked for a chunk of a blob that is still on its way: in broker and relay. A question that is repeated stands once. There is room for
 * 2,048; who finds none is not answered and asks again after a second. */
#ifndef TESTUDO_BROKER_WAITERS_H
#define TESTUDO_BROKER_WAITERS_H

#include "wire/envelope.h"

struct waiter {
    struct wire_peer peer;
    struct message_fetch fetch;
};

struct waiters;
MUST_USE int waiters_create(struct waiters **waiters);
void waiters_destroy(struct waiters **waiters);
void waiters_add(struct waiters *waiters, const struct wire_peer *peer, const struct message_fetch *fetch);
/* Takes one who waits for this blob out; false: nobody does, any more. */
bool waiters_take(struct waiters *waiters, struct hash hash, struct waiter *waiter);
void waiters_forget(struct waiters *waiters); /* all */
int waiters_count(const struct waiters *waiters);

#endif
