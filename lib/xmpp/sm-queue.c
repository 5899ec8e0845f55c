/* Stream management counters and queues (XEP-0198 sections 4 and 5) as pure logic.
 *
 * All numbers live modulo 2^32 and are compared by their distance from a base (acked, h), never by
 * size. The receiving side remembers completions that overtook an older stanza in a bit ring
 * indexed by number modulo window; the ring is made only when something overtakes, because in-order
 * completion needs nothing but h. Invariant of the ring: a set bit stands for a number in (h, h +
 * window]; bits are cleared as h passes them. */
#include "lib/xmpp/sm-queue.h"

enum { RING_MIN = 64, RING_KEEP = 1024 }; /* bits; a larger ring is given back once it is empty */

void sm_out_init(struct sm_out *q)
{
    *q = (struct sm_out){0};
    list_init(&q->items);
}

void sm_out_push(struct sm_out *q, struct sm_item *it)
{
    list_push(&q->items, &it->link);
    q->bytes += it->bytes;
    q->sent++;
}

enum err sm_out_ack(struct sm_out *q, uint32_t h, struct list *done)
{
    uint32_t count = h - q->acked;
    if (count > sm_out_pending(q))
        return ERR_PROTOCOL;
    for (; count > 0; count--) {
        struct list *node = list_shift(&q->items);
        must(node != NULL);
        q->bytes -= list_entry(node, struct sm_item, link)->bytes;
        list_push(done, node);
    }
    q->acked = h;
    return ERR_OK;
}

uint32_t sm_out_pending(const struct sm_out *q)
{
    return q->sent - q->acked;
}

void sm_in_init(struct sm_in *q)
{
    *q = (struct sm_in){0};
}

void sm_in_fini(struct sm_in *q)
{
    mem_free(q->done);
    *q = (struct sm_in){0};
}

uint32_t sm_in_receive(struct sm_in *q)
{
    must(q->received - q->h < UINT32_MAX / 2); /* the caller stopped long before: sm_in_full */
    return ++q->received;
}

static uint64_t *ring_word(struct sm_in *q, uint32_t number)
{
    return &q->done[(number & (q->window - 1)) / 64];
}

static uint64_t ring_bit(uint32_t number)
{
    return UINT64_C(1) << (number % 64);
}

static bool ring_has(struct sm_in *q, uint32_t number)
{
    return number - q->h <= q->window && (*ring_word(q, number) & ring_bit(number));
}

/* Make room for a number at this distance above h; bits move to their place in the larger ring. */
static void ring_grow(struct sm_in *q, uint32_t distance)
{
    struct sm_in grown = {.h = q->h, .window = q->window ? q->window : RING_MIN};
    while (grown.window < distance)
        grown.window *= 2;
    grown.done = mem_calloc(grown.window / 64, sizeof *grown.done);
    for (uint32_t i = 1; i <= q->window; i++)
        if (ring_has(q, q->h + i))
            *ring_word(&grown, q->h + i) |= ring_bit(q->h + i);
    mem_free(q->done);
    q->done = grown.done;
    q->window = grown.window;
}

static void ring_release(struct sm_in *q)
{
    mem_free(q->done);
    q->done = NULL;
    q->window = 0;
}

/* h + 1 is complete: move h over it and over all that waited behind it. */
static void advance(struct sm_in *q)
{
    q->h++;
    while (q->window && ring_has(q, q->h + 1)) {
        *ring_word(q, q->h + 1) &= ~ring_bit(q->h + 1);
        q->h++;
    }
    if (q->h == q->received && q->window > RING_KEEP)
        ring_release(q);
}

bool sm_in_complete(struct sm_in *q, uint32_t number)
{
    const uint32_t distance = number - q->h;
    if (distance == 0 || distance > q->received - q->h)
        return false; /* never received, or complete already */
    if (distance == 1) {
        advance(q);
        return true;
    }
    if (distance > q->window)
        ring_grow(q, distance);
    *ring_word(q, number) |= ring_bit(number);
    return false;
}

bool sm_in_full(const struct sm_in *q)
{
    return q->received - q->h >= SM_WINDOW_MAX;
}
