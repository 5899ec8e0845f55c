/* Arbitrary first-level bytes into an incoming server stream whose header was played. First byte: 1
 * the pair (d0.test, d1.test) is proved; high bits: how the rest is cut into reads. Oracle: only
 * stanzas of that pair are delivered, nothing without proof; what we answer is a well-formed
 * stream; everything is gone in the end. */
#include "s2s/tests-fuzz-int.h"

static bool is_proved;

static bool is_local(void *ctx, struct str domain)
{
    (void)ctx;
    return str_eqc(domain, "d0.test") || str_eqc(domain, "sub.d0.test");
}
static void deliver(void *ctx, struct stanza *s, struct s2s_receipt r)
{
    must(is_proved);
    must(str_eqc(s->from.domain, "d1.test") && str_eqc(s->to.domain, "d0.test"));
    stanza_unref(&s);
    s2s_queued(*(struct s2s **)ctx, r);
    s2s_received(*(struct s2s **)ctx, r);
}
static void bounce(void *ctx, struct stanza *s, enum stanza_cond c, const char *text, void *token)
{
    (void)ctx;
    must(!token);
    must(c != STANZA_OK && *text);
    stanza_unref(&s);
}
static const struct s2s_host_ops host = {
    .is_local_domain = is_local, .deliver = deliver, .bounce = bounce};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n)
        return 0;
    struct wire w;
    struct dns *dns;
    struct loop *l = fuzz_loop(&dns);
    wire_begin(&w, l);
    struct s2s *s = NULL;
    s = s2s_new(l, &fuzz_conf, NULL, dns, &host, &s);
    is_proved = data[0] & 1;
    s2s_accept(s, &w.t, false, NULL);
    play(&w,
         STR("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
             "xmlns:db='jabber:server:dialback' from='d1.test' to='d0.test' version='1.0'>"),
         1 << 20);
    struct s2s_in *in = list_entry(list_first(&s->ins), struct s2s_in, link);
    if (is_proved) {
        must(s2s_line_add_pair(&in->line, STR("d0.test"), STR("d1.test"), "dialback"));
        stream_in_set_authenticated(in->stream);
    }
    play(&w, str_make((const char *)data + 1, n - 1), wire_pieces[data[0] >> 5]);
    fuzz_end(&s, &w);
    return 0;
}
