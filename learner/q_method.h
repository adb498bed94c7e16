/* The algorithm that a value-decomposition method is: a q_team. A method's file has its keys, its mixer and the nets of it, and its ops are
 *
 *     const struct algorithm_ops algorithm_vdn = {.name = ..., .create = create, Q_METHOD_OPS};
 */
#ifndef TESTUDO_LEARNER_Q_METHOD_H
#define TESTUDO_LEARNER_Q_METHOD_H

#include "learner/q_learning.h"

struct algorithm {
    struct q_team team;
};

/* Binds a method's keys and adds its mixer's nets by q_add. */
typedef int q_add_mixer(struct q_team *team, const struct recipe *recipe, struct err *err);

/* What create of a method does. add NULL: the mixer has no nets. */
MUST_USE int q_method_create(struct algorithm **out, const struct algorithm_context *context, q_mixer *mix, q_add_mixer *add,
                             struct err *err);

/* The other ops, as algorithm.h describes them. */
void q_method_destroy(struct algorithm **algorithm);
void q_method_update(struct algorithm *algorithm, struct batch *batch, const struct progress *progress, struct report *report);
struct models *q_method_models(struct algorithm *algorithm);
MUST_USE int q_method_tables(const struct algorithm *algorithm, const struct progress *progress, struct weights *weights,
                             struct err *err);
MUST_USE int q_method_save(const struct algorithm *algorithm, struct safetensors *file, struct err *err);
MUST_USE int q_method_load(struct algorithm *algorithm, const struct safetensors *file, bool only_looks, struct err *err);
struct replay *q_method_replay(const struct algorithm *algorithm);

#define Q_METHOD_OPS                                                                                         \
    .destroy = q_method_destroy, .update = q_method_update, .models = q_method_models, .reports = q_reports, \
    .tables = q_method_tables, .save = q_method_save, .load = q_method_load, .replay = q_method_replay

/* The output of one of a mixer's nets, `which` in the order in which they were added, for all R steps. */
struct node *q_mixer_net(const struct q_mixing *mixing, int which, struct node *input);

#endif
