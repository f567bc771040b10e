/* SPDX-License-Identifier: Apache-2.0 */
#include "growth.h"

#include <stdio.h>
#include <string.h>

#include "uploader/base/clock.h"

static bool shares_process(const struct read_profile *a, const struct read_profile *b)
{
    for (size_t i = 0; i < a->sets; i++)
        for (size_t j = 0; j < b->sets && a->set[i].pid; j++)
            if (a->set[i].pid == b->set[j].pid)
                return true;
    return false;
}

static bool has_processes(const struct read_profile *profile)
{
    for (size_t i = 0; i < profile->sets; i++)
        if (profile->set[i].pid)
            return true;
    return false;
}

struct growth growth_of(const struct side side[2], const struct pairing *pairing, bool is_state)
{
    struct growth growth = {.seconds = 0};
    const struct read_profile *a, *b;

    if (!is_state || side[0].runs != 1 || side[1].runs != 1)
        return growth;
    a = run_profile(&side[0].run[0], pairing->program[0], pairing->kind, pairing->type);
    b = run_profile(&side[1].run[0], pairing->program[1], pairing->kind, pairing->type);
    if (!a || !b || a->end_ns <= 0 || b->end_ns <= a->end_ns)
        return growth;
    growth.one_process = shares_process(a, b);
    if (growth.one_process || !has_processes(a) || !has_processes(b))
        growth.seconds = (double)(b->end_ns - a->end_ns) / (double)SECOND_NS;
    return growth;
}

/* "server: 2 processes so far, 1 running; 60.0 s" */
bool side_is_running(const struct side *side, unsigned which, const struct pairing *pairing)
{
    for (size_t run = 0; run < side->runs; run++) {
        const struct read_profile *profile =
            run_profile(&side->run[run], pairing->program[which], pairing->kind, pairing->type);
        unsigned running = 0;
        for (size_t i = 0; profile && i < profile->comments && !running; i++) {
            const char *text = strstr(profile->comment[i], " processes so far, ");
            if (text && sscanf(text, " processes so far, %u running", &running) != 1)
                running = 0;
        }
        if (!running)
            return false;
    }
    return true;
}
