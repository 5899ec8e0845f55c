#ifndef LIB_BASE_ENCODE_H
#define LIB_BASE_ENCODE_H
/* Strict base64 (RFC 4648 section 4, padding required, no white space), hex, UTF-8 validation,
 * XEP-0082 timestamps. */
#include "lib/base/arena.h"
#include "lib/base/buf.h"

void base64_encode(struct buf *out, const void *p, size_t n);
enum err base64_decode(struct buf *out,
                       struct str text) MUST_USE; /* ERR_INVALID; buf overflow -> ERR_LIMIT */
void hex_encode(struct buf *out, const void *p, size_t n); /* lower case */
enum err hex_decode(struct buf *out, struct str text) MUST_USE;
/* Size of the character s starts with and its code point; 0 when s is empty or starts with no
 * UTF-8. */
size_t utf8_next(struct str s, uint32_t *cp);
bool utf8_valid(struct str s); /* RFC 3629: no surrogates, no overlong forms, <= U+10FFFF */
#define DATEFMT_LEN 27
char *datefmt_utc(char out[DATEFMT_LEN + 1], uint64_t wall_us);   /* 2026-11-22T02:45:06.123456Z */
enum err datefmt_parse(struct str s, uint64_t *wall_us) MUST_USE; /* XEP-0082 DateTime profile */
#endif
