/* Commands about federation: what there is, what stands in the way, and what to do about it. What
 * is about one domain runs on the shard that sends to it; streams from it may be on any. */
#include "node/admin/admin-int.h"
#include "node/mod/rtbl.h"
#include "s2s/s2s-explain.h"

/* ---- the domain */
static bool is_outbox(const struct control_request *r)
{
    return strcmp(control_arg(r, 0), "outbox") == 0;
}

static const char *domain_text(const struct control_request *r)
{
    return control_arg(r, is_outbox(r) ? 2 : 1);
}

/* Prepared; else the request has failed. */
static bool domain_arg(struct control_request *r, struct arena *a, struct jid *j)
{
    const char *text = domain_text(r), *from = control_option(r, "from"), *why = "";
    if (from && !node_serves(r->node, str_of(from)))
        control_fail(r, "--from %s: no domain of this node", from);
    else if (!text)
        control_fail(r, "s2s %s: which domain?", control_arg(r, 0));
    else if (jid_parse(a, str_of(text), j, &why) != ERR_OK)
        control_fail(r, "\"%s\" is no domain: %s", text, why);
    else if (j->local.p || j->resource.p)
        control_fail(r, "\"%s\" is an address, not a domain", text);
    else if (node_serves(r->node, j->domain))
        control_fail(r, "%s is a domain of this node", text);
    else
        return true;
    return false;
}

/* It has passed domain_arg. */
static struct str domain_in(const struct control_request *r, struct arena *a)
{
    struct jid j;
    must(jid_parse(a, str_of(domain_text(r)), &j, NULL) == ERR_OK);
    return j.domain;
}

static bool has_federation(struct control_request *r)
{
    if (!r->shard->s2s)
        control_fail(r, "federation is switched off ([s2s] enabled)");
    return r->shard->s2s != NULL;
}

static void at_owner(struct control_request *r, void (*then)(struct control_request *r))
{
    struct arena *a = arena_new(0);
    struct jid j;
    if (has_federation(r) && domain_arg(r, a, &j))
        control_move(r, node_shard_of(r->node, j.domain), then);
    arena_free(&a);
}

static void tell_count(struct control_request *r, const char *key, size_t n)
{
    r->out = json_new_object();
    json_set_num(r->out, key, (int64_t)n);
    control_done(r);
}

/* ---- list, outbox list */
static void list_visit(struct control_request *r)
{
    if (r->shard->s2s)
        s2s_list(r->shard->s2s, r->out);
}

static void run_list(struct control_request *r)
{
    r->out = json_new_array();
    control_each_shard(r, list_visit, control_done);
}

static void outbox_visit(struct control_request *r)
{
    if (r->shard->s2s)
        s2s_outbox_list(r->shard->s2s, r->out);
}

/* ---- lists */
static void run_lists(struct control_request *r)
{
    if (!has_federation(r))
        return;
    r->out = json_new_array();
    rtbl_rows(r->node, r->out);
    control_done(r);
}

/* ---- show */
static void show_there(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct str domain = domain_in(r, a);
    r->out = json_new_object();
    json_set_str(r->out, "domain", domain);
    if (s2s_show(r->shard->s2s, domain, r->out))
        control_done(r);
    else
        control_fail(r, "nothing is known of " STR_FMT "; s2s explain tries it", STR_ARG(domain));
    arena_free(&a);
}

static void run_show(struct control_request *r)
{
    at_owner(r, show_there);
}

/* ---- explain, probe */
/* What is known and what waits, beside what was found out; the sentence stays last. */
static void add_record(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct json *record = json_new_object();
    (void)s2s_show(r->shard->s2s, domain_in(r, a), record);
    json_set(r->out, "record", &record);
    arena_free(&a);
}

static void explained(void *ctx, struct json **report)
{
    struct control_request *r = ctx;
    if (!*report) {
        control_fail(r, "%d explanations are under way already", S2S_EXPLAINS_MAX);
        return;
    }
    r->out = *report;
    *report = NULL;
    if (strcmp(control_arg(r, 0), "explain") == 0)
        add_record(r);
    s2s_explain_verdict(r->out);
    control_done(r);
}

static void explain_there(struct control_request *r)
{
    struct arena *a = arena_new(0);
    const char *from = control_option(r, "from");
    s2s_explain(r->shard->s2s, &r->ops, from ? from : r->node->conf->domains[0], domain_in(r, a),
                explained, r);
    arena_free(&a);
}

static void run_explain(struct control_request *r)
{
    at_owner(r, explain_there);
}

/* ---- kick */
static void kick_visit(struct control_request *r)
{
    struct arena *a = arena_new(0);
    int64_t n = (int64_t)s2s_kick(r->shard->s2s, domain_in(r, a));
    json_set_num(r->out, "closed", json_get_num(r->out, "closed", 0) + n);
    arena_free(&a);
}

static void run_kick(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct jid j;
    if (has_federation(r) && domain_arg(r, a, &j)) {
        r->out = json_new_object();
        control_each_shard(r, kick_visit, control_done);
    }
    arena_free(&a);
}

/* ---- retry, outbox */
static void retry_there(struct control_request *r)
{
    struct arena *a = arena_new(0);
    size_t n = s2s_retry(r->shard->s2s, domain_in(r, a));
    tell_count(r, "tried_for", n);
    arena_free(&a);
}

static void run_retry(struct control_request *r)
{
    at_owner(r, retry_there);
}

static void drop_there(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct str domain = domain_in(r, a);
    size_t n = s2s_waiting(r->shard->s2s, domain);
    if (n && !control_option(r, "yes"))
        control_fail(r,
                     "%zu stanzas wait for " STR_FMT "; with --yes they go back to their senders",
                     n, STR_ARG(domain));
    else
        tell_count(r, "given_back", s2s_outbox_drop(r->shard->s2s, domain));
    arena_free(&a);
}

static void run_outbox(struct control_request *r)
{
    const char *what = control_arg(r, 1);
    if (strcmp(what, "drop") == 0) {
        at_owner(r, drop_there);
    } else if (strcmp(what, "list") == 0) {
        r->out = json_new_array();
        control_each_shard(r, outbox_visit, control_done);
    } else {
        control_fail(r, "s2s outbox: list, or drop DOMAIN");
    }
}

/* ---- the table */
const struct control_verb control_s2s_verbs[] = {
    {"list", "", "streams to and from other servers, and what waits for them", 0, 0, run_list},
    {"show", "DOMAIN", "what is known: reached or not and why, outcomes so far, what waits", 1, 1,
     run_show},
    {"explain", "DOMAIN",
     "try to reach it now, step by step; what is wrong, on whose side, and what to do", 1, 1,
     run_explain},
    {"probe", "DOMAIN", "the same without what is known: can it be reached now?", 1, 1,
     run_explain},
    {"lists", "", "block lists that are followed: how many items, since when, what is wrong", 0, 0,
     run_lists},
    {"kick", "DOMAIN", "close its streams in order; what waits goes over new ones", 1, 1, run_kick},
    {"retry", "DOMAIN", "do not wait: try to send what waits now", 1, 1, run_retry},
    {"outbox", "list|drop [DOMAIN]", "what waits; drop (--yes) gives it back to its senders", 1, 2,
     run_outbox},
};
const size_t control_s2s_verbs_n = ARRAY_LEN(control_s2s_verbs);

/* How many arguments there are behind the verb. */
static size_t args_behind(const struct control_request *r)
{
    size_t n = 0;
    while (control_arg(r, n + 1))
        n++;
    return n;
}

void control_run_s2s(struct control_request *r)
{
    const char *name = control_arg(r, 0) ? control_arg(r, 0) : "list";
    const struct control_verb *v = NULL;
    for (size_t i = 0; !v && i < control_s2s_verbs_n; i++)
        if (strcmp(control_s2s_verbs[i].name, name) == 0)
            v = &control_s2s_verbs[i];
    size_t n = args_behind(r);
    if (!v)
        control_fail(r, "there is no s2s %s: meridianctl help s2s", name);
    else if (n < v->min_args || n > v->max_args)
        control_fail(r, "usage: s2s %s %s", v->name, v->args);
    else
        v->run(r);
}
