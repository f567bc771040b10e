// SPDX-License-Identifier: Apache-2.0
// real processor: a child is not young any more after 20 ms
// What a forked child does before it executes something, or ends, is cheap: it takes no segment of its own
// for it. That comes with a sample or a wait that lasts.
#include "expect.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/uio.h>

static char text[1 << 18];
static int ends[2], file;

/* The inode of the library's segment in /proc/self/maps; 0: none. Nothing here is allocated. */
static unsigned long segment(void)
{
    int fd = open("/proc/self/maps", O_RDONLY);
    size_t have = 0;
    ssize_t got;
    char *name;

    while ((got = read(fd, text + have, sizeof text - 1 - have)) > 0)
        have += (size_t)got;
    close(fd);
    text[have] = 0;
    name = strstr(text, "/memfd:cprof");
    if (!name)
        return 0;
    while (name > text && name[-1] == ' ')
        name--;
    while (name > text && name[-1] != ' ')
        name--;
    return strtoul(name, NULL, 10);
}

static void renames(void)
{
    prctl(PR_SET_NAME, "child");
    pthread_setname_np(pthread_self(), "again");
}

static void locks(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    sem_t semaphore;

    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    pthread_rwlock_wrlock(&lock);
    pthread_rwlock_unlock(&lock);
    sem_init(&semaphore, 0, 1);
    sem_wait(&semaphore);
}

static void writes(void)
{
    char byte[2] = "x";
    struct iovec part = {byte, 1};

    EXPECT(write(ends[1], byte, 1) == 1 && writev(ends[1], &part, 1) == 1);
    EXPECT(read(ends[0], byte, 1) == 1 && readv(ends[0], &part, 1) == 1);
    EXPECT(pwrite(file, byte, 1, 0) == 1 && pread(file, byte, 1, 0) == 1 && pwritev(file, &part, 1, 0) == 1);
    EXPECT(!flock(file, LOCK_EX | LOCK_NB) && fcntl(file, F_GETFD) >= 0);
}

static void looks(void)
{
    struct pollfd fd = {ends[0], POLLIN, 0};
    struct timeval now = {0, 0};
    struct epoll_event event;
    int epoll = epoll_create1(0);

    EXPECT(!poll(&fd, 1, 0) && !epoll_wait(epoll, &event, 1, 0) && !select(0, NULL, NULL, NULL, &now));
    EXPECT(!poll(NULL, 0, 1));
}

static void sleeps(void)
{
    struct timespec moment = {0, 1000};
    EXPECT(!usleep(1) && !nanosleep(&moment, NULL) && !clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL));
}

static void signals(void)
{
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGTERM, SIG_IGN);
}

static void *volatile parents_block[512];

static void allocates(void)
{
    char *volatile block = malloc(1);
    free(block);
    for (int i = 0; i < 512; i++)
        free(parents_block[i]);
}

static void *thread(void *argument)
{
    return argument;
}

static void threads(void)
{
    pthread_t made;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    EXPECT(!pthread_create(&made, &detached, thread, NULL));
}

static void waits_for_a_child(void)
{
    pid_t child = fork();
    if (!child)
        _exit(0);
    EXPECT(waitpid(child, NULL, 0) == child);
}

static int try(void (*what)(void), unsigned long parents)
{
    pid_t child = fork();
    int status;
    if (!child) {
        unsigned long own;
        what();
        own = segment();
        _exit(own && own != parents);
    }
    EXPECT(waitpid(child, &status, 0) == child);
    return status;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*what)(void);
    } children[] = {
        {"renames", renames},    {"locks", locks},     {"writes", writes},   {"looks", looks},
        {"sleeps", sleeps},      {"signals", signals}, {"threads", threads}, {"waits", waits_for_a_child},
        {"allocates", allocates}};
    unsigned long parents;

    if (argc == 1) {
        /* What these children do is never a sample, then. */
        setenv("CPROF_MEMORY_RATE", "1GiB", 1);
        setenv("CPROF_CPU_HZ", "1", 1);
        execl("/proc/self/exe", argv[0], "again", NULL);
    }
    burn(20);
    for (int i = 0; i < 512; i++)
        parents_block[i] = malloc(1000);
    parents = segment();
    EXPECT(!pipe(ends) && (file = open("file", O_RDWR | O_CREAT, 0600)) >= 0);
    for (unsigned i = 0; i < sizeof children / sizeof children[0]; i++) {
        int status = 1;
        /* One that is kept from its CPU for long is not young any more. */
        for (int tries = 0; tries < 5 && status; tries++)
            status = try(children[i].what, parents);
        printf("%s: %d\n", children[i].name, status);
    }
    return 0;
}
