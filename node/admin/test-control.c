/* The control socket against a real node: what may be asked, what is refused, connections that are
 * cut at any moment, and a node that goes while it answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/net/dial.h"
#include "lib/net/tests-certs.h"
#include "node/admin/control.h"

#define DOMAIN "im.test"
enum { LIMIT_MS = 60000, MANY = 80, KEPT = 64, LARGE = 2 << 20 };

static char certs[TEST_PATH_MAX];

struct rig;
struct probe { /* one connection */
    struct rig *rig;
    struct transport *transport;
    struct buf answer;
    bool is_over;
};
struct rig {
    struct node_conf conf;
    char crt[TEST_PATH_MAX], key[TEST_PATH_MAX], ca[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct shards *shards;
    struct loop *hub;
    struct node *node;
    struct control *control;
    struct op_owner ops;
    struct timer limit, then;
    bool is_late;
    size_t at; /* of the cases */
    struct probe probe[MANY];
    size_t ended;
    void (*next)(struct rig *r); /* a connection ended */
};

static void on_late(void *ctx)
{
    struct rig *r = ctx;
    r->is_late = true;
    shards_stop(r->shards);
}

static void begin(struct rig *r, unsigned shards)
{
    static const char *const domains[] = {DOMAIN, NULL};
    char why[256] = "";
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < MANY; i++)
        r->probe[i].rig = r;
    node_conf_init(&r->conf);
    r->conf.domains = domains;
    r->conf.shards = shards;
    r->conf.store.uri = "mem:";
    r->conf.cert_file = test_path(r->crt, certs, DOMAIN, "crt");
    r->conf.key_file = test_path(r->key, certs, DOMAIN, "key");
    r->conf.ca_file = test_path(r->ca, certs, "ca", "crt");
    r->conf.s2s_enabled = false;
    r->conf.scram_iterations = 4096;
    test_path(r->path, certs, "control", "sock");
    op_owner_init(&r->ops);
    r->shards = shards_new("control", shards);
    r->hub = shards_loop(r->shards, 0);
    if (node_new(&r->conf, r->shards, NULL, NULL, &r->node, why, sizeof why) != ERR_OK ||
        control_open(r->node, r->path, &r->control, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    timer_init(&r->limit, r->hub, on_late, r);
    timer_start(&r->limit, LIMIT_MS);
}

/* As main does it. */
static void end(struct rig *r)
{
    timer_stop(&r->limit);
    timer_stop(&r->then);
    op_owner_cancel_all(&r->ops);
    for (size_t i = 0; i < MANY; i++) {
        if (r->probe[i].transport)
            transport_abort(&r->probe[i].transport);
        buf_fini(&r->probe[i].answer);
    }
    control_close(&r->control);
    node_free(&r->node);
    shards_free(&r->shards);
    assert_false(r->is_late);
}

static void on_nothing(void *ctx)
{
    (void)ctx;
}
static void on_data(void *ctx, struct str bytes)
{
    buf_str(&((struct probe *)ctx)->answer, bytes);
}
static void on_end(void *ctx, enum err why)
{
    struct probe *p = ctx;
    (void)why;
    transport_abort(&p->transport);
    p->is_over = true;
    p->rig->ended++;
    p->rig->next(p->rig);
}
static const struct transport_events events = {on_nothing, on_data, on_nothing, on_end};

static void adopt(struct probe *p, enum err e, struct transport *t)
{
    assert_int_equal(e, ERR_OK);
    buf_init(&p->answer, 1 << 20);
    p->transport = t;
    transport_set_events(t, &events, p);
}

/* ---- one question a connection */
static const struct {
    const char *send;
    bool shut; /* our direction ends behind it */
    const char *want, *want_too;
} cases[] = {
    {"{\"command\":\"status\"}\n", false, "\"ok\":true", "\"counters\""},
    {"{\"command\":\"status\",\"args\":[]}\n", true, "\"ok\":true", "\"users\":0"},
    {"{\"command\":\"sessions\"}\n", false, "{\"ok\":true,\"result\":[]}\n", ""},
    {"{\"command\":\"s2s\"}\n", false, "{\"ok\":true,\"result\":[]}\n", ""},
    {"{\"command\":\"status\"}\n{\"command\":\"fly\"}\n", false, "\"ok\":true", ""},
    /* no requests */
    {"{nonsense}\n", false, "\"ok\":false", "no JSON object"},
    {"\n", false, "\"ok\":false", "no JSON object"},
    {"[\"status\"]\n", false, "\"ok\":false", "no JSON object"},
    {"\"status\"\n", false, "\"ok\":false", "no JSON object"},
    {"{\"command\":\"status\"\n", true, "\"ok\":false", "no JSON object"},
    {"\xff\xfe\n", false, "\"ok\":false", "no JSON object"},
    {"{\"command\":\"status\"}", true, "", ""},
    {"", true, "", ""},
    /* no commands */
    {"{}\n", false, "\"ok\":false", "unknown command"},
    {"{\"command\":7}\n", false, "\"ok\":false", "unknown command"},
    {"{\"command\":\"fly\"}\n", false, "\"ok\":false", "unknown command \\\"fly\\\""},
    {"{\"command\":\"STATUS\"}\n", false, "\"ok\":false", "unknown command"},
    /* wrong arguments */
    {"{\"command\":\"status\",\"args\":[\"x\"]}\n", false, "\"ok\":false", "usage: status"},
    {"{\"command\":\"where\"}\n", false, "\"ok\":false", "usage: where JID"},
    {"{\"command\":\"where\",\"args\":\"a@im.test\"}\n", false, "\"ok\":false", "usage"},
    {"{\"command\":\"where\",\"args\":{\"a\":\"b\"}}\n", false, "\"ok\":false", "usage"},
    {"{\"command\":\"where\",\"args\":[1]}\n", false, "\"ok\":false", "usage"},
    {"{\"command\":\"where\",\"args\":[null]}\n", false, "\"ok\":false", "usage"},
    {"{\"command\":\"where\",\"args\":[[\"a@im.test\"]]}\n", false, "\"ok\":false", "usage"},
    {"{\"command\":\"where\",\"args\":[\"a\",\"b\"]}\n", false, "\"ok\":false", "usage"},
    {"{\"command\":\"adduser\",\"args\":[\"a@im.test\"]}\n", false, "\"ok\":false", "usage"},
    {"{\"command\":\"where\",\"args\":[\"\"]}\n", false, "\"ok\":false", "is no address"},
    {"{\"command\":\"where\",\"args\":[\"@im.test\"]}\n", false, "\"ok\":false", "is no address"},
    {"{\"command\":\"where\",\"args\":[\"im.test\"]}\n", false, "\"ok\":false", "user@domain is"},
    {"{\"command\":\"where\",\"args\":[\"a@im.test/r\"]}\n", false, "\"ok\":false",
     "user@domain is"},
    {"{\"command\":\"where\",\"args\":[\"a@x.test\"]}\n", false, "\"ok\":false", "not a domain of"},
    {"{\"command\":\"adduser\",\"args\":[\"a@x.test\",\"p\"]}\n", false, "\"ok\":false",
     "not a domain of"},
    {"{\"command\":\"adduser\",\"args\":[\"a@im.test\",\"\"]}\n", false, "\"ok\":false",
     "cannot add"},
    /* accounts */
    {"{\"command\":\"where\",\"args\":[\"a@im.test\"]}\n", false, "\"ok\":true", "no such account"},
    {"{\"command\":\"adduser\",\"args\":[\"A@im.test\",\"p\"]}\n", false, "\"ok\":true", ""},
    {"{\"command\":\"adduser\",\"args\":[\"a@im.test\",\"p\"]}\n", true, "\"ok\":false",
     "exists already"},
    {"{\"command\":\"where\",\"args\":[\"a@im.test\"]}\n", false, "\"ok\":true",
     "\"anchor\":\"here\""},
    {"{\"command\":\"import\",\"args\":[]}\n", false, "\"ok\":false", "usage: import"},
    {"{\"command\":\"import-users\",\"args\":[\"f\"]}\n", false, "\"ok\":false", "unknown"},
    {"{\"command\":\"import\",\"args\":[\"c@im.test,p\",\"c@im.test,p\",\"a@im.test,p\"]}\n", false,
     "{\"ok\":true,\"result\":{\"made\":1,\"existed\":2,\"failed\":[]}}\n", ""},
    {"{\"command\":\"import\",\"args\":[\"nobody\",\"d@im.test,SCRAM-SHA-1$x\"]}\n", false,
     "\"made\":0,\"existed\":0,\"failed\":[{\"line\":1,", "\"line\":2,\"jid\":\"d@im.test\""},
};

static void case_ask(struct rig *r);

static void case_over(struct rig *r)
{
    struct probe *p = &r->probe[0];
    buf_char(&p->answer, '\0');
    const char *got = p->answer.p, *want = cases[r->at].want;
    if (want[0] ? !strstr(got, want) || !strstr(got, cases[r->at].want_too) : got[0] != 0)
        fail_msg("%s: %s", cases[r->at].send, got);
    char *line = strchr(got, '\n');
    assert_true(!got[0] || (line && !line[1])); /* one line */
    buf_fini(&p->answer);
    r->at++;
    case_ask(r);
}

static void case_connected(void *ctx, enum err e, struct transport *t, const struct dial_result *d)
{
    struct rig *r = ctx;
    (void)d;
    adopt(&r->probe[0], e, t);
    transport_send(t, str_of(cases[r->at].send));
    if (cases[r->at].shut)
        transport_shut(t);
}

static void case_ask(struct rig *r)
{
    if (r->at == ARRAY_LEN(cases))
        shards_stop(r->shards);
    else
        dial_unix(r->hub, &r->ops, r->path, case_connected, r);
}

static void test_control_cases(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards < 4; shards += 2) {
        struct rig r;
        begin(&r, shards);
        r.next = case_over;
        case_ask(&r);
        shards_run(r.shards);
        assert_int_equal(r.at, ARRAY_LEN(cases));
        end(&r);
    }
}

/* ---- too large */
static void large_over(struct rig *r)
{
    shards_stop(r->shards);
}

static void large_connected(void *ctx, enum err e, struct transport *t, const struct dial_result *d)
{
    struct rig *r = ctx;
    (void)d;
    adopt(&r->probe[0], e, t);
    char *text = mem_alloc(LARGE);
    memset(text, ' ', LARGE);
    transport_send(t, str_make(text, LARGE));
    mem_free(text);
}

static void test_control_oversize(void **state)
{
    struct rig r;
    (void)state;
    begin(&r, 1);
    r.next = large_over;
    dial_unix(r.hub, &r.ops, r.path, large_connected, &r);
    shards_run(r.shards);
    /* what could not be sent may break the connection before the answer was read */
    buf_char(&r.probe[0].answer, '\0');
    assert_true(r.probe[0].is_over);
    assert_true(!r.probe[0].answer.p[0] || strstr(r.probe[0].answer.p, "the request is too large"));
    end(&r);
}

/* ---- many at once: some are refused, the others wait, and then there is room again */
static void many_connected(void *ctx, enum err e, struct transport *t, const struct dial_result *d)
{
    struct probe *p = ctx;
    (void)d;
    adopt(p, e, t);
}

static void many_again(void *ctx, enum err e, struct transport *t, const struct dial_result *d)
{
    struct rig *r = ctx;
    (void)d;
    buf_fini(&r->probe[0].answer);
    adopt(&r->probe[0], e, t);
    r->next = large_over;
    transport_send(t, STR("{\"command\":\"status\"}\n"));
}

static void many_over(struct rig *r)
{
    if (r->ended < MANY - KEPT)
        return;
    assert_int_equal(r->ended, MANY - KEPT);
    for (size_t i = 0; i < MANY; i++)
        if (r->probe[i].transport)
            transport_abort(&r->probe[i].transport);
    dial_unix(r->hub, &r->ops, r->path, many_again, r);
}

static void test_control_many(void **state)
{
    struct rig r;
    (void)state;
    begin(&r, 1);
    r.next = many_over;
    for (size_t i = 0; i < MANY; i++)
        dial_unix(r.hub, &r.ops, r.path, many_connected, &r.probe[i]);
    shards_run(r.shards);
    buf_char(&r.probe[0].answer, '\0');
    assert_non_null(strstr(r.probe[0].answer.p, "\"ok\":true"));
    end(&r);
}

/* ---- the node goes, in order or at once, some time after the question */
static const char *const pending[] = {
    "{\"command\":\"status\"}\n",
    "{\"command\":\"where\",\"args\":[\"a@im.test\"]}\n",
    "{\"command\":\"adduser\",\"args\":[\"b@im.test\",\"p\"]}\n",
    "{\"command\":\"import\",\"args\":[\"b@im.test,p\",\"c@im.test,p\",\"d@im.test,p\"]}\n",
    "{\"command\":\"sess",
};

static void go(void *ctx)
{
    shards_stop(((struct rig *)ctx)->shards);
}

static void pending_connected(void *ctx, enum err e, struct transport *t,
                              const struct dial_result *d)
{
    struct rig *r = ctx;
    (void)d;
    adopt(&r->probe[0], e, t);
    transport_send(t, str_of(pending[r->at]));
    timer_init(&r->then, r->hub, go, r);
    timer_start(&r->then, r->ended);
}

static void pending_over(struct rig *r)
{
    (void)r;
}

static void test_control_node_goes(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    for (unsigned shards = 1; shards < 3; shards++) {
        for (size_t i = 0; i < ARRAY_LEN(pending); i++) {
            for (size_t ms = 0; ms < 12; ms += ms < 4 ? 1 : 3) {
                struct rig r;
                begin(&r, shards);
                r.at = i;
                r.ended = ms;
                r.next = pending_over;
                dial_unix(r.hub, &r.ops, r.path, pending_connected, &r);
                shards_run(r.shards);
                end(&r);
            }
        }
    }
}

static void test_control_path_refused(void **state)
{
    struct rig r;
    struct control *c = NULL;
    char why[256] = "";
    (void)state;
    begin(&r, 1);
    assert_int_not_equal(control_open(r.node, "/nowhere/control.sock", &c, why, sizeof why),
                         ERR_OK);
    assert_non_null(strstr(why, "/nowhere/control.sock"));
    assert_null(c);
    shards_stop(r.shards);
    shards_run(r.shards);
    end(&r);
}

static int certs_begin(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    test_certs_begin(certs);
    test_cert_domain(certs, DOMAIN);
    return 0;
}

static int certs_end(void **state)
{
    (void)state;
    test_certs_end(certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_cases),        cmocka_unit_test(test_control_oversize),
        cmocka_unit_test(test_control_many),         cmocka_unit_test(test_control_node_goes),
        cmocka_unit_test(test_control_path_refused),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
