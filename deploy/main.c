/* testudo: one program, many verbs. Parse, look the verb up, run it, return its exit code: 0 done, 1 failed, 2 misused. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "deploy/verb.h"
#include "math/blas_core.h"

static const struct verb *const verbs[] = {
    &verb_train, &verb_eval,    &verb_attack, &verb_report, &verb_demo,    &verb_envs,      &verb_render,
    &verb_keys,  &verb_inspect, &verb_bench,  &verb_broker, &verb_learner, &verb_actor,     &verb_stats,
    &verb_top,   &verb_health,  &verb_chaos,  &verb_keygen, &verb_doctor,  &verb_reproduce,
};

static int print_help(FILE *out)
{
    fprintf(out, "testudo: train teams of agents that keep cooperating when team-mates fail or turn against them\n\n"
                 "usage: testudo VERB [arguments]\n\nverbs:\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        fprintf(out, "  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(out, "\n  testudo VERB --help   options of a verb, with an example\n  testudo --version     %s\n", TESTUDO_VERSION);
    return out == stdout ? EXIT_DONE : EXIT_MISUSED;
}

static int unknown_verb(const char *name)
{
    const char *names[ARRAY_LEN(verbs)];
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        names[i] = verbs[i]->name;
    const char *near = config_nearest(name, names, (int)ARRAY_LEN(verbs));
    fprintf(stderr, "testudo: unknown verb \"%s\"%s%s%s (see: testudo --help)\n", name, near ? "; did you mean " : "",
            near ? near : "", near ? "?" : "");
    return EXIT_MISUSED;
}

int main(int argc, char **argv)
{
    /* May start this program anew with another environment, so it comes first. */
    if (argc > 1 && !strcmp(argv[1], verb_bench.name))
        blas_core_fix_anyway(argv); /* a poor yardstick would flatter us */
    else
        blas_core_fix(argv);
    signal(SIGPIPE, SIG_IGN); /* a reader that left shows as a failed write */
    signal(SIGXFSZ, SIG_IGN); /* so does a limit on the size of files */
    if (argc < 2)
        return print_help(stderr);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return print_help(stdout);
    if (!strcmp(argv[1], "--version"))
        return printf("testudo %s\n", TESTUDO_VERSION) < 0 ? EXIT_FAILED : EXIT_DONE;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (!strcmp(verbs[i]->name, argv[1]))
            return verbs[i]->run(verbs[i], argc - 1, argv + 1);
    return unknown_verb(argv[1]);
}
