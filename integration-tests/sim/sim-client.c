/* DOC: the scripted user over the initiating stream engine. One loop per client, so that a host may
 * have many. Everything that arrives after negotiation is kept as parsed until a script asks. */
#include "integration-tests/sim/sim-client-int.h"

#include "lib/loop/sim-loop.h"
#include "lib/net/dial.h"
#include "lib/stream/stream-binding.h"
#include "lib/xmpp/xml-parse.h"

enum { WAIT_US = 30000000, DIAL_MS = 10000 };

struct letter {
    struct list link;
    struct xml_doc *doc;
};
/* ---- patterns */
static bool matches(const struct xml *pattern, const struct xml *el);

static bool has_child(const struct xml *pattern, const struct xml *el)
{
    xml_each(el, n)
    {
        if (matches(pattern, n->el))
            return true;
    }
    return false;
}

static bool attrs_match(const struct xml *pattern, const struct xml *el)
{
    for (const struct xml_attr *a = pattern->attrs; a; a = a->next) {
        struct str have = a->ns ? xml_get_ns(el, a->ns, a->name) : xml_get(el, a->name);
        bool ok = str_eqc(a->value, "*")   ? have.p != NULL
                  : str_eqc(a->value, "-") ? have.p == NULL
                                           : str_eq(a->value, have);
        if (!ok)
            return false;
    }
    return true;
}

static bool text_matches(const struct xml *pattern, const struct xml *el)
{
    struct arena *a = arena_new(0);
    struct str want = str_trim(xml_text(a, pattern));
    bool ok = !want.n || str_eq(want, str_trim(xml_text(a, el)));
    arena_free(&a);
    return ok;
}

static bool matches(const struct xml *pattern, const struct xml *el)
{
    if (!xml_is(el, pattern->ns, pattern->name) || !attrs_match(pattern, el) ||
        !text_matches(pattern, el))
        return false;
    xml_each(pattern, n)
    {
        if (!has_child(n->el, el))
            return false;
    }
    return true;
}

static __attribute__((format(printf, 1, 0))) struct xml_doc *pattern_read(const char *fmt,
                                                                          va_list args)
{
    char text[4096];
    must(vsnprintf(text, sizeof text, fmt, args) < (int)sizeof text);
    struct xml_doc *doc;
    must(xml_parse_one(str_of(text), NS_CLIENT, &xml_limits_default, &doc) == ERR_OK);
    return doc;
}

/* ---- the inbox */
static void letter_free(struct letter *l)
{
    list_del(&l->link);
    if (l->doc)
        xml_doc_free(&l->doc);
    mem_free(l);
}

void sim_client_forget(struct sim_client *c)
{
    while (!list_empty(&c->inbox))
        letter_free(list_entry(list_first(&c->inbox), struct letter, link));
}

void sim_client_each(struct sim_client *c, void (*fn)(void *ctx, const struct xml *el), void *ctx)
{
    while (!list_empty(&c->inbox)) {
        struct letter *l = list_entry(list_first(&c->inbox), struct letter, link);
        fn(ctx, l->doc->root);
        letter_free(l);
    }
}

static void complain(struct sim_client *c, const char *what, const struct xml *pattern)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_printf(&b, "%s@%s (%s): %s: ", c->conf.user, c->conf.domain, c->conf.host, what);
    xml_write(&b, pattern, NS_CLIENT);
    list_each (&c->inbox, n) {
        buf_cstr(&b, "\n    got ");
        xml_write(&b, list_entry(n, struct letter, link)->doc->root, NS_CLIENT);
    }
    if (c->state == SIM_CLIENT_ENDED)
        buf_printf(&b, "\n    ended: %s", c->end.text);
    fprintf(stderr, STR_FMT "\n", STR_ARG(buf_view(&b)));
    buf_fini(&b);
}

struct search {
    struct sim_client *client;
    const struct xml *pattern;
    struct letter *found;
    bool only_first;
};

static bool search(void *ctx)
{
    struct search *s = ctx;
    list_each (&s->client->inbox, n) {
        struct letter *l = list_entry(n, struct letter, link);
        if (matches(s->pattern, l->doc->root)) {
            s->found = l;
            return true;
        }
        if (s->only_first)
            return true;
    }
    return false;
}

static __attribute__((format(printf, 2, 0))) bool
expect_pattern(struct sim_client *c, const char *fmt, va_list args, bool only_first)
{
    struct xml_doc *p = pattern_read(fmt, args);
    struct search s = {.client = c, .pattern = p->root, .only_first = only_first};
    if (!search(&s))
        (void)sim_run(WAIT_US, search, &s);
    if (s.found) {
        if (c->last)
            xml_doc_free(&c->last);
        c->last = s.found->doc;
        s.found->doc = NULL;
        letter_free(s.found);
    } else {
        complain(c, only_first ? "not next" : "not received", p->root);
    }
    xml_doc_free(&p);
    return s.found != NULL;
}

bool sim_client_expect(struct sim_client *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    bool ok = expect_pattern(c, fmt, args, false);
    va_end(args);
    return ok;
}

bool sim_client_expect_next(struct sim_client *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    bool ok = expect_pattern(c, fmt, args, true);
    va_end(args);
    return ok;
}

bool sim_client_absent(struct sim_client *c, uint64_t for_us, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct xml_doc *p = pattern_read(fmt, args);
    va_end(args);
    struct search s = {.client = c, .pattern = p->root};
    bool came = search(&s) || sim_run(for_us, search, &s);
    if (came)
        complain(c, "received", p->root);
    xml_doc_free(&p);
    return !came;
}

size_t sim_client_count(struct sim_client *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct xml_doc *p = pattern_read(fmt, args);
    va_end(args);
    size_t count = 0;
    list_each (&c->inbox, n) {
        count += matches(p->root, list_entry(n, struct letter, link)->doc->root);
    }
    xml_doc_free(&p);
    return count;
}

const struct xml *sim_client_last(const struct sim_client *c)
{
    return c->last ? c->last->root : NULL;
}

/* ---- the stream */
/* The offer as the features show it, with the bytes of our own end of the connection. */
static void offer_read(const struct sim_client *c, const struct xml *features, struct sasl_offer *o)
{
    struct sasl_offer own;
    struct arena *a = arena_new(0);
    *o = (struct sasl_offer){0};
    xml_each(xml_child(features, NS_SASL, "mechanisms"), n)
    {
        enum sasl_mech m;
        if (sasl_mech_find(xml_text(a, n->el), &m))
            o->mechs |= 1U << m;
    }
    stream_bindings(stream_out_transport(c->stream), &own);
    const struct xml *types = xml_child(features, NS_SASL_CB, "sasl-channel-binding");
    for (const struct xml_node *n = types ? types->first : NULL; n; n = n->next) {
        const struct sasl_binding *known = sasl_offer_binding(&own, xml_get(n->el, "type"));
        must(known && o->n < SASL_BINDINGS_MAX);
        o->bindings[o->n++] = *known;
    }
    arena_free(&a);
}

static void offer_take(const struct sim_client *c, const struct xml *features,
                       struct sasl_client *client)
{
    struct sasl_offer seen;
    const char *binding = c->conf.binding ? c->conf.binding : "tls-exporter";
    offer_read(c, features, &seen);
    if (c->conf.tamper)
        c->conf.tamper(&seen);
    sasl_client_set_offer(client, &seen, sasl_mech_is_plus(c->conf.mech) ? binding : NULL);
}

static enum stream_out_next on_features(void *ctx, const struct xml *features,
                                        struct sasl_client **client, enum sasl_mech *m)
{
    struct sim_client *c = ctx;
    if (c->conf.no_sasl)
        return STREAM_OUT_READY;
    *m = c->conf.mech;
    *client = sasl_client_new(c->conf.mech, str_of(c->conf.user), str_of(c->conf.password),
                              c->conf.authzid ? str_of(c->conf.authzid) : STR(""));
    offer_take(c, features, *client);
    return STREAM_OUT_SASL;
}

static enum stream_out_next on_refused(void *ctx, enum sasl_failure f, const struct xml *features,
                                       struct sasl_client **client, enum sasl_mech *m)
{
    struct sim_client *c = ctx;
    (void)features;
    (void)client;
    (void)m;
    c->refused = f;
    return STREAM_OUT_FAIL;
}

static void keep_features(struct sim_client *c, const struct xml *features)
{
    struct letter *l = mem_alloc(sizeof *l);
    struct arena *a = arena_new(0);
    l->doc = arena_alloc(a, sizeof *l->doc);
    *l->doc = (struct xml_doc){.arena = a, .root = xml_copy(a, features)};
    list_push(&c->inbox, &l->link);
}

static void on_ready(void *ctx, const struct xml *features, bool sasl_done)
{
    struct sim_client *c = ctx;
    c->state = SIM_CLIENT_READY;
    if (c->conf.keep_features)
        keep_features(c, features);
    if (!sasl_done || c->conf.no_bind)
        return;
    if (!sim_client_sm_resume(c))
        sim_client_bind(c);
}

static void send_text(struct sim_client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

void sim_client_bind(struct sim_client *c)
{
    if (c->conf.resource)
        send_text(c,
                  "<iq type='set' id='sim-bind'><bind xmlns='%s'><resource>%s</resource>"
                  "</bind></iq>",
                  NS_BIND, c->conf.resource);
    else
        send_text(c, "<iq type='set' id='sim-bind'><bind xmlns='%s'/></iq>", NS_BIND);
}

/* The answer to our own bind; everything else is the script's. */
static bool take_bind(struct sim_client *c, const struct xml *el)
{
    const struct xml *bind = xml_child(el, NS_BIND, "bind");
    if (c->state != SIM_CLIENT_READY || c->conf.no_bind || !bind ||
        !str_eqc(xml_get(el, "id"), "sim-bind") || !str_eqc(xml_get(el, "type"), "result"))
        return false;
    struct arena *a = arena_new(0);
    const struct xml *jid = xml_child(bind, NS_BIND, "jid");
    must(jid != NULL);
    mem_free(c->jid);
    c->jid = str_dup(xml_text(a, jid));
    c->state = SIM_CLIENT_BOUND;
    arena_free(&a);
    if (c->conf.sm)
        sim_client_sm_enable(c);
    return true;
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct sim_client *c = ctx;
    if (sim_client_sm_element(c, doc->root) || take_bind(c, doc->root)) {
        xml_doc_free(&doc);
        return;
    }
    struct letter *l = mem_alloc(sizeof *l);
    l->doc = doc;
    list_push(&c->inbox, &l->link);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    struct sim_client *c = ctx;
    c->state = SIM_CLIENT_ENDED;
    c->end = *e;
    stream_out_free(&c->stream);
    sim_client_sm_detach(c);
}

static const struct stream_out_events events = {
    .features = on_features,
    .refused = on_refused,
    .ready = on_ready,
    .element = on_element,
    .end = on_end,
};

static void on_dialled(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct sim_client *c = ctx;
    if (e != ERR_OK) {
        c->state = SIM_CLIENT_ENDED;
        c->end.err = e;
        snprintf(c->end.text, sizeof c->end.text, "%s", r ? r->why : err_text(e));
        return;
    }
    const struct stream_out_conf sc = {
        .content_ns = NS_CLIENT,
        .to = c->conf.domain,
        .tls = c->conf.tls,
        .tls_required = c->conf.tls != NULL,
        .direct_tls = c->conf.direct_tls,
    };
    c->state = SIM_CLIENT_NEGOTIATING;
    c->stream = stream_out_new(&t, &sc, &events, c);
}

/* ---- life */
struct sim_client *sim_client_new(const struct sim_client_conf *conf)
{
    char name[80];
    struct sim_client *c = mem_alloc(sizeof *c);
    c->conf = *conf;
    list_init(&c->inbox);
    op_owner_init(&c->ops);
    snprintf(name, sizeof name, "%s/0", conf->host);
    c->loop = loop_new(name, 0);
    sim_client_dial(c);
    return c;
}

void sim_client_dial(struct sim_client *c)
{
    struct dial_target target = {.addr = c->conf.server};
    c->state = SIM_CLIENT_DIALLING;
    dial_open(c->loop, &c->ops, dial_source_fixed(c->loop, &target, 1), DIAL_MS, on_dialled, c);
}

void sim_client_free(struct sim_client **pc)
{
    struct sim_client *c = *pc;
    *pc = NULL;
    if (!c)
        return;
    op_owner_cancel_all(&c->ops);
    stream_out_free(&c->stream);
    sim_client_sm_free(c);
    sim_client_forget(c);
    if (c->last)
        xml_doc_free(&c->last);
    mem_free(c->jid);
    loop_free(&c->loop);
    mem_free(c);
}

enum sim_client_state sim_client_state(const struct sim_client *c)
{
    return c->state;
}

const struct stream_end *sim_client_end(const struct sim_client *c)
{
    return &c->end;
}

enum sasl_failure sim_client_refused(const struct sim_client *c)
{
    return c->refused;
}

const char *sim_client_jid(const struct sim_client *c)
{
    return c->jid;
}

struct wait {
    const struct sim_client *client;
    enum sim_client_state state;
};

static bool waited(void *ctx)
{
    const struct wait *w = ctx;
    return w->client->state == w->state || w->client->state == SIM_CLIENT_ENDED;
}

bool sim_client_wait(struct sim_client *c, enum sim_client_state s)
{
    struct wait w = {c, s};
    (void)sim_run(WAIT_US, waited, &w);
    return c->state == s;
}

struct sim_client *sim_client_login(const struct sim_client_conf *conf)
{
    struct sim_client *c = sim_client_new(conf);
    if (sim_client_wait(c, SIM_CLIENT_BOUND))
        return c;
    fprintf(stderr, "%s@%s: no login: %s\n", conf->user, conf->domain, c->end.text);
    sim_client_free(&c);
    return NULL;
}

static __attribute__((format(printf, 2, 0))) void send_va(struct sim_client *c, const char *fmt,
                                                          va_list args, bool counted)
{
    char text[32768];
    int n = vsnprintf(text, sizeof text, fmt, args);
    must(n >= 0 && n < (int)sizeof text);
    if (counted && sim_client_sm_send(c, str_make(text, (size_t)n)))
        return;
    if (c->stream)
        (void)stream_out_send_text(c->stream, str_make(text, (size_t)n));
}

static void send_text(struct sim_client *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    send_va(c, fmt, args, false);
    va_end(args);
}

void sim_client_send(struct sim_client *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    send_va(c, fmt, args, true);
    va_end(args);
}

void sim_client_put(struct sim_client *c, struct str bytes)
{
    if (c->stream)
        (void)stream_out_send_text(c->stream, bytes);
}

void sim_client_pause(struct sim_client *c, bool paused)
{
    if (c->stream)
        stream_out_pause(c->stream, paused);
}

void sim_client_close(struct sim_client *c)
{
    if (c->stream)
        stream_out_close(c->stream, STREAM_OK, NULL);
}
