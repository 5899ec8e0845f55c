#ifndef NODE_ADMIN_CTL_H
#define NODE_ADMIN_CTL_H
/* The client's side of the control socket: questions to a node, one a connection, and the commands
 * of meridianctl that are more than one question. */
#include "lib/base/json.h"
#include "lib/loop/op.h"
#include "lib/loop/timer.h"
#include "lib/net/transport.h"

/* Exit codes of meridianctl; scripts hold on to them. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_REFUSED = 1,      /* the node said no */
    CTL_USAGE = 2,        /* wrong arguments */
    CTL_NO_INPUT = 66,    /* EX_NOINPUT: a file cannot be read */
    CTL_UNAVAILABLE = 69, /* EX_UNAVAILABLE: no node answers */
    CTL_CONFIG = 78,      /* EX_CONFIG: wrong configuration */
};
enum { CTL_ANSWER_MAX = 64 << 20, CTL_QUESTION_MAX = 1 << 20 };

/* One question. The answer is the node's object ("ok", "result" or "error"; the callback may take
 * it), or NULL and why. In the callback the call is over and may be started again. */
typedef void ctl_done(void *ctx, struct json **answer, const char *why);
struct ctl_call {
    struct loop *loop;
    struct op_owner ops;
    struct timer deadline;
    struct defer later; /* over: told outside of the transport's call */
    struct transport *transport;
    struct buf question, answer;
    const char *path;
    char failure[256];
    ctl_done *done;
    void *ctx;
};
void ctl_call_init(struct ctl_call *c, struct loop *l, const char *path, ctl_done *done, void *ctx);
/* A question: command and its arguments (texts), to which "options" may be added. */
struct json *ctl_question(const char *command, struct json **args_take);
/* ERR_LIMIT: larger than a node takes; nothing is called. */
enum err ctl_call_start(struct ctl_call *c, struct json **question_take) MUST_USE;
void ctl_call_fini(struct ctl_call *c);

/* Ask once, on a loop of its own. The node's object, or NULL and why. */
struct json *ctl_ask(const char *path, struct json **question_take, char *why, size_t why_size);

/* ctl-help.c: what meridianctl says of itself, all from control_commands. */
struct control_command;
const struct control_command *ctl_command_find(const char *name); /* those for people only */
void ctl_print_usage(FILE *to);
void ctl_print_help(const struct control_command *k);
enum ctl_exit ctl_completion(const char *shell); /* "bash", "zsh": a script on standard output */

/* To standard output, for people or as JSON. */
void ctl_print(const struct json *value, bool as_json);

/* users: all accounts, a line each, page by page. */
enum ctl_exit ctl_users(const char *path, const char *domain_or_null, bool as_json);

/* check: the configuration's certificates and DNS records; no node is asked. */
struct node_conf;
enum ctl_exit ctl_check(const struct node_conf *conf, bool as_json);

/* store copy FROM TO: args are the three words. No node is asked, and none may be running. */
enum ctl_exit ctl_store(const struct node_conf *conf, char *const *args);

/* log: lines as they come, until the node or the user ends it. */
enum ctl_exit ctl_log(const char *path, struct json **question_take, bool as_json);

/* s2s: one question; what takes long says so. Exit code 1, too, when the domain is not reached. */
/* args: what stands behind s2s. False: it has said on standard error how it is used. */
bool ctl_s2s_fits(size_t n, char *const *args);
enum ctl_exit ctl_s2s(const char *path, struct json **question_take, bool as_json);

/* import-users: the file's lines to the node, some hundred at a time; progress on standard error.
 * The result is printed. */
enum ctl_exit ctl_import(const char *path, const char *file, bool as_json);
#endif
