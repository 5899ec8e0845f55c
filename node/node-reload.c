/* DOC: reload. A job on the hashing pool reads the file and all certificates into new objects that
 * nobody else sees; if anything is wrong they are dropped and the reasons reported. Back on shard 0
 * the certificates are replaced in their contexts (streams that exist go on with theirs), the log's
 * level and form are set, and each shard is posted a copy of the numbers that may change
 * (struct node_tune) and the policy of federation (shared, immutable). The lists that the module
 * rtbl follows are told to it here, on its shard. What takes a restart is
 * compared with what the node was started with, so it is reported as long as it waits. */
#include "node/node-reload.h"

#include "conf/conf-print.h"
#include "lib/base/log.h"

#include "node/mod/rtbl.h"
#include "node/node-int.h"
#include "node/node-options.h"
#include "s2s/s2s.h"

struct reloader {
    struct node *node;
    char *path;
    struct conf *boot, *current;
    struct op_owner ops;
    bool is_running;
};

/* ---- the job: everything new, or the reasons */
struct request;
struct job {
    struct request *request; /* used on the loop only, by done */
    char *path;
    struct conf *next;
    struct conf_errors errs;
    struct node_tls_sets sets;
    struct s2s_policy *policy;
    enum err err;
    char why[256];
};
struct request {
    struct op op;
    struct reloader *reloader;
    struct job *job;
    reload_cb *cb;
    void *ctx;
    struct op_owner ops; /* the job */
    struct defer later;  /* nothing could be started */
};

static void job_run(void *ctx)
{
    struct job *j = ctx;
    j->err = conf_load(j->path, &node_schema, &j->next, &j->errs);
    if (j->err != ERR_OK)
        return;
    struct node_settings s;
    node_settings_open(j->next, &s);
    j->err = node_tls_read(&s.conf, &j->sets, j->why, sizeof j->why);
    if (j->err == ERR_OK)
        j->err = s2s_policy_new(&s.conf.s2s_policy, &j->policy, j->why, sizeof j->why);
    node_settings_close(&s);
}

static void job_release(void *ctx)
{
    struct job *j = ctx;
    node_tls_drop(&j->sets);
    s2s_policy_unref(&j->policy);
    conf_errors_fini(&j->errs);
    conf_unref(&j->next);
    mem_free(j->path);
    mem_free(j);
}

/* ---- the report */
struct changes {
    const struct conf *before, *after;
    enum conf_apply apply; /* which ones */
    struct json *list;
};

/* Of an element of an array that came or went: now, if all of it can change now. */
static enum conf_apply whole_apply(const struct conf_section *s)
{
    for (size_t i = 0; i < s->option_count; i++)
        if (s->options[i].apply != CONF_RELOAD)
            return CONF_RESTART;
    return CONF_RELOAD;
}

static void change_found(void *ctx, const struct conf_section *s, size_t index,
                         const struct conf_option *o)
{
    struct changes *c = ctx;
    enum conf_apply apply = o ? o->apply : whole_apply(s);
    if (apply != c->apply)
        return;
    char name[256];
    struct buf before, after;
    buf_init(&before, 1 << 16);
    buf_init(&after, 1 << 16);
    snprintf(name, sizeof name, s->is_array ? "[[%s]]#%zu%s%s" : "[%s]%.0zu%s%s", s->name,
             s->is_array ? index + 1 : 0, o ? " " : "", o ? o->name : "");
    conf_print_value(c->before, s, index, o, &before);
    conf_print_value(c->after, s, index, o, &after);
    struct json *j = json_new_object();
    json_set_str(j, "option", str_of(name));
    json_set_str(j, "before", buf_view(&before));
    json_set_str(j, "after", buf_view(&after));
    json_set_str(j, "applies", apply == CONF_RELOAD ? STR("now") : STR("restart"));
    log_info(NULL, "conf.changed", "option", name, "before", LOG_STR(buf_view(&before)), "after",
             LOG_STR(buf_view(&after)), "applies", apply == CONF_RELOAD ? "now" : "restart");
    json_push(c->list, &j);
    buf_fini(&before);
    buf_fini(&after);
}

static struct json *report_errors(const struct job *j)
{
    struct json *out = json_new_object(), *list = json_new_array();
    for (size_t i = 0; i < j->errs.n; i++) {
        json_push_str(list, str_of(j->errs.lines[i]));
        log_error(NULL, "conf.refused", "why", j->errs.lines[i]);
    }
    if (j->why[0]) {
        json_push_str(list, str_of(j->why));
        log_error(NULL, "conf.refused", "why", j->why);
    }
    json_set(out, "errors", &list);
    return out;
}

static struct json *report_changes(const struct reloader *r, const struct conf *next)
{
    struct json *out = json_new_object(), *list = json_new_array();
    struct changes now = {r->current, next, CONF_RELOAD, list};
    struct changes waiting = {r->boot, next, CONF_RESTART, list};
    conf_diff(r->current, next, change_found, &now);
    conf_diff(r->boot, next, change_found, &waiting);
    json_set(out, "changed", &list);
    return out;
}

/* ---- putting in force */
static void tune_shard(struct node_shard *sh, void *ctx)
{
    struct node_tune *t = ctx;
    sh->tune = *t;
    sh->fake.iterations = t->scram_iterations;
    if (sh->s2s)
        s2s_tune(sh->s2s, &t->s2s);
    mem_free(t);
}

static void policy_shard(struct node_shard *sh, void *ctx)
{
    struct s2s_policy *p = ctx;
    if (sh->s2s)
        s2s_set_policy(sh->s2s, &p);
    s2s_policy_unref(&p);
}

static void policy_drop(void *ctx)
{
    struct s2s_policy *p = ctx;
    s2s_policy_unref(&p);
}

static void put_in_force(struct reloader *r, struct job *j)
{
    struct node_settings s;
    node_settings_open(j->next, &s);
    node_tls_replace(r->node, &j->sets);
    log_set_format(s.conf.log_format);
    log_set_level(s.conf.log_level);
    for (unsigned i = 0; i < r->node->n_shards; i++) {
        struct node_tune *t = mem_alloc(sizeof *t);
        node_tune_fill(t, &s.conf);
        node_post(&r->node->shard[i], tune_shard, mem_free, t);
        node_post(&r->node->shard[i], policy_shard, policy_drop, s2s_policy_ref(j->policy));
    }
    rtbl_configure(r->node, s.conf.rtbls, s.conf.rtbls_n);
    node_settings_close(&s);
    conf_unref(&r->current);
    r->current = conf_ref(j->next);
}

/* ---- requests */
static void request_free(struct request *q)
{
    defer_cancel(&q->later);
    op_owner_cancel_all(&q->ops);
    mem_free(q);
}

static void request_cancel(struct op *op)
{
    struct request *q = container_of(op, struct request, op);
    if (q->job)
        q->reloader->is_running = false;
    request_free(q);
}

static void request_end(struct request *q, enum err e, struct json *report)
{
    reload_cb *cb = q->cb;
    void *ctx = q->ctx;
    if (q->job)
        q->reloader->is_running = false;
    op_end(&q->op);
    request_free(q);
    cb(ctx, e, &report);
    json_free(&report);
}

static void request_done(void *ctx)
{
    struct request *q = ctx;
    struct job *j = q->job;
    struct reloader *r = q->reloader;
    struct json *report;
    if (j->err != ERR_OK) {
        report = report_errors(j);
    } else {
        report = report_changes(r, j->next);
        put_in_force(r, j);
        struct json *certs = json_new_array();
        node_tls_list(r->node, certs);
        json_set(report, "certificates", &certs);
        log_info(NULL, "conf.reloaded");
    }
    request_end(q, j->err, report);
}

static void job_done(void *ctx)
{
    struct job *j = ctx;
    request_done(j->request);
}

static void request_late(void *ctx)
{
    request_end(ctx, ERR_LIMIT, NULL);
}

struct op *reloader_run(struct reloader *r, struct op_owner *o, reload_cb *cb, void *ctx)
{
    struct request *q = mem_alloc(sizeof *q);
    *q = (struct request){.reloader = r, .cb = cb, .ctx = ctx};
    op_owner_init(&q->ops);
    defer_init(&q->later, request_late, q);
    op_start(&q->op, o ? o : &r->ops, request_cancel);
    struct node_shard *hub = &r->node->shard[0];
    if (!r->is_running) {
        struct job *j = mem_alloc(sizeof *j);
        j->request = q;
        j->path = mem_strdup(r->path);
        conf_errors_init(&j->errs);
        struct work_job w = {job_run, job_done, job_release, j};
        q->job = j;
        r->is_running = true;
        if (work_submit(r->node->hashing, hub->loop, &q->ops, &w) == ERR_OK)
            return &q->op;
        q->job = NULL;
        r->is_running = false;
        job_release(j);
    }
    loop_defer(hub->loop, &q->later);
    return &q->op;
}

struct reloader *reloader_new(struct node *n, const char *path, struct conf *boot)
{
    struct reloader *r = mem_alloc(sizeof *r);
    r->node = n;
    r->path = mem_strdup(path);
    r->boot = conf_ref(boot);
    r->current = conf_ref(boot);
    op_owner_init(&r->ops);
    n->reloader = r;
    return r;
}

void reloader_free(struct reloader **pr)
{
    struct reloader *r = *pr;
    *pr = NULL;
    if (!r)
        return;
    op_owner_cancel_all(&r->ops);
    r->node->reloader = NULL;
    conf_unref(&r->boot);
    conf_unref(&r->current);
    mem_free(r->path);
    mem_free(r);
}
