/* DOC: UTF-8 by the table of RFC 3629 section 4: no surrogates, no overlong forms, nothing above
 * U+10FFFF. */
#include "lib/base/encode.h"

/* Lead byte ranges and the narrower range their second byte may have. */
static const struct lead {
    uint8_t first, last, size, low, high;
} leads[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static size_t multibyte(const uint8_t *p, size_t n, const struct lead *l, uint32_t *cp)
{
    if (n < l->size || p[1] < l->low || p[1] > l->high)
        return 0;
    uint32_t value = p[0] & (0xffu >> (l->size + 1));
    for (size_t i = 1; i < l->size; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (p[i] & 0x3fu);
    }
    *cp = value;
    return l->size;
}

size_t utf8_next(struct str s, uint32_t *cp)
{
    const uint8_t *p = (const uint8_t *)s.p;
    if (!s.n)
        return 0;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(leads); i++)
        if (p[0] >= leads[i].first && p[0] <= leads[i].last)
            return multibyte(p, s.n, &leads[i], cp);
    return 0;
}

bool utf8_valid(struct str s)
{
    uint32_t cp;
    while (s.n) {
        size_t size = utf8_next(s, &cp);
        if (!size)
            return false;
        s = str_make(s.p + size, s.n - size);
    }
    return true;
}
