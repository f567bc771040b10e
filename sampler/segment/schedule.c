/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "quantity.h"

enum { DAY_S = 86400, TEXT_MOST = 32 };
#define NS_PER_S UINT64_C(1000000000)

/* HH:MM. Returns what follows, or NULL. */
static const char *parse_time(const char *text, uint32_t *seconds)
{
    uint32_t hours = 0, minutes = 0;
    int digits;

    for (digits = 0; digits < 2 && *text >= '0' && *text <= '9'; digits++)
        hours = hours * 10 + (uint32_t)(*text++ - '0');
    if (!digits || *text++ != ':')
        return NULL;
    for (digits = 0; digits < 2 && *text >= '0' && *text <= '9'; digits++)
        minutes = minutes * 10 + (uint32_t)(*text++ - '0');
    if (digits != 2 || minutes > 59 || hours * 60 + minutes > 24 * 60)
        return NULL;
    *seconds = hours * 3600 + minutes * 60;
    return text;
}

static int parse_day(const char *text, struct schedule_part *part)
{
    text = parse_time(text, &part->from_s);
    if (!text || *text++ != '-')
        return -EINVAL;
    text = parse_time(text, &part->to_s);
    return text && !*text && part->from_s != part->to_s ? 0 : -EINVAL;
}

static int parse_part(char *text, struct schedule_part *part)
{
    char *slash = strchr(text, '/');

    *part = (struct schedule_part){0};
    if (!slash)
        return parse_day(text, part);
    *slash = 0;
    if (quantity_parse(text, quantity_times, "s", &part->on_ns) ||
        quantity_parse(slash + 1, quantity_times, "s", &part->every_ns))
        return -EINVAL;
    return part->on_ns && part->on_ns <= part->every_ns && part->every_ns >= NS_PER_S ? 0 : -EINVAL;
}

int schedule_parse(const char *text, struct schedule *schedule)
{
    struct schedule parsed = {.parts = 0};

    while (*text) {
        char part[TEXT_MOST];
        size_t length = strcspn(text, ",");
        if (length >= sizeof part || parsed.parts == SCHEDULE_PARTS)
            return -EINVAL;
        memcpy(part, text, length);
        part[length] = 0;
        if (parse_part(part, &parsed.part[parsed.parts++]))
            return -EINVAL;
        text += length;
        if (*text == ',' && !*++text)
            return -EINVAL;
    }
    if (schedule)
        *schedule = parsed;
    return 0;
}

/* *left_ns: how long the answer holds. */
static bool is_part_on(const struct schedule_part *part, uint64_t now_ns, uint32_t day_s, uint64_t *left_ns)
{
    uint64_t at = part->every_ns ? now_ns % part->every_ns : 0;
    bool is_on;

    if (part->every_ns) {
        is_on = at < part->on_ns;
        *left_ns = (is_on ? part->on_ns : part->every_ns) - at;
        return is_on;
    }
    is_on = part->from_s < part->to_s ? day_s >= part->from_s && day_s < part->to_s
                                      : day_s >= part->from_s || day_s < part->to_s;
    *left_ns = ((is_on ? part->to_s : part->from_s) + 2u * DAY_S - day_s) % DAY_S * NS_PER_S;
    *left_ns = *left_ns ? *left_ns - now_ns % NS_PER_S : DAY_S * NS_PER_S;
    return is_on;
}

bool schedule_is_on(const struct schedule *schedule, uint64_t now_ns, uint32_t day_s, uint64_t *next_ns)
{
    uint64_t next = DAY_S * NS_PER_S;
    bool any = !schedule->parts;

    for (unsigned i = 0; i < schedule->parts; i++) {
        uint64_t left;
        any |= is_part_on(&schedule->part[i], now_ns, day_s, &left);
        next = left < next ? left : next;
    }
    *next_ns = now_ns + next;
    return any;
}
