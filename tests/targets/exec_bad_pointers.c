// SPDX-License-Identifier: Apache-2.0
// exec and posix_spawn of what lies at no address, or ends where none is any more, is EFAULT.
#include "expect.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "older_libc.h"

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

static char program[] = "/bin/true";
static char *arguments[] = {program, NULL};

/* posix_spawn() itself reads all of argv. */
static void expect_fault(const char *path, char *const *argv, char *const *envp)
{
    int spawns = argv == arguments;
    pid_t pid;
    int fd = open(program, O_RDONLY);

    EXPECT(execve(path, argv, envp) == -1 && errno == EFAULT);
    EXPECT(syscall(SYS_execve, path, argv, envp) == -1 && errno == EFAULT);
    EXPECT(execveat(AT_FDCWD, path, argv, envp, 0) == -1 && errno == EFAULT);
    EXPECT(!spawns || posix_spawn(&pid, path, NULL, NULL, argv, envp) == EFAULT);
    if (path == program) {
        EXPECT(execvpe(path, argv, envp) == -1 && errno == EFAULT);
        EXPECT(fexecve(fd, argv, envp) == -1 && errno == EFAULT);
        EXPECT(!spawns || posix_spawnp(&pid, path, NULL, NULL, argv, envp) == EFAULT);
        EXPECT(!spawns || (execle(path, path, NULL, envp) == -1 && errno == EFAULT));
    } else {
        EXPECT(execv(path, argv) == -1 && errno == EFAULT);
        EXPECT(execl(path, "true", NULL) == -1 && errno == EFAULT);
        EXPECT(execveat(fd, path, argv, envp, AT_EMPTY_PATH) == -1 && errno == EFAULT);
    }
    close(fd);
}

int main(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *wrong = (char *)(uintptr_t)16;
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *last = memcpy(pages + page - 3, "A=B", 3);
    char **unended = (char **)(pages + page) - 1;
    char *bad_string[] = {(char *)"A=B", wrong, NULL}, *unended_string[] = {last, NULL};
    char *name = memcpy(pages + page - 12, "LD_PRELOAD=x", 12), *unended_preload[] = {name, NULL};

    mprotect(pages + page, page, PROT_NONE);
    memcpy(last, "A=B", 3);
    expect_fault(program, arguments, (char **)wrong);
    expect_fault(program, arguments, bad_string);
    expect_fault(program, arguments, unended_string);
    expect_fault(program, (char **)wrong, environ);
    expect_fault(program, bad_string, environ);
    expect_fault(wrong, arguments, environ);
    memcpy(name, "LD_PRELOAD=x", 12);
    expect_fault(program, arguments, unended_preload);
    memcpy(unended, &arguments[0], sizeof(char *));
    expect_fault(program, arguments, unended);
    expect_fault(program, unended, environ);
    return 0;
}
