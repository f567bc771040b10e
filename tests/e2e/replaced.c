// SPDX-License-Identifier: Apache-2.0
// Ten threads asleep; after a second the program becomes another one, without the library, for argv[1]
// seconds.
#include <pthread.h>
#include <unistd.h>

static void *sleeper(void *arg)
{
    sleep(1000);
    return arg;
}

int main(int argc, char **argv)
{
    char *const environment[] = {NULL};
    pthread_t thread;

    for (int i = 0; i < 10; i++)
        pthread_create(&thread, NULL, sleeper, NULL);
    sleep(1);
    execle("/bin/sleep", "sleep", argc > 1 ? argv[1] : "3", (char *)NULL, environment);
    return 1;
}
