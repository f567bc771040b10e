/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

void tap_open(struct programs *programs, struct tap *tap)
{
    tap->next = programs->taps;
    tap->link = &programs->taps;
    if (tap->next)
        tap->next->link = &tap->next;
    programs->taps = tap;
}

void tap_close(struct tap *tap)
{
    *tap->link = tap->next;
    if (tap->next)
        tap->next->link = tap->link;
}
