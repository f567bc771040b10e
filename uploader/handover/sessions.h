/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions of this user on this machine, as far as this network namespace shows them. */
#ifndef CPROF_UPLOADER_SESSIONS_H
#define CPROF_UPLOADER_SESSIONS_H

#include <stddef.h>

enum { SESSIONS_MOST = 64, SESSION_NAME = 108 };

/* Those whose names are ours and that belong to this user (root: to anybody). Their number. */
size_t sessions_find(char name[SESSIONS_MOST][SESSION_NAME]);

/* Connects to a session's socket, which must be this user's, unless we are root. A descriptor; or negative
   errno after a line on stderr. */
int sessions_connect(const char *name);

#endif
