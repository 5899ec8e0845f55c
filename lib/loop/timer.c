/* Timers and their wheel.
 * A timer lies on the level of the highest 6-bit digit in which its due time differs from the
 * wheel's time, so the lowest level in use always holds the next timer, and a slot holds only
 * timers of one span. Start and stop are O(1); a timer is moved down at most six times in its life.
 * Stopping leaves the slot's bit set; the search clears it when it finds the slot empty. Due times
 * are rounded up to the next millisecond, expiry is compared with the clock rounded down: never
 * early. Both platforms use this file. */
#include "lib/base/clock.h"
#include "lib/loop/loop-int.h"

static struct timer *timer_at(struct list *n)
{
    return list_entry(n, struct timer, link);
}

void wheel_init(struct wheel *w, uint64_t now_ms, uint64_t (*shuffle)(uint64_t bound))
{
    memset(w, 0, sizeof *w);
    w->now_ms = now_ms;
    w->shuffle = shuffle;
    list_init(&w->due);
    for (int level = 0; level < WHEEL_LEVELS; level++)
        for (int s = 0; s < WHEEL_SLOTS; s++)
            list_init(&w->slot[level][s]);
}

static size_t detach_all(struct list *timers)
{
    size_t n = 0;
    for (struct list *node; (node = list_shift(timers)); n++)
        timer_at(node)->loop = NULL;
    return n;
}

size_t wheel_fini(struct wheel *w)
{
    size_t n = detach_all(&w->due);
    for (int level = 0; level < WHEEL_LEVELS; level++)
        for (int s = 0; s < WHEEL_SLOTS; s++)
            n += detach_all(&w->slot[level][s]);
    w->count = 0;
    return n;
}

/* Append to the expired; among equals the simulator draws the place. */
static void push_due(struct wheel *w, struct timer *t)
{
    struct list *at = w->due.prev;
    if (w->shuffle) {
        uint64_t equal = 0;
        for (struct list *n = at; n != &w->due && timer_at(n)->due_ms == t->due_ms; n = n->prev)
            equal++;
        for (uint64_t back = equal ? w->shuffle(equal + 1) : 0; back > 0; back--)
            at = at->prev;
    }
    list_insert_after(at, &t->link);
}

static void place(struct wheel *w, struct timer *t)
{
    if (t->due_ms <= w->now_ms) {
        push_due(w, t);
        return;
    }
    int level = (63 - __builtin_clzll(t->due_ms ^ w->now_ms)) / WHEEL_BITS;
    must(level < WHEEL_LEVELS);
    unsigned s = (unsigned)(t->due_ms >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
    list_push(&w->slot[level][s], &t->link);
    w->used[level] |= UINT64_C(1) << s;
}

/* The first slot in time that is not empty, and the start of its span. */
static struct list *first_slot(struct wheel *w, uint64_t *start_ms)
{
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        for (; w->used[level]; w->used[level] &= w->used[level] - 1) {
            unsigned s = (unsigned)__builtin_ctzll(w->used[level]);
            if (list_empty(&w->slot[level][s]))
                continue;
            int shift = level * WHEEL_BITS;
            uint64_t block = w->now_ms >> (shift + WHEEL_BITS) << (shift + WHEEL_BITS);
            *start_ms = block | (uint64_t)s << shift;
            return &w->slot[level][s];
        }
    }
    return NULL;
}

bool wheel_next(struct wheel *w, uint64_t *at_ms)
{
    if (w->count == 0)
        return false;
    if (!list_empty(&w->due)) {
        *at_ms = w->now_ms;
        return true;
    }
    return first_slot(w, at_ms) != NULL;
}

void wheel_advance(struct wheel *w, uint64_t now_ms)
{
    uint64_t start_ms;
    struct list *slot;
    while (w->count > 0 && (slot = first_slot(w, &start_ms)) && start_ms <= now_ms) {
        w->now_ms = start_ms;
        struct list batch;
        list_init(&batch);
        list_splice(&batch, slot);
        for (struct list *n; (n = list_shift(&batch));)
            place(w, timer_at(n));
    }
    if (w->now_ms < now_ms)
        w->now_ms = now_ms;
}

void wheel_fire(struct wheel *w)
{
    struct list batch;
    list_init(&batch);
    list_splice(&batch, &w->due);
    for (struct list *n; (n = list_shift(&batch));) {
        struct timer *t = timer_at(n);
        w->count--;
        t->fn(t->ctx);
    }
}

void timer_init(struct timer *t, struct loop *l, void (*fn)(void *ctx), void *ctx)
{
    list_init(&t->link);
    t->loop = l;
    t->due_ms = 0;
    t->fn = fn;
    t->ctx = ctx;
}

void timer_start(struct timer *t, uint64_t delay_ms)
{
    must(t->loop != NULL);
    must(delay_ms <= UINT64_C(1) << 32);
    check(loop_is_mine(t->loop));
    timer_stop(t);
    uint64_t now_us =
        clock_mono_us(); /* not the turn's time: a late callback must not make its timers early */
    t->due_ms = delay_ms ? (now_us + 999) / 1000 + delay_ms : now_us / 1000;
    struct wheel *w = &loop_core(t->loop)->wheel;
    place(w, t);
    w->count++;
}

void timer_stop(struct timer *t)
{
    if (!list_linked(&t->link))
        return;
    check(loop_is_mine(t->loop));
    list_del(&t->link);
    loop_core(t->loop)->wheel.count--;
}

bool timer_running(const struct timer *t)
{
    return list_linked(&t->link);
}
