#ifndef LIB_BASE_VEC_H
#define LIB_BASE_VEC_H
/* Type-safe growable array: VEC(struct foo) v = {0}; vec_push(&v, x); v.p[i], v.n; vec_fini(&v). */
#include "lib/base/mem.h"

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *p;                                                                                   \
        size_t n, cap;                                                                             \
    }
#define vec_reserve(v, want)                                                                       \
    do {                                                                                           \
        if ((v)->cap < (want)) {                                                                   \
            (v)->cap = (v)->cap * 2 > (want) ? (v)->cap * 2 : (want) + 3;                          \
            (v)->p = mem_realloc((v)->p, (v)->cap * sizeof *(v)->p);                               \
        }                                                                                          \
    } while (0)
#define vec_push(v, x)                                                                             \
    do {                                                                                           \
        vec_reserve(v, (v)->n + 1);                                                                \
        (v)->p[(v)->n++] = (x);                                                                    \
    } while (0)
/* Remove element i; order is kept. */
#define vec_remove(v, i)                                                                           \
    do {                                                                                           \
        size_t i_ = (i);                                                                           \
        memmove(&(v)->p[i_], &(v)->p[i_ + 1], ((v)->n - i_ - 1) * sizeof *(v)->p);                 \
        (v)->n--;                                                                                  \
    } while (0)
#define vec_fini(v)                                                                                \
    do {                                                                                           \
        mem_free((v)->p);                                                                          \
        (v)->p = NULL;                                                                             \
        (v)->n = (v)->cap = 0;                                                                     \
    } while (0)
#endif
