/* users [DOMAIN]: all accounts, read in pages; people get a line each as they come. */
#include "node/admin/admin-int.h"
#include "node/admin/ctl.h"

static bool is_of(const char *jid, const char *domain)
{
    const char *at = strchr(jid, '@');
    return !domain || (at && strcmp(at + 1, domain) == 0);
}

static struct json *ask_page(const char *path, struct str after, enum ctl_exit *code)
{
    char why[512] = "";
    struct json *args = json_new_array();
    json_push_str(args, after);
    struct json *q = ctl_question("users-page", &args);
    struct json *a = ctl_ask(path, &q, why, sizeof why);
    bool ok = json_get_bool(a, "ok", false);
    *code = !a ? CTL_UNAVAILABLE : ok ? CTL_OK : CTL_REFUSED;
    if (!ok)
        fprintf(stderr, "meridianctl: %s\n", a ? json_get_str(a, "error") : why);
    return a;
}

enum ctl_exit ctl_users(const char *path, const char *domain, bool as_json)
{
    struct json *all = json_new_array();
    char after[JID_MAX + 1] = "";
    enum ctl_exit code = CTL_OK;
    for (size_t n = USERS_PAGE; code == CTL_OK && n == USERS_PAGE;) {
        struct json *a = ask_page(path, str_of(after), &code);
        const struct json *page = json_get(a, "result");
        n = code == CTL_OK ? json_len(page) : 0;
        for (size_t i = 0; i < n; i++) {
            const char *jid = json_str(json_at(page, i));
            snprintf(after, sizeof after, "%s", jid);
            if (is_of(jid, domain) && as_json)
                json_push_str(all, str_of(jid));
            else if (is_of(jid, domain))
                puts(jid);
        }
        json_free(&a);
    }
    if (as_json && code == CTL_OK)
        ctl_print(all, true);
    json_free(&all);
    return code;
}
