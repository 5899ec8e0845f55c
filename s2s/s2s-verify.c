/* DOC: asking the authoritative server (XEP-0220 step 2 and 3), in the role of the receiving
 * server. Design: a question goes over an outgoing stream to that very domain if there is one, else
 * over a connection made for questions, found by DNS, which serves all questions to the domain and
 * stays a while after the last answer. Never over the stream the request came by. An answer must
 * match a question on the very stream it was asked on by (from, to, id): an answer nobody asked for
 * proves nothing (the forgery of 2012), and an answer that comes twice counts once. TLS is used as
 * policy asks; its certificate proves nothing here, the name server's word is the proof, which may
 * be TLSA records: then the certificate has to match. A stream that dies under a question is
 * replaced once. Standards: XEP-0220 sections 2.2, 3.1; XEP-0288 section 2.2. */
#include "s2s/s2s-int.h"

enum { ASKER_IDLE_MS = 5000, ASKERS_IDLE_MAX = 1000 };

/* A connection for questions to one domain. */
struct s2s_asker {
    struct s2s *s2s;
    char *remote;
    struct op_owner ops;
    struct stream_out *stream;
    struct timer idle;
    struct list questions; /* struct s2s_verify.via */
    bool is_ready;
    struct dial_target *vouched; /* what DNSSEC says of the server; mostly NULL */
    struct log_scope log;
};

static void asker_free(struct s2s_asker *a)
{
    (void)hmap_del(&a->s2s->askers, str_of(a->remote));
    op_owner_cancel_all(&a->ops);
    timer_stop(&a->idle);
    if (a->stream)
        stream_out_close(a->stream, STREAM_OK, NULL);
    stream_out_free(&a->stream);
    mem_free(a->remote);
    mem_free(a->vouched);
    mem_free(a);
}

void s2s_askers_fini(struct s2s *s)
{
    size_t it = 0;
    for (struct s2s_asker *a; (a = hmap_next(&s->askers, &it, NULL));)
        asker_free(a);
    hmap_fini(&s->askers);
}

/* ---- answers ---- */

static void on_tell(void *ctx)
{
    struct s2s_verify *v = ctx;
    v->done(v->line, v, v->result, v->condition);
    s2s_verify_free(v);
}

/* Settle the answer; the first one stays. */
static void answer(struct s2s_verify *v, enum dialback_type result, const char *condition,
                   const char *why)
{
    if (v->is_answered)
        return;
    v->is_answered = true;
    v->result = result;
    v->condition = condition;
    list_del(&v->via);
    timer_stop(&v->deadline);
    log_info(&v->log, "s2s.verify.done", "result",
             result == DIALBACK_VALID     ? "valid"
             : result == DIALBACK_INVALID ? "invalid"
                                          : condition,
             "why", why);
    loop_defer(v->line->s2s->loop, &v->tell);
}

static void on_deadline(void *ctx)
{
    answer(ctx, DIALBACK_ERROR, "remote-server-timeout", "no answer in time");
}

static void settle(struct s2s_verify *v, const struct dialback_msg *m)
{
    if (m->type == DIALBACK_ERROR) {
        bool is_not_hosted = strcmp(m->condition, "item-not-found") == 0;
        answer(v, DIALBACK_ERROR,
               is_not_hosted ? "remote-server-not-found" : "remote-server-timeout",
               "the authoritative server answered with an error");
    } else {
        answer(v, m->type, "", "answered");
    }
}

bool s2s_verify_answered(struct list *questions, const struct dialback_msg *m)
{
    list_each (questions, n) {
        struct s2s_verify *v = list_entry(n, struct s2s_verify, via);
        if (!v->is_asked || !str_eqc(m->from, v->remote) || !str_eqc(m->to, v->local) ||
            !str_eqc(m->id, v->id))
            continue;
        settle(v, m);
        return true;
    }
    return false;
}

/* ---- the stream of a connection for questions ---- */

static struct xml *question(struct arena *a, const struct s2s_verify *v)
{
    struct dialback_msg m = {.is_verify = true,
                             .from = str_of(v->local),
                             .to = str_of(v->remote),
                             .id = str_of(v->id),
                             .key = str_of(v->key)};
    return dialback_build(a, &m);
}

static void ask(struct s2s_asker *a, struct s2s_verify *v)
{
    struct arena *arena = arena_new(0);
    v->is_asked = true;
    (void)stream_out_send(a->stream, question(arena, v));
    arena_free(&arena);
}

static void on_idle(void *ctx)
{
    struct s2s_asker *a = ctx;
    if (list_empty(&a->questions))
        asker_free(a);
    else
        timer_start(&a->idle, ASKER_IDLE_MS);
}

/* All that was asked is answered so, and the connection is over. */
static void asker_fail(struct s2s_asker *a, const char *condition, const char *why)
{
    list_each (&a->questions, n)
        answer(list_entry(n, struct s2s_verify, via), DIALBACK_ERROR, condition, why);
    asker_free(a);
}

static bool on_secured(void *ctx)
{
    struct s2s_asker *a = ctx;
    struct s2s_evidence e;
    const struct transport *t = stream_out_transport(a->stream);
    s2s_evidence_take(&e, t, str_of(a->remote));
    s2s_evidence_add_dane(&e, t, str_of(a->remote), a->vouched);
    if (e.dane == S2S_DANE_MISMATCH)
        log_info(&a->log, "s2s.verify.cert.refused", "why", e.why);
    return e.dane != S2S_DANE_MISMATCH;
}

static enum stream_out_next on_features(void *ctx, const struct xml *features,
                                        struct sasl_client **client, enum sasl_mech *m)
{
    (void)ctx;
    (void)features;
    (void)client;
    (void)m;
    return STREAM_OUT_READY;
}

static void on_ready(void *ctx, const struct xml *features, bool sasl_done)
{
    struct s2s_asker *a = ctx;
    (void)features;
    (void)sasl_done;
    a->is_ready = true;
    timer_start(&a->idle, hmap_count(&a->s2s->askers) < ASKERS_IDLE_MAX ? ASKER_IDLE_MS : 0);
    list_each (&a->questions, n)
        ask(a, list_entry(n, struct s2s_verify, via));
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct s2s_asker *a = ctx;
    struct dialback_msg m;
    if (dialback_read(doc->arena, doc->root, &m) != ERR_OK)
        log_info(&a->log, "s2s.verify.element.ignored", "name", doc->root->name);
    else if (!m.is_verify || m.type == DIALBACK_REQUEST || !s2s_verify_answered(&a->questions, &m))
        log_warn(&a->log, "s2s.dialback.unasked", "from", LOG_STR(m.from), "to", LOG_STR(m.to));
    xml_doc_free(&doc);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    asker_fail(ctx,
               e->received == STREAM_HOST_UNKNOWN ? "remote-server-not-found"
                                                  : "remote-server-timeout",
               e->text);
}

static const struct stream_out_events stream_up = {.secured = on_secured,
                                                   .features = on_features,
                                                   .ready = on_ready,
                                                   .element = on_element,
                                                   .end = on_end};

static void on_dialed(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct s2s_asker *a = ctx;
    const struct s2s_verify *first;
    char sni[256];
    if (e != ERR_OK) {
        bool is_absent = s2s_cause_cond(s2s_cause_of_dial(e)) == STANZA_REMOTE_SERVER_NOT_FOUND;
        asker_fail(a, is_absent ? "remote-server-not-found" : "remote-connection-failed", r->why);
        return;
    }
    if (list_empty(&a->questions)) { /* they were taken back */
        transport_close(&t);
        asker_free(a);
        return;
    }
    first = list_entry(list_first(&a->questions), struct s2s_verify, via);
    bool has_sni = jid_domain_ascii(str_of(a->remote), sni) == ERR_OK;
    struct stream_out_conf c = {.content_ns = NS_SERVER,
                                .from = first->local,
                                .to = a->remote,
                                .tls = a->s2s->conf.tls_client,
                                .tls_required =
                                    a->s2s->conf.tls_required || r->target.dane == DIAL_DANE_TLSA,
                                .direct_tls = r->target.direct_tls,
                                .sni = has_sni ? sni : NULL,
                                .dialback = true,
                                .limits = a->s2s->conf.limits};
    if (r->target.dane != DIAL_DANE_NONE)
        a->vouched = mem_dup(&r->target, sizeof r->target);
    a->stream = stream_out_new(&t, &c, &stream_up, a);
}

static struct s2s_asker *asker_new(struct s2s *s, const char *remote)
{
    struct s2s_asker *a = mem_alloc(sizeof *a);
    a->s2s = s;
    a->remote = mem_strdup(remote);
    a->log = (struct log_scope){
        .key1 = "direction", .value1 = "verify", .key2 = "remote", .value2 = a->remote};
    op_owner_init(&a->ops);
    list_init(&a->questions);
    timer_init(&a->idle, s->loop, on_idle, a);
    must(!hmap_put(&s->askers, str_of(a->remote), a));
    return a;
}

/* A connection of its own: the one that is there, or a new one. */
static void ask_apart(struct s2s_verify *v)
{
    struct s2s *s = v->line->s2s;
    struct s2s_asker *a = hmap_get(&s->askers, str_of(v->remote));
    struct dial_source src;
    uint64_t limit = s->conf.tune.connect_timeout_ms;
    if (!a) {
        if (s2s_source(s, v->remote, &src) != ERR_OK) {
            answer(v, DIALBACK_ERROR, "remote-server-not-found", "not a domain name");
            return;
        }
        a = asker_new(s, v->remote);
        dial_open(s->loop, &a->ops, src, limit > 1 ? limit - 1 : 1, on_dialed, a);
    }
    list_push(&a->questions, &v->via);
    if (a->is_ready)
        ask(a, v);
}

/* ---- questions ---- */

void s2s_verify_lost(struct list *questions)
{
    for (struct list *n = list_shift(questions); n; n = list_shift(questions)) {
        struct s2s_verify *v = list_entry(n, struct s2s_verify, via);
        v->is_asked = false;
        ask_apart(v);
    }
}

static void begin(struct s2s_verify *v)
{
    struct s2s_line *way = s2s_road(v->line->s2s, str_of(v->remote));
    if (!way || way == v->line) {
        ask_apart(v);
        return;
    }
    struct arena *arena = arena_new(0);
    v->is_asked = true;
    list_push(&way->questions, &v->via);
    (void)s2s_line_el(way, question(arena, v));
    arena_free(&arena);
}

void s2s_verify_new(struct s2s_line *l, const struct dialback_msg *m, s2s_verify_done *done)
{
    struct s2s_verify *v = mem_alloc(sizeof *v);
    v->line = l;
    v->local = str_dup(m->to);
    v->remote = str_dup(m->from);
    v->id = str_dup(s2s_line_stream_id(l));
    v->key = str_dup(m->key);
    v->done = done;
    v->log = (struct log_scope){
        .key1 = "local", .value1 = v->local, .key2 = "remote", .value2 = v->remote};
    timer_init(&v->deadline, l->s2s->loop, on_deadline, v);
    defer_init(&v->tell, on_tell, v);
    timer_start(&v->deadline, l->s2s->conf.tune.connect_timeout_ms);
    list_push(&l->verifies, &v->link);
    l->n_verifies++;
    begin(v);
}

void s2s_verify_free(struct s2s_verify *v)
{
    list_del(&v->link);
    list_del(&v->via);
    timer_stop(&v->deadline);
    defer_cancel(&v->tell);
    mem_free(v->local);
    mem_free(v->remote);
    mem_free(v->id);
    mem_free(v->key);
    mem_free(v);
}
