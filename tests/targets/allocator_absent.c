// SPDX-License-Identifier: Apache-2.0
// Programs ask for an allocator's own functions to learn whether it is there. Without it, there are none.
#include "expect.h"
#include <dlfcn.h>
#include <stddef.h>

#define ASK(name) extern void *name(void) __attribute__((weak))
ASK(mallocx);
ASK(rallocx);
ASK(je_mallocx);
ASK(je_malloc);
ASK(mi_malloc);
ASK(tc_malloc);

int main(void)
{
    static const char *const names[] = {"mallocx", "rallocx",   "xallocx",   "sdallocx", "dallocx",
                                        "nallocx", "je_malloc", "mi_malloc", "mi_free",  "tc_malloc"};
    EXPECT(!mallocx && !rallocx && !je_mallocx && !je_malloc && !mi_malloc && !tc_malloc);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        EXPECT(!dlsym(RTLD_DEFAULT, names[i]) && !dlsym(RTLD_NEXT, names[i]));
    return 0;
}
