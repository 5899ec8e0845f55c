/* DOC: asking the authoritative server (XEP-0220 step 2 and 3), in the role of the receiving
 * server. Design: one stream per question, found by DNS, closed after the answer. The answer must
 * match the question on this very stream by (from, to, id): an answer nobody asked for proves
 * nothing (the forgery of 2012), and an answer that comes twice counts once. TLS is used as policy
 * asks; its certificate proves nothing here, the name server's word is the proof. */
#include "s2s/s2s-int.h"

static void on_tell(void *ctx)
{
    struct s2s_verify *v = ctx;
    v->done(v->ctx, v, v->result, v->condition);
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
    timer_stop(&v->deadline);
    log_info(&v->log, "s2s.verify.done", "result",
             result == DIALBACK_VALID     ? "valid"
             : result == DIALBACK_INVALID ? "invalid"
                                          : condition,
             "why", why);
    loop_defer(v->s2s->loop, &v->tell);
}

static void on_deadline(void *ctx)
{
    answer(ctx, DIALBACK_ERROR, "remote-server-timeout", "no answer in time");
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
    struct s2s_verify *v = ctx;
    struct arena *a = arena_new(0);
    struct dialback_msg m = {.is_verify = true,
                             .from = str_of(v->local),
                             .to = str_of(v->remote),
                             .id = str_of(v->id),
                             .key = str_of(v->key)};
    (void)features;
    (void)sasl_done;
    v->is_asked = true;
    (void)stream_out_send(v->stream, dialback_build(a, &m));
    arena_free(&a);
}

static bool is_our_question(const struct s2s_verify *v, const struct dialback_msg *m)
{
    return v->is_asked && m->is_verify && m->type != DIALBACK_REQUEST &&
           str_eqc(m->from, v->remote) && str_eqc(m->to, v->local) && str_eqc(m->id, v->id);
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct s2s_verify *v = ctx;
    struct dialback_msg m;
    if (dialback_read(doc->arena, doc->root, &m) != ERR_OK) {
        log_info(&v->log, "s2s.verify.element.ignored", "name", doc->root->name);
    } else if (!is_our_question(v, &m)) {
        log_warn(&v->log, "s2s.dialback.unasked", "from", LOG_STR(m.from), "to", LOG_STR(m.to));
    } else if (m.type == DIALBACK_ERROR) {
        bool is_not_hosted = strcmp(m.condition, "item-not-found") == 0;
        answer(v, DIALBACK_ERROR,
               is_not_hosted ? "remote-server-not-found" : "remote-server-timeout",
               "the authoritative server answered with an error");
    } else {
        answer(v, m.type, "", "answered");
    }
    xml_doc_free(&doc);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    answer(ctx, DIALBACK_ERROR,
           e->received == STREAM_HOST_UNKNOWN ? "remote-server-not-found" : "remote-server-timeout",
           e->text);
}

static const struct stream_out_events stream_up = {
    .features = on_features, .ready = on_ready, .element = on_element, .end = on_end};

static void on_dialed(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct s2s_verify *v = ctx;
    char sni[256];
    if (e != ERR_OK) {
        bool is_absent = s2s_cause_is_final(s2s_cause_of_dial(e));
        answer(v, DIALBACK_ERROR,
               is_absent ? "remote-server-not-found" : "remote-connection-failed", r->why);
        return;
    }
    bool has_sni = jid_domain_ascii(str_of(v->remote), sni) == ERR_OK;
    struct stream_out_conf c = {.content_ns = NS_SERVER,
                                .from = v->local,
                                .to = v->remote,
                                .tls = v->s2s->conf.tls_client,
                                .tls_required = v->s2s->conf.tls_required,
                                .direct_tls = r->target.direct_tls,
                                .sni = has_sni ? sni : NULL,
                                .dialback = true,
                                .limits = v->s2s->conf.limits};
    v->stream = stream_out_new(&t, &c, &stream_up, v);
}

struct s2s_verify *s2s_verify_new(struct s2s *s, const struct dialback_msg *m, const char *id,
                                  s2s_verify_done *done, void *ctx)
{
    struct s2s_verify *v = mem_alloc(sizeof *v);
    struct dial_source src;
    uint64_t limit = s->conf.tune.connect_timeout_ms;
    v->s2s = s;
    v->local = str_dup(m->to);
    v->remote = str_dup(m->from);
    v->id = mem_strdup(id);
    v->key = str_dup(m->key);
    v->done = done;
    v->ctx = ctx;
    v->log = (struct log_scope){
        .key1 = "local", .value1 = v->local, .key2 = "remote", .value2 = v->remote};
    op_owner_init(&v->ops);
    timer_init(&v->deadline, s->loop, on_deadline, v);
    defer_init(&v->tell, on_tell, v);
    timer_start(&v->deadline, limit);
    if (s2s_source(s, v->remote, &src) == ERR_OK)
        dial_open(s->loop, &v->ops, src, limit > 1 ? limit - 1 : 1, on_dialed, v);
    else
        answer(v, DIALBACK_ERROR, "remote-server-not-found", "not a domain name");
    return v;
}

void s2s_verify_free(struct s2s_verify *v)
{
    list_del(&v->link);
    op_owner_cancel_all(&v->ops);
    timer_stop(&v->deadline);
    defer_cancel(&v->tell);
    if (v->stream)
        stream_out_close(v->stream, STREAM_OK, NULL);
    stream_out_free(&v->stream);
    mem_free(v->local);
    mem_free(v->remote);
    mem_free(v->id);
    mem_free(v->key);
    mem_free(v);
}
