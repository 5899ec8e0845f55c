/* DOC: Fuzzes base64, hex, UTF-8 and timestamps: what is accepted must be what the encoder writes
 * for the result. */
#include "lib/base/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CEILING = 1024 };

static void fuzz_base64(struct str in, struct buf *decoded, struct buf *text)
{
    if (base64_decode(decoded, in) != ERR_OK) {
        must(decoded->n == 0);
        return;
    }
    base64_encode(text, decoded->p, decoded->n);
    must(str_eq(buf_view(text), str_make(in.p ? in.p : "", in.n)));
}

static void fuzz_hex(struct str in, struct buf *decoded, struct buf *text)
{
    if (hex_decode(decoded, in) != ERR_OK) {
        must(decoded->n == 0);
        return;
    }
    hex_encode(text, decoded->p, decoded->n);
    must(str_ieq(buf_view(text), str_make(in.p ? in.p : "", in.n)));
}

static void fuzz_utf8(struct str in)
{
    uint32_t cp = 0;
    size_t walked = 0, step;
    while ((step = utf8_next(str_make(in.p + walked, in.n - walked), &cp))) {
        must(step <= 4 && cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff));
        walked += step;
        must(walked <= in.n);
    }
    must(utf8_valid(in) == (walked == in.n));
}

/* A time read is written and read to the same again. */
static void fuzz_datefmt(struct str in)
{
    char out[DATEFMT_LEN + 1];
    uint64_t us = 0, again = 0;
    if (datefmt_parse(in, &us) != ERR_OK)
        return;
    must(datefmt_parse(str_of(datefmt_utc(out, us)), &again) == ERR_OK);
    must(us == again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct buf decoded, text;
    buf_init(&decoded, CEILING);
    buf_init(&text, 2 * CEILING);
    fuzz_base64(in, &decoded, &text);
    buf_clear(&decoded);
    buf_clear(&text);
    fuzz_hex(in, &decoded, &text);
    buf_fini(&decoded);
    buf_fini(&text);
    if (size)
        fuzz_utf8(in);
    fuzz_datefmt(in);
    return 0;
}
