/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a lock of a file, or until its data is on the disk. */
#include "waits.h"

WAITING_BRIEFLY(int, flock, flock, operation &(LOCK_NB | LOCK_UN), (int fd, int operation), (fd, operation))
WAITING_BRIEFLY(int, lockf, lockf, command != F_LOCK, (int fd, int command, off_t size), (fd, command, size))
WAITING_BRIEFLY(int, lockf64, lockf, command != F_LOCK, (int fd, int command, off64_t size),
                (fd, command, size))

/* Variadic for its callers. The one optional argument fits in a register and is passed on unchanged. */
typedef int fcntl_function(int fd, int command, long argument);

__attribute__((noinline)) static int wait_for_lock(fcntl_function *function, int fd, int command,
                                                   long argument)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_fcntl);
    result = function(fd, command, argument);
    wait_leave(&wait);
    return result;
}

static inline int control(fcntl_function *function, int fd, int command, long argument)
{
    if (UNLIKELY(command == F_SETLKW || command == F_OFD_SETLKW))
        return wait_for_lock(function, fd, command, argument);
    return function(fd, command, argument);
}

HOOK fcntl_function hook_fcntl __asm__("fcntl");
int hook_fcntl(int fd, int command, long argument)
{
    return control((fcntl_function *)(void *)real.fcntl, fd, command, argument);
}

HOOK fcntl_function hook_fcntl64 __asm__("fcntl64");
int hook_fcntl64(int fd, int command, long argument)
{
    return control((fcntl_function *)(void *)real.fcntl64, fd, command, argument);
}

WAITING(int, fsync, (int fd), (fd))
WAITING(int, syncfs, (int fd), (fd))
WAITING(int, fdatasync, (int fd), (fd))
WAITING(int, sync_file_range, (int fd, off64_t offset, off64_t size, unsigned int flags),
        (fd, offset, size, flags))
WAITING(int, msync, (void *address, size_t size, int flags), (address, size, flags))
