// SPDX-License-Identifier: Apache-2.0
// Anonymous memory in awkward ways: wrong arguments, parts unmapped, replaced and moved, the program break, children.
#include "expect.h"
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGE = 4096, PAGES = 64 };
static const size_t size = (size_t)PAGES * PAGE;

static void *map_at(void *address, size_t bytes, int flags)
{
    return mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static char *map(void)
{
    char *at = map_at(NULL, size, 0);
    EXPECT(at != MAP_FAILED);
    memset(at, 'a', size);
    return at;
}

#define EXPECT_ERROR(call, error)  EXPECT((call) == -1 && errno == (error))
#define EXPECT_NO_MAP(call, error) EXPECT((call) == MAP_FAILED && errno == (error))

static void wrong_arguments(void)
{
    char *at = map();
    volatile size_t none = 0, most = SIZE_MAX;

    EXPECT_NO_MAP(map_at(NULL, none, 0), EINVAL);
    EXPECT_NO_MAP(map_at(NULL, most, 0), ENOMEM);
    EXPECT_NO_MAP(map_at(at + 1, size, MAP_FIXED), EINVAL);
    EXPECT_NO_MAP(mmap(NULL, size, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
    EXPECT_NO_MAP(mmap(NULL, size, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
    EXPECT_ERROR(munmap(at + 1, size), EINVAL);
    EXPECT_ERROR(munmap(at, none), EINVAL);
    EXPECT_ERROR(munmap(at, most), EINVAL);
    EXPECT_NO_MAP(mremap(at + 1, size, 2 * size, MREMAP_MAYMOVE), EINVAL);
    EXPECT_NO_MAP(mremap(at, size, none, MREMAP_MAYMOVE), EINVAL);
    EXPECT_NO_MAP(mremap(at, size, size, MREMAP_FIXED, at), EINVAL);
    EXPECT_NO_MAP(mremap(at, size, size, MREMAP_FIXED | MREMAP_MAYMOVE, at + PAGE), EINVAL);
    EXPECT_NO_MAP(mremap((void *)PAGE, PAGE, size, 0), EFAULT);
    EXPECT(at[0] == 'a' && at[size - 1] == 'a');
    EXPECT(munmap(at, size) == 0);
    EXPECT(munmap(at, size) == 0); /* of nothing is no error */
}

/* glibc has a second name for mmap(). */
static void by_the_other_name(void)
{
#ifdef __GLIBC__
    char *at = mmap64(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile size_t none = 0;

    EXPECT(at != MAP_FAILED && at[size - 1] == 0);
    EXPECT(mmap64(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
    EXPECT_NO_MAP(mmap64(NULL, none, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
    EXPECT(munmap(at, size) == 0);
#endif
}

static void in_parts(void)
{
    char *at = map(), *other = map();

    EXPECT(munmap(at + 8 * PAGE, 4 * PAGE) == 0);
    EXPECT(at[8 * PAGE - 1] == 'a' && at[12 * PAGE] == 'a');
    EXPECT(map_at(at + 6 * PAGE, 4 * PAGE, MAP_FIXED) == at + 6 * PAGE);
    EXPECT(at[6 * PAGE] == 0 && at[6 * PAGE - 1] == 'a');
    EXPECT(mremap(other, size, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 20 * PAGE) == at + 20 * PAGE);
    EXPECT(at[20 * PAGE] == 'a' && at[24 * PAGE] == 'a');
    EXPECT(munmap(at - 0, size) == 0);
}

static void grows_and_moves(void)
{
    char *at = map(), *wall, *moved;

    EXPECT(munmap(at + size / 2, size / 2) == 0);
    wall = map_at(at + size / 2, PAGE, MAP_FIXED);
    EXPECT(wall == at + size / 2);
    EXPECT_NO_MAP(mremap(at, size / 2, 8 * size, 0), ENOMEM);
    moved = mremap(at, size / 2, 8 * size, MREMAP_MAYMOVE);
    EXPECT(moved != MAP_FAILED && moved != at && moved[size / 2 - 1] == 'a' && moved[8 * size - 1] == 0);
    EXPECT(mremap(moved, 8 * size, PAGE, 0) == moved);
    EXPECT(munmap(moved, PAGE) == 0 && munmap(wall, PAGE) == 0);
}

/* errno stays what it was after calls that succeed. */
static void keeps_errno(void)
{
    errno = 77;
    for (int i = 0; i < 2000; i++)
        EXPECT(munmap(map(), size) == 0);
    EXPECT(errno == 77);
}

static void program_break(void)
{
    char *start = sbrk(0), *old;

    old = sbrk(size);
    EXPECT(old == start && sbrk(0) == start + size);
    memset(old, 'b', size);
    EXPECT(brk(start + 3 * size) == 0 && old[size - 1] == 'b');
    EXPECT(sbrk(-(intptr_t)size) == start + 3 * size);
    EXPECT_ERROR(brk((void *)UINTPTR_MAX), ENOMEM);
    EXPECT(sbrk(INTPTR_MAX) == (void *)-1 && errno == ENOMEM);
    EXPECT(brk(start) == 0 && sbrk(0) == start);
}

static void shared_with_a_child(void)
{
    char *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *own = map();
    pid_t child = fork();
    int status;

    if (!child) {
        shared[0] = own[0] == 'a' ? 'c' : 'x';
        EXPECT(munmap(own + PAGE, PAGE) == 0 && munmap(own, size) == 0 && munmap(shared, size) == 0);
        EXPECT(munmap(map(), size) == 0);
        _exit(0);
    }
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    EXPECT(shared[0] == 'c' && own[PAGE] == 'a');
    EXPECT(munmap(shared, size) == 0 && munmap(own, size) == 0);
}

static void *in_thread(void *unused)
{
    for (int i = 0; i < 1000; i++) {
        char *at = map();
        size_t part =
            (size_t)(1 + i % (PAGES - 1)) * PAGE; /* nothing twice: another thread may have mapped there */
        EXPECT(munmap(at, part) == 0 && munmap(at + part, size - part) == 0);
    }
    return unused;
}

/* More mappings than are tracked, from several threads. */
static void very_many(void)
{
    enum { MANY = 6000, THREADS = 4 };
    static char *at[MANY];
    pthread_t thread[THREADS];

    for (int i = 0; i < MANY; i++)
        EXPECT((at[i] = mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
    for (int i = 0; i < THREADS; i++)
        EXPECT(!pthread_create(&thread[i], NULL, in_thread, NULL));
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < MANY; i++)
        EXPECT(munmap(at[i], PAGE) == 0);
}

int main(void)
{
    wrong_arguments();
    by_the_other_name();
    in_parts();
    grows_and_moves();
    keeps_errno();
    program_break();
    shared_with_a_child();
    very_many();
    return 0;
}
