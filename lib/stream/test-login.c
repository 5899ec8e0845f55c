/* Logins over loopback TCP with real TLS; and the completeness of the tables. */
#include "lib/stream/tests-login-int.h"

static void check_machine(const struct stream_machine *m)
{
    for (unsigned st = 0; st < m->states; st++) {
        assert_non_null(m->names[st]);
        for (unsigned ev = 0; ev < SEV_COUNT; ev++)
            if (!m->cells[st][ev])
                fail_msg("%s: state %s has no cell for event %u", m->name, m->names[st], ev);
        if (st != m->ended)
            assert_true(m->next[st] & 1U << m->ended); /* a connection may die in any state */
    }
    assert_int_equal(m->next[m->ended], 0);
    assert_int_equal(m->next[m->closing], 1U << m->ended);
}

static void test_tables_complete(void **state)
{
    (void)state;
    check_machine(&stream_in_machine);
    check_machine(&stream_out_machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables_complete), LOGIN_TESTS};
    return cmocka_run_group_tests_name("login", tests, rig_tls_begin, rig_tls_end);
}
