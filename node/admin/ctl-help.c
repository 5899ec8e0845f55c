/* What meridianctl says of itself: usage, help, shell completion, all from the table of commands.
 */
#include "node/admin/control.h"
#include "node/admin/ctl.h"
#include "node/node-options.h"

static const char options_text[] =
    "options:\n"
    "  -c, --config FILE   the node's configuration (else $MERIDIAN_CONFIG, else\n"
    "                      " NODE_CONFIG_PATH ")\n"
    "      --json          print the answer as JSON\n"
    "  -h, --help          print this\n"
    "\n"
    "exit codes: 0 done, 1 the node said no, 2 wrong arguments, 66 a file cannot be read,\n"
    "69 no node answers, 78 wrong configuration\n";

const struct control_command *ctl_command_find(const char *name)
{
    for (size_t i = 0; i < control_commands_n; i++)
        if (control_commands[i].help && strcmp(control_commands[i].name, name) == 0)
            return &control_commands[i];
    return NULL;
}

void ctl_print_usage(FILE *to)
{
    fputs("usage: meridianctl [-c FILE] [--json] COMMAND [ARGUMENT...]\n\ncommands:\n", to);
    for (size_t i = 0; i < control_commands_n; i++) {
        const struct control_command *k = &control_commands[i];
        char left[64];
        if (!k->help)
            continue;
        snprintf(left, sizeof left, "%s %s", k->name, k->args);
        fprintf(to, "  %-26s %s\n", left, k->help);
    }
    fprintf(to, "\n%s", options_text);
}

static void print_verbs(void)
{
    putchar('\n');
    for (size_t i = 0; i < control_s2s_verbs_n; i++) {
        const struct control_verb *v = &control_s2s_verbs[i];
        char left[64];
        snprintf(left, sizeof left, "%s %s", v->name, v->args);
        printf("  %-26s %s\n", left, v->help);
    }
    fputs("\n  --from DOMAIN              which domain of ours asks; else the first of the node\n"
          "  --yes                      do it, where something would be lost\n"
          "\nexplain and probe: exit code 0 if the domain is reached, 1 if it is not\n",
          stdout);
}

void ctl_print_help(const struct control_command *k)
{
    printf("usage: meridianctl %s", k->name);
    struct str rest = str_of(k->options);
    while (rest.p) {
        struct str w = str_cut(&rest, ' ');
        printf(str_eqc(w, "yes") ? " [--%.*s]" : " [--%.*s NAME]", STR_ARG(w));
    }
    printf(" %s\n\n%s\n", k->args, k->help);
    if (strcmp(k->name, "s2s") == 0)
        print_verbs();
}

/* ---- completion */
static void print_names(const char *separator)
{
    for (size_t i = 0; i < control_commands_n; i++)
        if (control_commands[i].help)
            printf("%s%s", i ? separator : "", control_commands[i].name);
}

static void print_bash(void)
{
    fputs("_meridianctl()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word command=\n"
          "    local words=\"",
          stdout);
    print_names(" ");
    fputs("\"\n"
          "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
          "        [[ \" $words \" == *\" $word \"* ]] && command=$word\n"
          "    done\n"
          "    case $prev in -c|--config) COMPREPLY=($(compgen -f -- \"$cur\")); return;; esac\n"
          "    case $command in\n"
          "    '') COMPREPLY=($(compgen -W \"$words --config --json --help\" -- \"$cur\"));;\n"
          "    help) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"));;\n"
          "    import-users) COMPREPLY=($(compgen -f -- \"$cur\"));;\n"
          "    completion) COMPREPLY=($(compgen -W \"bash zsh\" -- \"$cur\"));;\n"
          "    drain) COMPREPLY=($(compgen -W \"off --over\" -- \"$cur\"));;\n"
          "    log) COMPREPLY=($(compgen -W \"--category --jid --peer --level\" -- \"$cur\"));;\n"
          "    s2s) COMPREPLY=($(compgen -W \"",
          stdout);
    for (size_t i = 0; i < control_s2s_verbs_n; i++)
        printf("%s ", control_s2s_verbs[i].name);
    fputs("--from --yes\" -- \"$cur\"));;\n"
          "    loglevel) COMPREPLY=($(compgen -W \"trace debug info warn error default --category"
          " --jid --peer\" -- \"$cur\"));;\n"
          "    *) COMPREPLY=();;\n"
          "    esac\n}\n"
          "complete -F _meridianctl meridianctl\n",
          stdout);
}

/* In single quotes for the shell, and nothing that _describe takes for its own. */
static void print_zsh_text(const char *text)
{
    for (; *text; text++)
        fputs(*text == '\'' ? "'\\''" : *text == ':' ? "\\:" : (char[2]){*text, 0}, stdout);
}

static void print_zsh(void)
{
    fputs("#compdef meridianctl\n_meridianctl()\n{\n    local -a commands=(\n", stdout);
    for (size_t i = 0; i < control_commands_n; i++) {
        if (!control_commands[i].help)
            continue;
        printf("        '%s:", control_commands[i].name);
        print_zsh_text(control_commands[i].help);
        fputs("'\n", stdout);
    }
    fputs("    )\n"
          "    _arguments '(-c --config)'{-c,--config}'[configuration]:file:_files' \\\n"
          "        '--json[answer as JSON]' '1:command:{_describe command commands}' "
          "'*:argument:_files'\n"
          "}\n_meridianctl \"$@\"\n",
          stdout);
}

enum ctl_exit ctl_completion(const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        print_bash();
    else if (strcmp(shell, "zsh") == 0)
        print_zsh();
    else
        fprintf(stderr, "meridianctl: completion for bash and zsh, not for \"%s\"\n", shell);
    return strcmp(shell, "bash") == 0 || strcmp(shell, "zsh") == 0 ? CTL_OK : CTL_USAGE;
}
