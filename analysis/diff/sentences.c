/* SPDX-License-Identifier: Apache-2.0 */
/* What the text and the Markdown say with the same words. */
#include <math.h>
#include <stdio.h>

#include "print.h"
#include "uploader/encoding/amount.h"

const char *print_value(const struct compared *compared, double value, int sign, char text[64])
{
    char amount[AMOUNT_TEXT];

    snprintf(text, 64, "%s%s", amount_text(amount, value, compared->pairing->unit, sign),
             compared_unit_end(compared));
    return text;
}

static void seconds_text(char text[AMOUNT_TEXT], double seconds)
{
    amount_text(text, seconds * 1e9, "nanoseconds", 0);
}

const char *print_normalized(const struct printed *printed, char text[PRINT_TEXT])
{
    const struct pairing *pairing = printed->compared->pairing;
    double a = side_seconds(&printed->side[0], 0, pairing), b = side_seconds(&printed->side[1], 1, pairing);
    char time_a[AMOUNT_TEXT], time_b[AMOUNT_TEXT];
    bool differ = a > 0 && b > 0 && fabs(a - b) > 0.1 * fmax(a, b);

    seconds_text(time_a, a);
    seconds_text(time_b, b);
    if (printed->compared->normalize == NORMALIZE_TOTAL)
        snprintf(text, PRINT_TEXT, "shares: B is scaled to the total of A (--normalize=total)");
    else if (printed->compared->normalize == NORMALIZE_TIME)
        snprintf(text, PRINT_TEXT, "per second of recording%s: A %s, B %s (--normalize=time)",
                 printed->compared->of_intervals ? ", means of intervals" : "", time_a, time_b);
    else if (printed->compared->is_state)
        snprintf(text, PRINT_TEXT, "what is in use at the end, as recorded");
    else if (differ)
        snprintf(text, PRINT_TEXT,
                 "totals as recorded (--normalize=none); A lasted %s and B %s: for a service, use "
                 "--normalize=time",
                 time_a, time_b);
    else
        snprintf(text, PRINT_TEXT, "totals as recorded (--normalize=none)");
    return text;
}

const char *basis_text(const struct compared *compared, const struct change *change)
{
    if (change->significant)
        return change->basis == BASIS_RANKS   ? "a change, by the order of the runs"
               : change->basis == BASIS_SHARE ? "a change, by its share of the total"
                                              : "a change";
    if (change->delta == 0)
        return "the same";
    if (change->basis == BASIS_RUNS)
        return compared->of_intervals ? "within the scatter of the intervals"
                                      : "within the scatter of the runs";
    if (change->basis == BASIS_ONE_RUN)
        return "within what one run differs from another: profile several";
    return compared->is_state || change->basis == BASIS_SAMPLING ? "within the sampling error" : "";
}

const char *print_verdict(const struct printed *printed, char text[PRINT_TEXT])
{
    const struct limit *limit = &printed->limit;
    char percent[AMOUNT_TEXT], error[AMOUNT_TEXT];
    const char *what = limit->function
                           ? limit->function
                           : type_title(printed->compared->pairing->kind, printed->compared->pairing->type);

    percent_text(percent, limit->of->delta, limit->of->a, 1);
    percent_text(error, limit->of->error, limit->of->a, 0);
    if (limit->is_above)
        snprintf(text, PRINT_TEXT, "%s: %s (± %s) is above the limit of %g %%", what, percent, error,
                 limit->percent);
    else if (limit->of->delta > limit->percent / 100 * limit->of->a)
        snprintf(text, PRINT_TEXT, "%s: %s (± %s) is %s, so the limit of %g %% is kept", what, percent, error,
                 basis_text(printed->compared, limit->of), limit->percent);
    else
        snprintf(text, PRINT_TEXT, "%s: %s (± %s) is within the limit of %g %%", what, percent, error,
                 limit->percent);
    return text;
}

const char *print_growth(const struct printed *printed, char text[PRINT_TEXT])
{
    const struct compared *compared = printed->compared;
    const struct growth *growth = &printed->growth;
    char delta[64], hour[64], time[AMOUNT_TEXT];

    seconds_text(time, growth->seconds);
    print_value(compared, compared->change.delta, 1, delta);
    print_value(compared, compared->change.delta / growth->seconds * 3600, 1, hour);
    snprintf(text, PRINT_TEXT, "growth: %s in the %s between A and B: %s per hour%s%s", delta, time, hour,
             growth->one_process ? "" : ", if both are of one process",
             compared->change.significant ? "" : " (within the sampling error)");
    return text;
}

/* Runs a side with which a change of this size is found four times of five: 0.84 is that quantile of the normal
   distribution. scatter: standard deviation of runs. */
static double runs_wanted(double scatter, double delta)
{
    double errors = (LEVEL_NAMED + 0.84) * scatter / delta;
    return ceil(2 * errors * errors) + 1; /* Student's quantile of few runs is wider */
}

/* What would decide whether the difference of the totals is a change. */
const char *print_decision(const struct printed *printed, char text[PRINT_TEXT])
{
    const struct compared *compared = printed->compared;
    const struct change *change = &compared->change;
    double a = (double)compared->named.runs[0], b = (double)compared->named.runs[1], scatter, least;
    char percent[AMOUNT_TEXT];

    *text = '\0';
    if (change->significant || !(change->a > 0) || change->delta == 0)
        return text;
    least = fmax(fabs(change->delta), 0.01 * change->a);
    percent_text(percent, least, change->a, 0);
    if (change->basis == BASIS_ONE_RUN)
        snprintf(
            text, PRINT_TEXT,
            "to decide: several runs a side, in turn (%.0f would show %s if equal runs differ by 1 %%); one "
            "run a side shows functions and shares",
            fmax(3, runs_wanted(0.01 * change->a, least)), percent);
    else if (change->basis == BASIS_RUNS && compared->named.student > 0) {
        scatter = change->error / compared->named.student / sqrt(1 / a + 1 / b);
        snprintf(text, PRINT_TEXT, "to decide: about %.0f %s a side would show %s",
                 runs_wanted(scatter, least), compared->of_intervals ? "intervals" : "runs", percent);
    } else if (compared->is_state)
        snprintf(text, PRINT_TEXT, "to decide: more time between A and B, or a smaller --memory-rate");
    return text;
}
