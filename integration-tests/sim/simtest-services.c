/* What a node tells and keeps for its users: version, time, last activity, contact addresses,
 * private storage, vCards, capabilities; and that silent clients are asked. */
#include "integration-tests/sim/tests-node-int.h"
#include "lib/base/clock.h"
#include "lib/base/encode.h"

#define SEC UINT64_C(1000000)

static void get(struct sim_client *c, const char *id, const char *to, const char *payload)
{
    if (to)
        sim_client_send(c, "<iq type='get' id='%s' to='%s'>%s</iq>", id, to, payload);
    else
        sim_client_send(c, "<iq type='get' id='%s'>%s</iq>", id, payload);
}

static void set(struct sim_client *c, const char *id, const char *payload)
{
    sim_client_send(c, "<iq type='set' id='%s'>%s</iq>", id, payload);
}

static void show_os(struct node_conf *c)
{
    c->version_os = true;
}

static void test_services_version(void **state)
{
    (void)state;
    for (int os = 0; os < 2; os++) {
        struct rig r;
        rig_begin(&r, 1, 1, os ? show_os : NULL);
        struct sim_client *a = rig_login(&r, "alice", "a");
        get(a, "1", RIG_DOMAIN, "<query xmlns='jabber:iq:version'/>");
        assert_true(sim_client_expect(
            a,
            "<iq type='result' id='1'><query xmlns='jabber:iq:version'><name>Meridian</name>"
            "<version>%s</version></query></iq>",
            MERIDIAN_VERSION));
        const struct xml *query = xml_first(sim_client_last(a));
        assert_true((xml_child(query, NS_VERSION, "os") != NULL) == os);
        sim_client_free(&a);
        rig_end(&r);
    }
}

static void test_services_time(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 2, 1, NULL);
    struct sim_client *a = rig_login(&r, "alice", "a");
    get(a, "1", RIG_DOMAIN, "<time xmlns='urn:xmpp:time'/>");
    assert_true(sim_client_expect(a, "<iq type='result' id='1'><time xmlns='urn:xmpp:time'>"
                                     "<tzo>+00:00</tzo><utc/></time></iq>"));
    struct arena *arena = arena_new(0);
    const struct xml *time = xml_first(sim_client_last(a));
    uint64_t at;
    assert_int_equal(datefmt_parse(xml_text(arena, xml_child(time, NS_TIME, "utc")), &at), ERR_OK);
    assert_in_range(clock_wall_us() - at, 0, SEC);
    arena_free(&arena);
    sim_client_free(&a);
    rig_end(&r);
}

/* The seconds of the answer with this id. */
static uint64_t last_seconds(struct sim_client *c, const char *id, const char *to)
{
    uint64_t seconds = 0;
    get(c, id, to, "<query xmlns='jabber:iq:last'/>");
    assert_true(sim_client_expect(
        c, "<iq type='result' id='%s'><query xmlns='jabber:iq:last' seconds='*'/></iq>", id));
    assert_true(str_to_u64(xml_get(xml_first(sim_client_last(c)), "seconds"), 1000000, &seconds));
    return seconds;
}

static void test_services_last(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 3, 4, NULL);
    struct sim_client *a = rig_online(&r, "alice", "a"), *b = rig_online(&r, "bob", "b");
    struct arena *arena = arena_new(0);
    (void)sim_run(100 * SEC, NULL, NULL);
    assert_in_range(last_seconds(a, "up", RIG_DOMAIN), 100, 110);
    get(a, "no", "bob@" RIG_DOMAIN, "<query xmlns='jabber:iq:last'/>");
    assert_true(expect_error(a, "no", "forbidden"));
    get(a, "nr", "bob@" RIG_DOMAIN "/b", "<query xmlns='jabber:iq:last'/>");
    assert_true(expect_error(a, "nr", "forbidden"));
    assert_int_equal(sim_client_count(b, "<iq id='nr'/>"), 0);
    befriend(a, b);
    get(a, "res", "bob@" RIG_DOMAIN "/b", "<query xmlns='jabber:iq:last'/>");
    assert_true(sim_client_expect(b, "<iq type='get' id='res'/>"));
    assert_int_equal(last_seconds(a, "here", "bob@" RIG_DOMAIN), 0);
    struct sim_client *second = rig_online(&r, "bob", "second");
    sim_client_send(b, "<presence type='unavailable'><status>one of two</status></presence>");
    assert_true(sim_client_expect(a, "<presence type='unavailable'/>"));
    assert_int_equal(last_seconds(a, "still", "bob@" RIG_DOMAIN), 0);
    sim_client_send(second, "<presence type='unavailable'><status>bed</status></presence>");
    assert_true(sim_client_expect(a, "<presence type='unavailable'/>"));
    assert_in_range(last_seconds(a, "just", "bob@" RIG_DOMAIN), 0, 1); /* not written yet */
    assert_true(str_eqc(xml_text(arena, xml_first(sim_client_last(a))), "bed"));
    (void)sim_run(50 * SEC, NULL, NULL);
    assert_in_range(last_seconds(a, "gone", "bob@" RIG_DOMAIN), 50, 52);
    assert_true(str_eqc(xml_text(arena, xml_first(sim_client_last(a))), "bed"));
    assert_in_range(last_seconds(b, "own", NULL), 50, 52);
    arena_free(&arena);
    sim_client_free(&a);
    sim_client_free(&b);
    sim_client_free(&second);
    rig_end(&r);
}

static void contacts(struct node_conf *c)
{
    static const char *const abuse[] = {"mailto:abuse@im.test", "xmpp:abuse@im.test", NULL};
    static const char *const status[] = {"https://status.im.test", NULL};
    c->contacts[CONTACT_ABUSE] = abuse;
    c->contacts[CONTACT_STATUS] = status;
}

static void test_services_contact(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 4, 1, contacts);
    struct sim_client *a = rig_login(&r, "alice", "a");
    get(a, "1", RIG_DOMAIN, "<query xmlns='http://jabber.org/protocol/disco#info'/>");
    assert_true(sim_client_expect(
        a,
        "<iq type='result' id='1'><query xmlns='%s'><x xmlns='jabber:x:data' type='result'>"
        "<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value>"
        "</field><field var='abuse-addresses'><value>mailto:abuse@im.test</value>"
        "<value>xmpp:abuse@im.test</value></field><field var='status-addresses'>"
        "<value>https://status.im.test</value></field></x></query></iq>",
        NS_DISCO_INFO));
    sim_client_free(&a);
    rig_end(&r);
}

static void small_private(struct node_conf *c)
{
    c->private_max = 3;
    c->private_bytes = 1024;
    c->vcard_bytes = 1024;
}

static void test_services_private(void **state)
{
    struct rig r;
    char large[2000];
    (void)state;
    rig_begin(&r, 5, 4, small_private);
    struct sim_client *a = rig_login(&r, "alice", "a"), *b = rig_login(&r, "bob", "b");
#define Q(x) "<query xmlns='jabber:iq:private'>" x "</query>"
    get(a, "none", NULL, Q("<exodus xmlns='exodus:prefs'/>"));
    assert_true(sim_client_expect(a, "<iq type='result' id='none'>%s</iq>",
                                  Q("<exodus xmlns='exodus:prefs'/>")));
    set(a, "set",
        Q("<exodus xmlns='exodus:prefs'><nick>Hamlet</nick></exodus>"
          "<other xmlns='exodus:prefs'>&lt;x&gt;</other>"));
    assert_true(sim_client_expect(a, "<iq type='result' id='set'/>"));
    get(a, "get", NULL, Q("<exodus xmlns='exodus:prefs'/>"));
    assert_true(sim_client_expect(a, "<iq type='result' id='get'>%s</iq>",
                                  Q("<exodus xmlns='exodus:prefs'><nick>Hamlet</nick></exodus>")));
    get(a, "get2", NULL, Q("<other xmlns='exodus:prefs'/>"));
    assert_true(sim_client_expect(a, "<iq type='result' id='get2'>%s</iq>",
                                  Q("<other xmlns='exodus:prefs'>&lt;x&gt;</other>")));
    set(a, "again", Q("<exodus xmlns='exodus:prefs'/>"));
    assert_true(sim_client_expect(a, "<iq type='result' id='again'/>"));
    get(a, "emptied", NULL, Q("<exodus xmlns='exodus:prefs'/>"));
    assert_true(sim_client_expect(a, "<iq type='result' id='emptied'/>"));
    assert_null(xml_first(xml_first(xml_first(sim_client_last(a)))));
    static const struct {
        const char *type, *payload, *condition;
    } wrong[] = {
        {"get", Q(""), "not-acceptable"},
        {"set", Q(""), "not-acceptable"},
        {"get", Q("<a xmlns='x'/><b xmlns='x'/>"), "not-acceptable"},
        {"set", Q("<a/>"), "not-acceptable"},
        {"set", Q("<a xmlns='x'/><b xmlns='x'/>"), "resource-constraint"}, /* a fourth */
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        sim_client_send(a, "<iq type='%s' id='w'>%s</iq>", wrong[i].type, wrong[i].payload);
        assert_true(expect_error(a, "w", wrong[i].condition));
    }
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    sim_client_send(a, "<iq type='set' id='l'>" Q("<a xmlns='x'>%s</a>") "</iq>", large);
    assert_true(expect_error(a, "l", "resource-constraint"));
    get(b, "spy", "alice@" RIG_DOMAIN, Q("<exodus xmlns='exodus:prefs'/>"));
    assert_true(expect_error(b, "spy", "forbidden"));
#undef Q
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

static void test_services_vcard(void **state)
{
    struct rig r;
    char large[2000];
    (void)state;
    rig_begin(&r, 6, 4, small_private);
    struct sim_client *a = rig_login(&r, "alice", "a"), *b = rig_login(&r, "bob", "b");
    const char *ask = "<vCard xmlns='vcard-temp'/>";
    get(a, "none", NULL, ask);
    assert_true(expect_error(a, "none", "item-not-found"));
    get(b, "none", "alice@" RIG_DOMAIN, ask);
    assert_true(expect_error(b, "none", "service-unavailable"));
    get(b, "void", "nobody@" RIG_DOMAIN, ask);
    assert_true(expect_error(b, "void", "service-unavailable"));
    set(a, "set", "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>");
    assert_true(sim_client_expect(a, "<iq type='result' id='set'/>"));
    struct sim_client *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        get(both[i], "get", "alice@" RIG_DOMAIN, ask);
        assert_true(sim_client_expect(
            both[i],
            "<iq type='result' id='get'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>"));
    }
    sim_client_send(b, "<iq type='set' id='forge' to='alice@%s'>%s</iq>", RIG_DOMAIN, ask);
    assert_true(expect_error(b, "forge", "forbidden"));
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    sim_client_send(a, "<iq type='set' id='l'><vCard xmlns='vcard-temp'><FN>%s</FN></vCard></iq>",
                    large);
    assert_true(expect_error(a, "l", "not-acceptable"));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* ---- XEP-0115. The string is made here once more, by hand, from what disco answers. */
static int by_octets(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void expect_hash(const struct xml *query, struct str ver)
{
    struct str features[100];
    size_t n = 0;
    char s[8192] = "server/im//Meridian<";
    xml_each(query, c)
    {
        if (strcmp(c->el->name, "feature") == 0)
            features[n++] = xml_get(c->el, "var");
    }
    qsort(features, n, sizeof *features, by_octets);
    for (size_t i = 0; i < n; i++)
        snprintf(s + strlen(s), sizeof s - strlen(s), STR_FMT "<", STR_ARG(features[i]));
    snprintf(s + strlen(s), sizeof s - strlen(s),
             "http://jabber.org/network/serverinfo<abuse-addresses<mailto:abuse@im.test<"
             "xmpp:abuse@im.test<status-addresses<https://status.im.test<");
    uint8_t hash[DIGEST_MAX];
    struct buf b;
    buf_init(&b, 100);
    crypto_hash(DIGEST_SHA1, str_of(s), hash);
    base64_encode(&b, hash, digest_size(DIGEST_SHA1));
    assert_true(str_eq(ver, buf_view(&b)));
    buf_fini(&b);
}

static void test_services_caps(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 7, 1, contacts);
    struct sim_client_conf conf = rig_conf(&r, "alice", "a");
    conf.keep_features = true;
    struct sim_client *a = sim_client_login(&conf);
    char ver[64];
    assert_true(sim_client_expect(a,
                                  "<stream:features xmlns:stream='%s'><c xmlns='%s' hash='sha-1' "
                                  "node='*' ver='*'/></stream:features>",
                                  NS_STREAM, NS_CAPS));
    const struct xml *c = xml_child(sim_client_last(a), NS_CAPS, "c");
    snprintf(ver, sizeof ver, STR_FMT "#" STR_FMT, STR_ARG(xml_get(c, "node")),
             STR_ARG(xml_get(c, "ver")));
    sim_client_send(a, "<iq type='get' id='1' to='%s'><query xmlns='%s' node='%s'/></iq>",
                    RIG_DOMAIN, NS_DISCO_INFO, ver);
    assert_true(sim_client_expect(
        a,
        "<iq type='result' id='1'><query xmlns='%s' node='%s'><identity category='server' "
        "type='im' name='Meridian'/><feature var='%s'/></query></iq>",
        NS_DISCO_INFO, ver, NS_CAPS));
    expect_hash(xml_first(sim_client_last(a)), str_of(strchr(ver, '#') + 1));
    get(a, "plain", RIG_DOMAIN, "<query xmlns='http://jabber.org/protocol/disco#info'/>");
    assert_true(sim_client_expect(a, "<iq type='result' id='plain'/>"));
    expect_hash(xml_first(sim_client_last(a)), str_of(strchr(ver, '#') + 1));
    strrchr(ver, '#')[1]++;
    sim_client_send(a, "<iq type='get' id='old' to='%s'><query xmlns='%s' node='%s'/></iq>",
                    RIG_DOMAIN, NS_DISCO_INFO, ver);
    assert_true(expect_error(a, "old", "item-not-found"));
    sim_client_free(&a);
    rig_end(&r);
}

/* ---- XEP-0199, from the server */
static void pings(struct node_conf *c)
{
    c->ping_interval_ms = 60000;
    c->ping_timeout_ms = 20000;
}

static void test_services_ping_silent(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        rig_begin(&r, 8, shards, pings);
        struct sim_client *dead = rig_login(&r, "alice", "dead"),
                          *quiet = rig_login(&r, "alice", "quiet"),
                          *busy = rig_login(&r, "bob", "busy");
        for (int i = 0; i < 10; i++) {
            settle(busy);
            (void)sim_run(20 * SEC, NULL, NULL);
            while (sim_client_count(quiet, "<iq type='get'><ping xmlns='%s'/></iq>", NS_PING)) {
                assert_true(sim_client_expect(
                    quiet, "<iq type='get' from='%s' to='%s'><ping xmlns='%s'/></iq>", RIG_DOMAIN,
                    sim_client_jid(quiet), NS_PING));
                struct str id = xml_get(sim_client_last(quiet), "id");
                sim_client_send(quiet, "<iq type='result' id='" STR_FMT "' to='%s'/>", STR_ARG(id),
                                RIG_DOMAIN);
            }
        }
        assert_int_equal(sim_client_state(quiet), SIM_CLIENT_BOUND);
        assert_int_equal(sim_client_state(busy), SIM_CLIENT_BOUND);
        assert_int_equal(sim_client_count(busy, "<iq type='get'/>"), 0);
        assert_int_equal(sim_client_state(dead), SIM_CLIENT_ENDED);
        assert_int_equal(sim_client_end(dead)->received, STREAM_CONNECTION_TIMEOUT);
        assert_int_equal(sim_client_count(dead, "<iq type='get'/>"), 1);
        sim_client_free(&dead);
        sim_client_free(&quiet);
        sim_client_free(&busy);
        rig_end(&r);
    }
}

static void test_services_ping_off(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 9, 1, NULL);
    struct sim_client *a = rig_login(&r, "alice", "a");
    assert_true(sim_client_absent(a, 86400 * SEC, "<iq type='get'/>"));
    assert_int_equal(sim_client_state(a), SIM_CLIENT_BOUND);
    sim_client_free(&a);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services_version),  cmocka_unit_test(test_services_time),
        cmocka_unit_test(test_services_last),     cmocka_unit_test(test_services_contact),
        cmocka_unit_test(test_services_private),  cmocka_unit_test(test_services_vcard),
        cmocka_unit_test(test_services_caps),     cmocka_unit_test(test_services_ping_silent),
        cmocka_unit_test(test_services_ping_off),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
