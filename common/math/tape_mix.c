/* What off-policy methods do with action values and actions: choose, sum, insert, draw, mix. Equations and shapes in tape.h. */
#include <string.h>

#include "math/tape_internal.h"

/* ---- choose ---- */

static void choose_backward(struct tape *tape, const struct operation *op)
{
    (void)tape;
    struct node *y = op->out, *x = op->in[0];
    const int32_t *choice = op->as.choice;
    real *d = tape_gradient_to_add(x);
    for (size_t r = 0; r < node_count(y); r++)
        d[r * (size_t)x->cols + (size_t)choice[r]] += y->gradient[r];
}

struct node *tape_choose(struct tape *tape, struct node *x, const int32_t *choice, int R, int N)
{
    ASSERT(R * N <= x->rows);
    struct operation *op;
    struct node *y = tape_result(tape, R, N, choose_backward, 1, &x, &op);
    if (op)
        op->as.choice = choice;
    for (size_t r = 0; r < node_count(y); r++) {
        ASSERT(choice[r] >= 0 && choice[r] < x->cols);
        y->value[r] = x->value[r * (size_t)x->cols + (size_t)choice[r]];
    }
    return y;
}

/* ---- sum of columns ---- */

static void sum_backward(struct tape *tape, const struct operation *op)
{
    (void)tape;
    struct node *x = op->in[0];
    real *d = tape_gradient_to_add(x);
    for (int r = 0; r < x->rows; r++)
        for (int j = 0; j < x->cols; j++)
            *d++ += op->out->gradient[r];
}

struct node *tape_sum_columns(struct tape *tape, struct node *x)
{
    struct operation *op;
    struct node *y = tape_result(tape, x->rows, 1, sum_backward, 1, &x, &op);
    const real *from = x->value;
    for (int r = 0; r < x->rows; r++) {
        real sum = 0;
        for (int j = 0; j < x->cols; j++)
            sum += *from++;
        y->value[r] = sum;
    }
    return y;
}

/* ---- insert ---- */

static void insert_backward(struct tape *tape, const struct operation *op)
{
    (void)tape;
    struct node *y = op->out, *piece = op->in[0];
    real *d = tape_gradient_to_add(piece);
    for (size_t r = 0; r < (size_t)y->rows; r++) {
        const real *from = y->gradient + r * (size_t)y->cols + (size_t)op->as.insert.at[r];
        real *to = d + (size_t)op->as.insert.from[r] * (size_t)piece->cols;
        for (int a = 0; a < piece->cols; a++)
            to[a] += from[a];
    }
}

struct node *tape_insert(struct tape *tape, int R, int C, const real *base, struct node *piece, const int32_t *from,
                         const int32_t *at)
{
    struct operation *op;
    struct node *y = tape_result(tape, R, C, insert_backward, 1, &piece, &op);
    if (op)
        op->as.insert.from = from, op->as.insert.at = at;
    memcpy(y->value, base, node_count(y) * sizeof *base);
    for (size_t r = 0; r < (size_t)R; r++) {
        ASSERT(from[r] >= 0 && from[r] < piece->rows && at[r] >= 0 && at[r] + piece->cols <= C);
        memcpy(y->value + r * (size_t)C + (size_t)at[r], piece->value + (size_t)from[r] * (size_t)piece->cols,
               (size_t)piece->cols * sizeof *base);
    }
    return y;
}

/* ---- straight-through Gumbel softmax ---- */

/* d_z = p (d - sum d p) */
static void gumbel_backward(struct tape *tape, const struct operation *op)
{
    (void)tape;
    struct node *y = op->out, *logits = op->in[0];
    real *d = tape_gradient_to_add(logits);
    for (size_t r = 0; r < (size_t)y->rows; r++) {
        const size_t at = r * (size_t)y->cols;
        const real *p = op->saved[0] + at, *dy = y->gradient + at;
        real sum = 0;
        for (int a = 0; a < y->cols; a++)
            sum += dy[a] * p[a];
        for (int a = 0; a < y->cols; a++)
            d[at + (size_t)a] += p[a] * (dy[a] - sum);
    }
}

struct node *tape_gumbel(struct tape *tape, struct node *logits, const uint8_t *available, const real *noise)
{
    const int R = logits->rows, A = logits->cols;
    struct operation *op;
    struct node *y = tape_result(tape, R, A, gumbel_backward, 1, &logits, &op);
    real *p = arena_array(&tape->arena, real, node_count(y));
    if (op)
        op->saved[0] = p;
    size_t mark = arena_mark(&tape->arena);
    real *noisy = arena_array(&tape->arena, real, node_count(y)), *log_p = arena_array(&tape->arena, real, node_count(y));
    for (size_t i = 0; i < node_count(y); i++)
        noisy[i] = logits->value[i] + noise[i];
    tape_log_softmax(R, A, 1, &(const int32_t){A}, noisy, available, log_p, p, arena_array(&tape->arena, real, R));
    memset(y->value, 0, node_count(y) * sizeof *y->value);
    for (size_t r = 0; r < (size_t)R; r++) {
        const real *z = log_p + r * (size_t)A;
        int best = 0;
        for (int a = 1; a < A; a++)
            best = z[a] > z[best] ? a : best;
        y->value[r * (size_t)A + (size_t)best] = 1;
    }
    arena_release(&tape->arena, mark);
    return y;
}

/* ---- monotonic mixing ---- */

enum { IN_Q, IN_W1, IN_B1, IN_W2, IN_V };

static inline real absolute(real x)
{
    return x < 0 ? -x : x;
}

static inline real sign(real x)
{
    return (real)((x > 0) - (x < 0));
}

/* hidden [E] before its activation = q |w1| + b1 of one row */
static void mix_row(int N, int E, const real *q, const real *w1, const real *b1, real *hidden)
{
    memcpy(hidden, b1, (size_t)E * sizeof *hidden);
    for (int n = 0; n < N; n++, w1 += E)
        for (int e = 0; e < E; e++)
            hidden[e] += q[n] * absolute(w1[e]);
}

/* Where no gradient is wanted the piece goes to `waste`. */
static real *piece_to_add(struct node *node, int r, real *waste)
{
    return node->gradient ? node->gradient + (size_t)r * (size_t)node->cols : waste;
}

static void mix_row_backward(const struct operation *op, int r, real *d_hidden, real *waste)
{
    struct node *q = op->in[IN_Q], *w1 = op->in[IN_W1], *b1 = op->in[IN_B1], *w2 = op->in[IN_W2], *v = op->in[IN_V];
    const int N = q->cols, E = b1->cols;
    const real d = op->out->gradient[r], *a = op->saved[0] + (size_t)r * (size_t)E, *w2_row = w2->value + (size_t)r * (size_t)E;
    real *d_b1 = piece_to_add(b1, r, waste), *d_w2 = piece_to_add(w2, r, waste), *d_q = piece_to_add(q, r, waste);
    *piece_to_add(v, r, waste) += d;
    for (int e = 0; e < E; e++) {
        d_hidden[e] = d * absolute(w2_row[e]) * (a[e] > 0 ? 1 : a[e] + 1);
        d_w2[e] += d * a[e] * sign(w2_row[e]);
        d_b1[e] += d_hidden[e];
    }
    real *d_w1 = piece_to_add(w1, r, waste);
    const real *w1_row = w1->value + (size_t)r * (size_t)w1->cols, *q_row = q->value + (size_t)r * (size_t)N;
    for (int n = 0; n < N; n++, w1_row += E, d_w1 += E) {
        real sum = 0;
        for (int e = 0; e < E; e++) {
            sum += d_hidden[e] * absolute(w1_row[e]);
            d_w1[e] += d_hidden[e] * q_row[n] * sign(w1_row[e]);
        }
        d_q[n] += sum;
    }
}

static void mix_backward(struct tape *tape, const struct operation *op)
{
    size_t mark = arena_mark(&tape->arena), wide = (size_t)op->in[IN_W1]->cols;
    for (int i = 0; i <= IN_V; i++)
        if (op->in[i]->gradient)
            tape_gradient_to_add(op->in[i]);
    real *d_hidden = arena_array(&tape->arena, real, op->in[IN_B1]->cols), *waste = arena_zero_array(&tape->arena, real, wide);
    for (int r = 0; r < op->out->rows; r++)
        mix_row_backward(op, r, d_hidden, waste);
    arena_release(&tape->arena, mark);
}

struct node *tape_mix(struct tape *tape, struct node *q, struct node *w1, struct node *b1, struct node *w2, struct node *v)
{
    const int R = q->rows, N = q->cols, E = b1->cols;
    ASSERT(w1->rows == R && w1->cols == N * E && b1->rows == R && w2->rows == R && w2->cols == E && v->rows == R && v->cols == 1);
    struct operation *op;
    struct node *y = tape_result(tape, R, 1, mix_backward, 5, (struct node *[]){q, w1, b1, w2, v}, &op);
    real *hidden = arena_array(&tape->arena, real, (size_t)R * (size_t)E); /* then its activation, for backward */
    if (op)
        op->saved[0] = hidden;
    for (size_t r = 0; r < (size_t)R; r++)
        mix_row(N, E, q->value + r * (size_t)N, w1->value + r * (size_t)w1->cols, b1->value + r * (size_t)E,
                hidden + r * (size_t)E);
    activation_forward(ACTIVATION_ELU, (size_t)R * (size_t)E, hidden);
    for (size_t r = 0; r < (size_t)R; r++) {
        real sum = v->value[r];
        for (size_t e = 0; e < (size_t)E; e++)
            sum += hidden[r * (size_t)E + e] * absolute(w2->value[r * (size_t)E + e]);
        y->value[r] = sum;
    }
    return y;
}

/* ---- duplex dueling ---- */

static const real POSITIVE = (real)1e-10; /* the published code's */

enum { IN_VALUE, IN_SCALE, IN_SHIFT };

static void transform_backward(struct tape *tape, const struct operation *op)
{
    (void)tape;
    struct node *q = op->in[IN_VALUE], *w = op->in[IN_SCALE], *b = op->in[IN_SHIFT];
    const real *d = op->out->gradient;
    const size_t count = node_count(op->out);
    real *d_q = q->gradient ? tape_gradient_to_add(q) : NULL, *d_w = w->gradient ? tape_gradient_to_add(w) : NULL;
    real *d_b = b && b->gradient ? tape_gradient_to_add(b) : NULL;
    for (size_t i = 0; d_q && i < count; i++)
        d_q[i] += d[i] * (absolute(w->value[i]) + POSITIVE);
    for (size_t i = 0; d_w && i < count; i++)
        d_w[i] += d[i] * q->value[i] * sign(w->value[i]);
    for (size_t i = 0; d_b && i < count; i++)
        d_b[i] += d[i];
}

struct node *tape_transform(struct tape *tape, struct node *q, struct node *w, struct node *b)
{
    ASSERT(w->rows == q->rows && w->cols == q->cols && (!b || (b->rows == q->rows && b->cols == q->cols)));
    struct operation *op;
    struct node *y = tape_result(tape, q->rows, q->cols, transform_backward, 3, (struct node *[]){q, w, b}, &op);
    for (size_t i = 0; i < node_count(y); i++)
        y->value[i] = (absolute(w->value[i]) + POSITIVE) * q->value[i] + (b ? b->value[i] : 0);
    return y;
}

enum { IN_KEY, IN_AGENTS, IN_ACTION };

static void credit_row_backward(const struct operation *op, int r, real *waste)
{
    struct node *key = op->in[IN_KEY], *agents = op->in[IN_AGENTS], *action = op->in[IN_ACTION];
    const int K = key->cols, N = op->out->cols;
    const size_t at = (size_t)r * (size_t)agents->cols;
    const real *d = op->out->gradient + (size_t)r * (size_t)N, *key_row = key->value + (size_t)r * (size_t)K;
    const real *x = agents->value + at, *y = action->value + at;
    real *d_key = piece_to_add(key, r, waste), *d_x = piece_to_add(agents, r, waste), *d_y = piece_to_add(action, r, waste);
    for (int k = 0; k < K; k++, x += N, y += N, d_x += N, d_y += N) {
        const real scale = absolute(key_row[k]) + POSITIVE;
        real sum = 0;
        for (int n = 0; n < N; n++) {
            sum += d[n] * x[n] * y[n];
            d_x[n] += d[n] * scale * y[n];
            d_y[n] += d[n] * scale * x[n];
        }
        d_key[k] += sum * sign(key_row[k]);
    }
}

static void credit_backward(struct tape *tape, const struct operation *op)
{
    size_t mark = arena_mark(&tape->arena);
    for (int i = 0; i <= IN_ACTION; i++)
        if (op->in[i]->gradient)
            tape_gradient_to_add(op->in[i]);
    real *waste = arena_zero_array(&tape->arena, real, (size_t)op->in[IN_AGENTS]->cols);
    for (int r = 0; r < op->out->rows; r++)
        credit_row_backward(op, r, waste);
    arena_release(&tape->arena, mark);
}

struct node *tape_credit(struct tape *tape, struct node *key, struct node *agents, struct node *action)
{
    const int R = key->rows, K = key->cols, N = agents->cols / K;
    ASSERT(agents->rows == R && action->rows == R && agents->cols == K * N && action->cols == K * N);
    struct operation *op;
    struct node *credit = tape_result(tape, R, N, credit_backward, 3, (struct node *[]){key, agents, action}, &op);
    const real *x = agents->value, *y = action->value;
    memset(credit->value, 0, node_count(credit) * sizeof *credit->value);
    for (int r = 0; r < R; r++)
        for (int k = 0; k < K; k++, x += N, y += N) {
            const real scale = absolute(key->value[(size_t)r * (size_t)K + (size_t)k]) + POSITIVE;
            real *to = credit->value + (size_t)r * (size_t)N;
            for (int n = 0; n < N; n++)
                to[n] += scale * x[n] * y[n];
        }
    return credit;
}
