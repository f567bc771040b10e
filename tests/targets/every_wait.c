// SPDX-License-Identifier: Apache-2.0
// build: -lrt
// build: -lrt
// The rarer functions that may wait do what their better known relatives do: each is called once.
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"

#include "older_libc.h"

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                size_t size);
ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t room);
ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t room, int flags, struct sockaddr *address,
                       socklen_t *length);

static char in[4];
static struct iovec out_part = {"data", 4}, in_part = {in, 4};

/* What was read is what was written; forgets it. */
static int has_data(ssize_t size)
{
    int right = size == 4 && !memcmp(in, "data", 4);

    memset(in, 0, sizeof in);
    return right;
}

static struct timespec soon(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    time.tv_nsec += 20 * 1000 * 1000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

static void files(int fd)
{
    off64_t from = 0;
    int to = memfd_create("to", 0);

    EXPECT(pwrite64(fd, "data", 4, 0) == 4 && has_data(pread64(fd, in, 4, 0)));
    EXPECT(has_data(__pread_chk(fd, in, 4, 0, 4)) && has_data(__pread64_chk(fd, in, 4, 0, 4)));
    EXPECT(pwritev(fd, &out_part, 1, 4) == 4 && has_data(preadv(fd, &in_part, 1, 4)));
    EXPECT(pwritev64(fd, &out_part, 1, 8) == 4 && has_data(preadv64(fd, &in_part, 1, 8)));
    EXPECT(pwritev2(fd, &out_part, 1, 12, 0) == 4 && has_data(preadv2(fd, &in_part, 1, 12, 0)));
    EXPECT(pwritev64v2(fd, &out_part, 1, 16, 0) == 4 && has_data(preadv64v2(fd, &in_part, 1, 16, 0)));
    EXPECT(lseek(fd, 20, SEEK_SET) == 20 && writev(fd, &out_part, 1) == 4 && has_data(pread(fd, in, 4, 20)));
    EXPECT(sendfile64(to, fd, &from, 4) == 4 && from == 4 && has_data(pread(to, in, 4, 0)));
    EXPECT(!lockf64(fd, F_LOCK, 4) && !lockf64(fd, F_ULOCK, 4) && fcntl64(fd, F_GETFD) == 0);
    EXPECT(!syncfs(fd) && !sync_file_range(fd, 0, 4, SYNC_FILE_RANGE_WRITE));
    close(to);
}

static void sockets(void)
{
    struct msghdr sent = {.msg_iov = &out_part, .msg_iovlen = 1},
                  got = {.msg_iov = &in_part, .msg_iovlen = 1};
    struct mmsghdr many_sent = {.msg_hdr = sent}, many_got = {.msg_hdr = got};
    int pair[2];

    EXPECT(!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    EXPECT(sendto(pair[0], "data", 4, 0, NULL, 0) == 4 && has_data(__read_chk(pair[1], in, 4, 4)));
    EXPECT(sendto(pair[0], "data", 4, 0, NULL, 0) == 4 && has_data(__recv_chk(pair[1], in, 4, 4, 0)));
    EXPECT(sendto(pair[0], "data", 4, 0, NULL, 0) == 4 &&
           has_data(__recvfrom_chk(pair[1], in, 4, 4, 0, NULL, NULL)));
    EXPECT(sendmsg(pair[0], &sent, 0) == 4 && has_data(recvmsg(pair[1], &got, 0)));
    EXPECT(sendmmsg(pair[0], &many_sent, 1, 0) == 1 && many_sent.msg_len == 4);
    EXPECT(recvmmsg(pair[1], &many_got, 1, 0, NULL) == 1 && has_data(many_got.msg_len));
    close(pair[0]);
    close(pair[1]);
}

/* Either function takes one of two connections. */
static void connections(void)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    socklen_t length = sizeof(sa_family_t);
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client[2], taken[2];

    EXPECT(!bind(server, (struct sockaddr *)&address, length) &&
           !listen(server, 2)); /* a name of the kernel's */
    length = sizeof address;
    getsockname(server, (struct sockaddr *)&address, &length);
    for (int i = 0; i < 2; i++) {
        client[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        EXPECT(!connect(client[i], (struct sockaddr *)&address, length));
    }
    taken[0] = accept(server, NULL, NULL);
    taken[1] = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    for (int i = 0; i < 2; i++)
        EXPECT(taken[i] >= 0 && write(client[i], "data", 4) == 4 && has_data(read(taken[i], in, 4)));
}

static void polls(void)
{
    struct timespec ms = {0, 1000000};
    struct epoll_event event = {.events = EPOLLIN}, got;
    int ends[2], epoll = epoll_create1(0);

    EXPECT(!pipe(ends) && write(ends[1], "data", 4) == 4);
    struct pollfd fd = {.fd = ends[0], .events = POLLIN};
    EXPECT(__poll_chk(&fd, 1, 1000, sizeof fd) == 1 && fd.revents == POLLIN);
    EXPECT(__ppoll_chk(&fd, 1, &ms, NULL, sizeof fd) == 1 && fd.revents == POLLIN);
    EXPECT(!epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
    /* Linux has it since 5.11. */
    EXPECT(epoll_pwait2(epoll, &got, 1, &ms, NULL) == 1 || errno == ENOSYS);
}

/* Where the kernel has them not, there is nothing to compare. */
static void queues(void)
{
    struct {
        long type;
        char text[4];
    } message = {1, "data"}, back = {0};
    struct timespec until = soon(CLOCK_REALTIME);
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 4};
    char name[32];
    int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

    EXPECT(queue < 0 || (!msgsnd(queue, &message, 4, 0) && msgrcv(queue, &back, 4, 1, 0) == 4 &&
                         !memcmp(back.text, "data", 4)));
    if (queue >= 0)
        msgctl(queue, IPC_RMID, NULL);
    snprintf(name, sizeof name, "/every-wait-%d", (int)getpid());
    mqd_t posix = mq_open(name, O_CREAT | O_RDWR, 0600, &attr);
    if (posix < 0)
        return;
    mq_unlink(name);
    EXPECT(!mq_send(posix, "data", 4, 0) && has_data(mq_receive(posix, in, 4, NULL)));
    EXPECT(!mq_timedsend(posix, "data", 4, 0, &until) &&
           has_data(mq_timedreceive(posix, in, 4, NULL, &until)));
}

static void semaphores(void)
{
    struct sembuf up = {0, 1, 0}, down = {0, -1, 0};
    struct timespec second = {1, 0}, until = soon(CLOCK_MONOTONIC);
    int set = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    sem_t semaphore;

    EXPECT(set < 0 || (!semop(set, &up, 1) && semctl(set, 0, GETVAL) == 1 &&
                       !semtimedop(set, &down, 1, &second) && semctl(set, 0, GETVAL) == 0));
    if (set >= 0)
        semctl(set, 0, IPC_RMID);
    sem_init(&semaphore, 0, 1);
    EXPECT(!sem_clockwait(&semaphore, CLOCK_MONOTONIC, &until));
}

static mtx_t c11_mutex;
static cnd_t c11_turn;
static volatile int turns;

static int take_turns(void *broadcast)
{
    mtx_lock(&c11_mutex);
    turns++;
    (broadcast ? cnd_broadcast : cnd_signal)(&c11_turn);
    mtx_unlock(&c11_mutex);
    return 0;
}

static void c11_conditions(void)
{
    thrd_t thread[2];
    struct timespec until;

    mtx_init(&c11_mutex, mtx_plain);
    cnd_init(&c11_turn);
    mtx_lock(&c11_mutex);
    thrd_create(&thread[0], take_turns, NULL);
    while (turns < 1)
        EXPECT(cnd_wait(&c11_turn, &c11_mutex) == thrd_success);
    thrd_create(&thread[1], take_turns, &thread);
    timespec_get(&until, TIME_UTC);
    until.tv_sec += 10;
    while (turns < 2)
        EXPECT(cnd_timedwait(&c11_turn, &c11_mutex, &until) == thrd_success);
    mtx_unlock(&c11_mutex);
    EXPECT(thrd_join(thread[0], NULL) == thrd_success && thrd_join(thread[1], NULL) == thrd_success);
}

static pthread_barrier_t barrier;
static void *meet(void *serial)
{
    *(int *)serial = pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    return NULL;
}

static void barriers(void)
{
    pthread_t thread;
    int other = 0, own = 0;

    pthread_barrier_init(&barrier, NULL, 2);
    EXPECT(!pthread_create(&thread, NULL, meet, &other));
    meet(&own);
    EXPECT(!pthread_join(thread, NULL) && own + other == 1);
}

static void *nap(void *result)
{
    usleep(1000);
    return result;
}

static once_flag once = ONCE_FLAG_INIT;
static void add_turn(void)
{
    turns++;
}

static void pthreads(void)
{
    pthread_t thread;
    pthread_spinlock_t spin;
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    struct timespec until = soon(CLOCK_MONOTONIC);
    void *result = NULL;

    pthread_spin_init(&spin, 0);
    EXPECT(!pthread_spin_trylock(&spin) && pthread_spin_trylock(&spin) == EBUSY &&
           !pthread_spin_unlock(&spin));
    EXPECT(!pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &until) && !pthread_rwlock_unlock(&rwlock));
    pthread_mutex_lock(&mutex);
    EXPECT(pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &until) == ETIMEDOUT);
    until = soon(CLOCK_REALTIME);
    until.tv_sec += 10;
    EXPECT(!pthread_create(&thread, NULL, nap, &mutex) && !pthread_timedjoin_np(thread, &result, &until) &&
           result == &mutex);
    result = NULL;
    EXPECT(!pthread_create(&thread, NULL, nap, &mutex) &&
           !pthread_clockjoin_np(thread, &result, CLOCK_REALTIME, &until) && result == &mutex);
    turns = 0;
    call_once(&once, add_turn);
    call_once(&once, add_turn);
    EXPECT(turns == 1);
}

static void wake(int sig)
{
    (void)sig;
    alarm(1); /* should the first one have come before pause() */
}

static void pauses(void)
{
    time_t before = time(NULL);

    signal(SIGALRM, wake);
    alarm(1);
    EXPECT(pause() == -1 && errno == EINTR && time(NULL) > before);
    alarm(0);
}

int main(void)
{
    files(memfd_create("file", 0));
    sockets();
    connections();
    polls();
    queues();
    semaphores();
    c11_conditions();
    pthreads();
    barriers();
    pauses();
    return 0;
}
