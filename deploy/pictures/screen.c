#include "deploy/pictures/screen.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "deploy/pictures/bytes.h"
#include "deploy/pictures/paint.h"
#include "deploy/terminal.h"

#define OVERSAMPLE 4   /* a cell is this many pixels wide and twice as many high when it is painted */
#define LINES_BESIDE 5 /* of the screen, for what is said below the picture */

struct cell {
    struct colour upper, lower;
    char letter; /* over the lower colour; 0: none */
    struct colour ink;
};

/* ---- cells ---- */

static struct colour mean_of(const struct canvas *canvas, int x, int y)
{
    unsigned sum[3] = {0};
    for (int dy = 0; dy < OVERSAMPLE; dy++)
        for (int dx = 0; dx < OVERSAMPLE; dx++)
            for (int c = 0; c < 3; c++)
                sum[c] += canvas->rgb[3 * ((size_t)(y + dy) * (size_t)canvas->width + (size_t)(x + dx)) + (size_t)c];
    unsigned n = OVERSAMPLE * OVERSAMPLE;
    return (struct colour){(uint8_t)(sum[0] / n), (uint8_t)(sum[1] / n), (uint8_t)(sum[2] / n), 1};
}

static void fill_cells(const struct canvas *canvas, struct cell *cells, int columns, int rows)
{
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++)
            cells[row * columns + column] =
                (struct cell){.upper = mean_of(canvas, column * OVERSAMPLE, 2 * row * OVERSAMPLE),
                              .lower = mean_of(canvas, column * OVERSAMPLE, (2 * row + 1) * OVERSAMPLE)};
}

/* A label is written around its centre, where it fits. */
static void write_labels(const struct film_frame *frame, const struct mapping *map, struct cell *cells, int columns, int rows)
{
    for (int i = 0; i < frame->n_items; i++) {
        const struct scene_item *item = &frame->items[i];
        if (item->shape != SCENE_TEXT)
            continue;
        float x = map->x + map->scale * item->x, y = map->y - map->scale * item->y;
        if (!(fabsf(x) < 1e6f && fabsf(y) < 1e6f))
            continue;
        int length = (int)strlen(item->text), row = (int)floorf(y / (2 * OVERSAMPLE));
        int column = (int)floorf(x / OVERSAMPLE - ((float)length - 1) / 2);
        for (int k = 0; k < length; k++) {
            int at = column + k;
            if (row < 0 || row >= rows || at < 0 || at >= columns || item->text[k] == ' ')
                continue;
            struct cell *cell = &cells[row * columns + at];
            cell->letter = item->text[k];
            cell->ink = palette_fill(item->ink, palette_is_dark(cell->lower));
        }
    }
}

/* ---- codes ---- */

/* The nearest of the 6 x 6 x 6 colours that all terminals with 256 have. */
static int cube_of(struct colour colour)
{
    int level[3] = {colour.r, colour.g, colour.b};
    for (int i = 0; i < 3; i++)
        level[i] = level[i] < 48 ? 0 : level[i] < 115 ? 1 : (level[i] - 35) / 40;
    return 16 + 36 * level[0] + 6 * level[1] + level[2];
}

/* role: 38 letters, 48 what is behind them. */
static void add_colour(struct bytes *out, int role, struct colour colour, bool true_colour)
{
    if (true_colour)
        bytes_print(out, "\033[%d;2;%d;%d;%dm", role, colour.r, colour.g, colour.b);
    else
        bytes_print(out, "\033[%d;5;%dm", role, cube_of(colour));
}

static void add_cells(struct bytes *out, const struct cell *cells, int columns, int rows, bool true_colour)
{
    for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++) {
            const struct cell *cell = &cells[row * columns + column];
            add_colour(out, 48, cell->lower, true_colour);
            add_colour(out, 38, cell->letter ? cell->ink : cell->upper, true_colour);
            if (cell->letter)
                bytes_byte(out, (unsigned char)cell->letter);
            else
                bytes_print(out, "\xe2\x96\x80"); /* upper half block */
        }
        bytes_print(out, "\033[0m\033[K\n");
    }
}

char *screen_frame(const struct film_frame *frame, int columns, int rows, bool true_colour)
{
    float width = fmaxf(frame->right - frame->left, 1e-6f), height = fmaxf(frame->top - frame->bottom, 1e-6f);
    float scale = fminf((float)columns / width, 2 * (float)rows / height);
    columns = (int)fminf((float)columns, fmaxf(ceilf(scale * width), 1));
    rows = (int)fminf((float)rows, fmaxf(ceilf(scale * height / 2), 1));
    struct canvas canvas;
    struct bytes out = {0};
    struct cell *cells = calloc((size_t)columns * (size_t)rows, sizeof *cells);
    if (canvas_init(&canvas, columns * OVERSAMPLE, 2 * rows * OVERSAMPLE, PALETTE_PAPER) || !cells) {
        free(cells);
        canvas_deinit(&canvas);
        return NULL;
    }
    struct area area = {0, 0, (float)canvas.width, (float)canvas.height};
    struct mapping map = paint_mapping(area, frame);
    paint_frame(&canvas, area, frame, false);
    fill_cells(&canvas, cells, columns, rows);
    write_labels(frame, &map, cells, columns, rows);
    add_cells(&out, cells, columns, rows, true_colour);
    bytes_byte(&out, 0);
    canvas_deinit(&canvas);
    free(cells);
    if (!out.is_broken)
        return (char *)out.data;
    bytes_deinit(&out);
    return NULL;
}

/* ---- playing ---- */

static volatile sig_atomic_t is_stopped;

static void stop(int signal)
{
    (void)signal;
    is_stopped = 1;
}

static void pause_for(int fps)
{
    long ns = 1000000000L / (fps > 0 ? fps : 1);
    nanosleep(&(struct timespec){ns / 1000000000L, ns % 1000000000L}, NULL);
}

static void print_caption(const struct film *film, int f)
{
    const struct film_frame *frame = &film->frames[f];
    int columns = terminal_columns(), used = 0;
    printf("step %d   return %.4g\033[K\n", f, frame->team_return);
    for (int n = 0; n < film->env.spec.N; n++) {
        char text[128], part[160];
        film_action_text(film, frame, n, text, sizeof text);
        int length = snprintf(part, sizeof part, "%s%d%s %s %+.3g", n ? "   " : "", n, film->adversaries >> n & 1 ? "!" : ":", text,
                              (double)frame->reward[n]);
        if (used + length >= columns)
            break;
        used += length;
        fputs(part, stdout);
    }
    printf("\033[K\n");
}

static int play_colours(const struct film *film, int fps, struct err *err)
{
    const char *kind = getenv("COLORTERM");
    bool true_colour = kind && (strstr(kind, "truecolor") || strstr(kind, "24bit"));
    int columns = terminal_columns() - 1, rows = terminal_rows() - LINES_BESIDE, r = 0;
    char title[256];
    film_title(film, title, sizeof title);
    printf("\033[?25l\033[2J"); /* no cursor, empty screen */
    for (int f = 0; f < film->count && !is_stopped && !r; f++) {
        char *text = screen_frame(&film->frames[f], columns > 8 ? columns : 8, rows > 4 ? rows : 4, true_colour);
        if (!text) {
            r = err_set(err, ERR_NOMEM, "no memory for a frame");
            break;
        }
        printf("\033[H%s", text);
        print_caption(film, f);
        fflush(stdout);
        free(text);
        pause_for(fps);
    }
    printf("\033[?25h%s\n", title);
    return r;
}

static int play_text(const struct film *film, int fps, struct err *err)
{
    char title[256];
    film_title(film, title, sizeof title);
    for (int f = 0; f < film->count && !is_stopped; f++) {
        printf("%s\n", film->frames[f].text);
        if (fflush(stdout))
            return err_set(err, ERR_IO, "cannot write the frames");
        if (terminal_is(stdout))
            pause_for(fps);
    }
    printf("%s\n", title);
    return 0;
}

int screen_play(const struct film *film, int fps, struct err *err)
{
    struct sigaction on_stop = {.sa_handler = stop}, before;
    bool has_colour = *terminal_style(stdout, STYLE_DIM) && film->frames[0].n_items;
    is_stopped = 0;
    sigaction(SIGINT, &on_stop, &before);
    int r = has_colour ? play_colours(film, fps, err) : play_text(film, fps, err);
    sigaction(SIGINT, &before, NULL);
    if (!r && fflush(stdout))
        r = err_set(err, ERR_IO, "cannot write the frames");
    return r;
}
