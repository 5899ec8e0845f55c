/* The scanner must neither read outside of its bytes nor depend on how they were cut: what it finds
 * in the whole it finds in pieces. The first byte is the size of the pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "integration-tests/bench/load-xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MIX = 31 };

/* Touch what an item is made of. */
static uint64_t look(uint64_t sum, enum load_xml_kind kind, const struct load_item *item)
{
    struct load_span s, rest = item->all, head;
    sum = sum * MIX + (uint64_t)kind;
    sum = sum * MIX + item->all.len;
    sum = sum * MIX + item->name.len;
    sum = sum * MIX + item->children;
    if (load_xml_attr(item->head, "id", &s))
        sum = sum * MIX + s.len;
    if (load_xml_child(item, "body", &s))
        sum = sum * MIX + load_xml_text(s).len;
    while (load_xml_find(&rest, "item", &head))
        sum = sum * MIX + head.len;
    return sum;
}

static uint64_t scan(const uint8_t *data, size_t size, size_t piece)
{
    struct load_xml x = {0};
    enum load_xml_kind kind = LOAD_XML_MORE;
    uint64_t sum = 0;
    for (size_t at = 0, have = 0; have < size && kind != LOAD_XML_BAD;) {
        have = size - have < piece ? size : have + piece;
        char *copy = malloc(have - at); /* exactly: the sanitizer watches its end */
        memcpy(copy, data + at, have - at);
        size_t done = 0, used;
        do {
            const struct load_item *item;
            kind = load_xml_next(&x, copy + done, have - at - done, &used, &item);
            done += used;
            if (kind == LOAD_XML_BAD)
                sum = sum * MIX + (uint64_t)kind;
            else if (kind != LOAD_XML_MORE)
                sum = look(sum, kind, item);
        } while (kind != LOAD_XML_MORE && kind != LOAD_XML_BAD);
        free(copy);
        at += done;
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = 1 + data[0] % 64u;
    if (scan(data + 1, size - 1, size) != scan(data + 1, size - 1, piece))
        abort();
    return 0;
}
