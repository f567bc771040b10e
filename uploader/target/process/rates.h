/* SPDX-License-Identifier: Apache-2.0 */
/* The rates of one process, in its segment: what is asked for, and what is in force. One thread only. */
#ifndef CPROF_UPLOADER_TARGET_RATES_H
#define CPROF_UPLOADER_TARGET_RATES_H

#include "uploader/budget/rates.h"
#include "uploader/target/target.h"

/* By the settings of the process, or by a later target_ask_rates(). */
void target_rates_asked(const struct target *target, struct rates *rates);

/* By the settings of the process alone. And CLOCK_MONOTONIC of the times between which they want profiles: *until_ns
   INT64_MAX: to the end. */
void target_rates_given(const struct target *target, struct rates *rates);
void target_given_span(const struct target *target, int64_t *from_ns, int64_t *until_ns);

/* What samples are drawn with from now on: what is asked for, or less if the budget lowers it. */
void target_rates_in_force(const struct target *target, struct rates *rates);

/* Takes effect at once, in threads that sleep when they wake. An uploader that takes over goes on with it. */
void target_ask_rates(struct target *target, const struct rates *rates);

/* Puts in force what is asked for, as far as the budget of its program allows. */
void target_follow_budget(struct target *target);

#endif
