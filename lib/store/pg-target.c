/* pg-target: a postgresql:// URI taken apart by libpq, with our defaults where it says nothing:
 * only a server that takes writes (target_session_attrs), no Kerberos (it would call out, and costs
 * a round trip). Several hosts are tried in their order. */
#include "lib/store/pg-int.h"

enum { TIMEOUT_MS = 4000, CONNECT_TIMEOUT_MS = 3000 };

static const struct {
    const char *keyword, *value;
} defaults[] = {
    {"target_session_attrs", "read-write"},
    {"gssencmode", "disable"},
    {"client_encoding", "UTF8"},
    {"tcp_user_timeout", "10000"},
    {"keepalives_idle", "30"},
    {"keepalives_interval", "10"},
};

static void set(struct pg_target *t, const char *keyword, const char *value)
{
    must(t->n + 3 < PG_PARAMS_MAX); /* room for host, hostaddr, port */
    t->params.keywords[t->n] = arena_cstr(t->mem, str_of(keyword));
    t->params.values[t->n++] = arena_cstr(t->mem, str_of(value));
}

static void take(struct pg_target *t, const PQconninfoOption *o)
{
    const char **place = strcmp(o->keyword, "host") == 0       ? &t->host
                         : strcmp(o->keyword, "hostaddr") == 0 ? &t->hostaddr
                         : strcmp(o->keyword, "port") == 0     ? &t->port
                                                               : NULL;
    if (place)
        *place = arena_cstr(t->mem, str_of(o->val));
    else
        set(t, o->keyword, o->val);
}

static bool says(const struct pg_target *t, const char *keyword)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->params.keywords[i], keyword) == 0)
            return true;
    return false;
}

static void find_names(struct pg_target *t)
{
    struct str rest = str_of(t->hostaddr ? NULL : t->host);
    while (rest.p)
        if (pg_host_is_name(str_cut(&rest, ',')))
            t->has_names = true;
}

enum err pg_target_new(const struct store_place *p, struct pg_target **out, char *why,
                       size_t why_size)
{
    char *text = NULL;
    PQconninfoOption *options = PQconninfoParse(p->uri, &text);
    if (!options) { /* what libpq quotes may hold the password: it is not repeated */
        snprintf(why, why_size, "postgresql URI: %.*s", text ? (int)strcspn(text, "\"\n") : 0,
                 text ? text : "");
        PQfreemem(text);
        return ERR_INVALID;
    }
    struct pg_target *t = mem_alloc(sizeof *t);
    t->mem = arena_new(0);
    t->timeout_ms = p->timeout_ms ? p->timeout_ms : TIMEOUT_MS;
    t->connect_timeout_ms = p->connect_timeout_ms ? p->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    for (PQconninfoOption *o = options; o->keyword; o++)
        if (o->val && !(p->password && strcmp(o->keyword, "password") == 0))
            take(t, o);
    PQconninfoFree(options);
    if (p->password)
        set(t, "password", p->password);
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        if (!says(t, defaults[i].keyword))
            set(t, defaults[i].keyword, defaults[i].value);
    if (!t->host && !t->hostaddr && getenv("PGHOST")) /* before libpq finds it itself */
        t->host = arena_cstr(t->mem, str_of(getenv("PGHOST")));
    find_names(t);
    *out = t;
    return ERR_OK;
}

void pg_target_free(struct pg_target **pt)
{
    struct pg_target *t = *pt;
    *pt = NULL;
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->params.keywords[i], "password") == 0)
            mem_wipe((char *)(uintptr_t)t->params.values[i], strlen(t->params.values[i]));
    arena_free(&t->mem);
    mem_free(t);
}
