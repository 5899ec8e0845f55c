/* Arbitrary bytes of a server that we connected to: what an initiating server makes of headers,
 * features, SASL and dialback answers, stream management. First byte: bit 0: a stanza waits and the
 * header and features with dialback were played; bit 1: dialback was accepted, too, with bidi and
 * acks on; high bits: how the rest is cut into reads. Oracle: what we say is a well-formed stream;
 * a stanza is sent only after proof; stanzas are delivered only of the pair, and only when the
 * stream is bidirectional; every stanza and token comes back; everything is gone in the end. */
#include "s2s/tests-fuzz-int.h"

enum { PLAYED = 1, PROVED = 2 };

static unsigned played;
static unsigned tokens;

static bool is_local(void *ctx, struct str domain)
{
    (void)ctx;
    return str_eqc(domain, "d0.test");
}
static void deliver(void *ctx, struct stanza *s, struct s2s_receipt r)
{
    (void)ctx;
    must(str_eqc(s->from.domain, "d1.test") && str_eqc(s->to.domain, "d0.test"));
    stanza_unref(&s);
    (void)r;
}
static void bounce(void *ctx, struct stanza *s, enum stanza_cond c, const char *text, void *token)
{
    (void)ctx;
    must(c != STANZA_OK && *text);
    tokens -= token != NULL;
    stanza_unref(&s);
}
static void taken(void *ctx, void *token)
{
    (void)ctx;
    tokens -= token != NULL;
}
static const struct s2s_host_ops host = {
    .is_local_domain = is_local, .deliver = deliver, .bounce = bounce, .taken = taken};

static void send(struct s2s *s)
{
    static char token;
    struct stanza *st;
    must(
        stanza_parse(STR("<iq type='get' id='1' from='u@d0.test' to='d1.test'><q xmlns='x'/></iq>"),
                     &st) == ERR_OK);
    tokens++;
    s2s_send(s, st, &token);
}

static void play_negotiation(struct wire *w)
{
    play(w,
         STR("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
             "xmlns:db='jabber:server:dialback' from='d1.test' to='d0.test' id='i' version='1.0'>"
             "<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
             "<bidi xmlns='urn:xmpp:features:bidi'/><sm xmlns='urn:xmpp:sm:3'/>"
             "</stream:features>"),
         1 << 20);
    if (played & PROVED)
        play(w,
             STR("<db:result from='d1.test' to='d0.test' type='valid'/>"
                 "<enabled xmlns='urn:xmpp:sm:3' id='s' resume='true'/>"),
             1 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n)
        return 0;
    struct wire w;
    struct dns *dns;
    struct loop *l = fuzz_loop(&dns);
    wire_begin(&w, l);
    played = data[0] & 3U;
    tokens = 0;
    struct s2s *s = s2s_new(l, &fuzz_conf, NULL, dns, &host, NULL);
    send(s);
    struct transport *t = &w.t;
    s2s_out_take(list_entry(list_first(&s->outs), struct s2s_out, link), &t);
    if (played & PLAYED)
        play_negotiation(&w);
    must((played & (PLAYED | PROVED)) == (PLAYED | PROVED) || w.stanzas == 0);
    play(&w, str_make((const char *)data + 1, n - 1), wire_pieces[data[0] >> 5]);
    fuzz_end(&s, &w);
    must(tokens == 0);
    return 0;
}
