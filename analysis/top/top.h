/* SPDX-License-Identifier: Apache-2.0 */
/* cprof top: a running session in the terminal. */
#ifndef CPROF_ANALYSIS_TOP_TOP_H
#define CPROF_ANALYSIS_TOP_TOP_H

/* Its arguments from its own name on. Returns an exit status. */
int top_main(int argc, char **argv);

#endif
