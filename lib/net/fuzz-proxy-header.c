/* DOC: any bytes as a PROXY header: a verdict that more bytes do not change, addresses of a known
 * family, a header within its bounds and within the bytes. Seeds:
 * integration-tests/corpus/proxy-header. */
#include "lib/net/proxy-header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header h, part;
    const char *why;
    const struct str all = str_make((const char *)data, size);
    const enum proxy_verdict v = proxy_header_parse(all, &h, &why);
    if (v == PROXY_BAD)
        must(*why);
    if (v == PROXY_MORE)
        must(size < PROXY_HEADER_MAX);
    if (v != PROXY_OK)
        return 0;
    must(h.bytes > 0 && h.bytes <= size && h.bytes <= PROXY_HEADER_MAX);
    if (h.is_known)
        must(h.peer.family != ADDR_NONE && h.local.family != ADDR_NONE);
    must(proxy_header_parse(str_make(all.p, h.bytes), &part, &why) == PROXY_OK);
    must(part.bytes == h.bytes && addr_eq(&part.peer, &h.peer));
    must(proxy_header_parse(str_make(all.p, h.bytes - 1), &part, &why) == PROXY_MORE);
    return 0;
}
