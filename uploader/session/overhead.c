/* SPDX-License-Identifier: Apache-2.0 */
#include "overhead.h"

#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/target/cpu_time.h"
#include "uploader/target/process/rates.h"
#include "uploader/target/round.h"

void session_charge(struct program *program, enum cost cost, int64_t *since_ns)
{
    int64_t now_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

    program->budget.costs.ns[cost] += now_ns - *since_ns;
    *since_ns = now_ns;
}

/* A warning once for each program whose samples are too dear, and the rest for who reads the whole log: that names are
   looked up at a start is no news. */
static void say(struct program *program)
{
    struct budget *budget = &program->budget;
    char text[BUDGET_TEXT];

    if (!budget_text(budget, text))
        log_info("%s: profiling took %.2g %% of its CPU time; all rates are as they were asked for",
                 program->name, 100 * budget->share);
    else if (budget->by_samples && !budget->was_warned) {
        budget->was_warned = true;
        log_warn("%s: profiling took %.2g %% of its CPU time in a second, and CPROF_MAX_OVERHEAD is %.4g %%: "
                 "samples are taken less often (%s), and each stands for more",
                 program->name, 100 * budget->share, budget->limit_ppm / 1e4, text);
    } else
        log_info("%s: profiling took %.2g %% of its CPU time: %s", program->name, 100 * budget->share, text);
}

static void hold(struct session *session, struct program *program, const struct rates *asked, int64_t now_ns)
{
    bool has_changed;

    program->budget.costs.cpu_ns = (int64_t)program->cpu_ns;
    has_changed = budget_step(&program->budget, asked, now_ns);

    if (program->budget.is_beyond && asked->given && !program->budget.was_told) {
        program->budget.was_told = true;
        log_warn("%s: profiling took %.2g %% of its CPU time in a second, at rates that are set and "
                 "therefore kept; with "
                 "CPROF_MAX_OVERHEAD=2%% they are lowered, too",
                 program->name, 100 * program->budget.share);
    }
    if (!has_changed)
        return;
    for (size_t i = 0; i < session->members; i++)
        if (session->member[i]->target->program == program)
            target_follow_budget(session->member[i]->target);
    say(program);
}

void session_hold_budgets(struct session *session, int64_t now_ns)
{
    for (size_t i = 0; i < session->members; i++) {
        target_drain_counters(session->member[i]->target);
        target_read_cpu(session->member[i]->target);
    }
    for (size_t i = 0; i < session->members; i++) {
        struct program *program = session->member[i]->target->program;
        struct rates asked;
        /* Once for each program: budget_step() does nothing before the next second. */
        target_rates_asked(session->member[i]->target, &asked);
        hold(session, program, &asked, now_ns);
    }
}
