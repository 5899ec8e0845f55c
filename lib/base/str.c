/* DOC: Slices. The absent slice {NULL, 0} equals only itself and sorts before the empty one, so
 * that str_cmp() == 0 and str_eq() agree. No function here reads a byte past n. */
#include "lib/base/base.h"

struct str str_of(const char *cstr)
{
    return cstr ? str_make(cstr, strlen(cstr)) : STR_NONE;
}

bool str_eq(struct str a, struct str b)
{
    if (a.n != b.n || !a.p != !b.p)
        return false;
    return a.n == 0 || memcmp(a.p, b.p, a.n) == 0;
}

bool str_eqc(struct str a, const char *cstr)
{
    return str_eq(a, str_of(cstr));
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool str_ieq(struct str a, struct str b)
{
    if (a.n != b.n || !a.p != !b.p)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t common = a.n < b.n ? a.n : b.n;
    int order = common ? memcmp(a.p, b.p, common) : 0;
    if (order)
        return order < 0 ? -1 : 1;
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return (a.p != NULL) - (b.p != NULL);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
    if (s.n < suffix.n)
        return false;
    return suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0;
}

ptrdiff_t str_find(struct str s, char c)
{
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;
    return hit ? hit - s.p : -1;
}

struct str str_cut(struct str *rest, char sep)
{
    struct str head = *rest;
    ptrdiff_t at = str_find(head, sep);
    if (at < 0) {
        *rest = STR_NONE;
        return head;
    }
    *rest = str_make(head.p + at + 1, head.n - (size_t)at - 1);
    return str_make(head.p, (size_t)at);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    while (s.n && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    return s;
}

void str_put(char *out, size_t size, const char *s)
{
    size_t n = strnlen(s, size - 1);
    memcpy(out, s, n);
    out[n] = '\0';
}

char *str_dup(struct str s)
{
    if (!s.p)
        return NULL;
    char *copy = mem_alloc(s.n + 1);
    if (s.n)
        memcpy(copy, s.p, s.n);
    return copy;
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            return false;
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}
