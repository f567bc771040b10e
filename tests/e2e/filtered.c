// SPDX-License-Identifier: Apache-2.0
/* filtered kill|errno|mute PROGRAM [ARGUMENT ...]: installs a seccomp filter and executes the program. kill:
 * SIGSYS for all but what the dynamic linker and a program that computes need. errno: EPERM for what
 * container runtimes forbid by default. mute: EPERM for messages. By numbers of its own, so that no library notices. */
#include "../targets/filters.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int needed[] = {SYS_execve,
                             SYS_openat,
                             SYS_read,
                             SYS_pread64,
                             SYS_newfstatat,
                             SYS_fstat,
                             SYS_mmap,
                             SYS_mprotect,
                             SYS_munmap,
                             SYS_close,
#if defined(__x86_64__)
                             SYS_arch_prctl,
                             SYS_access,
                             SYS_readlink,
#else
                             SYS_faccessat,
                             SYS_readlinkat,
#endif
                             SYS_set_tid_address,
                             SYS_set_robust_list,
                             SYS_rseq,
                             SYS_prlimit64,
                             SYS_getrandom,
                             SYS_brk,
                             SYS_write,
                             SYS_exit_group,
                             SYS_futex,
                             -1};
static const int forbidden[] = {SYS_ptrace,
                                SYS_mount,
                                SYS_umount2,
                                SYS_pivot_root,
                                SYS_swapon,
                                SYS_swapoff,
                                SYS_reboot,
                                SYS_init_module,
                                SYS_delete_module,
                                SYS_kexec_load,
                                SYS_add_key,
                                SYS_keyctl,
                                SYS_request_key,
                                SYS_bpf,
                                SYS_perf_event_open,
                                SYS_userfaultfd,
                                SYS_setns,
                                SYS_unshare,
                                SYS_io_uring_setup,
                                SYS_settimeofday,
                                SYS_clock_settime,
                                SYS_process_vm_readv,
                                SYS_process_vm_writev,
                                SYS_acct,
                                SYS_quotactl,
                                -1};

static const int messages[] = {SYS_sendmsg, -1};

int main(int argc, char **argv)
{
    const int *refused;

    if (argc < 3)
        return 2;
    refused = !strcmp(argv[1], "mute") ? messages : forbidden;
    if (!strcmp(argv[1], "kill") ? install_filter(needed, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, 0)
                                 : install_filter(refused, SECCOMP_RET_ERRNO | 1, SECCOMP_RET_ALLOW, 0))
        return 77;
    execv(argv[2], argv + 2);
    return 2;
}
