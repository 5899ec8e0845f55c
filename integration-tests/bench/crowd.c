/* DOC: the crowd. A member logs in with a real client (stream-out, TLS, SCRAM-SHA-1), binds, asks
 * for its roster, becomes available. Its password is known salted, so that half a million logins do
 * not spend their time in PBKDF2. A client that is not needed any more is freed from a deferred
 * call, never inside its own events; the tap below it keeps the connection. */
#include "integration-tests/bench/crowd.h"

#include "integration-tests/bench/meter.h"
#include "integration-tests/bench/tap.h"
#include "lib/base/log.h"
#include "lib/loop/sim-loop.h"
#include "lib/net/sim-net-int.h"
#include "lib/stream/stream-out.h"
#include "lib/xmpp/sasl-int.h"

enum { AT_ONCE = 32, LOGIN_US = 60000000, MESSAGE_US = 30000000 };

struct member {
    struct crowd *crowd;
    struct tap *tap;
    struct stream_out *stream; /* NULL: not active */
};
struct crowd {
    struct crowd_conf conf;
    struct loop *loop;
    struct defer turn;
    struct member *members;
    unsigned *active; /* indices of members */
    unsigned n_active;
    unsigned started, available, wanted;
    bool keep; /* those who log in now stay active */
    struct member *done[AT_ONCE];
    unsigned n_done;
    const struct member *awaited; /* somebody who is to hear something */
};

char *crowd_user(char out[16], unsigned i)
{
    must(snprintf(out, 16, "u%07u", i) < 16);
    return out;
}

static unsigned index_of(const struct member *m)
{
    return (unsigned)(m - m->crowd->members);
}

static void heard(void *ctx)
{
    const struct member *m = ctx;
    if (m->crowd->awaited == m)
        m->crowd->awaited = NULL;
}

/* ---- login */
static void start_next(struct crowd *c);

static void client_free(struct member *m)
{
    tap_mute(m->tap);
    stream_out_free(&m->stream);
}

/* Those who became available. */
static void crowd_turn(void *ctx)
{
    struct crowd *c = ctx;
    while (c->n_done > 0) {
        struct member *m = c->done[--c->n_done];
        if (c->keep)
            c->active[c->n_active++] = index_of(m);
        else
            client_free(m);
        c->available++;
        start_next(c);
    }
}

static enum stream_out_next on_features(void *ctx, const struct xml *features,
                                        struct sasl_client **client, enum sasl_mech *m)
{
    const struct member *me = ctx;
    char user[16];
    if (!xml_child(features, NS_SASL, "mechanisms"))
        return STREAM_OUT_READY;
    *m = SASL_SCRAM_SHA_1;
    *client = sasl_client_new(*m, str_of(crowd_user(user, index_of(me))), STR("-"), STR(""));
    sasl_client_set_salted(*client, me->crowd->conf.salted);
    return STREAM_OUT_SASL;
}

static void on_ready(void *ctx, const struct xml *features UNUSED, bool sasl_done)
{
    struct member *m = ctx;
    char text[400];
    must(sasl_done);
    int n = snprintf(text, sizeof text,
                     "<iq type='set' id='b'><bind xmlns='%s'><resource>" CROWD_RESOURCE
                     "</resource></bind></iq>"
                     "<iq type='get' id='r'><query xmlns='%s'/></iq><presence/>",
                     NS_BIND, NS_ROSTER);
    (void)stream_out_send_text(m->stream, str_make(text, (size_t)n));
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct member *m = ctx;
    struct crowd *c = m->crowd;
    if (strcmp(doc->root->name, "presence") == 0) { /* our own: everything before it was answered */
        must(c->n_done < AT_ONCE);
        c->done[c->n_done++] = m;
        loop_defer(c->loop, &c->turn);
    }
    xml_doc_free(&doc);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    struct member *m = ctx;
    fprintf(stderr, "crowd: member %u: %s\n", index_of(m), e->text);
    panic_at(__FILE__, __LINE__, "a member was lost");
}

static const struct stream_out_events events = {
    .features = on_features, .ready = on_ready, .element = on_element, .end = on_end};

static void start_next(struct crowd *c)
{
    if (c->started == c->wanted)
        return;
    struct member *m = &c->members[c->started++];
    struct transport *t = net_connect(c->loop, &c->conf.server);
    m->crowd = c;
    m->tap = tap_new(&t, heard, m);
    const struct stream_out_conf conf = {.content_ns = NS_CLIENT,
                                         .to = c->conf.domain,
                                         .tls = c->conf.tls,
                                         .tls_required = c->conf.tls != NULL};
    t = tap_transport(m->tap);
    m->stream = stream_out_new(&t, &conf, &events, m);
}

static bool all_available(void *ctx)
{
    const struct crowd *c = ctx;
    return c->available == c->wanted;
}

void crowd_grow(struct crowd *c, unsigned n, bool active)
{
    must(n <= c->conf.size);
    c->wanted = n > c->wanted ? n : c->wanted;
    c->keep = active;
    for (unsigned i = 0; i < AT_ONCE; i++)
        start_next(c);
    for (unsigned before = c->available; !sim_run(LOGIN_US, all_available, c);) {
        must(c->available > before); /* or nobody gets anywhere */
        before = c->available;
    }
}

/* ---- life */
struct crowd *crowd_new(const struct crowd_conf *conf)
{
    struct crowd *c = mem_alloc(sizeof *c);
    c->conf = *conf;
    c->loop = loop_new("clients/0", 0);
    defer_init(&c->turn, crowd_turn, c);
    c->members = mem_calloc(conf->size, sizeof *c->members);
    c->active = mem_calloc(conf->size, sizeof *c->active);
    return c;
}

void crowd_rest(struct crowd *c)
{
    while (c->n_active > 0)
        client_free(&c->members[c->active[--c->n_active]]);
}

void crowd_free(struct crowd **pc)
{
    struct crowd *c = *pc;
    *pc = NULL;
    if (!c)
        return;
    crowd_rest(c);
    for (unsigned i = 0; i < c->started; i++)
        tap_free(&c->members[i].tap);
    mem_free(c->members);
    mem_free(c->active);
    loop_free(&c->loop);
    mem_free(c);
}

unsigned crowd_count(const struct crowd *c)
{
    return c->available;
}

unsigned crowd_active(const struct crowd *c)
{
    return c->n_active;
}

size_t crowd_member_bytes(void)
{
    return meter_chunk(sizeof(struct conn)) + meter_chunk(tap_size());
}

/* ---- messages */
void crowd_shuffle(struct crowd *c)
{
    for (unsigned i = c->n_active; i > 1; i--) {
        unsigned k = (unsigned)sim_rand(i), t = c->active[i - 1];
        c->active[i - 1] = c->active[k];
        c->active[k] = t;
    }
}

static bool was_heard(void *ctx)
{
    return ((const struct crowd *)ctx)->awaited == NULL;
}

void crowd_say(struct crowd *c, unsigned k, unsigned to)
{
    char text[400], user[16];
    must(k < c->n_active && to < c->available);
    int n = snprintf(text, sizeof text,
                     "<message to='%s@%s/" CROWD_RESOURCE "' type='chat' id='m%u'><body>The quick "
                     "brown fox jumps over the lazy dog, and does so once more for good measure."
                     "</body></message>",
                     crowd_user(user, to), c->conf.domain, k);
    c->awaited = &c->members[to];
    (void)stream_out_send_text(c->members[c->active[k]].stream, str_make(text, (size_t)n));
    if (!sim_run(MESSAGE_US, was_heard, c))
        panic_at(__FILE__, __LINE__, "a message did not arrive");
}
