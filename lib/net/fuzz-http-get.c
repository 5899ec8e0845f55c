/* DOC: any bytes as a request: a status that has a text, a path inside the bytes, and the same
 * answer when more bytes follow. Seeds: integration-tests/corpus/http-get. */
#include "lib/net/http-get.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_get got = {0}, again = {0};
    struct str all = str_make((const char *)data, size);
    unsigned status = http_get_parse(all, &got);
    if (status)
        must(strcmp(http_status_text(status), "Unknown") != 0);
    if (status == 200) {
        must(got.path.p >= all.p && got.path.n > 0 && got.path.p + got.path.n <= all.p + all.n);
        char *longer = mem_alloc(size + 1);
        memcpy(longer, data, size);
        must(http_get_parse(str_make(longer, size + 1), &again) == 200);
        must(again.path.n == got.path.n);
        mem_free(longer);
    }
    return 0;
}
