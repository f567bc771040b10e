/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts: which of their lines take LD_PRELOAD away from what they start. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"

enum { SCRIPT_MOST = 64 * 1024 };

/* Commands whose programs lose LD_PRELOAD, or run elsewhere. A word behind the name that must be there, or NULL. */
static const struct {
    const char *command, *option, *why;
} losers[] = {
    {"env", "-i", "env -i clears the environment"},
    {"env", "-", "env - clears the environment"},
    {"env", "--ignore-environment", "env clears the environment"},
    {"env", "-u LD_PRELOAD", "env -u takes LD_PRELOAD away"},
    {"env", "--unset=LD_PRELOAD", "env takes LD_PRELOAD away"},
    {"env", "LD_PRELOAD=", "env sets another LD_PRELOAD"},
    {"exec", "-c", "exec -c clears the environment"},
    {"sudo", NULL, "sudo does not hand LD_PRELOAD on"},
    {"su", NULL, "su is a set-user-id program, whose children do not get LD_PRELOAD"},
    {"doas", NULL, "doas does not hand LD_PRELOAD on"},
    {"pkexec", NULL, "pkexec does not hand LD_PRELOAD on"},
    {"docker", "run", "docker starts the program elsewhere, with the environment that -e gives it"},
    {"podman", "run", "podman starts the program with the environment that -e gives it"},
    {"systemd-run", NULL,
     "systemd-run starts the program elsewhere, with the environment that --setenv gives it"},
    {"unset", "LD_PRELOAD", "LD_PRELOAD is taken away"},
    {"export", "LD_PRELOAD=", "another LD_PRELOAD is set"},
    {"export", "-n LD_PRELOAD", "LD_PRELOAD is taken away"},
};

/* The word, not a part of another one. */
static const char *find_word(const char *line, const char *word)
{
    size_t length = strlen(word);
    bool open = word[length - 1] == '=';

    for (const char *at = line; (at = strstr(at, word)); at++)
        if ((at == line || strchr(" \t;&|(/`", at[-1])) &&
            (open || !at[length] || strchr(" \t;&|)`\r", at[length])))
            return at;
    return NULL;
}

static bool begins_command(const char *line, const char *at)
{
    static const char *const before[] = {"exec", "then", "do", "else", "&&", "||", "nohup", "setsid"};

    while (at > line && !strchr(" \t;&|(`", at[-1]))
        at--; /* a path */
    while (at > line && strchr(" \t", at[-1]))
        at--;
    if (at == line || strchr(";&|(`", at[-1]))
        return true;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        size_t length = strlen(before[i]);
        if ((size_t)(at - line) >= length && !memcmp(at - length, before[i], length))
            return true;
    }
    return false;
}

static const char *loses(const char *line)
{
    const char *at;

    for (size_t i = 0; i < sizeof losers / sizeof *losers; i++)
        if ((at = find_word(line, losers[i].command)) && begins_command(line, at) &&
            (!losers[i].option || find_word(at + strlen(losers[i].command), losers[i].option)))
            return losers[i].why;
    at = line + strspn(line, " \t");
    if (!strncmp(at, "LD_PRELOAD=", 11))
        return "another LD_PRELOAD is set";
    return NULL;
}

/* It names the library, or what was preloaded before. */
static bool keeps(const char *line)
{
    return strstr(line, "libcprof.so") || strstr(line, "$LD_PRELOAD") || strstr(line, "${LD_PRELOAD");
}

/* What a line hands over to is what the script is for, and so is what the last line starts. */
static bool is_final(const char *line, const char *rest)
{
    if (find_word(line, "exec") || find_word(line, "LD_PRELOAD") || find_word(line, "LD_PRELOAD="))
        return true;
    for (rest += strspn(rest, " \t\r\n"); *rest == '#'; rest += strspn(rest, " \t\r\n"))
        rest += strcspn(rest, "\n");
    return !*rest;
}

/* The next word of a command, without quotes. Returns what is behind it; NULL: there is none that is plain to see. */
static const char *next_word(const char *at, char word[PATH_MAX])
{
    size_t length;

    at += strspn(at, " \t");
    at += *at == '"';
    length = strcspn(at, " \t\";&|<>");
    if (!length || length >= PATH_MAX || memchr(at, '$', length) || memchr(at, '`', length))
        return NULL;
    snprintf(word, PATH_MAX, "%.*s", (int)length, at);
    return at + length + (at[length] == '"');
}

/* The program of "exec PROGRAM args", or of "exec env NAME=VALUE PROGRAM args". */
static bool read_exec(const char *line, char name[PATH_MAX])
{
    const char *at = next_word(line, name);

    if (!at || strcmp(name, "exec") != 0)
        return false;
    at = next_word(at, name);
    if (at && !strcmp(name, "env"))
        while ((at = next_word(at, name)) && strchr(name, '='))
            ;
    return at && *name != '-' && !strchr(name, '=');
}

static void say_loss(struct examination *examination, enum finding_level level, unsigned number,
                     const char *why)
{
    findings_add(
        &examination->findings, level, examination->check,
        "%s, line %u: %s, so what it starts there is not profiled\n"
        "Set LD_PRELOAD and the CPROF_ variables behind that command (env -i LD_PRELOAD=.../libcprof.so "
        "CPROF_OUT=... program), or start cprof there",
        examination->script, number, why);
}

/* Returns whether the last line hands over to a program, whose name is in last, and nothing is lost before. */
static bool read_lines(struct examination *examination, char *text, char last[PATH_MAX])
{
    unsigned number = 1;
    bool hands_over = false, loses_it = false;

    for (char *line = text, *next; line; line = next, number++) {
        char *end = strchr(line, '\n');
        const char *start = line + strspn(line, " \t\r"), *why;
        next = end ? end + 1 : NULL;
        if (end)
            *end = 0;
        if (*start == '#' || !*start)
            continue;
        why = keeps(line) ? NULL : loses(line);
        if (why)
            say_loss(examination, is_final(line, next ? next : "") ? FINDING_STOPS : FINDING_MISSING, number,
                     why);
        loses_it |= why != NULL;
        hands_over = !loses_it && read_exec(line, last);
    }
    return hands_over;
}

static ssize_t read_script(const struct examination *examination, char text[SCRIPT_MOST + 1])
{
    int fd = examination->is_script ? examination_open(examination, examination->script) : -1;
    ssize_t size = fd >= 0 ? read(fd, text, SCRIPT_MOST) : 0;

    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = 0;
    return size;
}

void check_script(struct examination *examination)
{
    static char text[SCRIPT_MOST + 1];
    char script[PATH_MAX], last[PATH_MAX];
    ssize_t size;

    for (int depth = 0; depth < SCRIPTS_MOST && (size = read_script(examination, text)) > 0; depth++) {
        strcpy(script, examination->script);
        if (program_is_shell(examination) && strlen(text) == (size_t)size &&
            read_lines(examination, text, last) && program_hand_over(examination, last)) {
            FOUND(examination, NOTE, "the script %s hands over to %s, which is examined", script, last);
            continue;
        }
        FOUND(examination, NOTE,
              "%s is a script, so what is said here is of its interpreter %s\n"
              "Ask for what it starts as well: cprof doctor PROGRAM",
              script, examination->path);
        break;
    }
}
