/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: their begin and end, also of those that no hook saw. Each has a slot (thread_slots.h) and a CPU
   timer. */
#ifndef CPROF_SAMPLER_THREADS_H
#define CPROF_SAMPLER_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "thread_local.h"

/*
 * Thread creation. The creating thread calls thread_prepare(), which claims a slot and keeps start and arg in
 * it. In a process that has no segment yet it claims a place for those. attr (may be NULL) tells the size of
 * the stack. Returns the slot, or 0 if there is none, and the thread then runs unprofiled. The caller passes
 * thread_main as the start routine and (void *)(uintptr_t)slot as its argument. It calls
 * thread_cancel_prepare() if creation failed.
 */
uint32_t thread_prepare(void *(*start)(void *), void *arg, const pthread_attr_t *attr);
void thread_cancel_prepare(uint32_t slot);
void *thread_main(void *slot);

/* Once, before any of the above, from process_start()'s caller. at_end is called by each thread that ends,
   while it still has its slot. */
typedef int thread_key_function(pthread_key_t *key, void (*destructor)(void *));
void threads_start(thread_key_function *create_key, void (*at_end)(void));

/* In a forked child: its parent's other threads will not start in it, and the calling one has no slot yet. */
void threads_forget(void);

/* The program has used up all keys for thread-specific data except the library's, by which a thread's end
   is noticed. Gives that one to the program. false: it already has it. */
bool thread_give_key_up(void);

/* Gives the calling thread a slot and a CPU timer if it has none: the main thread at start and after fork.
   stack_high: an address above all of its frames, or 0. Signal-safe. */
void thread_adopt_self(uintptr_t stack_high);

/* The thread's name changed (pthread_setname_np, prctl(PR_SET_NAME)); handle 0: the calling thread.
 * Signal-safe. */
void thread_renamed(pthread_t handle, const char *name);

/* The thread id of a thread that libc made and nobody has joined, without a system call; 0: it has ended.
   libc has it from the kernel; in a child of a raw fork it would be the parent's. */
int thread_id(pthread_t handle);

/* For threads that no hook saw begin or end (raw clone, or older than the library). Gives a slot and a timer
   to those that the uploader found, and frees what those had that are gone. Called with a CPU sample or a
   wait of any thread. */
struct segment;
void threads_serve_uploader(struct segment *segment);

/* In the handler of a CPU signal: the calling thread was adopted with this slot, and has taken another one
   by itself since. */
bool thread_has_other(uint32_t slot);
void thread_drop(struct segment *segment, uint32_t slot);

#endif
