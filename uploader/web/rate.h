/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much one client may ask for. Each has credit in ns, which grows as time passes, up to one second. A request takes
 * 1 s / rate, and RATE_SHARE times the CPU time that it cost. So a client gets so many requests a second, and at most one part
 * in RATE_SHARE of a CPU. One thread only.
 */
#ifndef CPROF_UPLOADER_WEB_RATE_H
#define CPROF_UPLOADER_WEB_RATE_H

#include <stdint.h>

#include "address.h"

enum { RATE_CLIENTS = 64, RATE_SHARE = 2, RATE_PART = 4, RATE_IN_A_ROW = 16 };

struct rate_credit {
    int64_t ns, at_ns; /* CLOCK_MONOTONIC */
};

/* Zero, with requests set, is one that nobody has used. If there are more clients than room, the one that came last takes the
   place of the one that was not seen for longest, with its credit: nobody gains by coming from many addresses. */
struct rate {
    unsigned requests; /* a second; 0: no limit */
    unsigned clients;
    struct rate_client {
        struct address address;
        struct rate_credit credit;
    } client[RATE_CLIENTS];
};

/* Takes one request. 0, or after how many seconds to come again. */
unsigned rate_take(struct rate *rate, const struct address *address, int64_t now_ns);

/* The last one of this client cost so much CPU time. is_error: nothing was handed out, so it is no request of the rate's. */
void rate_charge(struct rate *rate, const struct address *address, int64_t cpu_ns, bool is_error);

/* The same for one connection: credit is its own, RATE_IN_A_ROW requests, and grows by one part in RATE_PART of the rate. Whoever sends a hundred requests at once over one
   connection leaves something for others at the same address. */
unsigned rate_take_one(const struct rate *rate, struct rate_credit *credit, int64_t now_ns);

#endif
