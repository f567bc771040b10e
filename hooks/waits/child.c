/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for child processes. */
#include "waits.h"

WAITING(pid_t, wait, (int *status), (status))
WAITING(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))
WAITING(pid_t, wait3, (int *status, int options, struct rusage *usage), (status, options, usage))
WAITING(pid_t, wait4, (pid_t pid, int *status, int options, struct rusage *usage),
        (pid, status, options, usage))
WAITING(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options))
