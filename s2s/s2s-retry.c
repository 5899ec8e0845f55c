/* DOC: failure memory. After a failure the same is answered at once for a while, so that a dead
 * domain costs one attempt per fail_memory_ms and not one per stanza. It is short, and any sign of
 * life of the domain ends it: a peer that came back is never waited for. */
#include "s2s/s2s-int.h"

static void forget(struct s2s_failure *f)
{
    timer_stop(&f->expiry);
    (void)hmap_del(&f->s2s->failures, str_of(f->remote));
    mem_free(f);
}

static void on_expiry(void *ctx)
{
    forget(ctx);
}

static struct s2s_failure *record(struct s2s *s, const char *remote)
{
    struct s2s_failure *f = hmap_get(&s->failures, str_of(remote));
    if (f || hmap_count(&s->failures) >= S2S_FAILURES_MAX)
        return f;
    f = mem_alloc(sizeof *f);
    f->s2s = s;
    str_put(f->remote, sizeof f->remote, remote);
    timer_init(&f->expiry, s->loop, on_expiry, f);
    hmap_put(&s->failures, str_of(f->remote), f);
    return f;
}

void s2s_failure_remember(struct s2s *s, const char *remote, const char *local_or_null,
                          enum stanza_cond c, const char *text)
{
    struct s2s_failure *f = record(s, remote);
    if (!f)
        return;
    str_put(f->local, sizeof f->local, local_or_null ? local_or_null : "");
    str_put(f->text, sizeof f->text, text);
    f->cond = c;
    timer_start(&f->expiry, s->conf.fail_memory_ms);
}

const struct s2s_failure *s2s_failure_get(const struct s2s *s, struct str local, struct str remote)
{
    const struct s2s_failure *f = hmap_get(&s->failures, remote);
    return f && (!f->local[0] || str_eqc(local, f->local)) ? f : NULL;
}

void s2s_failure_clear(struct s2s *s, struct str remote)
{
    struct s2s_failure *f = hmap_get(&s->failures, remote);
    if (!f)
        return;
    log_info(NULL, "s2s.failure.cleared", "remote", f->remote, "was", f->text);
    forget(f);
}

void s2s_failures_fini(struct s2s *s)
{
    size_t it = 0;
    for (struct s2s_failure *f; (f = hmap_next(&s->failures, &it, NULL));)
        forget(f);
    hmap_fini(&s->failures);
}
