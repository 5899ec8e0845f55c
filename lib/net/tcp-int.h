#ifndef LIB_NET_TCP_INT_H
#define LIB_NET_TCP_INT_H
/* Stream sockets of the real platform, for the files that make descriptors: listen.c and unix.c. */
#include "lib/net/net-int.h"

struct sockaddr_storage;

enum tcp_kind { TCP_INET, TCP_UNIX };

/* A transport over a connected descriptor, which is taken. It reports ready and begins to read at
 * the end of this turn. */
struct transport *tcp_adopt(struct loop *l, enum tcp_kind kind, int fd, const struct addr *peer);
/* A transport that is to connect to a unix socket, or to end with ERR_INVALID for a path too long.
 */
struct transport *tcp_connect_unix(struct loop *l, const char *path);

/* Addresses to the system's form and back. */
unsigned addr_to_sock(const struct addr *a, struct sockaddr_storage *out); /* length */
struct addr addr_from_sock(const struct sockaddr_storage *s); /* ADDR_NONE for other families */
#endif
