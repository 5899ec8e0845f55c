#ifndef LIB_BASE_BASE_H
#define LIB_BASE_BASE_H
/* The house standard library in one include: attributes, assertions of three strengths, and the
 * small types everybody uses. Words: must = dies always; expect = logs once, returns false, caller
 * handles; check = debug builds only. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))
#define SENTINEL __attribute__((sentinel))
#define UNUSED __attribute__((unused))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Kill the process with a message and a backtrace. */
NORETURN void panic_at(const char *file, int line, const char *what);
/* Log "expect.failed" once per call site; always returns false. */
bool expect_failed(const char *file, int line, const char *what, bool *once);

#define must(x) ((x) ? (void)0 : panic_at(__FILE__, __LINE__, #x))
#define expect(x)                                                                                  \
    (__extension__({                                                                               \
        static bool once_;                                                                         \
        (x) ? true : expect_failed(__FILE__, __LINE__, #x, &once_);                                \
    }))
#ifdef NDEBUG
#define check(x) ((void)sizeof(x))
#else
#define check(x) must(x)
#endif

#include "lib/base/err.h"
#include "lib/base/list.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

/* Unsafe string functions are poisoned for all that include base.h (after the system headers
 * above). */
#pragma GCC poison strcpy strcat sprintf vsprintf atoi atol strtok gets
#endif
