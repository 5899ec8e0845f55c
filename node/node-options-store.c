/* Where data is kept: [store] uri for all tables but those of [[store.route]]; "rdbms:default"
 * stands for the pool of that name, which has the address, the password and the times of a
 * database. So no URI with a secret stands where it would be printed. */
#include "node/node-options-int.h"

static const char pool_name[] = "rdbms:default";
static const char pool_section[] = "outgoing_pools.rdbms.default";

static bool is_postgres(const char *uri)
{
    return str_starts(str_of(uri), STR("postgresql:")) || str_starts(str_of(uri), STR("postgres:"));
}

/* user:password@ before the path, or password= behind it. */
static bool has_password(const char *uri)
{
    struct str rest = str_of(strstr(uri, "//"));
    if (!rest.p)
        return strstr(uri, "password=") != NULL;
    rest = str_make(rest.p + 2, rest.n - 2);
    struct str authority = str_make(rest.p, strcspn(rest.p, "/?"));
    ptrdiff_t at = str_find(authority, '@');
    return (at >= 0 && str_find(str_make(authority.p, (size_t)at), ':') >= 0) ||
           strstr(rest.p, "password=") != NULL;
}

static void check_place(const struct conf *c, const char *section, size_t i, const char *uri,
                        bool has_pool, struct conf_errors *errs)
{
    if (is_postgres(uri))
        conf_error_at(errs, c, section, i, "uri", "must be \"%s\": PostgreSQL stands in [%s]",
                      pool_name, pool_section);
    else if (!str_starts(str_of(uri), STR("rdbms:")))
        return; /* the store says what is wrong with it when it opens */
    else if (strcmp(uri, pool_name) != 0)
        conf_error_at(errs, c, section, i, "uri", "the only pool is \"%s\"", pool_name);
    else if (!has_pool)
        conf_error_at(errs, c, section, i, "uri", "needs a section [%s]", pool_section);
}

void node_options_store_check(const struct conf *c, const struct store_options *o,
                              struct conf_errors *errs)
{
    bool has_pool = conf_has_section(c, pool_section);
    check_place(c, "store", 0, o->store->uri, has_pool, errs);
    for (size_t i = 0; i < o->routes_n; i++) {
        check_place(c, "store.route", i, o->routes[i].uri, has_pool, errs);
        for (size_t n = 0; n < o->routes[i].tables.n; n++)
            if (!store_table_valid(o->routes[i].tables.items[n]))
                conf_error_at(errs, c, "store.route", i, "tables", "\"%s\" is no name of a table",
                              o->routes[i].tables.items[n]);
    }
    if (o->routes_n > STORE_ROUTES_MAX)
        conf_error_at(errs, c, "store.route", STORE_ROUTES_MAX, NULL, "at most %d routes",
                      STORE_ROUTES_MAX);
    if (has_pool && !is_postgres(o->pool->uri))
        conf_error_at(errs, c, pool_section, 0, "uri", "must begin with \"postgresql:\"");
    else if (has_pool && has_password(o->pool->uri))
        conf_error_at(errs, c, pool_section, 0, "uri",
                      "holds a password: it goes into the option password");
}

static struct store_place place_of(const struct opt_pool *pool, const char *uri)
{
    if (strcmp(uri, pool_name) != 0)
        return (struct store_place){.uri = uri};
    return (struct store_place){pool->uri, pool->password, pool->timeout, pool->connect_timeout};
}

void node_options_store_open(const struct store_options *o, struct node_conf *c)
{
    struct store_route *routes = mem_calloc(o->routes_n + 1, sizeof *routes);
    c->store = place_of(o->pool, o->store->uri);
    if (o->pool->uri)
        c->store_pool = place_of(o->pool, pool_name);
    for (size_t i = 0; i < o->routes_n; i++)
        routes[i] =
            (struct store_route){o->routes[i].tables.items, place_of(o->pool, o->routes[i].uri)};
    c->store_routes = routes;
    c->store_routes_n = o->routes_n;
}

void node_options_store_close(struct node_conf *c)
{
    mem_free((void *)(uintptr_t)c->store_routes);
}
