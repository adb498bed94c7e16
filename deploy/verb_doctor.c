/* doctor: whether this machine, and the way to a broker, are fit for a run; for everything that is not, the remedy. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "deploy/doctor.h"
#include "deploy/observer.h"
#include "deploy/security.h"
#include "deploy/terminal.h"
#include "deploy/verb.h"

#define DISK_MIB 32

struct arguments {
    const char *connect, *key, *runs, *keys;
    bool is_insecure, as_json;
    int64_t timeout;
};

static uint64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void ask_broker(struct doctor *doctor, const struct arguments *arguments)
{
    static struct security_client client; /* large */
    struct observer *observer = NULL;
    struct err err = {""};
    int r = security_client(&client, arguments->connect, arguments->key, arguments->is_insecure, ROLE_OBSERVER, &err);
    if (!r)
        r = observer_open(&observer, client.endpoint, security_keys(&client), arguments->is_insecure, &err);
    json_t *answer = r ? NULL : observer_ask(observer, (int)arguments->timeout * 1000, &err);
    if (answer) {
        doctor_add(doctor, DOCTOR_OK, "broker", NULL, "%s answers", client.endpoint);
        doctor_broker(doctor, answer, wall_us());
    } else
        doctor_add(doctor, DOCTOR_FAIL, "broker",
                   "see that it runs, that its port is open in the firewall, and that both sides have keys", "%.240s", err.text);
    json_decref(answer);
    observer_close(&observer);
}

static int print_json(const struct doctor *doctor)
{
    json_t *lines = json_array();
    for (int i = 0; i < doctor->n; i++) {
        const struct doctor_line *line = &doctor->lines[i];
        json_t *entry = json_object();
        json_object_set_new(entry, "grade", json_string(doctor_grade_name(line->grade)));
        json_object_set_new(entry, "subject", json_string(line->subject));
        json_object_set_new(entry, "text", json_string(line->text));
        json_object_set_new(entry, "remedy", line->remedy[0] ? json_string(line->remedy) : json_null());
        json_array_append_new(lines, entry);
    }
    int r = json_dumpf(lines, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(lines);
    return r;
}

static void print_lines(const struct doctor *doctor)
{
    static const enum terminal_style styles[DOCTOR_GRADES] = {STYLE_GOOD, STYLE_BOLD, STYLE_ERROR};
    for (int i = 0; i < doctor->n; i++) {
        const struct doctor_line *line = &doctor->lines[i];
        printf("%s%-4s%s  %-8s %s\n", terminal_style(stdout, styles[line->grade]), doctor_grade_name(line->grade),
               terminal_style(stdout, STYLE_OFF), line->subject, line->text);
        if (line->remedy[0])
            printf("               %s\n", line->remedy);
    }
}

static int examine(const struct verb *verb, const struct arguments *arguments)
{
    static struct doctor doctor; /* large */
    static const int ports[] = {5555, 5556};
    char folder[PATH_MAX];
    struct err err = {""};
    if (!arguments->connect)
        doctor_ports(&doctor, ports, ARRAY_LEN(ports));
    if (arguments->keys)
        doctor_keys(&doctor, arguments->keys);
    else if (security_folder(folder, &err))
        return verb_failed(verb, "%s", err.text);
    else
        doctor_keys(&doctor, folder);
    doctor_clock(&doctor);
    doctor_files(&doctor);
    doctor_cpu(&doctor);
    doctor_blas(&doctor);
    doctor_disk(&doctor, arguments->runs, DISK_MIB);
    if (arguments->connect)
        ask_broker(&doctor, arguments);
    if (arguments->as_json)
        print_json(&doctor);
    else
        print_lines(&doctor);
    return doctor_worst(&doctor) == DOCTOR_FAIL ? EXIT_FAILED : EXIT_DONE;
}

static int run_doctor(const struct verb *verb, int argc, char **argv)
{
    struct arguments arguments = {.runs = ".", .timeout = 3};
    const struct option_row rows[] = {
        {"connect", OPTION_TEXT, &arguments.connect, 0, 0, "ENDPOINT", "also the way to this broker, its clock and its release",
         "tcp://host:5555"},
        {"runs", OPTION_TEXT, &arguments.runs, 0, 0, "FOLDER", "where run folders shall lie", "."},
        {"keys", OPTION_TEXT, &arguments.keys, 0, 0, "FOLDER", "with keys; default: TESTUDO_KEYS, else ~/.testudo/keys", "keys"},
        {"json", OPTION_FLAG, &arguments.as_json, 0, 0, "", "a JSON array: grade, subject, text, remedy", NULL},
        {"timeout", OPTION_INT, &arguments.timeout, 1, 60, "S", "seconds to wait for the broker", "3"},
        OPTION_KEY(&arguments.key),
        OPTION_INSECURE(&arguments.is_insecure),
    };
    struct words words;
    int r = verb_parse(verb, rows, ARRAY_LEN(rows), argc, argv, &words);
    if (r >= 0)
        return r;
    return words.count ? verb_misused(verb, "unexpected argument \"%s\"", words.word[0]) : examine(verb, &arguments);
}

const struct verb verb_doctor = {
    .name = "doctor",
    .summary = "whether this machine and the way to a broker are fit for a run, with the remedy for what is not",
    .arguments = "[--connect ENDPOINT] [--runs FOLDER]",
    .example = "testudo doctor --connect host",
    .more = "Leaves with 1 when a line says fail; a warning is no failure.\n",
    .run = run_doctor,
};
