/* SMAC combat: collision avoidance once more, with fused sums of products.
 *
 * The reference's dot products come from a linear algebra library, which on some processors fuses multiplication and addition.
 * Avoidance pushes units to exactly touching distance, which is also how far neighbours are looked for, so the last bit of a dot
 * product can decide whether a neighbour exists. Only replays of recorded episodes use this (smac_trace.c). */
#define SMAC_FUSED 1
#include "envs/smac_move.c"
