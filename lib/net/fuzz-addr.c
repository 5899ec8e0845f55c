/* Addresses from text: what is accepted can be printed and parsed again to the same. */
#include "lib/net/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct addr a, b;
    char text[ADDR_TEXT_MAX];
    if (addr_parse_hostport(str_make((const char *)data, n), &a) != ERR_OK)
        return 0;
    must(addr_parse_hostport(str_of(addr_format(text, &a)), &b) == ERR_OK);
    must(addr_eq(&a, &b));
    (void)addr_is_loopback(&a);
    return 0;
}
