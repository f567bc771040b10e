/* SPDX-License-Identifier: Apache-2.0 */
/* cprof report --live: serves the report of a session that runs. */
#ifndef CPROF_ANALYSIS_LIVE_LIVE_H
#define CPROF_ANALYSIS_LIVE_LIVE_H

#include <stdbool.h>

/* Whether --live is among the arguments of cprof report. */
bool live_is_wanted(int argc, char **argv);

/* The arguments of cprof report, from its own name on. Returns an exit status. */
int live_main(int argc, char **argv);

#endif
