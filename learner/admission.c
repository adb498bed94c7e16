#include "learner/admission.h"

#include <string.h>
#include <sys/random.h>

#include "base/rng.h"

#define OFF(field) offsetof(struct admission, field)

enum { DRAW_RESCORE, DRAW_PROBATION, DRAW_AUDIT };

static const struct config_row rows[] = {
    {"admission.share", CONFIG_REAL, OFF(share), "0.1", 0, 1, "of steps", NULL,
     "share of each training slice, in chunks and at least one, that the learner scores again before it trains on it; 0: none"},
    {"admission.audit_share", CONFIG_REAL, OFF(audit_share), "0.025", 0, 1, "of slices", NULL,
     "share of training slices that a second actor repeats for comparison, one of each 1/share, ten times as many of its first 32; "
     "0: none"},
};

const struct config_table admission_table = {"admission", rows, ARRAY_LEN(rows)};

int admission_init(struct admission *admission, const struct recipe *recipe, struct err *err)
{
    int r = config_bind(rows, ARRAY_LEN(rows), recipe, admission, err);
    if (r)
        return r;
    if (getrandom(&admission->key, sizeof admission->key, 0) != sizeof admission->key)
        return err_set(err, ERR_IO, "cannot draw a key for admission: no random numbers from the system");
    return 0;
}

/* The incarnation is 64 bits wide, as the key: both go into a seed. */
static struct rng draw(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t number, uint32_t which)
{
    uint64_t seed = rng_bits(admission->key, RNG_ADMIT, incarnation, actor, which);
    return rng_stream(seed, RNG_ADMIT, number, 0, 0);
}

/* All subsets of that size equally likely: Floyd's sampling. */
bool admission_choose(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence, int n,
                      bool *chosen)
{
    struct rng rng = draw(admission, actor, incarnation, sequence, DRAW_RESCORE);
    int count = (int)(admission->share * n + 0.5);
    if (!(admission->share > 0))
        return false;
    memset(chosen, 0, (size_t)n * sizeof *chosen);
    count = count < 1 ? 1 : count;
    for (int j = n - count; j < n; j++) {
        uint32_t c = rng_below(&rng, (uint32_t)j + 1);
        chosen[chosen[c] ? (uint32_t)j : c] = true;
    }
    return true;
}

bool admission_audits(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t accepted)
{
    bool is_new = accepted < ADMISSION_PROBATION;
    double share = admission->audit_share * (is_new ? ADMISSION_PROBATION_FACTOR : 1);
    uint64_t n = is_new ? accepted : accepted - ADMISSION_PROBATION;
    if (share <= 0 || share >= 1)
        return share >= 1;
    /* Block k is n from k / share up to (k + 1) / share, rounded down: whole numbers, so rounding cannot put n into two blocks. */
    uint64_t k = (uint64_t)((double)n * share), first;
    while (n < (first = (uint64_t)((double)k / share)))
        k--;
    for (uint64_t next; n >= (next = (uint64_t)((double)(k + 1) / share)); first = next)
        k++;
    uint64_t length = (uint64_t)((double)(k + 1) / share) - first;
    struct rng rng = draw(admission, actor, incarnation, k, is_new ? DRAW_PROBATION : DRAW_AUDIT);
    return n - first == rng_below(&rng, (uint32_t)length);
}
