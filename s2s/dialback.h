#ifndef S2S_DIALBACK_H
#define S2S_DIALBACK_H
/* Server dialback (XEP-0220, XEP-0185) without I/O: keys, elements. Words: receiving = the server a
 * stream was opened to; originating = the domain that wants to send; authoritative = a server of
 * the originating domain. Keys are stateless. */
#include "lib/xmpp/jid.h"
#include "lib/xmpp/xml.h"

struct dialback_secret {
    char hex[65]; /* SHA256(secret) in hexadecimal: key of the HMAC */
};
void dialback_secret_init(struct dialback_secret *s, const char *secret);
#define DIALBACK_KEY_LEN 64
void dialback_key(const struct dialback_secret *s, struct str receiving, struct str originating,
                  struct str stream_id, char out[DIALBACK_KEY_LEN + 1]);
/* Constant time. */
bool dialback_key_is(const struct dialback_secret *s, struct str receiving, struct str originating,
                     struct str stream_id, struct str key);

enum dialback_type { DIALBACK_REQUEST, DIALBACK_VALID, DIALBACK_INVALID, DIALBACK_ERROR };
struct dialback_msg { /* lives in the arena it was read into */
    bool is_verify;   /* else result */
    enum dialback_type type;
    struct str from, to;   /* prepared domains, NUL-terminated */
    struct str id;         /* verify only */
    struct str key;        /* requests only: trimmed */
    const char *condition; /* errors: name of the stanza error condition; "undefined-condition" */
};
#define DIALBACK_ID_MAX 1024   /* bytes of a stream id */
#define DIALBACK_TEXT_MAX 1024 /* bytes of a key; ours are 64 */
/* ERR_INVALID: not an element of dialback, or without what it must have. */
enum err dialback_read(struct arena *a, const struct xml *el, struct dialback_msg *out) MUST_USE;
/* For sending; id and key STR_NONE where they do not belong; condition only with DIALBACK_ERROR. */
struct xml *dialback_build(struct arena *a, const struct dialback_msg *m);
/* What another server offers; features may be NULL. */
bool dialback_is_offered(const struct xml *features);
void dialback_offer(struct arena *a, struct xml *features);
#endif
