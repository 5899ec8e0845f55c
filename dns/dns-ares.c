/* dns-ares: the backend on c-ares. One channel per loop; its sockets are watched through fdpoll,
 * its timeouts through one timer. Queries are written here (AD and DO bits when the resolver is
 * trusted) and answers are read by dns-answer: c-ares carries bytes, retries, and turns to TCP when
 * an answer was cut. A server that answers with a failure is an answer (NOCHECKRESP: c-ares would
 * hide it behind "connection refused"), so it is here that the others are asked. Its callbacks may
 * run inside its calls: every end is put on a list and told by a deferred call. So many questions
 * at once as fit into a socket's buffer; more wait, for an answer or until those have been under
 * way for a while, as a name server that is slow for some names must not stop the others. EDNS: RFC
 * 6891, 1232 bytes. AD: RFC 6840 section 5.7. */
#include "dns/dns-int.h"
#include "lib/base/rand.h"
#include "lib/loop/fdpoll.h"
#include "lib/loop/timer.h"

#include <ares.h>
#include <sys/time.h>

enum {
    TIMEOUT_MS = 2000,
    TRIES = 2,
    EDNS_BYTES = 1232,
    SERVERS_TEXT_MAX = 1024,
    YOUNG_MAX = 100, /* questions that were sent less than YOUNG_MS ago: a buffer holds some 250 */
    YOUNG_MS = 100,
};

struct watch { /* one socket of c-ares */
    struct list link;
    struct dns_backend *backend;
    struct fdpoll *poll;
    ares_socket_t fd;
};

struct dns_backend {
    struct loop *loop;
    ares_channel channel;
    bool is_closing, trust_ad;
    struct list watches;
    unsigned servers;
    struct list waiting, asked, ended; /* of struct exchange; asked: the oldest first */
    unsigned young;
    struct timer timeout, ageing;
    struct defer tell;
};

struct exchange {
    struct list link;
    struct dns_backend *backend;
    enum err err;
    char *raw; /* the message, ours */
    size_t raw_n;
    uint64_t asked_us;
    bool is_young;
    unsigned others; /* servers to ask yet when one fails or refuses */
    char name[DNS_NAME_MAX + 1];
    enum dns_type type;
    dns_backend_cb *cb;
    void *ctx;
};

/* ---- time and sockets */

static void arm(struct dns_backend *b)
{
    struct timeval tv;
    if (ares_timeout(b->channel, NULL, &tv))
        timer_start(&b->timeout, (uint64_t)tv.tv_sec * 1000 + ((uint64_t)tv.tv_usec + 999) / 1000);
    else
        timer_stop(&b->timeout);
}

static void on_timeout(void *ctx)
{
    struct dns_backend *b = ctx;
    ares_process_fd(b->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm(b);
}

static void on_ready(void *ctx, int events)
{
    struct watch *w = ctx;
    struct dns_backend *b = w->backend;
    ares_socket_t fd = w->fd; /* w may go inside */
    ares_process_fd(b->channel, events & FD_READABLE ? fd : ARES_SOCKET_BAD,
                    events & FD_WRITABLE ? fd : ARES_SOCKET_BAD);
    arm(b);
}

static struct watch *watch_of(struct dns_backend *b, ares_socket_t fd)
{
    list_each (&b->watches, n) {
        struct watch *w = list_entry(n, struct watch, link);
        if (w->fd == fd)
            return w;
    }
    return NULL;
}

static struct watch *watch_new(struct dns_backend *b, ares_socket_t fd)
{
    struct watch *w = mem_alloc(sizeof *w);
    w->backend = b;
    w->fd = fd;
    w->poll = fdpoll_open(b->loop, fd, on_ready, w);
    list_push(&b->watches, &w->link);
    return w;
}

/* c-ares tells what it waits for; nothing: the socket is about to be closed. */
static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct dns_backend *b = ctx;
    struct watch *w = watch_of(b, fd);
    if (readable || writable) {
        w = w ? w : watch_new(b, fd);
        if (w->poll)
            fdpoll_want(w->poll, (readable ? FD_READABLE : 0) | (writable ? FD_WRITABLE : 0));
        return;
    }
    if (!w)
        return;
    fdpoll_close(&w->poll);
    list_del(&w->link);
    mem_free(w);
}

/* ---- exchanges */

static enum err err_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return ERR_OK;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED: /* also what c-ares says of sockets that fail: nobody spoke */
        return ERR_TIMEOUT;
    case ARES_EBADRESP:
    case ARES_EFORMERR:
        return ERR_PROTOCOL;
    default: /* the server refuses or fails */
        return ERR_DNS_SERVFAIL;
    }
}

static void exchange_free(struct exchange *x)
{
    list_del(&x->link);
    mem_free(x->raw);
    mem_free(x);
}

static void grow_up(struct exchange *x)
{
    x->backend->young -= x->is_young;
    x->is_young = false;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *abuf, int alen)
{
    struct exchange *x = arg;
    struct dns_backend *b = x->backend;
    (void)timeouts;
    if (b->is_closing) {
        exchange_free(x);
        return;
    }
    grow_up(x);
    x->err = err_of(status);
    if (x->err == ERR_OK && abuf && alen > 0) {
        x->raw = mem_dup(abuf, (size_t)alen);
        x->raw_n = (size_t)alen;
    }
    list_del(&x->link);
    list_push(&b->ended, &x->link);
    loop_defer(b->loop, &b->tell);
}

/* AD in the header asks for the resolver's verdict, DO in the OPT record (the last eleven bytes)
 * for signed answers. */
static void ask_for_ad(unsigned char *query, int n)
{
    if (n < 12 + 11)
        return;
    query[3] |= 0x20;
    query[n - 4] |= 0x80;
}

static void exchange_send(struct exchange *x)
{
    struct dns_backend *b = x->backend;
    unsigned char *query = NULL;
    int n = 0;
    list_del(&x->link);
    list_push(&b->asked, &x->link);
    x->asked_us = loop_now_us(b->loop);
    x->is_young = true;
    b->young++;
    uint16_t id = (uint16_t)rand_below(65536); /* ares_send keeps it */
    int status = ares_create_query(x->name, 1, (int)x->type, id, 1, &query, &n, EDNS_BYTES);
    if (status != ARES_SUCCESS) {
        on_answer(x, status, 0, NULL, 0);
        return;
    }
    if (b->trust_ad)
        ask_for_ad(query, n);
    ares_send(b->channel, query, n, on_answer, x);
    ares_free_string(query);
    arm(b);
}

static void send_waiting(struct dns_backend *b)
{
    struct list *n;
    while (b->young < YOUNG_MAX && (n = list_first(&b->waiting)))
        exchange_send(list_entry(n, struct exchange, link));
    if (!list_empty(&b->waiting) && !timer_running(&b->ageing))
        timer_start(&b->ageing, YOUNG_MS);
}

static void on_ageing(void *ctx)
{
    struct dns_backend *b = ctx;
    uint64_t now = loop_now_us(b->loop);
    list_each (&b->asked, n) {
        struct exchange *x = list_entry(n, struct exchange, link);
        if (now - x->asked_us < YOUNG_MS * 1000)
            break;
        grow_up(x);
    }
    send_waiting(b);
}

/* Another server may know: this one fails or refuses (rcode neither success nor NXDOMAIN). */
static bool is_refused(const struct exchange *x)
{
    unsigned rcode = x->raw_n > 3 ? (unsigned char)x->raw[3] & 0xf : 0;
    return rcode != 0 && rcode != 3;
}

static void exchange_again(struct exchange *x)
{
    x->others--;
    mem_free(x->raw);
    x->raw = NULL;
    x->raw_n = 0;
    list_del(&x->link);
    list_unshift(&x->backend->waiting, &x->link);
}

static void on_tell(void *ctx)
{
    struct dns_backend *b = ctx;
    struct list *n;
    while ((n = list_first(&b->ended))) {
        struct exchange *x = list_entry(n, struct exchange, link);
        if (x->others && is_refused(x)) {
            exchange_again(x);
            continue;
        }
        struct exchange copy = *x;
        x->raw = NULL;
        exchange_free(x);
        copy.cb(copy.ctx, copy.err, str_make(copy.raw, copy.raw_n));
        mem_free(copy.raw);
    }
    send_waiting(b);
}

void dns_backend_ask(struct dns_backend *b, const char *name, enum dns_type type,
                     dns_backend_cb *cb, void *ctx)
{
    struct exchange *x = mem_calloc(1, sizeof *x);
    x->backend = b;
    x->others = b->servers - 1;
    str_put(x->name, sizeof x->name, name);
    x->type = type;
    x->cb = cb;
    x->ctx = ctx;
    list_push(&b->waiting, &x->link);
    send_waiting(b);
}

/* ---- life */

static enum err set_servers(struct dns_backend *b, const char *const *servers, char *why,
                            size_t why_size)
{
    char text[SERVERS_TEXT_MAX];
    size_t n = 0;
    for (; servers && *servers; servers++) {
        int more = snprintf(text + n, sizeof text - n, "%s%s", n ? "," : "", *servers);
        if (more < 0 || n + (size_t)more >= sizeof text) {
            snprintf(why, why_size, "too many DNS servers");
            return ERR_LIMIT;
        }
        n += (size_t)more;
    }
    if (n == 0)
        return ERR_OK;
    int status = ares_set_servers_ports_csv(b->channel, text);
    if (status == ARES_SUCCESS)
        return ERR_OK;
    snprintf(why, why_size, "DNS servers \"%s\": %s", text, ares_strerror(status));
    return ERR_INVALID;
}

static unsigned count_servers(const struct dns_backend *b)
{
    struct ares_addr_port_node *all = NULL;
    unsigned n = 0;
    if (ares_get_servers_ports(b->channel, &all) == ARES_SUCCESS)
        for (const struct ares_addr_port_node *at = all; at; at = at->next)
            n++;
    ares_free_data(all);
    return n ? n : 1;
}

enum err dns_backend_open(struct loop *l, const struct dns_conf *c, struct dns_backend **out,
                          char *why, size_t why_size)
{
    struct dns_backend *b = mem_alloc(sizeof *b);
    struct ares_options o = {.flags = ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP,
                             .timeout = (int)(c->timeout_ms ? c->timeout_ms : TIMEOUT_MS),
                             .tries = (int)(c->tries ? c->tries : TRIES),
                             .ednspsz = EDNS_BYTES,
                             .sock_state_cb = on_socket,
                             .sock_state_cb_data = b};
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
               ARES_OPT_SOCK_STATE_CB | ARES_OPT_ROTATE;
#ifdef ARES_OPT_UDP_MAX_QUERIES /* since 1.20; before, a port changes when nothing is outstanding  \
                                 */
    o.udp_max_queries = 100;
    mask |= ARES_OPT_UDP_MAX_QUERIES;
#endif
#ifdef ARES_OPT_QUERY_CACHE /* on by default since 1.31: ours knows negative answers better */
    o.qcache_max_ttl = 0;
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    int status = ares_init_options(&b->channel, &o, mask);
    if (status != ARES_SUCCESS) {
        snprintf(why, why_size, "DNS resolver: %s", ares_strerror(status));
        mem_free(b);
        return ERR_IO;
    }
    b->loop = l;
    b->trust_ad = c->trust_ad;
    list_init(&b->watches);
    b->young = 0;
    list_init(&b->waiting);
    list_init(&b->asked);
    list_init(&b->ended);
    timer_init(&b->timeout, l, on_timeout, b);
    timer_init(&b->ageing, l, on_ageing, b);
    defer_init(&b->tell, on_tell, b);
    enum err e = set_servers(b, c->servers, why, why_size);
    b->servers = count_servers(b);
    if (e)
        dns_backend_close(&b);
    else
        *out = b;
    return e;
}

void dns_backend_close(struct dns_backend **pb)
{
    struct dns_backend *b = *pb;
    *pb = NULL;
    b->is_closing = true;
    ares_destroy(
        b->channel); /* ends what is asked (on_answer) and closes the sockets (on_socket) */
    timer_stop(&b->timeout);
    timer_stop(&b->ageing);
    defer_cancel(&b->tell);
    for (struct list *n; (n = list_first(&b->ended)) || (n = list_first(&b->waiting));)
        exchange_free(list_entry(n, struct exchange, link));
    must(list_empty(&b->asked) && list_empty(&b->watches));
    mem_free(b);
}
