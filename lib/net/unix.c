/* Unix sockets: the connecting side. The listening side is in listen.c, the byte layer is tcp.c on
 * a uv_pipe_t. */
#include "lib/net/tcp-int.h"

struct transport *net_connect_unix(struct loop *l, const char *path)
{
    return tcp_connect_unix(l, path);
}
