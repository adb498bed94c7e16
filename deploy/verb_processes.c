/* broker, learner, actor: one process of a cluster. The launcher starts them with --parent; by hand they do without. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "actor/actor.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/relay.h"
#include "deploy/runs.h"
#include "deploy/security.h"
#include "deploy/settings.h"
#include "deploy/verb.h"
#include "learner/learner.h"

#define ACTOR_ID_MAX (1 << 20) /* of numbers given by hand */
#define ATTEMPTS 5

#define OPTION_PARENT(value)                                                                                   \
    {                                                                                                          \
        "parent", OPTION_INT, value, 1, INT32_MAX, "PID", "leave when this process, our parent, is gone", NULL \
    }

/* Asks the kernel for SIGTERM at the parent's death. The parent may have died before we asked: then leave at once. */
static int follow_parent(const struct verb *verb, int64_t parent)
{
    if (!parent)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, SIGTERM))
        return verb_failed(verb, "cannot follow process %lld", (long long)parent);
    return getppid() == (pid_t)parent ? 0 : verb_failed(verb, "process %lld is not our parent any more", (long long)parent);
}

static int open_log(const struct verb *verb, int64_t number)
{
    struct err err;
    char role[32];
    snprintf(role, sizeof role, "%s/%lld", verb->name, (long long)number);
    return log_open(role, LOG_NOTICE, NULL, &err) ? verb_failed(verb, "%s", err.text) : 0;
}

static int finish(const struct verb *verb, int result, const struct err *err)
{
    log_close();
    return result ? (verb_failed(verb, "%s", err->text), verb_exit_code(result)) : EXIT_DONE;
}

static int no_words(const struct verb *verb, const struct words *words)
{
    return words->count ? verb_misused(verb, "unexpected argument \"%s\"", words->word[0]) : 0;
}

/* -- broker ----------------------------------------------------------------------------------------------------------------- */

/* Splits "a,b,c" in place into at most three endpoints. */
static int split_endpoints(const struct verb *verb, char *list, const char *endpoints[4])
{
    int n = 0;
    char *save = NULL;
    for (char *word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        if (n == 3)
            return verb_misused(verb, "more than three endpoints to listen on");
        endpoints[n++] = word;
    }
    endpoints[n] = NULL;
    return n ? 0 : verb_misused(verb, "--listen is empty");
}

/* What is behind a relay is trusted as the relay is, so it listens on this machine only. */
static int run_relay(const struct verb *verb, const char *upstream, const char *key, bool is_insecure, const char *monitor,
                     const struct broker_options *broker)
{
    static struct security_client security; /* large, and lives as long as the process */
    struct err err = {""};
    if (monitor)
        return verb_misused(verb, "--monitor is the broker's; a relay answers `testudo stats --json`");
    int r = security_client(&security, upstream, key, is_insecure, ROLE_ACTOR, &err);
    if (r)
        return finish(verb, r, &err);
    struct relay_options options = {.upstream = security.endpoint,
                                    .upstream_keys = security_keys(&security),
                                    .is_insecure = is_insecure,
                                    .cache_bytes = broker->cache_bytes};
    memcpy(options.listen, broker->listen, sizeof options.listen);
    return finish(verb, relay_run(&options, &err), &err);
}

static int run_broker(const struct verb *verb, int argc, char **argv)
{
    const char *listen = "tcp://127.0.0.1:5555", *monitor = NULL, *key = NULL, *allowed = NULL, *upstream = NULL;
    int64_t parent = 0, cache_mib = 512;
    bool is_insecure = false, is_public = false;
    static struct security_broker security; /* large, and lives as long as the process */
    const struct option_row rows[] = {
        {"listen", OPTION_TEXT, &listen, 0, 0, "ENDPOINTS",
         "where actors, learner and observers connect; up to three, joined by commas", "tcp://127.0.0.1:5555"},
        {"cache", OPTION_INT, &cache_mib, 1, 1 << 20, "MIB", "memory for weights that wait to be fetched", "512"},
        {"monitor", OPTION_TEXT, &monitor, 0, 0, "ADDRESS", "serve dashboard and statistics over HTTP there", MONITOR_ADDRESS},
        {"relay", OPTION_TEXT, &upstream, 0, 0, "ENDPOINT",
         "be a relay to the broker there: one connection, and weights fetched once, for all actors of this machine",
         "tcp://host:5555"},
        {"public-monitor", OPTION_FLAG, &is_public, 0, 0, "",
         "the monitor may be beyond this machine: it tells, and can steer nothing", NULL},
        {"key", OPTION_TEXT, &key, 0, 0, "FILE",
         "the broker's own key (testudo keygen); default beyond this machine: ~/.testudo/keys/", "broker.key"},
        {"allowed", OPTION_TEXT, &allowed, 0, 0, "FILE", "keys that may come in; default: the file `allowed` beside the key", NULL},
        OPTION_INSECURE(&is_insecure),
        OPTION_PARENT(&parent),
    };
    struct words words;
    struct broker_options options = {0};
    struct err err = {""};
    char list[1024];
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (snprintf(list, sizeof list, "%s", listen) >= (int)sizeof list)
        return verb_misused(verb, "--listen is too long");
    if ((r = no_words(verb, &words)) || (r = split_endpoints(verb, list, options.listen)) || (r = follow_parent(verb, parent)) ||
        (r = open_log(verb, 0)))
        return r;
    options.cache_bytes = (size_t)cache_mib << 20;
    if (upstream)
        return run_relay(verb, upstream, key, is_insecure, monitor, &options);
    if ((r = security_broker(&security, options.listen, key, allowed, is_insecure, &err)))
        return finish(verb, r, &err);
    options.keys = security.has_keys ? &security.key.keys : NULL;
    options.allowed = security.allowed;
    options.keys_everywhere = security.everywhere;
    options.is_monitor_public = is_public;
    options.is_insecure = is_insecure;
    options.monitor = monitor;
    options.version = TESTUDO_VERSION;
    return finish(verb, broker_run(&options, &err), &err);
}

const struct verb verb_broker = {
    .name = "broker",
    .summary = "route trajectories, orders and weights between actors and a learner",
    .arguments = "[--listen ENDPOINTS] [--relay ENDPOINT]",
    .example = "testudo broker --listen tcp://127.0.0.1:5555",
    .more = "Beyond this machine it listens under keys (testudo keygen), whose list it reads again when the file changes and at "
            "SIGHUP.\n"
            "With --relay it stands between the actors of a machine and a broker elsewhere, under an actor's key.\n",
    .run = run_broker,
};

/* -- learner ---------------------------------------------------------------------------------------------------------------- */

static int read_mode(const struct verb *verb, const char *task, enum learner_mode *mode)
{
    static const char *const names[] = {[LEARNER_TRAIN] = "train", [LEARNER_EVAL] = "eval", [LEARNER_ATTACK] = "attack"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], task)) {
            *mode = (enum learner_mode)i;
            return 0;
        }
    return verb_misused(verb, "--task is \"%s\", expected train, eval or attack", task);
}

/* Two learners in one folder would write over each other's checkpoints. The descriptor holds the lock and closes with the process,
 * however that ends. (The launcher's own lock, .lock, covers the whole run and is not this one.) */
static int hold_folder(const struct verb *verb, const char *folder)
{
    char path[PATH_MAX];
    if (file_join(path, sizeof path, folder, ".learner"))
        return verb_misused(verb, "path of the run folder is too long");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return verb_failed(verb, "cannot open \"%s\": %s", path, strerror(errno));
    return flock(fd, LOCK_EX | LOCK_NB) ? verb_failed(verb, "another learner works in \"%s\"", folder) : 0;
}

/* RECIPE [key=value ...]: the run folder that `train` would make or go on in. */
static int open_recipe(const struct verb *verb, const struct words *words, const char *root, const char *command, struct run *run)
{
    struct recipe *recipe;
    struct err err = {""};
    int r = settings_load(&recipe, words->word[0], words->word + 1, words->count - 1, &err);
    if (r)
        return verb_misused(verb, "%s", err.text);
    r = run_open(run, root, recipe, command, &err);
    recipe_destroy(&recipe);
    return r ? (verb_failed(verb, "%s", err.text), verb_exit_code(r)) : 0;
}

static int run_learner(const struct verb *verb, int argc, char **argv)
{
    const char *connect = "tcp://127.0.0.1:5555", *folder = NULL, *source = NULL, *results = NULL, *task = "train", *root = "runs",
               *key = NULL;
    int64_t parent = 0, status_fd = -1;
    bool is_insecure = false;
    static struct security_client security; /* large, and lives as long as the process */
    const struct option_row rows[] = {
        {"connect", OPTION_TEXT, &connect, 0, 0, "ENDPOINT", "the broker", "tcp://127.0.0.1:5555"},
        {"run", OPTION_TEXT, &folder, 0, 0, "FOLDER", "run folder with recipe.yaml", "runs/latest"},
        {"runs", OPTION_TEXT, &root, 0, 0, "FOLDER", "where the run folder of a RECIPE lies", "runs"},
        {"task", OPTION_TEXT, &task, 0, 0, "TASK", "train, eval or attack", "train"},
        {"source", OPTION_TEXT, &source, 0, 0, "FILE", "checkpoint to evaluate or attack; default: the run's newest", NULL},
        {"results", OPTION_TEXT, &results, 0, 0, "NAME", "file under results/; default: named after the task", "final.json"},
        {"status-fd", OPTION_INT, &status_fd, 0, 1024, "FD", "write status as JSON lines there", "3"},
        OPTION_KEY(&key),
        OPTION_INSECURE(&is_insecure),
        OPTION_PARENT(&parent),
    };
    struct words words;
    struct err err = {""};
    enum learner_mode mode = LEARNER_TRAIN;
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if (!folder == !words.count)
        return verb_misused(verb,
                            folder ? "--run FOLDER and a RECIPE exclude each other" : "neither --run FOLDER nor a RECIPE given");
    if ((r = read_mode(verb, task, &mode)) || (r = follow_parent(verb, parent)) || (r = open_log(verb, 0)))
        return r;
    if ((r = security_client(&security, connect, key, is_insecure, ROLE_LEARNER, &err)))
        return finish(verb, r, &err);
    char command[1024];
    struct run run = {.lock = -1};
    verb_command_line(command, sizeof command, argc, argv);
    if (words.count && (r = open_recipe(verb, &words, root, command, &run)))
        return r;
    folder = words.count ? run.folder : folder;
    if (!(r = hold_folder(verb, folder))) {
        const struct learner_options options = {.connect = security.endpoint,
                                                .keys = security_keys(&security),
                                                .run = folder,
                                                .source = source,
                                                .results = results,
                                                .mode = mode,
                                                .is_insecure = is_insecure,
                                                .status_fd = (int)status_fd};
        r = finish(verb, learner_run(&options, &err), &err);
    }
    run_close(&run);
    return r;
}

const struct verb verb_learner = {
    .name = "learner",
    .summary = "turn trajectories into weights",
    .arguments = "RECIPE [key=value ...] | --run FOLDER",
    .example = "testudo learner --connect tcp://127.0.0.1:5555 eir-mappo env.name=matrix",
    .more = "With a RECIPE it makes the run folder that `testudo train` would make, or goes on in it.\n",
    .run = run_learner,
};

/* -- actor ------------------------------------------------------------------------------------------------------------------ */

/* As long as the broker serves another run than the one it has just belonged to, an actor starts over and joins that one; when that
 * happens again and again it waits longer each time, at most FIRST_PAUSE_MS << PAUSES. */
static int join_runs(const struct actor_options *options, struct err *err)
{
    enum { FIRST_PAUSE_MS = 100, PAUSES = 7, LIVED_WELL_S = 30 };
    int r, pauses = 0;
    for (monotonic_us start = clock_us(); (r = actor_run(options, err)) == ERR_MISMATCH; start = clock_us()) {
        pauses = clock_seconds_since(start) > LIVED_WELL_S ? 0 : pauses < PAUSES ? pauses + 1 : PAUSES;
        long pause_ms = FIRST_PAUSE_MS << pauses;
        log_notice("broker serves another run, joining it reason=\"%s\" pause_ms=%ld", err->text, pause_ms);
        nanosleep(&(struct timespec){pause_ms / 1000, pause_ms % 1000 * 1000000},
                  NULL); /* nothing is held: a signal ends us here */
    }
    return r;
}

/* A number for an actor that was given none: of this host and this process, so a container that is started again keeps its number
 * (its process has the same id each time) and two processes of a host differ. Beyond ACTOR_ID_MAX, so never one given by hand. Should
 * two hosts agree in all 31 bits, the broker refuses the earlier process, which takes the next `attempt`. */
static uint32_t own_number(unsigned attempt)
{
    char host[256] = "", text[320];
    if (gethostname(host, sizeof host - 1))
        host[0] = 0;
    int length = snprintf(text, sizeof text, "%s/%ld/%u", host, (long)getpid(), attempt);
    return ACTOR_ID_MAX + 1 + (uint32_t)(hash_bytes(text, (size_t)length).low % (INT32_MAX - ACTOR_ID_MAX));
}

/* Runs an actor that numbers itself. */
static int run_numbered(struct actor_options *options, struct err *err)
{
    int r = ERR_STATE;
    for (unsigned attempt = 0; r == ERR_STATE && attempt < ATTEMPTS; attempt++) {
        options->actor = own_number(attempt);
        r = join_runs(options, err); /* ERR_STATE: replaced by a later process with this number */
    }
    return r;
}

static int run_actor(const struct verb *verb, int argc, char **argv)
{
    const char *connect = "tcp://127.0.0.1:5555", *key = NULL;
    int64_t parent = 0, id = -1, lanes = 0, memory_mib = 512;
    bool is_insecure = false;
    static struct security_client security; /* large, and lives as long as the process */
    const struct option_row rows[] = {
        {"connect", OPTION_TEXT, &connect, 0, 0, "ENDPOINT", "the broker: tcp://host:port, ipc://path, or only the host",
         "tcp://host:5555"},
        {"id", OPTION_INT, &id, 0, ACTOR_ID_MAX, "N",
         "number of this actor, which no other of the run may have; default: one made of host name and process id", "3"},
        {"lanes", OPTION_INT, &lanes, 0, 1024, "N", "environments it is willing to hold; 0: as many as --memory allows", "16"},
        {"memory", OPTION_INT, &memory_mib, 1, 1 << 20, "MIB", "for trajectories on their way", "512"},
        OPTION_KEY(&key),
        OPTION_INSECURE(&is_insecure),
        OPTION_PARENT(&parent),
    };
    struct words words;
    struct err err = {""};
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    if ((r = no_words(verb, &words)) || (r = follow_parent(verb, parent)) || (r = open_log(verb, id < 0 ? own_number(0) : id)))
        return r;
    if ((r = security_client(&security, connect, key, is_insecure, ROLE_ACTOR, &err)))
        return finish(verb, r, &err);
    struct actor_options options = {.connect = security.endpoint,
                                    .keys = security_keys(&security),
                                    .actor = (uint32_t)id,
                                    .lanes = (int)lanes,
                                    .memory_bytes = (size_t)memory_mib << 20,
                                    .is_insecure = is_insecure,
                                    .exit_when_finished = 1};
    return finish(verb, id < 0 ? run_numbered(&options, &err) : join_runs(&options, &err), &err);
}

const struct verb verb_actor = {
    .name = "actor",
    .summary = "roll out environments for a learner",
    .arguments = "[--connect ENDPOINT] [--id N]",
    .example = "testudo actor --connect tcp://127.0.0.1:5555",
    .run = run_actor,
};
