/* An episode of a recorded trace, as our rules replay it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/pictures/shoot.h"
#include "envs/trace.h"

struct projector {
    struct film *film;
    const struct shot *shot;
    const char *path;
    int64_t episode; /* of the trace, from 0; -1: none yet */
    bool has_film;
    int result;
    struct err *err;
};

static int begin(struct projector *projector, const struct trace_moment *moment)
{
    char player[160];
    const char *slash = strrchr(projector->path, '/');
    snprintf(player, sizeof player, "recorded in %.100s, episode %lld", slash ? slash + 1 : projector->path,
             (long long)projector->episode);
    int r = film_init(projector->film, moment->env, player, projector->err);
    projector->has_film = !r;
    projector->film->env.spec.scenario[0] = 0; /* the trace sets keys, so a scenario's name would say nothing of them */
    return r;
}

static int add(struct projector *projector, const struct trace_moment *moment)
{
    float reward[SPEC_AGENTS_MAX] = {0};
    for (int n = 0; n < moment->env->spec.N && !moment->is_reset; n++)
        reward[n] = (float)moment->reward[n];
    int r = film_add(projector->film, moment->state, moment->choice, reward, projector->err);
    if (!r)
        film_end(projector->film, moment->state, moment->is_over, false);
    return r;
}

/* Returns true when the film is done: its episode is over, the next one begins, or something failed. */
static bool watch(void *context, const struct trace_moment *moment)
{
    struct projector *projector = context;
    projector->episode += moment->is_reset;
    if (projector->episode < projector->shot->episode)
        return false;
    if (projector->episode > projector->shot->episode)
        return true;
    if (moment->is_reset && (projector->result = begin(projector, moment)))
        return true;
    if ((projector->result = add(projector, moment)))
        return true;
    return moment->is_over || (projector->shot->steps && projector->film->count > projector->shot->steps);
}

int shoot_trace(struct film *film, const char *path, const struct shot *shot, struct err *err)
{
    struct trace_report report;
    struct projector projector = {.film = film, .shot = shot, .path = path, .episode = -1, .err = err};
    int r = trace_watch(path, &(struct trace_watcher){watch, &projector}, &report, err);
    if (projector.result)
        r = projector.result;
    else if (projector.has_film)
        r = 0; /* what it compares elsewhere is for `envs check` to say */
    else if (!r || r == ERR_MISMATCH)
        r = err_set(err, ERR_RANGE, "%s has no episode %lld, only 0 to %lld", path, (long long)shot->episode,
                    (long long)projector.episode);
    if (r && projector.has_film)
        film_deinit(film);
    return r;
}
