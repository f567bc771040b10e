// SPDX-License-Identifier: Apache-2.0
// A program with its own dl_iterate_phdr() (as seastar and ClickHouse have), which allocates in it, with
// malloc and with operator new; what it was given is good, and may be freed, also by a forked child. build:
// -rdynamic
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "expect.h"
#include <cstring>
#include <dlfcn.h>
#include <link.h>

static char *kept_malloc, *kept_new;

extern "C" int dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *context)
{
    typedef int walk(int (*)(struct dl_phdr_info *, size_t, void *), void *);
    static walk *next;
    if (!kept_malloc) {
        kept_malloc = static_cast<char *>(malloc(100));
        kept_new = new char[100];
        memset(kept_malloc, 'm', 100);
        memset(kept_new, 'n', 100);
        delete new int;
    }
    if (!next)
        next = reinterpret_cast<walk *>(dlsym(RTLD_NEXT, "dl_iterate_phdr"));
    return next(visit, context);
}

static int count(struct dl_phdr_info *, size_t, void *context)
{
    ++*static_cast<int *>(context);
    return 0;
}

int main()
{
    int modules = 0;
    EXPECT(dl_iterate_phdr(count, &modules) == 0 && modules > 1);
    EXPECT(kept_malloc[99] == 'm' && kept_new[0] == 'n' && kept_new[99] == 'n');
    pid_t child = fork();
    if (!child) {
        free(kept_malloc);
        delete[] kept_new;
        _exit(3);
    }
    EXPECT(wait_for(child) == 3);
    kept_malloc = static_cast<char *>(realloc(kept_malloc, 200));
    EXPECT(kept_malloc[99] == 'm');
    free(kept_malloc);
    delete[] kept_new;
    return 0;
}
