/* SPDX-License-Identifier: Apache-2.0 */
/* What two recordings have to do with each other in time. Pure. */
#ifndef CPROF_ANALYSIS_GROWTH_H
#define CPROF_ANALYSIS_GROWTH_H

#include "print.h"

/* A growth over time, if the type is what is in use and B was looked at later than A. */
struct growth growth_of(const struct side side[2], const struct pairing *pairing, bool is_state);

/* Its comments say that the program's processes were still running when the profiles were written. */
bool side_is_running(const struct side *side, unsigned which, const struct pairing *pairing);

#endif
