/* loglevel: what is logged, while the node runs; log: lines as they come. A level holds until the
 * next start (the general level: until the next reload). */
#include "lib/base/log.h"
#include "node/admin/admin-int.h"

static struct json *rule_json(const char *what, const char *text, enum log_level l)
{
    struct json *o = json_new_object();
    json_set_str(o, "what", str_of(what));
    json_set_str(o, "name", str_of(text));
    json_set_str(o, "level", str_of(log_level_name(l)));
    return o;
}

static void show(struct control_request *r)
{
    struct log_rule rules[LOG_RULES_MAX];
    size_t n = log_rules(rules);
    r->out = json_new_array();
    struct json *o = rule_json("general", "", log_level());
    json_push(r->out, &o);
    for (size_t i = 0; i < n; i++) {
        o = rule_json(rules[i].kind == LOG_BY_CATEGORY ? "category" : "name", rules[i].text,
                      rules[i].level);
        json_push(r->out, &o);
    }
    control_done(r);
}

/* Addresses are compared in normal form, as the log has them. */
static bool normal_form(struct control_request *r, struct arena *a, const char *text,
                        const char **out)
{
    struct jid j;
    const char *why = "";
    if (jid_parse(a, str_of(text), &j, &why) != ERR_OK) {
        control_fail(r, "\"%s\" is no address: %s", text, why);
        return false;
    }
    *out = arena_cstr(a, j.full);
    return true;
}

/* What the options name: at most one of them. */
static bool read_rule(struct control_request *r, struct arena *a, enum log_rule_kind *kind,
                      const char **text)
{
    static const char *const options[] = {"category", "jid", "peer"};
    *text = NULL;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const char *said = control_option(r, options[i]);
        if (said && *text) {
            control_fail(r, "one of --category, --jid and --peer at a time");
            return false;
        }
        if (said) {
            *text = said;
            *kind = i ? LOG_BY_NAME : LOG_BY_CATEGORY;
        }
    }
    return !*text || *kind == LOG_BY_CATEGORY || normal_form(r, a, *text, text);
}

static void change_rule(struct control_request *r, enum log_rule_kind kind, const char *text,
                        bool is_default, enum log_level level)
{
    enum err e = ERR_OK;
    if (is_default && !log_rule_del(kind, text))
        e = ERR_NOTFOUND;
    if (!is_default)
        e = log_rule_set(kind, text, level);
    if (e == ERR_OK)
        show(r);
    else if (e == ERR_NOTFOUND)
        control_fail(r, "nothing was set for \"%s\"", text);
    else
        control_fail(r, "cannot set a level for \"%s\": %s", text,
                     e == ERR_LIMIT ? "too many are set" : err_text(e));
}

void control_run_loglevel(struct control_request *r)
{
    const char *said = control_arg(r, 0), *text;
    bool is_default = said && strcmp(said, "default") == 0;
    enum log_level level = r->shard->tune.log_level;
    enum log_rule_kind kind = LOG_BY_CATEGORY;
    struct arena *a = arena_new(0);
    if (!read_rule(r, a, &kind, &text)) {
        ;
    } else if (said && !is_default && log_level_parse(str_of(said), &level) != ERR_OK) {
        control_fail(r, "\"%s\" is no level: trace, debug, info, warn, error, default are", said);
    } else if (!said && text) {
        control_fail(r, "which level?");
    } else if (!said) {
        show(r);
    } else if (text) {
        change_rule(r, kind, text, is_default, level);
    } else {
        log_set_level(level);
        show(r);
    }
    arena_free(&a);
}

/* ---- log: lines about one name or of one category, as they come */
struct tail {
    struct node *node;
    unsigned tap;
    handle conn;
};
struct tail_line { /* from any thread to shard 0 */
    struct node *node;
    unsigned tap;
    handle conn;
    char text[];
};

static void line_drop(void *ctx)
{
    struct tail_line *l = ctx;
    log_tap_took(l->tap);
    mem_free(l);
}

static void line_arrived(struct node_shard *hub, void *ctx)
{
    struct tail_line *l = ctx;
    struct json *o = json_new_object();
    (void)hub;
    json_set_str(o, "line", str_of(l->text));
    control_send(l->node, l->conn, o);
    json_free(&o);
    line_drop(l);
}

static void tapped(void *ctx, const char *line)
{
    const struct tail *t = ctx;
    size_t n = strlen(line) + 1;
    struct tail_line *l = mem_alloc(sizeof *l + n);
    *l = (struct tail_line){t->node, t->tap, t->conn};
    memcpy(l->text, line, n);
    node_post(&t->node->shard[0], line_arrived, line_drop, l);
}

static void tail_gone(void *ctx)
{
    struct tail *t = ctx;
    log_tap_close(t->tap);
    mem_free(t);
}

static void tail_start(struct control_request *r, enum log_rule_kind kind, const char *text,
                       enum log_level level)
{
    struct tail *t = mem_alloc(sizeof *t);
    t->node = r->node;
    t->conn = r->conn; /* before the first line */

    enum err e = log_tap_open(kind, text, level, tapped, t, &t->tap);
    if (e != ERR_OK) {
        mem_free(t);
        control_fail(r, "cannot follow \"%s\": %s", text,
                     e == ERR_LIMIT ? "others do already, as many as may" : err_text(e));
    } else if (!control_keep(r, tail_gone, t)) {
        tail_gone(t);
    }
}

void control_run_log(struct control_request *r)
{
    const char *said = control_option(r, "level"), *text;
    enum log_level level = LOG_DEBUG;
    enum log_rule_kind kind = LOG_BY_CATEGORY;
    struct arena *a = arena_new(0);
    if (!read_rule(r, a, &kind, &text))
        ;
    else if (!text)
        control_fail(r, "which lines? --jid, --peer or --category says it");
    else if (said && log_level_parse(str_of(said), &level) != ERR_OK)
        control_fail(r, "\"%s\" is no level: trace, debug, info, warn, error are", said);
    else
        tail_start(r, kind, text, level);
    arena_free(&a);
}
