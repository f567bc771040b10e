/* SPDX-License-Identifier: Apache-2.0 */
/* Values as people read them, as in the summary and on the page: three digits and a unit. Pure. */
#ifndef CPROF_UPLOADER_AMOUNT_H
#define CPROF_UPLOADER_AMOUNT_H

enum { AMOUNT_TEXT = 48 };

/* "1.23 s", "-512 KiB", "12.0 k". unit: of pprof. sign: 1: "+" before what is not negative. Returns text. */
const char *amount_text(char text[AMOUNT_TEXT], double value, const char *unit, int sign);

/* "3.2 %"; "+3.2 %" with sign; "new" if whole is 0 and part is not. */
const char *percent_text(char text[AMOUNT_TEXT], double part, double whole, int sign);

/* What a type is called in titles: "CPU time", "Live bytes"; else the type itself. */
const char *type_title(const char *kind, const char *type);

#endif
