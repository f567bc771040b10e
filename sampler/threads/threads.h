/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Per-thread state. What hot paths touch is in thread-local storage of the initial-exec model, zero at first;
 * the rest is a private array beside the segment's thread slots, found by slot number (a CPU timer's signal
 * carries it).
 */
#ifndef CPROF_SAMPLER_THREADS_H
#define CPROF_SAMPLER_THREADS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "sampler/unwind/unwind.h"

struct thread_local_state {
    uint64_t alloc_gap;    /* bytes until the next allocation sample; 0 at a thread's first allocation */
    uint64_t alloc_rate;   /* mean the gap was drawn with; 0: none was drawn yet */
    uint32_t slot;         /* 0: none yet */
    int32_t timer;         /* 1 + the CPU timer's id; 0: has none */
    uint64_t random;       /* event_random()'s state; 0: not seeded */
    const void *watched;   /* the lock whose holdings by it are looked at, from first to last: contention.c */
    uint16_t watched_from; /* ticks / 1024, modulo 2^16: when it got that */
    uint16_t waits_at;     /* 1 + entry of the lock it waits for; WAITS_AT_CONDITION + entry; 0: neither */
    uint8_t looks;         /* so many more holdings of that lock are looked at, unless they are long */
    uint8_t abandons;      /* waits for locks that were left by a jump */
    uint8_t slots_asked;   /* times that a wait asked for a slot */
    uint8_t ended : 1;     /* 1: nothing is recorded any more: no slot again, or no clock to be read */
    /* Of a thread that was made before the process had a segment: its stack has 2 to that power of bytes or
       more. */
    uint8_t early_stack : 6;
    uint64_t waits_since; /* ticks */
    uint64_t alternate;   /* the stack of sigaltstack(), as far as it is known: thread_set_alternate() */
};
extern __thread struct thread_local_state thread_local_state
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

enum { WAITS_AT_CONDITION = 0x8000 };

/*
 * Thread creation. thread_prepare() is called by the creating thread; it claims a slot and keeps start and
 * arg in it, or claims a place for those in a process that has no segment yet. attr (may be NULL) tells the
 * size of the stack. Returns the slot, or 0 when there is none (the thread then runs without us). The caller
 * passes thread_main as the start routine and (void
 * *)(uintptr_t)slot as its argument, and calls thread_cancel_prepare() if creation failed.
 */
uint32_t thread_prepare(void *(*start)(void *), void *arg, const pthread_attr_t *attr);
void thread_cancel_prepare(uint32_t slot);
void *thread_main(void *slot);

/* Once, before any of the above, from process_start()'s caller. */
typedef int thread_key_function(pthread_key_t *key, void (*destructor)(void *));
void threads_start(thread_key_function *create_key);

/* In a forked child: its parent's other threads will not start in it. */
void threads_forget(void);

/* The program has used up all keys for thread-specific data but the one by which a thread's end is noticed:
   that one is the program's now. false: it was already. */
bool thread_give_key_up(void);

/* Gives the calling thread a slot and a CPU timer if it has none: the main thread at start and after fork.
   stack_high: an address above all of its frames, or 0. Signal-safe. */
void thread_adopt_self(uintptr_t stack_high);

/* The thread's name changed (pthread_setname_np, prctl(PR_SET_NAME)); handle 0: the calling thread.
 * Signal-safe. */
void thread_renamed(pthread_t handle, const char *name);

/* Of a CPU signal's handler: gives a thread that no hook saw a slot and a timer; frees those of one that has
 * ended. */
struct segment;
void thread_adopt_other(struct segment *segment, int tid, const char name[16]);
void thread_bury(struct segment *segment, int tid);

/* Of a CPU signal's handler: the calling thread was adopted with this slot, and has come by itself since. */
bool thread_has_other(uint32_t slot);
void thread_drop(struct segment *segment, uint32_t slot);

/*
 * The CPU sampler. cpu_signal() is called by the SIGPROF handler of preload/signals/sigprof.c for every
 * SIGPROF; true: it was a timer of ours and was dealt with. Signal-safe, errno untouched.
 */
bool cpu_signal(const siginfo_t *info, void *context);

/* true: the signal is one of our timers'. */
bool cpu_signal_is_ours(const siginfo_t *info);

/* One that was taken from the queue in place of being handled: the thread's next sample counts for it. */
void cpu_carry(const siginfo_t *info);

/* Is there any? Takes that sample now, of these registers (struct arch_regs) in a frame on the thread's
   alternate stack. */
bool cpu_carries(void);
void cpu_record_carried(void *regs);

/* The calling thread gets no signal of ours within its next 200 us of CPU time, but one that is pending. */
void cpu_put_off(void);

/* The calling thread's alternate stack, size 0: none. Start and size in words of 16 bytes. */
enum { ALTERNATE_WORD = 16, ALTERNATE_SIZE_BITS = 21, ALTERNATE_MOST = (1 << ALTERNATE_SIZE_BITS) - 1 };
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
