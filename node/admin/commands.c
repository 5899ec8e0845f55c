/* What an operator can ask: one table, a small function each. */
#include "lib/base/clock.h"
#include "node/admin/admin-int.h"
#include "node/c2s/c2s.h"
#include "node/cluster/anchor.h"
#include "node/cluster/world.h"
#include "node/session/user.h"

/* ---- status */
static void status_visit(struct control_request *r)
{
    struct json *stats = json_get(r->out, "counters");
    const struct node_stats *s = &r->shard->stats;
#define ADD(name) json_set_num(stats, #name, json_get_num(stats, #name, 0) + (int64_t)s->name);
    NODE_STAT_TABLE(ADD)
#undef ADD
#define ADD(name)                                                                                  \
    json_set_num(stats, "stanzas_" #name,                                                          \
                 json_get_num(stats, "stanzas_" #name, 0) +                                        \
                     (int64_t)node_flow_sum(s, FLOW_##name));
    NODE_FLOW_TABLE(ADD)
#undef ADD
    json_set_num(r->out, "users",
                 json_get_num(r->out, "users", 0) + (int64_t)hmap_count(&r->shard->users));
}

static void status_then(struct control_request *r)
{
    struct world *w = r->node->world;
    struct json *members = json_new_array(), *links = json_new_array();
    world_list(w, members, links);
    json_set_bool(r->out, "registry", world_registry_connected(w));
    json_set_num(r->out, "registry_rows", (int64_t)world_registry_rows(w));
    json_set(r->out, "members", &members);
    json_set(r->out, "links", &links);
    control_done(r);
}

static void run_status(struct control_request *r)
{
    struct node *n = r->node;
    r->out = json_new_object();
    json_set_str(r->out, "version", STR(MERIDIAN_VERSION));
    json_set_str(r->out, "node", str_of(world_self_id(n->world)));
    json_set_num(r->out, "uptime_s", (int64_t)((clock_wall_us() - n->incarnation) / 1000000));
    json_set_num(r->out, "shards", n->n_shards);
    struct json *domains = json_new_array();
    for (const char *const *d = n->conf->domains; *d; d++)
        json_push_str(domains, str_of(*d));
    json_set(r->out, "domains", &domains);
    if (c2s_drains_to(&n->shard[0]))
        json_set_str(r->out, "draining_to", str_of(c2s_drains_to(&n->shard[0])));
    struct json *counters = json_new_object();
    json_set(r->out, "counters", &counters);
    control_each_shard(r, status_visit, status_then);
}

/* ---- where */
static void where_rows(void *ctx, enum err e, const struct world_location *l, size_t n)
{
    struct control_request *r = ctx;
    struct json *rows = json_new_array();
    for (size_t i = 0; e == ERR_OK && i < n; i++) {
        struct json *o = json_new_object();
        json_set_str(o, "node", str_of(l[i].peer));
        json_set_str(o, "home", str_of(l[i].home));
        json_set_num(o, "incarnation", (int64_t)l[i].incarnation);
        json_push(rows, &o);
    }
    json_set(r->out, "registry", &rows);
    if (e != ERR_OK)
        json_set_str(r->out, "registry_error", str_of(err_text(e)));
    control_done(r);
}

static void where_sessions(struct json *out, const struct user *u)
{
    struct json *list = json_new_array();
    if (u) {
        list_each ((struct list *)(uintptr_t)&u->sessions, n) {
            const struct session *ss = list_entry(n, struct session, link);
            struct json *o = json_new_object();
            json_set_str(o, "jid", ss->full.full);
            json_set_str(o, "node", ss->where == SESSION_HERE ? STR("here") : str_of(ss->peer));
            json_set_bool(o, "available", ss->presence != NULL);
            json_set_num(o, "priority", ss->priority);
            json_push(list, &o);
        }
    }
    json_set(out, "sessions", &list);
}

static void where_anchor(void *ctx, const struct anchor *a)
{
    struct control_request *r = ctx;
    static const char *const whats[] = {"here", "other node", "no such account",
                                        "unknown: a region is out of reach"};
    struct arena *tmp = arena_new(0);
    struct jid j;
    must(jid_parse(tmp, str_of(control_arg(r, 0)), &j, NULL) == ERR_OK);
    json_set_str(r->out, "anchor", str_of(whats[a->what]));
    if (a->what == ANCHOR_PEER)
        json_set_str(r->out, "anchor_node", str_of(a->peer));
    json_set_str(r->out, "home", str_of(a->home));
    if (a->what == ANCHOR_HERE)
        where_sessions(r->out, user_find(r->shard, j.bare));
    world_locate(r->shard, &r->ops, j.bare, true, where_rows, r);
    arena_free(&tmp);
}

static void where_there(struct control_request *r)
{
    struct arena *tmp = arena_new(0);
    struct jid j;
    struct anchor a;
    must(jid_parse(tmp, str_of(control_arg(r, 0)), &j, NULL) == ERR_OK);
    json_set_str(r->out, "jid", j.bare);
    json_set_num(r->out, "shard", r->shard->index);
    if (anchor_now(r->shard, j.bare, &a))
        where_anchor(r, &a);
    else
        anchor_ask(r->shard, &r->ops, j.bare, where_anchor, NULL, r);
    arena_free(&tmp);
}

static void run_where(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct jid j;
    if (control_account_jid(r, a, &j)) {
        r->out = json_new_object();
        control_move(r, node_shard_of(r->node, j.bare), where_there);
    }
    arena_free(&a);
}

const struct control_command control_commands[] = {
    {"status", "", "versions, counters, members of the world, links between regions", 0, 0,
     run_status, NULL},
    {"sessions", "[JID]", "client connections of this node: of a domain, an account, one", 0, 1,
     control_run_sessions, NULL},
    {"kick", "JID [TEXT]", "close the connections of an account, or one", 1, 2, control_run_kick,
     NULL},
    {"drain", "HOST[:PORT]|off",
     "send clients to another host: sessions end over some seconds, new ones are told at once", 1,
     1, control_run_drain, "over"},
    {"send", "JID TEXT", "a message from the server; - reads it from standard input", 2, 2,
     control_run_send, NULL},
    {"where", "JID", "home, anchor and sessions of an account", 1, 1, run_where, NULL},
    {"s2s", "[VERB] [DOMAIN]", "other servers: streams, what waits, why a domain is not reached", 0,
     3, control_run_s2s, "from yes"},
    {"adduser", "JID [PASSWORD]",
     "make an account (the password is asked for, or read from standard input)", 2, 2,
     control_run_adduser, NULL},
    {"passwd", "JID [PASSWORD]", "give an account another password (asked for, or read)", 2, 2,
     control_run_passwd, NULL},
    {"deluser", "JID", "remove an account and all that is kept of it", 1, 1, control_run_deluser,
     NULL},
    {"users", "[DOMAIN]", "accounts in this node's store", 0, 1, NULL, NULL},
    {"users-page", "AFTER", NULL, 1, 1, control_run_users, NULL},
    {"import-users", "FILE",
     "make accounts, a line JID,PASSWORD or JID,SCRAM-SHA-256$... each; - is standard input", 1, 1,
     NULL, NULL},
    {"import", "LINE...", NULL, 1, IMPORT_LINES_MAX, control_run_import, NULL},
    {"loglevel", "[LEVEL|default]",
     "show or set what is logged: in general, of a --category, about a --jid or --peer", 0, 1,
     control_run_loglevel, "category jid peer"},
    {"log", "", "lines as they come, about a --jid or --peer, of a --category; from --level", 0, 0,
     control_run_log, "category jid peer level"},
    {"reload", "", "take over the configuration and the certificates anew, all or nothing", 0, 0,
     control_run_reload, NULL},
    {"check", "", "configuration, certificates, DNS records: as they should be, as they are", 0, 0,
     NULL, NULL},
    {"store", "copy FROM TO",
     "copy all data while no node runs: sqlite:/path, or rdbms:default for the pool of the file", 3,
     3, NULL, NULL},
    {"help", "[COMMAND]", "this list, or what a command takes", 0, 1, NULL, NULL},
    {"completion", "bash|zsh", "a script for the shell's completion", 1, 1, NULL, NULL},
};
const size_t control_commands_n = ARRAY_LEN(control_commands);
