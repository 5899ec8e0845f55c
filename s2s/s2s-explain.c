/* DOC: explain, the frame: it asks DNS for everything that could matter, takes the targets the
 * domain's streams would take, walks to each of them at the same time, and judges.
 * Design: the targets come from the same source as those of real streams (overrides included), so
 * the verdict is about what happens, not about what the records look like. The first address, in
 * their order, to which a connection is made decides, as it does for real streams; the others are
 * rows in the report. One deadline covers all. Invariants: told once, from the loop; at most
 * S2S_EXPLAINS_MAX at once. */
#include "s2s/s2s-explain-int.h"

#include <stdarg.h>

enum { STEP_TEXT_MAX = 512 };

void explain_step(struct explain *x, uint64_t since_us, const char *step, const char *about,
                  const char *fmt, ...)
{
    char text[STEP_TEXT_MAX];
    uint64_t now = loop_now_us(x->s2s->loop);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct json *row = json_new_object();
    json_set_num(row, "ms", (int64_t)((now - x->began_us) / 1000));
    json_set_num(row, "took", (int64_t)((now - since_us) / 1000));
    json_set_str(row, "step", str_of(step));
    json_set_str(row, "about", str_of(about));
    json_set_str(row, "outcome", str_of(text));
    json_push(x->steps, &row);
}

/* ---- judging */

/* The walk that decides: the first that connected; else the first. NULL: no target. */
static const struct explain_walk *decisive(const struct explain *x)
{
    for (size_t i = 0; i < x->n_walks; i++)
        if (x->walks[i].is_connected)
            return &x->walks[i];
    return x->n_walks ? &x->walks[0] : NULL;
}

static void put_address(struct json *rows, const struct explain_walk *w)
{
    struct json *row = json_new_object();
    json_set_str(row, "address", str_of(w->address));
    json_set_str(row, "host", str_of(w->target.name));
    json_set_str(row, "found",
                 s2s_override_find(w->x->s2s, w->x->remote) ? STR("override")
                 : w->target.direct_tls                     ? STR("xmpps-server")
                                                            : STR("xmpp-server"));
    json_set_str(row, "tls", str_of(w->tls));
    json_set_str(row, "offers", str_of(w->offers));
    json_set_str(row, "auth", str_of(w->auth));
    json_set_str(row, "cause", str_of(s2s_cause_name(w->cause)));
    json_set_str(row, "text", str_of(w->text));
    json_push(rows, &row);
}

static void put_cause(struct json *out, enum s2s_cause c, const char *text)
{
    json_set_bool(out, "works", c == S2S_CAUSE_NONE);
    json_set_str(out, "cause", str_of(s2s_cause_name(c)));
    json_set_str(out, "class", str_of(s2s_class_name(s2s_cause_class(c))));
    json_set_str(out, "side", str_of(s2s_side_name(s2s_cause_side(c))));
    json_set_str(out, "text", str_of(text));
    json_set_str(out, "advice", str_of(s2s_cause_advice(c)));
}

static struct json *report(struct explain *x)
{
    struct json *out = json_new_object(), *rows = json_new_array();
    const struct explain_walk *w = decisive(x);
    json_set_str(out, "domain", str_of(x->remote));
    json_set_str(out, "local", str_of(x->local));
    json_set_num(out, "took_ms", (int64_t)((loop_now_us(x->s2s->loop) - x->began_us) / 1000));
    json_set(out, "steps", &x->steps);
    for (size_t i = 0; i < x->n_walks; i++)
        put_address(rows, &x->walks[i]);
    json_set(out, "addresses", &rows);
    struct json *certificate = w && w->certificate ? w->certificate : json_new_object();
    if (w && w->certificate)
        ((struct explain_walk *)(uintptr_t)w)->certificate = NULL;
    json_set(out, "certificate", &certificate);
    json_set_str(out, "reached_at", str_of(w ? w->address : ""));
    json_set_str(out, "tls", str_of(w ? w->tls : ""));
    json_set_str(out, "auth", str_of(w ? w->auth : ""));
    if (x->terms.is_denied)
        put_cause(out, s2s_terms_cause(&x->terms), x->terms.why);
    else if (w)
        put_cause(out, w->cause, w->text);
    else
        put_cause(out, s2s_cause_of_dial(x->nothing), err_text(x->nothing));
    return out;
}

/* ---- life */

static void explain_free(struct explain *x)
{
    op_owner_cancel_all(&x->ops);
    timer_stop(&x->deadline);
    defer_cancel(&x->over);
    if (x->source.ops)
        x->source.ops->close(x->source.src);
    for (size_t i = 0; i < x->n_walks; i++)
        explain_walk_fini(&x->walks[i]);
    json_free(&x->steps);
    arena_free(&x->arena);
    x->s2s->explains--;
    mem_free(x->local);
    mem_free(x->remote);
    mem_free(x);
}

static void explain_cancel(struct op *op)
{
    explain_free(container_of(op, struct explain, op));
}

static void on_over(void *ctx)
{
    struct explain *x = ctx;
    struct json *out = x->is_refused ? NULL : report(x);
    if (out && json_get_bool(out, "works", false))
        s2s_domain_alive(x->s2s, str_of(x->remote));
    op_end(&x->op);
    x->done(x->ctx, &out);
    json_free(&out);
    explain_free(x);
}

static void be_over(struct explain *x)
{
    x->is_over = true;
    loop_defer(x->s2s->loop, &x->over);
}

void explain_check_over(struct explain *x)
{
    if (!x->is_over && x->has_targets && !x->questions && !x->left)
        be_over(x);
}

static void on_deadline(void *ctx)
{
    struct explain *x = ctx;
    if (!x->has_targets)
        x->nothing = ERR_DNS_TIMEOUT;
    for (size_t i = 0; i < x->n_walks; i++)
        if (!x->walks[i].is_over)
            explain_walk_late(&x->walks[i]);
    if (!x->is_over)
        be_over(x);
}

/* ---- targets */

static void walk_all(struct explain *x)
{
    x->has_targets = true;
    x->left = x->n_walks;
    for (size_t i = 0; i < x->n_walks; i++)
        explain_walk_begin(&x->walks[i]);
    explain_check_over(x);
}

static void on_target(void *ctx, enum err e, const struct dial_target *t)
{
    struct explain *x = ctx;
    if (e == ERR_OK) {
        struct explain_walk *w = &x->walks[x->n_walks++];
        w->x = x;
        w->target = *t;
        (void)addr_format(w->address, &t->addr);
        if (x->n_walks < S2S_EXPLAIN_WALKS_MAX) {
            x->source.ops->next(x->source.src, on_target, x);
            return;
        }
    } else if (!x->n_walks) {
        x->nothing = e == ERR_TIMEOUT ? ERR_DNS_TIMEOUT : e == ERR_EOF ? ERR_DNS_NODATA : e;
        explain_step(x, x->began_us, "targets", x->remote, "%s", err_text(x->nothing));
    }
    walk_all(x);
}

struct op *s2s_explain(struct s2s *s, struct op_owner *o, const char *local, struct str remote,
                       s2s_explain_done *done, void *ctx)
{
    struct explain *x = mem_alloc(sizeof *x);
    uint64_t limit = s->conf.tune.connect_timeout_ms;
    x->s2s = s;
    x->local = mem_strdup(local);
    x->remote = str_dup(remote);
    x->began_us = loop_now_us(s->loop);
    x->steps = json_new_array();
    x->arena = arena_new(0);
    x->done = done;
    x->ctx = ctx;
    op_owner_init(&x->ops);
    op_start(&x->op, o, explain_cancel);
    timer_init(&x->deadline, s->loop, on_deadline, x);
    defer_init(&x->over, on_over, x);
    timer_start(&x->deadline, limit < S2S_EXPLAIN_MS_MAX ? limit : S2S_EXPLAIN_MS_MAX);
    x->is_refused = ++s->explains > S2S_EXPLAINS_MAX;
    s2s_terms(s, remote, &x->terms);
    if (x->terms.is_denied) {
        explain_step(x, x->began_us, "policy", x->remote, "%s", x->terms.why);
        x->has_targets = true;
    }
    if (x->is_refused || x->terms.is_denied) {
        be_over(x);
    } else if (s2s_source(s, x->remote, &x->source) != ERR_OK) {
        x->nothing = ERR_INVALID;
        x->has_targets = true;
        be_over(x);
    } else {
        if (jid_domain_ascii(str_of(x->remote), x->ascii) != ERR_OK)
            x->ascii[0] = '\0'; /* an override may be for a name that DNS could not know */
        explain_ask(x);
        x->source.ops->next(x->source.src, on_target, x);
    }
    return &x->op;
}
