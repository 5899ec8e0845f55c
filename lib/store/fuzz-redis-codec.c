/* Fuzzer of the Redis codec: any bytes in any pieces; every reply given out is walked. */
#include "lib/store/redis-int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sink; /* what was read must have been read */

static size_t walk(const struct redis_reply *r, unsigned depth)
{
    size_t sum = (size_t)r->integer;
    must(depth <= 9);
    for (size_t i = 0; i < r->text.n; i++)
        sum += (uint8_t)r->text.p[i];
    for (size_t i = 0; i < r->n; i++)
        sum += walk(&r->items[i], depth + 1);
    return sum;
}

/* First byte: size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct redis_codec *c = redis_codec_new();
    enum err e = ERR_OK;
    size_t piece = data[0] ? data[0] : size;
    for (size_t at = 1; at < size && !e; at += piece) {
        const struct redis_reply *r = NULL;
        size_t n = size - at < piece ? size - at : piece;
        e = redis_codec_feed(c, str_make((const char *)data + at, n));
        while (!e && !(e = redis_codec_next(c, &r)) && r)
            sink = walk(r, 1);
    }
    must(!e || redis_codec_why(c)[0]);
    redis_codec_free(&c);
    return 0;
}
