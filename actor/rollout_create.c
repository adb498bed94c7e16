/* A rollout from its recipe: see rollout_internal.h. */
#include "actor/rollout_internal.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES_MIN = 64 }; /* evaluation groups are at least this wide */

/* What rows cannot say: partition and threat must fit the team, and each other. */
static int check_partition(const struct rollout *rollout, struct err *err)
{
    const struct partition_config *partition = &rollout->partition;
    int N = rollout->env.spec.N;
    if (partition->kind == PARTITION_K_OF_N && partition->adversaries > N)
        return err_set(err, ERR_INVALID, "partition.adversaries is %lld, the environment has %d agents",
                       (long long)partition->adversaries, N);
    if (partition->kind == PARTITION_FIXED && partition->victim >= N)
        return err_set(err, ERR_INVALID, "partition.victim is %lld, the environment has agents 0 to %d",
                       (long long)partition->victim, N - 1);
    if (partition->kind != PARTITION_NONE && !rollout->training_threat.ops)
        return err_set(err, ERR_INVALID,
                       "partition.kind names adversaries but attack.threat is clean: they would be recorded and nobody play them");
    if (partition->kind != PARTITION_NONE && rollout->training_threat.hits_all)
        return err_set(err, ERR_INVALID, "attack.threat %s hits every agent, but partition.kind names adversaries: set it to none",
                       rollout->config.threat);
    return 0;
}

static int bind_config(struct rollout *rollout, const struct recipe *recipe, struct err *err)
{
    int r;
    if ((r = run_config_bind(&rollout->run, recipe, err)) || (r = knowledge_config_bind(&rollout->knowledge, recipe, err)) ||
        (r = partition_config_bind(&rollout->partition, recipe, err)) || (r = rollout_config_bind(&rollout->config, recipe, err)) ||
        (r = env_open(&rollout->env, recipe, err)))
        return r;
    if ((r = threat_parse(&rollout->training_threat, rollout->config.threat, err)))
        return err_prefix(err, r, "attack.threat");
    if (rollout->training_threat.ops && rollout->training_threat.ops->is_for_evaluation)
        return err_set(err, ERR_INVALID, "attack.threat is %s, which is for evaluations only (eval.threats)",
                       rollout->config.threat);
    r = check_partition(rollout, err);
    return r ? r : victims_init(&rollout->victims, &rollout->partition, rollout->env.spec.N, err);
}

static int find_script(struct rollout *rollout, struct err *err)
{
    const char *name = rollout->config.defender;
    if (!strcmp(name, "net"))
        return 0;
    const struct env_ops *ops = rollout->env.ops;
    for (int i = 0; i < ops->n_scripts; i++)
        if (!strcmp(ops->scripts[i].name, name))
            rollout->script = &ops->scripts[i];
    if (!rollout->script)
        return err_set(err, ERR_UNKNOWN, "rollout.defender is \"%s\", expected net or a script of environment %s", name, ops->name);
    if (rollout->script->memory_bytes > SCRIPT_MEMORY_MAX)
        return err_set(err, ERR_LIMIT, "script %s wants %zu bytes of memory, at most %d allowed", name,
                       rollout->script->memory_bytes, SCRIPT_MEMORY_MAX);
    return 0;
}

static int declare_schema(struct rollout *rollout, struct err *err)
{
    schema_init(&rollout->schema, (int32_t)rollout->run.T, (int32_t)rollout->run.chunk);
    int r = columns_declare(&rollout->columns, &rollout->schema, &rollout->env.spec, rollout->K, rollout->widths.H,
                            (int)lane_snapshot_bytes(&rollout->env, &rollout->widths), err);
    schema_layout(&rollout->schema, (int32_t)rollout->run.T, 0, &rollout->step_layout);
    schema_layout(&rollout->schema, 0, (int32_t)rollout->run.T, &rollout->staging_layout);
    return r;
}

static int allocate_buffers(struct rollout *rollout)
{
    const struct spec *spec = &rollout->env.spec;
    size_t places = (size_t)rollout->n_places, R = places * (size_t)spec->N, I = (size_t)(spec->O + rollout->K + rollout->M);
    size_t A = (size_t)spec->A, wide = (size_t)(spec->A > spec->N ? spec->A : spec->N), H = (size_t)rollout->widths.H,
           C = (size_t)spec->C;
    size_t bytes =
        R * (I + wide + A + H + 5 * C + 12) * 4 + places * (rollout->staging_layout.bytes + 64 + sizeof(struct place)) + 64 * 64;
    int r = arena_init(&rollout->memory, "rollout", bytes + places * 256);
    if (r)
        return r;
    struct arena *arena = &rollout->memory;
    rollout->buffers = (struct buffers){
        .input = arena_zero_array(arena, float, R *I),
        .logits = arena_zero_array(arena, float, R *wide),
        .probability = arena_zero_array(arena, float, R *A),
        .logp = arena_zero_array(arena, float, R),
        .action_logp = arena_zero_array(arena, float, R),
        .noise = arena_zero_array(arena, float, R *C),
        .intended = arena_zero_array(arena, int32_t, R * C),
        .action = arena_zero_array(arena, int32_t, R * C),
        .previous = arena_zero_array(arena, int32_t, R * C),
        .executed = arena_zero_array(arena, float, R *C),
        .attacked = arena_zero_array(arena, int32_t, R),
        .attacker = arena_zero_array(arena, int32_t, rollout->n_places),
        .channels = arena_zero_array(arena, uint8_t, R),
        .episode = arena_zero_array(arena, uint64_t, places),
        .episode_step = arena_zero_array(arena, int32_t, places),
        .belief_copy = arena_zero_array(arena, float, R *H),
        .step_rng = arena_zero_array(arena, struct rng, places),
    };
    rollout->places = arena_zero_array(arena, struct place, places);
    for (size_t i = 0; i < places; i++) {
        struct place *place = &rollout->places[i];
        place->staging_bytes = arena_zero(arena, rollout->staging_layout.bytes);
        frame_map(&place->staging, &rollout->columns, &rollout->staging_layout, place->staging_bytes);
    }
    return 0;
}

static int allocate(struct rollout *rollout)
{
    int lanes = (int)rollout->run.lanes, r;
    rollout->n_places = lanes > PLACES_MIN ? lanes : PLACES_MIN;
    if ((r = lanes_init(&rollout->held, lanes, &rollout->env, &rollout->widths)) ||
        (r = vec_init(&rollout->held_vec, &rollout->env, lanes)) ||
        (r = lanes_init(&rollout->work, rollout->n_places, &rollout->env, &rollout->widths)) ||
        (r = vec_init(&rollout->work_vec, &rollout->env, rollout->n_places)))
        return r;
    if (!(rollout->is_held = calloc((size_t)lanes, sizeof *rollout->is_held)))
        return ERR_NOMEM;
    return allocate_buffers(rollout);
}

int rollout_create(struct rollout **out, const struct recipe *recipe, struct err *err)
{
    struct rollout *rollout = calloc(1, sizeof *rollout);
    if (!rollout)
        return err_set(err, ERR_NOMEM, "cannot create rollout: out of memory");
    int r;
    if ((r = bind_config(rollout, recipe, err)) || (r = find_script(rollout, err)))
        goto failed;
    rollout->head = action_head_of(&rollout->env.spec);
    if ((r = acting_config_bind(&rollout->acting, recipe, &rollout->head, err)))
        goto failed;
    rollout->K = knowledge_width(&rollout->knowledge, &rollout->env.spec);
    rollout->M = acting_width(&rollout->acting, &rollout->head);
    rollout->widths =
        (struct lane_widths){.H = rollout->knowledge.kind == KNOWLEDGE_BELIEF ? (int)rollout->knowledge.belief_hidden : 0,
                             .P = (int)rollout->acting.recurrent,
                             .M = rollout->M};
    if ((r = declare_schema(rollout, err)))
        goto failed;
    if ((r = allocate(rollout))) {
        err_set(err, r, "cannot create rollout: out of memory");
        goto failed;
    }
    *out = rollout;
    return 0;
failed:
    rollout_destroy(&rollout);
    return r;
}

void rollout_destroy(struct rollout **rollout_at)
{
    struct rollout *rollout = *rollout_at;
    if (!rollout)
        return;
    nets_deinit(&rollout->nets);
    arena_deinit(&rollout->scratch);
    arena_deinit(&rollout->memory);
    free(rollout->is_held);
    vec_deinit(&rollout->work_vec);
    lanes_deinit(&rollout->work);
    vec_deinit(&rollout->held_vec);
    lanes_deinit(&rollout->held);
    free(rollout);
    *rollout_at = NULL;
}
