/* Fuzzer of the reader of DNS answers. First byte: the type asked for; the rest is the message.
 * Seeds: integration-tests/corpus/dns-answer. */
#include "dns/dns-answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(const struct dns_record *r, enum dns_type type)
{
    char norm[DNS_NAME_MAX + 1];
    must(r->type == type && r->ttl <= INT32_MAX);
    must(!r->target[0] || dns_name_normalise(r->target, norm) == ERR_OK);
    must(!r->target[0] || strcmp(r->target, norm) == 0);
    for (size_t i = 0; i < r->data.n; i++)
        must(r->data.p[i] == r->data.p[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_A, DNS_CNAME, DNS_TXT, DNS_AAAA, DNS_SRV, DNS_TLSA};
    struct dns_raw_answer out;
    if (size < 1)
        return 0;
    enum dns_type type = types[data[0] % ARRAY_LEN(types)];
    struct arena *arena = arena_new(0);
    dns_answer_read(arena, str_make((const char *)data + 1, size - 1), "name.test", type, &out);
    must((out.a.status == ERR_OK) == (out.a.n > 0));
    must(out.a.n <= DNS_RECORDS_MAX && out.links <= DNS_CNAME_MAX && out.a.ttl <= INT32_MAX);
    must(!out.next_name[0] || out.a.status == ERR_DNS_NODATA);
    for (size_t i = 0; i < out.a.n; i++)
        check_record(&out.a.records[i], type);
    must(arena_used(arena) <= 4 * DNS_RAW_MAX + DNS_RECORDS_MAX * sizeof(struct dns_record) + 4096);
    arena_free(&arena);
    return 0;
}
