#include "deploy/pictures/film.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/pictures/palette.h"

#define RING 1.28f /* an adversary's ring, in radii of what it surrounds */

int film_init(struct film *film, const struct env_instance *env, const char *player, struct err *err)
{
    const struct spec *spec = &env->spec;
    size_t N = (size_t)spec->N;
    *film = (struct film){.env = *env};
    snprintf(film->player, sizeof film->player, "%s", player);
    film->scene = malloc(sizeof *film->scene);
    film->text = malloc(FILM_TEXT_MAX);
    film->view = (struct env_view){.observation = calloc(N * (size_t)spec->O, sizeof(float)),
                                   .state = spec->state_is_observation ? NULL : calloc(N * (size_t)spec->S, sizeof(float)),
                                   .available = calloc(N, (size_t)spec->A),
                                   .alive = calloc(N, 1)};
    if (film->scene && film->text && film->view.observation && (film->view.state || spec->state_is_observation) &&
        film->view.available && film->view.alive)
        return 0;
    film_deinit(film);
    return err_set(err, ERR_NOMEM, "no memory for a film of %s", spec->env);
}

static void frame_deinit(struct film_frame *frame)
{
    free(frame->items);
    free(frame->text);
    free(frame->action);
    free(frame->reward);
    free(frame->alive);
}

void film_deinit(struct film *film)
{
    for (int i = 0; i < film->count; i++)
        frame_deinit(&film->frames[i]);
    free(film->frames);
    free(film->scene);
    free(film->text);
    free(film->view.observation);
    free(film->view.state);
    free(film->view.available);
    free(film->view.alive);
    film->frames = NULL;
    film->scene = NULL;
    film->text = NULL;
    film->view = (struct env_view){0};
    film->count = film->room = 0;
}

/* ---- scenes ---- */

static bool covers(const struct scene_item *item, float x, float y)
{
    if (item->shape == SCENE_CIRCLE)
        return hypotf(x - item->x, y - item->y) < item->a;
    return item->shape == SCENE_RECT && x > item->x && x < item->x + item->a && y > item->y && y < item->y + item->b;
}

/* Text is white where it stands on something dark. */
static int label_shade(const struct scene_item *items, int count, const struct scene_item *label)
{
    for (int i = count - 1; i >= 0; i--)
        if (covers(&items[i], label->x, label->y) && palette_fill(items[i].ink, items[i].shade).alpha == 1)
            return palette_is_dark(palette_fill(items[i].ink, items[i].shade));
    return 0;
}

static bool is_adversary(const struct film *film, const struct scene_item *item)
{
    return item->ink == INK_ALLY && item->shape == SCENE_CIRCLE && item->shade >= 0 && item->shade < SPEC_AGENTS_MAX &&
           film->adversaries >> item->shade & 1;
}

/* Copies the scene's items, with rings around adversaries and readable labels. */
static int copy_items(const struct film *film, struct film_frame *frame)
{
    const struct scene *scene = film->scene;
    frame->items = malloc((size_t)(2 * scene->count + 1) * sizeof *frame->items);
    if (!frame->items)
        return ERR_NOMEM;
    for (int i = 0; i < scene->count; i++) {
        struct scene_item item = scene->items[i];
        if (is_adversary(film, &item)) {
            struct scene_item ring = item;
            ring.ink = INK_ENEMY;
            ring.shade = 0;
            ring.a *= RING;
            frame->items[frame->n_items++] = ring;
        }
        if (item.ink == INK_LABEL)
            item.shade = label_shade(frame->items, frame->n_items, &item);
        frame->items[frame->n_items++] = item;
    }
    return 0;
}

static void *copy_of(const void *data, size_t bytes)
{
    void *memory = malloc(bytes + 1);
    return memory && data ? memcpy(memory, data, bytes) : memory ? memset(memory, 0, bytes) : NULL;
}

static int fill_frame(struct film *film, struct film_frame *frame, const void *state, const void *action, const float *reward)
{
    const struct spec *spec = &film->env.spec;
    const struct env_ops *ops = film->env.ops;
    size_t N = (size_t)spec->N;
    scene_begin(film->scene, 0, 0, 1, 1);
    if (ops->draw)
        ops->draw(film->env.params, state, film->scene);
    ops->render(film->env.params, state, film->text, FILM_TEXT_MAX);
    ops->observe(film->env.params, state, &film->view);
    frame->left = film->scene->left, frame->right = film->scene->right;
    frame->bottom = film->scene->bottom, frame->top = film->scene->top;
    frame->text = strdup(film->text);
    frame->reward = copy_of(reward, N * sizeof(float));
    frame->alive = copy_of(film->view.alive, N);
    frame->action = action ? copy_of(action, N * (size_t)spec->C * sizeof(int32_t)) : NULL;
    if (!frame->text || !frame->reward || !frame->alive || (action && !frame->action))
        return ERR_NOMEM;
    return copy_items(film, frame);
}

static int grow(struct film *film)
{
    int room = film->room ? 2 * film->room : 128;
    struct film_frame *frames = realloc(film->frames, (size_t)room * sizeof *frames);
    if (!frames)
        return ERR_NOMEM;
    film->frames = frames;
    film->room = room;
    return 0;
}

int film_add(struct film *film, const void *state, const void *action, const float *reward, struct err *err)
{
    _Static_assert(sizeof(float) == sizeof(int32_t), "an action is as wide as a number of a box");
    if (film->count == FILM_FRAMES_MAX)
        return err_set(err, ERR_LIMIT, "an episode of more than %d steps has to be cut; see --steps", FILM_FRAMES_MAX - 1);
    struct film_frame frame = {.team_return = film->count ? film->frames[film->count - 1].team_return : 0};
    int r = film->count == film->room ? grow(film) : 0;
    if (r || (r = fill_frame(film, &frame, state, action, reward))) {
        frame_deinit(&frame);
        return err_set(err, r, "no memory for frame %d of a film", film->count);
    }
    for (int n = 0; n < film->env.spec.N; n++)
        frame.team_return += (double)frame.reward[n] / film->env.spec.N;
    film->frames[film->count++] = frame;
    return 0;
}

void film_end(struct film *film, const void *state, bool is_terminated, bool is_truncated)
{
    film->is_terminated = is_terminated;
    film->is_truncated = is_truncated;
    film->is_cut = !is_terminated && !is_truncated;
    film->env.ops->outcome(film->env.params, state, &film->outcome);
}

bool film_is_over(const struct film *film)
{
    return film->is_terminated || film->is_truncated;
}

/* ---- words ---- */

void film_title(const struct film *film, char *text, size_t size)
{
    const struct spec *spec = &film->env.spec;
    double team_return = film->count ? film->frames[film->count - 1].team_return : 0;
    snprintf(text, size, "%s%s%s, %s: return %.4g in %d steps%s", spec->env, *spec->scenario ? " " : "", spec->scenario,
             film->player, team_return, film->count ? film->count - 1 : 0,
             film->is_cut                                         ? " (cut)"
             : film->outcome.has_success && film->outcome.success ? ", success"
             : film->outcome.has_success                          ? ", no success"
                                                                  : "");
}

void film_action_text(const struct film *film, const struct film_frame *frame, int agent, char *text, size_t size)
{
    const struct spec *spec = &film->env.spec;
    size_t used = 0, first = (size_t)agent * (size_t)spec->C;
    snprintf(text, size, "-");
    for (size_t c = 0; frame->action && c < (size_t)spec->C && used < size; c++)
        used +=
            (size_t)(spec->action == ACTION_BOX
                         ? snprintf(text + used, size - used, "%s%+.2f", c ? " " : "", ((const float *)frame->action)[first + c])
                         : snprintf(text + used, size - used, "%s%d", c ? " " : "", ((const int32_t *)frame->action)[first + c]));
}

int film_pick(const struct film *film, int most, int *pick)
{
    int n = film->count < most ? film->count : most;
    for (int i = 0; i < n; i++)
        pick[i] = n > 1 ? (int)((int64_t)i * (film->count - 1) / (n - 1)) : film->count - 1;
    return n;
}
