/* DOC: internationalised parts of JIDs, user names and passwords. Role: the PRECIS profiles
 * UsernameCaseMapped and OpaqueString, and IDNA2008 for domains; the only user of libunistring and
 * libidn2. Design: PRECIS classes are computed from Unicode properties as RFC 8264 section 8 lists
 * them, so no table has to be generated; the Unicode version is that of libunistring (14 in Debian
 * 12). A string must be stable under its own profile. Standards: RFC 7622 section 3; RFC 8264
 * sections 4, 8 and 9; RFC 8265 sections 3.3 and 4.2; RFC 5892 section 2.6 and appendix A; RFC 5893
 * section 2; RFC 5895 by way of UTS 46 non-transitional. */
#include "lib/xmpp/jid-prep-int.h"

#include "lib/xmpp/xep.h"
#include <idn2.h>
#include <unicase.h>
#include <uniconv.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

RFC("7622", COMPLETE);

enum { PROFILE_ROUNDS = 4 }; /* RFC 8264 section 7: reapply at most three times, then refuse */

/* A string of code points on the heap of libunistring. */
struct text {
    uint32_t *p;
    size_t n;
};

enum profile { USERNAME_CASE_MAPPED, OPAQUE_STRING };
enum verdict { DISALLOWED, PVALID, CONTEXTUAL, FREE_ONLY, UNASSIGNED };

static enum err refuse(const char **why, const char *text)
{
    *why = text;
    return ERR_INVALID;
}

static void discard(struct text *t) /* it may be a password */
{
    mem_wipe(t->p, t->n * sizeof *t->p);
    free(t->p);
}

static void replace(struct text *t, uint32_t *p, size_t n)
{
    must(p); /* only memory makes libunistring fail on valid code points */
    discard(t);
    t->p = p;
    t->n = n;
}

/* ---- classes (RFC 8264 section 8) */

static bool in_range(uint32_t c, uint32_t first, uint32_t last)
{
    return c >= first && c <= last;
}

/* RFC 5892 section 2.6 */
static bool exception(uint32_t c, enum verdict *v)
{
    static const uint32_t valid[] = {0x00DF, 0x03C2, 0x06FD, 0x06FE, 0x0F0B, 0x3007};
    static const uint32_t contextual[] = {0x00B7, 0x0375, 0x05F3, 0x05F4, 0x30FB};
    static const uint32_t bad[] = {0x0640, 0x07FA, 0x302E, 0x302F, 0x3031,
                                   0x3032, 0x3033, 0x3034, 0x3035, 0x303B};
    for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
        if (c == valid[i])
            return *v = PVALID, true;
    }
    for (size_t i = 0; i < ARRAY_LEN(contextual); i++) {
        if (c == contextual[i])
            return *v = CONTEXTUAL, true;
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (c == bad[i])
            return *v = DISALLOWED, true;
    }
    *v = CONTEXTUAL;
    return in_range(c, 0x0660, 0x0669) || in_range(c, 0x06F0, 0x06F9);
}

static bool is_old_hangul_jamo(uint32_t c)
{
    return in_range(c, 0x1100, 0x11FF) || in_range(c, 0xA960, 0xA97C) ||
           in_range(c, 0xD7B0, 0xD7C6) || in_range(c, 0xD7CB, 0xD7FB);
}

static bool has_compat(uint32_t c)
{
    size_t n = 0;
    uint32_t *p = u32_normalize(UNINORM_NFKC, &c, 1, NULL, &n);
    must(p);
    const bool differs = n != 1 || p[0] != c;
    free(p);
    return differs;
}

static bool is_general(uint32_t c, uint32_t mask)
{
    return uc_is_general_category_withtable(c, mask);
}

static enum verdict classify(uint32_t c)
{
    enum verdict v;
    if (in_range(c, 0x21, 0x7E))
        return PVALID;
    if (exception(c, &v))
        return v;
    if (is_general(c, UC_CATEGORY_MASK_Cn) && !uc_is_property_not_a_character(c))
        return UNASSIGNED;
    if (uc_is_property_join_control(c))
        return CONTEXTUAL;
    if (is_old_hangul_jamo(c) || uc_is_property_default_ignorable_code_point(c) ||
        uc_is_property_not_a_character(c) || is_general(c, UC_CATEGORY_MASK_Cc))
        return DISALLOWED;
    if (has_compat(c))
        return FREE_ONLY;
    if (is_general(c, UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lo |
                          UC_CATEGORY_MASK_Nd | UC_CATEGORY_MASK_Lm | UC_CATEGORY_MASK_Mn |
                          UC_CATEGORY_MASK_Mc))
        return PVALID;
    if (is_general(c, UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl | UC_CATEGORY_MASK_No |
                          UC_CATEGORY_MASK_Me | UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S |
                          UC_CATEGORY_MASK_P))
        return FREE_ONLY;
    return DISALLOWED;
}

/* ---- contextual rules (RFC 5892 appendix A) */

static bool is_script(uint32_t c, const char *name)
{
    const uc_script_t *s = uc_script(c);
    return s && strcmp(s->name, name) == 0;
}

static bool after_virama(const struct text *t, size_t i)
{
    return i > 0 && uc_combining_class(t->p[i - 1]) == UC_CCC_VR;
}

/* (L|D) T* ZWNJ T* (R|D) */
static bool joins_around(const struct text *t, size_t i)
{
    size_t left = i, right = i + 1;
    while (left > 0 && uc_joining_type(t->p[left - 1]) == UC_JOINING_TYPE_T)
        left--;
    while (right < t->n && uc_joining_type(t->p[right]) == UC_JOINING_TYPE_T)
        right++;
    if (left == 0 || right == t->n)
        return false;
    const int l = uc_joining_type(t->p[left - 1]), r = uc_joining_type(t->p[right]);
    return (l == UC_JOINING_TYPE_L || l == UC_JOINING_TYPE_D) &&
           (r == UC_JOINING_TYPE_R || r == UC_JOINING_TYPE_D);
}

static bool has_any(const struct text *t, uint32_t first, uint32_t last)
{
    for (size_t i = 0; i < t->n; i++) {
        if (in_range(t->p[i], first, last))
            return true;
    }
    return false;
}

static bool has_japanese(const struct text *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->p[i] != 0x30FB && (is_script(t->p[i], "Hiragana") ||
                                  is_script(t->p[i], "Katakana") || is_script(t->p[i], "Han")))
            return true;
    }
    return false;
}

static bool context_allows(const struct text *t, size_t i)
{
    const uint32_t c = t->p[i];
    switch (c) {
    case 0x200C: /* zero width non-joiner */
        return after_virama(t, i) || joins_around(t, i);
    case 0x200D: /* zero width joiner */
        return after_virama(t, i);
    case 0x00B7: /* middle dot, Catalan */
        return i > 0 && i + 1 < t->n && t->p[i - 1] == 'l' && t->p[i + 1] == 'l';
    case 0x0375: /* Greek lower numeral sign */
        return i + 1 < t->n && is_script(t->p[i + 1], "Greek");
    case 0x05F3: /* Hebrew geresh, gershayim */
    case 0x05F4:
        return i > 0 && is_script(t->p[i - 1], "Hebrew");
    case 0x30FB: /* Katakana middle dot */
        return has_japanese(t);
    default: /* the two rows of Arabic digits do not mix */
        return c < 0x06F0 ? !has_any(t, 0x06F0, 0x06F9) : !has_any(t, 0x0660, 0x0669);
    }
}

/* ---- Bidi rule (RFC 5893 section 2) */

static uint32_t bidi_bit(uint32_t c)
{
    return UINT32_C(1) << uc_bidi_class(c);
}

#define B(x) (UINT32_C(1) << UC_BIDI_##x)

static bool bidi_allows(const struct text *t)
{
    const uint32_t neutral = B(ES) | B(CS) | B(ET) | B(ON) | B(BN) | B(NSM);
    uint32_t all = 0;
    for (size_t i = 0; i < t->n; i++)
        all |= bidi_bit(t->p[i]);
    if (!(all & (B(R) | B(AL) | B(AN))))
        return true; /* no right-to-left character: the rule is not applied */
    size_t end = t->n;
    while (end > 0 && bidi_bit(t->p[end - 1]) == B(NSM))
        end--;
    if (end == 0)
        return false;
    const uint32_t first = bidi_bit(t->p[0]), last = bidi_bit(t->p[end - 1]);
    if (first & (B(R) | B(AL)))
        return !(all & ~(B(R) | B(AL) | B(AN) | B(EN) | neutral)) &&
               (last & (B(R) | B(AL) | B(EN) | B(AN))) && !((all & B(EN)) && (all & B(AN)));
    return (first & B(L)) && !(all & ~(B(L) | B(EN) | neutral)) && (last & (B(L) | B(EN)));
}

/* ---- mapping */

/* Full-width and half-width characters to what they decompose to (RFC 8264 section 5.2.1). */
static void map_width(struct text *t)
{
    for (size_t i = 0; i < t->n; i++) {
        ucs4_t to[UC_DECOMPOSITION_MAX_LENGTH];
        int tag;
        const int n = uc_decomposition(t->p[i], &tag, to);
        if (n == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
            t->p[i] = to[0];
    }
}

static void map_spaces(struct text *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->p[i] > 0x7F && is_general(t->p[i], UC_CATEGORY_MASK_Zs))
            t->p[i] = ' ';
    }
}

/* One round of the mapping rules, in the order of RFC 8264 section 7. */
static void map_once(struct text *t, enum profile profile)
{
    size_t n = 0;
    if (profile == USERNAME_CASE_MAPPED) {
        map_width(t);
        uint32_t *lower = u32_tolower(t->p, t->n, NULL, NULL, NULL, &n);
        replace(t, lower, n);
    } else {
        map_spaces(t);
    }
    uint32_t *nfc = u32_normalize(UNINORM_NFC, t->p, t->n, NULL, &n);
    replace(t, nfc, n);
}

static bool map_until_stable(struct text *t, enum profile profile)
{
    for (int round = 0; round < PROFILE_ROUNDS; round++) {
        struct text before = {u32_cpy_alloc(t->p, t->n), t->n};
        must(before.p);
        map_once(t, profile);
        const bool is_stable = before.n == t->n && u32_cmp(before.p, t->p, t->n) == 0;
        discard(&before);
        if (is_stable)
            return true;
    }
    return false;
}

static const char *check_text(const struct text *t, enum profile profile)
{
    for (size_t i = 0; i < t->n; i++) {
        const enum verdict v = t->p[i] == ' ' ? FREE_ONLY : classify(t->p[i]);
        if (v == PVALID || (v == FREE_ONLY && profile == OPAQUE_STRING))
            continue;
        if (v == UNASSIGNED)
            return "unassigned code point";
        if (v != CONTEXTUAL || !context_allows(t, i))
            return "character not allowed";
    }
    return profile == OPAQUE_STRING || bidi_allows(t) ? NULL : "mixed writing directions";
}

static enum err to_utf8(struct arena *a, const struct text *t, struct str *out)
{
    size_t n = 0;
    uint8_t *p = u32_to_u8(t->p, t->n, NULL, &n);
    if (!p)
        return ERR_INVALID;
    *out = arena_dup(a, str_make((const char *)p, n));
    mem_wipe(p, n);
    free(p);
    return ERR_OK;
}

static enum err enforce(struct arena *a, enum profile profile, struct str in, struct str *out,
                        const char **why)
{
    if (in.n == 0)
        return refuse(why, "empty");
    struct text t = {0};
    t.p = u8_to_u32((const uint8_t *)in.p, in.n, NULL, &t.n);
    if (!t.p)
        return refuse(why, "not UTF-8");
    const char *bad =
        map_until_stable(&t, profile) ? check_text(&t, profile) : "not stable under normalisation";
    const enum err e = bad ? refuse(why, bad) : to_utf8(a, &t, out);
    discard(&t);
    return e;
}

/* ---- the parts */

bool jid_local_excludes(uint32_t c)
{
    switch (c) {
    case '"':
    case '&':
    case '\'':
    case '/':
    case ':':
    case '<':
    case '>':
    case '@':
        return true;
    default:
        return false;
    }
}

enum err jid_prep_local(struct arena *a, struct str in, struct str *out, const char **why)
{
    struct str s;
    const enum err e = enforce(a, USERNAME_CASE_MAPPED, in, &s, why);
    if (e != ERR_OK)
        return e;
    for (size_t i = 0; i < s.n; i++) { /* width mapping may have made one of them */
        if (jid_local_excludes((unsigned char)s.p[i]))
            return refuse(why, "character not allowed in localpart");
    }
    *out = s;
    return ERR_OK;
}

enum err jid_prep_resource(struct arena *a, struct str in, struct str *out, const char **why)
{
    return enforce(a, OPAQUE_STRING, in, out, why);
}

enum err jid_prep_username(struct arena *a, struct str in, struct str *out)
{
    const char *why;
    return in.n > JID_INPUT_MAX ? ERR_LIMIT : enforce(a, USERNAME_CASE_MAPPED, in, out, &why);
}

enum err jid_prep_password(struct arena *a, struct str in, struct str *out)
{
    const char *why;
    return in.n > JID_INPUT_MAX ? ERR_LIMIT : enforce(a, OPAQUE_STRING, in, out, &why);
}

bool jid_domain_has_a_label(struct str s)
{
    for (size_t i = 0; i + 4 <= s.n; i++) {
        if ((i == 0 || s.p[i - 1] == '.') && str_ieq(str_make(s.p + i, 4), STR("xn--")))
            return true;
    }
    return false;
}

bool jid_domain_is_ldh(struct str s)
{
    size_t label = 0;
    for (size_t i = 0; i <= s.n; i++) {
        const char c = i < s.n ? s.p[i] : '.';
        const bool is_alnum =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (c == '.') {
            if (label == 0 || label > 63 || s.p[i - 1] == '-')
                return false;
            label = 0;
        } else if (is_alnum || (c == '-' && label > 0)) {
            label++;
        } else {
            return false;
        }
    }
    return true;
}

/* To A-labels, mapped and checked; heap of libidn2. Not IDN2_USE_STD3_ASCII_RULES: that silently
 * deletes the ASCII it does not like; jid_domain_is_ldh refuses it instead. */
static char *to_ascii(const char *domain)
{
    char *out = NULL;
    if (idn2_to_ascii_8z(domain, &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return NULL;
    const size_t n = strlen(out);
    if (n > 0 && out[n - 1] == '.') /* made by a full-width or ideographic dot */
        out[n - 1] = '\0';
    if (jid_domain_is_ldh(str_of(out)))
        return out;
    idn2_free(out);
    return NULL;
}

/* To U-labels; NULL unless they lead back to the same A-labels. */
static char *to_unicode(const char *ascii)
{
    char *out = NULL;
    if (idn2_to_unicode_8z8z(ascii, &out, 0) != IDN2_OK)
        return NULL;
    char *back = to_ascii(out);
    if (!back || strcmp(back, ascii) != 0) {
        idn2_free(out);
        out = NULL;
    }
    idn2_free(back);
    return out;
}

enum err jid_prep_domain(struct arena *a, struct str in, struct str *out, const char **why)
{
    if (memchr(in.p, 0, in.n) || u8_check((const uint8_t *)in.p, in.n))
        return refuse(why, "not UTF-8");
    char *text = str_dup(in);
    char *ascii = to_ascii(text);
    char *unicode = ascii ? to_unicode(ascii) : NULL;
    const enum err e = unicode ? ERR_OK : refuse(why, "not a domain name by IDNA2008");
    if (unicode)
        *out = arena_dup(a, str_of(unicode));
    idn2_free(unicode);
    idn2_free(ascii);
    mem_free(text);
    return e;
}

enum err jid_domain_ascii(struct str domain, char out[256])
{
    enum { DNS_NAME_MAX = 253 };
    if (domain.n == 0 || domain.n > JID_PART_MAX || memchr(domain.p, 0, domain.n))
        return ERR_INVALID;
    const bool is_plain = jid_domain_is_ldh(domain) && !jid_domain_has_a_label(domain);
    if (is_plain && domain.n > DNS_NAME_MAX)
        return ERR_LIMIT;
    if (is_plain || (domain.p[0] == '[' && domain.n <= DNS_NAME_MAX)) { /* literals stay */
        for (size_t i = 0; i < domain.n; i++)
            out[i] =
                domain.p[i] >= 'A' && domain.p[i] <= 'Z' ? (char)(domain.p[i] | 0x20) : domain.p[i];
        out[domain.n] = '\0';
        return ERR_OK;
    }
    char *text = str_dup(domain);
    char *ascii = u8_check((const uint8_t *)domain.p, domain.n) ? NULL : to_ascii(text);
    mem_free(text);
    if (!ascii)
        return ERR_INVALID;
    const size_t n = strlen(ascii);
    if (n <= DNS_NAME_MAX)
        memcpy(out, ascii, n + 1);
    idn2_free(ascii);
    return n <= DNS_NAME_MAX ? ERR_OK : ERR_LIMIT;
}
