// SPDX-License-Identifier: Apache-2.0
// The process has the descriptors, threads, children and environment of a program that nobody looks into.
#include "expect.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

extern char **environ;

static int entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    EXPECT(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

int main(void)
{
    int fd;
    for (int i = 3; i < 20; i++)
        close(i); /* whatever the test's runner left open */
    burn(100);
    EXPECT(entries("/proc/self/task") == 1);
    EXPECT(entries("/proc/self/fd") == 4); /* three, and the directory itself */
    fd = open("/dev/null", O_RDONLY);
    EXPECT(fd == 3);
    EXPECT(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
    for (char **variable = environ; *variable; variable++)
        EXPECT(strchr(*variable, '='));
    return 0;
}
