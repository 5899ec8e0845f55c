#ifndef NODE_DAEMON_H
#define NODE_DAEMON_H
/* A node as a process: shards, control socket, signals, reload, what systemd wants to know. */
#include "conf/conf.h"

enum { DAEMON_FAILED = 1, DAEMON_FENCED = 3 };
/* Run until a signal ends it. path: the file conf was read from. 0 or one of the above. */
int daemon_run(const char *path, struct conf *conf);
#endif
