/* SPDX-License-Identifier: Apache-2.0 */
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rooted.h"
#include "uploader/options/log.h"

enum {
    ANSWER_MS = 1000, /* timeout: a request takes microseconds, but the machine may be busy */
    HUNG_MOST =
        64, /* users for whom nothing is read any more; if there are more, nothing is read for anybody */
    BUFFER = 4 * 1024 * 1024,
    ROOT = 0,
    NO_GROUP = 65534,
};

/* --- whose --- */

static unsigned read_groups(const char *text, gid_t group[OWNER_GROUPS])
{
    unsigned count = 0;
    char *end;

    for (; count < OWNER_GROUPS; text = end) {
        unsigned long number = strtoul(text, &end, 10);
        if (end == text)
            break;
        group[count++] = (gid_t)number;
    }
    return count;
}

/* The user and the group that it opens files as. all_root: it could not become another user. */
static bool read_ids(struct owner *owner, pid_t pid, pid_t tid, bool *all_root)
{
    char path[64], line[1024];
    unsigned id[4];
    int found = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)pid, (int)tid);
    file = fopen(path, "re");
    while (file && found < 3 && fgets(line, sizeof line, file)) {
        if (sscanf(line, "Uid: %u %u %u %u", &id[0], &id[1], &id[2], &id[3]) == 4) {
            owner->uid = id[3];
            *all_root = id[0] == ROOT && id[1] == ROOT && id[2] == ROOT && id[3] == ROOT;
            found++;
        } else if (sscanf(line, "Gid: %*u %*u %*u %u", &id[3]) == 1) {
            owner->gid = id[3];
            found++;
        } else if (!strncmp(line, "Groups:", 7)) {
            owner->groups = read_groups(line + 7, owner->group);
            found++;
        }
    }
    if (file)
        fclose(file);
    return found == 3;
}

/* The file system is not asked, because it may be one that hangs. */
static bool identify(const char *path, dev_t *device, ino_t *inode)
{
    struct statx st;

    if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, &st))
        return false;
    *device = (dev_t)st.stx_dev_major << 32 | st.stx_dev_minor;
    *inode = st.stx_ino;
    return true;
}

static bool is_same(const char *path, const char *ours, dev_t *device, ino_t *inode)
{
    dev_t our_device;
    ino_t our_inode;

    return identify(path, device, inode) && identify(ours, &our_device, &our_inode) &&
           *device == our_device && *inode == our_inode;
}

void owner_begin(struct owner *owner, uid_t uid)
{
    *owner = (struct owner){.trusted = geteuid() != ROOT, .uid = uid, .gid = NO_GROUP};
}

void owner_read(struct owner *owner, pid_t pid, pid_t tid)
{
    struct owner now = {0};
    char root[64], users[64];
    bool all_root = false, ours;
    dev_t device;
    ino_t inode;

    if (geteuid() != ROOT) { /* the kernel shows what is this user's, and nothing else */
        *owner = (struct owner){.trusted = true};
        return;
    }
    if (!pid || !read_ids(&now, pid, tid, &all_root))
        return;
    snprintf(root, sizeof root, "/proc/%d/task/%d/root", (int)pid, (int)tid);
    snprintf(users, sizeof users, "/proc/%d/task/%d/ns/user", (int)pid, (int)tid);
    ours = is_same(root, "/", &now.root_device, &now.root_inode);
    /* A kernel without user namespaces has no such file for any process. */
    now.trusted =
        all_root && ours &&
        (is_same(users, "/proc/self/ns/user", &device, &inode) || access("/proc/self/ns/user", F_OK));
    *owner = now;
}

/* --- the helper --- */

enum operation { COPY, OPEN };
struct request {
    enum operation operation;
    pid_t tid;
    unsigned count;
    struct iovec remote[OWNER_VECTORS];
    struct owner owner;
    char path[PATH_MAX];
};

struct message {
    struct msghdr header;
    struct iovec iov;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
};

static struct message *message_of(struct message *message, void *data, size_t size)
{
    memset(message, 0, sizeof *message);
    message->iov = (struct iovec){data, size};
    message->header.msg_iov = &message->iov;
    message->header.msg_iovlen = 1;
    message->header.msg_control = &message->control;
    message->header.msg_controllen = sizeof message->control;
    return message;
}

static bool send_message(int socket, void *data, size_t size, int fd)
{
    struct message message;
    struct cmsghdr *c;

    message_of(&message, data, size);
    c = &message.control.align;
    if (fd < 0) {
        message.header.msg_control = NULL;
        message.header.msg_controllen = 0;
    } else {
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    return sendmsg(socket, &message.header, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool receive_message(int socket, void *data, size_t size, int *fd)
{
    struct message message;
    struct cmsghdr *c;
    ssize_t got;

    message_of(&message, data, size);
    got = recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC);
    *fd = -1;
    c = got > 0 ? CMSG_FIRSTHDR(&message.header) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    return got > 0;
}

/* The kernel checks these when a file is opened. The capabilities that pass over permissions go with the
   user. */
static bool become(const struct owner *owner)
{
    return !syscall(SYS_setgroups, owner->groups, owner->group) && syscall(SYS_setfsgid, owner->gid) >= 0 &&
           syscall(SYS_setfsuid, owner->uid) >= 0 && syscall(SYS_setfsuid, -1) == (long)owner->uid &&
           syscall(SYS_setfsgid, -1) == (long)owner->gid &&
           !prctl(PR_SET_PDEATHSIG, SIGKILL); /* which a change of the user takes back */
}

static int64_t serve_open(const struct request *request, int root_fd, int *fd)
{
    static const struct owner root;

    *fd = become(&request->owner) ? rooted_open_guarded(root_fd, request->path) : -EPERM;
    become(&root);
    return *fd < 0 ? *fd : 0;
}

static int64_t serve_copy(const struct request *request, uint8_t *buffer)
{
    struct iovec local[OWNER_VECTORS];
    size_t at = 0;
    ssize_t got;

    for (unsigned i = 0; i < request->count; i++) {
        local[i] = (struct iovec){buffer + at, request->remote[i].iov_len};
        at += request->remote[i].iov_len;
    }
    got = process_vm_readv(request->tid, local, request->count, request->remote, request->count, 0);
    return got < 0 ? -errno : got;
}

/* Runs in a copy of the uploader's memory, of which it uses nothing but this. Allocates nothing. */
__attribute__((noreturn)) static void serve(int socket, uint8_t *buffer)
{
    static struct request request;
    int64_t result;
    int fd, opened;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "cprof-reader");
    if (dup2(socket, 3) != 3 ||
        syscall(SYS_close_range, 4, ~0u, 0)) /* before 5.9 they stay open until it ends */
        fcntl(socket, F_SETFD, FD_CLOEXEC);
    while (receive_message(3, &request, sizeof request, &fd)) {
        opened = -1;
        result = request.operation == COPY ? serve_copy(&request, buffer) : serve_open(&request, fd, &opened);
        if (fd >= 0)
            close(fd);
        if (!send_message(3, &result, sizeof result, opened))
            break;
        if (opened >= 0)
            close(opened);
    }
    _exit(0);
}

static struct {
    pid_t pid; /* 0: there is none */
    int socket;
    uint8_t *buffer; /* shared */
} helper;

/* Users that hung it. */
static struct hung {
    uid_t uid;
    dev_t device;
    ino_t inode;
} hung[HUNG_MOST];
static unsigned hung_count;

static bool start(void)
{
    int pair[2];

    if (helper.pid)
        return true;
    if (!helper.buffer) {
        helper.buffer =
            mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (helper.buffer == MAP_FAILED)
            helper.buffer = NULL;
    }
    if (!helper.buffer || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return false;
    /* Its end raises no signal, because the launcher waits for the program's. */
    helper.pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (!helper.pid)
        serve(pair[1], helper.buffer);
    close(pair[1]);
    helper.socket = pair[0];
    if (helper.pid > 0)
        return true;
    close(pair[0]);
    helper.pid = 0;
    return false;
}

/* A helper that hangs may not even die. It is left, and ends when what it waits for does. Its buffer is its
   own. */
static void stop(bool hangs)
{
    if (!helper.pid)
        return;
    kill(helper.pid, SIGKILL);
    waitpid(helper.pid, NULL, __WALL | (hangs ? WNOHANG : 0));
    close(helper.socket);
    if (hangs) {
        munmap(helper.buffer, BUFFER);
        helper.buffer = NULL;
    }
    helper.pid = 0;
}

/* A user of a container is identified by the container's root directory. */
static bool is_like(const struct hung *one, const struct owner *owner)
{
    return one->uid == owner->uid &&
           (owner->uid != ROOT || (one->device == owner->root_device && one->inode == owner->root_inode));
}

static bool has_hung(const struct owner *owner)
{
    for (unsigned i = 0; i < hung_count; i++)
        if (is_like(&hung[i], owner))
            return true;
    return hung_count == HUNG_MOST;
}

static void note_hung(const struct owner *owner)
{
    hung[hung_count++] = (struct hung){owner->uid, owner->root_device, owner->root_inode};
    log_warn(
        "memory or a file of user %u does not answer: nothing of that user's processes is read any more, "
        "and their stacks have no names that were not known before",
        (unsigned)owner->uid);
}

/* The result, and the descriptor that was opened. If the helper was killed, it is started again once. */
static int64_t ask(struct request *request, int root_fd, int *fd)
{
    int64_t result;
    int i, ready;

    *fd = -1;
    if (has_hung(&request->owner))
        return -ETIMEDOUT;
    for (i = 0; i < 2 && start(); i++) {
        struct pollfd poll_fd = {.fd = helper.socket, .events = POLLIN};
        ready = send_message(helper.socket, request, sizeof *request, root_fd) ? poll(&poll_fd, 1, ANSWER_MS)
                                                                               : -1;
        if (ready > 0 && receive_message(helper.socket, &result, sizeof result, fd))
            return result;
        stop(!ready);
        if (!ready) {
            note_hung(&request->owner);
            return -ETIMEDOUT;
        }
    }
    return -EAGAIN;
}

ssize_t owner_copy(const struct owner *owner, pid_t tid, const struct iovec *local,
                   const struct iovec *remote, unsigned count)
{
    static struct request request;
    size_t size = 0, at = 0;
    int64_t got;
    int fd;

    if (!owner || owner->trusted) {
        got = process_vm_readv(tid, local, count, remote, count, 0);
        return got < 0 ? -errno : got;
    }
    for (unsigned i = 0; i < count; i++)
        size += remote[i].iov_len;
    if (count > OWNER_VECTORS || size > BUFFER)
        return -EINVAL;
    request = (struct request){.operation = COPY, .tid = tid, .count = count, .owner = *owner};
    memcpy(request.remote, remote, count * sizeof *remote);
    got = ask(&request, -1, &fd);
    for (unsigned i = 0; i < count && (int64_t)at < got; i++) {
        size_t part = (size_t)got - at < local[i].iov_len ? (size_t)got - at : local[i].iov_len;
        memcpy(local[i].iov_base, helper.buffer + at, part);
        at += part;
    }
    return got;
}

int owner_open(const struct owner *owner, int root_fd, const char *path)
{
    static struct request request;
    int64_t result;
    int fd;

    if (!owner || owner->trusted)
        return rooted_open(root_fd, path);
    if (strlen(path) >= sizeof request.path)
        return -ENAMETOOLONG;
    request = (struct request){.operation = OPEN, .owner = *owner};
    strcpy(request.path, path);
    result = ask(&request, root_fd, &fd);
    return result < 0 ? (int)result : fd;
}
