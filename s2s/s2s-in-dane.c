/* DOC: TLSA records of a peer that connects to us. Its stream header says who it wants to be; the
 * targets of that domain are found as if we were to connect (dns-source.c), one after the other,
 * and the first whose records are for the certificate it shows is evidence enough for EXTERNAL; so
 * is, with signed SRV records, a certificate that PKIX proves to be of the host they name.
 * Nothing that is found counts against a peer: it may show another certificate as a client, and
 * dialback asks the domain's own server, which has to match. Bounded in time and targets; meanwhile
 * the peer gets no features and is not read. Standards: RFC 7673 sections 3, 4.1, 6; RFC 7712
 * section 5. */
#include "s2s/s2s-int.h"

struct s2s_in_dane {
    struct s2s_in *in;
    struct s2s_evidence evidence; /* of PKIX alone */
    struct dial_source source;
    struct timer limit;
    unsigned left;
};

void s2s_in_dane_stop(struct s2s_in *in)
{
    struct s2s_in_dane *d = in->dane;
    in->dane = NULL;
    if (!d)
        return;
    timer_stop(&d->limit);
    d->source.ops->close(d->source.src);
    mem_free(d);
}

static void decide(struct s2s_in *in, bool is_vouched)
{
    in->is_vouched = is_vouched;
    s2s_in_dane_stop(in);
    log_info(&in->log, "s2s.in.dane", "vouches", is_vouched ? "yes" : "no");
    stream_in_release_features(in->stream);
}

static void on_limit(void *ctx)
{
    const struct s2s_in_dane *d = ctx;
    decide(d->in, false);
}

static void on_target(void *ctx, enum err e, const struct dial_target *target)
{
    struct s2s_in_dane *d = ctx;
    if (e != ERR_OK)
        decide(d->in, false);
    else if (s2s_evidence_is_vouched(&d->evidence, stream_in_transport(d->in->stream),
                                     str_of(d->in->claimed), target))
        decide(d->in, true);
    else if (--d->left == 0)
        decide(d->in, false);
    else
        d->source.ops->next(d->source.src, on_target, d);
}

void s2s_in_dane_ask(struct s2s_in *in)
{
    struct s2s *s = in->s2s;
    struct dial_source source;
    struct s2s_evidence e;
    in->is_vouched = false;
    if (!in->claimed || !s->conf.external || !dns_trusts_resolver(s->dns))
        return;
    s2s_evidence_take(&e, stream_in_transport(in->stream), str_of(in->claimed));
    if (!e.has_cert || s2s_evidence_proves(&e) || s2s_source(s, in->claimed, &source) != ERR_OK)
        return;
    struct s2s_in_dane *d = mem_alloc(sizeof *d);
    *d = (struct s2s_in_dane){
        .in = in, .evidence = e, .source = source, .left = S2S_IN_DANE_TARGETS};
    timer_init(&d->limit, s->loop, on_limit, d);
    timer_start(&d->limit, S2S_IN_DANE_MS);
    in->dane = d;
    stream_in_hold_features(in->stream);
    source.ops->next(source.src, on_target, d);
}
