#ifndef NODE_ADMIN_ADMIN_INT_H
#define NODE_ADMIN_ADMIN_INT_H
/* Commands that are not in commands.c; their lines in the table are. */
#include "lib/xmpp/jid.h"
#include "node/admin/control.h"

/* ---- cmd-account.c */
/* The account address of argument 0, of a domain of this node; else the request has failed. */
bool control_account_jid(struct control_request *r, struct arena *a, struct jid *j);
void control_run_adduser(struct control_request *r);
void control_run_passwd(struct control_request *r);
void control_run_deluser(struct control_request *r);
enum { USERS_PAGE = 1000 };
void control_run_users(struct control_request *r); /* at most USERS_PAGE, as one list */

/* ---- cmd-session.c */
void control_run_sessions(struct control_request *r);
void control_run_kick(struct control_request *r);
void control_run_send(struct control_request *r);

/* ---- cmd-s2s.c */
void control_run_s2s(struct control_request *r);
/* ---- cmd-drain.c */
void control_run_drain(struct control_request *r);

/* ---- cmd-log.c */
void control_run_loglevel(struct control_request *r);
void control_run_log(struct control_request *r);

/* ---- cmd-reload.c */
void control_run_reload(struct control_request *r);

/* ---- import.c */
enum { IMPORT_LINES_MAX = 1000 };
void control_run_import(struct control_request *r);
#endif
