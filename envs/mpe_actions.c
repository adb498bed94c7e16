/* Particle worlds: the three forms of an action (see mpe.c), read, masked, described, and written by scripts. */
#include <math.h>
#include <string.h>

#include "envs/mpe.h"

static bool can_move(const struct mpe_params *p, int agent)
{
    return p->body[agent].accel > 0;
}

static bool can_speak(const struct mpe_params *p, int agent)
{
    return p->body[agent].is_speaker;
}

/* The number of choices that are left to an agent of a flat action. */
static int flat_choices(const struct mpe_params *p, int agent)
{
    return (can_move(p, agent) ? MPE_MOVES : 1) * (can_speak(p, agent) ? p->words : 1);
}

static void set_push(const struct mpe_params *p, int body, double x, double y, struct mpe_control *control)
{
    control->force[body][0] = x * p->sign * p->body[body].accel;
    control->force[body][1] = y * p->sign * p->body[body].accel;
}

void mpe_set_move(const struct mpe_params *p, int body, int move, struct mpe_control *control)
{
    set_push(p, body, (move == MOVE_RIGHT) - (move == MOVE_LEFT), (move == MOVE_UP) - (move == MOVE_DOWN), control);
}

static void clear(const struct mpe_params *p, struct mpe_control *control)
{
    memset(control->force, 0, (size_t)p->B * sizeof *control->force);
    memset(control->speech, 0, p->words ? (size_t)p->B * sizeof *control->speech : 0);
}

/* A choice within [0, choices), else 0. */
static int within(int32_t choice, int choices)
{
    return choice >= 0 && choice < choices ? choice : 0;
}

void mpe_read_choices(const struct mpe_params *p, const int32_t *choice, struct mpe_control *control)
{
    clear(p, control);
    for (int n = 0; n < p->N; n++, choice += p->C) {
        int moves = can_move(p, n) ? MPE_MOVES : 1;
        int flat = within(choice[0], p->action == ACT_FLAT ? flat_choices(p, n) : moves);
        int word = p->action == ACT_FLAT ? flat / moves : p->C > 1 ? within(choice[1], p->words) : 0;
        mpe_set_move(p, n, flat % moves, control);
        if (can_speak(p, n))
            control->speech[n][word] = 1;
    }
}

static double clipped(double number)
{
    return !isfinite(number) || number < 0 ? 0 : number > 1 ? 1 : number;
}

void mpe_read_numbers(const struct mpe_params *p, const double *numbers, struct mpe_control *control)
{
    clear(p, control);
    for (int n = 0; n < p->N; n++, numbers += p->C) {
        double push[MPE_MOVES];
        for (int m = 0; m < MPE_MOVES; m++)
            push[m] = clipped(numbers[m]);
        set_push(p, n, push[MOVE_RIGHT] - push[MOVE_LEFT], push[MOVE_UP] - push[MOVE_DOWN], control);
        for (int w = 0; w < p->words && can_speak(p, n); w++)
            control->speech[n][w] = clipped(numbers[MPE_MOVES + w]);
    }
}

void mpe_available(const struct mpe_params *p, uint8_t *available)
{
    memset(available, p->action == ACT_CONTINUOUS, (size_t)(p->N * p->A));
    for (int n = 0; n < p->N && p->action != ACT_CONTINUOUS; n++, available += p->A) {
        if (p->action == ACT_FLAT) {
            memset(available, 1, (size_t)flat_choices(p, n));
            continue;
        }
        memset(available, 1, can_move(p, n) ? MPE_MOVES : 1);
        if (p->words)
            memset(available + MPE_MOVES, 1, can_speak(p, n) ? (size_t)p->words : 1);
    }
}

void mpe_action_spec(const struct mpe_params *p, struct spec *spec)
{
    int widest = 0;
    spec->action = p->action == ACT_CONTINUOUS ? ACTION_BOX : ACTION_DISCRETE;
    spec->C = 1;
    if (p->action == ACT_PARTS && p->words) {
        spec->action = ACTION_MULTI_DISCRETE;
        spec->C = 2;
        spec->components[0].choices = MPE_MOVES;
        spec->components[1].choices = p->words;
    }
    for (int n = 0; n < p->N; n++)
        widest = flat_choices(p, n) > widest ? flat_choices(p, n) : widest;
    spec->A = p->action == ACT_FLAT ? widest : MPE_MOVES + p->words;
    if (spec->action == ACTION_BOX)
        for (spec->C = 0; spec->C < spec->A; spec->C++)
            spec->components[spec->C] = (struct spec_component){.low = 0, .high = 1};
}

void mpe_write_action(const struct mpe_params *p, int agent, int move, int word, float *probability)
{
    memset(probability, 0, (size_t)p->A * sizeof *probability);
    int moves = can_move(p, agent) ? MPE_MOVES : 1;
    if (!can_move(p, agent))
        move = MOVE_NONE;
    if (!can_speak(p, agent))
        word = 0;
    if (p->action == ACT_FLAT) {
        probability[move + moves * word] = 1;
        return;
    }
    probability[move] = 1;
    if (p->words)
        probability[MPE_MOVES + word] = 1;
}
