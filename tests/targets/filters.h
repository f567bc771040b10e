// SPDX-License-Identifier: Apache-2.0
// Seccomp filters by a list of system calls.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_CALLS = 64 };

/* Answers `listed` to the calls of a list that ends with -1, and `other` to all else. As seccomp() does. */
static inline long install_filter(const int *calls, unsigned listed, unsigned other, unsigned flags)
{
    struct sock_filter code[2 * MOST_CALLS + 2];
    struct sock_fprog program = {1, code};

    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (; *calls >= 0 && program.len < 2 * MOST_CALLS; calls++) {
        code[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)*calls, 0, 1);
        code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, listed);
    }
    code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, other);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    if (flags == ~0u)
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
enum { BY_PRCTL = -1 };
