/* DOC: Immutable bytes with an atomic count: one allocation, count and bytes together. */
#include "lib/base/blob.h"

#include "lib/base/refs.h"

struct blob {
    struct refs refs;
    size_t n;
    char data[];
};

struct blob *blob_new(const void *p, size_t n)
{
    must(n <= PTRDIFF_MAX - sizeof(struct blob));
    struct blob *b = mem_alloc(sizeof *b + n);
    refs_init(&b->refs);
    b->n = n;
    if (n)
        memcpy(b->data, p, n);
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    refs_get(&b->refs);
    return b;
}

void blob_unref(struct blob **pb)
{
    struct blob *b = *pb;
    *pb = NULL;
    if (b && refs_put(&b->refs))
        mem_free(b);
}

struct str blob_str(const struct blob *b)
{
    return str_make(b->data, b->n);
}
