/* DOC: Assertions: what dies, what logs once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/base.h"
#include "lib/base/log.h"

/* Run fn in a child; return its wait status, with what it wrote to stderr. */
static int run_child(void (*fn)(void), char *err, size_t size)
{
    int ends[2], status;
    size_t n = 0;
    ssize_t got;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(ends[1]);
    while (n < size - 1 && (got = read(ends[0], err + n, size - 1 - n)) > 0)
        n += (size_t)got;
    err[n] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void break_must(void)
{
    must(1 + 1 == 3);
}

static void keep_must(void)
{
    must(1 + 1 == 2);
}

static void break_alloc(void)
{
    mem_free(mem_calloc(SIZE_MAX / 2, 4));
}

static void test_base_must_aborts_with_place_and_backtrace(void **state)
{
    (void)state;
    char err[16384];
    int status = run_child(break_must, err, sizeof err);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(err, "panic: "));
    assert_non_null(strstr(err, "test-base.c:"));
    assert_non_null(strstr(err, "1 + 1 == 3"));
    assert_non_null(strstr(strchr(err, '\n'), "0x"));
}

static void test_base_must_lets_truth_pass(void **state)
{
    (void)state;
    char err[256];
    int status = run_child(keep_must, err, sizeof err);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_string_equal(err, "");
}

static void test_base_overflowing_allocation_dies(void **state)
{
    (void)state;
    char err[16384];
    int status = run_child(break_alloc, err, sizeof err);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(err, "allocation size overflows"));
}

static unsigned lines;

static void count_line(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    assert_int_equal(level, LOG_ERROR);
    assert_non_null(strstr(line, " error expect.failed at="));
    assert_non_null(strstr(line, "what=\"x < 2\""));
    lines++;
}

static void test_base_expect_logs_once_per_site(void **state)
{
    (void)state;
    unsigned refused = 0;
    log_set_capture(count_line, NULL);
    for (int x = 0; x < 5; x++)
        if (!expect(x < 2))
            refused++;
    log_set_capture(NULL, NULL);
    assert_int_equal(refused, 3);
    assert_int_equal(lines, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_must_aborts_with_place_and_backtrace),
        cmocka_unit_test(test_base_must_lets_truth_pass),
        cmocka_unit_test(test_base_overflowing_allocation_dies),
        cmocka_unit_test(test_base_expect_logs_once_per_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
