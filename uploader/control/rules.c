/* SPDX-License-Identifier: Apache-2.0 */
#include "rules.h"

#include <errno.h>
#include <string.h>

static bool is_empty(const struct rule *rule)
{
    return !rule->change.on && !rule->change.off && !rule->change.rates;
}

static void drop_empty(struct rules *rules)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < rules->count; i++)
        if (!is_empty(&rules->rule[i]))
            rules->rule[left++] = rules->rule[i];
    memset(&rules->rule[left], 0, (RULES_MOST - left) * sizeof rules->rule[0]);
    rules->count = left;
}

/* Whoever the rule is of, the request is of him, too. */
static bool covers(const struct control_request *request, const struct rule *rule)
{
    if (request->pid)
        return rule->pid == request->pid;
    return !*request->program || !strcmp(rule->program, request->program);
}

static void clear(struct rules *rules, const struct control_request *request, uint32_t switches,
                  uint32_t rates)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->rule[i];
        if (!covers(request, rule))
            continue;
        rule->change.on &= ~switches;
        rule->change.off &= ~switches;
        rule->change.rates &= ~rates;
    }
    drop_empty(rules);
}

int rules_add(struct rules *rules, const struct control_request *request)
{
    struct rule *rule;

    clear(rules, request, request->types, request->change.rates);
    if (rules->count == RULES_MOST)
        return -ENOSPC;
    rule = &rules->rule[rules->count];
    *rule = (struct rule){.pid = request->pid, .change = request->change};
    strcpy(rule->program, request->program);
    rules->count++;
    return 0;
}

void rules_reset(struct rules *rules, const struct control_request *request)
{
    uint32_t types = request->types ? request->types : PROFILES_READY;
    clear(rules, request, types, types);
}

void rules_forget_pid(struct rules *rules, int pid)
{
    for (uint32_t i = 0; i < rules->count; i++)
        if (rules->rule[i].pid == pid)
            rules->rule[i].change = (struct rates_change){0};
    drop_empty(rules);
}

void rules_apply(const struct rules *rules, const char *program, const char *service, int pid,
                 struct rates *rates)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->rule[i];
        if ((rule->pid && rule->pid != pid) ||
            (*rule->program && strcmp(rule->program, program) != 0 && strcmp(rule->program, service) != 0))
            continue;
        rates_change(rates, &rule->change);
    }
}

void rules_check(struct rules *rules)
{
    if (rules->count > RULES_MOST)
        rules->count = 0;
    for (uint32_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->rule[i];
        struct rates_change *change = &rule->change;
        rule->program[CONTROL_PROGRAM - 1] = 0;
        change->loose = false;
        change->on &= PROFILES_READY;
        change->off &= PROFILES_READY & ~change->on;
        for (int type = 0; type < PROFILES; type++) {
            const uint64_t *rate = rates_of(&change->to, (enum profile_type)type);
            if (!rate || !*rate)
                change->rates &= ~(1u << type);
        }
        change->rates &= PROFILES_READY;
    }
    drop_empty(rules);
}
