/* A single categorical goes through categorical.h over whole batches. Several are drawn component by component, each from a
 * contiguous copy of its columns, so that every draw has the bits of a single categorical of that size. */
#include "net/action_head.h"

#include <math.h>
#include <string.h>

#include "math/vmath.h"
#include "net/categorical.h"

#define HALF_LOG_2PI ((real)0.918938533204672741780329736406)

struct action_head action_head_discrete(int A)
{
    return (struct action_head){.kind = ACTION_DISCRETE, .C = 1, .A = A, .choices = {A}};
}

struct action_head action_head_of(const struct spec *spec)
{
    struct action_head head = {.kind = spec->action, .C = spec->C, .A = spec->A};
    for (int c = 0; c < spec->C; c++)
        head.choices[c] = spec->components[c].choices;
    return head;
}

void action_head_noise(const struct action_head *head, uint64_t seed, enum rng_purpose purpose, uint64_t episode, uint32_t step,
                       uint32_t agent, float *noise)
{
    if (head->kind == ACTION_DISCRETE) {
        noise[0] = rng_unit(seed, purpose, episode, step, agent);
        return;
    }
    struct rng rng = rng_stream(seed, purpose, episode, step, agent);
    for (int c = 0; c < head->C; c++)
        noise[c] = head->kind == ACTION_BOX ? (float)rng_normal(&rng) : (float)(rng_next(&rng) >> 40) * 0x1p-24f;
}

/* ---- several categoricals ---- */

enum { COPY = 1024 }; /* numbers copied at a time */
_Static_assert(COPY >= SPEC_ACTIONS_MAX, "one row fits");

struct columns { /* one component of a few rows */
    real output[COPY];
    uint8_t available[COPY];
    float noise[COPY], logp[COPY], probability[COPY];
    int32_t choice[COPY];
};

static void take_columns(const struct action_head *head, int c, int start, int rows, const real *output, const uint8_t *available,
                         struct columns *columns)
{
    size_t A = (size_t)head->A, width = (size_t)head->choices[c];
    for (size_t r = 0; r < (size_t)rows; r++) {
        memcpy(columns->output + r * width, output + r * A + start, width * sizeof(real));
        memcpy(columns->available + r * width, available + r * A + start, width);
    }
}

static int copied_rows(const struct action_head *head)
{
    return COPY / head->A;
}

static void sample_components(const struct action_head *head, int rows, const real *output, const uint8_t *available,
                              const float *noise, int32_t *action, float *logp, float *probability)
{
    struct columns columns;
    size_t A = (size_t)head->A, C = (size_t)head->C;
    int start = 0;
    for (int r = 0; r < rows; r++)
        logp[r] = 0;
    for (size_t c = 0; c < C; start += head->choices[c], c++) {
        size_t width = (size_t)head->choices[c];
        take_columns(head, (int)c, start, rows, output, available, &columns);
        for (int r = 0; r < rows; r++)
            columns.noise[r] = noise[(size_t)r * C + c];
        categorical_sample(rows, (int)width, columns.output, columns.available, columns.noise, columns.choice, columns.logp,
                           columns.probability);
        for (size_t r = 0; r < (size_t)rows; r++) {
            action[r * C + c] = columns.choice[r];
            logp[r] += columns.logp[r];
            if (probability)
                memcpy(probability + r * A + start, columns.probability + r * width, width * sizeof(float));
        }
    }
}

static void logp_components(const struct action_head *head, int rows, const real *output, const uint8_t *available,
                            const int32_t *action, float *logp)
{
    struct columns columns;
    size_t C = (size_t)head->C;
    int start = 0;
    for (int r = 0; r < rows; r++)
        logp[r] = 0;
    for (size_t c = 0; c < C; start += head->choices[c], c++) {
        take_columns(head, (int)c, start, rows, output, available, &columns);
        for (int r = 0; r < rows; r++)
            columns.choice[r] = action[(size_t)r * C + c];
        categorical_logp(rows, head->choices[c], columns.output, columns.available, columns.choice, columns.logp);
        for (int r = 0; r < rows; r++)
            logp[r] += columns.logp[r];
    }
}

/* ---- a box ---- */

struct deviations {
    real log_std[SPEC_COMPONENTS_MAX], std[SPEC_COMPONENTS_MAX];
};

static struct deviations deviations_of(const struct action_head *head, const real *log_std)
{
    struct deviations d;
    for (int c = 0; c < head->C; c++)
        d.log_std[c] = log_std[c] < LOG_STD_MIN ? LOG_STD_MIN : log_std[c] > LOG_STD_MAX ? LOG_STD_MAX : log_std[c];
    vmath()->exp((size_t)head->C, d.log_std, d.std);
    return d;
}

/* log N(a; mean, std) summed over the components, in the same order of operations as tape_gaussian_ppo_loss. */
static real gaussian_logp(const struct deviations *d, int C, const real *mean, const float *action)
{
    real sum = 0;
    for (int c = 0; c < C; c++) {
        real z = ((real)action[c] - mean[c]) / d->std[c];
        sum += -z * z / 2 - d->log_std[c] - HALF_LOG_2PI;
    }
    return sum;
}

static void sample_box(const struct action_head *head, int rows, const real *mean, const real *log_std, const float *noise,
                       float *action, float *logp, float *probability)
{
    struct deviations d = deviations_of(head, log_std);
    size_t C = (size_t)head->C;
    for (size_t r = 0; r < (size_t)rows; r++) {
        for (size_t c = 0; c < C; c++) {
            action[r * C + c] = (float)(mean[r * C + c] + d.std[c] * (real)noise[r * C + c]);
            if (probability)
                probability[r * C + c] = (float)mean[r * C + c];
        }
        logp[r] = (float)gaussian_logp(&d, head->C, mean + r * C, action + r * C);
    }
}

/* ---- all kinds ---- */

void action_head_sample(const struct action_head *head, int rows, const real *output, const real *log_std, const uint8_t *available,
                        const float *noise, void *action, float *logp, float *probability)
{
    size_t A = (size_t)head->A, C = (size_t)head->C;
    if (head->kind == ACTION_DISCRETE) {
        categorical_sample(rows, head->A, output, available, noise, action, logp, probability);
        return;
    }
    if (head->kind == ACTION_BOX) {
        sample_box(head, rows, output, log_std, noise, action, logp, probability);
        return;
    }
    for (int first = 0, most = copied_rows(head); first < rows; first += most) {
        size_t at = (size_t)first;
        sample_components(head, rows - first < most ? rows - first : most, output + at * A, available + at * A, noise + at * C,
                          (int32_t *)action + at * C, logp + at, probability ? probability + at * A : NULL);
    }
}

void action_head_logp(const struct action_head *head, int rows, const real *output, const real *log_std, const uint8_t *available,
                      const void *action, float *logp)
{
    size_t A = (size_t)head->A, C = (size_t)head->C;
    if (head->kind == ACTION_DISCRETE) {
        categorical_logp(rows, head->A, output, available, action, logp);
        return;
    }
    if (head->kind == ACTION_BOX) {
        struct deviations d = deviations_of(head, log_std);
        for (size_t r = 0; r < (size_t)rows; r++)
            logp[r] = (float)gaussian_logp(&d, head->C, output + r * C, (const float *)action + r * C);
        return;
    }
    for (int first = 0, most = copied_rows(head); first < rows; first += most) {
        size_t at = (size_t)first;
        logp_components(head, rows - first < most ? rows - first : most, output + at * A, available + at * A,
                        (const int32_t *)action + at * C, logp + at);
    }
}

/* One of the available choices; their number goes to *count. */
static int32_t draw_choice(struct rng *rng, int choices, const uint8_t *available, int *count)
{
    *count = 0;
    for (int a = 0; a < choices; a++)
        *count += available[a] != 0;
    if (!*count)
        return 0;
    int skip = (int)rng_below(rng, (uint32_t)*count);
    int32_t choice = 0;
    while (!available[choice] || skip-- > 0)
        choice++;
    return choice;
}

void action_head_uniform(const struct action_head *head, struct rng *rng, const uint8_t *available, void *action, float *logp)
{
    int32_t *choice = action;
    float *number = action, sum = 0;
    for (int c = 0; c < head->C; c++) {
        if (head->kind == ACTION_BOX) {
            number[c] = (float)(2 * rng_double(rng) - 1);
            sum -= logf(2);
            continue;
        }
        int count;
        choice[c] = draw_choice(rng, head->choices[c], available, &count);
        sum -= logf((float)count);
        available += head->choices[c];
    }
    *logp = sum;
}

void action_head_execute(const struct spec *spec, const float *action, float *executed)
{
    for (int c = 0; c < spec->C; c++) {
        double low = spec->components[c].low, high = spec->components[c].high;
        executed[c] = (float)(low + ((double)action[c] + 1) / 2 * (high - low));
    }
}

void action_head_from_executed(const struct spec *spec, const float *executed, float *action)
{
    for (int c = 0; c < spec->C; c++) {
        double low = spec->components[c].low, high = spec->components[c].high;
        action[c] = (float)(((double)executed[c] - low) / (high - low) * 2 - 1);
    }
}
