#include "deploy/step.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/terminal.h"
#include "deploy/verb.h"

static void print_command(char *const argv[])
{
    fprintf(stderr, "%s$", terminal_style(stderr, STYLE_DIM));
    for (int i = 0; argv[i]; i++)
        fprintf(stderr, " %s", i ? argv[i] : "testudo");
    fprintf(stderr, "%s\n", terminal_style(stderr, STYLE_OFF));
}

static int spawn(pid_t *child, char *const argv[])
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t reset;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    sigemptyset(&reset);
    sigaddset(&reset, SIGINT); /* ignored here, and a child would inherit that */
    posix_spawnattr_setsigdefault(&attributes, &reset);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int r = posix_spawn(child, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return r;
}

int step_run(const char *const *words, const char *actors, struct err *err)
{
    char *argv[STEP_WORDS_MAX + 4] = {(char *)"/proc/self/exe"};
    pid_t child;
    int n = 1, status = 0;
    for (int i = 0; words[i]; i++) {
        ASSERT(n <= STEP_WORDS_MAX);
        argv[n++] = (char *)words[i];
    }
    if (*actors)
        argv[n++] = (char *)"--actors", argv[n++] = (char *)actors;
    argv[n] = NULL;
    print_command(argv);
    int r = spawn(&child, argv);
    if (r)
        return err_set(err, ERR_IO, "cannot start a step: %s", strerror(r));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}
