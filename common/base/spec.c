#include "base/spec.h"

#include <math.h>
#include <string.h>

static int check_size(const char *what, int32_t value, int32_t min, int32_t max, struct err *err)
{
    if (value < min || value > max)
        return err_set(err, ERR_LIMIT, "bad spec: %s is %d, expected %d to %d", what, value, min, max);
    return 0;
}

void spec_complete(struct spec *spec)
{
    if (spec->action == ACTION_DISCRETE) {
        spec->C = 1;
        spec->components[0].choices = spec->A;
    } else if (spec->action == ACTION_BOX) {
        spec->C = spec->A;
    }
}

static int check_choices(const struct spec *spec, struct err *err)
{
    int64_t sum = 0;
    int r = 0;
    for (int c = 0; c < spec->C && !r; c++) {
        r = check_size("choices of an action component", spec->components[c].choices, 2, SPEC_ACTIONS_MAX, err);
        sum += spec->components[c].choices;
    }
    if (!r && sum != spec->A)
        r = err_set(err, ERR_MISMATCH, "bad spec: the components' choices sum to %lld, actions are %d", (long long)sum, spec->A);
    return r;
}

static int check_bounds(const struct spec *spec, struct err *err)
{
    if (spec->C != spec->A)
        return err_set(err, ERR_MISMATCH, "bad spec: a box of %d components, but %d actions", spec->C, spec->A);
    for (int c = 0; c < spec->C; c++) {
        double low = spec->components[c].low, high = spec->components[c].high;
        if (!isfinite(low) || !isfinite(high) || !(low < high))
            return err_set(err, ERR_RANGE, "bad spec: action component %d lies between %g and %g", c, low, high);
    }
    return 0;
}

static int check_actions(const struct spec *spec, struct err *err)
{
    int r = check_size("action components", spec->C, 1, SPEC_COMPONENTS_MAX, err);
    if (r)
        return r;
    switch (spec->action) {
    case ACTION_DISCRETE:
        if (spec->C != 1)
            return err_set(err, ERR_MISMATCH, "bad spec: a discrete action of %d components, expected 1", spec->C);
        return check_choices(spec, err);
    case ACTION_MULTI_DISCRETE: return check_choices(spec, err);
    case ACTION_BOX: return check_bounds(spec, err);
    }
    return err_set(err, ERR_VERSION, "bad spec: action kind %d, expected %d to %d", (int)spec->action, ACTION_DISCRETE, ACTION_BOX);
}

int spec_check(const struct spec *spec, struct err *err)
{
    int r;
    if (!memchr(spec->env, 0, sizeof spec->env) || !memchr(spec->scenario, 0, sizeof spec->scenario))
        return err_set(err, ERR_FORMAT, "bad spec: a name is not terminated");
    if ((r = check_size("agents", spec->N, 1, SPEC_AGENTS_MAX, err)) ||
        (r = check_size("observation width", spec->O, 1, SPEC_WIDTH_MAX, err)) ||
        (r = check_size("state width", spec->S, 1, SPEC_WIDTH_MAX, err)) ||
        (r = check_size("actions", spec->A, 1, SPEC_ACTIONS_MAX, err)) ||
        (r = check_size("horizon", spec->horizon, 1, 1000000, err)) ||
        (r = check_size("state bytes", spec->state_bytes, 0, 1 << 20, err)) ||
        (r = check_size("blocks", spec->n_blocks, 0, SPEC_BLOCKS_MAX, err)))
        return r;
    if ((r = check_actions(spec, err)))
        return r;
    if (spec->n_widths && spec->n_widths != spec->N)
        return err_set(err, ERR_MISMATCH, "bad spec: %d observation widths for %d agents", spec->n_widths, spec->N);
    for (int n = 0; n < spec->n_widths; n++)
        if ((r = check_size("an agent's observation width", spec->widths[n], 1, spec->O, err)))
            return r;
    if (spec->state_is_observation && spec->S != spec->O)
        return err_set(err, ERR_MISMATCH, "bad spec: state is the observation, but widths are %d and %d", spec->S, spec->O);
    if (isnan(spec->return_min) || isnan(spec->return_max) || spec->return_min > spec->return_max)
        return err_set(err, ERR_RANGE, "bad spec: returns between %g and %g", spec->return_min, spec->return_max);
    for (int i = 0; i < spec->n_blocks; i++) {
        const struct spec_block *block = &spec->blocks[i];
        if (!memchr(block->name, 0, sizeof block->name))
            return err_set(err, ERR_FORMAT, "bad spec: name of block %d is not terminated", i);
        if (block->start < 0 || block->width < 0 || block->width > spec->O - block->start)
            return err_set(err, ERR_RANGE, "bad spec: block %s covers %d..%d of an observation of %d", block->name, block->start,
                           block->start + block->width, spec->O);
    }
    return 0;
}

bool spec_equal(const struct spec *a, const struct spec *b)
{
    bool same = !strcmp(a->env, b->env) && !strcmp(a->scenario, b->scenario) && a->N == b->N && a->O == b->O && a->S == b->S &&
                a->A == b->A && a->horizon == b->horizon && a->state_bytes == b->state_bytes && a->action == b->action &&
                a->state_is_observation == b->state_is_observation && a->n_blocks == b->n_blocks && a->C == b->C &&
                a->n_widths == b->n_widths;
    for (int c = 0; same && c < a->C; c++)
        same = a->components[c].choices == b->components[c].choices && a->components[c].low == b->components[c].low &&
               a->components[c].high == b->components[c].high;
    for (int n = 0; same && n < a->n_widths; n++)
        same = a->widths[n] == b->widths[n];
    for (int i = 0; same && i < a->n_blocks; i++)
        same = !strcmp(a->blocks[i].name, b->blocks[i].name) && a->blocks[i].start == b->blocks[i].start &&
               a->blocks[i].width == b->blocks[i].width;
    return same;
}
