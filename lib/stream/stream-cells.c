/* DOC: the cells both tables share, how elements become events, and output.
 * Closing handshake (RFC 6120 section 4.4): we send the end tag and wait for the peer's; when the
 * peer was first we answer and are done. After a close in order, elements on their way are still
 * delivered until the peer's end tag. */
#include "lib/net/tls.h"
#include "lib/stream/stream-int.h"

static const struct {
    const char *ns, *name;
    enum stream_event ev;
} element_events[] = {
    {NS_STREAM, "error", SEV_ERROR},
    {NS_STREAM, "features", SEV_FEATURES},
    {NS_TLS, "starttls", SEV_STARTTLS},
    {NS_TLS, "proceed", SEV_PROCEED},
    {NS_TLS, "failure", SEV_TLS_FAILURE},
    {NS_SASL, "auth", SEV_AUTH},
    {NS_SASL2, "authenticate", SEV_AUTHENTICATE},
    {NS_SASL2, "response", SEV_RESPONSE},
    {NS_SASL2, "abort", SEV_ABORT},
    {NS_SASL, "response", SEV_RESPONSE},
    {NS_SASL, "abort", SEV_ABORT},
    {NS_SASL, "challenge", SEV_CHALLENGE},
    {NS_SASL, "success", SEV_SUCCESS},
    {NS_SASL, "failure", SEV_FAILURE},
};

enum stream_event stream_classify(const struct xml *el)
{
    for (size_t i = 0; i < ARRAY_LEN(element_events); i++)
        if (el->ns == element_events[i].ns && strcmp(el->name, element_events[i].name) == 0)
            return element_events[i].ev;
    return SEV_ELEMENT;
}

void stream_never(struct stream_base *b, struct stream_input *in)
{
    (void)b;
    (void)in;
    (void)expect(!"an event that cannot come in this state");
}

void stream_ignore(struct stream_base *b, struct stream_input *in)
{
    (void)b;
    (void)in;
}

void stream_up(struct stream_base *b, struct stream_input *in)
{
    struct xml_doc *doc = *in->doc;
    *in->doc = NULL;
    b->machine->deliver(b, doc);
}

void stream_unsupported(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    stream_shut_down(b, STREAM_UNSUPPORTED_STANZA_TYPE, ERR_PROTOCOL, "not expected now");
}

static void note_received(struct stream_base *b, const struct xml *error)
{
    struct str text = STR_NONE;
    struct stream_end *end = stream_end_of(b);
    end->received = stream_error_read(error, &text);
    log_debug(&b->log, "stream.error.received", "condition", stream_cond_name(end->received),
              "text", LOG_STR(text));
    if (!end->text[0])
        snprintf(end->text, STREAM_END_TEXT, "peer sent %s%s" STR_FMT,
                 stream_cond_name(end->received), text.n ? ": " : "",
                 (int)(text.n < 100 ? text.n : 100), text.p ? text.p : "");
}

void stream_peer_error(struct stream_base *b, struct stream_input *in)
{
    note_received(b, in->el);
    stream_shut_down(b, STREAM_OK, ERR_OK, NULL);
    b->is_draining = false;
}

static void note_orderly(struct stream_base *b)
{
    struct stream_end *end = stream_end_of(b);
    end->is_orderly = b->t != NULL;
    end->unsent_bytes = b->t ? transport_queued(b->t) : 0;
}

void stream_peer_close(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    note_orderly(b);
    stream_shut_down(b, STREAM_OK, ERR_OK, NULL);
    stream_finish(b, ERR_EOF, NULL);
}

void stream_fault(struct stream_base *b, struct stream_input *in)
{
    stream_shut_down(b, in->cond, ERR_PROTOCOL, in->text);
}

void stream_user_close(struct stream_base *b, struct stream_input *in)
{
    stream_shut_down_app(b, in->cond, in->err, in->text, in->app);
}

void stream_late(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    stream_shut_down(b, STREAM_CONNECTION_TIMEOUT, ERR_TIMEOUT, "negotiation took too long");
}

static void note_tls(struct stream_base *b)
{
    const struct tls_info *info = b->t ? transport_tls(b->t) : NULL;
    if (info)
        stream_end_of(b)->tls = info->fault;
}

/* A connection that ends without the end tag was cut, however orderly TCP was about it. */
void stream_lost(struct stream_base *b, struct stream_input *in)
{
    bool is_cut = in->err == ERR_EOF;
    const char *why = is_cut               ? "connection ended within the stream"
                      : in->err == ERR_TLS ? tls_error(b->t)
                                           : NULL;
    stream_end_of(b)->is_eof = is_cut;
    note_tls(b);
    stream_finish(b, is_cut ? ERR_RESET : in->err, why && *why ? why : NULL);
}

/* In a TLS handshake no XML may be sent: the connection just ends (RFC 6120 section 5.4.3.2). */
void stream_mute_close(struct stream_base *b, struct stream_input *in)
{
    stream_finish(b, in->err ? in->err : ERR_CLOSED,
                  in->text ? in->text : "closed in the TLS handshake");
}

void stream_mute_late(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    stream_finish(b, ERR_TIMEOUT, "TLS handshake took too long");
}

void stream_mute_lost(struct stream_base *b, struct stream_input *in)
{
    char why[STREAM_END_TEXT];
    const char *tls = tls_error(b->t);
    note_tls(b);
    snprintf(why, sizeof why, "TLS handshake failed: %s", tls && *tls ? tls : err_text(in->err));
    stream_finish(b, in->err == ERR_EOF ? ERR_TLS : in->err, why);
}

void stream_closing_element(struct stream_base *b, struct stream_input *in)
{
    if (b->is_draining)
        stream_up(b, in);
}

void stream_closing_error(struct stream_base *b, struct stream_input *in)
{
    if (stream_end_of(b)->received == STREAM_OK)
        note_received(b, in->el);
    b->is_draining = false;
}

void stream_closing_peer_close(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    note_orderly(b);
    stream_finish(b, ERR_EOF, NULL);
}

/* We cannot find the peer's end tag any more: end our direction and wait for its end of the
 * connection. */
void stream_closing_fault(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    b->is_deaf = true;
    transport_shut(b->t);
}

void stream_closing_late(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    stream_finish(b, ERR_TIMEOUT, "no answer to the end of the stream");
}

/* Not every peer answers our end tag; one that then closes the connection in order had it all. */
void stream_closing_lost(struct stream_base *b, struct stream_input *in)
{
    if (in->err == ERR_EOF)
        note_orderly(b);
    stream_finish(b, in->err, NULL);
}

/* ---- output ---- */

void stream_flush_out(struct stream_base *b)
{
    if (b->t)
        (void)transport_send(b->t, buf_view(&b->out));
    buf_clear(&b->out);
    if (b->out.cap > 8192 || xml_parser_is_parked(b->parser))
        buf_release(&b->out);
}

bool stream_send(struct stream_base *b, struct str text)
{
    if (stream_is_shut(b) || !b->is_header_sent)
        return true;
    return transport_send(b->t, text);
}

enum { ADDRESSES_BYTES = 192 }; /* what a stanza grows by: most addresses, the frame */

static bool send_out(struct stream_base *b)
{
    bool ok = stream_send(b, buf_view(&b->out));
    buf_clear(&b->out);
    if (b->out.cap > 8192 || xml_parser_is_parked(b->parser))
        buf_release(&b->out);
    return ok;
}

bool stream_send_el(struct stream_base *b, const struct xml *el)
{
    xml_write(&b->out, el, b->content_ns);
    return send_out(b);
}

bool stream_send_st(struct stream_base *b, const struct stanza *st)
{
    (void)buf_reserve(&b->out, st->bytes + ADDRESSES_BYTES); /* at once instead of by doubling */
    stanza_write(&b->out, st, b->content_ns);
    return send_out(b);
}
