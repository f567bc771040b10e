/* SPDX-License-Identifier: Apache-2.0 */
#include "controls.h"

#include <stdio.h>

#include "rounds.h"
#include "uploader/base/clock.h"
#include "uploader/session/members/wanted.h"
#include "uploader/session/views/watching.h"
#include "uploader/target/process/rates.h"
#include "uploader/upload/upload.h"

_Static_assert(sizeof(struct rules) <= KEEPER_RULES, "rules fit the board");

/* What is turned off, at once. true: there is more to change, or something was. */
static bool turn_off(struct session *session, int64_t now_ns)
{
    bool any = false;

    for (size_t i = 0; i < session->members; i++) {
        struct target *target = session->member[i]->target;
        struct rates wanted, asked;
        int64_t next_ns = INT64_MAX;

        session_find_wanted(session, session->member[i], now_ns, &wanted, &next_ns);
        target_rates_asked(target, &asked);
        if (rates_are_same(&wanted, &asked))
            continue;
        any = true;
        asked.profiles &= wanted.profiles;
        target_ask_rates(target, &asked);
    }
    return any;
}

static void turn_on(struct session *session, int64_t now_ns)
{
    session->next_switch_ns = session->gate.next_ns;
    for (size_t i = 0; i < session->members; i++) {
        struct target *target = session->member[i]->target;
        struct rates wanted, asked;

        session_find_wanted(session, session->member[i], now_ns, &wanted, &session->next_switch_ns);
        target_rates_asked(target, &asked);
        if (!rates_are_same(&wanted, &asked))
            target_ask_rates(target, &wanted);
    }
}

/* What was recorded so far is of the old rates, and so is the interval. Delays and durations of many processes may end
   one after the other: they have one round a second at most. */
void controls_apply(struct session *session, int64_t now_ns, bool at_once)
{
    bool any = turn_off(session, now_ns);

    if (any && (at_once || now_ns - session->last_switch_ns >= SECOND_NS) && !session->keeper.has_more) {
        session_round(session);
        programs_skip_idle(&session->programs, monotonic_ns());
        session->last_switch_ns = now_ns;
    }
    turn_on(session, now_ns);
}

const char *controls_why_nothing(const struct session *session)
{
    const struct setting_value *value = session->options->settings.value;

    if (session->gate.is_killed)
        return "the file of CPROF_KILL_SWITCH exists";
    if (*value[SETTING_SCHEDULE].text)
        return "CPROF_SCHEDULE was off, or the program too brief";
    return value[SETTING_START_DELAY].number ? "CPROF_START_DELAY was not over" : NULL;
}

void controls_tick(struct session *session, int64_t now_ns)
{
    char note[NOTE_TEXT];

    if (!gate_look(&session->gate, now_ns))
        return;
    snprintf(note, sizeof note, "recording: %s", gate_text(&session->gate));
    programs_note(&session->programs, note);
    controls_apply(session, now_ns, true);
}

void controls_open(struct session *session)
{
    session->rules = (struct rules *)session->keeper.board->rules;
    rules_check(session->rules);
    gate_open(&session->gate, session->options);
    session->next_switch_ns = session->gate.next_ns;
    session_open_watching(session);
    if (!clients_open(&session->clients))
        session_watch(session, session->clients.epoll_fd, &session->clients);
}
