/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of cmdline and symbol. One thread only. */
#ifndef CPROF_UPLOADER_PULL_SYMBOL_H
#define CPROF_UPLOADER_PULL_SYMBOL_H

#include "pull_state.h"

enum { SYMBOL_ADDRESSES = 4096 };

/* "0x1234+0x5678": at most so many of them; what is no number ends the list. Returns how many. */
unsigned symbol_parse(const char *text, uint64_t address[SYMBOL_ADDRESSES]);

void symbol_serve(struct pull *pull, struct web_request *request, const struct selection *selection);
void cmdline_serve(struct pull *pull, struct web_request *request, const struct selection *selection);

#endif
