/* The information penalty on a batch of rollouts. */
#include <math.h>
#include <string.h>

#include "learner/regularisers/mi.h"

/* State rows of agents differ by the agent's index alone, so agent 0's tells all. */
struct mi_widths mi_batch_widths(const struct batch_shape *shape)
{
    return (struct mi_widths){.state = shape->state_is_observation ? shape->N * shape->O : shape->S, .observation = shape->O};
}

/* x, y and is_real of step (l,t), as one or N rows. */
static void gather_step(struct mi *mi, const struct batch *batch, int l, int t)
{
    const struct batch_shape *s = &batch->shape;
    const struct batch_view *view = &batch->view[l];
    size_t at = ((size_t)l * (size_t)s->T + (size_t)t) * (size_t)mi->R, width = (size_t)mi->R * (size_t)mi->X;
    bool reads_state = mi->config.input == MI_STATE && !s->state_is_observation;
    const float *x =
        reads_state ? view->state + (size_t)t * (size_t)(s->N * s->S) : view->observation + (size_t)t * (size_t)(s->N * s->O);
    memcpy(mi->batch_x + at * (size_t)mi->X, x, width * sizeof *x);
    memcpy(mi->batch_y + at * (size_t)mi->Y, batch_choices(s, view->action, t * s->N),
           (size_t)mi->R * (size_t)mi->Y * sizeof *mi->batch_y);
    int agents = s->N / mi->R;
    for (int r = 0; r < mi->R; r++) {
        size_t row = at + (size_t)r, agent = (size_t)(t * s->N + r * agents);
        mi->batch_real[row] = mi->R == 1 || view->alive[agent];
        if (mi_has_masks(mi))
            mi_put_mask(mi, view->available + agent * (size_t)s->A, view->alive + agent, mi->batch_y + row * (size_t)mi->Y,
                        mi->batch_mask + row * (size_t)mi->W);
    }
}

/* Time first, so that the ring's newest rows come from all lanes. */
static void remember_batch(struct mi *mi, const struct batch *batch)
{
    const struct batch_shape *s = &batch->shape;
    for (int t = 0; t < s->T; t++)
        for (int l = 0; l < s->L; l++) {
            size_t at = ((size_t)l * (size_t)s->T + (size_t)t) * (size_t)mi->R;
            mi_remember(mi, mi->batch_x + at * (size_t)mi->X, mi->batch_y + at * (size_t)mi->Y, mi->batch_real + at,
                        mi_has_masks(mi) ? mi->batch_mask + at * (size_t)mi->W : NULL);
        }
}

/* r^MI = r - lambda I_t, the same for every agent; returns the mean of |r|. */
static double subtract(const struct mi *mi, struct batch *batch)
{
    double size = 0;
    for (int i = 0; i < batch_rows(batch); i++) {
        real *r = &batch->reward[i];
        size += fabs((double)*r) / batch_rows(batch);
        if (mi->config.lambda > 0)
            *r -= (real)(mi->config.lambda * mi->batch_bound[i / batch->shape.N]);
    }
    return size;
}

void mi_shape_rewards(struct mi *mi, struct updater *updater, struct batch *batch, const struct progress *progress,
                      struct report *report)
{
    if (!mi_is_on(mi))
        return;
    const struct batch_shape *s = &batch->shape;
    for (int l = 0; l < s->L; l++)
        for (int t = 0; t < s->T; t++)
            gather_step(mi, batch, l, t);
    remember_batch(mi, batch);
    double nll = mi_fit(mi, updater, progress->update);
    struct mi_steps steps = {
        .n = s->L * s->T, .x = mi->batch_x, .y = mi->batch_y, .is_real = mi->batch_real, .mask = mi->batch_mask, .cluster = s->T};
    struct mi_estimate estimate;
    mi_information(mi, updater, &steps, progress->update, mi->batch_bound, &estimate);
    double reward = subtract(mi, batch);
    mi_report(mi, &estimate, nll, reward, report);
}
