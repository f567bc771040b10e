/* SPDX-License-Identifier: Apache-2.0 */
/* cprof explain: a profile, a thread dump or a session in some lines of prose. */
#ifndef CPROF_ANALYSIS_EXPLAIN_H
#define CPROF_ANALYSIS_EXPLAIN_H

/* argv[0] is the command's name. Returns an exit status: 0; 1: it could not be done; 2: usage. */
int explain_main(int argc, char **argv);

#endif
