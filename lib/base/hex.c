/* DOC: Hexadecimal text (RFC 4648 section 8): written in lower case, read in either. */
#include "lib/base/encode.h"

void hex_encode(struct buf *out, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = p;
    for (size_t i = 0; i < n; i++) {
        char pair[2] = {digits[in[i] >> 4], digits[in[i] & 15]};
        buf_add(out, pair, sizeof pair);
    }
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err hex_decode(struct buf *out, struct str text)
{
    if (text.n % 2)
        return ERR_INVALID;
    char *room = buf_reserve(out, text.n / 2);
    if (!room)
        return ERR_LIMIT;
    for (size_t i = 0; i < text.n; i += 2) {
        int high = digit(text.p[i]), low = digit(text.p[i + 1]);
        if (high < 0 || low < 0)
            return ERR_INVALID;
        room[i / 2] = (char)(high << 4 | low);
    }
    buf_commit(out, text.n / 2);
    return ERR_OK;
}
