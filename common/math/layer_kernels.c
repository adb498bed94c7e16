/* Row-wise pieces of layers, compiled once per clone; layers.h says what each does. */
#include "math/vmath_inline.h"

#include "math/clone.h"
#include "math/layers.h"

#ifdef TESTUDO_DOUBLE
#define real_sqrt sqrt
#else
#define real_sqrt sqrtf
#endif

/* Pointers of a loop marked so may be equal (x and y, h and next) but never overlap otherwise: no number depends on another
 * place. */
#ifdef __clang__
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

/* ---- activations, backward ---- */

LANE real slope(const enum activation act, real y, real g)
{
    switch (act) {
    case ACTIVATION_RELU: return y <= 0 ? 0 : g; /* NaN in y lets g through */
    case ACTIVATION_TANH: return g * fused(-y, y, 1);
    case ACTIVATION_ELU: return y > 0 ? g : fused(g, y, g);
    case ACTIVATION_SIGMOID: return g * fused(-y, y, y);
    default: return g;
    }
}

#define CHUNK 64 /* columns whose sums stay in the first-level cache while all rows pass */

LANE void slope_chunk(const enum activation act, int rows, int cols, int n, const real *y, real *g, real *bias_gradient)
{
    real sum[CHUNK] = {0};
    for (int r = 0; r < rows; r++, y += cols, g += cols) {
        for (int j = 0; j < n; j++) {
            real d = slope(act, y[j], g[j]);
            if (act != ACTIVATION_NONE) /* nothing changes: only the sums are wanted */
                g[j] = d;
            sum[j] += d;
        }
    }
    for (int j = 0; bias_gradient && j < n; j++)
        bias_gradient[j] += sum[j];
}

LANE void slope_all(const enum activation act, int rows, int cols, const real *y, real *g, real *bias_gradient)
{
    int j = 0;
    for (; j + CHUNK <= cols; j += CHUNK)
        slope_chunk(act, rows, cols, CHUNK, y + j, g + j, bias_gradient ? bias_gradient + j : 0);
    if (j < cols)
        slope_chunk(act, rows, cols, cols - j, y + j, g + j, bias_gradient ? bias_gradient + j : 0);
}

static void activation_backward(enum activation act, int rows, int cols, const real *y, real *g, real *bias_gradient)
{
    switch (act) {
    case ACTIVATION_NONE:
        if (bias_gradient)
            slope_all(ACTIVATION_NONE, rows, cols, y, g, bias_gradient);
        return;
    case ACTIVATION_RELU: slope_all(ACTIVATION_RELU, rows, cols, y, g, bias_gradient); return;
    case ACTIVATION_TANH: slope_all(ACTIVATION_TANH, rows, cols, y, g, bias_gradient); return;
    case ACTIVATION_ELU: slope_all(ACTIVATION_ELU, rows, cols, y, g, bias_gradient); return;
    case ACTIVATION_SIGMOID: slope_all(ACTIVATION_SIGMOID, rows, cols, y, g, bias_gradient); return;
    }
}

/* ---- LayerNorm ---- */

LANE real row_mean(int cols, const real *x)
{
    struct lanes s = lanes_zero();
    int j = 0;
    for (; j + LANES <= cols; j += LANES)
        for (int q = 0; q < LANES / VL; q++)
            s.part[q] = s.part[q] + vec_load(x + j + q * VL);
    return lanes_total(&s, x + j, cols - j) * (1 / (real)cols);
}

LANE real row_variance(int cols, const real *x, real mean)
{
    struct lanes s = lanes_zero();
    vec minus = vec_set(-mean);
    int j = 0;
    for (; j + LANES <= cols; j += LANES) {
        for (int q = 0; q < LANES / VL; q++) {
            vec d = vec_load(x + j + q * VL) + minus;
            s.part[q] = vec_fma(d, d, s.part[q]);
        }
    }
    real tail[LANES];
    for (int l = 0; j + l < cols; l++)
        tail[l] = (x[j + l] - mean) * (x[j + l] - mean);
    return lanes_total(&s, tail, cols - j) * (1 / (real)cols);
}

#define NORM_ROWS 32 /* rows whose roots are taken together: division and root would otherwise hold up every row */

LANE void norm_group_moments(int rows, const int cols, const real *x, real *mean, real *rstd)
{
    for (int r = 0; r < rows; r++, x += cols) {
        mean[r] = row_mean(cols, x);
        rstd[r] = row_variance(cols, x, mean[r]) + (real)NORM_EPS;
    }
    for (int r = 0; r < rows; r++)
        rstd[r] = 1 / real_sqrt(rstd[r]);
}

LANE void norm_rows_forward(int rows, const int cols, const real *x, const real *gain, const real *bias, real *y, real *moments)
{
    for (int first = 0; first < rows; first += NORM_ROWS) {
        real mean[NORM_ROWS], rstd[NORM_ROWS];
        int n = rows - first < NORM_ROWS ? rows - first : NORM_ROWS;
        norm_group_moments(n, cols, x, mean, rstd);
        for (int r = 0; r < n; r++, x += cols, y += cols) {
            real shift = mean[r], scale = rstd[r];
            INDEPENDENT
            for (int j = 0; j < cols; j++)
                y[j] = fused((x[j] - shift) * scale, gain[j], bias[j]);
        }
        for (int r = 0; moments && r < n; r++) {
            moments[2 * (first + r)] = mean[r];
            moments[2 * (first + r) + 1] = rstd[r];
        }
    }
}

/* The widths of the published nets get code of their own, in which a row stays in registers; the arithmetic is the same. */
static void norm_forward(int rows, int cols, const real *x, const real *gain, const real *bias, real *y, real *moments)
{
    if (cols == 128)
        norm_rows_forward(rows, 128, x, gain, bias, y, moments);
    else if (cols == 64)
        norm_rows_forward(rows, 64, x, gain, bias, y, moments);
    else
        norm_rows_forward(rows, cols, x, gain, bias, y, moments);
}

/* With u = (x - mean) rstd and e = dy * gain:  dx = rstd (e - mean(e) - u mean(e u)). */
LANE void norm_row_backward(int cols, const real *x, const real *gain, real mean, real rstd, const real *dy, const int add,
                            real *dx)
{
    struct lanes s = lanes_zero(), t = lanes_zero();
    vec minus = vec_set(-mean), scale = vec_set(rstd);
    int j = 0;
    for (; j + LANES <= cols; j += LANES) {
        for (int q = 0; q < LANES / VL; q++) {
            int at = j + q * VL;
            vec e = vec_load(dy + at) * vec_load(gain + at);
            vec u = (vec_load(x + at) + minus) * scale;
            s.part[q] = vec_fma(vec_load(dy + at), vec_load(gain + at), s.part[q]);
            t.part[q] = vec_fma(e, u, t.part[q]);
        }
    }
    real tail_e[LANES], tail_eu[LANES];
    for (int l = 0; j + l < cols; l++) {
        tail_e[l] = dy[j + l] * gain[j + l];
        tail_eu[l] = tail_e[l] * ((x[j + l] - mean) * rstd);
    }
    real mean_e = lanes_total(&s, tail_e, cols - j) * (1 / (real)cols);
    real mean_eu = lanes_total(&t, tail_eu, cols - j) * (1 / (real)cols);
    INDEPENDENT
    for (j = 0; j < cols; j++) {
        real u = (x[j] - mean) * rstd;
        real d = fused(-u, mean_eu, fused(dy[j], gain[j], -mean_e));
        dx[j] = add ? fused(d, rstd, dx[j]) : d * rstd;
    }
}

#define NORM_SUMMED 4 /* rows whose parameter gradients are added up before the sums go back to memory */

/* The gradients of gain and bias of `rows` rows, row by row for each column. */
LANE void norm_rows_parameters(const int rows, int cols, const real *x, const real *moments, const real *dy, real *sum_gain,
                               real *sum_bias)
{
    INDEPENDENT
    for (int j = 0; j < cols; j++) {
        real gain = sum_gain[j], bias = sum_bias[j];
        _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++)
        {
            gain = fused(dy[(size_t)r * (size_t)cols + (size_t)j],
                         (x[(size_t)r * (size_t)cols + (size_t)j] - moments[2 * r]) * moments[2 * r + 1], gain);
            bias += dy[(size_t)r * (size_t)cols + (size_t)j];
        }
        sum_gain[j] = gain;
        sum_bias[j] = bias;
    }
}

LANE void norm_rows_backward(int rows, const int cols, const real *x, const real *gain, const real *moments, const real *dy,
                             enum product_mode mode, real *dx, real *d_gain, real *d_bias, real *sums)
{
    real *sum_gain = sums, *sum_bias = sums + cols;
    for (int j = 0; j < cols; j++)
        sum_gain[j] = sum_bias[j] = 0;
    for (int r = 0; r < rows; r++, x += cols, dy += cols, moments += 2) {
        if (d_gain && r % NORM_SUMMED == 0 && r + NORM_SUMMED <= rows)
            norm_rows_parameters(NORM_SUMMED, cols, x, moments, dy, sum_gain, sum_bias);
        else if (d_gain && r >= rows - rows % NORM_SUMMED)
            norm_rows_parameters(1, cols, x, moments, dy, sum_gain, sum_bias);
        if (!dx)
            continue;
        if (mode == PRODUCT_ADD)
            norm_row_backward(cols, x, gain, moments[0], moments[1], dy, 1, dx);
        else
            norm_row_backward(cols, x, gain, moments[0], moments[1], dy, 0, dx);
        dx += cols;
    }
    for (int j = 0; d_gain && j < cols; j++) {
        d_gain[j] += sum_gain[j];
        d_bias[j] += sum_bias[j];
    }
}

static void norm_backward(int rows, int cols, const real *x, const real *gain, const real *moments, const real *dy,
                          enum product_mode mode, real *dx, real *d_gain, real *d_bias, real *sums)
{
    if (cols == 128)
        norm_rows_backward(rows, 128, x, gain, moments, dy, mode, dx, d_gain, d_bias, sums);
    else if (cols == 64)
        norm_rows_backward(rows, 64, x, gain, moments, dy, mode, dx, d_gain, d_bias, sums);
    else
        norm_rows_backward(rows, cols, x, gain, moments, dy, mode, dx, d_gain, d_bias, sums);
}

/* ---- GRU gates ---- */

/* r = s(x_r + h_r)  z = s(x_z + h_z)  n = tanh(x_n + r h_n)  h' = (1 - z) n + z h = n + z (h - n) */
LANE void gru_row_forward(int H, const real *gx, const real *gh, const real *h, real *next, real *gates, const int keeps_gates)
{
    INDEPENDENT
    for (int j = 0; j < H; j++) {
        real r = sigmoid_one(gx[j] + gh[j]);
        real z = sigmoid_one(gx[H + j] + gh[H + j]);
        real n = tanh_one(fused(r, gh[2 * H + j], gx[2 * H + j]));
        real old = h[j];
        if (keeps_gates) {
            gates[j] = r;
            gates[H + j] = z;
            gates[2 * H + j] = n;
            gates[3 * H + j] = gh[2 * H + j];
        }
        next[j] = fused(z, old - n, n);
    }
}

static void gru_forward(int rows, int H, const real *gx, const real *gh, const real *h, real *next, real *gates)
{
    for (int row = 0; row < rows; row++, gx += 3 * H, gh += 3 * H, h += H, next += H) {
        if (gates)
            gru_row_forward(H, gx, gh, h, next, gates + (size_t)row * 4 * (size_t)H, 1);
        else
            gru_row_forward(H, gx, gh, h, next, 0, 0);
    }
}

static void gru_backward(int rows, int H, const real *gates, const real *h, const real *dnext, real *d_gx, real *d_gh, real *dh)
{
    for (int row = 0; row < rows; row++, gates += 4 * H, h += H, dnext += H, d_gx += 3 * H, d_gh += 3 * H, dh += H) {
        INDEPENDENT
        for (int j = 0; j < H; j++) {
            real r = gates[j], z = gates[H + j], n = gates[2 * H + j], h_n = gates[3 * H + j], d = dnext[j];
            real d_n = d * (1 - z) * fused(-n, n, 1);
            real d_z = d * (h[j] - n) * fused(-z, z, z);
            real d_r = d_n * h_n * fused(-r, r, r);
            d_gx[j] = d_gh[j] = d_r;
            d_gx[H + j] = d_gh[H + j] = d_z;
            d_gx[2 * H + j] = d_n;
            d_gh[2 * H + j] = d_n * r;
            dh[j] = d * z;
        }
    }
}

/* ---- Adam ---- */

static void adam(size_t count, const struct adam_rates *rates, const real *gradient, real *m, real *v, real *w)
{
    const struct adam_rates a = *rates;
    const real keep1 = 1 - a.beta1, keep2 = 1 - a.beta2;
    for (size_t i = 0; i < count; i++) {
        real g = gradient[i] * a.scale;
        real m1 = fused(a.beta1, m[i], keep1 * g);
        real v1 = fused(a.beta2, v[i], keep2 * g * g);
        m[i] = m1;
        v[i] = v1;
        w[i] = fused(-a.step, m1 / fused(real_sqrt(v1), a.root, a.eps), w[i]);
    }
}

extern const struct layer_ops CLONED(layer_clone);
const struct layer_ops CLONED(layer_clone) = {.activation_backward = activation_backward,
                                              .norm_forward = norm_forward,
                                              .norm_backward = norm_backward,
                                              .gru_forward = gru_forward,
                                              .gru_backward = gru_backward,
                                              .adam = adam};
