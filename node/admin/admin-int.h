#ifndef NODE_ADMIN_ADMIN_INT_H
#define NODE_ADMIN_ADMIN_INT_H
/* Commands that have a file of their own; their lines are in commands.c. */
#include "node/admin/control.h"

enum { IMPORT_LINES_MAX = 1000 };
void control_run_import(struct control_request *r); /* import.c */
#endif
