/* SPDX-License-Identifier: Apache-2.0 */
#include "debuginfod.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/options/log.h"

enum {
    FILES_MOST = 256,  /* asked for in a session */
    FAILURES_MOST = 3, /* one after the other: then the server is not asked any more */
    SECONDS_MORE = 30, /* than the client may take: then the child is killed */
    STOP_MS = 1500,    /* for the child to end and to remove what it has written */
    STOP_STEP_MS = 20,
};
#define BYTES_MOST (UINT64_C(2) << 30)

struct debuginfod {
    struct fetch_request request[FILES_MOST];
    unsigned first, count; /* of request: those up to first are answered */
    bool under_way;        /* request[first] was sent */
    int64_t since_ns;
    pid_t child; /* 0: there is none */
    int socket;
    unsigned failures;
    uint64_t bytes;
    bool off;
};

struct debuginfod *debuginfod_new(void)
{
    const char *urls = getenv("DEBUGINFOD_URLS");

    return urls && urls[strspn(urls, " ")] ? calloc(1, sizeof(struct debuginfod)) : NULL;
}

static bool child_start(struct debuginfod *debuginfod)
{
    int pair[2];

    if (debuginfod->child)
        return true;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return false;
    debuginfod->child = fork();
    if (!debuginfod->child)
        fetcher_serve(pair[1]);
    close(pair[1]);
    debuginfod->socket = pair[0];
    if (debuginfod->child > 0)
        return true;
    close(pair[0]);
    debuginfod->child = 0;
    return false;
}

static bool has_ended(pid_t child)
{
    return waitpid(child, NULL, WNOHANG) != 0;
}

/* at_once: it does not react, or is dead. */
static void child_stop(struct debuginfod *debuginfod, bool at_once)
{
    if (!debuginfod->child)
        return;
    close(debuginfod->socket);
    kill(debuginfod->child, at_once ? SIGKILL : SIGTERM);
    for (int ms = 0; !at_once && ms < STOP_MS; ms += STOP_STEP_MS) {
        if (has_ended(debuginfod->child)) {
            debuginfod->child = 0;
            return;
        }
        poll(NULL, 0, STOP_STEP_MS);
    }
    kill(debuginfod->child, SIGKILL);
    waitpid(debuginfod->child, NULL, 0);
    debuginfod->child = 0;
}

void debuginfod_free(struct debuginfod *debuginfod)
{
    if (!debuginfod)
        return;
    child_stop(debuginfod, false);
    free(debuginfod);
}

/* Nothing is fetched any more. */
static void switch_off(struct debuginfod *debuginfod)
{
    debuginfod->off = true;
    debuginfod->count = debuginfod->first;
    debuginfod->under_way = false;
    child_stop(debuginfod, false);
}

bool debuginfod_ask(struct debuginfod *debuginfod, const uint8_t *id, size_t size)
{
    struct fetch_request *request = &debuginfod->request[debuginfod->count];

    if (debuginfod->off || debuginfod->count == FILES_MOST || size > sizeof request->id)
        return false;
    debuginfod->count++;
    request->size = (uint32_t)size;
    memcpy(request->id, id, size);
    return true;
}

static void send_next(struct debuginfod *debuginfod)
{
    if (debuginfod->under_way || debuginfod->first == debuginfod->count)
        return;
    if (!child_start(debuginfod) ||
        send(debuginfod->socket, &debuginfod->request[debuginfod->first], sizeof debuginfod->request[0],
             MSG_NOSIGNAL) != (ssize_t)sizeof debuginfod->request[0]) {
        log_warn("debug files cannot be fetched: no process for it");
        switch_off(debuginfod);
        return;
    }
    debuginfod->under_way = true;
    debuginfod->since_ns = monotonic_ns();
}

static int64_t patience_ns(void)
{
    const char *given = getenv("DEBUGINFOD_MAXTIME");
    const long seconds = given ? strtol(given, NULL, 10) : 0;

    return ((seconds > 0 && seconds < FETCH_SECONDS ? seconds : FETCH_SECONDS) + SECONDS_MORE) * SECOND_NS;
}

/* false: there is no answer yet. */
static bool receive(struct debuginfod *debuginfod, struct fetch_answer *answer)
{
    const ssize_t got = recv(debuginfod->socket, answer, sizeof *answer, MSG_DONTWAIT);

    if (got == (ssize_t)sizeof *answer) {
        answer->text[sizeof answer->text - 1] = '\0';
        return true;
    }
    if (got < 0 && errno == EAGAIN && monotonic_ns() - debuginfod->since_ns < patience_ns())
        return false;
    child_stop(debuginfod, true);
    *answer = (struct fetch_answer){.error = got < 0 ? -ETIME : -ECHILD};
    return true;
}

/* What the client says when the server, and not the file, is missing. */
static bool is_failure(int error)
{
    return error == -ETIME || error == -ECHILD || error == -ECONNREFUSED || error == -EHOSTUNREACH ||
           error == -ENETUNREACH || error == -ECONNRESET;
}

static void note_error(struct debuginfod *debuginfod, const struct fetch_answer *answer)
{
    const int error = -answer->error;

    debuginfod->failures = is_failure(-error) ? debuginfod->failures + 1 : 0;
    if (error == ENOSYS)
        log_warn("DEBUGINFOD_URLS is set, but %s cannot be loaded: no debug files are fetched", answer->text);
    else if (error == EACCES || error == EROFS || error == EPERM || error == ENOTDIR ||
             (error == ENOENT && *answer->text))
        log_warn("debug files cannot be kept in %s: %s; none are fetched (DEBUGINFOD_CACHE_PATH)",
                 answer->text, strerror(error));
    else if (debuginfod->failures == FAILURES_MOST)
        log_warn("the debuginfod servers do not answer (%s): no more debug files are fetched",
                 strerror(error));
    else if (error != ENOENT)
        log_warn("a debug file was not fetched: %s", strerror(error));
    if (error == ENOSYS || debuginfod->failures == FAILURES_MOST ||
        (*answer->text && !is_failure(-error) && error))
        switch_off(debuginfod);
}

static void take_file(struct debuginfod *debuginfod, struct debuginfod_answer *to)
{
    struct stat st;

    to->fd = open(to->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    debuginfod->failures = 0;
    if (to->fd < 0 || fstat(to->fd, &st))
        return;
    debuginfod->bytes += (uint64_t)st.st_size;
    log_info("debug file fetched, %lld bytes, %.1f s: %s", (long long)st.st_size,
             (double)(monotonic_ns() - debuginfod->since_ns) / 1e9, to->path);
    if (debuginfod->bytes > BYTES_MOST && !debuginfod->off) {
        log_warn("debug files of this session have %llu bytes: no more are fetched",
                 (unsigned long long)debuginfod->bytes);
        switch_off(debuginfod);
    }
}

bool debuginfod_next(struct debuginfod *debuginfod, struct debuginfod_answer *to)
{
    struct fetch_answer answer;
    const struct fetch_request *request;

    send_next(debuginfod);
    if (!debuginfod->under_way || !receive(debuginfod, &answer))
        return false;
    request = &debuginfod->request[debuginfod->first++];
    debuginfod->under_way = false;
    *to = (struct debuginfod_answer){.fd = -1, .size = request->size};
    memcpy(to->id, request->id, request->size);
    if (answer.error) {
        note_error(debuginfod, &answer);
    } else {
        memcpy(to->path, answer.text, sizeof to->path);
        take_file(debuginfod, to);
    }
    send_next(debuginfod);
    return true;
}

void debuginfod_reject(const struct debuginfod_answer *answer)
{
    log_warn("not the debug file that was asked for, removed: %s", answer->path);
    unlink(answer->path);
}

bool debuginfod_wait(struct debuginfod *debuginfod, int ms)
{
    struct pollfd socket;

    send_next(debuginfod);
    if (!debuginfod->under_way)
        return false;
    socket = (struct pollfd){.fd = debuginfod->socket, .events = POLLIN};
    poll(&socket, 1, ms);
    return true;
}
