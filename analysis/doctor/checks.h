/* SPDX-License-Identifier: Apache-2.0 */
/* The checks, and what they ask of each other. Each asks one question and adds its findings. One thread only. */
#ifndef CPROF_ANALYSIS_CHECKS_H
#define CPROF_ANALYSIS_CHECKS_H

#include "analysis/doctor/examination/examination.h"

/* program.c */
bool program_find(struct examination *examination); /* false: nothing more can be asked */
/* A script of a shell: what it starts is of interest, and the shell is not. */
bool program_is_shell(const struct examination *examination);
/* A script ends in exec NAME, so that is what is examined from here on. false: it is not known what that is. */
bool program_hand_over(struct examination *examination, const char *name);
void check_found(struct examination *examination);
void check_machine(struct examination *examination);
void check_static(struct examination *examination);
void check_secure(struct examination *examination);
void check_sanitizer(struct examination *examination);
void check_libc(struct examination *examination);

/* script.c */
void check_script(struct examination *examination);
void program_libc(const struct examination *examination, const struct binary *binary, char text[256],
                  bool *known);

/* contents.c */
void check_allocator(struct examination *examination);
void check_runtime(struct examination *examination);
void check_symbols(struct examination *examination);
void check_libraries(struct examination *examination);
void check_unwind(struct examination *examination);

/* process.c */
void check_process(struct examination *examination);
void check_loaded(struct examination *examination);
void check_filter(struct examination *examination);
void check_process_limits(struct examination *examination);
void check_stacks(struct examination *examination);
void check_profilers(struct examination *examination);

/* session.c */
void check_joined(struct examination *examination);
void check_socket(struct examination *examination);

/* machine.c */
void check_kernel(struct examination *examination);
void check_yama(struct examination *examination);
void check_limits(struct examination *examination);
/* is_started: what the library needs at its start alone is not asked for. */
void limits_judge(struct examination *examination, const struct usage *usage, bool is_started);
void check_group(struct examination *examination);
void check_inherited_filter(struct examination *examination);

/* settings.c */
void check_settings(struct examination *examination);
void check_names(struct examination *examination);
void check_switches(struct examination *examination);

/* places.c */
void check_installation(struct examination *examination);
void check_preload(struct examination *examination);
/* What try() says where the program is and as its user, or as the uploader that writes for it: 0 or an errno. */
int places_as_user(const struct examination *examination, int (*try)(const char *path), const char *path);

/* written.c */
void check_out(struct examination *examination);
void check_spool(struct examination *examination);
void check_listen(struct examination *examination);

/* server.c */
void check_server(struct examination *examination);
void check_otlp(struct examination *examination);

/* image.c */
int image_read(struct examination *examination);
void check_image(struct examination *examination);
void check_image_cprof(struct examination *examination);

#endif
