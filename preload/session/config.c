/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "follow.h"
#include "sampler/base/sys.h"

struct config config;

/* Texts that are kept. If one does not fit, the uploader lacks some of its environment. */
static struct {
    char text[32768];
    size_t used;
} pool;

static char *keep(const char *head, const char *text)
{
    size_t size = strlen(head) + strlen(text) + 1;
    char *copy = pool.text + pool.used;
    if (size > sizeof pool.text - pool.used)
        return NULL;
    strcpy(stpcpy(copy, head), text);
    pool.used += size;
    return copy;
}

static void write_line(long fd, const char *const *words, unsigned count)
{
    struct iovec part[16] = {{(char *)"cprof: ", 7}};
    unsigned parts = 1;
    for (unsigned i = 0; i < count && parts < 15; i++)
        part[parts++] = (struct iovec){(char *)words[i], strlen(words[i])};
    part[parts++] = (struct iovec){(char *)"\n", 1};
    sys_call(SYS_writev, fd, part, parts);
}

void config_say(const char *const *words, unsigned count)
{
    write_line(STDERR_FILENO, words, count);
}

void config_log(const char *const *words, unsigned count)
{
    long fd = config.log ? sys_call(SYS_openat, AT_FDCWD, config.log,
                                    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644)
                         : -1;
    if (fd < 0)
        return;
    write_line(fd, words, count);
    sys_call(SYS_close, fd);
}

static void complain(const char *line, void *context)
{
    (void)context;
    config_say(&line, 1);
}

void config_complain(char *const *environment)
{
    struct settings settings;
    settings_read(&settings, environment, complain, NULL);
}

/*
 * The variables of the target that an uploader gets: settings, places, proxies and certificates. It does
 * not get others: LD_LIBRARY_PATH and the like lead to the target's libraries, LANG and LC_* change how
 * numbers are written, and MALLOC_CONF is meant for the target.
 */
static const char *const passed[] = {
    "CPROF_",       "PYROSCOPE_",      "OTEL_",
    "PATH=",        "HOME=",           "USER=",
    "TZ=",          "TMPDIR=",         "SSL_",
    "CURL_CA_",     "DEBUGINFOD_",     "http_proxy=",
    "https_proxy=", "HTTPS_PROXY=",    "XDG_CACHE_HOME=",
    "HTTP_PROXY=",  "REQUEST_METHOD=", "all_proxy=",
    "ALL_PROXY=",   "no_proxy=",       "NO_PROXY=",
};

static bool is_passed(const char *text)
{
    if (!strncmp(text, "CPROF_OUT=", 10) || !strncmp(text, "CPROF_ENABLED=", 14))
        return false; /* go along as below */
    for (unsigned i = 0; i < sizeof passed / sizeof passed[0]; i++)
        if (!strncmp(text, passed[i], strlen(passed[i])))
            return true;
    return false;
}

static void keep_environment(char *const *environment, const char *out)
{
    unsigned kept = 0;
    /* If the library is preloaded by /etc/ld.so.preload, it is in the uploader anyway, and so is whatever
       precedes it there. */
    config.environment[kept++] = (char *)"CPROF_ENABLED=0";
    if (*out)
        config.environment[kept++] = keep("CPROF_OUT=", out); /* as an absolute path */
    for (; environment && *environment && kept < CONFIG_ENVIRONMENT - 1; environment++) {
        char *copy = is_passed(*environment) ? keep("", *environment) : NULL;
        if (copy)
            config.environment[kept++] = copy;
    }
    config.environment[kept] = NULL;
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = 0;
}

static long read_link(const char *path, char file[PATH_MAX])
{
    long size = sys_call(SYS_readlinkat, AT_FDCWD, path, file, PATH_MAX - 1);
    file[size > 0 ? size : 0] = 0;
    return size;
}

/* A file without a name in any directory (memfd_create(), fexecve()) is called by the name that it was created with. */
static void cut_marks(char *file)
{
    static const char made[] = "/memfd:", gone[] = " (deleted)";
    size_t length = strlen(file);

    if (strncmp(file, made, strlen(made)) != 0)
        return;
    if (length > strlen(gone) && !strcmp(file + length - strlen(gone), gone))
        file[length - strlen(gone)] = 0;
    file[strlen(made) - 1] = '/';
}

/* The name that was executed, not the file behind it: Debian's redis-server is a link to redis-check-rdb. Unless that is a
   descriptor, which may be closed already, or /proc/self/exe, by which chromium and others start themselves again. */
static void read_program(char *program, size_t room)
{
    const char *path = (const char *)getauxval(AT_EXECFN), *name;
    char file[PATH_MAX];

    if (path && (!strncmp(path, "/proc/", 6) || !strncmp(path, "/dev/fd/", 8)) &&
        (read_link(path, file) > 0 || read_link("/proc/self/exe", file) > 0)) {
        cut_marks(file);
        path = file;
    }
    name = path ? strrchr(path, '/') : NULL;
    copy_text(program, room, name ? name + 1 : path ? path : "unknown");
}

/* What the user has set is kept, unless the budget was set, too. */
static uint32_t read_rates_given(const struct setting_value *value)
{
    static const struct {
        enum setting setting;
        enum profile_type profile;
    } rates[] = {{SETTING_CPU_HZ, PROFILE_CPU},
                 {SETTING_MEMORY_RATE, PROFILE_MEMORY},
                 {SETTING_MUTEX_FRACTION, PROFILE_MUTEX},
                 {SETTING_BLOCK_RATE, PROFILE_BLOCK},
                 {SETTING_WALL_HZ, PROFILE_WALL}};
    uint32_t given = 0;

    for (unsigned i = 0; i < sizeof rates / sizeof rates[0]; i++)
        if (value[rates[i].setting].variable && !value[SETTING_MAX_OVERHEAD].variable)
            given |= 1u << rates[i].profile;
    return given;
}

static bool file_is_there(const char *path)
{
    return *path && !sys_call(SYS_faccessat, AT_FDCWD, path, F_OK);
}

static bool is_chosen(const struct settings *settings)
{
    char program[sizeof config.process.program];
    struct utsname host = {.nodename = ""};

    if (settings->value[SETTING_FRACTION].number == FRACTION_ONE)
        return true;
    read_program(program, sizeof program);
    sys_call(SYS_uname, &host);
    return settings_are_chosen(settings, host.nodename, program);
}

static void read_process_settings(const struct settings *settings)
{
    struct process_settings *to = &config.process;
    const struct setting_value *value = settings->value;

    to->profiles = (uint32_t)value[SETTING_PROFILES].number;
    to->cpu_hz = (uint32_t)value[SETTING_CPU_HZ].number;
    to->memory_rate = value[SETTING_MEMORY_RATE].number;
    to->mutex_fraction = value[SETTING_MUTEX_FRACTION].number;
    to->block_rate_ns = value[SETTING_BLOCK_RATE].number;
    to->budget_ppm = (uint32_t)value[SETTING_MAX_OVERHEAD].number;
    to->rates_given = read_rates_given(value);
    to->start_delay_ns = value[SETTING_START_DELAY].number;
    to->duration_ns = value[SETTING_DURATION].number;
    to->starts_paused = *value[SETTING_SCHEDULE].text || file_is_there(value[SETTING_KILL_SWITCH].text);
    copy_text(to->name, sizeof to->name, value[SETTING_NAME].text);
    copy_text(to->labels, sizeof to->labels, value[SETTING_LABELS].text);
    read_program(to->program, sizeof to->program);
}

/* The directory part of the library's path, made absolute. */
static void read_library(const char *path, const char *directory)
{
    char full[2 * PATH_MAX];
    const char *end = strrchr(path, '/');
    size_t used = 0, length = end ? (size_t)(end - path) : 0;

    if (*path != '/') {
        used = strlen(directory);
        memcpy(full, directory, used);
        full[used++] = '/';
    }
    if (length >= PATH_MAX)
        length = 0;
    memcpy(full + used, path, length);
    full[used + length] = 0;
    config.library = keep("", full);
}

void config_read(char *const *environment, const char *library_path)
{
    struct settings settings;
    char directory[PATH_MAX] = "", out[PATH_MAX];

    settings_read(&settings, environment, NULL, NULL);
    config.enabled = settings.value[SETTING_ENABLED].number && is_chosen(&settings);
    if (!config.enabled)
        return;
    if (sys_call(SYS_getcwd, directory, sizeof directory) < 0 || *directory != '/')
        strcpy(directory, "/"); /* removed, or outside of our root */
    config.uid = (unsigned)sys_call(SYS_geteuid);
    config.may_start = !*settings.value[SETTING_SOCKET].text;
    settings_socket_name(&settings, config.uid, directory, config.socket);
    config.secrets = config.may_start ? settings_secrets(&settings) : 0;
    if (settings_out(&settings, directory, out, sizeof out))
        *out = 0;
    if (*settings.value[SETTING_UPLOADER].text)
        config.uploader = keep("", settings.value[SETTING_UPLOADER].text);
    if (*settings.value[SETTING_LOG].text)
        config.log = keep("", settings.value[SETTING_LOG].text);
    read_library(library_path, directory);
    read_process_settings(&settings);
    keep_environment(environment, out);
    if (!settings.value[SETTING_FOLLOW].number)
        follow_nobody((char **)environment, library_path);
}
