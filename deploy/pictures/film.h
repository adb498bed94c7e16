/* A film: one episode, frame by frame, with all that the pictures, the terminal and the replay page show of it. */
#ifndef TESTUDO_DEPLOY_FILM_H
#define TESTUDO_DEPLOY_FILM_H

#include "envs/vec.h"

#define FILM_FRAMES_MAX 20000
#define FILM_TEXT_MAX 16384 /* bytes of a text frame */

struct film_frame {
    float left, bottom, right, top; /* what is shown, in the scene's units */
    int n_items;
    struct scene_item *items; /* [n_items] owned */
    char *text;               /* the environment's own frame for a terminal; owned */
    void *action;             /* [N,C] that led here, int32_t choices or floats; NULL in the first frame and where unknown; owned */
    float *reward;            /* [N] of that step; owned */
    uint8_t *alive;           /* [N] owned */
    double team_return;       /* up to here: mean over agents of their summed rewards */
};

struct film {
    struct env_instance env; /* a copy */
    char player[160];        /* who plays: "script greedy", "random", a run */
    int count, room;
    struct film_frame *frames;
    uint64_t adversaries; /* mask of agents; they wear a ring */
    bool is_terminated, is_truncated;
    bool is_cut; /* it was not the whole episode */
    struct env_outcome outcome;
    struct scene *scene; /* scratch */
    struct env_view view;
    char *text;
};

/* film_deinit is safe on a zeroed struct and after a failed init. */
MUST_USE int film_init(struct film *film, const struct env_instance *env, const char *player, struct err *err);
void film_deinit(struct film *film);

/* Adds a frame. action, reward: of the step that led to the state, NULL for the first. ERR_NOMEM, or ERR_LIMIT when the film is
 * full. */
MUST_USE int film_add(struct film *film, const void *state, const void *action, const float *reward, struct err *err);

/* After the last frame: how it ended. */
void film_end(struct film *film, const void *state, bool is_terminated, bool is_truncated);
bool film_is_over(const struct film *film);

/* "foraging 8x8-4p-2f-c, script greedy, return 0.83 in 17 steps, success" */
void film_title(const struct film *film, char *text, size_t size);

/* One agent's action in words: "3", "1 0 2", "+0.52 -1.00", "-" where there is none. */
void film_action_text(const struct film *film, const struct film_frame *frame, int agent, char *text, size_t size);

/* The frames of a strip or an animation of at most `most`: first and last, the others evenly between. Returns how many;
 * pick[most]. */
int film_pick(const struct film *film, int most, int *pick);

#endif
