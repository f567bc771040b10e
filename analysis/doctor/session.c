/* SPDX-License-Identifier: Apache-2.0 */
/* The session of a process: has it joined one, what is recorded, and what is lost. Asked as `cprof ctl` asks. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checks.h"
#include "uploader/control/clients.h"
#include "uploader/control/request.h"
#include "uploader/handover/sessions.h"
#include "uploader/handover/socket_name.h"

enum { SILENCE_MS = 5000, ANSWER_MOST = 1 << 20 };

/* The whole answer, malloc'ed; NULL: there is none. */
static char *ask(const char *session, const char *command)
{
    int fd = socket_name_connect(session);
    char request[128], *answer = malloc(ANSWER_MOST + 1);
    int length =
        snprintf(request, sizeof request, CONTROL_MAGIC "%d\ncommand %s\njson 1\n", CONTROL_VERSION, command);
    size_t used = 0;
    bool whole = false;

    if (fd >= 0 && answer && send(fd, request, (size_t)length, MSG_NOSIGNAL) == length) {
        static char message[CLIENT_MESSAGE + 1];
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t size;
        while (!whole && poll(&wait, 1, SILENCE_MS) == 1 &&
               (size = recv(fd, message, sizeof message, 0)) > 0) {
            whole = *message == '=';
            if (*message != '1' || (size_t)size > ANSWER_MOST - used)
                continue;
            memcpy(answer + used, message + 1, (size_t)size - 1);
            used += (size_t)size - 1;
        }
    }
    if (fd >= 0)
        close(fd);
    if (whole) {
        answer[used] = 0;
        return answer;
    }
    free(answer);
    return NULL;
}

/* The object of this process in {"processes":[{"pid":1,...},...]}; NULL: it is not there. It is ended by a NUL. */
static char *find_process(char *list, int pid, int own_pid)
{
    char by_pid[32], by_own[32], *end;

    snprintf(by_pid, sizeof by_pid, "{\"pid\":%d,", pid);
    snprintf(by_own, sizeof by_own, ",\"own_pid\":%d,\"program\":", own_pid);
    for (char *at = strstr(list, "{\"pid\":"); at; at = strstr(at + 1, "{\"pid\":")) {
        const char *own = strstr(at, by_own), *next = strstr(at + 1, "{\"pid\":");
        if (strncmp(at, by_pid, strlen(by_pid)) != 0 && (!own || (next && own > next)))
            continue;
        end = strstr(at + 1, ",{\"pid\":");
        if (end)
            *end = 0;
        return at;
    }
    return NULL;
}

static long long number_in(const char *object, const char *key)
{
    const char *at = strstr(object, key);
    return at ? atoll(at + strlen(key)) : 0;
}

static void copy_text(const char *object, const char *key, char *text, size_t size)
{
    const char *at = strstr(object, key);

    text[0] = 0;
    if (at)
        snprintf(text, size, "%.*s", (int)strcspn(at + strlen(key), "\""), at + strlen(key));
}

/* --- findings --- */

/* Which types of the settings are not recorded now. */
static void say_types(struct examination *examination, const char *object)
{
    const char *types = strstr(object, "\"profiles\":[");
    uint64_t wanted = examination->options.settings.value[SETTING_PROFILES].number;
    char missing[160] = "", quoted[32];
    size_t length = types ? strcspn(types, "]") : 0;

    if (!types)
        return;
    for (int type = 0; type < PROFILES; type++) {
        const char *found;
        snprintf(quoted, sizeof quoted, "\"%s\"", control_types[type]);
        found = strstr(types, quoted);
        if ((!found || found > types + length) && wanted >> type & 1)
            snprintf(missing + strlen(missing), sizeof missing - strlen(missing), "%s%s",
                     *missing ? ", " : "", control_types[type]);
    }
    if (*missing)
        FOUND(examination, MISSING,
              "of process %d these types are not recorded at present: %s\n"
              "cprof ctl status says what was switched; cprof ctl reset takes it back. CPROF_START_DELAY and "
              "CPROF_DURATION "
              "say when they are",
              (int)examination->process.pid, missing);
}

static void say_gate(struct examination *examination, const char *status)
{
    char recording[64], text[PATH_MAX];

    copy_text(status, "\"recording\":\"", recording, sizeof recording);
    if (strstr(recording, "kill switch")) {
        copy_text(status, "\"kill_switch\":\"", text, sizeof text);
        FOUND(examination, STOPS, "the kill switch %s exists, so nothing is recorded\nRemove the file", text);
    } else if (strstr(recording, "schedule")) {
        copy_text(status, "\"schedule\":\"", text, sizeof text);
        FOUND(examination, MISSING,
              "by the schedule %s nothing is recorded at present\nWait, or say cprof ctl on all", text);
    }
}

static void say_losses(struct examination *examination, const char *object, const char *status)
{
    long long lost = number_in(object, "\"lost\":"), waiting = number_in(status, "\"waiting_uploads\":");

    if (lost > 0)
        FOUND(examination, MISSING,
              "%lld samples of process %d were lost\ncprof ctl list has the figure, the comments of the "
              "profiles the reasons; lower CPROF_CPU_HZ, or raise CPROF_MEMORY_RATE",
              lost, (int)examination->process.pid);
    if (waiting > 8)
        FOUND(examination, MISSING, "%lld uploads wait for the server\ncprof.log or CPROF_LOG says why",
              waiting);
    if (strstr(status, "\"out\":\"/"))
        copy_text(status, "\"out\":\"", examination->options.out, sizeof examination->options.out);
}

static uid_t owner_of(const char *session)
{
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    int fd = socket_name_connect(session);

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
        peer.uid = (uid_t)-1;
    if (fd >= 0)
        close(fd);
    return peer.uid;
}

/* A forked child joins with its first sample, and its parent has joined. */
static bool is_waiting_child(const struct process *process, char *list)
{
    struct process parent = {.pid = process->parent};

    if (!list || process->has_segment || process->parent <= 1)
        return false;
    process_read_status(&parent);
    return find_process(list, parent.pid, parent.own_pid) != NULL;
}

/* true: it has the process, or will have it. */
static bool ask_session(struct examination *examination, const char *session)
{
    struct process *process = &examination->process;
    char *list = ask(session, "list"), *status, *object;

    /* A process that has executed another program may still be in the list as the one before. */
    object = list && process->has_segment ? find_process(list, process->pid, process->own_pid) : NULL;
    process->is_child = !object && is_waiting_child(process, list);
    if (process->is_child)
        process->is_joined = true;
    if (object) {
        process->is_joined = true;
        process->session_uid = owner_of(session);
        process->uploader = process->own_pid == process->pid ? (pid_t)number_in(list, "\"uploader\":") : 0;
        status = ask(session, "status");
        if (status) {
            say_gate(examination, status);
            say_losses(examination, object, status);
        }
        if (!status || strstr(status, "\"recording\":\"on\""))
            say_types(examination, object);
        free(status);
    }
    free(list);
    return process->is_joined;
}

static void ask_sessions(struct examination *examination)
{
    static char name[SESSIONS_MOST][SESSION_NAME];
    const char *socket = examination->options.settings.value[SETTING_SOCKET].text;
    char path[PATH_MAX + 16];
    size_t count;

    if (*socket && *socket != '@') {
        snprintf(path, sizeof path, "/proc/%d/root%s", (int)examination->process.pid, socket);
        if (strlen(path) < SESSION_NAME && ask_session(examination, path))
            return;
        if (ask_session(examination, socket))
            return;
    }
    count = sessions_find(name);
    for (size_t i = 0; i < count; i++)
        if (ask_session(examination, name[i]))
            return;
}

static bool is_left_out(const struct examination *examination)
{
    const struct settings *settings = &examination->options.settings;
    const char *slash = strrchr(examination->found, '/');
    char host[256] = "";

    gethostname(host, sizeof host - 1);
    return !settings_are_chosen(settings, host, slash ? slash + 1 : examination->found);
}

/* The library is there, and no session has the process. */
static void say_not_joined(struct examination *examination)
{
    const struct process *process = &examination->process;
    const struct setting_value *value = examination->options.settings.value;
    int pid = (int)process->pid;

    if (!value[SETTING_ENABLED].number)
        FOUND(examination, STOPS, "process %d has %s=%s, so the library does nothing in it\nUnset it", pid,
              value[SETTING_ENABLED].variable, value[SETTING_ENABLED].text);
    else if (is_left_out(examination))
        FOUND(examination, STOPS,
              "this host and service are not among CPROF_FRACTION=%s, so process %d is not profiled\n"
              "Set CPROF_FRACTION=1, or another CPROF_NAME",
              value[SETTING_FRACTION].text, pid);
    else if (process->seccomp)
        FOUND(examination, STOPS,
              "process %d has inherited a seccomp filter, which may kill it for what a profiler calls, so "
              "it is not profiled\nSet CPROF_SECCOMP=1 if the filter is known to return errors instead (in a "
              "systemd unit: "
              "SystemCallErrorNumber=EPERM)",
              pid);
    else if (*value[SETTING_SOCKET].text)
        FOUND(examination, STOPS,
              "no session has process %d, and CPROF_SOCKET=%s says that it does not start one\n"
              "Start cprof-uploader serve there before it, or unset CPROF_SOCKET",
              pid, value[SETTING_SOCKET].text);
    else if (process->usage.size_limit < sizeof(struct segment))
        FOUND(examination, STOPS,
              "process %d may not make files of %zu bytes (ulimit -f), so it has no memory to share with "
              "an uploader\nRaise the limit (LimitFSIZE=infinity)",
              pid, sizeof(struct segment));
    else if (process->uid != geteuid() && geteuid())
        FOUND(examination, NOTE,
              "process %d is of user %u, whose sessions user %u may not ask\nAsk as that user or as root",
              pid, (unsigned)process->uid, (unsigned)geteuid());
    else
        FOUND(
            examination, STOPS,
            "libcprof.so is loaded into process %d, and no session of this machine has it: its uploader "
            "could not start or has ended, or the process has forked and computes too little to join again\n"
            "Its stderr, cprof.log in CPROF_OUT and CPROF_LOG say why",
            pid);
}

void check_joined(struct examination *examination)
{
    struct process *process = &examination->process;

    if (!process->has_library)
        return;
    ask_sessions(examination);
    if (process->is_child)
        FOUND(
            examination, NOTE,
            "process %d is a child of %d, which is profiled, and has computed nothing yet: it joins with its "
            "first sample",
            (int)process->pid, (int)process->parent);
    else if (!process->is_joined && process->network_is_closed)
        FOUND(examination, NOTE,
              "process %d is in another network namespace, whose sessions cannot be asked from here\n"
              "Ask as root, or run cprof doctor inside of the container",
              (int)process->pid);
    else if (!process->is_joined)
        say_not_joined(examination);
}

/* A service that programs are told to join. */
void check_socket(struct examination *examination)
{
    const char *socket = examination->options.settings.value[SETTING_SOCKET].text;
    int fd;

    if (!*socket || examination->process.pid)
        return;
    fd = socket_name_connect(socket);
    if (fd >= 0)
        close(fd);
    else if (fd == -EACCES || fd == -EPERM)
        FOUND(examination, STOPS,
              "CPROF_SOCKET=%s may not be connected to by user %u\nRun the service as this user, or give "
              "its socket a mode that lets it write",
              socket, (unsigned)geteuid());
    else
        FOUND(examination, STOPS,
              "no uploader answers at CPROF_SOCKET=%s: %s\nStart cprof-uploader serve --socket=%s first, or "
              "unset the variable",
              socket, strerror(-fd), socket);
}
