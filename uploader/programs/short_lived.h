/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The times of a program's short-lived processes, summed over all of them. Each was seen by at most one wall
 * sample and has at most one CPU sample, so only the sum says what they did. One thread only.
 */
#ifndef CPROF_UPLOADER_SHORT_LIVED_H
#define CPROF_UPLOADER_SHORT_LIVED_H

#include "time_balance.h"
#include "uploader/profile/profile.h"

struct short_lived;

/* *sums NULL: nothing was added yet. sample: value[0] wall samples, value[1] ns; its thread's name is interned. */
void short_lived_add_wait(struct short_lived **sums, const struct profile_sample *sample);
/* profiles: what is recorded, as bits of enum profile_type. */
void short_lived_add_balance(struct short_lived **sums, const char *thread,
                             const struct time_balance *balance, uint32_t profiles, int64_t period_ns);

/* profiles: those that the time belongs to, as above. */
typedef void short_lived_put(void *context, const struct profile_sample *sample, uint32_t profiles);

/* Calls put() with what came since the last time. sums may be NULL. */
void short_lived_settle(struct short_lived *sums, struct symbols *symbols, short_lived_put *put,
                        void *context);
void short_lived_free(struct short_lived *sums);

#endif
