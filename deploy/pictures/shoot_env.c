/* An episode played by a script of the environment, or at random. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/pictures/shoot.h"

#define MEMORY_MAX 64 /* bytes of a script's memory, as env.h bounds it */

struct game {
    struct vec vec;                  /* of one environment */
    const struct env_script *script; /* NULL: at random */
    struct rng dice;
    unsigned char memory[SPEC_AGENTS_MAX][MEMORY_MAX];
    union {
        int32_t choice[SPEC_AGENTS_MAX * SPEC_COMPONENTS_MAX];
        float real[SPEC_AGENTS_MAX * SPEC_COMPONENTS_MAX];
    } action; /* [N,C] */
};

static int find_script(struct game *game, const char *name, struct err *err)
{
    const struct env_ops *ops = game->vec.instance->ops;
    const char *names[64];
    int n = 0;
    game->script = !name && ops->n_scripts ? &ops->scripts[0] : NULL;
    if (!name || !strcmp(name, "random"))
        return 0;
    for (int i = 0; i < ops->n_scripts && n < 63; i++) {
        names[n++] = ops->scripts[i].name;
        if (!strcmp(ops->scripts[i].name, name))
            game->script = &ops->scripts[i];
    }
    names[n++] = "random";
    const char *near = config_nearest(name, names, n);
    if (!game->script)
        return err_set(err, ERR_UNKNOWN, "environment %s has no script \"%s\"%s%s%s", ops->name, name,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return 0;
}

/* From a distribution [choices] whose sum may be off by rounding. */
static int32_t draw(const float *probability, int choices, double unit)
{
    int last = 0;
    for (int a = 0; a < choices; a++) {
        if (probability[a] <= 0)
            continue;
        last = a;
        if ((unit -= (double)probability[a]) < 0)
            break;
    }
    return last;
}

/* The action of agent n [C] from numbers [A]: probabilities, or of a box the action itself. */
static void take_action(struct game *game, int n, const float *numbers)
{
    const struct spec *spec = &game->vec.instance->spec;
    int first = n * spec->C;
    for (int c = 0; c < spec->C; c++) {
        if (spec->action == ACTION_BOX) {
            game->action.real[first + c] = numbers[c];
            continue;
        }
        game->action.choice[first + c] = draw(numbers, spec->components[c].choices, rng_double(&game->dice));
        numbers += spec->components[c].choices;
    }
}

/* numbers [A]: even among the available choices, or a uniform point of the box. */
static void act_randomly(struct game *game, const uint8_t *available, float *numbers)
{
    const struct spec *spec = &game->vec.instance->spec;
    for (int c = 0; c < spec->C; c++) {
        const struct spec_component *component = &spec->components[c];
        if (spec->action == ACTION_BOX) {
            numbers[c] = (float)(component->low + (component->high - component->low) * rng_double(&game->dice));
            continue;
        }
        int count = 0;
        for (int a = 0; a < component->choices; a++)
            count += available[a];
        for (int a = 0; a < component->choices; a++)
            *numbers++ = available[a] ? 1.0f / (float)count : 0;
        available += component->choices;
    }
}

static void act(struct game *game, int step)
{
    const struct env_instance *env = game->vec.instance;
    const struct spec *spec = &env->spec;
    for (int n = 0; n < spec->N; n++) {
        float numbers[SPEC_ACTIONS_MAX];
        const uint8_t *available = game->vec.available + (size_t)n * (size_t)spec->A;
        if (game->script)
            game->script->act(env->params, n, step, game->vec.observation + (size_t)n * (size_t)spec->O, available, game->memory[n],
                              numbers);
        else
            act_randomly(game, available, numbers);
        take_action(game, n, numbers);
    }
}

static int play(struct film *film, struct game *game, const struct shot *shot, struct err *err)
{
    struct vec *vec = &game->vec;
    uint64_t seed = (uint64_t)shot->seed, episode = (uint64_t)shot->episode;
    struct rng rng = rng_stream(seed, RNG_RESET, episode, 0, 0);
    game->dice = rng_stream(seed, RNG_POLICY, episode, 0, 0);
    vec_reset(vec, 0, &rng);
    int r = film_add(film, vec->states, NULL, NULL, err), step = 0;
    for (bool is_over = false; !r && !is_over && (!shot->steps || step < shot->steps); step++) {
        act(game, step);
        rng = rng_stream(seed, RNG_STEP, episode, (uint32_t)step, 0);
        vec_step(vec, &game->action, &rng);
        is_over = vec->terminated[0] || vec->truncated[0];
        r = film_add(film, vec->states, &game->action, vec->reward, err);
    }
    if (!r)
        film_end(film, vec->states, vec->terminated[0], vec->truncated[0]);
    return r;
}

static int shoot(struct film *film, const struct env_instance *env, struct game *game, const struct shot *shot, struct err *err)
{
    char player[64];
    int r = vec_init(&game->vec, env, 1);
    if (r)
        return err_set(err, r, "no memory for environment %s", env->spec.env);
    if ((r = find_script(game, shot->script, err)))
        return r;
    snprintf(player, sizeof player, "%s%s", game->script ? "script " : "random actions", game->script ? game->script->name : "");
    if ((r = film_init(film, env, player, err)))
        return r;
    if ((r = play(film, game, shot, err)))
        film_deinit(film);
    return r;
}

int shoot_env(struct film *film, const struct recipe *recipe, const struct shot *shot, struct err *err)
{
    struct env_instance *env = malloc(sizeof *env);
    struct game *game = calloc(1, sizeof *game);
    int r = env && game ? env_open(env, recipe, err) : err_set(err, ERR_NOMEM, "no memory for an environment");
    if (!r)
        r = shoot(film, env, game, shot, err);
    if (game)
        vec_deinit(&game->vec);
    free(game);
    free(env);
    return r;
}
