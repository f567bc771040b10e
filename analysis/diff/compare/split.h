/* SPDX-License-Identifier: Apache-2.0 */
/* The intervals of two recordings as their runs: how a service differs from one span to the next. One thread only. */
#ifndef CPROF_ANALYSIS_SPLIT_H
#define CPROF_ANALYSIS_SPLIT_H

#include "sides.h"

/*
 * If each side is one run whose intervals lie on disk, nearly without a gap, reads them as runs of split[]. Intervals that
 * were cut short at the end are left out. false: there are too few. To be closed by side_close() in any case.
 */
bool sides_split(const struct side side[2], const struct pairing *pairing, struct side split[2]);

#endif
