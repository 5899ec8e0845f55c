/* Connections. Input goes through the loop's scratch and is scanned there; only the beginning of a
 * stanza that is not complete is copied into the connection's own buffer. Output is gathered in
 * one buffer for each connection, written when the turn ends, and in full records. */
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "integration-tests/bench/load-conn.h"
#include "integration-tests/bench/load-tls.h"

enum { BUF_MIN = 1024, SAY_MAX = 4096, WHY_MAX = 200 };

static void grow(struct load_buf *b, size_t need)
{
    size_t size = b->size ? b->size : BUF_MIN;
    while (size < need)
        size *= 2;
    b->p = realloc(b->p, size);
    if (!b->p)
        load_die("no memory for %zu bytes", size);
    b->size = size;
}

static void append(struct load_buf *b, const char *p, size_t n)
{
    if (b->len + n > b->size)
        grow(b, b->len + n);
    memcpy(b->p + b->len, p, n);
    b->len += n;
}

static void take(struct load_buf *b, size_t n)
{
    b->len -= n;
    if (n && b->len)
        memmove(b->p, b->p + n, b->len);
}

void load_conn_close(struct load_conn *c)
{
    if (c->state == LOAD_CONN_CLOSED)
        return;
    if (c->ssl) {
        if (c->state == LOAD_CONN_OPEN)
            SSL_shutdown(c->ssl);
        ERR_clear_error();
        /* Without this OpenSSL would take the session for one that broke and not resume it. */
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    close(c->source.fd);
    c->source.fd = -1;
    c->state = LOAD_CONN_CLOSED;
    c->in.len = c->out.len = 0;
    c->is_blocked = false;
    c->xml = (struct load_xml){0};
}

static void end(struct load_conn *c, const char *why)
{
    if (c->state == LOAD_CONN_CLOSED)
        return;
    load_conn_close(c);
    c->events->ended(c->owner, why);
}

/* ---- output */
char *load_conn_reserve(struct load_conn *c, size_t n)
{
    struct load_buf *b = &c->out;
    if (b->len + n > LOAD_OUT_MAX) {
        load_fatal(c->loop, "the server takes nothing: %zu bytes wait for it", b->len);
        b->len = 0;
    }
    if (b->len + n > b->size)
        grow(b, b->len + n);
    return b->p + b->len;
}

void load_conn_added(struct load_conn *c, size_t n)
{
    c->out.len += n;
    if (!c->is_dirty) {
        c->is_dirty = true;
        c->next_dirty = c->loop->dirty;
        c->loop->dirty = c;
    }
}

void load_conn_put(struct load_conn *c, const char *p, size_t n)
{
    memcpy(load_conn_reserve(c, n), p, n);
    load_conn_added(c, n);
}

void load_conn_say(struct load_conn *c, const char *format, ...)
{
    char text[SAY_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        load_die("a line of more than %d bytes", SAY_MAX);
    load_conn_put(c, text, (size_t)n);
}

static void want_write(struct load_conn *c, bool is_wanted)
{
    if (c->is_blocked == is_wanted)
        return;
    c->is_blocked = is_wanted;
    load_loop_rewatch(c->loop, &c->source, is_wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* What a failed call of OpenSSL means: 0 = come again, -1 = end, with *why. */
static int tls_failed(struct load_conn *c, int result, char *why)
{
    int e = SSL_get_error(c->ssl, result), code = errno;
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
        return 0;
    if (e == SSL_ERROR_ZERO_RETURN || (e == SSL_ERROR_SYSCALL && code == 0))
        snprintf(why, WHY_MAX, "closed by the other side");
    else if (e == SSL_ERROR_SYSCALL)
        snprintf(why, WHY_MAX, "%s", strerror(code));
    else
        snprintf(why, WHY_MAX, "TLS: %s", load_tls_why());
    return -1;
}

static int plain_failed(ssize_t n, char *why)
{
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    snprintf(why, WHY_MAX, "%s", n == 0 ? "closed by the other side" : strerror(errno));
    return -1;
}

/* Bytes written; 0 = come again, -1 = end. */
static int write_some(struct load_conn *c, const char *p, size_t n, char *why)
{
    if (c->ssl) {
        ERR_clear_error();
        errno = 0;
        int w = SSL_write(c->ssl, p, (int)n);
        return w > 0 ? w : tls_failed(c, w, why);
    }
    ssize_t w = send(c->source.fd, p, n, MSG_NOSIGNAL);
    return w > 0 ? (int)w : plain_failed(w < 0 ? w : -1, why);
}

void load_conn_flush(struct load_conn *c)
{
    char why[WHY_MAX];
    size_t at = 0;
    if (c->state != LOAD_CONN_OPEN)
        return;
    while (at < c->out.len) {
        int n = write_some(c, c->out.p + at, c->out.len - at, why);
        if (n < 0) {
            end(c, why);
            return;
        }
        if (n == 0)
            break;
        at += (size_t)n;
    }
    take(&c->out, at);
    want_write(c, c->out.len > 0);
}

/* ---- input */
static int read_some(struct load_conn *c, char *why)
{
    char *to = c->loop->scratch;
    if (c->ssl) {
        ERR_clear_error();
        errno = 0;
        int n = SSL_read(c->ssl, to, LOAD_SCRATCH);
        return n > 0 ? n : tls_failed(c, n, why);
    }
    ssize_t n = recv(c->source.fd, to, LOAD_SCRATCH, 0);
    return n > 0 ? (int)n : plain_failed(n, why);
}

/* Give out the items in p[0..n). Returns how many bytes were used; it stops when the connection
 * is closed or begins TLS. */
static size_t scan(struct load_conn *c, const char *p, size_t n)
{
    size_t at = 0;
    while (c->state == LOAD_CONN_OPEN) {
        const struct load_item *item;
        size_t used;
        enum load_xml_kind kind = load_xml_next(&c->xml, p + at, n - at, &used, &item);
        at += used;
        if (kind == LOAD_XML_MORE)
            break;
        if (kind == LOAD_XML_BAD) {
            end(c, "what came is not XML");
            break;
        }
        load_moved(c->loop);
        c->events->item(c->owner, kind, item);
    }
    return at;
}

static void input(struct load_conn *c, const char *p, size_t n)
{
    bool is_kept = c->in.len > 0;
    if (is_kept) {
        append(&c->in, p, n);
        p = c->in.p;
        n = c->in.len;
    }
    size_t used = scan(c, p, n);
    if (c->state == LOAD_CONN_CLOSED)
        return;
    if (c->state == LOAD_CONN_HANDSHAKE && used < n) {
        end(c, "bytes came between the word for TLS and TLS");
        return;
    }
    if (is_kept)
        take(&c->in, used);
    else if (used < n)
        append(&c->in, p + used, n - used);
    if (c->in.len > LOAD_IN_MAX)
        end(c, "a stanza without end");
}

static void read_all(struct load_conn *c)
{
    char why[WHY_MAX];
    int n;
    do {
        n = read_some(c, why);
        if (n < 0)
            end(c, why);
        else if (n > 0)
            input(c, c->loop->scratch, (size_t)n);
    } while (n > 0 && c->state == LOAD_CONN_OPEN &&
             (c->ssl ? SSL_has_pending(c->ssl) : n == LOAD_SCRATCH));
}

/* ---- the way up */
static void shake_hands(struct load_conn *c)
{
    char why[WHY_MAX];
    ERR_clear_error();
    errno = 0;
    int n = SSL_do_handshake(c->ssl);
    if (n == 1) {
        c->state = LOAD_CONN_OPEN;
        want_write(c, false);
        load_moved(c->loop);
        c->events->opened(c->owner, true);
        if (c->state == LOAD_CONN_OPEN && SSL_has_pending(c->ssl))
            read_all(c);
    } else if (tls_failed(c, n, why) < 0) {
        end(c, why);
    } else {
        want_write(c, SSL_want_write(c->ssl));
    }
}

static void connected(struct load_conn *c)
{
    int code = 0;
    socklen_t n = sizeof code;
    getsockopt(c->source.fd, SOL_SOCKET, SO_ERROR, &code, &n);
    if (code != 0) {
        end(c, strerror(code));
        return;
    }
    c->state = LOAD_CONN_OPEN;
    want_write(c, false);
    c->events->opened(c->owner, false);
}

static void ready(struct load_source *s, uint32_t events)
{
    struct load_conn *c = (struct load_conn *)(void *)s;
    if (c->state == LOAD_CONN_CONNECTING) {
        connected(c);
        return;
    }
    if (c->state == LOAD_CONN_HANDSHAKE) {
        shake_hands(c);
        return;
    }
    if (events & EPOLLOUT)
        load_conn_flush(c);
    if (c->state == LOAD_CONN_OPEN && (events & ~(uint32_t)EPOLLOUT))
        read_all(c);
}

void load_conn_init(struct load_conn *c, struct load_loop *l, const struct load_conn_events *e,
                    void *owner)
{
    *c = (struct load_conn){
        .source = {.ready = ready, .fd = -1}, .loop = l, .events = e, .owner = owner};
}

void load_conn_fini(struct load_conn *c)
{
    load_conn_close(c);
    SSL_SESSION_free(c->ticket);
    free(c->in.p);
    free(c->out.p);
}

static void set_no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void load_conn_open(struct load_conn *c, const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        load_fatal(c->loop, "socket: %s", strerror(errno));
        return;
    }
    set_no_delay(fd);
    c->source.fd = fd;
    c->state = LOAD_CONN_CONNECTING;
    c->is_blocked = true;
    load_loop_watch(c->loop, &c->source, EPOLLIN | EPOLLOUT);
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0 && errno != EINPROGRESS)
        end(c, strerror(errno));
}

void load_conn_accept(struct load_conn *c, int fd)
{
    set_no_delay(fd);
    c->source.fd = fd;
    c->state = LOAD_CONN_OPEN;
    load_loop_watch(c->loop, &c->source, EPOLLIN);
}

static void set_alpn(SSL *ssl, const char *alpn)
{
    unsigned char list[32];
    size_t n = strlen(alpn);
    list[0] = (unsigned char)n;
    memcpy(list + 1, alpn, n);
    SSL_set_alpn_protos(ssl, list, (unsigned)n + 1);
}

void load_conn_tls(struct load_conn *c, SSL_CTX *x, const char *name, const char *alpn)
{
    load_conn_flush(c);
    c->ssl = SSL_new(x);
    if (!c->ssl || SSL_set_fd(c->ssl, c->source.fd) != 1)
        load_die("TLS: %s", load_tls_why());
    SSL_set_app_data(c->ssl, c);
    if (name) {
        SSL_set_connect_state(c->ssl);
        SSL_set_tlsext_host_name(c->ssl, name);
        SSL_set1_host(c->ssl, name);
        if (alpn)
            set_alpn(c->ssl, alpn);
        if (c->ticket)
            SSL_set_session(c->ssl, c->ticket);
    } else {
        SSL_set_accept_state(c->ssl);
    }
    c->state = LOAD_CONN_HANDSHAKE;
    c->xml = (struct load_xml){0};
    want_write(c, name != NULL); /* the one who connects speaks first, in the next turn */
}

void load_conn_restart(struct load_conn *c)
{
    c->xml = (struct load_xml){0};
}
