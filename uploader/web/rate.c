/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#include <string.h>

#include "uploader/base/clock.h"

#define BURST_NS SECOND_NS
#define DEBT_NS  (10 * SECOND_NS)

/* Networks of 64 bits are one client: whoever has one has all of its addresses. */
static struct address client_of(const struct address *address)
{
    static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
    struct address client = *address;

    if (memcmp(client.byte, v4, sizeof v4) != 0)
        memset(client.byte + 8, 0, 8);
    return client;
}

static struct rate_credit *find(struct rate *rate, const struct address *address, int64_t now_ns)
{
    const struct address client = client_of(address);
    struct rate_client *oldest = &rate->client[0];

    for (unsigned i = 0; i < rate->clients; i++) {
        struct rate_client *known = &rate->client[i];
        if (address_is_equal(&known->address, &client))
            return &known->credit;
        if (known->credit.at_ns < oldest->credit.at_ns)
            oldest = known;
    }
    if (rate->clients < RATE_CLIENTS) {
        oldest = &rate->client[rate->clients++];
        oldest->credit = (struct rate_credit){BURST_NS, now_ns};
    }
    oldest->address = client;
    return &oldest->credit;
}

static void grow(struct rate_credit *credit, int64_t most_ns, int64_t now_ns)
{
    if (!credit->at_ns)
        *credit = (struct rate_credit){most_ns, now_ns};
    if (now_ns <= credit->at_ns)
        return;
    credit->ns += now_ns - credit->at_ns;
    credit->ns = credit->ns < most_ns ? credit->ns : most_ns;
    credit->at_ns = now_ns;
}

static unsigned take(struct rate_credit *credit, int64_t price_ns, int64_t most_ns, int64_t now_ns)
{
    grow(credit, most_ns, now_ns);
    if (credit->ns < price_ns)
        return (unsigned)((price_ns - credit->ns + SECOND_NS - 1) / SECOND_NS);
    credit->ns -= price_ns;
    return 0;
}

unsigned rate_take(struct rate *rate, const struct address *address, int64_t now_ns)
{
    if (!rate->requests)
        return 0;
    return take(find(rate, address, now_ns), SECOND_NS / rate->requests, BURST_NS, now_ns);
}

void rate_charge(struct rate *rate, const struct address *address, int64_t cpu_ns, bool is_error)
{
    struct rate_credit *credit;

    if (!rate->requests)
        return;
    credit = find(rate, address, monotonic_ns());
    credit->ns += (is_error ? SECOND_NS / rate->requests : 0) - cpu_ns * RATE_SHARE;
    credit->ns = credit->ns > -DEBT_NS ? credit->ns : -DEBT_NS;
}

unsigned rate_take_one(const struct rate *rate, struct rate_credit *credit, int64_t now_ns)
{
    const int64_t price_ns = rate->requests ? RATE_PART * SECOND_NS / rate->requests : 0;

    return price_ns ? take(credit, price_ns, RATE_IN_A_ROW * price_ns, now_ns) : 0;
}
