#ifndef LIB_STORE_TESTS_PG_INT_H
#define LIB_STORE_TESTS_PG_INT_H
/* Real PostgreSQL clusters for tests: made by initdb in a temporary directory with fsync on,
 * listening on a unix socket there and on a loopback port; as an unprivileged user when the test
 * runs as root, as the server refuses root. Words: cluster = one such server. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/store/pg-int.h"

struct cluster {
    char dir[128]; /* data in dir/data, socket in dir, log in dir/log */
    uint16_t port;
    pid_t pid;
};

static char pg_bin[128];

/* The one of most tests, and how a store comes to it. */
static struct cluster server;
static char uri[256];

static uint16_t pg_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

/* The newest version that is installed. */
static void pg_find(void)
{
    glob_t g;
    assert_int_equal(glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g), 0);
    snprintf(pg_bin, sizeof pg_bin, "%.*s", (int)(strlen(g.gl_pathv[g.gl_pathc - 1]) - 7),
             g.gl_pathv[g.gl_pathc - 1]);
    globfree(&g);
}

/* In a child: become an ordinary user, write to the log, run. */
static void pg_exec(const struct cluster *c, const char *program, const char *const *argv)
{
    char path[256];
    const struct passwd *u = getuid() == 0 ? getpwnam("postgres") : NULL;
    if (!u && getuid() == 0)
        u = getpwnam("nobody");
    if (u && (setgroups(0, NULL) || setgid(u->pw_gid) || setuid(u->pw_uid)))
        _exit(126);
    snprintf(path, sizeof path, "%s/log", c->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir(c->dir))
        _exit(126);
    snprintf(path, sizeof path, "%s/%s", pg_bin, program);
    execv(path, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static pid_t pg_spawn(const struct cluster *c, const char *program, const char *const *argv)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        pg_exec(c, program, argv);
    return pid;
}

static void pg_run(const struct cluster *c, const char *program, const char *const *argv)
{
    int status;
    pid_t pid = pg_spawn(c, program, argv);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status)
        print_error("%s failed, see %s/log\n", program, c->dir);
    assert_int_equal(status, 0);
}

static void pg_make_dir(struct cluster *c)
{
    const struct passwd *u = getpwnam("postgres");
    snprintf(c->dir, sizeof c->dir, "/tmp/meridian-pg-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    if (getuid() == 0)
        assert_int_equal(chown(c->dir, (u ? u : getpwnam("nobody"))->pw_uid,
                               (u ? u : getpwnam("nobody"))->pw_gid),
                         0);
    c->port = pg_free_port();
}

static void pg_append(const struct cluster *c, const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/data/%s", c->dir, file);
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* User "meridian" may in without a password by the socket, with the one of `password` by TCP. */
static void pg_init(struct cluster *c)
{
    char conf[640], data[160];
    pg_make_dir(c);
    snprintf(data, sizeof data, "%s/data", c->dir);
    const char *argv[] = {"initdb", "-N",       "-D", data, "-U",    "meridian", "-E",
                          "UTF8",   "--locale", "C",  "-A", "trust", NULL};
    pg_run(c, "initdb", argv);
    snprintf(conf, sizeof conf,
             "listen_addresses = '127.0.0.1'\nport = %u\nunix_socket_directories = '%s'\n"
             "fsync = on\nshared_buffers = 16MB\nmax_connections = 40\nwal_level = replica\n"
             "client_min_messages = warning\npassword_encryption = "
             "'scram-sha-256'\nlog_min_messages = warning\n",
             c->port, c->dir);
    pg_append(c, "postgresql.conf", conf);
    snprintf(conf, sizeof conf, "%s/data/pg_hba.conf", c->dir);
    FILE *f = fopen(conf, "w");
    assert_non_null(f);
    fputs("local all all trust\nlocal replication all trust\n"
          "host all all 127.0.0.1/32 scram-sha-256\n",
          f);
    fclose(f);
}

static void pg_uri(const struct cluster *c, char *out, size_t size)
{
    snprintf(out, size, "postgresql:///postgres?host=%s&port=%u&user=meridian", c->dir, c->port);
}

static bool pg_answers(const struct cluster *c)
{
    char text[256];
    pg_uri(c, text, sizeof text);
    return PQping(text) == PQPING_OK;
}

static void pg_start(struct cluster *c)
{
    char data[160];
    snprintf(data, sizeof data, "%s/data", c->dir);
    const char *argv[] = {"postgres", "-D", data, NULL};
    c->pid = pg_spawn(c, "postgres", argv);
    for (unsigned tries = 0; !pg_answers(c); tries++) {
        int status;
        assert_true(tries < 3000);
        /* after a kill -9 it refuses to start until the last of its old processes has gone */
        if (waitpid(c->pid, &status, WNOHANG) == c->pid)
            c->pid = pg_spawn(c, "postgres", argv);
        usleep(10000);
    }
}

/* kill -9; its other processes notice and end. */
static void pg_kill(struct cluster *c)
{
    if (c->pid <= 0)
        return;
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    c->pid = 0;
}

static UNUSED PGconn *pg_client(const struct cluster *c)
{
    char text[256];
    pg_uri(c, text, sizeof text);
    PGconn *pg = PQconnectdb(text);
    assert_int_equal(PQstatus(pg), CONNECTION_OK);
    return pg;
}

/* One value of one statement, as text in out. */
static UNUSED void pg_sql(const struct cluster *c, const char *text, char *out, size_t size)
{
    PGconn *pg = pg_client(c);
    PGresult *r = PQexec(pg, text);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        print_error("%s", PQresultErrorMessage(r));
    assert_true(PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK);
    if (out)
        str_put(out, size, PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    PQfinish(pg);
}

static void pg_remove(struct cluster *c)
{
    pg_kill(c);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", c->dir, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

static int make_server(void **state)
{
    (void)state;
    pg_find();
    pg_init(&server);
    pg_start(&server);
    pg_uri(&server, uri, sizeof uri);
    return 0;
}

static int remove_server(void **state)
{
    (void)state;
    pg_remove(&server);
    return 0;
}
#endif
