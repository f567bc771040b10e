/* SPDX-License-Identifier: Apache-2.0 */
#include "resched.h"

#include "poison.h"

ptrdiff_t resched_offset;

extern const char resched_inside[] __attribute__((visibility("hidden")));
extern const char resched_abort[] __attribute__((visibility("hidden")));

/* One byte that no thread is ever in. The kernel wants the signature before the address to go on at. */
ARCH_RSEQ_CODE(resched_inside, resched_abort);

const struct rseq_cs resched_mark = {
    .start_ip = (uintptr_t)resched_inside,
    .post_commit_offset = 1,
    .abort_ip = (uintptr_t)resched_abort,
};

void resched_start(void)
{
    if (__rseq_size)
        resched_offset = __rseq_offset;
}
