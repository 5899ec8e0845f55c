#ifndef LIB_BASE_STR_H
#define LIB_BASE_STR_H
/* A slice: pointer and length, borrowed, not NUL-terminated unless said. {NULL,0} is "absent",
 * distinct from "". */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(lit) ((struct str){(lit), sizeof(lit) - 1})
#define STR_NONE ((struct str){NULL, 0})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

struct str str_of(const char *cstr); /* NULL -> STR_NONE */
static inline struct str str_make(const char *p, size_t n)
{
    return (struct str){p, n};
}
bool str_eq(struct str a, struct str b);
bool str_eqc(struct str a, const char *cstr);
bool str_ieq(struct str a, struct str b); /* ASCII case-insensitive */
int str_cmp(struct str a, struct str b);  /* byte order, a prefix first, STR_NONE before "" */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
ptrdiff_t str_find(struct str s, char c); /* -1 = absent */
struct str str_cut(struct str *rest,
                   char sep); /* take up to sep, advance rest past it; rest->p NULL at the end */
struct str str_trim(struct str s); /* ASCII white space */
/* Copy a C string into a field of that size, cut if need be, always NUL-terminated. */
void str_put(char *out, size_t size, const char *s);
char *str_dup(struct str s); /* heap, NUL-terminated; mem_free; STR_NONE -> NULL */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out); /* decimal digits only, <= max */
#endif
