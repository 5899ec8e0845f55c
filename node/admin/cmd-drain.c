/* The command that sends the clients of this node to another host. */
#include "lib/net/addr.h"
#include "node/admin/admin-int.h"
#include "node/c2s/c2s.h"

enum { OVER_S = 60, OVER_MAX_S = 86400, HOST_MAX = 255 };

/* What RFC 6120 section 4.9.3.19 allows: a domain or an address, IPv6 in brackets, and a port. */
static bool is_host(struct str text)
{
    struct addr ignored;
    struct jid j;
    uint64_t port;
    if (!text.n || text.n > HOST_MAX)
        return false;
    if (text.p[0] == '[') {
        char with_port[HOST_MAX + 4];
        snprintf(with_port, sizeof with_port, STR_FMT ":1", STR_ARG(text));
        return addr_parse_hostport(text, &ignored) == ERR_OK ||
               addr_parse_hostport(str_of(with_port), &ignored) == ERR_OK;
    }
    const struct str host = str_cut(&text, ':');
    if (text.p && (!str_to_u64(text, UINT16_MAX, &port) || port == 0))
        return false;
    struct arena *a = arena_new(0);
    const bool ok = jid_make(a, STR_NONE, host, STR_NONE, &j) == ERR_OK;
    arena_free(&a);
    return ok;
}

/* Seconds of --over; false: the request has failed. */
static bool over(struct control_request *r, uint64_t *out)
{
    const char *text = control_option(r, "over");
    *out = OVER_S;
    if (!text || str_to_u64(str_of(text), OVER_MAX_S, out))
        return true;
    control_fail(r, "\"%s\": --over takes seconds, up to %d", text, OVER_MAX_S);
    return false;
}

static void drain_visit(struct control_request *r)
{
    size_t all, unauthenticated;
    const uint64_t seconds = (uint64_t)json_get_num(r->out, "over_s", 0);
    c2s_drain(r->shard, control_arg(r, 0), seconds * 1000);
    c2s_count(r->shard, &all, &unauthenticated);
    json_set_num(r->out, "connections", json_get_num(r->out, "connections", 0) + (int64_t)all);
}

static void end_visit(struct control_request *r)
{
    c2s_drain_end(r->shard);
}

void control_run_drain(struct control_request *r)
{
    const char *to = control_arg(r, 0);
    uint64_t seconds;
    if (!over(r, &seconds))
        return;
    if (strcmp(to, "off") == 0) {
        r->out = json_new_object();
        json_set_str(r->out, "draining", STR("off"));
        control_each_shard(r, end_visit, control_done);
    } else if (!is_host(str_of(to))) {
        control_fail(r, "\"%s\" is no host to send clients to: HOST, HOST:PORT, [IPV6]:PORT", to);
    } else {
        r->out = json_new_object();
        json_set_str(r->out, "draining", str_of(to));
        json_set_num(r->out, "over_s", (int64_t)seconds);
        control_each_shard(r, drain_visit, control_done);
    }
}
