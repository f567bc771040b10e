// SPDX-License-Identifier: Apache-2.0
// Without the library each function does nothing, and says so; with it they work. The argument: what they return.
#include "../../include/cprof/cprof.h"

#include <stdlib.h>
#include <string.h>

int main(int count, char **word)
{
    static const unsigned char trace[16] = {1}, span[8] = {2}, none[16] = {0};
    int expected = count > 1 ? atoi(word[1]) : 0, wrong = 0;
    struct cprof_labels empty, full;

    memset(&empty, 0, sizeof empty);
    full = cprof_labels_capture();
    wrong |= memcmp(&full, &empty, sizeof full) != 0;
    wrong |= cprof_label_set("a", "b") != expected;
    wrong |= cprof_trace_set(trace, span) != expected;
    full = cprof_labels_capture();
    wrong |= (memcmp(&full, &empty, sizeof full) != 0) != (expected == 0);
    {
        CPROF_LABEL_SCOPE("a", "c");
        CPROF_LABEL_SCOPE("d", "e");
        CPROF_TRACE_SCOPE(span, trace);
    }
    empty = cprof_labels_capture();
    wrong |= memcmp(&full, &empty, sizeof full) != 0;
    cprof_trace_clear();
    cprof_labels_apply(full);
    wrong |= cprof_label_clear("a") != expected || cprof_label_clear("never") != expected;
    /* wrong input */
    wrong |= cprof_label_set(NULL, "b") != -1 || cprof_label_set("a", NULL) != -1 ||
             cprof_label_set("", "b") != -1;
    wrong |= cprof_label_clear(NULL) != -1 || cprof_trace_set(NULL, span) != -1 ||
             cprof_trace_set(none, span) != -1;
    memset(&full, 0xff, sizeof full);
    cprof_labels_apply(full);
    wrong |= (cprof_api_version() >= 2) != (expected == 0);
    wrong |= CPROF_IS_PROFILING() != (expected == 0);
    return wrong;
}
