// SPDX-License-Identifier: Apache-2.0
// The classes: what a scope sets ends with it, also by an exception.
#include <string>
#include <time.h>

#include "../../include/cprof/cprof.h"

static void burn(double seconds)
{
    clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);
    while (clock() < end)
        ;
}

static void throws()
{
    cprof::label_scope scope("endpoint", "/thrown");
    throw 1;
}

int main()
{
    static const unsigned char trace[16] = {1}, span[8] = {2};
    cprof_labels inside;

    {
        cprof::label_scope scope("endpoint", std::string("/scoped"));
        cprof::trace_scope of(trace, span);
        inside = cprof_labels_capture();
        burn(0.2);
    }
    try {
        throws();
    } catch (int) {
    }
    burn(0.2);
    cprof::labels_scope again(inside);
    burn(0.2);
    return 0;
}
