/* DOC: the cache of TLS sessions. An entry without a session says that the server ended a handshake
 * in which one was offered, as some do that ask for certificates and have no place for sessions.
 * What a resumed session proves is judged as ever (s2s-auth.c): the cache decides nothing.
 * Standards: RFC 8446 sections 2.2, 4.6.1. */
#include "s2s/s2s-tls.h"

struct entry {
    struct list lru;
    struct tls_session *session;
    uint64_t avoid_until_us; /* 0: it works */
    char *key;
};

void s2s_tls_init(struct s2s_tls *c)
{
    hmap_init(&c->by_key);
    list_init(&c->lru);
}

static void drop(struct s2s_tls *c, struct entry *e)
{
    (void)hmap_del(&c->by_key, str_of(e->key));
    list_del(&e->lru);
    tls_session_unref(&e->session);
    mem_free(e->key);
    mem_free(e);
}

void s2s_tls_fini(struct s2s_tls *c)
{
    list_each (&c->lru, n)
        drop(c, list_entry(n, struct entry, lru));
    hmap_fini(&c->by_key);
}

size_t s2s_tls_count(const struct s2s_tls *c)
{
    return hmap_count(&c->by_key);
}

char *s2s_tls_key(const char *local, const char *remote, const struct addr *at)
{
    char text[ADDR_TEXT_MAX];
    size_t size = strlen(local) + strlen(remote) + sizeof text + 2;
    char *key = mem_alloc(size);
    addr_format(text, at);
    snprintf(key, size, "%s %s %s", local, remote, text);
    return key;
}

static struct entry *entry_of(struct s2s_tls *c, const char *key)
{
    struct entry *e = hmap_get(&c->by_key, str_of(key));
    if (!e) {
        if (s2s_tls_count(c) >= S2S_TLS_SESSIONS_MAX)
            drop(c, list_entry(c->lru.next, struct entry, lru));
        e = mem_alloc(sizeof *e);
        e->key = mem_strdup(key);
        (void)hmap_put(&c->by_key, str_of(e->key), e);
    }
    list_del(&e->lru);
    list_push(&c->lru, &e->lru);
    return e;
}

struct tls_session *s2s_tls_take(struct s2s_tls *c, const char *key)
{
    struct entry *e = hmap_get(&c->by_key, str_of(key));
    struct tls_session *session = e ? e->session : NULL;
    if (!session)
        return NULL;
    e->session = NULL;
    drop(c, e);
    return session;
}

void s2s_tls_keep(struct s2s_tls *c, const char *key, struct tls_session *session, uint64_t now_us)
{
    struct entry *e = hmap_get(&c->by_key, str_of(key));
    if (!session || (e && e->avoid_until_us > now_us)) {
        tls_session_unref(&session);
        return;
    }
    e = entry_of(c, key);
    e->avoid_until_us = 0;
    tls_session_unref(&e->session);
    e->session = session;
}

void s2s_tls_avoid(struct s2s_tls *c, const char *key, uint64_t now_us)
{
    struct entry *e = entry_of(c, key);
    tls_session_unref(&e->session);
    e->avoid_until_us = now_us + (uint64_t)S2S_TLS_AVOID_MS * 1000;
}
