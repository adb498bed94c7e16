/* A routing id that nobody can guess: "actor-3-9f0c41d2a7b3". A ROUTER hands a connection over to whoever comes with its id, so with an id
 * that could be guessed one peer could take another's messages away. At most 31 characters. */
#ifndef TESTUDO_WIRE_ROUTING_ID_H
#define TESTUDO_WIRE_ROUTING_ID_H

#define ROUTING_ID_SIZE 32

/* `name` is cut after 18 characters. */
void routing_id(char id[ROUTING_ID_SIZE], const char *name);

#endif
