#include "learner/regularisers/m3ddpg.h"

#include <math.h>
#include <string.h>

#define NORM_FLOOR 1e-6 /* below this length of a gradient the move shrinks with it, as in the released code */

enum { RULE_ORIGINAL, RULE_RELEASED }; /* m3ddpg.rule */
enum { CHUNK = 256 };                  /* rows whose gradients are held at a time: a row's bits do not depend on the others */

static const struct config_row rows_of_keys[] = {
    {"m3ddpg.epsilon", CONFIG_REAL, offsetof(struct m3ddpg, epsilon), "0", 0, 1e6, "action units", NULL,
     "how far another agent's action is moved against the critic (M3DDPG, on maddpg); 0: not at all"},
    {"m3ddpg.rule", CONFIG_CHOICE, offsetof(struct m3ddpg, rule), "original", 0, 0, "", "original|released",
     "released: as in MIR3's released code, which moves the agent's own target action, and by the gradient as it is"},
};

const struct config_table m3ddpg_table = {"m3ddpg", rows_of_keys, ARRAY_LEN(rows_of_keys)};

size_t m3ddpg_scratch(const struct net_arch *critic)
{
    return (size_t)CHUNK * (2 * (size_t)critic->in + 1) * sizeof(real) + net_act_input_gradient_scratch(critic, CHUNK) +
           4 * ARENA_ALIGN;
}

/* a -= epsilon g / |g|; by the released rule a -= epsilon g. */
static void move_action(const struct m3ddpg *m3ddpg, int A, const real *g, real *a)
{
    double square = 0;
    for (int k = 0; k < A; k++)
        square += (double)g[k] * (double)g[k];
    double length = sqrt(square), step = m3ddpg->epsilon;
    if (m3ddpg->rule == RULE_ORIGINAL)
        step /= length > NORM_FLOOR ? length : NORM_FLOOR;
    for (int k = 0; k < A; k++)
        a[k] -= (real)(step * (double)g[k]);
}

/* Where the gradients of n rows from `first` on are taken. */
static const real *places(const struct m3ddpg *m3ddpg, const struct joint_rows *rows, int first, int n, const real *fresh,
                          const real *x, real *out)
{
    const size_t width = (size_t)rows->width, joint = (size_t)(rows->N * rows->A);
    x += (size_t)first * width;
    if (m3ddpg->rule == RULE_ORIGINAL || !fresh)
        return x;
    memcpy(out, x, (size_t)n * width * sizeof *out);
    for (int r = 0; r < n; r++)
        memcpy(out + (size_t)r * width + (size_t)rows->at, fresh + (size_t)((first + r) / (rows->N * rows->N)) * joint,
               joint * sizeof *out);
    return out;
}

void m3ddpg_move(const struct m3ddpg *m3ddpg, const struct net_weights *critic, const struct joint_rows *rows, const real *fresh,
                 real *x, struct arena *scratch)
{
    const bool moves_own = m3ddpg->rule == RULE_RELEASED && !fresh;
    size_t mark = arena_mark(scratch), width = (size_t)rows->width;
    real *one = arena_array(scratch, real, CHUNK), *gradient = arena_array(scratch, real, (size_t)CHUNK * width);
    real *place = arena_array(scratch, real, (size_t)CHUNK * width);
    for (int r = 0; r < CHUNK; r++)
        one[r] = 1;
    for (int first = 0; first < rows->n; first += CHUNK) {
        int n = rows->n - first < CHUNK ? rows->n - first : CHUNK;
        net_act_input_gradient(critic, n, places(m3ddpg, rows, first, n, fresh, x, place), one, gradient, scratch);
        for (int r = 0; r < n; r++)
            for (int j = 0; j < rows->N; j++) {
                size_t at = (size_t)rows->at + (size_t)j * (size_t)rows->A;
                if ((j == rows->own[first + r]) == moves_own)
                    move_action(m3ddpg, rows->A, gradient + (size_t)r * width + at, x + (size_t)(first + r) * width + at);
            }
    }
    arena_release(scratch, mark);
}
