/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/control/clients.h"
#include "uploader/control/request.h"
#include "uploader/encoding/utf8.h"
#include "uploader/handover/socket_name.h"

enum { ERROR = 256, USAGE = 2, FIND_MS = 3000, NAMED = 5, TEXT = 256 };

int link_open(const char *session)
{
    int fd = socket_name_connect(session);

    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd < 0 ? -1 : fd;
}

static void add(char *text, size_t *used, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add(char *text, size_t *used, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text + *used, CONTROL_REQUEST - *used, format, args);
    va_end(args);
    *used += length > 0 && (size_t)length < CONTROL_REQUEST - *used ? (size_t)length : 0;
}

int link_ask(int fd, const struct link_wanted *wanted)
{
    char text[CONTROL_REQUEST];
    size_t used = 0;
    ssize_t sent;

    add(text, &used, CONTROL_MAGIC "%d\ncommand watch\n", CONTROL_VERSION);
    for (int kind = 0; kind < KIND_IDS; kind++) {
        if (wanted->kinds >> kind & 1)
            add(text, &used, "type %s\n", profile_kinds[kind].name);
        if (wanted->whole >> kind & 1)
            add(text, &used, "whole %s\n", profile_kinds[kind].name);
    }
    if (wanted->with_states)
        add(text, &used, "states 1\n");
    if (wanted->past)
        add(text, &used, "past 1\n");
    if (wanted->program)
        add(text, &used, "program %s\n", wanted->program);
    if (wanted->pid)
        add(text, &used, "pid %d\n", wanted->pid);
    sent = send(fd, text, used, MSG_NOSIGNAL);
    return sent == (ssize_t)used ? 0 : sent < 0 ? -errno : -EPIPE;
}

int link_receive(int fd, struct frame *frame, char error[ERROR])
{
    static char message[CLIENT_MESSAGE + 1];

    for (;;) {
        ssize_t size = recv(fd, message, sizeof message, MSG_DONTWAIT);
        int rc;
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size && errno == EAGAIN ? 0 : -EPIPE;
        rc = frame_take(frame, message, (size_t)size, error);
        if (rc)
            return rc;
    }
}

int link_await(int fd, struct frame *frame, int64_t wait_ms, char error[ERROR])
{
    const int64_t until_ns = monotonic_ns() + wait_ms * MS_NS;
    struct pollfd ask = {.fd = fd, .events = POLLIN};

    for (;;) {
        int rc = link_receive(fd, frame, error);
        int64_t left_ms = (until_ns - monotonic_ns()) / MS_NS;
        if (rc)
            return rc;
        if (left_ms <= 0)
            return -ETIME;
        poll(&ask, 1, (int)left_ms);
    }
}

/* ---- Which session ---- */

/* Asks once. true: the session has what is wanted. text: which programs it has. */
static bool look(const char *session, const struct link_wanted *wanted, char text[TEXT])
{
    struct frame frame = {0};
    char error[ERROR] = "", name[64];
    int fd = link_open(session), rc = -1;
    size_t used = 0;

    *text = 0;
    if (fd >= 0 && !link_ask(fd, &(struct link_wanted){.program = wanted->program, .pid = wanted->pid}))
        rc = link_await(fd, &frame, FIND_MS, error);
    for (size_t i = 0; rc == 1 && i < frame.programs && i < NAMED; i++) {
        utf8_clean(name, sizeof name, frame.program[i].name, true);
        used += (size_t)snprintf(text + used, TEXT - used, "%s%s", i ? ", " : "", name);
    }
    if (rc == 1 && frame.programs > NAMED)
        snprintf(text + used, TEXT - used, ", and %zu more", frame.programs - NAMED);
    if (fd >= 0)
        close(fd);
    frame_free(&frame);
    return rc == 1;
}

static int choose(const char *command, char name[SESSIONS_MOST][SESSION_NAME], size_t count,
                  const struct link_wanted *wanted, char session[SESSION_NAME])
{
    static char text[SESSIONS_MOST][TEXT];
    bool has[SESSIONS_MOST];
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        has[i] = look(name[i], wanted, text[i]);
        if (has[i] && !found++)
            memcpy(session, name[i], SESSION_NAME);
    }
    if (found == 1 && (wanted->program || wanted->pid))
        return 0;
    if (!found && wanted->pid)
        fprintf(stderr, "cprof: %s: no session of yours has process %d\n", command, wanted->pid);
    else if (!found && wanted->program)
        fprintf(stderr, "cprof: %s: no session of yours has program %s\n", command, wanted->program);
    else
        fprintf(stderr, "cprof: %s: there are several sessions. Say which one:\n", command);
    for (size_t i = 0; i < count && found; i++)
        if (has[i])
            fprintf(stderr, "  --session=%s  %s\n", name[i], text[i]);
    return found ? USAGE : CLIENT_NOBODY;
}

int link_find(const char *command, const char *named, const struct link_wanted *wanted,
              char session[SESSION_NAME])
{
    static char name[SESSIONS_MOST][SESSION_NAME];
    const char *variable = getenv("CPROF_SOCKET");
    size_t count;
    int fd;

    if (!named && variable && *variable)
        named = variable;
    if (named) {
        snprintf(session, SESSION_NAME, "%s", named);
        fd = sessions_connect(session); /* says why it cannot */
        if (fd >= 0)
            close(fd);
        return fd < 0 ? CLIENT_FAILED : 0;
    }
    count = sessions_find(name);
    if (count > 1)
        return choose(command, name, count, wanted, session);
    if (count) {
        memcpy(session, name[0], SESSION_NAME);
        return 0;
    }
    fprintf(stderr,
            "cprof: %s: no session of yours runs here. Start one with cprof PROGRAM; one in another "
            "container is named "
            "by --session=SOCKET\n",
            command);
    return CLIENT_FAILED;
}
