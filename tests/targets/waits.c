// SPDX-License-Identifier: Apache-2.0
// build: -lrt
// real processor: alarms of 10 ms come before the call that they are to interrupt
// Every call that may block returns what it returns without us: results, errno, EINTR, time left,
// cancellation.
#include "expect.h"
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <threads.h>

static int pair[2];
static void nothing(int sig)
{
    (void)sig;
}

/* In a handler that interrupts a wait: another wait, and errno as we like. */
static void waits(int sig)
{
    struct timespec ms = {0, 1000000};
    (void)sig;
    nanosleep(&ms, NULL);
    errno = E2BIG;
}

static timer_t timer;

/* On a busy machine the alarm may come before the call that it is to interrupt: then it comes again. */
static void alarm_in(int ms, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    struct itimerspec in = {.it_interval = {1, 0}, .it_value = {0, ms * 1000000L}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    static int made;
    if (!made++)
        EXPECT(!timer_create(CLOCK_MONOTONIC, &event, &timer));
    EXPECT(!sigaction(SIGUSR1, &action, NULL));
    EXPECT(!timer_settime(timer, 0, &in, NULL));
}

static void alarm_off(void)
{
    const struct itimerspec never = {{0, 0}, {0, 0}};
    EXPECT(!timer_settime(timer, 0, &never, NULL));
}

static void sleeping(void)
{
    struct timespec long_time = {10, 0}, ms = {0, 1000000}, left = {0, 0}, wrong = {0, -1};
    EXPECT(nanosleep(&wrong, NULL) == -1 && errno == EINVAL);
    EXPECT(clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, NULL) == EINVAL);
    EXPECT(usleep(1000) == 0 && thrd_sleep(&ms, NULL) == 0 && sleep(0) == 0);
    alarm_in(20, waits, 0);
    EXPECT(nanosleep(&long_time, &left) == -1 && left.tv_sec == 9);
    alarm_off();
    alarm_in(20, nothing, 0);
    EXPECT(sleep(10) == 10 || sleep(0) == 0);
    alarm_off();
    alarm_in(20, nothing, 0);
    EXPECT(pause() == -1 && errno == EINTR);
    alarm_off();
    sigset_t none;
    sigemptyset(&none);
    alarm_in(20, nothing, 0);
    EXPECT(sigsuspend(&none) == -1 && errno == EINTR);
    alarm_off();
}

static void polling(void)
{
    struct pollfd one = {pair[0], POLLIN, 0};
    struct timespec ms = {0, 5000000};
    struct timeval tv = {0, 5000};
    struct epoll_event event = {EPOLLIN, {0}};
    int fd = epoll_create1(0);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pair[0], &set);
    EXPECT(poll(&one, 1, 5) == 0 && ppoll(&one, 1, &ms, NULL) == 0);
    EXPECT(select(pair[0] + 1, &set, NULL, NULL, &tv) == 0 && !FD_ISSET(pair[0], &set) && tv.tv_usec == 0);
    EXPECT(pselect(0, NULL, NULL, NULL, &ms, NULL) == 0);
    EXPECT(epoll_wait(fd, &event, 0, 0) == -1 && errno == EINVAL);
    EXPECT(!epoll_ctl(fd, EPOLL_CTL_ADD, pair[0], &event));
    EXPECT(epoll_wait(fd, &event, 1, 5) == 0 && epoll_pwait(fd, &event, 1, 5, NULL) == 0);
    alarm_in(20, waits, SA_RESTART); /* never restarted */
    errno = 0;
    EXPECT(poll(&one, 1, 2000) == -1);
    alarm_off();
    EXPECT(write(pair[1], "x", 1) == 1 && poll(&one, 1, -1) == 1 && epoll_wait(fd, &event, 1, -1) == 1);
    char c;
    EXPECT(read(pair[0], &c, 1) == 1 && c == 'x');
    close(fd);
}

static void *send_later(void *unused)
{
    usleep(30000);
    EXPECT(write(pair[1], "abcd", 4) == 4);
    return unused;
}

static void input(void)
{
    char text[4] = "";
    struct iovec parts[2] = {{text, 2}, {text + 2, 2}};
    pthread_t thread;
    EXPECT(read(-1, text, 1) == -1 && errno == EBADF);
    EXPECT(pread(pair[0], text, 1, 0) == -1 && errno == ESPIPE);
    EXPECT(recv(pair[0], text, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    alarm_in(10, nothing, 0);
    EXPECT(read(pair[0], text, 1) == -1 && errno == EINTR);
    alarm_off();
    EXPECT(!pthread_create(&thread, NULL, send_later, NULL));
    alarm_in(10, nothing, SA_RESTART);
    EXPECT(readv(pair[0], parts, 2) == 4 && !memcmp(text, "abcd", 4));
    alarm_off();
    EXPECT(!pthread_join(thread, NULL));
    EXPECT(send(pair[1], "ef", 2, 0) == 2 && recvfrom(pair[0], text, 4, 0, NULL, NULL) == 2);
    EXPECT(accept(pair[0], NULL, NULL) == -1 && errno != 0);
    EXPECT(connect(-1, NULL, 0) == -1 && errno == EBADF);
}

static void between_descriptors(void)
{
    char path[] = "waits.XXXXXX", text[8] = "";
    int fd = mkstemp(path), copy = open(path, O_RDWR), ends[2], event = eventfd(7, 0);
    off_t from = 1;
    off64_t at[2] = {0, 4};
    eventfd_t value = 0;
    unlink(path);
    EXPECT(!pipe(ends) && write(fd, "abcd", 4) == 4);
    EXPECT(sendfile(pair[1], fd, &from, 2) == 2 && from == 3 && read(pair[0], text, 8) == 2 &&
           !memcmp(text, "bc", 2));
    EXPECT(copy_file_range(fd, &at[0], copy, &at[1], 4, 0) == 4 && at[1] == 8);
    EXPECT(pread(fd, text, 8, 0) == 8 && !memcmp(text, "abcdabcd", 8));
    at[0] = 2;
    EXPECT(splice(fd, &at[0], ends[1], NULL, 2, 0) == 2 && read(ends[0], text, 8) == 2 &&
           !memcmp(text, "cd", 2));
    EXPECT(splice(ends[0], NULL, ends[1], NULL, 1, 0) == -1 && errno == EINVAL);
    EXPECT(!eventfd_read(event, &value) && value == 7);
    alarm_in(10, nothing, 0);
    EXPECT(eventfd_read(event, &value) == -1 && errno == EINTR);
    alarm_off();
}

static void files(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[] = "waits.XXXXXX";
    int fd = mkstemp(path), other = open(path, O_RDWR);
    unlink(path);
    EXPECT(write(fd, "abc", 3) == 3 && pwrite(fd, "d", 1, 3) == 1);
    EXPECT(!fsync(fd) && !fdatasync(fd) && fsync(-1) == -1 && errno == EBADF);
    EXPECT(!flock(fd, LOCK_EX) && flock(other, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
    EXPECT(!lockf(fd, F_LOCK, 1) && !lockf(fd, F_ULOCK, 1));
    EXPECT(!fcntl(fd, F_OFD_SETLKW, &lock) && fcntl(other, F_OFD_SETLK, &lock) == -1 && errno == EAGAIN);
    EXPECT(fcntl(fd, F_GETFD) == 0 && !fcntl(fd, F_SETFD, FD_CLOEXEC) && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    EXPECT(fcntl(fd, F_DUPFD, 100) == 100 && fcntl(-1, F_GETFL) == -1 && errno == EBADF);
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT(!msync(map, 4096, MS_SYNC));
}

static void children(void)
{
    int status;
    siginfo_t info;
    EXPECT(wait(NULL) == -1 && errno == ECHILD);
    pid_t child = fork();
    if (!child) {
        usleep(10000);
        _exit(3);
    }
    EXPECT(waitpid(child, &status, WNOHANG) == 0);
    EXPECT(!waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) && info.si_status == 3);
    EXPECT(wait4(child, &status, 0, NULL) == child && WEXITSTATUS(status) == 3);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int made;
static void make_slowly(void)
{
    usleep(20000);
    made++;
}
static void *run_once(void *unused)
{
    EXPECT(!pthread_once(&once, make_slowly) && made == 1);
    return unused;
}

static void synchronization(void)
{
    struct timespec past = {1, 0};
    pthread_barrier_t barrier;
    pthread_t thread[3];
    void *result;
    sem_t semaphore;
    EXPECT(!sem_init(&semaphore, 0, 1) && !sem_wait(&semaphore));
    EXPECT(sem_timedwait(&semaphore, &past) == -1 && errno == ETIMEDOUT);
    EXPECT(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &past) == -1 && errno == ETIMEDOUT);
    alarm_in(10, nothing, 0);
    EXPECT(sem_wait(&semaphore) == -1 && errno == EINTR);
    alarm_off();
    EXPECT(!pthread_barrier_init(&barrier, NULL, 1));
    EXPECT(pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD);
    for (intptr_t i = 0; i < 3; i++)
        EXPECT(!pthread_create(&thread[i], NULL, run_once, (void *)i));
    for (intptr_t i = 0; i < 3; i++)
        EXPECT(!pthread_join(thread[i], &result) && result == (void *)i);
    EXPECT(pthread_join(pthread_self(), NULL) == EDEADLK);
}

static void *wait_to_be_cancelled(void *which)
{
    char c;
    sem_t none;
    sem_init(&none, 0, 0);
    switch ((intptr_t)which) {
    case 0:
        return (void *)read(pair[0], &c, 1);
    case 1:
        return (void *)(intptr_t)poll(NULL, 0, -1);
    case 2:
        return (void *)(intptr_t)sem_wait(&none);
    default:
        return (void *)(intptr_t)pause();
    }
}

/* Acted upon at once, also by a semaphore that need not be waited for. */
static void *cancelled_at_entry(void *unused)
{
    sem_t semaphore;
    sem_init(&semaphore, 0, 1);
    pthread_cancel(pthread_self());
    sem_wait(&semaphore);
    return unused;
}

static void cancelling(void)
{
    pthread_t thread;
    void *result;
    for (intptr_t i = 0; i < 4; i++) {
        EXPECT(!pthread_create(&thread, NULL, wait_to_be_cancelled, (void *)i));
        usleep(10000);
        EXPECT(!pthread_cancel(thread) && !pthread_join(thread, &result) && result == PTHREAD_CANCELED);
    }
    EXPECT(!pthread_create(&thread, NULL, cancelled_at_entry, NULL));
    EXPECT(!pthread_join(thread, &result) && result == PTHREAD_CANCELED);
}

static sigjmp_buf out;
static void jump(int sig)
{
    siglongjmp(out, sig);
}

/* Out of waits, again and again, and from a handler that forks within one. */
static void jumping(void)
{
    char c;
    for (volatile int i = 0; i < 20; i++) {
        if (sigsetjmp(out, 1))
            continue;
        alarm_in(2, jump, 0);
        EXPECT(read(pair[0], &c, 1) == -2);
    }
    alarm_off();
    EXPECT(usleep(1000) == 0);
}

static volatile pid_t forked;
static void fork_here(int sig)
{
    (void)sig;
    forked = fork();
}

static void forking(void)
{
    char c;
    alarm_in(10, fork_here, 0);
    EXPECT(read(pair[0], &c, 1) == -1 && errno == EINTR);
    if (!forked) {
        usleep(100000); /* long enough to be given a segment of its own */
        _exit(write(pair[0], "x", 1) == 1 ? 7 : 8);
    }
    alarm_off();
    EXPECT(wait_for(forked) == 7);
}

int main(void)
{
    EXPECT(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    sleeping();
    polling();
    input();
    between_descriptors();
    files();
    children();
    synchronization();
    cancelling();
    jumping();
    forking();
    return 0;
}
