/* Recorded episodes of the reference implementations, replayed; and proof that a replay would notice a difference. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "envs/trace.h"

#define FOLDER "tests/golden/traces/"
#define TEXT_BYTES (4 << 20)

/* At least so many files, each of at least so many steps. */
static void replay_some(const char *pattern, int at_least, int steps)
{
    glob_t found;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct trace_report report;
        struct err err = {{0}};
        int r = trace_check(found.gl_pathv[i], &report, &err);
        print_message("%-50s %3lld episodes %5lld steps, largest difference %g\n", found.gl_pathv[i], (long long)report.episodes,
                      (long long)report.steps, report.largest);
        if (r)
            fail_msg("%s", err.text);
        assert_int_equal(report.mismatches, 0);
        assert_true(report.steps >= steps);
    }
    assert_true((int)found.gl_pathc >= at_least);
    globfree(&found);
}

static void replay_all(const char *pattern, int at_least)
{
    replay_some(pattern, at_least, 100);
}

static void test_matrix_traces_agree(void **state)
{
    (void)state;
    replay_all(FOLDER "toy_*.jsonl.gz", 2);
}

static void test_foraging_traces_agree(void **state)
{
    (void)state;
    replay_all(FOLDER "lbf_*.jsonl.gz", 17);
}

static void test_traffic_traces_agree(void **state)
{
    (void)state;
    replay_all(FOLDER "traffic_*.jsonl.gz", 7);
}

/* smaclite64 was recorded in double precision, smaclite in single; all are re-synchronised before every step. */
static void test_smac_traces_agree(void **state)
{
    (void)state;
    replay_all(FOLDER "smaclite*.jsonl.gz", 8);
}

static void test_particle_world_traces_agree(void **state)
{
    (void)state;
    replay_all(FOLDER "mpe_*.jsonl.gz", 14);
}

/* Single cases of observations; no physics, so the library need not be there. */
static void test_mujoco_observations_agree(void **state)
{
    (void)state;
    struct trace_report report;
    struct err err = {{0}};
    if (trace_check(FOLDER "mamujoco_obs.jsonl.gz", &report, &err))
        fail_msg("%s", err.text);
    assert_int_equal(report.steps, 66);
    assert_int_equal(report.mismatches, 0);
}

struct watched {
    int64_t resets, steps, most; /* most: steps after which it has seen enough */
};

static bool count_moment(void *context, const struct trace_moment *moment)
{
    struct watched *watched = context;
    struct err err;
    assert_int_equal(moment->env->ops->check_state(moment->env->params, moment->state, &err), 0);
    assert_true(moment->is_reset == !moment->choice);
    watched->resets += moment->is_reset;
    watched->steps += !moment->is_reset;
    return watched->steps == watched->most;
}

static void test_a_watcher_sees_all_until_it_has_enough(void **state)
{
    (void)state;
    struct trace_report report;
    struct watched all = {.most = -1}, some = {.most = 150};
    const char *path = FOLDER "toy_full.jsonl.gz";
    assert_int_equal(trace_watch(path, &(struct trace_watcher){count_moment, &all}, &report, NULL), 0);
    assert_int_equal(all.resets, report.episodes);
    assert_int_equal(all.steps, report.steps);
    assert_true(all.steps > some.most);
    assert_int_equal(trace_watch(path, &(struct trace_watcher){count_moment, &some}, &report, NULL), 0);
    assert_int_equal(report.steps, some.most);
}

static void test_rendezvous_traces_agree(void **state)
{
    (void)state;
    replay_some(FOLDER "rendezvous_*.jsonl.gz", 4, 20);
}

/* Cut after what they are there for: landings upside down, touching, goals that change, one of many neighbours unseen. */
static void test_quads_traces_agree(void **state)
{
    (void)state;
    replay_some(FOLDER "quads_*.jsonl.gz", 4, 28);
}

/* A copy of a trace with the nth occurrence of `from` replaced; the caller unlinks `path`. */
static void write_modified(const char *trace, const char *from, const char *to, int nth, char *path)
{
    char *text = calloc(1, TEXT_BYTES);
    gzFile in = gzopen(trace, "rb");
    assert_non_null(text);
    assert_non_null(in);
    int n = gzread(in, text, TEXT_BYTES - 1);
    gzclose(in);
    assert_true(n > 0 && n < TEXT_BYTES - 1);
    char *at = strstr(text, from);
    for (int i = 1; i < nth && at; i++)
        at = strstr(at + 1, from);
    assert_non_null(at);
    strcpy(path, "/tmp/testudo_trace_XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    gzFile out = gzdopen(file, "wb");
    gzwrite(out, text, (unsigned)(at - text));
    gzputs(out, to);
    gzputs(out, at + strlen(from));
    gzclose(out);
    free(text);
}

static void expect(const char *trace, const char *from, const char *to, int nth, int code, const char *words)
{
    char path[64];
    struct trace_report report;
    struct err err = {{0}};
    write_modified(trace, from, to, nth, path);
    int r = trace_check(path, &report, &err);
    unlink(path);
    if (r != code || !strstr(err.text, words))
        fail_msg("replacing %s by %s: got %s \"%s\", expected %s and \"%s\"", from, to, err_name(r), err.text, err_name(code),
                 words);
    if (code == ERR_MISMATCH && report.mismatches == 0 && !strstr(words, "header"))
        fail_msg("replacing %s by %s: nothing was counted", from, to);
}

static void test_modified_traces_are_caught(void **state)
{
    (void)state;
    const char *lbf = FOLDER "lbf_8x8-2p-1f.jsonl.gz", *pen = FOLDER "lbf_6x6-6p-2f-pen.jsonl.gz",
               *toy = FOLDER "toy_full.jsonl.gz", *traffic = FOLDER "traffic_easy.jsonl.gz",
               *mpe = FOLDER "mpe_mpe2_7_simple_reference.jsonl.gz", *obs = FOLDER "mamujoco_obs.jsonl.gz",
               *meet = FOLDER "rendezvous_eir_4.jsonl.gz", *quads = FOLDER "quads_same_goal_4.jsonl.gz",
               *thrown = FOLDER "quads_same_goal_4_forces.jsonl.gz";
    expect(lbf, "\"rew\":[0,", "\"rew\":[0.00000001,", 40, ERR_MISMATCH, "reward of agent 0");
    expect(pen, "-0.1", "-0.2", 1, ERR_MISMATCH, "reward");
    expect(lbf, "\"done\":0", "\"done\":1", 7, ERR_MISMATCH, "ending");
    expect(lbf, "\"act\":[4,", "\"act\":[3,", 3, ERR_MISMATCH, "player");
    expect(lbf, "\"obs\":[[1,3,2,", "\"obs\":[[1,4,2,", 2, ERR_MISMATCH, "observation of agent 0, number 1");
    expect(lbf, "\"avail\":[[1,1,", "\"avail\":[[1,0,", 9, ERR_MISMATCH, "availability of action 1 to agent 0");
    expect(traffic, "\"rew\":[-0.01", "\"rew\":[-0.02", 1, ERR_MISMATCH, "reward of agent 0");
    expect(traffic, "\"enter\":[[", "\"enter\":[[9", 2, ERR_MISMATCH, "car");
    expect(traffic, "\"act\":[0,", "\"act\":[1,", 9, ERR_MISMATCH, "car 0");
    expect(traffic, "\"failed\":0", "\"failed\":1", 3, ERR_MISMATCH, "collision");
    expect(mpe, "\"act\":[[0,", "\"act\":[[1,", 2, ERR_MISMATCH, "body 0");
    expect(obs, "\"hip2\"", "\"hip3\"", 3, ERR_MISMATCH, "distance");
    expect(obs, "\"obs\":[[", "\"obs\":[[1", 5, ERR_MISMATCH, "observation of agent 0, number 0");
    expect(obs, "\"act_ids\":[[2,", "\"act_ids\":[[3,", 2, ERR_MISMATCH, "actuators");
    expect(meet, "\"act\":[[0.129346,", "\"act\":[[0.229346,", 1, ERR_MISMATCH, "pose of robot 0");
    expect(meet, "\"rew\":[-0.36185", "\"rew\":[-0.36186", 1, ERR_MISMATCH, "reward of agent 0");
    expect(thrown, "\"flags\":[\"000\"", "\"flags\":[\"010\"", 3, ERR_MISMATCH, "flags of drone 0");
    expect(thrown, "\"quadcol\":[-5", "\"quadcol\":[0", 1, ERR_MISMATCH, "quadcol of drone 0");
    expect(thrown, "\"proximity\":[-0.137794", "\"proximity\":[-0.137795", 1, ERR_MISMATCH, "proximity of drone 0");
    expect(quads, "\"obs\":[[", "\"obs\":[[1", 9, ERR_MISMATCH, "observation of agent 0, number 0");
    expect(quads, "\"drones\":[[[", "\"drones\":[[[1", 5, ERR_MISMATCH, "drone 0, number 0");
    expect(toy, "\"s\":1", "\"s\":0", 5, ERR_MISMATCH, "episode");
    const char *smac = FOLDER "smaclite64_3m.jsonl.gz";
    expect(smac, "\"order\":[[", "\"order\":[[1,", 5, ERR_MISMATCH, "episode");
    expect(smac, "\"act\":[6", "\"act\":[1", 3, ERR_MISMATCH, "unit");
    expect(smac, "\"rew\":0.", "\"rew\":0.1", 1, ERR_MISMATCH, "reward");
    expect(smac, ",45,0,0,0,", ",44,0,0,0,", 60, ERR_MISMATCH, "hp of unit");
}

static void test_broken_traces_are_refused(void **state)
{
    (void)state;
    const char *lbf = FOLDER "lbf_8x8-2p-1f.jsonl.gz";
    expect(lbf, "\"env\":\"lbf\"", "\"env\":\"lbx\"", 1, ERR_UNKNOWN, "lbx");
    expect(lbf, "\"sight\"", "\"site\"", 1, ERR_UNKNOWN, "site");
    expect(lbf, "\"format\":1", "\"format\":2", 1, ERR_VERSION, "format 1");
    expect(lbf, "\"n_agents\":2", "\"n_agents\":3", 1, ERR_MISMATCH, "header says n_agents 3");
    expect(lbf, "\"type\":\"reset\"", "\"type\":\"start\"", 1, ERR_FORMAT, "start");
    expect(lbf, "\"type\":\"step\"", "\"type\":\"step", 4, ERR_FORMAT, "no JSON object");
    expect(lbf, "\"players\":[[7,0,1]", "\"players\":[[70,0,1]", 1, ERR_FORMAT, "from 0 to 7");
    const char *smac = FOLDER "smaclite64_3m.jsonl.gz";
    expect(smac, "MARINE", "MARIME", 1, ERR_FORMAT, "got \"marime");
    expect(smac, "\"units\":[[", "\"units\":[[9,", 1, ERR_FORMAT, "12 fields");
    expect(smac, ",45,0,0,0,0,0,-1]", ",46,0,0,0,0,0,-1]", 1, ERR_FORMAT, "unit 0");
    struct trace_report report;
    struct err err;
    assert_int_equal(trace_check(FOLDER "absent.jsonl.gz", &report, &err), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix_traces_agree),
        cmocka_unit_test(test_foraging_traces_agree),
        cmocka_unit_test(test_traffic_traces_agree),
        cmocka_unit_test(test_smac_traces_agree),
        cmocka_unit_test(test_particle_world_traces_agree),
        cmocka_unit_test(test_mujoco_observations_agree),
        cmocka_unit_test(test_a_watcher_sees_all_until_it_has_enough),
        cmocka_unit_test(test_rendezvous_traces_agree),
        cmocka_unit_test(test_quads_traces_agree),
        cmocka_unit_test(test_modified_traces_are_caught),
        cmocka_unit_test(test_broken_traces_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
