// SPDX-License-Identifier: Apache-2.0
// A thread waits for a counter of its own to change, as conditions of futexes do, five times for 200 ms.
// Nobody holds anything.
#include <pthread.h>
#include <stdint.h>

#include "own_lock.h"
#include "waits.h"

enum { EVENTS = 5 };
static _Atomic uint32_t counter;

static void *wait_for_events(void *unused)
{
    for (uint32_t seen = 0; seen < EVENTS; seen++)
        while (counter == seen)
            syscall(SYS_futex, &counter, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_events, NULL);
    for (int i = 0; i < EVENTS; i++) {
        rest(200000000);
        counter++;
        syscall(SYS_futex, &counter, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
    return pthread_join(thread, NULL);
}
