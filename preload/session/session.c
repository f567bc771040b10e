/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "launch.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"

/* An error that none of the calls here returns. */
enum { ANOTHER_USER = EUSERS };

__attribute__((used)) static const char layout_mark[] = LAYOUT_MARK;
static const struct timespec moment = {0, 1000000};
static const uint64_t long_silence_ns = UINT64_C(5000000000);
/* Written by the constructor, and while the process joins, which one thread at a time does. */
static struct {
    bool is_first; /* this process started the session's uploader */
    bool may_speak;
    const char *tried_path; /* the uploader that could not be started */
} session;

static socklen_t fill_address(struct sockaddr_un *address)
{
    size_t length = strnlen(config.socket, sizeof address->sun_path - 1);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, config.socket, length);
    if (config.socket[0] != '@')
        return sizeof *address;
    address->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* A connected descriptor, or negative errno; -ECONNREFUSED or -ENOENT: nobody is there. When hundreds of
   children join at once the queue of the uploader's socket fills up for moments: some are waited for. */
static int connect_session(void)
{
    struct sockaddr_un address;
    socklen_t size = fill_address(&address);
    long result = -EAGAIN,
         fd = sys_call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return (int)fd;
    for (int tries = 0; tries < 10; tries++) {
        result = sys_call(SYS_connect, fd, &address, size);
        if (result != -EAGAIN && result != -EINTR)
            break;
        sys_call(SYS_nanosleep, &moment, 0);
    }
    if (!result)
        return (int)fd;
    sys_call(SYS_close, fd);
    return (int)result;
}

/* Our stacks and strings go to our own user or to root only, whoever took the name. */
static int check_peer(int fd, struct ucred *peer)
{
    socklen_t size = sizeof *peer;
    long result;

    *peer = (struct ucred){0, (uid_t)-1, (gid_t)-1};
    result = sys_call(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, peer, &size);
    if (result < 0)
        return (int)result;
    return !peer->uid || peer->uid == config.uid ? 0 : -ANOTHER_USER;
}

static int send_segment(int fd, int memfd, const struct segment *segment)
{
    struct hello hello = {HELLO_MAGIC,         LAYOUT_VERSION,         0,
                          segment->header.pid, sizeof(struct segment), config.secrets};
    struct iovec part = {&hello, sizeof hello};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    long sent;

    memset(&control, 0, sizeof control);
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof memfd);
    memcpy(CMSG_DATA(&control.head), &memfd, sizeof memfd);
    sent = sys_call(SYS_sendmsg, fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? (int)sent : 0;
}

static bool nobody_is_there(int error)
{
    return error == -ECONNREFUSED || error == -ENOENT;
}

/* The right to start the session's uploader is its name: whoever binds it hands it to the uploader. A
   descriptor, or -EADDRINUSE: another process was first. */
static int take_name(void)
{
    struct sockaddr_un address;
    socklen_t size = fill_address(&address);
    long result, fd = sys_call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return (int)fd;
    result = sys_call(SYS_bind, fd, &address, size);
    if (!result)
        return (int)fd;
    sys_call(SYS_close, fd);
    return (int)result;
}

/* Where Yama restricts who may read a process's memory (ptrace_scope 1) it reads the stacks of waiting
   threads by this leave. What the program says itself afterwards counts instead. Elsewhere it does nothing.
 */
static void let_it_read(int uploader)
{
    if (uploader > 0)
        sys_call(SYS_prctl, PR_SET_PTRACER, uploader, 0, 0, 0);
}

static int start_uploader(int memfd, int listener)
{
    int uploader = 0, result;

    result = launch_uploader(memfd, listener, session.may_speak, &uploader, &session.tried_path);
    session.is_first = !result;
    if (!result)
        let_it_read(uploader);
    sys_call(SYS_close, listener);
    return result;
}

/* The uploader's socket listens before the uploader runs, so a program that comes meanwhile leaves a message
   there and continues. The name is taken and nobody answers only between bind() and listen(), and while an
   uploader that ends closes its socket. Both last moments; else the name is another user's. *fd: connected,
   or negative. */
static int connect_or_start(int memfd, int *fd)
{
    for (int waited = 0;; waited++) {
        int listener;
        *fd = connect_session();
        if (!nobody_is_there(*fd) || !config.may_start || !seccomp_allows(CALL(launch)))
            return *fd < 0 ? *fd : 0;
        listener = take_name();
        if (listener >= 0)
            return start_uploader(memfd, listener);
        if (listener != -EADDRINUSE || waited == 20)
            return listener;
        sys_call(SYS_nanosleep, &moment, 0);
    }
}

static int hand_over_once(int memfd, const struct segment *segment)
{
    struct ucred peer;
    int fd, result = connect_or_start(memfd, &fd);

    if (result || fd < 0)
        return result;
    result = check_peer(fd, &peer);
    if (!result) {
        let_it_read(peer.pid); /* before it may want to */
        result = send_segment(fd, memfd, segment);
    }
    sys_call(SYS_close, fd);
    return result;
}

/* "@cprof-..." and "@cprof-....1" to "....9": sessions that differ in what their names must not tell. */
bool session_next(void)
{
    size_t length = strlen(config.socket);

    if (!config.may_start || length + 3 > sizeof config.socket)
        return false;
    if (length < 2 || config.socket[length - 2] != '.') {
        memcpy(config.socket + length, ".1", 3);
        return true;
    }
    if (config.socket[length - 1] == '9')
        return false;
    config.socket[length - 1]++;
    return true;
}

/* An uploader that dies between the connection and the message has a successor at once. */
static int hand_over_at_name(int memfd, const struct segment *segment)
{
    int result = hand_over_once(memfd, segment);
    for (int tries = 0; tries < 3 && (result == -EPIPE || result == -ECONNRESET); tries++)
        result = hand_over_once(memfd, segment);
    return result;
}

static void say_name_is_taken(const char *name)
{
    const char *const words[] = {"the name ", name,
                                 " is taken by another user, or by a process that does not ",
                                 "answer. This session is ", config.socket};
    config_say(words, sizeof words / sizeof words[0]);
}

/* Every program of a session finds the same names taken, and so meets the others at the first that is not. */
int session_hand_over(int memfd, const struct segment *segment)
{
    char taken[sizeof config.socket] = "";
    int result = hand_over_at_name(memfd, segment);

    while (result == -EADDRINUSE || result == -ANOTHER_USER) {
        strcpy(taken, config.socket);
        if (!session_next())
            return result;
        result = hand_over_at_name(memfd, segment);
    }
    if (*taken && !result && session.is_first && session.may_speak)
        say_name_is_taken(taken);
    return result;
}

/* A peer's pid of 0: the one that answers is in a namespace that we cannot see, so it cannot be compared.
   Another one than ours has got, or is just getting, our segment from its keeper: only where that never
   happens it is given a copy. Without one of ours, whoever received our segment died of it. */
bool session_uploader_alive(int uploader_pid, uint64_t silent_ns)
{
    struct ucred peer;
    int fd = connect_session();
    bool alive;

    if (fd < 0)
        return !nobody_is_there(fd);
    alive = !check_peer(fd, &peer);
    if (alive && peer.pid && peer.pid != uploader_pid) {
        let_it_read(peer.pid);
        alive = uploader_pid && silent_ns < long_silence_ns;
    }
    sys_call(SYS_close, fd);
    return alive;
}

void session_may_speak(bool may)
{
    session.may_speak = may && sys_call(SYS_fcntl, STDERR_FILENO, F_GETFD) >= 0;
}

bool session_is_first(void)
{
    return session.is_first;
}

/* Why a program could not be started. Not by strerrordesc_np(), which is new, nor strerror(), which may allocate. */
static const char *reason_of(int error)
{
    switch (error) {
    case ENOENT:
        return "No such file or directory";
    case EACCES:
        return "Permission denied";
    case EPERM:
        return "Operation not permitted";
    case ENOEXEC:
        return "Exec format error";
    case ENOTDIR:
        return "Not a directory";
    case ELOOP:
        return "Too many levels of symbolic links";
    case ENAMETOOLONG:
        return "File name too long";
    case ETXTBSY:
        return "Text file busy";
    case ENOMEM:
        return "Cannot allocate memory";
    case EAGAIN:
        return "Resource temporarily unavailable";
    case ECHILD:
        return "it ended at once";
    default:
        return "unknown error";
    }
}

/* What the user can mend is said. A want of descriptors, memory or processes is the target's own business. */
bool session_explain(int error)
{
    if (error == -EXDEV) {
        const char *const words[] = {
            "no uploader runs, and this program cannot start one: its next child is the first of another "
            "pid namespace. It runs unprofiled until one of its children or another program starts one"};
        config_log(words, 1);
    } else if (session.tried_path && *session.tried_path) {
        const char *const words[] = {"cannot start the uploader ", session.tried_path, ": ",
                                     reason_of(-error),
                                     "; set CPROF_UPLOADER to its path. This program runs unprofiled"};
        config_say(words, 5);
        return true;
    } else if (!config.may_start && nobody_is_there(error)) {
        const char *const words[] = {"no uploader answers at CPROF_SOCKET=", config.socket,
                                     "; start one, or unset it. This program runs unprofiled"};
        config_say(words, 3);
    } else if (error == -EADDRINUSE) {
        const char *const words[] = {"the name ", config.socket,
                                     " is taken by a process that does not answer. This program runs "
                                     "unprofiled"};
        config_say(words, 3);
    } else if (error == -ANOTHER_USER) {
        const char *const words[] = {"another user answers at ", config.socket,
                                     ". This program runs unprofiled"};
        config_say(words, 3);
    }
    return false;
}
