#ifndef LIB_XMPP_XEP_H
#define LIB_XMPP_XEP_H
/* Which standards a source file implements, said in the file itself and read by tools/gen-doap.py,
 * which makes COMPLIANCE.md and doap.xml of it. At file scope, behind the includes:
 *
 *     XEP("0092", "1.1", COMPLETE);
 *     XEP("0012", "2.0", PARTIAL, "what is missing, in one line");
 *     RFC("6121", COMPLETE, "sections 3 and 4");
 *
 * The version is that of the text it was written from. Several files may declare one standard: it
 * is as complete as the least of them. A wrong form does not compile. */

enum xep_status { XEP_PARTIAL = 1, XEP_COMPLETE };

#define XEP(number, version, ...)                                                                  \
    _Static_assert(sizeof(number) == sizeof("0000") && sizeof(version) > 1 &&                      \
                       XEP_FIRST_(__VA_ARGS__, "") > 0,                                            \
                   number)
#define RFC(number, ...)                                                                           \
    _Static_assert(sizeof(number) >= sizeof("0000") && XEP_FIRST_(__VA_ARGS__, "") > 0, number)
#define XEP_FIRST_(status, ...) XEP_##status
#endif
