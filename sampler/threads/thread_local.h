/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hot paths touch of a thread: thread-local storage of the initial-exec model, zero at first. The rest
 * is a private array beside the segment's thread slots (thread_slots.h), found by slot number, which a CPU timer's
 * signal carries.
 */
#ifndef CPROF_SAMPLER_THREAD_LOCAL_H
#define CPROF_SAMPLER_THREAD_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread_local_state {
    uint64_t alloc_gap;      /* bytes until the next allocation sample; 0 at a thread's first allocation */
    uint64_t alloc_rate;     /* mean the gap was drawn with, and alloc.c's flag; 0: none was drawn yet */
    uint32_t slot;           /* 0: none yet */
    int32_t timer;           /* 1 + the CPU timer's id; 0: has none */
    uint64_t random;         /* event_random()'s state; 0: not seeded */
    uintptr_t examined;      /* the lock whose releases by the thread are examined: contention.h */
    uint64_t examined_since; /* ticks: when the thread got it */
    uint8_t brief_holds;     /* so many holdings of it in succession were brief */
    uint16_t awaits;         /* 1 + entry of the condition that it waits for; 0: none */
    uint8_t slots_asked;     /* times that a wait asked for a slot */
    uint8_t ended : 1;       /* 1: nothing is recorded any more: no slot again, or no clock to be read */
    /* Of a thread that was made before the process had a segment: its stack has 2 to that power of bytes or
       more. */
    uint8_t early_stack : 6;
    uint8_t is_small : 1; /* its stack has no room for a walk */
    uint64_t alternate;   /* the stack of sigaltstack(), as far as it is known: thread_set_alternate() */
};
extern __thread struct thread_local_state thread_local_state
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The calling thread's alternate stack. size 0: it has none. Start (of 48 bits) and size are kept in words of 16
   bytes. */
enum { ALTERNATE_WORD = 16, ALTERNATE_SIZE_BITS = 20, ALTERNATE_MOST = (1 << ALTERNATE_SIZE_BITS) - 1 };
static inline void thread_set_alternate(const void *start, size_t size)
{
    uint64_t words = (size + ALTERNATE_WORD - 1) / ALTERNATE_WORD;
    words = words < ALTERNATE_MOST ? words : ALTERNATE_MOST;
    thread_local_state.alternate = (uintptr_t)start / ALTERNATE_WORD << ALTERNATE_SIZE_BITS | words;
}

/* What is left of the alternate stack below the calling function; 0: the thread is not on it. */
static inline size_t thread_alternate_left(void)
{
    uint64_t stack = thread_local_state.alternate, words = stack & ALTERNATE_MOST;
    uintptr_t left = (uintptr_t)__builtin_frame_address(0) - (stack >> ALTERNATE_SIZE_BITS) * ALTERNATE_WORD;
    return __builtin_expect(left < words * ALTERNATE_WORD, 0) ? left : 0;
}

#endif
