/* SPDX-License-Identifier: Apache-2.0 */
/* Recording what took time on the calling thread: the stack of the hook's caller, a weight, nanoseconds. */
#ifndef CPROF_SAMPLER_EVENT_H
#define CPROF_SAMPLER_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/segment/layout.h"

/* Walks the stack and adds a sample. function: the leaf. events: how many it stands for, times
   2^WEIGHT_SHIFT. ns: their time in all. If both are 0, event_add() may follow. A thread without a slot
   gets one, a forked child its segment. Returns what event_add() finds the sample by; 0: nothing was
   recorded. Signal-safe, errno untouched. */
uint64_t event_record(enum sample_kind kind, enum wait_kind function, uint64_t events, uint64_t ns);

/* Adds to a sample that event_record() of any thread made. false: its bank is no longer active. */
bool event_add(uint64_t event, uint64_t events, uint64_t ns);

/* Notes the calling thread's stack as that which creates the thread of this slot (thread_prepare()), before
   it starts. Nothing while thread profiles are off. */
void event_note_creator(uint32_t slot);

/* 64 random bits from the calling thread's own stream, without a shared cache line. */
uint64_t event_random(void);

#endif
