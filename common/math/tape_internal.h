/* What the tape's own files share. */
#ifndef TESTUDO_MATH_TAPE_INTERNAL_H
#define TESTUDO_MATH_TAPE_INTERNAL_H

#include "math/tape.h"

/* A node and what only the tape's files know of it. `node` comes first, so that a struct node * is also a struct tape_node *. */
struct tape_node {
    struct node node;
    bool touched;             /* the gradient holds something: add to it; otherwise it is uninitialised: set it */
    bool is_relu;             /* the value is what a ReLU left: many zeroes */
    const real *transposed;   /* parameters: [cols,rows], may be NULL */
    struct prepared prepared; /* parameters: right factors for the tape's products, made when first needed */
};

#define OPERATION_INPUTS 6

struct operation;
typedef void operation_backward(struct tape *tape, const struct operation *op);

struct operation {
    operation_backward *backward; /* runs only if the result's gradient was touched */
    struct node *out;
    struct node *in[OPERATION_INPUTS]; /* unused or absent ones are NULL */
    union {
        enum activation activation;
        real factor;
        const int32_t *choice; /* [rows] borrowed until the next tape_begin */
        struct {
            const int32_t *from, *at; /* [rows] likewise */
        } insert;
        struct {
            int T, B;
            const real *keep;
        } sequence;
    } as;
    real *saved[3]; /* kept by forward for backward */
};

struct tape {
    struct arena arena;
    const struct product_ops *products;
    struct operation *operations; /* [max_operations] */
    int n_operations, max_operations;
    double loss;
};

/* A node with room for its value and, if `wants_gradient`, for its gradient (untouched). */
struct node *tape_node_new(struct tape *tape, int rows, int cols, bool wants_gradient);

/* A node that results from `in` [count] (NULLs allowed), and its operation unless no input needs a gradient (then *op is NULL). */
struct node *tape_result(struct tape *tape, int rows, int cols, operation_backward *backward, int count, struct node *const *in,
                         struct operation **op);

/* How to write into a node's gradient now; from here on it counts as touched. */
enum product_mode tape_touch(struct node *node);

/* For operations that add number by number: the gradient, cleared if nobody touched it yet. */
real *tape_gradient_to_add(struct node *node);

/* Right factors of a parameter or any other node, prepared on first use and kept until the next tape_begin. */
const real *tape_right(struct tape *tape, struct node *W);
const real *tape_right_transposed(struct tape *tape, struct node *W);

/* log_p, p [R,A] of the softmax over each run of choices[0..C-1] logits in a row [A]; unavailable ones masked (available may be
 * NULL). sum [R,C]: scratch. */
void tape_log_softmax(int R, int A, int C, const int32_t *choices, const real *logits, const uint8_t *available, real *log_p,
                      real *p, real *sum);

static inline size_t node_count(const struct node *node)
{
    return (size_t)node->rows * (size_t)node->cols;
}

#endif
