/* import: accounts by the hundred. An argument is a line "JID,PASSWORD" or
 * "JID,SCRAM-SHA-256$...[,SCRAM-SHA-1$...]" (RFC 5803). Lines run side by side, so that the store
 * makes one commit of many; of those with a password only a few, so that logins find a place on the
 * hashing pool. One line's failure is its own: the answer counts what was made and what existed,
 * and lists what failed with the line's place in the request. */
#include "node/admin/admin-int.h"
#include "node/auth/account.h"

enum { STORING_MAX = 256, HASHING_MAX = 8 };

struct import;
struct line {
    struct import *import;
    size_t index;
    bool is_hashed;
};
struct import {
    struct op op; /* on the request */
    struct op_owner ops;
    struct control_request *request;
    size_t n, next, running, hashing, made, existed;
    struct json *failed;
    struct line line[];
};

static void import_more(struct import *im);

static void import_free(struct import *im)
{
    op_owner_cancel_all(&im->ops);
    json_free(&im->failed);
    mem_free(im);
}

static void import_cancel(struct op *op)
{
    import_free(container_of(op, struct import, op));
}

static void import_finish(struct import *im)
{
    struct control_request *r = im->request;
    r->out = json_new_object();
    json_set_num(r->out, "made", (int64_t)im->made);
    json_set_num(r->out, "existed", (int64_t)im->existed);
    json_set(r->out, "failed", &im->failed);
    op_end(&im->op);
    import_free(im);
    control_done(r);
}

static void line_failed(struct line *l, struct str jid, const char *why)
{
    struct json *o = json_new_object();
    json_set_num(o, "line", (int64_t)l->index + 1);
    json_set_str(o, "jid", jid);
    json_set_str(o, "why", str_of(why));
    json_push(l->import->failed, &o);
}

static struct str line_text(const struct line *l)
{
    return str_of(control_arg(l->import->request, l->index));
}

static void line_done(void *ctx, enum err e)
{
    struct line *l = ctx;
    struct import *im = l->import;
    struct str rest = line_text(l);
    im->running--;
    im->hashing -= l->is_hashed;
    if (e == ERR_OK)
        im->made++;
    else if (e == ERR_EXISTS)
        im->existed++;
    else
        line_failed(l, str_cut(&rest, ','),
                    e == ERR_INVALID ? "no account address of this node, or no usable password"
                                     : err_text(e));
    import_more(im);
}

/* Ready keys, split by commas. */
static bool parse_keys(struct str text, struct scram_key *keys, size_t *n)
{
    for (*n = 0; text.p; ++*n)
        if (*n == ACCOUNT_KEYS_MAX || scram_key_parse(str_cut(&text, ','), &keys[*n]) != ERR_OK)
            return false;
    return true;
}

static void line_start(struct line *l)
{
    struct import *im = l->import;
    struct node_shard *sh = im->request->shard;
    struct str rest = line_text(l), jid = str_cut(&rest, ',');
    struct scram_key keys[ACCOUNT_KEYS_MAX];
    size_t n = 0;
    bool has_keys = rest.p && str_starts(rest, STR("SCRAM-SHA-"));
    if (!rest.p) {
        line_failed(l, STR_NONE, "it is not JID,PASSWORD");
    } else if (has_keys && !parse_keys(rest, keys, &n)) {
        line_failed(l, jid, "the keys are not of the form of RFC 5803");
    } else {
        l->is_hashed = !has_keys;
        im->running++;
        im->hashing += l->is_hashed;
        if (has_keys)
            account_import(sh, &im->ops, jid, keys, n, line_done, l);
        else
            account_create(sh, &im->ops, jid, rest, line_done, l);
    }
    mem_wipe(keys, sizeof keys);
}

static void import_more(struct import *im)
{
    while (im->next < im->n && im->running < STORING_MAX && im->hashing < HASHING_MAX)
        line_start(&im->line[im->next++]);
    if (im->next == im->n && im->running == 0)
        import_finish(im);
}

void control_run_import(struct control_request *r)
{
    size_t n = json_len(r->args);
    struct import *im = mem_alloc(sizeof *im + n * sizeof im->line[0]);
    im->request = r;
    im->n = n;
    im->failed = json_new_array();
    op_owner_init(&im->ops);
    op_start(&im->op, &r->ops, import_cancel);
    for (size_t i = 0; i < n; i++)
        im->line[i] = (struct line){.import = im, .index = i};
    import_more(im);
}
