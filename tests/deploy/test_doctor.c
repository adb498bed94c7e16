/* The doctor on what a test can hold in its hands: a broker of another release or time, a port in use, grades. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deploy/doctor.h"
#include "wire/envelope.h"

static struct doctor doctor;

static int set_up(void **state)
{
    (void)state;
    memset(&doctor, 0, sizeof doctor);
    return 0;
}

static void examine(unsigned major, unsigned minor, double skew_s, int denied)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"protocol\":\"%u.%u\",\"epoch\":1000000000,\"uptime_seconds\":50.0,"
             "\"security\":{\"refused\":{\"denied\":%d,\"plain\":0,\"key\":0}}}",
             major, minor, denied);
    json_t *answer = json_loads(text, 0, NULL);
    assert_non_null(answer);
    memset(&doctor, 0, sizeof doctor);
    doctor_broker(&doctor, answer, (uint64_t)((1050.0 + skew_s) * 1e6));
    json_decref(answer);
}

static void test_broker_of_the_same_release_and_time_is_fine(void **state)
{
    (void)state;
    examine(PROTOCOL_MAJOR, PROTOCOL_MINOR, 0.5, 0);
    assert_int_equal(doctor.n, 2);
    assert_int_equal(doctor_worst(&doctor), DOCTOR_OK);
}

static void test_broker_of_another_release_is_told_from_one_that_is_not_understood(void **state)
{
    (void)state;
    examine(PROTOCOL_MAJOR, PROTOCOL_MINOR + 1, 0, 0);
    assert_int_equal(doctor_worst(&doctor), DOCTOR_WARN);
    examine(PROTOCOL_MAJOR + 1, 0, 0, 0);
    assert_int_equal(doctor_worst(&doctor), DOCTOR_FAIL);
    assert_string_equal(doctor.lines[0].remedy, "install the same release on both sides");
}

static void test_clocks_apart_are_a_warning_in_both_directions(void **state)
{
    (void)state;
    examine(PROTOCOL_MAJOR, PROTOCOL_MINOR, 30, 0);
    assert_int_equal(doctor_worst(&doctor), DOCTOR_WARN);
    assert_non_null(strstr(doctor.lines[1].text, "30.0 s ahead of"));
    examine(PROTOCOL_MAJOR, PROTOCOL_MINOR, -30, 0);
    assert_non_null(strstr(doctor.lines[1].text, "30.0 s behind"));
}

static void test_refused_peers_are_a_warning(void **state)
{
    (void)state;
    examine(PROTOCOL_MAJOR, PROTOCOL_MINOR, 0, 3);
    assert_int_equal(doctor_worst(&doctor), DOCTOR_WARN);
}

static void test_answer_of_something_else_fails(void **state)
{
    (void)state;
    json_t *answer = json_loads("{}", 0, NULL);
    doctor_broker(&doctor, answer, 0);
    json_decref(answer);
    assert_int_equal(doctor_worst(&doctor), DOCTOR_FAIL);
}

static void test_port_in_use_is_a_warning_and_a_free_one_is_fine(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    const int port = ntohs(address.sin_port);
    doctor_ports(&doctor, &port, 1);
    assert_int_equal(doctor_worst(&doctor), DOCTOR_WARN);
    assert_true(doctor.lines[0].remedy[0] != 0);
    close(fd);
    memset(&doctor, 0, sizeof doctor);
    doctor_ports(&doctor, &port, 1);
    assert_int_equal(doctor_worst(&doctor), DOCTOR_OK);
}

static void test_lines_have_a_bound(void **state)
{
    (void)state;
    for (int i = 0; i < DOCTOR_LINES_MAX + 5; i++)
        doctor_add(&doctor, DOCTOR_OK, "x", NULL, "%d", i);
    assert_int_equal(doctor.n, DOCTOR_LINES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_broker_of_the_same_release_and_time_is_fine, set_up),
        cmocka_unit_test_setup(test_broker_of_another_release_is_told_from_one_that_is_not_understood, set_up),
        cmocka_unit_test_setup(test_clocks_apart_are_a_warning_in_both_directions, set_up),
        cmocka_unit_test_setup(test_refused_peers_are_a_warning, set_up),
        cmocka_unit_test_setup(test_answer_of_something_else_fails, set_up),
        cmocka_unit_test_setup(test_port_in_use_is_a_warning_and_a_free_one_is_fine, set_up),
        cmocka_unit_test_setup(test_lines_have_a_bound, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
