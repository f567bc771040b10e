/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An executed program inherits the mask and the ignored signals. So they are made what the program believes
 * them to be, for the call. It also inherits this library, unless it would not start with it. Everything
 * here also runs in children of vfork(), and after fork() in a program with threads: nothing is allocated
 * and no memory of the library is written. Programs that libc itself executes (system, popen) do not come
 * here: these are shells, which load the library.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "hooks/hooks.h"
#include "preload/session/follow.h"
#include "preload/signals/sigprof.h"

/* Declares `environment`: given, or a copy without the library in this function's frame. */
#define ENVIRONMENT_FOR(directory, path, flags, is_searched, given)                                          \
    const struct follow_program program = {directory, path, flags, is_searched};                             \
    size_t room = follow_room(&program, given);                                                              \
    char *space[room / sizeof(char *) + 1];                                                                  \
    char *const *environment = room ? follow_strip(space, given) : (given)

int execve(const char *path, char *const argv[], char *const envp[])
{
    ENVIRONMENT_FOR(AT_FDCWD, path, 0, 0, envp);
    struct sigprof_exec exposure = sigprof_exec_begin();
    int result = real.execve(path, argv, environment);
    sigprof_exec_end(exposure);
    return result;
}

int execv(const char *path, char *const argv[])
{
    ENVIRONMENT_FOR(AT_FDCWD, path, 0, 0, environ);
    struct sigprof_exec exposure = sigprof_exec_begin();
    int result = room ? real.execve(path, argv, environment) : real.execv(path, argv);
    sigprof_exec_end(exposure);
    return result;
}

int execvpe(const char *file, char *const argv[], char *const envp[])
{
    ENVIRONMENT_FOR(AT_FDCWD, file, 0, 1, envp);
    struct sigprof_exec exposure = sigprof_exec_begin();
    int result = real.execvpe(file, argv, environment);
    sigprof_exec_end(exposure);
    return result;
}

int execvp(const char *file, char *const argv[])
{
    ENVIRONMENT_FOR(AT_FDCWD, file, 0, 1, environ);
    struct sigprof_exec exposure = sigprof_exec_begin();
    int result = room ? real.execvpe(file, argv, environment) : real.execvp(file, argv);
    sigprof_exec_end(exposure);
    return result;
}

int fexecve(int fd, char *const argv[], char *const envp[])
{
    ENVIRONMENT_FOR(fd, "", AT_EMPTY_PATH, 0, envp);
    struct sigprof_exec exposure = sigprof_exec_begin();
    int result = real.fexecve(fd, argv, environment);
    sigprof_exec_end(exposure);
    return result;
}

int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
    ENVIRONMENT_FOR(fd, path, flags, 0, envp);
    struct sigprof_exec exposure = sigprof_exec_begin();
    int result = real.execveat(fd, path, argv, environment, flags);
    sigprof_exec_end(exposure);
    return result;
}

/* ---- with the arguments in a list: counted, and gathered on the stack */

static unsigned count_arguments(const char *first, va_list list)
{
    unsigned count = 0;
    for (; first; first = va_arg(list, char *))
        count++;
    return count;
}

/* argv needs room for count + 1. What follows the closing NULL is left in list. A pointer, as on aarch64 a va_list is passed
   by value. */
static void gather_arguments(char **argv, const char *first, unsigned count, va_list *list)
{
    argv[0] = (char *)first;
    for (unsigned i = 1; i <= count; i++)
        argv[i] = va_arg(*list, char *);
}

int execl(const char *path, const char *arg, ...)
{
    unsigned count;
    va_list list;
    va_start(list, arg);
    count = count_arguments(arg, list);
    va_end(list);

    char *argv[count + 1];
    va_start(list, arg);
    gather_arguments(argv, arg, count, &list);
    va_end(list);
    return execv(path, argv);
}

int execlp(const char *file, const char *arg, ...)
{
    unsigned count;
    va_list list;
    va_start(list, arg);
    count = count_arguments(arg, list);
    va_end(list);

    char *argv[count + 1];
    va_start(list, arg);
    gather_arguments(argv, arg, count, &list);
    va_end(list);
    return execvp(file, argv);
}

int execle(const char *path, const char *arg, ...)
{
    unsigned count;
    char *const *envp;
    va_list list;
    va_start(list, arg);
    count = count_arguments(arg, list);
    va_end(list);

    char *argv[count + 1];
    va_start(list, arg);
    gather_arguments(argv, arg, count, &list);
    envp = va_arg(list, char *const *);
    va_end(list);
    return execve(path, argv, envp);
}

/* ---- spawned ones inherit from the caller, which goes on */

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    ENVIRONMENT_FOR(AT_FDCWD, path, 0, 0, envp);
    struct sigprof_exec exposure = sigprof_exec_begin();
    int error = real.posix_spawn(pid, path, actions, attr, argv, environment);
    sigprof_exec_end(exposure);
    return error;
}

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    ENVIRONMENT_FOR(AT_FDCWD, file, 0, 1, envp);
    struct sigprof_exec exposure = sigprof_exec_begin();
    int error = real.posix_spawnp(pid, file, actions, attr, argv, environment);
    sigprof_exec_end(exposure);
    return error;
}
