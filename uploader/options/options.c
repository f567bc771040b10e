/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Options that are no settings. They make sense on one command line only. */
enum extra {
    EXTRA_SEGMENT_FD,
    EXTRA_LISTEN_FD,
    EXTRA_KEEPER_FD,
    EXTRA_PID,
    EXTRA_LIBRARY,
    EXTRA_PRELOADED,
    EXTRA_QUIET,
    EXTRA_CHECK,
    EXTRA_HELP,
    EXTRA_VERSION,
    EXTRAS
};
static const struct {
    const char *name;
    bool has_value; /* else it is a switch */
} extras[EXTRAS] = {
    [EXTRA_SEGMENT_FD] = {"segment-fd", true},
    [EXTRA_LISTEN_FD] = {"listen-fd", true},
    [EXTRA_KEEPER_FD] = {"keeper-fd", true},
    [EXTRA_PID] = {"pid", true},
    [EXTRA_LIBRARY] = {"library", true},
    [EXTRA_PRELOADED] = {"preloaded", true},
    [EXTRA_QUIET] = {"quiet", false},
    [EXTRA_CHECK] = {"check", false},
    [EXTRA_HELP] = {"help", false},
    [EXTRA_VERSION] = {"version", false},
};

/* The setting's name as an option: CPU_HZ is cpu-hz. */
static void option_name(const struct setting_row *row, char name[32])
{
    size_t i;
    for (i = 0; i < 31 && row->id[i]; i++)
        name[i] = row->id[i] == '_' ? '-' : (char)tolower((unsigned char)row->id[i]);
    name[i] = 0;
}

static int setting_find(const char *name, size_t length)
{
    for (int i = 0; i < SETTINGS; i++) {
        char option[32];
        option_name(&setting_rows[i], option);
        if (strlen(option) == length && !memcmp(option, name, length))
            return i;
    }
    return -ENOENT;
}

static int extra_find(const char *name, size_t length)
{
    for (int i = 0; i < EXTRAS; i++)
        if (strlen(extras[i].name) == length && !memcmp(extras[i].name, name, length))
            return i;
    return -ENOENT;
}

static int parse_number(const char *option, const char *value, int *number)
{
    char *end;
    long parsed = strtol(value, &end, 10);
    if (end == value || *end || parsed < 0 || parsed > INT_MAX) {
        fprintf(stderr, "cprof: --%s=%s is not a number\n", option, value);
        return -EINVAL;
    }
    *number = (int)parsed;
    return 0;
}

static int extra_apply(struct options *options, enum extra extra, const char *value)
{
    switch (extra) {
    case EXTRA_SEGMENT_FD:
        return parse_number(extras[extra].name, value ? value : "", &options->segment_fd);
    case EXTRA_LISTEN_FD:
        return parse_number(extras[extra].name, value ? value : "", &options->listen_fd);
    case EXTRA_KEEPER_FD:
        return parse_number(extras[extra].name, value ? value : "", &options->keeper_fd);
    case EXTRA_PID:
        return parse_number(extras[extra].name, value ? value : "", &options->segment_pid);
    case EXTRA_LIBRARY:
        options->library = value;
        return 0;
    case EXTRA_PRELOADED:
        options->preloaded = value;
        return 0;
    case EXTRA_QUIET:
        options->quiet = true;
        return 0;
    case EXTRA_CHECK:
        options->check = true;
        return 0;
    case EXTRA_HELP:
        options->help = true;
        return 0;
    case EXTRA_VERSION:
        options->version = true;
        return 0;
    case EXTRAS:
        break;
    }
    return -EINVAL;
}

/* Reads the option at argv[*at]. If its value is an argument of its own, *at is moved on to that. */
/* Every user can read our command line. */
static void hide(char *value)
{
    memset(value, '*', strlen(value));
}

static bool is_secret(int setting, const char *value)
{
    return setting_rows[setting].side == SIDE_SECRET ||
           (setting_is_url((enum setting)setting) && strpbrk(value, "@?"));
}

static int option_apply(struct options *options, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    char *value = strchr(name, '=');
    static char flag[] = "1";
    size_t length = value ? (size_t)(value - name) : strlen(name);
    int rc, setting = setting_find(name, length), extra = extra_find(name, length);

    if (setting < 0 && extra < 0) {
        fprintf(stderr, "cprof: unknown option --%.*s (--help lists them)\n", (int)length, name);
        return -EINVAL;
    }
    if (value)
        value++;
    else if (setting >= 0 && setting_rows[setting].type == TYPE_FLAG)
        value = flag;
    else if ((setting >= 0 || extras[extra].has_value) && *at + 1 < argc)
        value = argv[++*at];
    else if (setting >= 0 || extras[extra].has_value) {
        fprintf(stderr, "cprof: option --%s needs a value\n", name);
        return -EINVAL;
    }
    if (setting < 0)
        return extra_apply(options, (enum extra)extra, value);
    rc = setenv(setting_rows[setting].variable, value, 1) ? -errno : 0;
    if (is_secret(setting, value))
        hide(value);
    return rc;
}

static void complain(const char *line, void *context)
{
    const struct options *options = context;
    if (options->foreground)
        fprintf(stderr, "cprof: %s\n", line);
}

/* We leave the working directory, from which the setting counts. */
static int resolve_kill_switch(struct options *options, const char *directory)
{
    const char *path = options->settings.value[SETTING_KILL_SWITCH].text;
    int length = snprintf(options->kill_switch, sizeof options->kill_switch, "%s%s%s",
                          *path && *path != '/' ? directory : "", *path && *path != '/' ? "/" : "", path);

    if (length >= 0 && (size_t)length < sizeof options->kill_switch)
        return 0;
    fprintf(stderr, "cprof: the path of the kill switch is too long\n");
    return -ENAMETOOLONG;
}

static int settings_apply(struct options *options, settings_complain *complaint)
{
    char directory[PATH_MAX];
    int rc;

    settings_read(&options->settings, environ, complaint, options);
    if (!getcwd(directory, sizeof directory))
        strcpy(directory, "/");
    rc = settings_out(&options->settings, directory, options->out, sizeof options->out);
    if (rc) {
        fprintf(stderr, "cprof: the path of the output directory is too long\n");
        return rc;
    }
    if (strlen(options->settings.value[SETTING_SOCKET].text) >= sizeof options->socket) {
        fprintf(stderr, "cprof: the socket's name is longer than %zu bytes\n", sizeof options->socket - 1);
        return -ENAMETOOLONG;
    }
    rc = resolve_kill_switch(options, directory);
    if (rc)
        return rc;
    settings_socket_name(&options->settings, geteuid(), directory, options->socket);
    options->secrets = settings_secrets(&options->settings);
    return 0;
}

int options_parse(struct options *options, int argc, char **argv)
{
    int i, rc;

    options->segment_fd = options->listen_fd = options->keeper_fd = -1;
    for (i = 1; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--")) {
            i++;
            break;
        }
        if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "-V")) {
            options->help |= argv[i][1] == 'h';
            options->version |= argv[i][1] == 'V';
            continue;
        }
        if (argv[i][1] != '-') {
            fprintf(stderr, "cprof: unknown option %s (--help lists them)\n", argv[i]);
            return -EINVAL;
        }
        rc = option_apply(options, argc, argv, &i);
        if (rc)
            return -EINVAL;
    }
    return settings_apply(options, complain) ? -EINVAL : i;
}

void options_export(struct options *options)
{
    char text[sizeof options->out];
    for (int i = 0; i < SETTINGS; i++)
        if (setting_rows[i].type != TYPE_TEXT && options->settings.value[i].variable)
            setenv(setting_rows[i].variable, options->settings.value[i].text, 1);
        else if (setting_rows[i].type != TYPE_TEXT)
            /* The uploader has complained of a wrong value. The library must not complain again. */
            unsetenv(setting_rows[i].variable);
    setenv(setting_rows[SETTING_SOCKET].variable, options->socket, 1);
    strcpy(text, options->out);
    if (*text)
        setenv(setting_rows[SETTING_OUT].variable, text, 1);
    settings_apply(options, NULL);
}

/* prefix: what stands before the path. */
static void stay_behind(enum setting setting, const char *prefix, const char *value)
{
    char directory[PATH_MAX], *path;

    if (!*value || *value == '/' || !getcwd(directory, sizeof directory) ||
        asprintf(&path, "%s%s/%s", prefix, directory, value) < 0)
        return;
    setenv(setting_rows[setting].variable, path, 1);
    free(path);
}

static void stay_at(enum setting setting, const char *value)
{
    stay_behind(setting, "", value);
}

void options_stay(const struct options *options)
{
    const char *listen = options->settings.value[SETTING_LISTEN].text;

    setenv(setting_rows[SETTING_SOCKET].variable, options->socket, 1);
    if (*options->out)
        setenv(setting_rows[SETTING_OUT].variable, options->out, 1);
    stay_at(SETTING_LOG, options->settings.value[SETTING_LOG].text);
    stay_at(SETTING_SPOOL, options->settings.value[SETTING_SPOOL].text);
    stay_at(SETTING_KILL_SWITCH, options->settings.value[SETTING_KILL_SWITCH].text);
    stay_at(SETTING_LISTEN_CERT, options->settings.value[SETTING_LISTEN_CERT].text);
    stay_at(SETTING_LISTEN_KEY, options->settings.value[SETTING_LISTEN_KEY].text);
    if (!strncmp(listen, "unix:", 5))
        stay_behind(SETTING_LISTEN, "unix:", listen + 5);
}

static const char *const placeholders[] = {
    [TYPE_TEXT] = "TEXT",      [TYPE_FLAG] = "0|1",        [TYPE_COUNT] = "N",
    [TYPE_SIZE] = "SIZE",      [TYPE_TIME] = "TIME",       [TYPE_PROFILES] = "LIST",
    [TYPE_KEEP] = "TIME,SIZE", [TYPE_PERCENT] = "PERCENT", [TYPE_FRACTION] = "0..1",
};

void options_print_help(FILE *file, uint64_t hidden)
{
    for (int i = 0; i < SETTINGS; i++) {
        const struct setting_row *row = &setting_rows[i];
        char name[32], option[64];
        if (hidden >> i & 1)
            continue;
        option_name(row, name);
        snprintf(option, sizeof option, "--%s=%s", name, placeholders[row->type]);
        fprintf(file, "  %-24s %s%s%s%s [%s]\n", option, row->help, *row->fallback ? " (" : "", row->fallback,
                *row->fallback ? ")" : "", row->variable);
    }
}
