/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cprof-keeper holds what must survive the uploader.
 *
 * It holds the session's socket and each target's descriptors. If the uploader dies or does not move, it
 * starts another one. It parses nothing, maps no segment, opens no file and has no network. If the keeper
 * dies, the uploader starts another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

enum {
    LOOK_MS = 5000,   /* between two looks whether the uploader moves */
    STUCK_LOOKS = 12, /* after which it is taken for dead */
    QUICK_S = 2,      /* an uploader that dies sooner has failed to start */
    QUICK_FREE = 3,   /* so many are replaced at once */
    QUICK_MOST = 20,
    BLAMES_MOST = 3, /* uploaders that died while they read it; then the target is given up */
    DELAY_MS = 100,
    DELAY_MOST_MS = 30000,
    CANNOT_EXECUTE = 127,
};

struct held {
    int fd[KEEPER_FDS];
    uint64_t id;
    int32_t pid;
    uint32_t uid;
    uint32_t has_ended;
    uint32_t blames;
};

static struct {
    int control;
    struct keeper_board *board;
    pid_t uploader;
    bool is_child; /* the first uploader is our parent */
    bool was_stuck;
    bool is_open; /* the session's socket */
    time_t started_s;
    unsigned quick; /* uploaders in a row that died soon */
    struct held *held;
    size_t count, room;
    size_t told; /* held[0, told) were handed to this uploader */
    bool told_all;
    unsigned failures; /* to send, since the last success, though there was room */
} state;

static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void close_all(const int fd[KEEPER_FDS])
{
    for (int i = 0; i < KEEPER_FDS; i++)
        if (fd[i] != -1)
            close(fd[i]);
}

static void hold(const struct keeper_message *message, const int fd[KEEPER_FDS])
{
    struct held *held;

    if (state.count == state.room) {
        size_t room = state.room ? 2 * state.room : 16;
        struct held *grown = realloc(state.held, room * sizeof *grown);
        if (!grown) {
            close_all(fd);
            return;
        }
        state.held = grown;
        state.room = room;
    }
    held = &state.held[state.count++];
    *held = (struct held){.id = message->id, .pid = message->pid, .uid = message->uid};
    memcpy(held->fd, fd, sizeof held->fd);
    /* The present uploader is not told of what it gave itself. */
    if (state.told_all)
        state.told = state.count;
    else {
        struct held swapped = state.held[state.told];
        state.held[state.told++] = *held;
        *held = swapped;
    }
}

static struct held *find(uint64_t id)
{
    for (size_t i = 0; i < state.count; i++)
        if (state.held[i].id == id)
            return &state.held[i];
    return NULL;
}

static void release(struct held *held)
{
    if (!held)
        return;
    close_all(held->fd);
    if ((size_t)(held - state.held) < state.told) {
        *held = state.held[--state.told];
        held = &state.held[state.told];
    }
    *held = state.held[--state.count];
}

static void stop_accepting(void)
{
    if (state.is_open)
        close(KEEPER_LISTEN_FD);
    state.is_open = false;
}

static void obey(const struct keeper_message *message, const int fd[KEEPER_FDS])
{
    struct held *held;

    if (message->kind == KEEPER_HOLD && fd[KEEPER_MEMFD] != -1) {
        hold(message, fd);
        return;
    }
    close_all(fd);
    held = find(message->id);
    if (message->kind == KEEPER_RELEASE)
        release(held);
    else if (message->kind == KEEPER_ENDED && held)
        held->has_ended = 1;
    else if (message->kind == KEEPER_STOP_ACCEPTING)
        stop_accepting();
    else if (message->kind == KEEPER_DONE)
        _exit(0);
}

/* false: the other side is gone. */
static bool receive(void)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(KEEPER_FDS * sizeof(int))];
    } control;
    struct keeper_message message;
    struct iovec iov = {&message, sizeof message};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(state.control, &header, MSG_CMSG_CLOEXEC);
    int received[KEEPER_FDS], fd[KEEPER_FDS], count = 0, used = 0;

    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(received, CMSG_DATA(c), (size_t)count * sizeof(int));
        }
    for (int i = 0; i < KEEPER_FDS; i++)
        fd[i] = got == sizeof message && message.fds >> i & 1 && used < count ? received[used++] : -1;
    for (; used < count; used++)
        close(received[used]);
    if (got == sizeof message)
        obey(&message, fd);
    return got != 0;
}

static void pause_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) && errno == EINTR)
        ;
}

/* The socket has room and takes nothing all the same: no memory, or a filter of system calls that was inherited. What
   does not pass has nobody to tell. */
static void wait_after_failure(void)
{
    enum { FAILURES_MOST = 100 };
    if (++state.failures > FAILURES_MOST)
        _exit(1);
    pause_ms(DELAY_MS);
}

static bool send_message(const struct keeper_message *message, const int fd[KEEPER_FDS])
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(KEEPER_FDS * sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)message, sizeof *message};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    size_t count = 0;

    for (int i = 0; i < KEEPER_FDS; i++)
        if (message->fds >> i & 1)
            memcpy(CMSG_DATA(&control.align) + count++ * sizeof(int), &fd[i], sizeof(int));
    if (count) {
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(count * sizeof(int));
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
    }
    if (sendmsg(state.control, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof *message) {
        state.failures = 0;
        return true;
    }
    if (errno != EAGAIN)
        wait_after_failure();
    return false;
}

/* As much as goes into the socket at once. */
static void tell(void)
{
    static const int none[KEEPER_FDS];

    while (state.told < state.count) {
        const struct held *held = &state.held[state.told];
        struct keeper_message message = {.kind = KEEPER_HOLD,
                                         .id = held->id,
                                         .pid = held->pid,
                                         .uid = held->uid,
                                         .has_ended = held->has_ended};
        if (held->blames >= BLAMES_MOST)
            message.kind = KEEPER_DROPPED;
        for (int i = 0; i < KEEPER_FDS && message.kind == KEEPER_HOLD; i++)
            message.fds |= (uint32_t)(held->fd[i] != -1) << i;
        if (!send_message(&message, held->fd))
            return;
        state.told++;
        if (message.kind == KEEPER_DROPPED)
            release(&state.held[state.told - 1]);
    }
    if (!state.told_all)
        state.told_all = send_message(&(struct keeper_message){.kind = KEEPER_ALL}, none);
}

/* In the child. */
static void become_uploader(int control)
{
    static char name[] = "cprof-uploader", command[] = "serve", keeper[] = "--keeper-fd=3",
                listener[] = "--listen-fd=4";
    char *const with_listener[] = {name, command, keeper, listener, NULL}, *const without[] = {name, command,
                                                                                               keeper, NULL};
    sigset_t none;

    if (control == KEEPER_CONTROL_FD)
        fcntl(control, F_SETFD, 0);
    else
        dup2(control, KEEPER_CONTROL_FD);
    if (state.is_open)
        fcntl(KEEPER_LISTEN_FD, F_SETFD, 0);
    fcntl(KEEPER_BOARD_FD, F_SETFD, 0);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    unsetenv("LD_PRELOAD"); /* the launcher's, meant for the program */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    syscall(SYS_execveat, KEEPER_PROGRAM_FD, "", state.is_open ? with_listener : without, environ,
            AT_EMPTY_PATH);
    _exit(CANNOT_EXECUTE);
}

static void start_uploader(void)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        _exit(1);
    state.uploader = fork();
    if (!state.uploader)
        become_uploader(pair[1]);
    close(pair[1]);
    state.control = pair[0];
    state.is_child = true;
    state.was_stuck = false;
    state.started_s = now_s();
    state.told = 0;
    state.told_all = false;
    if (state.uploader == -1)
        state.is_child = false;
}

/* A crash is blamed on the target that was read at the time. A kill from outside says nothing about it. */
static void blame(int status)
{
    uint64_t touched = atomic_load_explicit(&state.board->touched, memory_order_relaxed);
    struct held *held = touched ? find(touched) : NULL;

    if (held && (state.was_stuck || (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)))
        held->blames++;
    atomic_store_explicit(&state.board->touched, 0, memory_order_relaxed);
}

static void replace_uploader(void)
{
    int status = 0;
    long delay = DELAY_MS;

    close(state.control);
    if (state.is_child) {
        kill(state.uploader, SIGKILL); /* any child: there is one uploader at a time */
        while (waitpid(state.uploader, &status, 0) == -1 && errno == EINTR)
            ;
    }
    blame(status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_EXECUTE)
        _exit(1);
    state.quick = now_s() - state.started_s < QUICK_S ? state.quick + 1 : 0;
    if (state.quick > QUICK_MOST)
        _exit(1);
    for (unsigned i = QUICK_FREE + 1; i < state.quick && delay < DELAY_MOST_MS; i++)
        delay *= 2;
    if (state.quick > QUICK_FREE)
        pause_ms(delay < DELAY_MOST_MS ? delay : DELAY_MOST_MS);
    start_uploader();
}

/* Counted in checks, not in time. If the whole machine, or both processes, stood still, no check was made
   either. */
static void look(void)
{
    static uint64_t last;
    static unsigned stuck;
    uint64_t beats = atomic_load_explicit(&state.board->beats, memory_order_relaxed);

    stuck = beats == last ? stuck + 1 : 0;
    last = beats;
    if (stuck < STUCK_LOOKS)
        return;
    stuck = 0;
    state.was_stuck = true;
    kill(state.uploader, SIGKILL);
}

static void serve(void)
{
    for (;;) {
        struct pollfd ready = {.fd = state.control, .events = POLLIN};
        int count;

        if (state.told < state.count || !state.told_all)
            ready.events |= POLLOUT;
        count = poll(&ready, 1, LOOK_MS);
        if (!count)
            look();
        if (count > 0 && ready.revents & POLLOUT)
            tell();
        if (count > 0 && ready.revents & (POLLIN | POLLHUP | POLLERR) && !receive())
            replace_uploader();
    }
}

int main(void)
{
    struct rlimit limit;
    struct ucred peer;
    socklen_t length = sizeof peer;

    state.control = KEEPER_CONTROL_FD;
    fcntl(KEEPER_CONTROL_FD, F_SETFD, FD_CLOEXEC);
    fcntl(KEEPER_PROGRAM_FD, F_SETFD, FD_CLOEXEC);
    state.is_open = !fcntl(KEEPER_LISTEN_FD, F_SETFD, FD_CLOEXEC);
    if (getsockopt(KEEPER_CONTROL_FD, SOL_SOCKET, SO_PEERCRED, &peer, &length))
        return 2; /* started by somebody else than an uploader */
    state.board = mmap(NULL, KEEPER_BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, KEEPER_BOARD_FD, 0);
    if (state.board == MAP_FAILED)
        return 2;
    state.uploader = peer.pid;
    state.started_s = now_s();
    state.told_all = true;
    for (int sig = 1; sig < NSIG; sig++)
        if (sig != SIGCHLD)
            signal(sig, SIG_IGN); /* the uploader is told to end, and tells us */
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (chdir("/"))
        return 2;
    serve();
}
