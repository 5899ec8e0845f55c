/* Many clients: made together, logged in some at once, logged out together. */
#include <stdlib.h>

#include "integration-tests/bench/load-client.h"

struct load_client *load_clients_new(struct load_loop *l, const struct load_login *login, size_t n,
                                     unsigned first)
{
    struct load_client *clients = calloc(n, sizeof *clients);
    if (!clients)
        load_die("no memory for %zu clients", n);
    for (unsigned i = 0; i < n; i++)
        load_client_init(&clients[i], l, login, first + i, (first + i) % l->opts->target.accounts);
    return clients;
}

static size_t count_under_way(const struct load_client *clients, size_t from, size_t to)
{
    size_t n = 0;
    for (size_t i = from; i < to; i++)
        n += clients[i].state != LOAD_CLIENT_READY;
    return n;
}

bool load_clients_login(struct load_loop *l, struct load_client *clients, size_t n)
{
    size_t started = 0, ready = 0;
    load_moved(l);
    while (ready < n && !l->is_over) {
        while (ready < started && clients[ready].state == LOAD_CLIENT_READY)
            ready++;
        size_t under_way = count_under_way(clients, ready, started);
        for (; started < n && under_way < l->opts->target.connect_parallel; under_way++)
            load_client_start(&clients[started++]);
        if (ready < n)
            load_turn(l, UINT64_MAX);
    }
    return !l->is_over;
}

static bool any_open(const struct load_client *clients, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (clients[i].state != LOAD_CLIENT_OFF)
            return true;
    return false;
}

void load_clients_logout(struct load_loop *l, struct load_client *clients, size_t n)
{
    load_moved(l);
    for (size_t i = 0; i < n; i++)
        if (clients[i].state == LOAD_CLIENT_READY)
            load_client_stop(&clients[i]);
    while (!l->is_over && any_open(clients, n))
        load_turn(l, UINT64_MAX);
    for (size_t i = 0; i < n; i++)
        load_client_fini(&clients[i]);
    free(clients);
}
