/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with a unit, as settings and commands have them: "512KiB", "10ms". No call of anything but strcmp(). */
#ifndef CPROF_SAMPLER_QUANTITY_H
#define CPROF_SAMPLER_QUANTITY_H

#include <stdint.h>

struct quantity_unit {
    const char *name;
    uint64_t factor;
};
extern const struct quantity_unit quantity_sizes[],
    quantity_times[]; /* of bytes, of ns; the last name is NULL */

/* digits [. digits] unit, in units of the smallest; a fraction needs a larger one. bare: the unit of a number that
   has none. 0, or -EINVAL with *number untouched. */
int quantity_parse(const char *text, const struct quantity_unit *units, const char *bare, uint64_t *number);

#endif
