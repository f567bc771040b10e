/* SPDX-License-Identifier: Apache-2.0 */
// runs: 400000
/*
 * What anybody of this user may send to the session: requests of cprof ctl, of any bytes. And what an uploader that
 * died may have left of the rules. What is parsed is added to rules and applied. Schedules are read from the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/segment/schedule.h"
#include "uploader/control/request.h"
#include "uploader/control/rules.h"

static void check_rates(const struct rates *rates)
{
    if (rates->profiles & ~(uint32_t)PROFILES_READY || rates->cpu_period_ns > UINT32_MAX)
        abort();
}

static void try_rules(struct rules *rules, const struct control_request *request)
{
    struct rates rates = {.profiles = PROFILES_READY, .cpu_period_ns = 10000000};

    rules_check(rules);
    if (request && request->command == CONTROL_RESET)
        rules_reset(rules, request);
    else if (request)
        rules_add(rules, request);
    if (rules->count > RULES_MOST)
        abort();
    rules_apply(rules, "program", "service", 7, &rates);
    check_rates(&rates);
    rules_forget_pid(rules, 7);
}

static void try_schedule(const uint8_t *data, size_t size)
{
    char text[256];
    struct schedule schedule;
    uint64_t next_ns, now_ns = 0;

    size = size < sizeof text - 1 ? size : sizeof text - 1;
    memcpy(text, data, size);
    text[size] = 0;
    memcpy(&now_ns, data, size < sizeof now_ns ? size : sizeof now_ns);
    now_ns %= UINT64_C(1) << 62;
    if (schedule_parse(text, &schedule))
        return;
    schedule_is_on(&schedule, now_ns, (uint32_t)(now_ns % 86400), &next_ns);
    if (next_ns <= now_ns)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "cprof-ctl 1\n";
    char text[sizeof head + CONTROL_REQUEST], error[CONTROL_ERROR];
    struct control_request request;
    struct rules rules = {0};

    if (!control_request_parse((const char *)data, size, &request, error))
        try_rules(&rules, &request);
    size = size < CONTROL_REQUEST ? size : CONTROL_REQUEST;
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, data, size);
    if (!control_request_parse(text, sizeof head - 1 + size, &request, error))
        try_rules(&rules, &request);
    memcpy(&rules, data, size < sizeof rules ? size : sizeof rules);
    try_rules(&rules, NULL);
    try_schedule(data, size);
    return 0;
}
