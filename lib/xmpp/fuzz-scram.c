/* SASL against arbitrary peers. The first byte says who is tested, the rest are messages, one a
 * line: S s U  server, SCRAM-SHA-256, SCRAM-SHA-1, a user without keys      P E  server, PLAIN,
 * EXTERNAL 5 B  server, SCRAM-SHA-512, SCRAM-SHA-1-PLUS C c    client, SCRAM-SHA-256, SCRAM-SHA-1
 * N    name, password, authzid: both sides, must agree Seeds: integration-tests/corpus/scram. */
#include "lib/xmpp/sasl-int.h"

#include "lib/base/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 8, OUT_MAX = 3 * SASL_MESSAGE_MAX };

/* Keys of "pencil" as in RFC 5802 section 5 and RFC 7677 section 3. */
static const struct scram_key *key_of(enum digest d)
{
    static struct scram_key sha1, sha256, sha512;
    if (sha1.iterations == 0) {
        must(scram_key_parse(STR("SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
                                 "D+CSWLOshSulAsxiupA+qs2/fTE="),
                             &sha1) == ERR_OK);
        scram_key_derive(&sha512, DIGEST_SHA512, STR("pencil"), 4096);
        must(scram_key_parse(
                 STR("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpc"
                     "XkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="),
                 &sha256) == ERR_OK);
    }
    return d == DIGEST_SHA1 ? &sha1 : d == DIGEST_SHA512 ? &sha512 : &sha256;
}

static enum sasl_status answer(struct sasl_server *s, enum sasl_status st,
                               const struct scram_key *keys, struct buf *out)
{
    if (st == SASL_NEED_KEYS) {
        must(sasl_server_user(s).n > 0 && utf8_valid(sasl_server_user(s)));
        return sasl_server_keys(s, keys, out);
    }
    if (st == SASL_NEED_PASSWORD || st == SASL_NEED_IDENTITY) {
        must(utf8_valid(sasl_server_authzid(s)) && utf8_valid(sasl_server_password(s)));
        must(st == SASL_NEED_IDENTITY || sasl_server_password(s).n > 0);
        return sasl_server_verdict(s, SASL_FAIL_NONE, out);
    }
    return st;
}

static void fuzz_server(enum sasl_mech m, bool has_keys, struct str rest)
{
    struct buf out;
    struct sasl_server *s = sasl_server_new(m);
    const struct scram_key *keys = has_keys ? key_of(sasl_server_digest(s)) : NULL;
    bool is_over = false;
    const struct sasl_offer offer = {
        .mechs = 1U << m, .n = 1, .bindings = {{"tls-exporter", "THIS IS FAKE CB DATA", 20}}};
    if (sasl_mech_is_plus(m))
        sasl_server_set_offer(s, &offer);
    buf_init(&out, OUT_MAX);
    sasl_server_set_nonce(s, m == SASL_SCRAM_SHA_1 ? STR("3rfcNHYJY1ZVvWVs7j")
                                                   : STR("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"));
    for (int i = 0; i < STEPS_MAX && rest.p; i++) {
        buf_clear(&out);
        enum sasl_status st = sasl_server_step(s, str_cut(&rest, '\n'), &out);
        st = answer(s, st, keys, &out);
        must(buf_ok(&out));
        must(!is_over || st == SASL_FAILED);
        must((st == SASL_FAILED) == (sasl_server_failure(s) != SASL_FAIL_NONE));
        must(st != SASL_FAILED || out.n == 0);
        must(st != SASL_DONE || has_keys || !sasl_mech_is_scram(m));
        is_over = st == SASL_DONE || st == SASL_FAILED;
    }
    sasl_server_free(&s);
    buf_fini(&out);
}

static void fuzz_client(enum sasl_mech m, struct str rest)
{
    struct buf out;
    struct sasl_client *c = sasl_client_new(m, STR("user"), STR("pencil"), STR_NONE);
    bool has_failed = false;
    buf_init(&out, OUT_MAX);
    sasl_client_set_iterations_max(c, 4096);
    sasl_client_set_nonce(c, m == SASL_SCRAM_SHA_1 ? STR("fyko+d2lbbFgONRv9qkxdawL")
                                                   : STR("rOprNGfwEbeRWgbNEkqO"));
    must(sasl_client_step(c, STR_NONE, &out) == ERR_OK);
    for (int i = 0; i < STEPS_MAX && rest.p; i++) {
        buf_clear(&out);
        const struct str in = str_cut(&rest, '\n');
        const bool is_last = !rest.p;
        const enum err e = is_last ? sasl_client_finish(c, in) : sasl_client_step(c, in, &out);
        must(buf_ok(&out));
        must(e == ERR_OK || (e == ERR_AUTH && out.n == 0));
        must(!has_failed || e == ERR_AUTH);
        must(!is_last || i > 0 || e == ERR_AUTH); /* success needs the server's signature */
        has_failed |= e != ERR_OK;
    }
    sasl_client_free(&c);
    buf_fini(&out);
}

static void talk(struct sasl_client *c, struct sasl_server *s, struct str password, struct buf *up,
                 struct buf *down)
{
    struct scram_key k;
    scram_key_derive(&k, DIGEST_SHA1, password, 4096);
    must(sasl_server_step(s, buf_view(up), down) == SASL_NEED_KEYS);
    must(sasl_server_keys(s, &k, down) == SASL_CONTINUE);
    buf_clear(up);
    must(sasl_client_step(c, buf_view(down), up) == ERR_OK);
    buf_clear(down);
    must(sasl_server_step(s, buf_view(up), down) == SASL_DONE);
    must(sasl_client_finish(c, buf_view(down)) == ERR_OK);
}

/* Names the client accepts must pass the server in the same form. */
static void fuzz_names(struct str rest)
{
    const struct str user = str_cut(&rest, '\n'), password = str_cut(&rest, '\n'), authzid = rest;
    struct buf up, down;
    struct sasl_client *c = sasl_client_new(SASL_SCRAM_SHA_1, user, password, authzid);
    struct sasl_client *plain = sasl_client_new(SASL_PLAIN, user, password, STR_NONE);
    struct sasl_server *s = sasl_server_new(SASL_SCRAM_SHA_1);
    struct sasl_server *check_plain = sasl_server_new(SASL_PLAIN);
    buf_init(&up, OUT_MAX);
    buf_init(&down, OUT_MAX);
    const bool clean =
        utf8_valid(authzid) && str_find(authzid, '\0') < 0 && user.n + authzid.n < 1000;
    if (clean && sasl_client_step(plain, STR_NONE, &up) == ERR_OK &&
        sasl_server_step(check_plain, buf_view(&up), &down) == SASL_NEED_PASSWORD) {
        buf_clear(&up);
        must(sasl_client_step(c, STR_NONE, &up) == ERR_OK);
        talk(c, s, sasl_server_password(check_plain), &up, &down);
        must(str_eq(sasl_server_user(s), sasl_server_user(check_plain)));
        must(str_eq(sasl_server_authzid(s), authzid.p ? authzid : STR("")));
    }
    sasl_client_free(&c);
    sasl_client_free(&plain);
    sasl_server_free(&s);
    sasl_server_free(&check_plain);
    buf_fini(&up);
    buf_fini(&down);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct str rest = str_make((const char *)data + 1, size - 1);
    const char who[] = "SsUPECcN5BAH";
    const char *at = data[0] ? strchr(who, data[0]) : NULL;
    switch (at ? *at : who[data[0] % (sizeof who - 1)]) {
    case 'S':
        fuzz_server(SASL_SCRAM_SHA_256, true, rest);
        break;
    case 's':
        fuzz_server(SASL_SCRAM_SHA_1, true, rest);
        break;
    case '5':
        fuzz_server(SASL_SCRAM_SHA_512, true, rest);
        break;
    case 'B':
        fuzz_server(SASL_SCRAM_SHA_1_PLUS, true, rest);
        break;
    case 'U':
        fuzz_server(SASL_SCRAM_SHA_256, false, rest);
        break;
    case 'P':
        fuzz_server(SASL_PLAIN, true, rest);
        break;
    case 'E':
        fuzz_server(SASL_EXTERNAL, true, rest);
        break;
    case 'A':
        fuzz_server(SASL_ANONYMOUS, true, rest);
        break;
    case 'H':
        fuzz_server(SASL_HT_SHA_256_NONE, true, rest);
        break;
    case 'C':
        fuzz_client(SASL_SCRAM_SHA_256, rest);
        break;
    case 'c':
        fuzz_client(SASL_SCRAM_SHA_1, rest);
        break;
    default:
        fuzz_names(rest);
        break;
    }
    return 0;
}
