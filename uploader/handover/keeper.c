/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/options/log.h"

enum { FIRST_FREE_FD = 10, END_MS = 200, GIVEN_FDS = 5 };
#define RETRY_NS (SECOND_NS / 5)

static struct keeper_board nowhere;
static struct keeper_board *touched_board = &nowhere;

static int board_make(void)
{
    int fd = memfd_create("cprof-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd == -1)
        return -errno;
    if (!ftruncate(fd, KEEPER_BOARD_SIZE) &&
        !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return fd;
    close(fd);
    return -EIO;
}

int keeper_open(struct keeper *keeper, int control)
{
    void *at;

    *keeper = (struct keeper){.control = control, .board_fd = KEEPER_BOARD_FD, .board = &nowhere};
    if (control == -1) {
        keeper->board_fd = board_make();
        if (keeper->board_fd < 0)
            return keeper->board_fd;
    } else {
        fcntl(control, F_SETFD, FD_CLOEXEC);
        fcntl(KEEPER_BOARD_FD, F_SETFD, FD_CLOEXEC);
        keeper->has_more = true;
    }
    at = mmap(NULL, KEEPER_BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, keeper->board_fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    keeper->board = touched_board = at;
    return 0;
}

void keeper_close(struct keeper *keeper)
{
    if (keeper->control >= 0)
        close(keeper->control);
    if (keeper->board_fd >= 0)
        close(keeper->board_fd);
    keeper->control = keeper->board_fd = -1;
    touched_board = &nowhere;
    if (keeper->board && keeper->board != &nowhere)
        munmap(keeper->board, KEEPER_BOARD_SIZE);
    keeper->board = &nowhere;
}

/* Beside our own file. */
static int find_program(char path[PATH_MAX])
{
    static const char name[] = "cprof-keeper";
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof name);
    char *slash;

    if (length <= 0)
        return -ENOENT;
    path[length] = 0;
    slash = strrchr(path, '/');
    if (!slash)
        return -ENOENT;
    memcpy(slash + 1, name, sizeof name);
    return access(path, X_OK) ? -errno : 0;
}

/* A copy with a number above those that are to be set. */
static int high(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
}

static int move_high(int fd)
{
    int copy = high(fd);
    if (fd >= 0)
        close(fd);
    return copy;
}

/* An empty root has no /dev/null. */
static int open_null(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return fd == -1 ? memfd_create("null", MFD_CLOEXEC) : fd;
}

static int spawn(struct keeper *keeper, const char *path, const int fd[GIVEN_FDS])
{
    static const int to[GIVEN_FDS] = {KEEPER_CONTROL_FD, KEEPER_LISTEN_FD, KEEPER_BOARD_FD, KEEPER_PROGRAM_FD,
                                      STDIN_FILENO};
    char name[] = "cprof-keeper", *const arguments[] = {name, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < GIVEN_FDS; i++)
        if (fd[i] >= 0)
            posix_spawn_file_actions_adddup2(&actions, fd[i], to[i]);
        else
            posix_spawn_file_actions_addclose(&actions, to[i]);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
    if (!keeper->keeps_stderr)
        posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, KEEPER_PROGRAM_FD + 1);
    rc = posix_spawn(&keeper->pid, path, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -rc;
}

static int start(struct keeper *keeper, int listener)
{
    char path[PATH_MAX];
    int pair[2], fd[GIVEN_FDS], rc = find_program(path);

    if (rc)
        return rc;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    fd[0] = high(pair[1]);
    fd[1] = high(listener);
    fd[2] = high(keeper->board_fd);
    fd[3] = move_high(open("/proc/self/exe", O_PATH | O_CLOEXEC));
    fd[4] = move_high(open_null());
    rc = fd[0] < 0 || fd[2] < 0 || fd[3] < 0 || fd[4] < 0 ? -EMFILE : spawn(keeper, path, fd);
    for (int i = 0; i < GIVEN_FDS; i++)
        if (fd[i] >= 0)
            close(fd[i]);
    close(pair[1]);
    if (rc)
        close(pair[0]);
    else
        keeper->control = pair[0];
    return rc;
}

int keeper_start(struct keeper *keeper, int listener)
{
    int64_t now_ns = monotonic_ns();
    int rc;

    if (now_ns < keeper->next_try_ns)
        return -EAGAIN;
    keeper->next_try_ns = now_ns + RETRY_NS;
    if (keeper->pid > 0)
        waitpid(keeper->pid, NULL, WNOHANG);
    keeper->pid = 0;
    rc = start(keeper, listener);
    if (rc)
        log_info("no keeper: %s; what is recorded ends with this uploader, if it is killed", strerror(-rc));
    return rc;
}

uint64_t keeper_new_id(struct keeper *keeper)
{
    return atomic_fetch_add_explicit(&keeper->board->last_id, 1, memory_order_relaxed) + 1;
}

static bool send_message(struct keeper *keeper, const struct keeper_message *message, const int *fd,
                         size_t fds)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(KEEPER_FDS * sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)message, sizeof *message};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fds) {
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(fds * sizeof(int));
        memcpy(CMSG_DATA(&control.align), fd, fds * sizeof(int));
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(fds * sizeof(int));
    }
    return keeper->control >= 0 &&
           sendmsg(keeper->control, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof *message;
}

bool keeper_hold(struct keeper *keeper, const struct handover *handover)
{
    const int all[KEEPER_FDS] = {
        [KEEPER_MEMFD] = handover->memfd,
        [KEEPER_PIDFD] = handover->pidfd,
        [KEEPER_ROOT] = handover->root_fd,
        [KEEPER_EXE] = handover->exe_fd,
    };
    struct keeper_message message = {
        .kind = KEEPER_HOLD, .id = handover->id, .pid = handover->pid, .uid = handover->uid};
    int fd[KEEPER_FDS];
    size_t fds = 0;

    for (int i = 0; i < KEEPER_FDS; i++)
        if (all[i] >= 0) {
            message.fds |= 1u << i;
            fd[fds++] = all[i];
        }
    return send_message(keeper, &message, fd, fds);
}

void keeper_send(struct keeper *keeper, enum keeper_kind kind, uint64_t id)
{
    send_message(keeper, &(struct keeper_message){.kind = kind, .id = id}, NULL, 0);
}

/* -EPIPE: the other side has gone. */
static int receive(struct keeper *keeper, struct keeper_message *message, int fd[KEEPER_FDS])
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(KEEPER_FDS * sizeof(int))];
    } control;
    struct iovec iov = {message, sizeof *message};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(keeper->control, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    int received[KEEPER_FDS], used = 0;
    struct cmsghdr *c;

    for (int i = 0; i < KEEPER_FDS; i++)
        fd[i] = received[i] = -1;
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
    if (got != sizeof *message)
        return -EPIPE;
    c = CMSG_FIRSTHDR(&header);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(received, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    for (int i = 0; i < KEEPER_FDS; i++)
        if (message->fds >> i & 1)
            fd[i] = received[used++];
    return 0;
}

int keeper_next(struct keeper *keeper, struct handover *handover)
{
    struct keeper_message message = {0};
    int fd[KEEPER_FDS], rc;

    *handover = HANDOVER_NONE;
    rc = keeper->control < 0 ? -EPIPE : receive(keeper, &message, fd);
    if (rc)
        return rc;
    if (message.kind == KEEPER_DROPPED)
        log_warn("process %d is not profiled any more: uploaders have died of reading its segment",
                 (int)message.pid);
    if (message.kind == KEEPER_ALL)
        keeper->has_more = false;
    if (message.kind != KEEPER_HOLD)
        return -ENOMSG;
    *handover = (struct handover){.pid = message.pid,
                                  .uid = message.uid,
                                  .memfd = fd[KEEPER_MEMFD],
                                  .pidfd = fd[KEEPER_PIDFD],
                                  .root_fd = fd[KEEPER_ROOT],
                                  .exe_fd = fd[KEEPER_EXE],
                                  .id = message.id,
                                  .was_held = true,
                                  .has_ended = message.has_ended};
    return 0;
}

void keeper_done(struct keeper *keeper)
{
    struct pollfd gone = {.fd = keeper->control};

    if (keeper->control < 0)
        return;
    keeper_send(keeper, KEEPER_DONE, 0);
    poll(&gone, 1, END_MS);
    if (keeper->pid > 0)
        waitpid(keeper->pid, NULL, WNOHANG);
    close(keeper->control);
    keeper->control = -1;
}

void keeper_touch(uint64_t id)
{
    atomic_store_explicit(&touched_board->touched, id, memory_order_relaxed);
}
