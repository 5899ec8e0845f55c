/* redis-conn: one Redis connection that keeps itself up. Commands are answered in the order they
 * were sent, so the connection is a queue of commands; all have the same time limit, so one timer
 * for the oldest is enough. What breaks that order (a late answer, garbage, an answer nobody asked)
 * ends the connection: the position in the stream is lost. A subscriber gets what is published
 * between the answers to its own commands and asks PING when it hears nothing. Protocol: RESP2, as
 * of Redis 2.0 (redis.io/topics/protocol). */
#include "lib/base/crypto.h"
#include "lib/base/encode.h"
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/loop/timer.h"
#include "lib/store/redis-int.h"

enum {
    DIAL_MS = 5000,       /* to connect */
    TLS_MS = 5000,        /* then for the handshake */
    COMMAND_MS = 2000,    /* default time limit of a command */
    BACKOFF_MIN_MS = 100, /* between attempts: this .. a bound that doubles up to the next */
    BACKOFF_MAX_MS = 5000,
    SILENCE_TIMES = 5,    /* time limits of a command, after which a subscriber asks PING */
    COMMANDS_MAX = 65536, /* outstanding */
};
#define QUEUED_BYTES_MAX ((size_t)64 * 1024 * 1024)

enum redis_state {
    ST_WAITING,  /* for the next attempt */
    ST_DIALING,  /* connecting */
    ST_TLS,      /* handshake */
    ST_GREETING, /* AUTH, SELECT, PING sent */
    ST_UP,       /* usable */
    ST_CLOSED,   /* by the user; freed when nothing of it is on the stack */
};

enum command_kind { CMD_USER, CMD_GREETING, CMD_SUBSCRIBER };

struct command {
    struct op op;
    struct list link; /* in sent or refused */
    enum command_kind kind;
    bool cancelled;
    enum err refused_why;
    uint64_t deadline_us;
    redis_cb *cb;
    void *ctx;
    /* redis_eval: what is needed to say it again in full */
    const struct redis_script *script;
    size_t argc;
    struct str *argv; /* number of keys, keys, arguments; one block */
};

struct redis_conn {
    struct loop *loop;
    struct redis_conf conf; /* strings are ours */
    struct redis_events ev;
    void *ctx;
    enum redis_state state;
    unsigned holds;        /* frames of ours on the stack that need the object */
    struct op_owner owner; /* of the dial */
    struct transport *t;
    struct redis_codec *codec;
    struct redis_codec *old_codec; /* of a lost link: its reply may still be looked at */
    struct list sent, refused;
    size_t n_sent, n_greetings;
    struct defer refuse;
    struct timer retry, deadline;
    uint64_t backoff_ms, heard_us;
    bool is_subscriber;
    char failed[160]; /* why the last attempt failed, logged when it changes */
};

/* ---- life */

static void conn_free(struct redis_conn *c)
{
    mem_free((char *)c->conf.username);
    if (c->conf.password)
        mem_wipe((char *)c->conf.password, strlen(c->conf.password));
    mem_free((char *)c->conf.password);
    mem_free((char *)c->conf.sni);
    tls_ctx_unref(&c->conf.tls);
    mem_free(c);
}

static void hold(struct redis_conn *c)
{
    c->holds++;
}

/* False: closed meanwhile, and perhaps freed now. */
static bool release(struct redis_conn *c)
{
    bool is_closed = c->state == ST_CLOSED;
    if (--c->holds == 0) {
        redis_codec_free(&c->old_codec);
        if (is_closed)
            conn_free(c);
    }
    return !is_closed;
}

static void command_free(struct command *m)
{
    mem_free(m->argv);
    mem_free(m);
}

/* Answer and free. The connection may be closed inside: the caller holds it. */
static void answer(struct command *m, enum err e, const struct redis_reply *r)
{
    if (!m->cancelled && m->kind == CMD_USER) {
        op_end(&m->op);
        m->cb(m->ctx, e, r);
    }
    command_free(m);
}

/* The caller holds c. */
static void drop_link(struct redis_conn *c)
{
    op_owner_cancel_all(&c->owner);
    timer_stop(&c->retry);
    timer_stop(&c->deadline);
    if (c->t)
        transport_abort(&c->t);
    if (c->codec)
        c->old_codec = c->codec;
    c->codec = NULL;
    c->n_greetings = 0;
    c->is_subscriber = false;
}

/* The link is over: answer what is outstanding, tell the user, try again later. */
static void lost(struct redis_conn *c, enum err e, const char *why)
{
    bool was_up = c->state == ST_UP;
    char text[sizeof c->failed];
    str_put(text, sizeof text, why);
    if (was_up || strcmp(text, c->failed) != 0)
        log_warn(NULL, was_up ? "redis.down" : "redis.connect.failed", "error", err_name(e),
                 "reason", text);
    memcpy(c->failed, text, sizeof text);
    c->state = ST_WAITING;
    hold(c);
    drop_link(c);
    for (struct list *n; (n = list_shift(&c->sent)); c->n_sent--)
        answer(list_entry(n, struct command, link), ERR_CLOSED, NULL);
    if (was_up && c->state != ST_CLOSED && c->ev.down)
        c->ev.down(c->ctx, e, text);
    if (!release(c))
        return;
    c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : BACKOFF_MIN_MS * 2;
    if (c->backoff_ms > BACKOFF_MAX_MS)
        c->backoff_ms = BACKOFF_MAX_MS;
    timer_start(&c->retry, BACKOFF_MIN_MS + rand_below(c->backoff_ms - BACKOFF_MIN_MS + 1));
}

/* ---- commands out */

static uint64_t limit_us(const struct redis_conn *c)
{
    return c->conf.command_timeout_ms * 1000;
}

static void arm(struct redis_conn *c)
{
    if (!timer_running(&c->deadline))
        timer_start(&c->deadline, c->conf.command_timeout_ms);
}

static void send_command(struct redis_conn *c, struct command *m, size_t argc,
                         const struct str *argv)
{
    struct str bytes = redis_format(argc, argv);
    m->deadline_us = loop_now_us(c->loop) + limit_us(c);
    list_push(&c->sent, &m->link);
    c->n_sent++;
    transport_send(c->t, bytes); /* bounded by COMMANDS_MAX and QUEUED_BYTES_MAX, not by pausing */
    redis_bytes_free(&bytes);
    arm(c);
}

static void send_own(struct redis_conn *c, enum command_kind kind, size_t argc,
                     const struct str *argv)
{
    struct command *m = mem_alloc(sizeof *m);
    m->kind = kind;
    send_command(c, m, argc, argv);
}

/* The oldest command, or a subscriber's silence. */
static void on_deadline(void *ctx)
{
    struct redis_conn *c = ctx;
    uint64_t now_us = loop_now_us(c->loop);
    struct list *oldest = list_first(&c->sent);
    if (c->state == ST_TLS) {
        lost(c, ERR_TIMEOUT, "TLS handshake timed out");
        return;
    }
    if (oldest) {
        uint64_t due_us = list_entry(oldest, struct command, link)->deadline_us;
        if (due_us <= now_us)
            lost(c, ERR_TIMEOUT, "command timed out");
        else
            timer_start(&c->deadline, (due_us - now_us + 999) / 1000);
        return;
    }
    if (!c->is_subscriber)
        return;
    uint64_t silent_us = now_us - c->heard_us, most_us = SILENCE_TIMES * limit_us(c);
    if (silent_us < most_us)
        timer_start(&c->deadline, (most_us - silent_us + 999) / 1000);
    else
        send_own(c, CMD_SUBSCRIBER, 1, &STR("PING"));
}

static void command_cancel(struct op *op)
{
    container_of(op, struct command, op)->cancelled = true;
}

static void on_refuse(void *ctx)
{
    struct redis_conn *c = ctx;
    struct list now;
    list_init(&now);
    list_splice(&now, &c->refused);
    hold(c);
    for (struct list *n; (n = list_shift(&now));) {
        struct command *m = list_entry(n, struct command, link);
        if (c->state == ST_CLOSED && !m->cancelled)
            op_cancel(&m->op);
        answer(m, m->refused_why, NULL);
    }
    release(c);
}

static struct command *command_new(struct op_owner *o, redis_cb *cb, void *ctx)
{
    struct command *m = mem_alloc(sizeof *m);
    m->cb = cb;
    m->ctx = ctx;
    op_start(&m->op, o, command_cancel);
    return m;
}

static struct op *submit(struct redis_conn *c, struct command *m, size_t argc,
                         const struct str *argv)
{
    if (c->state != ST_UP || c->is_subscriber)
        m->refused_why = ERR_UNAVAILABLE;
    else if (c->n_sent >= COMMANDS_MAX || transport_queued(c->t) > QUEUED_BYTES_MAX)
        m->refused_why = ERR_LIMIT;
    if (m->refused_why) {
        list_push(&c->refused, &m->link);
        loop_defer(c->loop, &c->refuse);
    } else {
        send_command(c, m, argc, argv);
    }
    return &m->op;
}

struct op *redis_command(struct redis_conn *c, struct op_owner *o, size_t argc,
                         const struct str *argv, redis_cb *cb, void *ctx)
{
    return submit(c, command_new(o, cb, ctx), argc, argv);
}

/* ---- scripts */

void redis_script_init(struct redis_script *s, const char *text)
{
    uint8_t sum[DIGEST_MAX];
    struct buf hex;
    s->text = text;
    crypto_hash(DIGEST_SHA1, str_of(text), sum);
    buf_init(&hex, sizeof s->sha);
    hex_encode(&hex, sum, digest_size(DIGEST_SHA1));
    must(hex.n == sizeof s->sha - 1);
    memcpy(s->sha, hex.p, hex.n);
    s->sha[hex.n] = '\0';
    buf_fini(&hex);
}

/* Room for the verb and the script before a copy of n_keys, keys and arguments, in one block. */
static struct str *eval_argv(size_t n_keys, size_t argc, const struct str *args)
{
    size_t bytes = 32;
    for (size_t i = 0; i < argc; i++)
        bytes += args[i].n;
    struct str *v = mem_alloc((argc + 3) * sizeof *v + bytes);
    char *at = (char *)(v + argc + 3);
    int n = snprintf(at, 32, "%zu", n_keys);
    v[2] = str_make(at, (size_t)n);
    at += 32;
    for (size_t i = 0; i < argc; i++) {
        if (args[i].n)
            memcpy(at, args[i].p, args[i].n);
        v[3 + i] = str_make(at, args[i].n);
        at += args[i].n;
    }
    return v;
}

struct op *redis_eval(struct redis_conn *c, struct op_owner *o, const struct redis_script *s,
                      size_t n_keys, size_t argc, const struct str *keys_then_args, redis_cb *cb,
                      void *ctx)
{
    struct command *m = command_new(o, cb, ctx);
    must(n_keys <= argc);
    m->script = s;
    m->argc = argc + 3;
    m->argv = eval_argv(n_keys, argc, keys_then_args);
    m->argv[0] = STR("EVALSHA");
    m->argv[1] = str_of(s->sha);
    return submit(c, m, m->argc, m->argv);
}

/* The server does not know the script: send it whole. Once: the answer to EVAL is final. */
static bool eval_again(struct redis_conn *c, struct command *m, const struct redis_reply *r)
{
    if (!m->script || m->cancelled || r->kind != REDIS_ERROR ||
        !str_starts(r->text, STR("NOSCRIPT")))
        return false;
    m->argv[0] = STR("EVAL");
    m->argv[1] = str_of(m->script->text);
    m->script = NULL;
    send_command(c, m, m->argc, m->argv);
    return true;
}

/* ---- subscriber */

void redis_subscribe(struct redis_conn *c, struct str channel)
{
    if (c->state != ST_UP)
        return;
    const struct str argv[] = {STR("SUBSCRIBE"), channel};
    c->is_subscriber = true;
    send_own(c, CMD_SUBSCRIBER, ARRAY_LEN(argv), argv);
}

/* What a subscriber hears: a message, or the answer to its oldest command. False: neither. */
static bool heard(struct redis_conn *c, const struct redis_reply *r)
{
    if (r->kind != REDIS_ARRAY || r->n < 2)
        return false;
    const struct redis_reply *i = r->items;
    if (r->n == 3 && str_eqc(i[0].text, "message")) {
        if (c->ev.message)
            c->ev.message(c->ctx, i[1].text, i[2].text);
        return true;
    }
    struct list *oldest = list_first(&c->sent);
    if (!oldest || (!str_eqc(i[0].text, "subscribe") && !str_eqc(i[0].text, "pong")))
        return false;
    list_del(oldest);
    c->n_sent--;
    command_free(list_entry(oldest, struct command, link));
    return true;
}

/* ---- answers in */

static bool greeted(struct redis_conn *c, const struct redis_reply *r)
{
    if (r->kind == REDIS_ERROR) {
        char why[160];
        bool denied = str_starts(r->text, STR("WRONGPASS")) || str_starts(r->text, STR("NOAUTH")) ||
                      str_starts(r->text, STR("ERR Client sent AUTH")) ||
                      str_starts(r->text, STR("ERR AUTH"));
        snprintf(why, sizeof why, STR_FMT, STR_ARG(r->text));
        lost(c, denied ? ERR_AUTH : ERR_UNAVAILABLE, why);
        return false;
    }
    if (--c->n_greetings > 0)
        return true;
    c->state = ST_UP;
    c->backoff_ms = 0;
    c->failed[0] = '\0';
    log_info(NULL, "redis.up");
    if (c->ev.up)
        c->ev.up(c->ctx);
    return c->state != ST_CLOSED;
}

/* False: the link is gone (or the whole connection). The caller holds c. */
static bool on_reply(struct redis_conn *c, const struct redis_reply *r)
{
    struct list *oldest = list_first(&c->sent);
    struct command *m = oldest ? list_entry(oldest, struct command, link) : NULL;
    if (c->is_subscriber && (!m || m->kind == CMD_SUBSCRIBER)) {
        if (heard(c, r))
            return true;
        char why[160];
        snprintf(why, sizeof why, "unexpected for a subscriber: " STR_FMT, STR_ARG(r->text));
        lost(c, ERR_PROTOCOL, why);
        return false;
    }
    if (!m) {
        lost(c, ERR_PROTOCOL, "an answer that nobody asked for");
        return false;
    }
    list_del(oldest);
    c->n_sent--;
    if (m->kind == CMD_GREETING) {
        command_free(m);
        return greeted(c, r);
    }
    if (!eval_again(c, m, r))
        answer(m, ERR_OK, r);
    return true;
}

static void on_data(void *ctx, struct str bytes)
{
    struct redis_conn *c = ctx;
    struct redis_codec *codec = c->codec;
    const struct redis_reply *r = NULL;
    enum err e = redis_codec_feed(codec, bytes);
    c->heard_us = loop_now_us(c->loop);
    hold(c);
    /* the codec changes when the link is lost inside: then nothing of it may be touched */
    while (!e && !(e = redis_codec_next(codec, &r)) && r)
        if (!on_reply(c, r) || c->codec != codec) {
            release(c);
            return;
        }
    if (e)
        lost(c, e, redis_codec_why(codec));
    else if (c->is_subscriber && c->state == ST_UP)
        arm(c);
    release(c);
}

static void on_drain(void *ctx)
{
    (void)ctx; /* output is bounded by the commands outstanding, nobody was paused */
}

static void on_end(void *ctx, enum err e)
{
    struct redis_conn *c = ctx;
    char why[200];
    const char *tls = c->conf.tls ? tls_error(c->t) : "";
    str_put(why, sizeof why, *tls ? tls : e == ERR_EOF ? "closed by the server" : err_text(e));
    lost(c, e, why);
}

/* ---- connecting */

static void greet(struct redis_conn *c)
{
    const struct redis_conf *f = &c->conf;
    char db[16];
    struct str argv[3];
    size_t n = 0;
    c->state = ST_GREETING;
    c->codec = redis_codec_new();
    timer_stop(&c->deadline);
    if (f->password) {
        argv[n++] = STR("AUTH");
        if (f->username)
            argv[n++] = str_of(f->username);
        argv[n++] = str_of(f->password);
        c->n_greetings++;
        send_own(c, CMD_GREETING, n, argv);
    }
    if (f->db) {
        snprintf(db, sizeof db, "%u", f->db);
        argv[0] = STR("SELECT");
        argv[1] = str_of(db);
        c->n_greetings++;
        send_own(c, CMD_GREETING, 2, argv);
    }
    argv[0] = STR("PING"); /* refused while the server loads its data or wants AUTH */
    c->n_greetings++;
    send_own(c, CMD_GREETING, 1, argv);
}

static void on_ready(void *ctx)
{
    struct redis_conn *c = ctx;
    if (c->state != ST_TLS)
        return;
    const struct tls_info *info = transport_tls(c->t);
    if (!info || !info->chain_ok)
        lost(c, ERR_CERT, info ? tls_chain_why(info) : "no TLS");
    else if (c->conf.sni && !tls_peer_is(c->t, str_of(c->conf.sni)))
        lost(c, ERR_CERT, "certificate is for another name");
    else
        greet(c);
}

static void on_dialed(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    static const struct transport_events events = {on_ready, on_data, on_drain, on_end};
    struct redis_conn *c = ctx;
    if (e) {
        lost(c, e, r->why[0] ? r->why : err_text(e));
        return;
    }
    c->t = c->conf.tls ? tls_client(&t, c->conf.tls, c->conf.sni) : t;
    transport_set_events(c->t, &events, c);
    if (!c->conf.tls) {
        greet(c);
        return;
    }
    c->state = ST_TLS;
    timer_start(&c->deadline, TLS_MS);
}

static void start_dial(void *ctx)
{
    struct redis_conn *c = ctx;
    c->state = ST_DIALING;
    dial_open(c->loop, &c->owner, c->conf.source(c->conf.source_ctx), DIAL_MS, on_dialed, c);
}

static void conf_copy(struct redis_conf *to, const struct redis_conf *from)
{
    *to = *from;
    to->username = from->username ? mem_strdup(from->username) : NULL;
    to->password = from->password ? mem_strdup(from->password) : NULL;
    to->sni = from->sni ? mem_strdup(from->sni) : NULL;
    to->tls = from->tls ? tls_ctx_ref(from->tls) : NULL;
    if (!to->command_timeout_ms)
        to->command_timeout_ms = COMMAND_MS;
}

struct redis_conn *redis_open(struct loop *l, const struct redis_conf *conf,
                              const struct redis_events *ev, void *ctx)
{
    struct redis_conn *c = mem_alloc(sizeof *c);
    c->loop = l;
    conf_copy(&c->conf, conf);
    c->ev = *ev;
    c->ctx = ctx;
    op_owner_init(&c->owner);
    list_init(&c->sent);
    list_init(&c->refused);
    defer_init(&c->refuse, on_refuse, c);
    timer_init(&c->retry, l, start_dial, c);
    timer_init(&c->deadline, l, on_deadline, c);
    timer_start(&c->retry, 0);
    return c;
}

static void cancel_all(struct list *commands)
{
    for (struct list *n; (n = list_shift(commands));) {
        struct command *m = list_entry(n, struct command, link);
        if (!m->cancelled && m->kind == CMD_USER)
            op_cancel(&m->op);
        command_free(m);
    }
}

void redis_close(struct redis_conn **pc)
{
    struct redis_conn *c = *pc;
    *pc = NULL;
    if (!c)
        return;
    hold(c);
    c->state = ST_CLOSED;
    drop_link(c);
    defer_cancel(&c->refuse);
    cancel_all(&c->sent);
    cancel_all(&c->refused);
    release(c);
}

bool redis_is_up(const struct redis_conn *c)
{
    return c->state == ST_UP;
}
