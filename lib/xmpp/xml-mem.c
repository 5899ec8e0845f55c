/* DOC: the memory of expat. Role: XML_ParserCreate_MM takes plain malloc-like functions without
 * context; these add up what a parser holds, so that one which hostile input has fattened can be
 * seen and rebuilt, and they keep it apart from the heap. A parser is a dozen small blocks that
 * live between objects which stay for days: freed there, they would leave holes the system never
 * gets back. So each parser has a slot of its own, filled from the bottom; what does not fit comes
 * from the heap. Free slots are kept per thread, all but a few without memory behind them. */
#include <sys/mman.h>

#include "lib/base/thread-end.h"
#include "lib/base/vec.h"
#include "lib/xmpp/xml-parse-int.h"

enum {
    SLOT_BYTES = 16 * 1024, /* most parsers take 10 to 12 KiB */
    SLOTS_MAPPED = 64,      /* at once; never unmapped, as their parsers may have moved away */
    WARM_SLOTS = 32,
};

struct block {
    size_t size;
    _Alignas(max_align_t) char data[];
};

static _Thread_local struct xml_mem *current;
/* Free slots: the first n_cold have given their memory back. */
static _Thread_local VEC(char *) slots;
static _Thread_local size_t n_cold;

static void slots_forget(void)
{
    vec_fini(&slots);
    n_cold = 0;
}

static void slots_add(char *slot)
{
    static _Thread_local struct thread_end end;
    thread_end_add(&end, slots_forget);
    vec_push(&slots, slot);
}

static void slots_map(void)
{
    char *p = mmap(NULL, (size_t)SLOTS_MAPPED * SLOT_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return;
    for (int i = 0; i < SLOTS_MAPPED; i++)
        slots_add(p + (size_t)i * SLOT_BYTES);
    n_cold = slots.n;
}

static char *slot_get(void)
{
    if (slots.n == 0)
        slots_map();
    if (slots.n == 0)
        return NULL;
    char *slot = slots.p[--slots.n];
    n_cold = n_cold < slots.n ? n_cold : slots.n;
    return slot;
}

static void slot_put(char *slot)
{
    slots_add(slot);
    if (slots.n - n_cold <= WARM_SLOTS)
        return;
    (void)madvise(slot, SLOT_BYTES, MADV_DONTNEED);
    slots.p[slots.n - 1] = slots.p[n_cold];
    slots.p[n_cold++] = slot;
}

void xml_mem_use(struct xml_mem *m)
{
    current = m;
}

void xml_mem_end(struct xml_mem *m)
{
    must(m->bytes == 0);
    if (m->slot)
        slot_put(m->slot);
    *m = (struct xml_mem){0};
}

static bool is_in_slot(const struct xml_mem *m, const void *p)
{
    return m->slot && (const char *)p >= m->slot && (const char *)p < m->slot + SLOT_BYTES;
}

static struct block *from_slot(struct xml_mem *m, size_t size)
{
    size_t need =
        sizeof(struct block) + ((size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1));
    if (!m->slot && m->bytes == 0)
        m->slot = slot_get();
    if (!m->slot || need > SLOT_BYTES - m->used)
        return NULL;
    struct block *b = (struct block *)(void *)(m->slot + m->used);
    m->used += need;
    return b;
}

void *xml_mem_alloc(size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    struct block *b = from_slot(current, size);
    if (!b)
        b = mem_try_alloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    current->bytes += size;
    return b->data;
}

void xml_mem_free(void *p)
{
    if (!p)
        return;
    struct block *b = container_of(p, struct block, data);
    current->bytes -= b->size;
    if (!is_in_slot(current, b))
        mem_free(b);
}

void *xml_mem_realloc(void *p, size_t size)
{
    void *n = xml_mem_alloc(size);
    if (!n || !p)
        return n;
    const size_t old = container_of(p, struct block, data)->size;
    memcpy(n, p, old < size ? old : size);
    xml_mem_free(p);
    return n;
}
