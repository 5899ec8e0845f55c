#ifndef NODE_NODE_INIT_H
#define NODE_NODE_INIT_H
/* meridiand --init: the folder of a new node: configuration, certificate, secret. */
#include "lib/base/buf.h"

struct node_init {
    const char *dir;     /* made if it is not there; its parent must be */
    const char *domain;  /* what comes after the @ */
    const char *address; /* to listen on; NULL = all */
    bool is_system;      /* as the package runs it: state in /var/lib/meridian, socket in
                            /run/meridian, files of its user */
};
/* Writes new files only: what is there already is refused. said: what was written and the next
 * commands, for people. ERR_INVALID, ERR_IO, ERR_TLS with why. */
enum err node_init(const struct node_init *in, struct buf *said, char *why,
                   size_t why_size) MUST_USE;
#endif
