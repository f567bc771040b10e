// SPDX-License-Identifier: Apache-2.0
// Names that threads give themselves and each other read back as they were set.
#include "expect.h"
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>

static pthread_barrier_t barrier;
static void *work(void *arg)
{
    char name[16];
    EXPECT(!prctl(PR_SET_NAME, "by itself") && !prctl(PR_GET_NAME, name) && !strcmp(name, "by itself"));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    EXPECT(!prctl(PR_GET_NAME, name) && !strcmp(name, "by another"));
    burn(20);
    return arg;
}

int main(void)
{
    char name[16];
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    EXPECT(!pthread_create(&thread, NULL, work, NULL));
    pthread_barrier_wait(&barrier);
    EXPECT(!pthread_setname_np(thread, "by another"));
    EXPECT(!pthread_getname_np(thread, name, sizeof name) && !strcmp(name, "by another"));
    EXPECT(pthread_setname_np(thread, "much longer than fits") != 0);
    pthread_barrier_wait(&barrier);
    EXPECT(!pthread_join(thread, NULL));
    return 0;
}
