/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seccomp filter that was in force before this program was executed: by a container runtime, by systemd's
 * SystemCallFilter=, by a sandbox. Nobody but root outside may read it, and the first call that it kills for
 * is the program's last.
 */
#ifndef CPROF_PRELOAD_INHERITED_H
#define CPROF_PRELOAD_INHERITED_H

#include <stdbool.h>

/* true: there is one, and for all that can be known it may kill: nothing must be called but what the dynamic
   linker has called before us. Is said once, by the first program under the filter. */
bool inherited_filter_may_kill(char *const *environment);

#endif
