/* DOC: Region allocator. Blocks grow from 1 KiB to 64 KiB; a larger request gets a block of its
 * own. The arena's head lies in its first block, so a small stanza costs one heap allocation, and
 * mostly none: first blocks are kept per thread, cleared as far as they were used (the heap keeps
 * seven of a size, one turn may need a hundred). Under
 * AddressSanitizer what has not been handed out is poisoned and every allocation is followed by a
 * red zone. */
#include "lib/base/arena.h"

#include "lib/base/thread-end.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 8 };
static void hide(void *p, size_t n)
{
    ASAN_POISON_MEMORY_REGION(p, n);
}
static void show(void *p, size_t n)
{
    ASAN_UNPOISON_MEMORY_REGION(p, n);
}
#else
enum { RED_ZONE = 0 };
static void hide(void *p, size_t n)
{
    (void)p;
    (void)n;
}
static void show(void *p, size_t n)
{
    (void)p;
    (void)n;
}
#endif

enum { ALIGN = 8, FIRST_BLOCK = 1008, LARGEST_BLOCK = 64 * 1024 };
#ifdef ARENA_ASAN
enum { SPARE_MAX = 0 }; /* a block used after its end shall be found */
#else
enum { SPARE_MAX = 256 };
#endif

struct block {
    struct block *older;
    size_t n, cap; /* bytes of data[] used and there */
    _Alignas(ALIGN) char data[];
};

struct cleanup {
    struct cleanup *older;
    void (*fn)(void *ctx);
    void *ctx;
};

struct arena {
    struct block *newest;
    struct cleanup *cleanups;
    size_t used, budget; /* budget 0 = none */
    size_t next_cap;
};

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static struct block *block_new(size_t cap)
{
    struct block *b = mem_try_alloc(sizeof *b + cap);
    if (!b)
        return NULL;
    b->cap = cap;
    hide(b->data, cap);
    return b;
}

static _Thread_local struct block *spare; /* of FIRST_BLOCK bytes, zeroed; linked by older */
static _Thread_local int spares;

static struct block *first_block(void)
{
    struct block *b = spare;
    if (!b)
        return block_new(FIRST_BLOCK - sizeof *b);
    spare = b->older;
    spares--;
    b->older = NULL;
    return b;
}

static void spares_free(void)
{
    for (struct block *b; (b = spare);) {
        spare = b->older;
        mem_free(b);
    }
    spares = SPARE_MAX;
}

static void block_free(struct block *b)
{
    static _Thread_local struct thread_end end;
    show(b->data, b->cap);
    if (b->cap != FIRST_BLOCK - sizeof *b || spares >= SPARE_MAX) {
        mem_free(b);
        return;
    }
    memset(b->data, 0, b->n);
    b->n = 0;
    b->older = spare;
    spare = b;
    spares++;
    thread_end_add(&end, spares_free);
}

/* Take from the newest block, which has room. */
static void *block_take(struct block *b, size_t size)
{
    void *p = b->data + b->n;
    b->n += round_up(size) + RED_ZONE;
    show(p, size);
    return p;
}

static struct arena *arena_in(struct block *b)
{
    must(b);
    struct arena *a = block_take(b, sizeof *a);
    a->newest = b;
    a->next_cap = FIRST_BLOCK * 2;
    return a;
}

struct arena *arena_new(size_t budget_bytes)
{
    struct arena *a = arena_in(first_block());
    a->budget = budget_bytes;
    return a;
}

struct arena *arena_new_for(size_t bytes)
{
    return arena_in(block_new(round_up(sizeof(struct arena)) + RED_ZONE + round_up(bytes)));
}

void arena_free(struct arena **pa)
{
    struct arena *a = *pa;
    if (!a)
        return;
    *pa = NULL;
    while (a->cleanups) { /* a clean-up may register another */
        struct cleanup *c = a->cleanups;
        a->cleanups = c->older;
        c->fn(c->ctx);
    }
    for (struct block *b = a->newest, *older; b; b = older) {
        older = b->older;
        block_free(b);
    }
}

/* A block for at least `need` bytes. It goes on top unless the current one keeps more room. */
static struct block *arena_grow(struct arena *a, size_t need)
{
    size_t cap = a->next_cap - sizeof(struct block);
    bool own_block = need > cap;
    struct block *b = block_new(own_block ? need : cap);
    if (!b)
        return NULL;
    if (own_block) {
        b->older = a->newest->older;
        a->newest->older = b;
        return b;
    }
    b->older = a->newest;
    a->newest = b;
    a->next_cap = a->next_cap < LARGEST_BLOCK ? a->next_cap * 2 : LARGEST_BLOCK;
    return b;
}

static void *arena_take(struct arena *a, size_t size)
{
    struct block *b = a->newest;
    size_t need = round_up(size) + RED_ZONE;
    if (need > b->cap - b->n && !(b = arena_grow(a, need)))
        return NULL;
    return block_take(b, size);
}

void *arena_try_alloc(struct arena *a, size_t size)
{
    if (size > PTRDIFF_MAX / 2)
        return NULL;
    size_t cost = round_up(size ? size : 1);
    if (a->budget && cost > a->budget - a->used)
        return NULL;
    void *p = arena_take(a, size ? size : 1);
    if (p)
        a->used += cost;
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    struct block *b = a->newest;
    size_t need = round_up(size) + RED_ZONE;
    if (size && !a->budget && need <= b->cap - b->n) { /* nearly always */
        a->used += need - RED_ZONE;
        return block_take(b, size);
    }
    void *p = arena_try_alloc(a, size);
    if (!p)
        panic_at(__FILE__, __LINE__, "arena budget or memory exhausted");
    return p;
}

char *arena_cstr(struct arena *a, struct str s)
{
    if (!s.p)
        return NULL;
    char *copy = arena_alloc(a, s.n + 1);
    if (s.n)
        memcpy(copy, s.p, s.n);
    return copy;
}

struct str arena_dup(struct arena *a, struct str s)
{
    return str_make(arena_cstr(a, s), s.n);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    must(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return str_make(p, (size_t)n);
}

void arena_on_free(struct arena *a, void (*fn)(void *ctx), void *ctx)
{
    struct cleanup *c = arena_take(a, sizeof *c); /* ours, so not on the peer's budget */
    must(c);
    *c = (struct cleanup){a->cleanups, fn, ctx};
    a->cleanups = c;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}
