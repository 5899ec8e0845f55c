/* Secrets: an option so marked may say "file:/path" or "env:NAME" instead of the secret itself.
 * Whatever holds one is wiped when the snapshot goes; no message contains one. */
#include "conf/conf-int.h"

#include <errno.h>

struct wipe {
    char *p;
    size_t n;
};

static void wipe_now(void *ctx)
{
    const struct wipe *w = ctx;
    mem_wipe(w->p, w->n);
}

void conf_secret_wipe_later(struct arena *a, const char *secret)
{
    struct wipe *w = arena_alloc(a, sizeof *w);
    *w = (struct wipe){(char *)(uintptr_t)secret, strlen(secret)};
    arena_on_free(a, wipe_now, w);
}

static bool fail(char why[CONF_WHY], const char *what, const char *name)
{
    snprintf(why, CONF_WHY, "%s \"%.120s\"", what, name);
    return false;
}

/* Relative to the folder of the configuration file. */
static const char *full_path(struct arena *a, const char *conf_file, const char *path)
{
    const char *slash = strrchr(conf_file, '/');
    if (path[0] == '/' || !slash)
        return path;
    return arena_printf(a, "%.*s/%s", (int)(slash - conf_file), conf_file, path).p;
}

static bool read_first_line(struct arena *a, const char *path, const char **out, char why[CONF_WHY])
{
    char line[CONF_SECRET_MAX + 2] = "";
    FILE *f = fopen(path, "r");
    if (!f) {
        snprintf(why, CONF_WHY, "secret file \"%.100s\": %s", path, strerror(errno));
        return false;
    }
    setvbuf(f, NULL, _IONBF, 0); /* no copy of the secret in a freed stdio buffer */
    const bool got = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    line[strcspn(line, "\r\n")] = '\0';
    const size_t n = strlen(line);
    if (got && n > 0 && n <= CONF_SECRET_MAX) {
        *out = arena_cstr(a, str_make(line, n));
        conf_secret_wipe_later(a, *out);
    }
    mem_wipe(line, sizeof line);
    if (n > CONF_SECRET_MAX)
        return fail(why, "first line too long in secret file", path);
    return n > 0 || fail(why, "nothing in the first line of secret file", path);
}

bool conf_secret_resolve(struct arena *a, const char *conf_file, const char *said, const char **out,
                         char why[CONF_WHY])
{
    conf_secret_wipe_later(a, said);
    if (strncmp(said, "file:", 5) == 0)
        return read_first_line(a, full_path(a, conf_file, said + 5), out, why);
    if (strncmp(said, "env:", 4) != 0) {
        *out = said;
        return true;
    }
    const char *value = getenv(said + 4);
    if (!value || !value[0])
        return fail(why, "secret environment variable is not set:", said + 4);
    *out = arena_cstr(a, str_of(value));
    conf_secret_wipe_later(a, *out);
    return true;
}
