/* The control socket's connections and requests. A request leaves shard 0 as an object of its own;
 * the connection it came from is named by handle, so either may go first. */
#include "node/admin/control.h"

#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/net/listen.h"

enum {
    REQUEST_MAX = 1 << 20,
    ANSWER_MAX = 64 << 20,
    CONN_MS = 60000,
    CONNS_MAX = 64,
    LINE_MAX_BYTES = 65536,
    KEPT_QUEUE_MAX = 1 << 20
};

struct control {
    struct node *node;
    struct listener *listener;
    struct list conns;
    size_t n;
};
struct conn {
    struct list link;
    struct control *control;
    struct transport *transport;
    struct buf in;
    struct timer deadline;
    handle h;
    bool asked;
    void (*gone)(void *ctx); /* kept open: for whom */
    void *gone_ctx;
};

static void conn_free(struct conn *c, bool flush)
{
    void (*gone)(void *ctx) = c->gone;
    void *gone_ctx = c->gone_ctx;
    list_del(&c->link);
    c->control->n--;
    timer_stop(&c->deadline);
    handle_free(c->control->node->shard[0].handles, c->h);
    if (flush)
        transport_close(&c->transport);
    else
        transport_abort(&c->transport);
    if (c->in.p)
        mem_wipe(c->in.p, c->in.n); /* a password may be in it */
    buf_fini(&c->in);
    mem_free(c);
    if (gone)
        gone(gone_ctx);
}

static void conn_answer(struct conn *c, struct json *answer)
{
    struct buf text;
    buf_init(&text, ANSWER_MAX);
    json_write(&text, answer, false);
    buf_char(&text, '\n');
    if (!buf_ok(&text)) {
        buf_clear(&text);
        buf_cstr(&text, "{\"ok\":false,\"error\":\"the answer is too large\"}\n");
    }
    transport_send(c->transport, buf_view(&text));
    buf_fini(&text);
    conn_free(c, true);
}

static void conn_refuse(struct conn *c, const char *why)
{
    struct json *answer = json_new_object();
    json_set_bool(answer, "ok", false);
    json_set_str(answer, "error", str_of(why));
    conn_answer(c, answer);
    json_free(&answer);
}

/* ---- requests. One belongs to the mail that carries it, or hangs on the shard where it waits:
 * whichever goes, it goes along. */
static void request_free(void *ctx)
{
    struct control_request *r = ctx;
    op_owner_cancel_all(&r->ops);
    json_free(&r->in);
    json_free(&r->out);
    mem_free(r);
}

static void request_cancel(struct op *op)
{
    request_free(container_of(op, struct control_request, on_shard));
}

static void request_enter(struct control_request *r, struct node_shard *sh)
{
    r->shard = sh;
    op_start(&r->on_shard, &sh->ops, request_cancel);
}

static void request_post(struct control_request *r, struct node_shard *to,
                         void (*fn)(struct node_shard *sh, void *ctx))
{
    op_end(&r->on_shard);
    node_post(to, fn, request_free, r);
}

static void request_home(struct node_shard *hub, void *ctx)
{
    struct control_request *r = ctx;
    struct conn *c = handle_get(hub->handles, r->conn);
    if (c)
        conn_answer(c, r->out);
    request_free(r);
}

static void request_answer(struct control_request *r, bool ok, const char *key, struct json **value)
{
    struct json *answer = json_new_object();
    json_set_bool(answer, "ok", ok);
    json_set(answer, key, value);
    json_free(&r->out);
    r->out = answer;
    request_post(r, &r->node->shard[0], request_home);
}

void control_done(struct control_request *r)
{
    struct json *result = r->out ? r->out : json_new_object();
    r->out = NULL;
    request_answer(r, true, "result", &result);
}

void control_fail(struct control_request *r, const char *fmt, ...)
{
    char text[CONTROL_ERROR_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct json *answer = json_new_object();
    json_set_bool(answer, "ok", false);
    json_set_str(answer, "error", str_of(text));
    json_free(&r->out);
    r->out = answer;
    request_post(r, &r->node->shard[0], request_home);
}

const char *control_arg(const struct control_request *r, size_t i)
{
    return i < json_len(r->args) ? json_str(json_at(r->args, i)) : NULL;
}

const char *control_option(const struct control_request *r, const char *name)
{
    return json_get_str(json_get(r->in, "options"), name);
}

handle control_keep(struct control_request *r, void (*gone)(void *ctx), void *ctx)
{
    handle h = r->conn;
    struct conn *c = handle_get(r->node->shard[0].handles, h);
    op_end(&r->on_shard);
    request_free(r);
    if (!c)
        return 0;
    c->gone = gone;
    c->gone_ctx = ctx;
    timer_stop(&c->deadline);
    return h;
}

void control_send(struct node *n, handle kept, const struct json *line)
{
    struct conn *c = handle_get(n->shard[0].handles, kept);
    struct buf text;
    if (!c)
        return;
    buf_init(&text, LINE_MAX_BYTES);
    json_write(&text, line, false);
    buf_char(&text, '\n');
    transport_send(c->transport, buf_view(&text));
    buf_fini(&text);
    if (transport_queued(c->transport) > KEPT_QUEUE_MAX)
        conn_free(c, false);
}

static void moved(struct node_shard *sh, void *ctx)
{
    struct control_request *r = ctx;
    request_enter(r, sh);
    r->then(r);
}

void control_move(struct control_request *r, struct node_shard *to,
                  void (*then)(struct control_request *r))
{
    r->then = then;
    request_post(r, to, moved);
}

static void visited(struct node_shard *sh, void *ctx)
{
    struct control_request *r = ctx;
    request_enter(r, sh);
    r->visit(r);
    unsigned next = sh->index + 1;
    if (next < r->node->n_shards)
        request_post(r, &r->node->shard[next], visited);
    else
        request_post(r, &r->node->shard[0], moved);
}

void control_each_shard(struct control_request *r, void (*visit)(struct control_request *r),
                        void (*then)(struct control_request *r))
{
    r->visit = visit;
    r->then = then;
    request_post(r, &r->node->shard[0], visited);
}

/* Null, or an array of texts. */
static bool args_are_texts(const struct json *args)
{
    if (json_kind(args) != JSON_KIND_ARRAY)
        return args == NULL;
    for (size_t i = 0; i < json_len(args); i++)
        if (!json_str(json_at(args, i)))
            return false;
    return true;
}

static bool word_in(const char *words, const char *word)
{
    struct str rest = str_of(words), one;
    while (rest.p)
        if ((one = str_cut(&rest, ' ')).n && str_eqc(one, word))
            return true;
    return false;
}

/* Texts, and of those the command takes. */
static bool options_are_known(const struct json *options, const struct control_command *k)
{
    const char *name;
    if (json_kind(options) != JSON_KIND_OBJECT)
        return options == NULL;
    for (size_t i = 0; (name = json_key(options, i)); i++)
        if (!json_get_str(options, name) || !word_in(k->options, name))
            return false;
    return true;
}

static const struct control_command *command_find(const char *name)
{
    for (size_t i = 0; name && i < control_commands_n; i++)
        if (control_commands[i].run && strcmp(control_commands[i].name, name) == 0)
            return &control_commands[i];
    return NULL;
}

static void request_run(struct control_request *r)
{
    const char *name = json_get_str(r->in, "command");
    const struct control_command *k = command_find(name);
    r->args = json_get(r->in, "args");
    size_t n = json_kind(r->args) == JSON_KIND_ARRAY ? json_len(r->args) : 0;
    if (!k)
        control_fail(r, "unknown command \"%s\"", name ? name : "");
    else if (!args_are_texts(r->args) || n < k->min_args || n > k->max_args ||
             !options_are_known(json_get(r->in, "options"), k))
        control_fail(r, "usage: %s %s", k->name, k->args);
    else
        k->run(r);
}

static void request_parse(struct conn *c, struct str line)
{
    struct control_request *r = mem_alloc(sizeof *r);
    char why[128] = "it is something else";
    r->node = c->control->node;
    op_owner_init(&r->ops);
    request_enter(r, &r->node->shard[0]);
    c->asked = true;
    r->conn = c->h;
    enum err e = json_parse(line, REQUEST_MAX, &r->in, why, sizeof why);
    if (e != ERR_OK || json_kind(r->in) != JSON_KIND_OBJECT)
        control_fail(r, "the request is no JSON object: %s", why);
    else
        request_run(r);
}

/* ---- connections */
static void on_data(void *ctx, struct str bytes)
{
    struct conn *c = ctx;
    if (c->asked)
        return;
    buf_str(&c->in, bytes);
    struct str all = buf_view(&c->in);
    ptrdiff_t end = str_find(all, '\n');
    if (!buf_ok(&c->in))
        conn_refuse(c, "the request is too large");
    else if (end >= 0)
        request_parse(c, str_make(all.p, (size_t)end));
}

static void on_end(void *ctx, enum err why)
{
    struct conn *c = ctx;
    if (!(c->asked && !c->gone && why == ERR_EOF)) /* a client may half-close after its question */
        conn_free(c, false);
}

static void on_deadline(void *ctx)
{
    conn_free(ctx, false);
}
static void on_nothing(void *ctx)
{
    (void)ctx;
}

static const struct transport_events conn_events = {on_nothing, on_data, on_nothing, on_end};

static void on_accept(void *ctx, struct transport *t)
{
    struct control *k = ctx;
    struct node_shard *hub = &k->node->shard[0];
    if (k->n == CONNS_MAX) {
        log_warn(NULL, "control.connections.many");
        transport_abort(&t);
        return;
    }
    struct conn *c = mem_alloc(sizeof *c);
    k->n++;
    c->control = k;
    c->transport = t;
    c->h = handle_new(hub->handles, c);
    buf_init(&c->in, REQUEST_MAX);
    timer_init(&c->deadline, hub->loop, on_deadline, c);
    timer_start(&c->deadline, CONN_MS);
    list_push(&k->conns, &c->link);
    transport_set_events(t, &conn_events, c);
}

enum err control_open(struct node *n, const char *path, struct control **out, char *why,
                      size_t why_size)
{
    struct control *k = mem_alloc(sizeof *k);
    k->node = n;
    list_init(&k->conns);
    enum err e = listener_open_unix(n->shard[0].loop, path, on_accept, k, &k->listener);
    if (e != ERR_OK) {
        snprintf(why, why_size, "control.path: cannot listen on %s: %s", path, err_text(e));
        mem_free(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void control_close(struct control **pc)
{
    struct control *k = *pc;
    *pc = NULL;
    if (!k)
        return;
    listener_close(&k->listener);
    list_each (&k->conns, n) {
        conn_free(list_entry(n, struct conn, link), false);
    }
    mem_free(k);
}
