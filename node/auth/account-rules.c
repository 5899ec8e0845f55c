/* What users may choose: a password has a least and a greatest length and is not the name. */
#include "lib/base/encode.h"
#include "node/auth/account.h"

const char *account_password_wrong(const struct node_conf *c, struct str local, struct str password)
{
    struct str rest = password;
    size_t characters = 0;
    uint32_t cp;
    for (size_t n; (n = utf8_next(rest, &cp)) > 0; characters++)
        rest = str_make(rest.p + n, rest.n - n);
    if (!password.n)
        return "a password is needed";
    if (characters < c->password_min)
        return "the password is too short";
    if (password.n > c->password_max)
        return "the password is too long";
    if (str_ieq(password, local))
        return "the password is the name";
    return NULL;
}
