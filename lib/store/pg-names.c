/* pg-names: host names to addresses, for libpq's hostaddr. libpq would ask getaddrinfo in the
 * middle of its asynchronous connecting; here it is asked before, on a thread of its own, at each
 * attempt, so that a name that moves is followed. A host with several addresses stands in the lists
 * once for each, as libpq tries them in order. IP addresses and unix sockets need no look-up. */
#include "lib/store/pg-int.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include "lib/base/buf.h"

enum { HOSTS_MAX = 64 }; /* addresses of one attempt */

struct lists {
    struct buf host, hostaddr, port;
    size_t n;
};

bool pg_host_is_name(struct str host)
{
    char text[256], raw[16];
    if (!host.n || host.p[0] == '/' || host.p[0] == '@' || host.n >= sizeof text)
        return false;
    snprintf(text, sizeof text, STR_FMT, STR_ARG(host));
    return inet_pton(AF_INET, text, raw) != 1 && inet_pton(AF_INET6, text, raw) != 1;
}

static void add(struct lists *l, struct str host, struct str addr, struct str port)
{
    if (l->n >= HOSTS_MAX)
        return;
    if (l->n++) {
        buf_char(&l->host, ',');
        buf_char(&l->hostaddr, ',');
        buf_char(&l->port, ',');
    }
    buf_str(&l->host, host);
    buf_str(&l->hostaddr, addr);
    buf_str(&l->port, port);
}

static void look_up(struct lists *l, struct str host, struct str port, char *why, size_t why_size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char name[256], text[NI_MAXHOST];
    snprintf(name, sizeof name, STR_FMT, STR_ARG(host));
    int code = getaddrinfo(name, NULL, &hints, &found);
    if (code)
        snprintf(why, why_size, "%s: %s", name, gai_strerror(code));
    for (struct addrinfo *i = code ? NULL : found; i; i = i->ai_next)
        if (getnameinfo(i->ai_addr, i->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            add(l, host, str_of(text), port);
    if (!code)
        freeaddrinfo(found);
}

/* The next of a list; the last again when the list has one item only. */
static struct str next_of(struct str *rest, struct str *last)
{
    if (rest->p)
        *last = str_cut(rest, ',');
    return *last;
}

static void fill(const struct pg_target *t, struct lists *l, char *why, size_t why_size)
{
    struct str hosts = str_of(t->host), ports = str_of(t->port ? t->port : ""), port = STR_NONE;
    while (hosts.p) {
        struct str host = str_cut(&hosts, ',');
        next_of(&ports, &port);
        if (pg_host_is_name(host))
            look_up(l, host, port, why, why_size);
        else
            add(l, host, host.n && host.p[0] != '/' && host.p[0] != '@' ? host : STR(""), port);
    }
}

static size_t put(struct pg_params *p, size_t n, const char *keyword, const char *value)
{
    if (!value)
        return n;
    must(n < PG_PARAMS_MAX);
    p->keywords[n] = keyword;
    p->values[n] = value;
    return n + 1;
}

enum err pg_names_look_up(const struct pg_target *t, struct arena *a, struct pg_params *out,
                          char *why, size_t why_size)
{
    struct lists l = {.n = 0};
    const char *host = t->host, *hostaddr = t->hostaddr, *port = t->port;
    enum err e = ERR_OK;
    *out = t->params;
    buf_init(&l.host, 65536);
    buf_init(&l.hostaddr, 65536);
    buf_init(&l.port, 65536);
    if (t->host && !t->hostaddr) {
        fill(t, &l, why, why_size);
        e = l.n ? ERR_OK : ERR_NOTFOUND;
        host = arena_dup(a, buf_view(&l.host)).p;
        hostaddr = arena_dup(a, buf_view(&l.hostaddr)).p;
        port = arena_dup(a, buf_view(&l.port)).p;
    }
    size_t n = put(out, t->n, "host", host);
    n = put(out, n, "hostaddr", hostaddr);
    put(out, n, "port", port);
    buf_fini(&l.host);
    buf_fini(&l.hostaddr);
    buf_fini(&l.port);
    return e;
}
