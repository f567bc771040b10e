// SPDX-License-Identifier: Apache-2.0
// A lock of a futex as programs make their own: 0 is free, 1 taken, 2 waited for.
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

struct own_lock {
    _Atomic int word;
};

static inline void own_lock(struct own_lock *lock)
{
    int free = 0;
    if (atomic_compare_exchange_strong(&lock->word, &free, 1))
        return;
    while (atomic_exchange(&lock->word, 2))
        syscall(SYS_futex, &lock->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static inline void own_unlock(struct own_lock *lock)
{
    if (atomic_exchange(&lock->word, 0) == 2)
        syscall(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
