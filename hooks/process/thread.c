/* SPDX-License-Identifier: Apache-2.0 */
/* Creation and naming of threads, and what changes how their stacks may be walked. */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>

#include "hooks/hooks.h"
#include "preload/real/machine.h"
#include "preload/signals/sigprof.h"
#include "sampler/libc/libc.h"
#include "sampler/modules/modules.h"
#include "sampler/samples/event.h"
#include "sampler/threads/threads.h"
#include "sampler/waits/wait.h"

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    uint32_t slot = thread_prepare(start, arg, attr);
    bool unmasked = sigprof_unmask_begin();
    int error;

    event_note_creator(slot);
    if (slot)
        error = real.pthread_create(thread, attr, thread_main, (void *)(uintptr_t)slot);
    else
        error = real.pthread_create(thread, attr, start, arg);
    sigprof_unmask_end(unmasked);
    if (!slot)
        return error;
    if (error)
        thread_cancel_prepare(slot);
    return error;
}

/* The start routine returns an int, and thread_main() a pointer. libc looks only at the lower half of the
   register. */
int thrd_create(thrd_t *thread, thrd_start_t start, void *arg)
{
    uint32_t slot = thread_prepare((void *(*)(void *))(void *)start, arg, NULL);
    int error;
    if (!slot)
        return real.thrd_create(thread, start, arg);
    event_note_creator(slot);
    error = real.thrd_create(thread, (thrd_start_t)(void *)thread_main, (void *)(uintptr_t)slot);
    if (error != thrd_success)
        thread_cancel_prepare(slot);
    return error;
}

/* The program has used all 1,024 keys: it gets the library's. */
int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    int error = real.pthread_key_create(key, destructor);
    if (UNLIKELY(error == EAGAIN) && thread_give_key_up())
        error = real.pthread_key_create(key, destructor);
    return error;
}

int tss_create(tss_t *key, tss_dtor_t destructor)
{
    int error = real.tss_create(key, destructor);
    if (UNLIKELY(error != thrd_success) && thread_give_key_up())
        error = real.tss_create(key, destructor);
    return error;
}

int pthread_setname_np(pthread_t thread, const char *name)
{
    int error = real.pthread_setname_np(thread, name);
    if (!error)
        thread_renamed(thread, name);
    return error;
}

/* The jump may leave a handler that interrupted a wait. A jump within the handler also ends the mark of
   that wait, although it goes on. Then the uploader asks the kernel what the thread is blocked in. */
static void leave_handler(const struct __jmp_buf_tag *where)
{
    wait_abandon();
    /* musl restores the mask where the jump arrives, and keeps no note of it. */
    sigprof_leave_handler(libc.kind == LIBC_GNU && where->__mask_was_saved);
}

void longjmp(struct __jmp_buf_tag where[1], int value)
{
    leave_handler(where);
    real.longjmp(where, value);
    __builtin_unreachable();
}

void _longjmp(struct __jmp_buf_tag where[1], int value)
{
    leave_handler(where);
    real._longjmp(where, value);
    __builtin_unreachable();
}

void siglongjmp(struct __jmp_buf_tag where[1], int value)
{
    leave_handler(where);
    real.siglongjmp(where, value);
    __builtin_unreachable();
}

void __longjmp_chk(struct __jmp_buf_tag where[1], int value)
{
    leave_handler(where);
    real.__longjmp_chk(where, value);
    __builtin_unreachable();
}

int dlclose(void *handle)
{
    int result;
    modules_unload_begin();
    result = real.dlclose(handle);
    modules_unload_end();
    real_forget_operators();
    process_note_unload();
    return result;
}
