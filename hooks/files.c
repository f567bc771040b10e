/* SPDX-License-Identifier: Apache-2.0 */
/* Files that others have locked, and those that go to the disk now. */
#include "../sampler/wait.h"
#include "hooks.h"

int flock(int fd, int operation)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_flock);
    result = real.flock(fd, operation);
    wait_leave(&wait);
    return result;
}

int lockf(int fd, int command, off_t size)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_lockf);
    result = real.lockf(fd, command, size);
    wait_leave(&wait);
    return result;
}

int lockf64(int fd, int command, off64_t size)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_lockf);
    result = real.lockf64(fd, command, size);
    wait_leave(&wait);
    return result;
}

/* Variadic for its callers; the one argument there may be is a register's worth, and goes on as it came. */
typedef int fcntl_function(int fd, int command, long argument);

static bool waits_for_lock(int command)
{
    return command == F_SETLKW || command == F_OFD_SETLKW;
}

__attribute__((noinline)) static int fcntl_waits(fcntl_function *function, int fd, int command, long argument)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_fcntl);
    result = function(fd, command, argument);
    wait_leave(&wait);
    return result;
}

HOOK fcntl_function hook_fcntl __asm__("fcntl");
int hook_fcntl(int fd, int command, long argument)
{
    fcntl_function *function = (fcntl_function *)(void *)real.fcntl;
    if (UNLIKELY(waits_for_lock(command)))
        return fcntl_waits(function, fd, command, argument);
    return function(fd, command, argument);
}

HOOK fcntl_function hook_fcntl64 __asm__("fcntl64");
int hook_fcntl64(int fd, int command, long argument)
{
    fcntl_function *function = (fcntl_function *)(void *)real.fcntl64;
    if (UNLIKELY(waits_for_lock(command)))
        return fcntl_waits(function, fd, command, argument);
    return function(fd, command, argument);
}

int fsync(int fd)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_fsync);
    result = real.fsync(fd);
    wait_leave(&wait);
    return result;
}

int syncfs(int fd)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_syncfs);
    result = real.syncfs(fd);
    wait_leave(&wait);
    return result;
}

int fdatasync(int fd)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_fdatasync);
    result = real.fdatasync(fd);
    wait_leave(&wait);
    return result;
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned int flags)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_sync_file_range);
    result = real.sync_file_range(fd, offset, size, flags);
    wait_leave(&wait);
    return result;
}

int msync(void *address, size_t size, int flags)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_msync);
    result = real.msync(address, size, flags);
    wait_leave(&wait);
    return result;
}
