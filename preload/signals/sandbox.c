/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

#include "sampler/base/clock.h"
#include "sampler/base/seccomp.h"
#include "sampler/process/process.h"
#include "sampler/threads/cpu_timer.h"
#include "sigprof.h"

/* A child of vfork() has no timers of its own, and its parent's are not its business. */
struct sandbox sandbox_enter(uint64_t calls, bool all)
{
    struct sandbox sandbox = {0, all, false};
    unsigned threads;

    if (calls & CALL(clock_gettime))
        clock_keep();
    if (calls & CALL(rt_sigreturn) && seccomp_allows(CALL(rt_sigreturn)) && !process_is_vforked()) {
        sandbox.signals_end = true;
        sandbox.calls = seccomp_forbid(CALL(rt_sigreturn)); /* no timer is made from here on, */
        threads = cpu_timer_suspend(all);
        sigprof_retire(threads > 1);
        if (all) /* and one that was being made is there by now */
            cpu_timer_suspend(all);
    }
    sandbox.calls |= seccomp_forbid(calls);
    return sandbox;
}

void sandbox_entered(struct sandbox sandbox, bool installed)
{
    if (installed)
        return;
    seccomp_permit(sandbox.calls);
    if (sandbox.signals_end)
        cpu_timer_resume(sandbox.all);
}
