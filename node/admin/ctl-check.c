/* check: is this node's configuration fit for the world: the file, the certificates (readable, long
 * enough, for each domain, not self-signed) and the SRV records as they should be and as they are.
 * Needs no running node. What is only advice does not make the exit code. */
#include "dns/dns.h"
#include "lib/base/encode.h"
#include "lib/loop/loop.h"
#include "node/admin/ctl.h"
#include "node/node-int.h"
#include "node/node-options.h"

enum { RECORDS_MAX = 8, TEXT_MAX = 512, WARN_DAYS = 21 };

struct checker {
    const struct node_conf *conf;
    struct json *rows;
    struct loop *loop;
    struct dns *dns;
    struct op_owner ops;
    size_t waiting;
    bool is_wrong;
};
struct question { /* one SRV name */
    struct checker *checker;
    char name[300];
    unsigned port; /* where we listen for it; 0 = not at all */
};

static void row(struct checker *c, const char *what, const char *verdict, const char *text)
{
    struct json *o = json_new_object();
    json_set_str(o, "verdict", str_of(verdict));
    json_set_str(o, "what", str_of(what));
    json_set_str(o, "text", str_of(text));
    json_push(c->rows, &o);
    c->is_wrong = c->is_wrong || strcmp(verdict, "wrong") == 0;
}

/* ---- certificates */
static const char *file_of(const struct node_conf *c, const char *domain)
{
    for (const struct tls_site_conf *s = c->certs; s && s->domain; s++)
        if (str_ieq(str_of(s->domain), str_of(domain)))
            return s->cert_file;
    return c->cert_file;
}

static void check_domain(struct checker *c, const struct tls_set *set, const char *domain)
{
    char ascii[256] = "", text[TEXT_MAX];
    bool speaks = jid_domain_ascii(str_of(domain), ascii) == ERR_OK &&
                  (tls_set_cert_is(set, str_of(ascii)) || tls_set_cert_is(set, str_of(domain)));
    snprintf(text, sizeof text, "%s %s", file_of(c->conf, ascii),
             speaks ? "names it" : "does not name it");
    row(c, domain, speaks ? "ok" : "wrong", text);
}

static void check_certificate(struct checker *c, const struct tls_set *set, const char *section)
{
    struct tls_cert_info info;
    char until[DATEFMT_LEN + 1], text[TEXT_MAX];
    if (!set || !tls_set_cert(set, &info))
        return;
    int64_t days = tls_cert_days(&info);
    snprintf(text, sizeof text, "good until %s (%" PRId64 " days)%s",
             datefmt_utc(until, info.not_after_us), days,
             info.is_self_signed ? "; self-signed: nobody trusts it" : "");
    row(c, section,
        days < 0                                  ? "wrong"
        : info.is_self_signed || days < WARN_DAYS ? "warning"
                                                  : "ok",
        text);
}

static void check_certificates(struct checker *c)
{
    struct node_tls_sets sets;
    char why[TEXT_MAX] = "";
    if (node_tls_read(c->conf, &sets, why, sizeof why) != ERR_OK) {
        row(c, "certificates", "wrong", why);
        return;
    }
    check_certificate(c, sets.set[NODE_TLS_C2S], "[tls]");
    check_certificate(c, sets.set[NODE_TLS_REGION_IN], "[region]");
    for (const char *const *d = c->conf->domains; *d; d++)
        check_domain(c, sets.set[NODE_TLS_C2S], *d);
    node_tls_drop(&sets);
}

/* Said only when there is something to read. */
static void check_policy(struct checker *c)
{
    struct s2s_policy *p = NULL;
    char text[TEXT_MAX] = "";
    if (s2s_policy_new(&c->conf->s2s_policy, &p, text, sizeof text) != ERR_OK) {
        row(c, "[s2s] policy", "wrong", text);
        return;
    }
    snprintf(text, sizeof text, "%zu rules, %zu domains in the block list",
             c->conf->s2s_policy.n_rules, s2s_policy_blocked(p));
    if (c->conf->s2s_policy.n_rules || c->conf->s2s_policy.blocklist_file)
        row(c, "[s2s] policy", "ok", text);
    s2s_policy_unref(&p);
}

/* ---- DNS */
/* What the records say: "host:port, host:port", or why there are none. */
static void put_records(struct buf *out, const struct dns_answer *a)
{
    size_t n = 0;
    for (size_t i = 0; a->status == ERR_OK && i < a->n && n < RECORDS_MAX; i++) {
        const struct dns_record *r = &a->records[i];
        if (r->type == DNS_SRV)
            buf_printf(out, "%s%s:%u", n++ ? ", " : "", r->target[0] ? r->target : ".", r->port);
    }
    if (!n)
        buf_cstr(out, a->status == ERR_OK ? "none" : err_text(a->status));
}

static bool has_port(const struct dns_answer *a, unsigned port)
{
    for (size_t i = 0; a->status == ERR_OK && i < a->n; i++)
        if (a->records[i].type == DNS_SRV && a->records[i].port == port)
            return true;
    return false;
}

static void question_answered(void *ctx, const struct dns_answer *a)
{
    struct question *q = ctx;
    struct checker *c = q->checker;
    struct buf text;
    buf_init(&text, 8192);
    if (q->port)
        buf_printf(&text, "should be: SRV 5 50 %u HOST-OF-THIS-NODE.; is: ", q->port);
    else
        buf_cstr(&text, "should not be there: no port for it; is: ");
    put_records(&text, a);
    buf_char(&text, 0);
    bool is_right = q->port ? has_port(a, q->port) : a->status != ERR_OK || a->n == 0;
    row(c, q->name, is_right ? "ok" : "warning", text.p);
    buf_fini(&text);
    mem_free(q);
    if (--c->waiting == 0)
        loop_stop(c->loop);
}

/* The first port of the kind, 0 without. */
static unsigned port_of(const struct node_conf_listen *l, size_t n, bool direct)
{
    for (size_t i = 0; i < n; i++)
        if (l[i].direct_tls == direct)
            return l[i].at.port;
    return 0;
}

static void ask_records(struct checker *c, const char *domain)
{
    const struct node_conf *n = c->conf;
    const struct {
        const char *service;
        unsigned port;
    } rows[] = {{"_xmpp-client", port_of(n->c2s, n->c2s_n, false)},
                {"_xmpps-client", port_of(n->c2s, n->c2s_n, true)},
                {"_xmpp-server", n->s2s_enabled ? port_of(n->s2s, n->s2s_n, false) : 0},
                {"_xmpps-server", n->s2s_enabled ? port_of(n->s2s, n->s2s_n, true) : 0}};
    char ascii[256];
    if (jid_domain_ascii(str_of(domain), ascii) != ERR_OK)
        return;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct question *q = mem_alloc(sizeof *q);
        *q = (struct question){.checker = c, .port = rows[i].port};
        snprintf(q->name, sizeof q->name, "%s._tcp.%s", rows[i].service, ascii);
        c->waiting++;
        dns_query(c->dns, &c->ops, q->name, DNS_SRV, question_answered, q);
    }
}

static void check_dns(struct checker *c)
{
    char why[TEXT_MAX] = "";
    struct dns_conf dc = {.servers = c->conf->dns_servers};
    op_owner_init(&c->ops);
    c->loop = loop_new("meridianctl/0", 0);
    if (dns_open(c->loop, &dc, &c->dns, why, sizeof why) != ERR_OK) {
        row(c, "DNS", "wrong", why);
    } else {
        for (const char *const *d = c->conf->domains; *d; d++)
            ask_records(c, *d);
        if (c->waiting)
            loop_run(c->loop);
        dns_close(&c->dns);
    }
    loop_free(&c->loop);
}

enum ctl_exit ctl_check(const struct node_conf *conf, bool as_json)
{
    struct checker c = {.conf = conf, .rows = json_new_array()};
    row(&c, "configuration", "ok", "no error in it");
    check_certificates(&c);
    check_policy(&c);
    check_dns(&c);
    ctl_print(c.rows, as_json);
    json_free(&c.rows);
    return c.is_wrong ? CTL_REFUSED : CTL_OK;
}
