#include "deploy/doctor.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "deploy/observer.h"
#include "math/blas_core.h"
#include "wire/allow_list.h"
#include "wire/envelope.h"

#define FILES_FEW 1024 /* a broker needs one for each actor */
#define FILES_MANY 4096
#define SPACE_LOW (1ull << 30) /* bytes: a run's checkpoints and logs */
#define SPACE_SHORT (64ull << 20)
#define SLOW_MIB_S 20.0
#define SKEW_S 2.0
#define FIRST_GOOD_YEAR 2025

const char *doctor_grade_name(enum doctor_grade grade)
{
    static const char *const names[DOCTOR_GRADES] = {"ok", "warn", "fail"};
    return names[grade];
}

void doctor_add(struct doctor *doctor, enum doctor_grade grade, const char *subject, const char *remedy, const char *format, ...)
{
    if (doctor->n == DOCTOR_LINES_MAX)
        return;
    struct doctor_line *line = &doctor->lines[doctor->n++];
    va_list args;
    *line = (struct doctor_line){.grade = grade, .subject = subject};
    va_start(args, format);
    vsnprintf(line->text, sizeof line->text, format, args);
    va_end(args);
    snprintf(line->remedy, sizeof line->remedy, "%s", remedy ? remedy : "");
}

enum doctor_grade doctor_worst(const struct doctor *doctor)
{
    enum doctor_grade worst = DOCTOR_OK;
    for (int i = 0; i < doctor->n; i++)
        if (doctor->lines[i].grade > worst)
            worst = doctor->lines[i].grade;
    return worst;
}

/* --- ports --- */

void doctor_ports(struct doctor *doctor, const int *ports, int n)
{
    for (int i = 0; i < n; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        address.sin_port = htons((uint16_t)ports[i]);
        const int one = 1;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof address) && !listen(fd, 1))
            doctor_add(doctor, DOCTOR_OK, "ports", NULL, "%d is free", ports[i]);
        else
            doctor_add(doctor, DOCTOR_WARN, "ports",
                       "fine if a broker of yours runs here; else choose others with --listen and --monitor",
                       "%d cannot be had: %s", ports[i], strerror(errno));
        if (fd >= 0)
            close(fd);
    }
}

/* --- keys --- */

static void check_key(struct doctor *doctor, const char *path, const struct allow_list *list)
{
    struct key_file key;
    struct err err;
    int r = key_file_read(&key, path, &err);
    if (r)
        doctor_add(doctor, DOCTOR_FAIL, "keys",
                   r == ERR_DENIED ? "chmod 600 the file; if others may have read it, make new keys"
                                   : "copy the file again from where keygen made it, or make new keys",
                   "%s", err.text);
    else if (list && key.role != ROLE_BROKER && !allow_list_find(list, key.keys.public_key))
        doctor_add(doctor, DOCTOR_WARN, "keys", "add its line to `allowed`, or delete the file if it is shut out on purpose",
                   "%s is not on the list of admitted keys", path);
    else
        doctor_add(doctor, DOCTOR_OK, "keys", NULL, "%s is the key %s of role %s", path, key.name, role_name(key.role));
    explicit_bzero(&key, sizeof key);
}

static int is_key(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && !strcmp(entry->d_name + length - 4, ".key");
}

void doctor_keys(struct doctor *doctor, const char *folder)
{
    struct dirent **entries;
    struct allow_list list = {0};
    struct err err;
    char path[4096];
    int n = scandir(folder, &entries, is_key, alphasort);
    if (n <= 0) {
        doctor_add(doctor, DOCTOR_OK, "keys", NULL, "none in %s: enough for this machine alone; testudo keygen makes some", folder);
        if (!n)
            free(entries);
        return;
    }
    bool has_list = !file_join(path, sizeof path, folder, "allowed") && !access(path, F_OK);
    if (has_list && allow_list_read(&list, path, &err)) {
        doctor_add(doctor, DOCTOR_FAIL, "keys", "mend that line: a broker would not start with it", "%s", err.text);
        has_list = false;
    }
    for (int i = 0; i < n; i++) {
        if (!file_join(path, sizeof path, folder, entries[i]->d_name))
            check_key(doctor, path, has_list ? &list : NULL);
        free(entries[i]);
    }
    free(entries);
    allow_list_free(&list);
}

/* --- the machine --- */

void doctor_clock(struct doctor *doctor)
{
    struct timex state = {0};
    time_t now = time(NULL);
    struct tm local;
    int year = gmtime_r(&now, &local)->tm_year + 1900, code = adjtimex(&state);
    if (year < FIRST_GOOD_YEAR)
        doctor_add(doctor, DOCTOR_FAIL, "clock", "set it: of two processes of one actor the one that started later stays",
                   "the year is %d", year);
    else if (code == TIME_ERROR)
        doctor_add(doctor, DOCTOR_WARN, "clock", "run a time service (chrony, systemd-timesyncd) on every machine of the cluster",
                   "nothing keeps it in step with others");
    else
        doctor_add(doctor, DOCTOR_OK, "clock", NULL, "in step, estimated error %.3f s", (double)state.esterror * 1e-6);
}

void doctor_files(struct doctor *doctor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        doctor_add(doctor, DOCTOR_WARN, "files", NULL, "the limit of open files is not known: %s", strerror(errno));
        return;
    }
    enum doctor_grade grade = limit.rlim_cur < FILES_FEW ? DOCTOR_FAIL : limit.rlim_cur < FILES_MANY ? DOCTOR_WARN : DOCTOR_OK;
    doctor_add(doctor, grade, "files",
               grade ? "ulimit -n 65536 (LimitNOFILE= in systemd, ulimits: in compose), or few actors" : NULL,
               "%" PRIu64 " may be open at once", (uint64_t)limit.rlim_cur);
}

void doctor_cpu(struct doctor *doctor)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
#if defined(__x86_64__)
    bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const char *best = __builtin_cpu_supports("avx512f") ? "AVX-512" : has_avx2 ? "AVX2 and FMA" : "neither AVX2 nor FMA";
    doctor_add(doctor, has_avx2 ? DOCTOR_OK : DOCTOR_WARN, "cpu",
               has_avx2 ? NULL : "everything works, several times slower, and with other bits than on newer processors",
               "%ld cores, %s", cores, best);
#else
    doctor_add(doctor, DOCTOR_OK, "cpu", NULL, "%ld cores, no x86-64: the portable kernels", cores);
#endif
}

void doctor_blas(struct doctor *doctor)
{
    const char *name = blas_core_name(), *better = NULL, *threads = getenv("OPENBLAS_NUM_THREADS");
#if defined(__x86_64__)
    better = blas_core_better(name, __builtin_cpu_supports("avx2"), __builtin_cpu_supports("avx512f"));
#endif
    if (better)
        doctor_add(doctor, DOCTOR_WARN, "blas", "unset OPENBLAS_CORETYPE, and testudo chooses the kernel itself",
                   "kernel %s, although the processor can do %s", name, better);
    else
        doctor_add(doctor, DOCTOR_OK, "blas", NULL, "kernel %s", name);
    if (threads && strcmp(threads, "1") != 0)
        doctor_add(doctor, DOCTOR_WARN, "blas",
                   "unset OPENBLAS_NUM_THREADS: work is split outside of products, over learner.threads",
                   "OPENBLAS_NUM_THREADS is %.32s: its threads would only stand in the way of other processes", threads);
    else
        doctor_add(doctor, DOCTOR_OK, "blas", NULL, "one thread in a product");
}

/* --- disk --- */

/* MiB a second of writing and syncing; negative when it failed (errno). */
static double write_speed(const char *path, size_t mib)
{
    static char block[1 << 20];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    memset(block, 0x5a, sizeof block);
    monotonic_us start = clock_us();
    bool is_written = true;
    for (size_t i = 0; i < mib && is_written; i++)
        is_written = write(fd, block, sizeof block) == (ssize_t)sizeof block;
    is_written = is_written && !fsync(fd);
    int saved = errno;
    double seconds = clock_seconds_since(start);
    close(fd);
    unlink(path);
    errno = saved;
    return is_written ? (double)mib / fmax(seconds, 1e-6) : -1;
}

void doctor_disk(struct doctor *doctor, const char *folder, size_t mib)
{
    char path[4096];
    struct statvfs disk;
    snprintf(path, sizeof path, "%.4000s/.doctor-%ld", folder, (long)getpid());
    if (statvfs(folder, &disk)) {
        doctor_add(doctor, DOCTOR_FAIL, "disk", "make the folder, or name another with --runs", "%.150s: %s", folder,
                   strerror(errno));
        return;
    }
    uint64_t space = (uint64_t)disk.f_bavail * disk.f_frsize;
    enum doctor_grade grade = space < SPACE_SHORT ? DOCTOR_FAIL : space < SPACE_LOW ? DOCTOR_WARN : DOCTOR_OK;
    doctor_add(doctor, grade, "disk", grade ? "make room: a learner trains on when its disk is full, but saves nothing" : NULL,
               "%.1f GiB free in %.150s", (double)space / (1u << 30), folder);
    double speed = write_speed(path, mib);
    if (speed < 0)
        doctor_add(doctor, DOCTOR_FAIL, "disk", "see that this user may write there, or name another folder with --runs",
                   "cannot write in %.150s: %s", folder, strerror(errno));
    else
        doctor_add(doctor, speed < SLOW_MIB_S ? DOCTOR_WARN : DOCTOR_OK, "disk",
                   speed < SLOW_MIB_S ? "checkpoints will be slow: raise run.checkpoint_every, or use a local disk" : NULL,
                   "%.0f MiB/s written and synced", speed);
}

/* --- a broker --- */

static void check_protocol(struct doctor *doctor, const json_t *answer)
{
    unsigned major = 0, minor = 0;
    const char *text = observed_text(answer, "protocol");
    int n = sscanf(text, "%u.%u", &major, &minor);
    if (n != 2)
        doctor_add(doctor, DOCTOR_FAIL, "version", "is that address a testudo broker's?", "the broker does not say what it speaks");
    else if (!protocol_understands(PROTOCOL_MAJOR, PROTOCOL_MINOR, major, minor))
        doctor_add(doctor, DOCTOR_FAIL, "version", "install the same release on both sides",
                   "the broker speaks protocol %u.%u, this program %d.%d: they do not understand each other", major, minor,
                   PROTOCOL_MAJOR, PROTOCOL_MINOR);
    else if (major != PROTOCOL_MAJOR || minor != PROTOCOL_MINOR)
        doctor_add(doctor, DOCTOR_WARN, "version", "install the same release on both sides when it is convenient",
                   "the broker speaks protocol %u.%u, this program %d.%d: they understand each other", major, minor, PROTOCOL_MAJOR,
                   PROTOCOL_MINOR);
    else
        doctor_add(doctor, DOCTOR_OK, "version", NULL, "the broker speaks protocol %u.%u, as this program does", major, minor);
}

void doctor_broker(struct doctor *doctor, const json_t *answer, uint64_t now_us)
{
    double epoch = observed(answer, "epoch"), uptime = observed(answer, "uptime_seconds");
    double skew = (double)now_us * 1e-6 - (epoch * 1e-6 + uptime);
    check_protocol(doctor, answer);
    if (isfinite(skew) && fabs(skew) > SKEW_S)
        doctor_add(doctor, DOCTOR_WARN, "clock",
                   "set both clocks by a time service: of two processes of one actor the later one stays", "%.1f s %s the broker's",
                   fabs(skew), skew > 0 ? "ahead of" : "behind");
    else if (isfinite(skew))
        doctor_add(doctor, DOCTOR_OK, "clock", NULL, "within %.1f s of the broker's", SKEW_S);
    double denied = observed(answer, "security.refused.denied"), plain = observed(answer, "security.refused.plain"),
           wrong = observed(answer, "security.refused.key");
    if (denied + plain + wrong > 0)
        doctor_add(doctor, DOCTOR_WARN, "peers", "see the broker's log; who should come in needs a line in `allowed`, and its file",
                   "the broker did not let in: %.0f with keys not listed, %.0f without keys, %.0f with another cluster's", denied,
                   plain, wrong);
}
