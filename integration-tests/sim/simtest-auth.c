/* Who may log in, and how: stored hashes, their upgrade. */
#include "integration-tests/sim/tests-node-int.h"

#include "lib/store/store.h"

static enum sasl_failure try_login(const struct rig *r, const char *user, const char *password,
                                   enum sasl_mech m)
{
    struct sim_client_conf c = rig_conf(r, user, NULL);
    c.password = password;
    c.mech = m;
    struct sim_client *s = sim_client_new(&c);
    const bool in = sim_client_wait(s, SIM_CLIENT_BOUND);
    const enum sasl_failure f = sim_client_refused(s);
    assert_int_equal(in, f == SASL_FAIL_NONE);
    sim_client_free(&s);
    return f;
}

/* ---- accounts made before a hash was configured */
static void only_sha1(struct node_conf *c)
{
    c->scram_digests = 1U << DIGEST_SHA1;
}

static void test_auth_missing_hash_comes_with_plain(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 2, only_sha1);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_512),
                     SASL_FAIL_INVALID_MECHANISM); /* not offered */
    r.conf.scram_digests |= 1U << DIGEST_SHA512;
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_512),
                     SASL_FAIL_NOT_AUTHORIZED); /* offered, as the account is not known then */
    assert_int_equal(try_login(&r, "alice", "wrong", SASL_PLAIN), SASL_FAIL_NOT_AUTHORIZED);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_512),
                     SASL_FAIL_NOT_AUTHORIZED);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_PLAIN), SASL_FAIL_NONE);
    (void)sim_run(1000000, NULL, NULL);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_512), SASL_FAIL_NONE);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_1), SASL_FAIL_NONE);
    assert_int_equal(try_login(&r, "bob", "builder", SASL_SCRAM_SHA_512), SASL_FAIL_NOT_AUTHORIZED);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth_missing_hash_comes_with_plain),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
