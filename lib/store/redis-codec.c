/* redis-codec: RESP2 with hiredis as reader and formatter. The reader is given functions of our
 * own, so that a reply becomes a tree of struct redis_reply in one arena whose budget bounds what a
 * server can make us hold; hiredis itself bounds the depth (7). Bytes of a reply that is not
 * complete lie in the reader's buffer: bounded in redis_codec_feed. */
#include "lib/store/redis-int.h"

#include <hiredis/hiredis.h>

enum {
    IDLE_BUFFER_BYTES = 64 * 1024, /* kept by an idle reader */
    LINE_MAX_BYTES =
        64 * 1024, /* status, error, number: the reader looks for their end anew at each feed */
    LENGTH_MAX_BYTES = 32, /* of a string */
};

struct redis_codec {
    redisReader *reader;
    struct arena *arena; /* of the reply that is read or was given out last */
    bool is_given;       /* the reply in arena was given out: the next one needs a new arena */
    enum err failed;
    char why[160];
};

/* ---- objects, as the reader makes them; NULL = refused (the reader reports "out of memory") */

static struct redis_reply *object(const redisReadTask *task, enum redis_kind kind)
{
    struct redis_codec *c = task->privdata;
    struct redis_reply *r;
    if (task->parent) {
        struct redis_reply *parent = task->parent->obj;
        r = (struct redis_reply *)&parent->items[task->idx];
    } else {
        if (c->is_given)
            arena_free(&c->arena);
        c->is_given = false;
        if (!c->arena)
            c->arena = arena_new(REDIS_REPLY_BYTES_MAX);
        r = arena_try_alloc(c->arena, sizeof *r);
    }
    if (r)
        r->kind = kind;
    return r;
}

static void *make_string(const redisReadTask *task, char *p, size_t n)
{
    struct redis_codec *c = task->privdata;
    enum redis_kind kind = task->type == REDIS_REPLY_ERROR    ? REDIS_ERROR
                           : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS
                                                              : REDIS_STRING;
    struct redis_reply *r = object(task, kind);
    char *copy = r ? arena_try_alloc(c->arena, n + 1) : NULL;
    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, p, n);
    r->text = str_make(copy, n);
    return r;
}

static void *make_array(const redisReadTask *task, int elements)
{
    struct redis_codec *c = task->privdata;
    struct redis_reply *r = object(task, REDIS_ARRAY);
    if (!r || elements < 0 || elements > REDIS_REPLY_ITEMS_MAX)
        return NULL;
    r->n = (size_t)elements;
    if (r->n)
        r->items = arena_try_alloc(c->arena, r->n * sizeof *r->items);
    return r->n && !r->items ? NULL : r;
}

static void *make_integer(const redisReadTask *task, long long value)
{
    struct redis_reply *r = object(task, REDIS_INTEGER);
    if (r)
        r->integer = value;
    return r;
}

static void *make_nil(const redisReadTask *task)
{
    return object(task, REDIS_NIL);
}

static void free_nothing(void *reply)
{
    (void)reply; /* the arena goes as a whole */
}

/* ---- codec */

struct redis_codec *redis_codec_new(void)
{
    static redisReplyObjectFunctions functions = {make_string, make_array, make_integer, make_nil,
                                                  free_nothing};
    struct redis_codec *c = mem_alloc(sizeof *c);
    c->reader = redisReaderCreateWithFunctions(&functions);
    must(c->reader);
    c->reader->maxbuf = IDLE_BUFFER_BYTES;
    c->reader->privdata = c;
    return c;
}

void redis_codec_free(struct redis_codec **pc)
{
    struct redis_codec *c = *pc;
    *pc = NULL;
    if (!c)
        return;
    redisReaderFree(c->reader);
    arena_free(&c->arena);
    mem_free(c);
}

static enum err fail(struct redis_codec *c, enum err e, const char *why)
{
    c->failed = e;
    str_put(c->why, sizeof c->why, why);
    return e;
}

enum err redis_codec_feed(struct redis_codec *c, struct str bytes)
{
    if (c->failed)
        return c->failed;
    if (c->reader->len - c->reader->pos + bytes.n > REDIS_REPLY_BYTES_MAX)
        return fail(c, ERR_LIMIT, "reply too large");
    if (redisReaderFeed(c->reader, bytes.p, bytes.n) != REDIS_OK)
        return fail(c, ERR_NOMEM, c->reader->errstr);
    return ERR_OK;
}

/* The reader waits for the end of a line that is too long already. */
static bool is_line_too_long(const redisReader *r)
{
    size_t pending = r->len - r->pos;
    if (r->ridx < 0 || pending <= LINE_MAX_BYTES)
        return false;
    return r->rstack[r->ridx].type != REDIS_REPLY_STRING ||
           !memchr(r->buf + r->pos, '\n', LENGTH_MAX_BYTES);
}

enum err redis_codec_next(struct redis_codec *c, const struct redis_reply **out)
{
    void *reply = NULL;
    if (c->failed)
        return c->failed;
    if (redisReaderGetReply(c->reader, &reply) != REDIS_OK) {
        bool is_large = c->reader->err == REDIS_ERR_OOM;
        return fail(c, is_large ? ERR_LIMIT : ERR_PROTOCOL,
                    is_large ? "reply too large" : c->reader->errstr);
    }
    if (!reply && is_line_too_long(c->reader))
        return fail(c, ERR_LIMIT, "reply too large");
    c->is_given = c->is_given || reply;
    *out = reply;
    return ERR_OK;
}

const char *redis_codec_why(const struct redis_codec *c)
{
    return c->why;
}

/* ---- commands */

struct str redis_format(size_t argc, const struct str *argv)
{
    const char **p = mem_calloc(argc, sizeof *p);
    size_t *n = mem_calloc(argc, sizeof *n);
    char *bytes = NULL;
    for (size_t i = 0; i < argc; i++) {
        p[i] = argv[i].p ? argv[i].p : "";
        n[i] = argv[i].n;
    }
    must(argc > 0 && argc <= REDIS_REPLY_ITEMS_MAX);
    int len = redisFormatCommandArgv(&bytes, (int)argc, p, n);
    must(len > 0);
    mem_free(p);
    mem_free(n);
    return str_make(bytes, (size_t)len);
}

void redis_bytes_free(struct str *bytes)
{
    redisFreeCommand((char *)bytes->p);
    *bytes = STR_NONE;
}
