/* The options of a node: the tables are in order, the rules across options say what is wrong, and
 * what was read reaches struct node_conf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/conf-schema.h"
#include "lib/base/crypto.h"
#include "node/node-options.h"
#include "s2s/s2s.h"

#define MINIMAL                                                                                    \
    "[general]\ndomains = [\"im.test\"]\n[tls]\ncert = \"c\"\nkey = \"k\"\n"                       \
    "[store]\nuri = \"mem:\"\n"
#define RTBL(service, node) "[[s2s.rtbl]]\nservice = \"" service "\"\nnode = \"" node "\"\n"
#define RTBLS_4(n)                                                                                 \
    RTBL("r.test", n "1") RTBL("r.test", n "2") RTBL("r.test", n "3") RTBL("r.test", n "4")
#define RTBLS_16 RTBLS_4("a") RTBLS_4("b") RTBLS_4("c") RTBLS_4("d")
#define REGION(extra)                                                                              \
    MINIMAL "[region]\nname = \"eu\"\nnode = \"eu1\"\ndomain = \"eu1.eu.r.test\"\n"                \
            "domain_suffix = \".r.test\"\nlisten = \"127.0.0.1:5280\"\ncert = \"c\"\n"             \
            "key = \"k\"\nca = \"a\"\n" extra
#define POOLED(pool)                                                                               \
    "[general]\ndomains = [\"im.test\"]\n[tls]\ncert = \"c\"\nkey = \"k\"\n"                       \
    "[store]\nuri = \"rdbms:default\"\n[outgoing_pools.rdbms.default]\nuri = \"" pool "\"\n"

static void test_options_schema(void **state)
{
    (void)state;
    conf_schema_check(&node_schema);
}

static const struct {
    const char *text;
    const char *want; /* part of a message; NULL: it is right */
} cases[] = {
    {MINIMAL, NULL},
    {REGION(""), NULL},
    {"", "general"},
    {"[general]\ndomains = []\n[tls]\ncert = \"c\"\nkey = \"k\"\n[store]\nuri = \"mem:\"\n",
     "domains"},
    {"[general]\ndomains = [\"IM.test\"]\n[tls]\ncert = \"c\"\nkey = \"k\"\n[store]\nuri = "
     "\"mem:\"\n",
     "must be written \"im.test\""},
    {"[general]\ndomains = [\"a@im.test\"]\n[tls]\ncert = \"c\"\nkey = \"k\"\n[store]\nuri = "
     "\"mem:\"\n",
     "\"a@im.test\" is not a domain"},
    {"[general]\nhosts = [\"im.test\"]\n",
     ":2:1: [general] unknown option \"hosts\"; here it is \"domains\""},
    {MINIMAL "[[listen.c2s]]\nport = 5222\n", "here it is at = \"address:port\""},
    {MINIMAL "[outgoing_pools.redis.global_distrib]\n", "in [registry] here"},
    {MINIMAL "[[listen.c2s]]\nat = \"5222\"\n", "\"5222\" is not an address and port"},
    {MINIMAL "[[listen.s2s]]\nat = \"[::]\"\n", "\"[::]\" is not an address and port"},
    {MINIMAL "[dns]\nservers = [\"127.0.0.1\"]\n", "\"127.0.0.1\" is not an address"},
    {MINIMAL "[[s2s.override]]\ndomain = \"b.test\"\naddress = \"host:5269\"\n",
     "\"host:5269\" is not an address"},
    {MINIMAL "[[s2s.override]]\ndomain = \"B.test\"\naddress = \"127.0.0.1:5269\"\n",
     "must be written \"b.test\""},
    {MINIMAL "[[tls.domain]]\ndomain = \"b.test\"\ncert = \"c\"\n", "key"},
    {MINIMAL "[[tls.domain]]\ndomain = \"B.test\"\ncert = \"c\"\nkey = \"k\"\n",
     "must be written \"b.test\""},
    {MINIMAL "[registry]\nbeat = \"5s\"\nlease = \"9s\"\n", "at least twice the beat"},
    {MINIMAL "[registry]\nusername = \"me\"\n", "needs a password too"},
    {MINIMAL "[region]\nname = \"eu\"\n", "node"},
    {MINIMAL "[region]\nname = \"e/u\"\nnode = \"a\"\ndomain = \"a.r.test\"\ndomain_suffix = "
             "\".r.test\"\nlisten = \"127.0.0.1:1\"\ncert = \"c\"\nkey = \"k\"\nca = \"a\"\n",
     "have no '/'"},
    {MINIMAL "[region]\nname = \"eu\"\nnode = \"a\"\ndomain = \"a.q.test\"\ndomain_suffix = "
             "\".r.test\"\nlisten = \"127.0.0.1:1\"\ncert = \"c\"\nkey = \"k\"\nca = \"a\"\n",
     "does not end with domain_suffix"},
    {MINIMAL "[region]\nname = \"0123456789012345678901234567890123456789012345678901234567890123\""
             "\nnode = \"a\"\ndomain = \"a.r.test\"\ndomain_suffix = \".r.test\"\nlisten = "
             "\"127.0.0.1:1\"\ncert = \"c\"\nkey = \"k\"\nca = \"a\"\n",
     "longer than 63 bytes"},
    {REGION("endpoint = \"nowhere\"\n"), "\"nowhere\" is not an address"},
    {MINIMAL "[modules.roster]\nmax = 0\n", "max"},
    {MINIMAL "[auth]\nscram_hashes = [\"sha-1\", \"sha-512\"]\n", NULL},
    {MINIMAL "[auth]\nscram_hashes = [\"sha-224\"]\n", "\"sha-224\" is not one of"},
    {MINIMAL "[auth]\nscram_hashes = []\n", "scram_hashes"},
    {MINIMAL "[auth.anonymous]\nenabled = true\n", NULL},
    {MINIMAL "[auth.anonymous]\nmax = 0\n", "max"},
    {MINIMAL "[auth.anonymous]\nprotocol = \"both\"\n", "here it is \"enabled\""},
    {POOLED("postgresql://me@db1,db2/im?target_session_attrs=any"), NULL},
    {POOLED("postgresql:///im?host=/run/pg"), NULL},
    {POOLED("postgresql://me:secret@db/im"), "goes into the option password"},
    {POOLED("postgresql://db/im?password=secret"), "goes into the option password"},
    {POOLED("mysql://db/im"), "must begin with \"postgresql:\""},
    {"[general]\ndomains = [\"im.test\"]\n[tls]\ncert = \"c\"\nkey = \"k\"\n[store]\nuri = "
     "\"rdbms:default\"\n",
     "needs a section [outgoing_pools.rdbms.default]"},
    {"[general]\ndomains = [\"im.test\"]\n[tls]\ncert = \"c\"\nkey = \"k\"\n[store]\nuri = "
     "\"postgresql://db/im\"\n",
     "must be \"rdbms:default\""},
    {MINIMAL "[[store.route]]\ntables = [\"offline\"]\nuri = \"sqlite:o.db\"\n", NULL},
    {MINIMAL "[[store.route]]\ntables = [\"Offline\"]\nuri = \"mem:\"\n",
     "\"Offline\" is no name of a table"},
    {MINIMAL "[[store.route]]\ntables = []\nuri = \"mem:\"\n", "tables"},
    {MINIMAL "[[store.route]]\ntables = [\"offline\"]\nuri = \"rdbms:other\"\n",
     "the only pool is \"rdbms:default\""},
    {MINIMAL "[shaper.normal]\nmax_rate = 16384\n[[listen.c2s]]\nat = \"127.0.0.1:1\"\nshaper = "
             "\"normal\"\n",
     NULL},
    {MINIMAL "[shaper.normal]\n[[listen.s2s]]\nat = \"127.0.0.1:1\"\nshaper = \"nromal\"\n",
     "there is no [shaper.nromal]; did you mean \"normal\"?"},
    {MINIMAL "[[listen.c2s]]\nat = \"127.0.0.1:1\"\nshaper = \"fast\"\n",
     "there is no [shaper.fast]"},
    {MINIMAL "[[listen.component]]\nat = \"127.0.0.1:1\"\nshaper = \"fast\"\n",
     "there is no [shaper.fast]"},
    {MINIMAL "[[listen.component]]\nat = \"nowhere\"\n", "\"nowhere\" is not an address"},
    {MINIMAL "[shaper.normal]\nmax_rates = 16384\n", "did you mean \"max_rate\"?"},
    {MINIMAL "[shapers.normal]\nmax_rate = 16384\n", "did you mean \"shaper\"?"},
    {MINIMAL "[shaper.normal]\nmax_rate = 999\n", "must be at least 1000, or 0"},
    {MINIMAL "[internal_databases.cets]\nbackend = \"rdbms\"\n", "find each other by [registry]"},
    {MINIMAL "[internal_databases.mnesia]\n", "what is kept is in [store]"},
    {MINIMAL "[outgoing_pools.redis.global_distrib]\nworkers = 1\n", "is in [registry] here"},
    {MINIMAL "[[listen.component]]\nat = \"127.0.0.1:1\"\npassword = \"x\"\n",
     "here it is [[component]] \"secret\""},
    {MINIMAL "[modules.mod_carboncopy]\n", "always on here"},
    {MINIMAL "[modules.mod_ping]\nsend_pings = true\n", "here it is [modules.ping]"},
    {MINIMAL "[[listen.c2s]]\nmax_connections = 5\n", "[limits] connections_per_address"},
    {MINIMAL "[s2s]\ndefault_policy = \"deny\"\n[[s2s.host_policy]]\nhost = \"*.b.test\"\n", NULL},
    {MINIMAL "[[s2s.host_policy]]\nhost = \"a@b.test\"\n", "is neither a domain nor"},
    {MINIMAL "[[s2s.host_policy]]\nhost = \"b.test\"\npolicy = \"denied\"\n", "policy"},
    {MINIMAL RTBL("r.test", "n"), NULL},
    {MINIMAL RTBL("", "n"), "service"},
    {MINIMAL RTBL("a b", "n"), "is no address"},
    {MINIMAL RTBL("r.test", "n") "max_items = 100001\n", "max_items"},
    {MINIMAL RTBL("r.test", "n") "refresh = \"4s\"\n", "refresh"},
    {MINIMAL RTBL("r.test", "n") RTBL("R.test", "n"), "stands twice"},
    {MINIMAL RTBL("r.test", "n") RTBL("r.test", "m"), NULL},
    {MINIMAL RTBLS_16 "", NULL},
    {MINIMAL RTBLS_16 RTBL("r.test", "17"), "is the 17th"},
    {MINIMAL "[unheard]\nof = 1\n", "unheard"},
};

static void test_options_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conf *c = NULL;
        struct conf_errors errs;
        conf_errors_init(&errs);
        enum err e = conf_parse(str_of(cases[i].text), "node.toml", &node_schema, &c, &errs);
        bool found = false;
        for (size_t n = 0; n < errs.n; n++)
            found |= cases[i].want && strstr(errs.lines[n], cases[i].want);
        if ((e == ERR_OK) != !cases[i].want || found != (cases[i].want != NULL))
            fail_msg("%s\n: %s", cases[i].text, errs.n ? errs.lines[0] : "taken");
        conf_errors_fini(&errs);
        conf_unref(&c);
    }
}

static void check_federation(const struct node_conf *c)
{
    assert_string_equal(c->s2s_overrides[0].domain, "b.test");
    assert_null(c->s2s_overrides[1].domain);
    assert_false(c->s2s_policy.is_denied);
    assert_string_equal(c->s2s_policy.blocklist_file, "b");
    assert_string_equal(c->s2s_crl_file, "c.crl");
    assert_int_equal(c->s2s_new_domains, 5);
    assert_int_equal(c->rtbls_n, 1);
    assert_string_equal(c->rtbls[0].service, "r.test");
    assert_string_equal(c->rtbls[0].node, "n");
    assert_int_equal(c->rtbls[0].max_items, 7);
    assert_int_equal(c->rtbls[0].refresh_ms, 7200000);
    assert_int_equal(c->s2s_policy.n_rules, 2);
    assert_true(c->s2s_policy.rules[0].is_denied);
    assert_string_equal(c->s2s_policy.rules[1].host, "d.test");
    assert_false(c->s2s_policy.rules[1].is_denied);
    assert_int_equal(c->s2s_policy.rules[1].auth, S2S_PROOF_CERTIFICATE);
    assert_true(c->s2s_policy.rules[1].is_plain);
}

static void check_ports(const struct node_conf *c)
{
    assert_false(c->c2s[0].has_proxy_header);
    assert_int_equal(c->c2s[0].rate.bytes, 10 << 20);
    assert_int_equal(c->c2s[0].rate.stanzas, 20000);
    assert_true(c->s2s[0].has_proxy_header);
    assert_int_equal(c->s2s[0].rate.bytes, 2000);
    assert_int_equal(c->s2s[0].rate.stanzas, 3);
    assert_false(c->component_listen[0].direct_tls || c->component_listen[0].has_proxy_header);
    assert_int_equal(c->component_listen[0].rate.stanzas, 20000);
    assert_true(c->component_listen[1].direct_tls && c->component_listen[1].has_proxy_header);
    assert_int_equal(c->component_listen[1].rate.stanzas, 3);
}

static void test_options_reach_conf(void **state)
{
    static const char text[] = REGION(
        "wait = \"2m\"\n[auth]\nscram_hashes = [\"sha-1\", \"sha-512\"]\n[c2s]\nsessions_max = "
        "7\n[modules.roster]\nmax = 9\n[modules.offline]\n"
        "max = 11\n[auth.anonymous]\nenabled = true\nfederation = true\nmax = 12\n"
        "[modules.fast_auth_token]\nvalidity_period = \"2d\"\nrotate_before_expire = \"3h\"\n"
        "[[listen.c2s]]\nat = \"127.0.0.1:5223\"\ntls = \"direct\"\n[[s2s.override]]\n"
        "domain = \"b.test\"\naddress = \"127.0.0.1:5270\"\n"
        "[s2s]\ncrl_file = \"c.crl\"\nnew_domains = 5\nblocklist_file = \"b\"\n"
        "[[s2s.host_policy]]\nhost = \"c.test\"\npolicy = \"deny\"\n"
        "[[s2s.rtbl]]\nservice = \"r.test\"\nnode = \"n\"\nmax_items = 7\nrefresh = \"2h\"\n"
        "[[s2s.host_policy]]\nhost = \"d.test\"\nauth = \"certificate\"\ntls_required = false\n"
        "[[tls.domain]]\ndomain = \"im2.test\"\ncert = \"c2\"\nkey = "
        "\"k2\"\n[limits]\nstanza_bytes = \"20000\"\n"
        "depth = 20\nattributes = 40\nelements = 600\ntag_bytes = 9000\nauth_bytes = 17000\n"
        "auth_failures = 5\nconnections_per_address = 12\n[[listen.s2s]]\nat = \"127.0.0.1:5269\"\n"
        "proxy_protocol = true\nshaper = \"slow\"\n[[listen.component]]\nat = "
        "\"127.0.0.1:5347\"\n[[listen.component]]\nat = \"127.0.0.1:5348\"\ntls = \"direct\"\n"
        "proxy_protocol = true\nshaper = \"slow\"\n[shaper.slow]\nmax_rate = 2000\n"
        "max_stanzas = 3\n");
    struct conf *c = NULL;
    struct conf_errors errs;
    struct node_settings s;
    (void)state;
    conf_errors_init(&errs);
    if (conf_parse(STR(text), "node.toml", &node_schema, &c, &errs) != ERR_OK)
        fail_msg("%s", errs.lines[0]);
    node_settings_open(c, &s);
    assert_string_equal(s.conf.domains[0], "im.test");
    assert_true(s.conf.anonymous && s.conf.anonymous_federation);
    assert_int_equal(s.conf.anonymous_max, 12);
    assert_int_equal(s.conf.fast_validity_ms, 2 * 86400000);
    assert_int_equal(s.conf.fast_rotate_ms, 3 * 3600000);
    assert_string_equal(s.conf.region_name, "eu");
    assert_string_equal(s.conf.node_name, "eu1");
    assert_int_equal(s.conf.region_wait_ms, 120000);
    assert_int_equal(s.conf.scram_digests, 1U << DIGEST_SHA1 | 1U << DIGEST_SHA512);
    assert_int_equal(s.conf.sessions_max, 7);
    assert_int_equal(s.conf.roster_max, 9);
    assert_int_equal(s.conf.offline_max, 11);
    assert_int_equal(s.conf.c2s_n, 1);
    assert_true(s.conf.c2s[0].direct_tls);
    check_federation(&s.conf);
    assert_string_equal(s.conf.certs[0].domain, "im2.test");
    assert_string_equal(s.conf.certs[0].key_file, "k2");
    assert_null(s.conf.certs[1].domain);
    assert_int_equal(s.conf.limits.after_auth.max_stanza_bytes, 20000);
    assert_int_equal(s.conf.limits.after_auth.max_depth, 20);
    assert_int_equal(s.conf.limits.after_auth.max_attrs, 40);
    assert_int_equal(s.conf.limits.after_auth.max_elements, 600);
    assert_int_equal(s.conf.limits.after_auth.max_tag_bytes, 9000);
    assert_int_equal(s.conf.limits.auth_bytes, 17000);
    assert_int_equal(s.conf.limits.auth_failures, 5);
    assert_int_equal(s.conf.connections_per_address, 12);
    check_ports(&s.conf);
    assert_null(s.conf.control_path);
    assert_non_null(s.conf.dialback_secret); /* drawn */
    node_settings_close(&s);
    conf_errors_fini(&errs);
    conf_unref(&c);
}

/* The pool is named by [store] and by routes; its password is not part of a URI. */
static void test_options_store(void **state)
{
    static const char text[] =
        POOLED("postgresql://me@db/im") "password = \"secret\"\n"
                                        "timeout = \"2s\"\n[[store.route]]\ntables = [\"offline\", "
                                        "\"roster\"]\nuri = "
                                        "\"sqlite:o.db\"\n[[store.route]]\ntables = "
                                        "[\"accounts\"]\nuri = \"rdbms:default\"\n";
    struct conf *c = NULL;
    struct conf_errors errs;
    struct node_settings s;
    (void)state;
    conf_errors_init(&errs);
    if (conf_parse(STR(text), "node.toml", &node_schema, &c, &errs) != ERR_OK)
        fail_msg("%s", errs.lines[0]);
    node_settings_open(c, &s);
    assert_string_equal(s.conf.store.uri, "postgresql://me@db/im");
    assert_string_equal(s.conf.store.password, "secret");
    assert_int_equal(s.conf.store.timeout_ms, 2000);
    assert_int_equal(s.conf.store.connect_timeout_ms, 3000);
    assert_int_equal(s.conf.store_routes_n, 2);
    assert_string_equal(s.conf.store_routes[0].tables[1], "roster");
    assert_null(s.conf.store_routes[0].tables[2]);
    assert_string_equal(s.conf.store_routes[0].place.uri, "sqlite:o.db");
    assert_string_equal(s.conf.store_routes[1].place.password, "secret");
    node_settings_close(&s);
    conf_errors_fini(&errs);
    conf_unref(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_schema),
        cmocka_unit_test(test_options_verify),
        cmocka_unit_test(test_options_reach_conf),
        cmocka_unit_test(test_options_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
