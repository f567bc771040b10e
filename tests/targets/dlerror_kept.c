// SPDX-License-Identifier: Apache-2.0
// The message of a failed dlsym() is there when it is asked for, however much happens in between, and none
// before.
#include "expect.h"
#include <dlfcn.h>
#include <malloc.h>
#include <string.h>

int main(void)
{
    const char *message;
    EXPECT(!dlerror());
    EXPECT(!dlsym(RTLD_DEFAULT, "no_such_function_anywhere"));
    burn(50);
    free(memalign(64, 1000));
    message = dlerror();
    EXPECT(message && strstr(message, "no_such_function_anywhere"));
    EXPECT(!dlerror());
    return 0;
}
