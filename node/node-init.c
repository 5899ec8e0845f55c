/* The folder of a new node. The configuration is commented, complete and passes --check; the
 * certificate is self-signed and says so; the dialback secret is drawn once and kept, so that it
 * may be shared when the node gets neighbours. Nothing is overwritten. */
#include "node/node-init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/rand.h"
#include "lib/net/addr.h"
#include "lib/net/tls.h"
#include "lib/xmpp/jid.h"

#define SYSTEM_USER "meridian"
#define SYSTEM_STATE "/var/lib/meridian"
#define SYSTEM_RUN "/run/meridian"
enum { CERT_DAYS = 90, FILE_MAX = 65536 };

struct work {
    char dir[PATH_MAX];
    const char *domain; /* normal form */
    char ascii[256];    /* A-labels */
    const char *address;
    const char *state, *run; /* folders of the database and of the socket */
    bool is_system;
    char *why;
    size_t why_size;
};

static enum err failed(struct work *w, const char *what)
{
    snprintf(w->why, w->why_size, "%s: %s", what, strerror(errno));
    return ERR_IO;
}

/* dir/name; false when it is too long. */
static bool path_of(const struct work *w, char out[PATH_MAX], const char *name)
{
    return snprintf(out, PATH_MAX, "%s/%s", w->dir, name) < PATH_MAX;
}

static enum err write_file(struct work *w, const char *name, mode_t mode, struct str text)
{
    char path[PATH_MAX];
    if (!path_of(w, path, name))
        return ERR_LIMIT;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return failed(w, path);
    bool ok = write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    return ok ? ERR_OK : failed(w, path);
}

/* ---- the configuration */
static bool has_ipv6(void)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static void put_port(struct buf *out, const char *section, const char *address, unsigned port,
                     bool direct)
{
    bool six = strchr(address, ':') != NULL;
    buf_printf(out, "[[%s]]\nat = \"%s%s%s:%u\"\n%s", section, six ? "[" : "", address,
               six ? "]" : "", port, direct ? "tls = \"direct\"\n" : "");
}

static void put_ports(const struct work *w, struct buf *out, const char *section, unsigned port)
{
    for (unsigned direct = 0; direct < 2; direct++) {
        put_port(out, section, w->address ? w->address : "0.0.0.0", port + direct, direct);
        if (!w->address && has_ipv6())
            put_port(out, section, "::", port + direct, direct);
    }
}

static void put_head(const struct work *w, struct buf *out)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    buf_printf(out,
               "# Made by meridiand --init for %s. docs/options.md has every option; unknown names "
               "are errors.\n# meridiand --check -c FILE checks it, meridianctl reload takes over "
               "what changed.\n\n"
               "[general]\n"
               "domains = [\"%s\"]      # what comes after the @\n"
               "shards = %ld                 # event loops, each a thread; about the number of "
               "cores\n"
               "# log_level = \"info\"       # trace, debug, info, warn, error\n"
               "# log_format = \"text\"      # or json\n\n"
               "# SELF-SIGNED, for trying out: clients and servers will not trust it. Put a real "
               "one that names\n# %s in its place (full chain, then the key), and meridianctl "
               "reload.\n"
               "[tls]\ncert = \"%s/%s.crt\"\nkey = \"%s/%s.key\"\n\n",
               w->domain, w->domain,
               cores < 1    ? 1
               : cores > 64 ? 64
                            : cores,
               w->domain, w->dir, w->ascii, w->dir, w->ascii);
}

static void put_rest(const struct work *w, struct buf *out)
{
    buf_cstr(out, "# Clients: STARTTLS on 5222, TLS from the first byte on 5223 (XEP-0368).\n");
    put_ports(w, out, "listen.c2s", 5222);
    buf_cstr(out, "\n# Other servers.\n");
    put_ports(w, out, "listen.s2s", 5269);
    buf_printf(
        out,
        "\n# Accounts, rosters, offline messages.\n"
        "[store]\nuri = \"sqlite:%s/meridian.db\"\n\n"
        "# meridianctl talks to the node through it. Who may write to it may do everything.\n"
        "[control]\npath = \"%s/control.sock\"\n\n"
        "[s2s]\n# enabled = false           # no other servers\n"
        "dialback_secret = \"file:%s/dialback.secret\"\n\n"
        "# Numbers for Prometheus, /healthz and /readyz; for this machine only.\n"
        "[metrics]\nlisten = \"%s:9205\"\n\n"
        "[modules.offline]\n# max = 1000                # messages kept for an account that "
        "is not online\n",
        w->state, w->run, w->dir,
        w->address && strncmp(w->address, "127.", 4) == 0 ? w->address : "127.0.0.1");
}

static enum err write_conf(struct work *w)
{
    struct buf text;
    buf_init(&text, FILE_MAX);
    put_head(w, &text);
    put_rest(w, &text);
    enum err e = buf_ok(&text) ? write_file(w, "meridian.toml", 0644, buf_view(&text)) : ERR_LIMIT;
    buf_fini(&text);
    return e;
}

/* ---- the others */
static enum err write_cert(struct work *w)
{
    char name[300], crt[PATH_MAX], key[PATH_MAX];
    snprintf(name, sizeof name, "%s.crt", w->ascii);
    bool fits = path_of(w, crt, name);
    snprintf(name, sizeof name, "%s.key", w->ascii);
    fits = path_of(w, key, name) && fits;
    return fits ? tls_selfsign(w->ascii, CERT_DAYS, crt, key, w->why, w->why_size) : ERR_LIMIT;
}

static enum err write_secret(struct work *w)
{
    char secret[2 * RAND_ID_LEN + 2], half[RAND_ID_LEN + 1];
    snprintf(secret, sizeof secret, "%s", rand_id(half));
    size_t n = strlen(secret);
    snprintf(secret + n, sizeof secret - n, "%s\n", rand_id(half));
    enum err e = write_file(w, "dialback.secret", 0600, str_of(secret));
    mem_wipe(secret, sizeof secret);
    return e;
}

static enum err open_dir(struct work *w, const char *dir)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return failed(w, dir);
    if (!realpath(dir, w->dir))
        return failed(w, dir);
    if (!w->is_system)
        w->state = w->run = w->dir;
    for (const char *c = w->dir; *c; c++) {
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ') {
            snprintf(w->why, w->why_size, "%s: quotes, backslashes and controls do not fit", dir);
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

static enum err read_names(struct work *w, struct arena *a, const struct node_init *in)
{
    struct jid j;
    struct addr at;
    enum err e = ERR_INVALID;
    if (jid_make(a, STR_NONE, str_of(in->domain), STR_NONE, &j) != ERR_OK ||
        jid_domain_ascii(j.full, w->ascii) != ERR_OK)
        snprintf(w->why, w->why_size, "\"%s\" is not a domain", in->domain);
    else if (in->address && addr_parse(str_of(in->address), 1, &at) != ERR_OK)
        snprintf(w->why, w->why_size, "\"%s\" is not an address", in->address);
    else
        e = ERR_OK;
    if (e == ERR_OK)
        w->domain = j.full.p;
    return e;
}

/* The node's user must read them, and root must not have to run it. */
static enum err give_away(struct work *w)
{
    char cert[300], key[300], path[PATH_MAX];
    const char *const names[] = {"meridian.toml", "dialback.secret", cert, key};
    const struct passwd *user = w->is_system ? getpwnam(SYSTEM_USER) : NULL;
    snprintf(cert, sizeof cert, "%s.crt", w->ascii);
    snprintf(key, sizeof key, "%s.key", w->ascii);
    for (size_t i = 0; user && i < ARRAY_LEN(names); i++)
        if (!path_of(w, path, names[i]) || chown(path, user->pw_uid, user->pw_gid) != 0)
            return failed(w, path);
    return ERR_OK;
}

static void say(const struct work *w, struct buf *said)
{
    buf_printf(said,
               "%s/meridian.toml      configuration\n"
               "%s/%s.crt, .key      SELF-SIGNED certificate, %d days: replace it\n"
               "%s/dialback.secret    shared with further nodes of the domain\n\n"
               "next:\n"
               "  %s%s%s\n"
               "  meridianctl -c %s/meridian.toml adduser you@%s\n"
               "  meridianctl -c %s/meridian.toml check\n",
               w->dir, w->dir, w->ascii, CERT_DAYS, w->dir,
               w->is_system ? "systemctl enable --now meridian" : "meridiand -c ",
               w->is_system ? "" : w->dir, w->is_system ? "" : "/meridian.toml", w->dir, w->domain,
               w->dir);
}

enum err node_init(const struct node_init *in, struct buf *said, char *why, size_t why_size)
{
    struct work w = {.address = in->address,
                     .is_system = in->is_system,
                     .state = SYSTEM_STATE,
                     .run = SYSTEM_RUN,
                     .why = why,
                     .why_size = why_size};
    struct arena *a = arena_new(0);
    snprintf(why, why_size, "a path is too long");
    enum err e = read_names(&w, a, in);
    if (e == ERR_OK)
        e = open_dir(&w, in->dir);
    if (e == ERR_OK)
        e = write_conf(&w); /* first: a folder that has one is left as it is */
    if (e == ERR_OK)
        e = write_cert(&w);
    if (e == ERR_OK)
        e = write_secret(&w);
    if (e == ERR_OK)
        e = give_away(&w);
    if (e == ERR_OK)
        say(&w, said);
    arena_free(&a);
    return e;
}
