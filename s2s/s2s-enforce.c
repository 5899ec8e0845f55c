/* DOC: the policy in force on an instance: what it says about a domain, and what ends when it
 * changes.
 * Design: asked where something begins, whatever the proof: a stanza to send, an outbox that wants
 * a stream, the header of an incoming stream (so that EXTERNAL is covered), each further pair by
 * dialback. A new policy closes the streams of domains that are denied now, or that have to prove
 * themselves better than they did. Standards: RFC 6120 section 4.9.3.14 (policy-violation),
 * XEP-0220 section 2.5. */
#include "s2s/s2s-int.h"

void s2s_terms(const struct s2s *s, struct str remote, struct s2s_terms *out)
{
    *out = (struct s2s_terms){.tls_required = s->conf.tls_required,
                              .dialback = s->conf.dialback,
                              .external = s->conf.external};
    s2s_policy_apply(s->policy, remote, out);
    s2s_rtbl_apply(s->rtbl, remote, out);
}

enum s2s_cause s2s_terms_cause(const struct s2s_terms *t)
{
    return t->is_listed ? S2S_CAUSE_POLICY_LISTED : S2S_CAUSE_POLICY_OURS;
}

bool s2s_denies(struct s2s *s, struct str remote, bool is_inbound, struct s2s_terms *t)
{
    if (!s->policy && !s->rtbl)
        return false;
    s2s_terms(s, remote, t);
    if (t->is_denied)
        s2s_domain_note(s, remote, is_inbound, s2s_terms_cause(t), t->why);
    return t->is_denied;
}

bool s2s_may_come(struct s2s *s, struct str remote, bool take)
{
    struct s2s_terms t;
    s2s_terms(s, remote, &t);
    bool ok = t.is_named || (take ? s2s_newcomers_take(s->conf.newcomers, remote)
                                  : s2s_newcomers_allows(s->conf.newcomers, remote));
    if (!ok)
        log_info(NULL, "s2s.in.newcomer.refused", "remote", LOG_STR(remote));
    return ok;
}

const struct stream_in_conf *s2s_in_conf_for(const struct s2s *s, struct str remote)
{
    struct s2s_terms t;
    if (!s->policy || !remote.p)
        return &s->in_conf;
    s2s_terms(s, remote, &t);
    return t.tls_required ? &s->in_conf : &s->in_conf_plain;
}

/* ---- another policy ---- */

static bool offends(struct s2s *s, struct str remote, bool is_proved, struct s2s_terms *t)
{
    s2s_terms(s, remote, t);
    return t->is_denied || (t->needs_cert && !is_proved);
}

void s2s_enforce_in(struct s2s_in *in)
{
    struct s2s_terms t;
    bool is_wrong = in->claimed && offends(in->s2s, str_of(in->claimed), true, &t);
    for (size_t i = 0; i < in->line.pairs.n && !is_wrong; i++) {
        const struct s2s_pair *p = &in->line.pairs.p[i];
        is_wrong = offends(in->s2s, str_of(p->remote), strcmp(p->auth, "dialback") != 0, &t);
    }
    if (!is_wrong || in->line.is_closing)
        return;
    log_info(&in->log, "s2s.in.policy", "why", t.why);
    s2s_in_close(in, STREAM_POLICY_VIOLATION, t.why);
}

static void enforce_out(struct s2s_out *o)
{
    struct s2s_terms t;
    bool is_wrong = false, has_peer = o->state != S2S_OUT_DIAL && o->is_secure;
    list_each (&o->ways, n) {
        const struct s2s_way *w = list_entry(n, struct s2s_way, link);
        bool is_proved = !has_peer || s2s_evidence_proves(&o->evidence);
        is_wrong = is_wrong || offends(o->s2s, str_of(w->remote), is_proved, &t);
    }
    if (!is_wrong)
        return;
    log_info(&o->log, "s2s.out.policy", "why", t.why);
    s2s_out_event(o, o->state == S2S_OUT_READY ? S2S_EV_IDLE : S2S_EV_STOP);
}

static void enforce_box(struct s2s_outbox *b)
{
    struct s2s_terms t;
    s2s_terms(b->s2s, str_of(b->remote), &t);
    if (t.is_denied)
        s2s_outbox_fail(b, s2s_terms_cause(&t), t.why);
}

static void enforce(struct s2s *s)
{
    if (s->is_stopping)
        return;
    list_each (&s->ins, n)
        s2s_enforce_in(list_entry(n, struct s2s_in, link));
    list_each (&s->outs, n)
        enforce_out(list_entry(n, struct s2s_out, link));
    size_t it = 0;
    for (struct s2s_domain *d; (d = s2s_domain_any(s, &it));)
        list_each (&d->boxes, n)
            enforce_box(list_entry(n, struct s2s_outbox, of_domain));
}

void s2s_set_policy(struct s2s *s, struct s2s_policy **p_take)
{
    s2s_policy_unref(&s->policy);
    s->policy = *p_take;
    *p_take = NULL;
    if (s->policy)
        enforce(s);
}

void s2s_set_rtbl(struct s2s *s, struct s2s_rtbl_set **take)
{
    s2s_rtbl_set_unref(&s->rtbl);
    s->rtbl = *take;
    *take = NULL;
    if (s->rtbl)
        enforce(s);
}
