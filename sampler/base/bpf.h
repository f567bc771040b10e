/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a seccomp filter, a program of classic BPF, answers to a system call. The filter belongs to the
 * program: it is read by copy(), each of its values may be anything, and the work is bounded.
 */
#ifndef CPROF_SAMPLER_BPF_H
#define CPROF_SAMPLER_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

enum { BPF_WORDS = sizeof(struct seccomp_data) / 4 };

/* A filter of so many instructions at an address of this process. chunk holds the ones that were read last.
 */
enum { BPF_CHUNK = 32 };
struct bpf_program {
    uintptr_t address;
    unsigned length;
    bool (*copy)(uintptr_t from, void *to, uint64_t size);
    unsigned chunk_first, chunk_count;
    struct sock_filter chunk[BPF_CHUNK];
};

/* A system call. Bit i of unknown: the filter is to be tried with every value of the data's i-th 32-bit word.
 */
struct bpf_call {
    struct seccomp_data data;
    uint32_t unknown;
};

/* true: the filter lets the call through (SECCOMP_RET_ALLOW or _LOG), whatever the unknown words are. false:
   it may not let it through, it takes too long to find out, or the kernel would not accept the filter. */
bool bpf_allows(struct bpf_program *program, const struct bpf_call *call);

#endif
