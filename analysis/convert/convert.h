/* SPDX-License-Identifier: Apache-2.0 */
/* cprof convert: profiles of one format in another one. */
#ifndef CPROF_ANALYSIS_CONVERT_H
#define CPROF_ANALYSIS_CONVERT_H

/* argv[0] is the command's name. Returns an exit status: 0; 1: it could not be done; 2: usage. */
int convert_main(int argc, char **argv);

#endif
