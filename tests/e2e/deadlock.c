// SPDX-License-Identifier: Apache-2.0
// Two threads take two locks in opposite order, and wait for each other for ever.
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t orders = PTHREAD_MUTEX_INITIALIZER, stock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;

__attribute__((noinline)) static void reserve_stock(void)
{
    pthread_mutex_lock(&stock);
    pthread_mutex_unlock(&stock);
}

__attribute__((noinline)) static void update_orders(void)
{
    pthread_mutex_lock(&orders);
    pthread_mutex_unlock(&orders);
}

static void *seller(void *arg)
{
    pthread_setname_np(pthread_self(), "seller");
    pthread_mutex_lock(&orders);
    pthread_barrier_wait(&both);
    reserve_stock();
    pthread_mutex_unlock(&orders);
    return arg;
}

static void *buyer(void *arg)
{
    pthread_setname_np(pthread_self(), "buyer");
    pthread_mutex_lock(&stock);
    pthread_barrier_wait(&both);
    update_orders();
    pthread_mutex_unlock(&stock);
    return arg;
}

int main(void)
{
    pthread_t one, other;

    pthread_barrier_init(&both, NULL, 2);
    pthread_create(&one, NULL, seller, NULL);
    pthread_create(&other, NULL, buyer, NULL);
    pthread_join(one, NULL);
    pthread_join(other, NULL);
    return 0;
}
