/* Commands about client connections and messages of the server. */
#include "node/admin/admin-int.h"
#include "node/c2s/c2s.h"
#include "node/route/route.h"
#include "node/session/user.h"

enum { SESSIONS_MAX = 2000 };

/* The address of argument 0, or the request has failed. */
static bool any_jid(struct control_request *r, struct arena *a, struct jid *j)
{
    const char *text = control_arg(r, 0), *why = "";
    if (jid_parse(a, str_of(text), j, &why) == ERR_OK)
        return true;
    control_fail(r, "\"%s\" is no address: %s", text, why);
    return false;
}

/* ---- sessions */
static void sessions_visit(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct jid j;
    const struct jid *whose = NULL;
    if (control_arg(r, 0)) {
        must(jid_parse(a, str_of(control_arg(r, 0)), &j, NULL) == ERR_OK);
        whose = &j;
    }
    if (json_kind(r->out) == JSON_KIND_ARRAY && !c2s_list(r->shard, whose, SESSIONS_MAX, r->out))
        json_free(&r->out);
    arena_free(&a);
}

static void sessions_then(struct control_request *r)
{
    if (r->out)
        control_done(r);
    else
        control_fail(r, "there are more than %d: name a domain or an account", SESSIONS_MAX);
}

void control_run_sessions(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct jid j;
    if (!control_arg(r, 0) || any_jid(r, a, &j)) {
        r->out = json_new_array();
        control_each_shard(r, sessions_visit, sessions_then);
    }
    arena_free(&a);
}

/* ---- kick */
static void kick_there(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct jid j;
    const char *text = control_arg(r, 1);
    if (any_jid(r, a, &j)) {
        r->out = json_new_object();
        json_set_num(r->out, "closed",
                     (int64_t)c2s_kick(r->shard, &j, text ? text : "closed by the operator"));
        json_set_num(r->out, "closed_elsewhere", (int64_t)user_kick_remote(r->shard, &j));
        control_done(r);
    }
    arena_free(&a);
}

void control_run_kick(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct jid j;
    if (any_jid(r, a, &j)) {
        if (j.local.p)
            control_move(r, node_shard_of(r->node, j.bare), kick_there);
        else
            control_fail(r, "\"%s\" is no account address: user@domain is", control_arg(r, 0));
    }
    arena_free(&a);
}

/* ---- send */
static void send_message(struct control_request *r, struct arena *a, const struct jid *to)
{
    struct jid from;
    struct stanza_build b;
    char trace[33];
    struct str domain = str_of(r->node->conf->domains[0]);
    if (node_serves(r->node, to->domain))
        domain = to->domain;
    must(jid_make(a, STR_NONE, domain, STR_NONE, &from) == ERR_OK);
    route_trace_new(trace);
    stanza_build(&b, STANZA_MESSAGE, MSG_NORMAL, &from, to, str_of(trace));
    xml_add_text(b.arena, xml_add(b.arena, b.el, NS_CLIENT, "body"), str_of(control_arg(r, 1)));
    route_start(r->shard, stanza_finish(&b), NULL, ROUTE_SERVER, 0, trace);
    r->out = json_new_object();
    json_set_str(r->out, "trace", str_of(trace));
    control_done(r);
}

void control_run_send(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct jid to;
    if (any_jid(r, a, &to)) {
        if (control_arg(r, 1)[0])
            send_message(r, a, &to);
        else
            control_fail(r, "the message is empty");
    }
    arena_free(&a);
}
