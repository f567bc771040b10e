/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <time.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/options/log.h"

static void look_at_schedule(struct gate *gate, int64_t now_ns)
{
    int64_t real_ns = clock_ns(CLOCK_REALTIME);
    time_t now = (time_t)(real_ns / SECOND_NS);
    uint64_t next_ns;
    struct tm tm;

    if (!localtime_r(&now, &tm))
        tm = (struct tm){0};
    gate->is_scheduled = schedule_is_on(&gate->schedule, (uint64_t)real_ns,
                                        (uint32_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec), &next_ns);
    gate->next_ns = gate->schedule.parts ? now_ns + (int64_t)next_ns - real_ns : INT64_MAX;
}

void gate_open(struct gate *gate, const struct options *options)
{
    *gate = (struct gate){.kill_switch = options->kill_switch,
                          .schedule_text = options->settings.value[SETTING_SCHEDULE].text};
    schedule_parse(gate->schedule_text, &gate->schedule);
    look_at_schedule(gate, monotonic_ns());
    gate->is_killed = *gate->kill_switch && !access(gate->kill_switch, F_OK);
    if (gate->is_killed)
        log_event("%s exists: nothing is recorded until it is gone", gate->kill_switch);
}

bool gate_look(struct gate *gate, int64_t now_ns)
{
    bool was_killed = gate->is_killed, was_scheduled = gate->is_scheduled;

    look_at_schedule(gate, now_ns);
    if (*gate->kill_switch)
        gate->is_killed = !access(gate->kill_switch, F_OK);
    if (gate->is_killed != was_killed)
        log_event(gate->is_killed ? "%s exists: nothing is recorded until it is gone"
                                  : "%s is gone: profiles are recorded again",
                  gate->kill_switch);
    if (gate->is_scheduled != was_scheduled)
        log_info("schedule %s: %s", gate->schedule_text, gate->is_scheduled ? "on" : "off");
    return gate->is_killed != was_killed || gate->is_scheduled != was_scheduled;
}

const char *gate_text(const struct gate *gate)
{
    return gate->is_killed ? "stopped by the kill switch" : gate->is_scheduled ? "on" : "off by the schedule";
}
