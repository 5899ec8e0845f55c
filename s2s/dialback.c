/* DOC: dialback keys and elements.
 * Design: the key is HMAC-SHA256(hex(SHA256(secret)), receiving ' ' originating ' ' id), so that
 * every node with the secret can answer for every other and nothing has to be remembered. Domains
 * are prepared before they are hashed or compared. Standards: XEP-0220 1.1.1, XEP-0185 1.0. */
#include "s2s/dialback.h"

#include "lib/base/crypto.h"
#include "lib/base/encode.h"
#include "lib/xmpp/stanza-error.h"
#include "lib/xmpp/xep.h"

XEP("0220", "1.1.1", COMPLETE);
XEP("0185", "1.0", COMPLETE);

static void hex(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

void dialback_secret_init(struct dialback_secret *s, const char *secret)
{
    uint8_t raw[DIGEST_MAX];
    crypto_hash(DIGEST_SHA256, str_of(secret), raw);
    hex(raw, 32, s->hex);
    mem_wipe(raw, sizeof raw);
}

void dialback_key(const struct dialback_secret *s, struct str receiving, struct str originating,
                  struct str stream_id, char out[DIALBACK_KEY_LEN + 1])
{
    uint8_t raw[DIGEST_MAX];
    struct buf text;
    buf_init(&text, 2 * JID_MAX + DIALBACK_ID_MAX + 2);
    buf_str(&text, receiving);
    buf_char(&text, ' ');
    buf_str(&text, originating);
    buf_char(&text, ' ');
    buf_str(&text, stream_id);
    crypto_hmac(DIGEST_SHA256, str_of(s->hex), buf_view(&text), raw);
    hex(raw, 32, out);
    buf_fini(&text);
}

bool dialback_key_is(const struct dialback_secret *s, struct str receiving, struct str originating,
                     struct str stream_id, struct str key)
{
    char right[DIALBACK_KEY_LEN + 1];
    dialback_key(s, receiving, originating, stream_id, right);
    return key.n == DIALBACK_KEY_LEN && crypto_equal(right, key.p, DIALBACK_KEY_LEN);
}

/* ---- elements ---- */

static const char *const type_names[] = {
    [DIALBACK_REQUEST] = NULL,
    [DIALBACK_VALID] = "valid",
    [DIALBACK_INVALID] = "invalid",
    [DIALBACK_ERROR] = "error",
};

static bool read_type(struct str text, enum dialback_type *out)
{
    *out = DIALBACK_REQUEST;
    if (!text.p)
        return true;
    for (size_t i = DIALBACK_VALID; i < ARRAY_LEN(type_names); i++) {
        if (str_eqc(text, type_names[i])) {
            *out = (enum dialback_type)i;
            return true;
        }
    }
    return false;
}

static bool read_domain(struct arena *a, struct str text, struct str *out)
{
    struct jid j;
    if (!text.n || text.n > JID_PART_MAX || jid_parse(a, text, &j, NULL) != ERR_OK ||
        !str_eq(j.full, j.domain))
        return false;
    *out = j.domain;
    return true;
}

static const char *read_condition(const struct xml *el)
{
    const struct xml *error = xml_child(el, NULL, "error");
    for (const struct xml_node *n = error ? error->first : NULL; n; n = n->next)
        if (n->el && n->el->ns == NS_STANZA_ERRORS && strcmp(n->el->name, "text") != 0)
            return n->el->name;
    return "undefined-condition";
}

enum err dialback_read(struct arena *a, const struct xml *el, struct dialback_msg *out)
{
    struct dialback_msg m = {.is_verify = xml_is(el, NS_DIALBACK, "verify"), .condition = ""};
    if (!m.is_verify && !xml_is(el, NS_DIALBACK, "result"))
        return ERR_INVALID;
    if (!read_type(xml_get(el, "type"), &m.type) || !read_domain(a, xml_get(el, "from"), &m.from) ||
        !read_domain(a, xml_get(el, "to"), &m.to))
        return ERR_INVALID;
    if (m.is_verify)
        m.id = xml_get(el, "id");
    if (m.is_verify && (!m.id.n || m.id.n > DIALBACK_ID_MAX))
        return ERR_INVALID;
    if (m.type == DIALBACK_REQUEST) {
        m.key = str_trim(xml_text(a, el));
        if (!m.key.n || m.key.n > DIALBACK_TEXT_MAX)
            return ERR_INVALID;
    }
    if (m.type == DIALBACK_ERROR)
        m.condition = read_condition(el);
    *out = m;
    return ERR_OK;
}

static const char *condition_type(const char *condition)
{
    enum stanza_cond c = stanza_cond_find(str_of(condition));
    return c == STANZA_OK ? "cancel" : stanza_cond_type(c);
}

struct xml *dialback_build(struct arena *a, const struct dialback_msg *m)
{
    struct xml *el = xml_new(a, NS_DIALBACK, m->is_verify ? "verify" : "result");
    xml_set(a, el, "from", m->from);
    xml_set(a, el, "to", m->to);
    xml_set(a, el, "id", m->is_verify ? m->id : STR_NONE);
    xml_set(a, el, "type", str_of(type_names[m->type]));
    if (m->type == DIALBACK_REQUEST)
        xml_add_text(a, el, m->key);
    if (m->type == DIALBACK_ERROR) {
        struct xml *error = xml_add(a, el, NS_SERVER, "error");
        xml_set(a, error, "type", str_of(condition_type(m->condition)));
        xml_add(a, error, NS_STANZA_ERRORS, m->condition);
    }
    return el;
}

bool dialback_is_offered(const struct xml *features)
{
    return features && xml_child(features, NS_DIALBACK_FEATURE, "dialback");
}

void dialback_offer(struct arena *a, struct xml *features)
{
    xml_add(a, xml_add(a, features, NS_DIALBACK_FEATURE, "dialback"), NS_DIALBACK_FEATURE,
            "errors");
}
