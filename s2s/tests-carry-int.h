#ifndef S2S_TESTS_CARRY_INT_H
#define S2S_TESTS_CARRY_INT_H
/* What the tests of carrying count by. */
#include "s2s/tests-world-int.h"

/* Every number from 1 to n once, in order. */
static UNUSED void check_all(const struct host *h, size_t n)
{
    if (h->n_in != n)
        fail_msg("d%d has %zu of %zu", h->i, h->n_in, n);
    for (size_t i = 0; i < n; i++)
        if (h->in[i].id != i + 1)
            fail_msg("d%d: number %u in place %zu", h->i, h->in[i].id, i + 1);
}

static UNUSED size_t rows(struct host *h, const char *direction)
{
    size_t n = 0;
    struct json *list = json_new_array();
    s2s_list(h->s2s, list);
    for (size_t i = 0; i < json_len(list); i++)
        n += strcmp(json_get_str(json_at(list, i), "direction"), direction) == 0;
    json_free(&list);
    return n;
}

static UNUSED struct s2s_out *first_out(struct host *h)
{
    struct list *n = list_first(&h->s2s->outs);
    return n ? list_entry(n, struct s2s_out, link) : NULL;
}

static UNUSED struct s2s_in *first_in(struct host *h)
{
    struct list *n = list_first(&h->s2s->ins);
    return n ? list_entry(n, struct s2s_in, link) : NULL;
}

static UNUSED void by_dialback(struct world *w)
{
    for (int i = 0; i < HOSTS; i++) {
        w->h[i].conf.tls_server = bad_in[i];
        w->h[i].conf.tls_client = bad_out[i];
    }
}

#endif
