/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads of memory that another thread may unmap, protect, replace or truncate at the same time. The kernel
 * copies it (process_vm_readv() of the process itself), and fails where a load would fault. Signal-safe,
 * thread-safe. A call takes about a microsecond (tests/unwind/speed.c), so what is read of modules is kept
 * (struct peek).
 */
#ifndef CPROF_SAMPLER_NOFAULT_H
#define CPROF_SAMPLER_NOFAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* false: this process must not or cannot make that call, and nofault_read() always fails. */
bool nofault_is_available(void);

/* Copies size bytes, or what can be read up to the first page that cannot. Returns how many. */
size_t nofault_copy(void *to, uintptr_t from, size_t size);

/* Copies size bytes. false: not all of them could be read. */
static inline bool nofault_read(void *to, uintptr_t from, size_t size)
{
    return nofault_copy(to, from, size) == size;
}

/* false: the size bytes (a page at most) that the program handed over cannot be read. The hook then leaves
   the call to the kernel, which refuses it. */
bool nofault_can_read(const void *from, size_t size);

/* The page of an address is in memory. Reading a page of a userfaultfd or of a file that is not in memory
   would wait for whoever provides it. */
bool nofault_is_resident(uintptr_t address);

/* In a child of fork(): the process has another number. */
void nofault_forget(void);

#endif
