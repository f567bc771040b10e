/* SPDX-License-Identifier: Apache-2.0 */
#include "wanted.h"

#include "uploader/base/clock.h"
#include "uploader/target/process/rates.h"

void session_find_wanted(const struct session *session, const struct member *member, int64_t now_ns,
                         struct rates *rates, int64_t *next_ns)
{
    const struct target *target = member->target;
    int64_t from_ns, until_ns, next;

    target_rates_given(target, rates);
    target_given_span(target, &from_ns, &until_ns);
    if (now_ns < from_ns || now_ns >= until_ns || !session->gate.is_scheduled)
        rates->profiles = 0;
    rules_apply(session->rules, target->program->name, target->program->service, target->pid, rates);
    if (session->gate.is_killed)
        rates->profiles = 0;
    next = now_ns < from_ns ? from_ns : now_ns < until_ns ? until_ns : INT64_MAX;
    *next_ns = next < *next_ns ? next : *next_ns;
}

void wanted_member_joined(struct session *session, struct member *member)
{
    struct rates wanted;

    session_find_wanted(session, member, monotonic_ns(), &wanted, &session->next_switch_ns);
    target_ask_rates(member->target, &wanted);
}

void wanted_member_ended(struct session *session, const struct member *member)
{
    if (member->target->pid)
        rules_forget_pid(session->rules, member->target->pid);
}
