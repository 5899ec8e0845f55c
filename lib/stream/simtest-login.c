/* Logins over the simulated network. */
#define RIG_SIM
#include "lib/stream/tests-login-int.h"

int main(void)
{
    const struct CMUnitTest tests[] = {LOGIN_TESTS};
    return cmocka_run_group_tests_name("login-sim", tests, rig_tls_begin, rig_tls_end);
}
