/* SPDX-License-Identifier: Apache-2.0 */
/* What keys change. Pure. One thread only. */
#ifndef CPROF_ANALYSIS_TOP_KEYS_H
#define CPROF_ANALYSIS_TOP_KEYS_H

#include "layout.h"

enum keys_done { KEYS_NOTHING, KEYS_DRAW, KEYS_ASK, KEYS_QUIT };

/* KEYS_ASK: what is to be asked for has changed. height: of the screen. */
enum keys_done keys_take(struct top_look *look, struct model *model, int key, unsigned height);

#endif
