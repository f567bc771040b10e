/* SPDX-License-Identifier: Apache-2.0 */
/* `cprof diff`: two sides compared. */
#ifndef CPROF_ANALYSIS_DIFF_H
#define CPROF_ANALYSIS_DIFF_H

/* Arguments from its own name on. 0: within; 1: above what --fail-above allows; 2: they cannot be compared. */
int diff_main(int argc, char **argv);

#endif
