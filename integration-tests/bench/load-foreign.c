/* What the foreign servers share: names, the listener, dialback keys. Keys are derived from a
 * secret, so that whoever is asked can tell a right one. Source: XEP-0185 section 3. */
#include <errno.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "integration-tests/bench/load-foreign.h"
#include "integration-tests/bench/load-tls.h"

enum { BACKLOG = 4096 };

static void listener_ready(struct load_source *s, uint32_t events)
{
    struct load_foreign *f = (struct load_foreign *)(void *)s;
    (void)events;
    for (;;) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct load_peer *p = load_peer_in_new(f, fd);
        p->next = f->in;
        f->in = p;
    }
}

static int listen_at(const struct sockaddr_in *at)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)at, sizeof *at) != 0 || listen(fd, BACKLOG) != 0)
        load_die("--listen: %s", strerror(errno));
    return fd;
}

static void make_names(struct load_foreign *f, const char *pattern)
{
    const char *percent = strchr(pattern, '%');
    for (unsigned i = 0; i < f->n; i++) {
        int n = snprintf(f->name[i], sizeof f->name[i], "%.*s%u%s", (int)(percent - pattern),
                         pattern, i, percent + 2);
        if (n >= LOAD_DOMAIN_MAX)
            load_die("--peer-domain-pattern makes names that are too long");
    }
}

void load_foreign_init(struct load_foreign *f, struct load_loop *l, load_foreign_message *message,
                       void *scenario)
{
    const struct load_peers *o = &l->opts->peers;
    f->loop = l;
    f->message = message;
    f->scenario = scenario;
    f->n = o->domains;
    f->tls = load_tls_peer(l->opts);
    f->name = calloc(f->n, sizeof *f->name);
    f->out = calloc(f->n, sizeof *f->out);
    if (!f->name || !f->out || RAND_bytes(f->secret, sizeof f->secret) != 1)
        load_die("no memory for %u domains", f->n);
    make_names(f, o->pattern);
    for (unsigned i = 0; i < f->n; i++)
        load_peer_out_init(&f->out[i], f, i);
    f->listener = (struct load_source){listener_ready, listen_at(&o->listen)};
    load_loop_watch(l, &f->listener, EPOLLIN);
}

void load_foreign_fini(struct load_foreign *f)
{
    while (f->in) {
        struct load_peer *p = f->in;
        f->in = p->next;
        load_conn_fini(&p->conn);
        free(p);
    }
    for (unsigned i = 0; i < f->n; i++)
        load_conn_fini(&f->out[i].conn);
    close(f->listener.fd);
    SSL_CTX_free(f->tls);
    free(f->name);
    free(f->out);
}

static unsigned count_under_way(const struct load_foreign *f, unsigned from, unsigned to)
{
    unsigned n = 0;
    for (unsigned i = from; i < to; i++)
        n += f->out[i].state != LOAD_PEER_READY;
    return n;
}

bool load_foreign_open(struct load_foreign *f)
{
    unsigned started = 0, ready = 0, parallel = f->loop->opts->target.connect_parallel;
    load_moved(f->loop);
    while (ready < f->n && !f->loop->is_over) {
        while (ready < started && f->out[ready].state == LOAD_PEER_READY)
            ready++;
        unsigned under_way = count_under_way(f, ready, started);
        for (; started < f->n && under_way < parallel; under_way++)
            load_peer_out_start(&f->out[started++]);
        if (ready < f->n)
            load_turn(f->loop, UINT64_MAX);
    }
    return !f->loop->is_over;
}

unsigned load_foreign_find(const struct load_foreign *f, struct load_span name)
{
    const char *pattern = f->loop->opts->peers.pattern;
    size_t prefix = (size_t)(strchr(pattern, '%') - pattern);
    unsigned number = 0;
    for (size_t i = prefix; i < name.len && name.p[i] >= '0' && name.p[i] <= '9'; i++)
        if (number < f->n)
            number = number * 10 + (unsigned)(name.p[i] - '0');
    return number < f->n && load_span_is(name, f->name[number]) ? number : f->n;
}

void load_foreign_key(const struct load_foreign *f, unsigned domain, struct load_span id,
                      char out[LOAD_KEY_MAX])
{
    char text[LOAD_DOMAIN_MAX + 512];
    unsigned char key[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int n = snprintf(text, sizeof text, "%.250s %s %.*s", f->loop->opts->target.domain,
                     f->name[domain], (int)(id.len < 200 ? id.len : 200), id.p);
    if (!HMAC(EVP_sha256(), f->secret, sizeof f->secret, (const unsigned char *)text, (size_t)n,
              key, &size))
        load_die("HMAC failed");
    for (unsigned i = 0; i < size; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", key[i]);
}
