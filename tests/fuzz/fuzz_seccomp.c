/* SPDX-License-Identifier: Apache-2.0 */
// runs: 800000
/* Seccomp filters as foreign bytes: a call and which of its words are unknown, then the instructions. A
   filter that lets the call through whatever they are does so with each of some values for them. */
#include <stdlib.h>
#include <string.h>

#include "sampler/base/bpf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool copy_memory(uintptr_t from, void *to, uint64_t size)
{
    memcpy(to, (const void *)from, size);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t values[] = {0, 1, 0x7fffffff, 0xffffffff};
    struct bpf_program program = {.copy = copy_memory};
    struct bpf_call call, some;
    uint32_t word[BPF_WORDS];

    if (size < sizeof call)
        return 0;
    memcpy(&call, data, sizeof call);
    program.address = (uintptr_t)(data + sizeof call);
    program.length = (unsigned)((size - sizeof call) / sizeof(struct sock_filter));
    if (!bpf_allows(&program, &call))
        return 0;
    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        memcpy(word, &call.data, sizeof word);
        for (unsigned k = 0; k < BPF_WORDS; k++)
            if (call.unknown >> k & 1)
                word[k] = values[(i + k * (i & 1)) % 4];
        some.unknown = 0;
        memcpy(&some.data, word, sizeof word);
        if (!bpf_allows(&program, &some))
            abort();
    }
    return 0;
}
