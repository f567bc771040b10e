// SPDX-License-Identifier: Apache-2.0
// A program that closes every descriptor and reuses the numbers finds only its own data in its files.
#include "expect.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int main(void)
{
    int out = dup(1);
    char name[32], text[8], expected[8];
    struct stat status;

    EXPECT(out >= 3);
    burn(50);
    for (int fd = 3; fd < 1024; fd++)
        if (fd != out)
            close(fd);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "file%d", i);
        EXPECT(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600) >= 0);
    }
    burn(300);
    for (int fd = 3; fd < 24; fd++) {
        if (fd == out)
            continue;
        EXPECT(!fstat(fd, &status) && status.st_size == 0);
        snprintf(expected, sizeof expected, "%d", fd);
        EXPECT(pwrite(fd, expected, strlen(expected), 0) == (ssize_t)strlen(expected));
    }
    burn(100);
    for (int fd = 3; fd < 24; fd++) {
        ssize_t size;
        if (fd == out)
            continue;
        size = pread(fd, text, sizeof text, 0);
        snprintf(expected, sizeof expected, "%d", fd);
        EXPECT(size == (ssize_t)strlen(expected) && !memcmp(text, expected, (size_t)size));
    }
    return 0;
}
