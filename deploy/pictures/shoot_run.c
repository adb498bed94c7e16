/* An episode of a trained team: an evaluation order carried out by the actor room's rollouts, watched. So the team is shown as
 * `testudo eval` plays it, with its beliefs and under the same attacks. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/rollout.h"
#include "base/file.h"
#include "deploy/pictures/shoot.h"
#include "deploy/runs.h"
#include "deploy/settings.h"
#include "learner/trainer.h"

struct camera {
    struct film *film;
    const struct shot *shot;
    const char *player;
    bool has_film, is_done;
    atomic_int stop; /* ends the rollout */
    int result;
    struct err *err;
};

/* ---- weights ---- */

static int load_weights(struct weights **weights, const char *checkpoint, struct err *err)
{
    struct safetensors *file = NULL;
    struct models *models = calloc(1, sizeof *models);
    *weights = NULL;
    int r = models ? safetensors_load(&file, checkpoint, err) : err_set(err, ERR_NOMEM, "no memory for the team's nets");
    if (!r)
        r = trainer_load_team(models, file, err);
    if (!r && weights_create(weights, (struct weights_version){.generation = 1}))
        r = err_set(err, ERR_NOMEM, "no memory for the team's weights");
    for (int i = 0; !r && i < models->count; i++)
        r = model_add_to(*weights, &models->model[i], err);
    if (r)
        weights_unref(weights);
    if (models)
        models_deinit(models);
    free(models);
    safetensors_destroy(&file);
    return r;
}

/* ---- watching ---- */

static int show(struct camera *camera, const struct rollout_moment *moment)
{
    struct film *film = camera->film;
    int r = camera->has_film ? 0 : film_init(film, moment->env, camera->player, camera->err);
    if (r)
        return r;
    camera->has_film = true;
    film->adversaries = moment->adversaries;
    r = film_add(film, moment->state, moment->action, moment->action ? moment->reward : NULL, camera->err);
    if (!r)
        film_end(film, moment->state, moment->is_terminated, moment->is_truncated);
    return r;
}

static void watch(void *context, const struct rollout_moment *moment)
{
    struct camera *camera = context;
    if (camera->is_done)
        return;
    camera->result = show(camera, moment);
    camera->is_done =
        camera->result || film_is_over(camera->film) || (camera->shot->steps && camera->film->count > camera->shot->steps);
    camera->stop = camera->is_done;
}

static int carry_out(struct rollout *rollout, const struct weights *weights, struct camera *camera)
{
    const struct shot *shot = camera->shot;
    struct order order = {.number = 1,
                          .purpose = ORDER_EVALUATE,
                          .lane = (int32_t)shot->episode,
                          .version = {.generation = 1},
                          .episodes = 1,
                          .victim = (int32_t)shot->victim};
    struct trajectory answer = {.capacity = schema_bytes_max(rollout_schema(rollout))};
    snprintf(order.threat, sizeof order.threat, "%s", shot->threat ? shot->threat : "clean");
    answer.frame = aligned_alloc(64, (answer.capacity + 63) / 64 * 64);
    if (!answer.frame)
        return err_set(camera->err, ERR_NOMEM, "no memory for an episode");
    rollout_watch(rollout, watch, camera);
    int r = rollout_run(rollout, weights, (const struct order *const[]){&order}, 1, (struct trajectory *const[]){&answer},
                        &camera->stop, camera->err);
    free(answer.frame);
    return camera->result ? camera->result : camera->is_done ? 0 : r;
}

static int play(struct camera *camera, const struct recipe *recipe, const char *checkpoint)
{
    struct rollout *rollout = NULL;
    struct weights *weights = NULL;
    int r = rollout_create(&rollout, recipe, camera->err);
    if (!r && camera->shot->victim >= rollout_spec(rollout)->N)
        r = err_set(camera->err, ERR_RANGE, "victim %d, the environment has agents 0 to %d", (int)camera->shot->victim,
                    rollout_spec(rollout)->N - 1);
    if (!r)
        r = load_weights(&weights, checkpoint, camera->err);
    if (!r)
        r = carry_out(rollout, weights, camera);
    weights_unref(&weights);
    rollout_destroy(&rollout);
    if (r && camera->has_film)
        film_deinit(camera->film);
    return r;
}

/* ---- the run ---- */

static int check_arguments(const struct shot *shot, struct err *err)
{
    for (int i = 0; i < shot->n_arguments; i++)
        if (!strncmp(shot->arguments[i], "env.name=", 9) || !strncmp(shot->arguments[i], "env.scenario=", 13))
            return err_set(err, ERR_INVALID, "%s would change the environment that the team was trained for", shot->arguments[i]);
    return 0;
}

/* "mappo/default/seed-1, pgd:0.5 on agent 2" */
static void name_player(const struct recipe *recipe, const struct shot *shot, char *text, size_t size)
{
    int used = snprintf(text, size, "%s %s seed %s", recipe_value(recipe, "method", "team"), recipe_value(recipe, "run.name", ""),
                        recipe_value(recipe, "run.seed", ""));
    if (shot->threat && shot->victim >= 0 && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, ", %s on agent %d", shot->threat, (int)shot->victim);
    else if (shot->threat && strchr(shot->threat, '@') && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, ", %s", shot->threat);
}

int shoot_run(struct film *film, const char *folder, const struct shot *shot, struct err *err)
{
    char path[PATH_MAX], checkpoint[PATH_MAX], player[128];
    struct recipe *recipe = NULL;
    struct camera camera = {.film = film, .shot = shot, .player = player, .err = err};
    int r = check_arguments(shot, err);
    if (!r && file_join(path, sizeof path, folder, "recipe.yaml"))
        r = err_set(err, ERR_LIMIT, "path of the run too long");
    if (!r && shot->checkpoint)
        snprintf(checkpoint, sizeof checkpoint, "%s", shot->checkpoint);
    else if (!r)
        r = run_checkpoint(folder, RUN_LAST, checkpoint, err);
    if (!r && !(r = settings_load_saved(&recipe, path, NULL, shot->arguments, shot->n_arguments, err))) {
        name_player(recipe, shot, player, sizeof player);
        r = play(&camera, recipe, checkpoint);
    }
    recipe_destroy(&recipe);
    return r;
}
