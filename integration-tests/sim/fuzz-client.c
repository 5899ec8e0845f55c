/* DOC: any bytes of an authenticated client, alice, into a whole node on the simulated platform:
 * all stanza handlers at once. A byte from 0x80 on stands for a piece of XMPP (the table below), so
 * that mutations stay near to what handlers look at; 0xff ends the stream, and what follows goes
 * into the next one. The first byte is the seed. Held: nothing crashes or leaks (the end of a
 * simulation dies of what is left over); bob, who is watched by nobody and asks for nothing, is
 * told nothing in the name of others than alice and his server, never sees a forged id or delay of
 * his server, keeps an empty roster, is not closed and has his pings answered; when clients are
 * gone no connection is left and the node stops in order. Seeds: integration-tests/corpus/client.
 */
#include <stdlib.h>
#include <unistd.h>

#include "dns/sim-dns.h"
#include "integration-tests/sim/sim-client.h"
#include "lib/base/log.h"
#include "lib/loop/sim-loop.h"
#include "lib/net/sim-net.h"
#include "node/auth/account.h"
#include "node/c2s/c2s.h"

#define DOMAIN "im.test"
#define ALICE "alice@" DOMAIN
#define BOB "bob@" DOMAIN
#define FORGED "forged"
#define FORGED_STAMP "1999-01-01T00:00:00Z"
enum { STREAMS_MAX = 4, PIECES_FROM = 0x80, NEXT_STREAM = 0xff, SECOND_US = 1000000 };

static const char *const pieces[] = {
    "<message to='" BOB "' type='chat' id='m'>",
    "<message to='" BOB "/desk'>",
    "<message to='" ALICE "'>",
    "<message to='nobody@" DOMAIN "'>",
    "<message type='groupchat'>",
    "<message type='headline' to='" BOB "'>",
    "<message type='error' to='" BOB "'>",
    "</message>",
    "<body>hello</body>",
    "<presence/>",
    "<presence type='unavailable'/>",
    "<presence><priority>-1</priority></presence>",
    "<presence to='" BOB "' type='subscribe'/>",
    "<presence to='" BOB "' type='subscribed'/>",
    "<presence to='" BOB "' type='unsubscribe'/>",
    "<presence to='" BOB "' type='unsubscribed'/>",
    "<presence to='" BOB "' type='probe'/>",
    "<presence to='" BOB "/desk'/>",
    "<presence to='nobody@" DOMAIN "' type='subscribe'/>",
    "<presence from='" BOB "'/>",
    "<presence to='elsewhere.test'/>",
    "<iq type='get' id='g'>",
    "<iq type='set' id='s'>",
    "<iq type='get' id='g' to='" BOB "'>",
    "<iq type='set' id='s' to='" BOB "'>",
    "<iq type='get' id='g' to='" BOB "/desk'>",
    "<iq type='result' id='r' to='" BOB "/desk'>",
    "<iq type='get' id='g' to='" DOMAIN "'>",
    "<iq type='set' id='s' to='" DOMAIN "'>",
    "<iq type='get' id='g' to='" ALICE "'>",
    "<iq type='error' id='e' to='" BOB "/desk'>",
    "</iq>",
    "<query xmlns='jabber:iq:roster'/>",
    "<query xmlns='jabber:iq:roster' ver='1'/>",
    "<query xmlns='jabber:iq:roster'><item jid='" BOB "' name='b'><group>g</group></item></query>",
    "<query xmlns='jabber:iq:roster'><item jid='" BOB "' subscription='remove'/></query>",
    "<query xmlns='jabber:iq:roster'><item jid='" ALICE "'/><item jid='x@y'/></query>",
    "<ping xmlns='urn:xmpp:ping'/>",
    "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    "<query xmlns='http://jabber.org/protocol/disco#items'/>",
    "<query xmlns='jabber:iq:version'/>",
    "<time xmlns='urn:xmpp:time'/>",
    "<query xmlns='jabber:iq:last'/>",
    "<query xmlns='jabber:iq:private'><a xmlns='urn:a'/></query>",
    "<query xmlns='jabber:iq:private'><a xmlns='urn:a'>kept</a><b xmlns='urn:b'/></query>",
    "<vCard xmlns='vcard-temp'/>",
    "<vCard xmlns='vcard-temp'><FN>A</FN></vCard>",
    "<block xmlns='urn:xmpp:blocking'><item jid='" BOB "'/></block>",
    "<block xmlns='urn:xmpp:blocking'><item jid='" DOMAIN "'/><item jid='elsewhere.test'/></block>",
    "<unblock xmlns='urn:xmpp:blocking'/>",
    "<blocklist xmlns='urn:xmpp:blocking'/>",
    "<query xmlns='jabber:iq:register'/>",
    "<query xmlns='jabber:iq:register'><username>alice</username><password>another one</password>"
    "</query>",
    "<query xmlns='jabber:iq:register'><remove/></query>",
    "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>",
    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>phone</resource></bind>",
    "<enable xmlns='urn:xmpp:carbons:2'/>",
    "<disable xmlns='urn:xmpp:carbons:2'/>",
    "<private xmlns='urn:xmpp:carbons:2'/>",
    "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message "
    "xmlns='jabber:client' from='" BOB "'/></forwarded></received>",
    "<stanza-id xmlns='urn:xmpp:sid:0' by='" BOB "' id='" FORGED "'/>",
    "<stanza-id xmlns='urn:xmpp:sid:0' by='" DOMAIN "' id='" FORGED "'/>",
    "<origin-id xmlns='urn:xmpp:sid:0' id='o'/>",
    "<delay xmlns='urn:xmpp:delay' from='" DOMAIN "' stamp='" FORGED_STAMP "'/>",
    "<no-store xmlns='urn:xmpp:hints'/>",
    "<store xmlns='urn:xmpp:hints'/>",
    "<no-copy xmlns='urn:xmpp:hints'/>",
    "<active xmlns='http://jabber.org/protocol/chatstates'/>",
    "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
    "<enable xmlns='urn:xmpp:sm:3'/>",
    "<r xmlns='urn:xmpp:sm:3'/>",
    "<a xmlns='urn:xmpp:sm:3' h='1'/>",
    "<a xmlns='urn:xmpp:sm:3' h='4294967295'/>",
    "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
    "<inactive xmlns='urn:xmpp:csi:0'/>",
    "<active xmlns='urn:xmpp:csi:0'/>",
    "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>",
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "</stream:stream>",
    "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    " xmlns='jabber:client'",
    " to='" BOB "/desk'",
    " from='" BOB "'",
    " from='" ALICE "'",
    " type='result'",
    "&#x263a;",
    "<x xmlns='urn:x'>",
    "</x>",
};

/* ---- the node ---- */
struct world {
    struct node_conf conf;
    struct node_conf_listen listen;
    struct shards *shards;
    struct node *node;
    struct op_owner ops;
    bool is_done;
};

static char crt[64], key[64];
static struct scram_key keys; /* "secret", for all */

static void quiet(void *ctx, enum log_level l, const char *line)
{
    (void)ctx;
    (void)l;
    (void)line;
}

static void remove_files(void)
{
    unlink(crt);
    unlink(key);
    *strrchr(crt, '/') = 0;
    rmdir(crt);
}

static void prepare(void)
{
    static char dir[] = "/tmp/meridian-fuzz-XXXXXX";
    char why[256];
    must(mkdtemp(dir));
    snprintf(crt, sizeof crt, "%s/crt", dir);
    snprintf(key, sizeof key, "%s/key", dir);
    must(tls_selfsign(DOMAIN, 3650, crt, key, why, sizeof why) == ERR_OK);
    atexit(remove_files);
    log_set_capture(quiet, NULL);
    scram_key_derive(&keys, DIGEST_SHA1, STR("secret"), 4096);
}

static void done(void *ctx, enum err e)
{
    must(e == ERR_OK);
    *(bool *)ctx = true;
}

static void stopped(void *ctx)
{
    *(bool *)ctx = true;
}

static bool is_true(void *ctx)
{
    return *(bool *)ctx;
}

static void add_account(struct world *w, const char *bare)
{
    w->is_done = false;
    account_import(&w->node->shard[0], &w->ops, str_of(bare), &keys, 1, done, &w->is_done);
    must(sim_run(20 * SECOND_US, is_true, &w->is_done));
}

static void world_begin(struct world *w, uint64_t seed)
{
    static const char *const domains[] = {DOMAIN, NULL};
    char why[256];
    *w = (struct world){0};
    sim_begin(seed);
    sim_net_begin();
    sim_dns_begin();
    op_owner_init(&w->ops);
    node_conf_init(&w->conf);
    w->conf.domains = domains;
    w->conf.shards = 2;
    w->conf.cert_file = crt;
    w->conf.key_file = key;
    w->conf.ca_file = crt; /* not the many of the system */
    w->conf.s2s_enabled = w->conf.c2s_tls_required = false;
    w->conf.scram_digests = 1U << DIGEST_SHA1;
    w->conf.sm_resume_ms = 5000;
    w->conf.ping_interval_ms = 20000;
    w->conf.register_password = w->conf.register_remove = true;
    w->conf.roster_max = w->conf.offline_max = w->conf.private_max = w->conf.blocklist_max = 3;
    must(addr_parse(STR("192.0.2.1"), 5222, &w->listen.at) == ERR_OK);
    w->listen.rate = (struct stream_rate){.bytes = 100000, .stanzas = 1000};
    w->conf.c2s = &w->listen;
    w->conf.c2s_n = 1;
    w->shards = shards_new("server", w->conf.shards);
    must(node_new(&w->conf, w->shards, NULL, NULL, &w->node, why, sizeof why) == ERR_OK);
    add_account(w, ALICE);
    add_account(w, BOB);
}

static void world_end(struct world *w)
{
    op_owner_cancel_all(&w->ops);
    w->is_done = false;
    node_stop(w->node, stopped, &w->is_done);
    must(sim_run(20 * SECOND_US, is_true, &w->is_done));
    node_free(&w->node);
    (void)sim_run(10 * SECOND_US, NULL, NULL);
    shards_free(&w->shards);
    sim_dns_end();
    sim_net_end();
    sim_end();
}

/* NULL: alice's account is gone, or has another password. */
static struct sim_client *login(const struct world *w, const char *user, const char *resource)
{
    const struct sim_client_conf c = {.host = user,
                                      .server = w->listen.at,
                                      .user = user,
                                      .domain = DOMAIN,
                                      .password = "secret",
                                      .resource = resource,
                                      .mech = SASL_SCRAM_SHA_1};
    struct sim_client *s = sim_client_new(&c);
    if (!sim_client_wait(s, SIM_CLIENT_BOUND)) {
        must(sim_client_refused(s) != SASL_FAIL_NONE);
        sim_client_free(&s);
    }
    return s;
}

/* ---- what bob sees ---- */
static void check_child(const struct xml *el)
{
    const struct str by = xml_get(el, "by");
    if (xml_is(el, NS_SID, "stanza-id") && (str_eqc(by, BOB) || str_eqc(by, DOMAIN)))
        must(!str_eqc(xml_get(el, "id"), FORGED));
    if (xml_is(el, NS_DELAY, "delay") && str_eqc(xml_get(el, "from"), DOMAIN))
        must(!str_eqc(xml_get(el, "stamp"), FORGED_STAMP));
}

static bool may_speak(struct str from)
{
    struct arena *a = arena_new(0);
    struct jid j;
    must(jid_parse(a, from, &j, NULL) == ERR_OK);
    const bool ok = str_eqc(j.full, DOMAIN) || str_eqc(j.bare, ALICE) || str_eqc(j.bare, BOB);
    arena_free(&a);
    return ok;
}

static void check_element(void *ctx, const struct xml *el)
{
    (void)ctx;
    const struct str from = xml_get(el, "from");
    must(!from.p || may_speak(from));
    if (xml_is(el, NS_CLIENT, "iq") && xml_child(el, NS_ROSTER, "query"))
        must(!xml_child(xml_child(el, NS_ROSTER, "query"), NS_ROSTER, "item"));
    xml_each(el, n)
    {
        if (n->el)
            check_child(n->el);
    }
}

static void check_bob(struct sim_client *bob)
{
    must(sim_client_state(bob) == SIM_CLIENT_BOUND);
    sim_client_each(bob, check_element, NULL);
    sim_client_send(bob,
                    "<iq type='get' id='q'><query xmlns='jabber:iq:roster'/></iq>"
                    "<iq type='get' id='p' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>");
    must(sim_client_expect(bob, "<iq type='result' id='p'/>"));
    sim_client_each(bob, check_element, NULL);
}

/* ---- what alice says ---- */
/* One stream's bytes; the rest begins behind the mark that ended them. */
static struct str expand(const uint8_t *data, size_t size, struct buf *out)
{
    size_t i;
    for (i = 0; i < size && data[i] != NEXT_STREAM; i++) {
        if (data[i] >= PIECES_FROM)
            buf_cstr(out, pieces[(data[i] - PIECES_FROM) % ARRAY_LEN(pieces)]);
        else
            buf_char(out, (char)data[i]);
    }
    i += i < size;
    return str_make((const char *)data + i, size - i);
}

static void stream_of(struct world *w, struct sim_client *bob, struct str *rest)
{
    struct buf text;
    struct sim_client *alice = login(w, "alice", "phone");
    if (!alice) {
        rest->n = 0;
        return;
    }
    buf_init(&text, 1 << 20);
    *rest = expand((const uint8_t *)rest->p, rest->n, &text);
    sim_client_put(alice, buf_view(&text));
    (void)sim_run(2 * SECOND_US, NULL, NULL);
    check_bob(bob);
    sim_client_free(&alice);
    buf_fini(&text);
}

static bool nobody_left(void *ctx)
{
    const struct world *w = ctx;
    size_t left = 0;
    for (unsigned i = 0; i < w->node->n_shards; i++) {
        size_t all, unauthenticated;
        c2s_count(&w->node->shard[i], &all, &unauthenticated);
        left += all;
    }
    return left == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w;
    if (size < 2 || size > 4096)
        return 0;
    if (!crt[0])
        prepare();
    world_begin(&w, data[0]);
    struct sim_client *bob = login(&w, "bob", "desk");
    must(bob);
    sim_client_send(bob, "<presence/>");
    struct str rest = str_make((const char *)data + 1, size - 1);
    for (int i = 0; i < STREAMS_MAX && rest.n; i++)
        stream_of(&w, bob, &rest);
    sim_client_free(&bob);
    must(sim_run(60 * SECOND_US, nobody_left, &w));
    world_end(&w);
    return 0;
}
