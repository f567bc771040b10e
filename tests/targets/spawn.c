// SPDX-License-Identifier: Apache-2.0
// posix_spawn, system and popen, many at once, from a busy program.
#include "expect.h"
#include <spawn.h>
#include <string.h>

extern char **environ;

int main(void)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 6", NULL};
    char text[16] = "";
    pid_t child[20];
    FILE *pipe_end;

    burn(20);
    for (int i = 0; i < 20; i++)
        EXPECT(!posix_spawnp(&child[i], "sh", NULL, NULL, argv, environ));
    for (int i = 0; i < 20; i++)
        EXPECT(wait_for(child[i]) == 6);
    EXPECT(WEXITSTATUS(system("exit 8")) == 8);
    pipe_end = popen("echo hello", "r");
    EXPECT(pipe_end && fgets(text, sizeof text, pipe_end) && !strcmp(text, "hello\n"));
    EXPECT(pclose(pipe_end) == 0);
    return 0;
}
