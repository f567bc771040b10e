// SPDX-License-Identifier: Apache-2.0
// A program has all keys for thread-specific data that there are, and threads end as they should with them.
#include "expect.h"
#include <limits.h>
#include <pthread.h>
#include <threads.h>

static pthread_key_t keys[PTHREAD_KEYS_MAX + 1];
static int destroyed;

static void destroy(void *value)
{
    destroyed += value == keys;
}

static void *returns(void *last)
{
    pthread_setspecific(keys[(long)last], keys);
    burn(5);
    return last;
}

static void *exits(void *last)
{
    pthread_exit(returns(last));
}

int main(void)
{
    long made = 0;
    tss_t another;

    while (made <= PTHREAD_KEYS_MAX && !pthread_key_create(&keys[made], destroy))
        made++;
    printf("%ld keys\n", made);
    EXPECT(tss_create(&another, NULL) == thrd_error);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        void *result;
        EXPECT(!pthread_create(&thread, NULL, i % 2 ? exits : returns, (void *)(made - 1)));
        EXPECT(!pthread_join(thread, &result) && result == (void *)(made - 1));
    }
    printf("%d values destroyed\n", destroyed);
    return 0;
}
