/* DOC: Base64 of RFC 4648 section 4, strict both ways: padding required, no white space, unused
 * bits zero. */
#include "lib/base/encode.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, const void *p, size_t n)
{
    const uint8_t *in = p;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)in[i] << 16;
        v |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        v |= left > 2 ? in[i + 2] : 0;
        char quad[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63],
                        left > 1 ? alphabet[v >> 6 & 63] : '=', left > 2 ? alphabet[v & 63] : '='};
        buf_add(out, quad, sizeof quad);
    }
}

/* Value of one digit, 64 when it is none. */
static uint32_t digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* Decode one quad that stands for `bytes` (1 to 3) bytes. */
static bool quad_decode(const char *quad, size_t bytes, char *out)
{
    uint32_t v = 0, bad = 0;
    for (size_t i = 0; i < 4; i++) {
        uint32_t d = i <= bytes ? digit(quad[i]) : 0;
        bad |= d & 64;
        v = v << 6 | (d & 63);
    }
    uint32_t unused = (1u << 8 * (3 - bytes)) - 1;
    if (bad || (v & unused))
        return false;
    for (size_t i = 0; i < bytes; i++)
        out[i] = (char)(v >> (16 - 8 * i));
    return true;
}

enum err base64_decode(struct buf *out, struct str text)
{
    if (text.n % 4)
        return ERR_INVALID;
    size_t padding = str_ends(text, STR("==")) ? 2 : str_ends(text, STR("=")) ? 1 : 0;
    size_t bytes = text.n / 4 * 3 - padding, done = 0;
    char *room = buf_reserve(out, bytes);
    if (!room)
        return ERR_LIMIT;
    for (size_t i = 0; i < text.n; i += 4) {
        size_t part = bytes - done < 3 ? bytes - done : 3;
        if (!quad_decode(text.p + i, part, room + done))
            return ERR_INVALID;
        done += part;
    }
    buf_commit(out, bytes);
    return ERR_OK;
}
