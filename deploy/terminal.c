#include "deploy/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_is(FILE *stream)
{
    const char *kind = getenv("TERM");
    return isatty(fileno(stream)) && !(kind && !strcmp(kind, "dumb"));
}

const char *terminal_style(FILE *stream, enum terminal_style style)
{
    static const char *const codes[] = {[STYLE_OFF] = "\033[0m",
                                        [STYLE_ERROR] = "\033[31m",
                                        [STYLE_GOOD] = "\033[32m",
                                        [STYLE_DIM] = "\033[2m",
                                        [STYLE_BOLD] = "\033[1m"};
    const char *no_color = getenv("NO_COLOR");
    return terminal_is(stream) && !(no_color && *no_color) ? codes[style] : "";
}

void terminal_size(int *columns, int *rows)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
        return;
    *columns = size.ws_col;
    *rows = size.ws_row;
}

int terminal_columns(void)
{
    struct winsize size;
    return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
}

int terminal_rows(void)
{
    struct winsize size;
    return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_row ? size.ws_row : 24;
}
