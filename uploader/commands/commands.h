/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of cprof-uploader. Each takes its arguments from its own name on and returns an exit status.
 */
#ifndef CPROF_UPLOADER_COMMANDS_H
#define CPROF_UPLOADER_COMMANDS_H

int serve_main(int argc, char **argv);   /* the session in the background, or a service */
int run_main(int argc, char **argv);     /* the launcher: starts a program and is its session */
int ready_main(int argc, char **argv);   /* does a service listen? */
int ctl_main(int argc, char **argv);     /* asks a session that runs */
int install_main(int argc, char **argv); /* copies itself and what lies beside it */

#endif
