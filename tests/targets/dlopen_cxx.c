// SPDX-License-Identifier: Apache-2.0
// A C program loads the C++ library late, unloads it and loads it again: its operators new and delete work
// each time.
#include "expect.h"
#include <dlfcn.h>

int main(void)
{
    for (int i = 0; i < 20; i++) {
        void *library = dlopen("libstdc++.so.6", RTLD_NOW | (i % 2 ? RTLD_LOCAL : RTLD_GLOBAL));
        void *(*allocate)(size_t);
        void (*release)(void *, size_t);
        if (!library)
            SKIP("libstdc++.so.6 is not there");
        allocate = (void *(*)(size_t))dlsym(i % 2 ? library : RTLD_DEFAULT, "_Znwm");
        release = (void (*)(void *, size_t))dlsym(i % 2 ? library : RTLD_DEFAULT, "_ZdlPvm");
        EXPECT(allocate && release);
        for (int j = 0; j < 1000; j++)
            release(allocate(1000), 1000);
        dlclose(library);
    }
    return 0;
}
