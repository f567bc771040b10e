/* SPDX-License-Identifier: Apache-2.0 */
/* cprof report: a page to look at, out of a session's directory or of any pprof files. */
#ifndef CPROF_ANALYSIS_REPORT_H
#define CPROF_ANALYSIS_REPORT_H

/* 0; 2: nothing was written. */
int report_main(int argc, char **argv);

#endif
