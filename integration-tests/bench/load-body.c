/* Bodies. The sum is one multiplication for eight bytes: cheap enough for each message, and any
 * change of a byte changes it, but for one in 2^32. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration-tests/bench/load-body.h"
#include "integration-tests/bench/load-loop.h"

enum {
    RUN_MASK = 0xffff,
    FILLER_SHIFT = 4096,
    SUM_DIGITS = 8,
    SUM_AT = LOAD_BODY_HEAD - 1 - SUM_DIGITS
};
static const uint64_t TIME_MASK = (1ull << 48) - 1;

/* The fields of a mark: how many hex digits each has; a space behind each. */
enum { FIELDS = 5 };
static const unsigned digits[FIELDS] = {5, 1, 8, 12, 4};

void load_text_init(struct load_text *t, unsigned size)
{
    uint32_t seed = 1;
    t->size = size;
    t->run = (uint32_t)getpid() & RUN_MASK;
    t->filler = malloc(size + FILLER_SHIFT);
    if (!t->filler)
        load_die("no memory for a text of %u bytes", size);
    for (unsigned i = 0; i < size + FILLER_SHIFT; i++) {
        seed = seed * 1664525 + 1013904223;
        t->filler[i] = seed >> 29 ? (char)('a' + (seed >> 16) % 26) : ' ';
    }
}

void load_text_fini(struct load_text *t)
{
    free(t->filler);
    t->filler = NULL;
}

static uint64_t mix(uint64_t sum, const char *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 29;
    }
    for (; n; p++, n--)
        sum = (sum ^ (unsigned char)*p) * 0x100000001b3u;
    return sum;
}

static uint32_t sum_of(const char *body, size_t size)
{
    uint64_t sum = mix(size, body, SUM_AT);
    sum = mix(sum, body + LOAD_BODY_HEAD, size - LOAD_BODY_HEAD);
    return (uint32_t)(sum ^ sum >> 32);
}

static char *put_hex(char *p, uint64_t value, unsigned n)
{
    for (unsigned i = n; i--; value >>= 4)
        p[i] = "0123456789abcdef"[value & 15];
    p[n] = ' ';
    return p + n + 1;
}

/* Lower-case digits and a space; false if it is something else. */
static bool get_hex(const char **p, unsigned n, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < n; i++) {
        char c = (*p)[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = value;
    *p += n + 1;
    return (*p)[-1] == ' ';
}

void load_body_write(const struct load_text *t, const struct load_mark *m, char *out)
{
    const uint64_t fields[FIELDS] = {m->pair, m->direction, m->seq, m->time_ns & TIME_MASK, t->run};
    char *p = out;
    for (unsigned i = 0; i < FIELDS; i++)
        p = put_hex(p, fields[i], digits[i]);
    unsigned shift = (m->seq * 31 + m->pair * 7 + m->direction) % FILLER_SHIFT;
    memcpy(out + LOAD_BODY_HEAD, t->filler + shift, t->size - LOAD_BODY_HEAD);
    put_hex(p, sum_of(out, t->size), SUM_DIGITS);
}

const char *load_body_read(const struct load_text *t, struct load_span body, struct load_mark *m)
{
    uint64_t fields[FIELDS], sum;
    const char *p = body.p;
    if (body.len != t->size)
        return "a body of another length";
    for (unsigned i = 0; i < FIELDS; i++)
        if (!get_hex(&p, digits[i], &fields[i]))
            return "a body that is not ours";
    if (!get_hex(&p, SUM_DIGITS, &sum) || sum != sum_of(body.p, body.len))
        return "a body that was altered";
    *m = (struct load_mark){.pair = (uint32_t)fields[0],
                            .direction = (uint32_t)fields[1],
                            .seq = (uint32_t)fields[2],
                            .time_ns = fields[3],
                            .run = (uint32_t)fields[4]};
    return NULL;
}

uint64_t load_body_age(const struct load_mark *m, uint64_t now_ns)
{
    return (now_ns - m->time_ns) & TIME_MASK;
}
