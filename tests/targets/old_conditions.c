// SPDX-License-Identifier: Apache-2.0
// A program linked to the condition variables of GLIBC_2.2.5: its objects are its own version's, start to
// end.
#include "expect.h"
#include <pthread.h>

#if defined(__x86_64__) // the other architectures came later and have no older version
__asm__(".symver pthread_cond_wait, pthread_cond_wait@GLIBC_2.2.5");
__asm__(".symver pthread_cond_timedwait, pthread_cond_timedwait@GLIBC_2.2.5");
__asm__(".symver pthread_cond_signal, pthread_cond_signal@GLIBC_2.2.5");
__asm__(".symver pthread_cond_broadcast, pthread_cond_broadcast@GLIBC_2.2.5");
__asm__(".symver pthread_cond_init, pthread_cond_init@GLIBC_2.2.5");
__asm__(".symver pthread_cond_destroy, pthread_cond_destroy@GLIBC_2.2.5");
#endif

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER, made;
static int whose, alive;

static void *play(void *arg)
{
    int me = (int)(intptr_t)arg;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 500; i++) {
        while (whose != me)
            pthread_cond_wait(&turn, &mutex);
        whose = !me;
        pthread_cond_signal(&turn);
    }
    alive--;
    pthread_cond_broadcast(&made);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

int main(void)
{
    struct timespec past = {1, 0};
    pthread_t thread[2];
    EXPECT(!pthread_cond_init(&made, NULL));
    alive = 2;
    pthread_mutex_lock(&mutex);
    EXPECT(pthread_cond_timedwait(&made, &mutex, &past) == 110);
    for (intptr_t i = 0; i < 2; i++)
        EXPECT(!pthread_create(&thread[i], NULL, play, (void *)i));
    while (alive)
        pthread_cond_wait(&made, &mutex);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    EXPECT(!pthread_cond_destroy(&made));
    return 0;
}
