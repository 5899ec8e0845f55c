/* DOC: Names and texts of the error enum, and the one translation from errno. libuv codes are
 * -errno on Linux; its few codes without an errno start at -3000. */
#include <errno.h>

#include "lib/base/base.h"

enum { UV_EOF_CODE = 4095 };

const char *err_name(enum err e)
{
    static const char *const names[] = {
#define ERR_NAME(name, text) #name,
        ERR_TABLE(ERR_NAME)
#undef ERR_NAME
    };
    return (unsigned)e < ERR_COUNT ? names[e] : "UNKNOWN";
}

const char *err_text(enum err e)
{
    static const char *const texts[] = {
#define ERR_TEXT(name, text) text,
        ERR_TABLE(ERR_TEXT)
#undef ERR_TEXT
    };
    return (unsigned)e < ERR_COUNT ? texts[e] : "unknown error";
}

static const struct {
    int code;
    enum err err;
} from_errno[] = {
    {0, ERR_OK},
    {EAGAIN, ERR_AGAIN},
    {EINTR, ERR_AGAIN},
    {EINPROGRESS, ERR_AGAIN},
    {EALREADY, ERR_AGAIN},
    {EBUSY, ERR_AGAIN},
    {ECANCELED, ERR_CANCELLED},
    {EBADF, ERR_CLOSED},
    {EPIPE, ERR_CLOSED},
    {ENOTCONN, ERR_CLOSED},
    {ESHUTDOWN, ERR_CLOSED},
    {EACCES, ERR_DENIED},
    {EPERM, ERR_DENIED},
    {EROFS, ERR_DENIED},
    {UV_EOF_CODE, ERR_EOF},
    {EEXIST, ERR_EXISTS},
    {EADDRINUSE, ERR_EXISTS},
    {EISCONN, ERR_EXISTS},
    {EINVAL, ERR_INVALID},
    {EILSEQ, ERR_INVALID},
    {EDOM, ERR_INVALID},
    {ERANGE, ERR_INVALID},
    {EDESTADDRREQ, ERR_INVALID},
    {EIO, ERR_IO},
    {EMFILE, ERR_LIMIT},
    {ENFILE, ERR_LIMIT},
    {ENOSPC, ERR_LIMIT},
    {EDQUOT, ERR_LIMIT},
    {EFBIG, ERR_LIMIT},
    {E2BIG, ERR_LIMIT},
    {EMSGSIZE, ERR_LIMIT},
    {ENAMETOOLONG, ERR_LIMIT},
    {EOVERFLOW, ERR_LIMIT},
    {ENOBUFS, ERR_NOMEM},
    {ENOMEM, ERR_NOMEM},
    {ENOENT, ERR_NOTFOUND},
    {ESRCH, ERR_NOTFOUND},
    {ENXIO, ERR_NOTFOUND},
    {ENODEV, ERR_NOTFOUND},
    {ENOTDIR, ERR_NOTFOUND},
    {EPROTO, ERR_PROTOCOL},
    {EBADMSG, ERR_PROTOCOL},
    {ECONNREFUSED, ERR_REFUSED},
    {ECONNRESET, ERR_RESET},
    {ECONNABORTED, ERR_RESET},
    {ENETRESET, ERR_RESET},
    {ETIMEDOUT, ERR_TIMEOUT},
    {ENETUNREACH, ERR_UNREACHABLE},
    {EHOSTUNREACH, ERR_UNREACHABLE},
    {ENETDOWN, ERR_UNREACHABLE},
    {EHOSTDOWN, ERR_UNREACHABLE},
    {EADDRNOTAVAIL, ERR_UNREACHABLE},
    {ENOSYS, ERR_UNSUPPORTED},
    {EOPNOTSUPP, ERR_UNSUPPORTED},
    {EAFNOSUPPORT, ERR_UNSUPPORTED},
    {EPROTONOSUPPORT, ERR_UNSUPPORTED},
    {ENOPROTOOPT, ERR_UNSUPPORTED},
};

enum err err_from_errno(int code)
{
    unsigned positive = code < 0 ? 0u - (unsigned)code : (unsigned)code;
    for (size_t i = 0; i < ARRAY_LEN(from_errno); i++)
        if ((unsigned)from_errno[i].code == positive)
            return from_errno[i].err;
    return ERR_IO;
}
