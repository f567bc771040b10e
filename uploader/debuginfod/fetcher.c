/* SPDX-License-Identifier: Apache-2.0 */
#include "fetcher.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILE_MOST = 512 << 20, CPU_SECONDS = 600, NICER = 10 };
static const char library[] = "libdebuginfod.so.1";

/* Of elfutils' client. It is loaded at run time, because most sessions never need it. */
struct client {
    void *(*begin)(void);
    int (*find_debuginfo)(void *handle, const unsigned char *id, int size, char **path);
    void (*set_progressfn)(void *handle, int (*progress)(void *handle, long a, long b));
    void *handle;
};

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

/* Called once a second at least. */
static int is_stopped(void *handle, long a, long b)
{
    (void)handle;
    (void)a;
    (void)b;
    return stopped;
}

static bool client_open(struct client *client)
{
    void *file = dlopen(library, RTLD_NOW | RTLD_LOCAL);

    if (!file)
        return false;
    client->begin = (void *(*)(void))dlsym(file, "debuginfod_begin");
    client->find_debuginfo =
        (int (*)(void *, const unsigned char *, int, char **))dlsym(file, "debuginfod_find_debuginfo");
    client->set_progressfn =
        (void (*)(void *, int (*)(void *, long, long)))dlsym(file, "debuginfod_set_progressfn");
    if (!client->begin || !client->find_debuginfo || !client->set_progressfn)
        return false;
    client->handle = client->begin();
    if (client->handle)
        client->set_progressfn(client->handle, is_stopped);
    return client->handle != NULL;
}

/* By the client's own rule, so that the path is known. */
static void cache_choose(char path[PATH_MAX])
{
    const char *given = getenv("DEBUGINFOD_CACHE_PATH"), *caches = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    const struct passwd *user = home ? NULL : getpwuid(geteuid());

    if (!home)
        home = user && user->pw_dir ? user->pw_dir : "/";
    if (given && *given) {
        snprintf(path, PATH_MAX, "%s", given);
        return;
    }
    snprintf(path, PATH_MAX, "%s/.debuginfod_client_cache", home);
    if (access(path, F_OK) == 0)
        return;
    if (caches && *caches) {
        mkdir(caches, 0700);
        snprintf(path, PATH_MAX, "%s/debuginfod_client", caches);
        return;
    }
    snprintf(path, PATH_MAX, "%s/.cache", home);
    mkdir(path, 0700);
    snprintf(path, PATH_MAX, "%s/.cache/debuginfod_client", home);
}

/* 0 or negative errno: the client would say that the file does not exist. */
static int cache_check(const char *path)
{
    if (mkdir(path, 0700) && errno != EEXIST)
        return -errno;
    return access(path, W_OK | X_OK) ? -errno : 0;
}

/* What the client calls a miss is an empty file, which counts for ten minutes. A transfer that was stopped is none. */
static void forget_miss(const char *cache, const struct fetch_request *request)
{
    char path[PATH_MAX + 2 * FETCH_ID_BYTES + 16];
    struct stat st;
    int at = snprintf(path, sizeof path, "%s/", cache);

    for (uint32_t i = 0; i < request->size; i++)
        at += snprintf(path + at, sizeof path - (size_t)at, "%02x", request->id[i]);
    snprintf(path + at, sizeof path - (size_t)at, "/debuginfo");
    if (!stat(path, &st) && !st.st_size)
        unlink(path);
}

static void set_default(const char *name, unsigned value)
{
    char text[24];

    snprintf(text, sizeof text, "%u", value);
    setenv(name, text, 0);
}

static void set_limits(void)
{
    const char *size = getenv("DEBUGINFOD_MAXSIZE");
    const unsigned long most = size ? strtoul(size, NULL, 10) : 0;
    struct rlimit limit = {.rlim_cur = CPU_SECONDS, .rlim_max = CPU_SECONDS};

    setrlimit(RLIMIT_CPU, &limit);
    /* The client believes the size that the server announces. This is for servers that announce none. */
    limit.rlim_cur = limit.rlim_max = most ? most : FILE_MOST;
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
    set_default("DEBUGINFOD_MAXSIZE", FILE_MOST);
    set_default("DEBUGINFOD_MAXTIME", FETCH_SECONDS);
    unsetenv("DEBUGINFOD_PROGRESS");
    unsetenv("DEBUGINFOD_VERBOSE");
    setpriority(PRIO_PROCESS, 0, NICER);
}

/* Signals as in a new program, and no descriptor but the socket, which is number 3. */
static void begin(int socket)
{
    struct sigaction action = {.sa_handler = stop};
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "cprof-fetcher");
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGTERM, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(socket, 3) != 3)
        _exit(1);
    if (syscall(SYS_close_range, 4, ~0u, 0)) /* before 5.9 they stay open until it ends */
        fcntl(socket, F_SETFD, FD_CLOEXEC);
}

static void serve(struct client *client, const char *cache, const struct fetch_request *request,
                  struct fetch_answer *answer)
{
    char *path = NULL;
    int fd;

    answer->error = cache_check(cache);
    snprintf(answer->text, sizeof answer->text, "%s", cache);
    if (answer->error || request->size > FETCH_ID_BYTES)
        return;
    fd = client->find_debuginfo(client->handle, request->id, (int)request->size, &path);
    if (stopped)
        forget_miss(cache, request);
    answer->error = fd < 0 ? fd : 0;
    snprintf(answer->text, sizeof answer->text, "%s", path ? path : "");
    free(path);
    if (fd >= 0)
        close(fd);
}

void fetcher_serve(int socket)
{
    static struct fetch_answer answer;
    struct fetch_request request;
    struct client client = {0};
    char cache[PATH_MAX];
    bool has_client;

    begin(socket);
    set_limits();
    cache_choose(cache);
    setenv("DEBUGINFOD_CACHE_PATH", cache, 1);
    has_client = client_open(&client);
    while (!stopped && recv(3, &request, sizeof request, 0) == (ssize_t)sizeof request) {
        memset(&answer, 0, sizeof answer);
        if (has_client) {
            serve(&client, cache, &request, &answer);
        } else {
            answer.error = -ENOSYS;
            snprintf(answer.text, sizeof answer.text, "%s", library);
        }
        if (send(3, &answer, sizeof answer, MSG_NOSIGNAL) != (ssize_t)sizeof answer)
            break;
    }
    _exit(0);
}
