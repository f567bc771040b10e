/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `cprof ctl` has changed, in the order in which it was said. A rule is of all programs, of one, or of one process,
 * and holds for those that join later, too. They lie in the page that outlives the uploader, so a successor has them.
 */
#ifndef CPROF_UPLOADER_RULES_H
#define CPROF_UPLOADER_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "request.h"

enum { RULES_MOST = 18 };

struct rule {
    char program[CONTROL_PROGRAM]; /* "": any */
    int32_t pid;                   /* 0: any */
    struct rates_change change;
};
struct rules {
    uint32_t count;
    struct rule rule[RULES_MOST];
};

/* Adds what the request says (on, off or rate). What it takes the place of goes. -ENOSPC: there are too many. */
int rules_add(struct rules *rules, const struct control_request *request);

/* Forgets what rules say of these types (0: of all), for the same program or process, or for all. */
void rules_reset(struct rules *rules, const struct control_request *request);

/* The process has ended. */
void rules_forget_pid(struct rules *rules, int pid);

/* Changes rates as the rules say of one process. service: a program may be called by that name, too. */
void rules_apply(const struct rules *rules, const char *program, const char *service, int pid,
                 struct rates *rates);

/* Of a page that another uploader has written: makes sense of it, whatever it holds. */
void rules_check(struct rules *rules);

#endif
