#include "learner/admission.h"

#include <sys/random.h>

#include "base/rng.h"

#define OFF(field) offsetof(struct admission, field)

enum { DRAW_RESCORE, DRAW_AUDIT };

static const struct config_row rows[] = {
    {"admission.share", CONFIG_REAL, OFF(share), "0.05", 0, 1, "of slices", NULL,
     "share of training slices that the learner scores again under the weights they name before it trains on them; 0: none"},
    {"admission.audit_share", CONFIG_REAL, OFF(audit_share), "0.025", 0, 1, "of slices", NULL,
     "share of training slices that a second actor repeats for comparison; 0: none"},
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

/* Uniform in [0,1). The incarnation is 64 bits wide, as the key: both go into the seed. */
static double draw(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence, uint32_t which)
{
    uint64_t seed = rng_bits(admission->key, RNG_ADMIT, incarnation, actor, which);
    struct rng rng = rng_stream(seed, RNG_ADMIT, sequence, 0, 0);
    return rng_double(&rng);
}

bool admission_rescores(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence)
{
    return draw(admission, actor, incarnation, sequence, DRAW_RESCORE) < admission->share;
}

bool admission_audits(const struct admission *admission, uint32_t actor, uint64_t incarnation, uint64_t sequence)
{
    return draw(admission, actor, incarnation, sequence, DRAW_AUDIT) < admission->audit_share;
}
