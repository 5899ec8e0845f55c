/* The simulator's queue of events: a binary heap ordered by (time, tie, sequence). */
#include "lib/loop/sim-int.h"

int sim_key_cmp(struct sim_key a, struct sim_key b)
{
    if (a.at_us != b.at_us)
        return a.at_us < b.at_us ? -1 : 1;
    return a.tie == b.tie ? 0 : a.tie < b.tie ? -1 : 1;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    int c = sim_key_cmp(a->key, b->key);
    return c ? c < 0 : a->seq < b->seq;
}

static void swap(struct sim_queue *q, size_t a, size_t b)
{
    struct sim_event e = q->p[a];
    q->p[a] = q->p[b];
    q->p[b] = e;
}

static void sift_up(struct sim_queue *q, size_t i)
{
    for (; i > 0 && before(&q->p[i], &q->p[(i - 1) / 2]); i = (i - 1) / 2)
        swap(q, i, (i - 1) / 2);
}

static void sift_down(struct sim_queue *q, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < q->n; child++)
            if (before(&q->p[child], &q->p[least]))
                least = child;
        if (least == i)
            return;
        swap(q, i, least);
        i = least;
    }
}

static void append(struct sim_queue *q, struct sim_event e)
{
    if (q->n == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 64;
        q->p = mem_realloc(q->p, q->cap * sizeof *q->p);
    }
    q->p[q->n++] = e;
    sift_up(q, q->n - 1);
}

void sim_queue_push(struct sim_queue *q, struct sim_event e)
{
    e.seq = q->seq++;
    append(q, e);
}

const struct sim_event *sim_queue_peek(const struct sim_queue *q)
{
    return q->n ? &q->p[0] : NULL;
}

struct sim_event sim_queue_pop(struct sim_queue *q)
{
    must(q->n > 0);
    struct sim_event e = q->p[0];
    q->p[0] = q->p[--q->n];
    sift_down(q, 0);
    return e;
}

void sim_queue_take(struct sim_queue *q, const struct loop *l, struct sim_queue *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < q->n; i++) {
        if (q->p[i].loop == l)
            append(out, q->p[i]);
        else
            q->p[kept++] = q->p[i];
    }
    q->n = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sift_down(q, i);
}

void sim_queue_fini(struct sim_queue *q)
{
    mem_free(q->p);
    memset(q, 0, sizeof *q);
}
