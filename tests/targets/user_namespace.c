// SPDX-License-Identifier: Apache-2.0
// What only a process with one thread may do still works: a user namespace of its own.
#include "expect.h"
#include <errno.h>
#include <sched.h>

int main(void)
{
    burn(30);
    if (unshare(CLONE_NEWUSER)) {
        EXPECT(errno == EPERM || errno == ENOSYS || errno == ENOSPC);
        SKIP("user namespaces are not allowed here");
    }
    burn(30);
    return 0;
}
