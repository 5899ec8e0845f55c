/* DOC: the memory of expat, counted. Role: XML_ParserCreate_MM takes plain malloc-like functions;
 * these add up what a parser holds, so that one which hostile input has fattened can be seen and
 * rebuilt. */
#include "lib/xmpp/xml-parse-int.h"

static _Thread_local size_t *account;

struct block {
    size_t size;
    _Alignas(max_align_t) char data[];
};

void xml_mem_account(size_t *bytes)
{
    account = bytes;
}

void *xml_mem_alloc(size_t size)
{
    struct block *b = size > SIZE_MAX / 2 ? NULL : mem_try_alloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    *account += size;
    return b->data;
}

void xml_mem_free(void *p)
{
    if (!p)
        return;
    struct block *b = container_of(p, struct block, data);
    *account -= b->size;
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
