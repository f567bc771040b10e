// SPDX-License-Identifier: Apache-2.0
// A library that is loaded with RTLD_DEEPBIND uses libc's allocator: its blocks are freed by the program and
// vice versa.
#include "expect.h"
#include <dlfcn.h>
#include <string.h>

int main(void)
{
    void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_DEEPBIND);
    char *(*demangle)(const char *, char *, size_t *, int *);
    void *(*new)(size_t);
    void (*delete)(void *);

    if (!library)
        SKIP("libstdc++.so.6 is not there");
    demangle = (char *(*)(const char *, char *, size_t *, int *))dlsym(library, "__cxa_demangle");
    new = (void *(*)(size_t))dlsym(library, "_Znwm");
    delete = (void (*)(void *))dlsym(library, "_ZdlPv");
    EXPECT(demangle && new &&delete);
    for (int i = 0; i < 20000; i++) {
        size_t size = 8;
        int status;
        char *text = demangle("_Z3fooi", malloc(size), &size, &status);
        EXPECT(!status && !strcmp(text, "foo(int)"));
        free(text);
        free(new (100));
        delete (malloc(100));
    }
    dlclose(library);
    return 0;
}
