/* The TLS layer over any transport.
 *
 * Design: a BIO of our own reads from the slice the lower layer is just delivering and writes
 * straight into the lower layer's queue, so an idle connection holds no buffers. The plaintext of a
 * turn gathers in one buffer and is written as few records at its end. A ciphertext slice is
 * drained until OpenSSL wants more; when the user pauses in between, the rest of the slice is
 * copied and the lower layer paused, so at most one slice is kept.
 * The user may close or detach in any event; tls_run learns it from a flag on its own stack,
 * because after a detach another thread may own the object already, and does not touch it again.
 * Invariants: OpenSSL's error queue is empty before each call into it (looking is cheaper than
 * clearing); after a fatal error no call but
 * SSL_free; SSL_free only after SSL_set_shutdown, or the session would not be resumable. Standards:
 * RFC 8446, RFC 5246. */
#include <openssl/err.h>

#include "lib/base/buf.h"
#include "lib/net/net-int.h"
#include "lib/net/tls-int.h"

#define TLS_READ_BYTES (16 << 10) /* the largest record */
#define TLS_PENDING_MAX_BYTES ((size_t)1 << 20)

enum tls_state {
    TLS_HANDSHAKE, /* output gathers */
    TLS_OPEN,
    TLS_BROKEN, /* fatal error or the lower layer's end: output is swallowed */
};

enum tls_fin {
    TLS_FIN_NONE,
    TLS_FIN_WANTED,
    TLS_FIN_SENT,
};

struct tls {
    struct transport t;
    struct transport *lower; /* NULL while it is a parcel */
    struct parcel *lower_parcel;
    struct tls_set *set;
    SSL *ssl;
    enum tls_state state;
    enum tls_fin fin;
    struct str in;      /* ciphertext not yet read by OpenSSL: lies in pending, unless borrowed */
    bool borrowed;      /* in is the slice the lower layer is just delivering */
    struct buf pending; /* owned ciphertext, kept over a pause */
    struct buf plain;   /* output of this turn */
    struct defer turn;
    bool *gone;       /* of the running tls_run: set when the object is given up */
    enum err end_why; /* to be reported when the input is drained; ERR_OK: none */
    bool paused, ended;
    bool run_due;       /* there may be input to work off at the end of the turn */
    bool blocked;       /* a send returned false: drain is owed */
    bool lower_blocked; /* the lower's did */
    struct tls_info info;
};

static const struct transport_ops tls_ops;

struct tls_parcel {
    struct parcel p;
    struct tls *tls;
};

static struct tls *tls_of(const struct transport *t)
{
    return container_of((struct transport *)(uintptr_t)t, struct tls, t);
}

/* --- the BIO --- */

static int tls_bio_read(BIO *b, char *out, size_t size, size_t *got)
{
    struct tls *s = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    *got = size < s->in.n ? size : s->in.n;
    if (*got == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    memcpy(out, s->in.p, *got);
    s->in = str_make(s->in.p + *got, s->in.n - *got);
    return 1;
}

static int tls_bio_write(BIO *b, const char *p, size_t n, size_t *put)
{
    struct tls *s = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    if (s->lower && !transport_send(s->lower, str_make(p, n)))
        s->lower_blocked = true;
    *put = n;
    return 1;
}

static long tls_bio_ctrl(BIO *b UNUSED, int cmd, long num UNUSED, void *ptr UNUSED)
{
    return cmd == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "slices");
    must(m && BIO_meth_set_read_ex(m, tls_bio_read) && BIO_meth_set_write_ex(m, tls_bio_write) &&
         BIO_meth_set_ctrl(m, tls_bio_ctrl));
    return m;
}

struct tls_info *tls_info_of(SSL *ssl)
{
    struct tls *s = BIO_get_data(SSL_get_rbio(ssl));
    return &s->info;
}

struct tls_words *tls_words(struct tls_info *i)
{
    if (!i->words)
        i->words = mem_alloc(sizeof *i->words);
    return i->words;
}

/* --- ends --- */

static void tls_no_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

static void tls_wake(struct tls *s)
{
    loop_defer(s->t.loop, &s->turn);
}

static void tls_break(struct tls *s, enum err why)
{
    s->state = TLS_BROKEN;
    if (!s->end_why)
        s->end_why = why;
    buf_release(&s->plain);
    s->in = STR_NONE;
    s->run_due = true;
}

static enum tls_fault tls_fault_of(unsigned long code)
{
    static const struct {
        int reason;
        enum tls_fault fault;
    } table[] = {
        {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, TLS_FAULT_VERSION},
        {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, TLS_FAULT_VERSION},
        {SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY, TLS_FAULT_VERSION},
        {SSL_R_UNSUPPORTED_PROTOCOL, TLS_FAULT_VERSION},
        {SSL_R_NO_SHARED_CIPHER, TLS_FAULT_VERSION},
        {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, TLS_FAULT_VERSION},
        {SSL_R_WRONG_CIPHER_RETURNED, TLS_FAULT_VERSION},
        {SSL_R_WRONG_VERSION_NUMBER, TLS_FAULT_GARBAGE},
        {SSL_R_PACKET_LENGTH_TOO_LONG, TLS_FAULT_GARBAGE},
        {SSL_R_HTTP_REQUEST, TLS_FAULT_GARBAGE},
        {SSL_R_UNEXPECTED_MESSAGE, TLS_FAULT_GARBAGE},
    };
    int reason = ERR_GET_REASON(code);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].reason == reason)
            return table[i].fault;
    return reason > SSL_AD_REASON_OFFSET ? TLS_FAULT_ALERT : TLS_FAULT_OTHER;
}

/* OpenSSL gave up. The alert, if any, is in the lower layer's queue. */
static void tls_fail(struct tls *s)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    struct tls_words *w = tls_words(&s->info);
    if (s->info.fault == TLS_FAULT_NONE)
        s->info.fault = tls_fault_of(code);
    if (!w->error[0])
        str_put(w->error, sizeof w->error, reason ? reason : "TLS failure");
    ERR_clear_error();
    tls_break(s, ERR_TLS);
}

static void tls_emit_end(struct tls *s)
{
    s->ended = true;
    net_emit_end(&s->t, s->end_why);
}

/* --- output --- */

static void tls_send_fin(struct tls *s)
{
    s->fin = TLS_FIN_SENT;
    tls_no_errors();
    (void)SSL_shutdown(s->ssl);
    transport_shut(s->lower);
}

/* Encrypt what has gathered. The BIO takes everything, so only a fatal error leaves bytes. */
static void tls_flush(struct tls *s)
{
    size_t done = 0;

    if (s->state != TLS_OPEN)
        return;
    while (done < s->plain.n) {
        size_t put = 0;
        tls_no_errors();
        if (SSL_write_ex(s->ssl, s->plain.p + done, s->plain.n - done, &put) != 1) {
            tls_fail(s);
            return;
        }
        done += put;
    }
    buf_release(&s->plain);
    if (s->fin == TLS_FIN_WANTED)
        tls_send_fin(s);
}

static bool tls_send(struct transport *t, struct str bytes)
{
    struct tls *s = tls_of(t);

    if (s->state == TLS_BROKEN || s->fin != TLS_FIN_NONE || bytes.n == 0)
        return !s->blocked;
    if (bytes.n > NET_QUEUE_MAX_BYTES - s->plain.n) {
        tls_break(s, ERR_LIMIT);
        tls_wake(s);
        return false;
    }
    buf_add(&s->plain, bytes.p, bytes.n);
    tls_wake(s);
    if (s->plain.n <= NET_HIGH_BYTES && !s->lower_blocked)
        return true;
    s->blocked = true;
    return false;
}

/* --- input --- */

static void tls_on_handshake_done(struct tls *s)
{
    s->state = TLS_OPEN;
    s->info.version = SSL_get_version(s->ssl);
    s->info.cipher = SSL_get_cipher_name(s->ssl);
    s->info.resumed = SSL_session_reused(s->ssl) == 1;
    if (s->info.resumed)
        tls_verify_again(s->ssl);
    tls_verify_finish(s->ssl, &s->info);
    if (s->paused)
        transport_pause(s->lower, true);
    tls_wake(s); /* output has gathered */
}

/* One step of the handshake. True: done, ready is to be reported. */
static bool tls_handshake(struct tls *s)
{
    int r;
    tls_no_errors();
    r = SSL_do_handshake(s->ssl);
    if (r == 1) {
        tls_on_handshake_done(s);
        return true;
    }
    if (SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ)
        tls_fail(s);
    return false;
}

/* One piece of plaintext. 0: none there now (or no more will come: end_why). */
static size_t tls_read(struct tls *s, char *out)
{
    size_t n = 0;
    tls_no_errors();
    if (SSL_read_ex(s->ssl, out, TLS_READ_BYTES, &n) == 1)
        return n;
    switch (SSL_get_error(s->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        break;
    case SSL_ERROR_ZERO_RETURN:
        if (!s->end_why)
            s->end_why = ERR_EOF;
        s->in = STR_NONE;
        break;
    default:
        tls_fail(s);
    }
    return 0;
}

/* Keep what OpenSSL has not read, and more behind it; a borrowed slice goes away with the lower
 * layer's call. */
static void tls_keep(struct tls *s, struct str more)
{
    struct buf rest;

    buf_init(&rest, TLS_PENDING_MAX_BYTES);
    buf_str(&rest, s->in);
    buf_str(&rest, more);
    buf_fini(&s->pending);
    s->pending = rest;
    s->in = buf_view(&s->pending);
    s->borrowed = false;
    if (!buf_ok(&rest))
        tls_break(s, ERR_LIMIT);
}

/* Work the input off until it is empty or the user pauses. False: the object is gone and must not
 * be touched. */
static bool tls_run(struct tls *s)
{
    bool gone = false;
    char piece[TLS_READ_BYTES];

    s->gone = &gone;
    s->run_due = false;
    if (s->state == TLS_HANDSHAKE && tls_handshake(s)) {
        net_emit_ready(&s->t);
        if (gone)
            return false;
    }
    while (s->state == TLS_OPEN && !s->paused && !s->ended) {
        size_t n = tls_read(s, piece);
        if (n == 0)
            break;
        net_emit_data(&s->t, str_make(piece, n));
        if (gone)
            return false;
        if (s->in.n == 0 && !SSL_has_pending(s->ssl)) /* asking would say so, at a price */
            break;
    }
    if (s->end_why && !s->ended && (!s->paused || s->state == TLS_BROKEN)) {
        tls_emit_end(s);
        if (gone)
            return false;
    }
    s->gone = NULL;
    if (s->in.n == 0)
        buf_release(&s->pending);
    else if (s->borrowed)
        tls_keep(s, STR_NONE);
    s->borrowed = false;
    return true;
}

static void tls_on_data(void *ctx, struct str bytes)
{
    struct tls *s = ctx;

    if (s->state == TLS_BROKEN || s->end_why)
        return;
    if (s->in.n > 0) {
        tls_keep(s, bytes);
    } else {
        s->in = bytes;
        s->borrowed = true;
    }
    (void)tls_run(s);
}

static void tls_on_drain(void *ctx)
{
    struct tls *s = ctx;
    s->lower_blocked = false;
    tls_wake(s);
}

static void tls_on_end(void *ctx, enum err why)
{
    struct tls *s = ctx;

    if (s->end_why)
        return;
    if (s->state == TLS_HANDSHAKE) {
        s->info.fault = TLS_FAULT_LOST;
        snprintf(tls_words(&s->info)->error, sizeof s->info.words->error, "%s during the handshake",
                 why == ERR_EOF ? "connection closed" : err_text(why));
        tls_break(s, why == ERR_EOF ? ERR_TLS : why);
    } else if (s->paused && why != ERR_EOF) {
        tls_break(s, why); /* nobody would find it */
    }
    s->end_why = s->end_why ? s->end_why : why;
    (void)tls_run(s);
}

static void tls_turn(void *ctx)
{
    struct tls *s = ctx;

    if (s->run_due && !tls_run(s))
        return;
    tls_flush(s);
    if (s->run_due) { /* the flush failed */
        tls_wake(s);
    } else if (s->blocked && !s->lower_blocked && !s->ended && s->state == TLS_OPEN &&
               !s->plain.n) {
        s->blocked = false;
        net_emit_drain(&s->t);
    }
}

static void tls_pause(struct transport *t, bool paused)
{
    struct tls *s = tls_of(t);

    if (s->paused == paused)
        return;
    s->paused = paused;
    if (s->state == TLS_OPEN) /* the handshake goes on */
        transport_pause(s->lower, paused);
    if (!paused) {
        s->run_due = true;
        tls_wake(s);
    }
}

static void tls_shut(struct transport *t)
{
    struct tls *s = tls_of(t);
    if (s->fin == TLS_FIN_NONE)
        s->fin = TLS_FIN_WANTED;
    tls_wake(s);
}

/* --- life --- */

/* The running tls_run, if any, learns that it has lost the object. */
static void tls_let_go(struct tls *s)
{
    if (s->gone)
        *s->gone = true;
    s->gone = NULL;
    defer_cancel(&s->turn);
}

static void tls_free(struct tls *s)
{
    if (s->state == TLS_OPEN)
        SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(s->ssl);
    ERR_clear_error();
    tls_set_unref(&s->set);
    buf_fini(&s->pending);
    mem_wipe(s->plain.p, s->plain.n);
    buf_fini(&s->plain);
    mem_free(s->info.words);
    mem_free(s);
}

static void tls_close(struct transport *t, bool abort_it)
{
    struct tls *s = tls_of(t);

    tls_let_go(s);
    if (abort_it) {
        transport_abort(&s->lower);
    } else {
        if (s->fin == TLS_FIN_NONE)
            s->fin = TLS_FIN_WANTED;
        tls_flush(s);
        transport_close(&s->lower);
    }
    tls_free(s);
}

static size_t tls_queued(const struct transport *t)
{
    const struct tls *s = tls_of(t);
    return s->plain.n + (s->lower ? transport_queued(s->lower) : 0);
}

static const struct tls_info *tls_facts(const struct transport *t)
{
    return &tls_of(t)->info;
}

static void tls_take_lower(struct tls *s, struct transport *lower)
{
    static const struct transport_events events = {
        .data = tls_on_data, .drain = tls_on_drain, .end = tls_on_end};

    s->lower = lower;
    s->t.loop = lower->loop;
    s->run_due = true;
    transport_set_events(lower, &events, s);
    defer_init(&s->turn, tls_turn, s);
    tls_wake(s);
}

static struct transport *tls_parcel_attach(struct parcel *p, struct loop *to)
{
    struct tls_parcel *tp = container_of(p, struct tls_parcel, p);
    struct tls *s = tp->tls;

    mem_free(tp);
    s->paused = false;
    tls_take_lower(s, parcel_attach(&s->lower_parcel, to));
    return &s->t;
}

static void tls_parcel_drop(struct parcel *p)
{
    struct tls_parcel *tp = container_of(p, struct tls_parcel, p);
    parcel_drop(&tp->tls->lower_parcel);
    tls_free(tp->tls);
    mem_free(tp);
}

static struct parcel *tls_detach(struct transport *t)
{
    struct tls *s = tls_of(t);

    tls_let_go(s);
    if (s->borrowed)
        tls_keep(s, STR_NONE);
    struct tls_parcel *tp = mem_alloc(sizeof *tp);
    *tp = (struct tls_parcel){{.attach = tls_parcel_attach, .drop = tls_parcel_drop}, s};
    s->lower_parcel = transport_detach(&s->lower);
    return &tp->p;
}

static struct tls *tls_new(struct transport **lower, struct tls_ctx *ctx, const char *as_or_null)
{
    struct tls *s = mem_alloc(sizeof *s);
    s->set = tls_ctx_set(ctx);
    BIO *bio = BIO_new(s->set->bio);

    s->t.ops = &tls_ops;
    s->t.peer = (*lower)->peer;
    s->t.local = (*lower)->local;
    s->info.version = s->info.cipher = "";
    s->ssl = SSL_new(tls_set_for(s->set, as_or_null));
    must(s->ssl && bio);
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    buf_init(&s->pending, TLS_PENDING_MAX_BYTES);
    buf_init(&s->plain, NET_QUEUE_MAX_BYTES);
    transport_pause(*lower, false);
    tls_take_lower(s, *lower);
    *lower = NULL;
    return s;
}

struct transport *tls_server(struct transport **lower, struct tls_ctx *ctx)
{
    struct tls *s = tls_new(lower, ctx, NULL);
    must(s->set->server);
    SSL_set_accept_state(s->ssl);
    return &s->t;
}

struct transport *tls_client(struct transport **lower, struct tls_ctx *ctx, const char *sni)
{
    return tls_client_as(lower, ctx, sni, NULL);
}

struct transport *tls_client_as(struct transport **lower, struct tls_ctx *ctx, const char *sni,
                                const char *as_or_null)
{
    struct tls *s = tls_new(lower, ctx, as_or_null);
    must(!s->set->server);
    SSL_set_connect_state(s->ssl);
    if (sni && *sni)
        (void)SSL_set_tlsext_host_name(s->ssl, sni);
    return &s->t;
}

SSL *tls_ssl(const struct transport *t)
{
    return t->ops == &tls_ops ? tls_of(t)->ssl : NULL;
}

X509 *tls_peer_cert(const struct transport *t)
{
    return t->ops == &tls_ops ? SSL_get0_peer_certificate(tls_of(t)->ssl) : NULL;
}

const char *tls_error(const struct transport *t)
{
    const struct tls_words *w = t->ops == &tls_ops ? tls_of(t)->info.words : NULL;
    return w ? w->error : "";
}

static const struct transport_ops tls_ops = {
    .send = tls_send,
    .pause = tls_pause,
    .shut = tls_shut,
    .close = tls_close,
    .detach = tls_detach,
    .tls = tls_facts,
    .queued = tls_queued,
};
