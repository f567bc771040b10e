// SPDX-License-Identifier: Apache-2.0
// build: -ldl
// The snapshot says of each address what glibc's own _dl_find_object() says, whatever is loaded and unloaded.
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sampler/libc/libc.h"
#include "sampler/modules/snapshot.h"

/* Libraries that this program is not linked with. */
static const char first[] = "libBrokenLocale.so.1", second[] = "libnss_hesiod.so.2", third[] = "libanl.so.1";

static void expect_same(uintptr_t pc)
{
    struct dl_find_object ours, libcs;
    int wanted = _dl_find_object((void *)pc, &libcs);
    assert_int_equal(snapshot_find((void *)pc, &ours), wanted);
    if (wanted)
        return;
    assert_ptr_equal(ours.dlfo_link_map, libcs.dlfo_link_map);
    assert_ptr_equal(ours.dlfo_eh_frame, libcs.dlfo_eh_frame);
    if (!ours.dlfo_link_map->l_prev)
        return; /* the program is found by its segments */
    assert_ptr_equal(ours.dlfo_map_start, libcs.dlfo_map_start);
    /* libc's is the end of the code where pages of 64 KiB leave a hole behind it (arm64). */
    assert_true(ours.dlfo_map_end >= libcs.dlfo_map_end);
}

static int compare(struct dl_phdr_info *info, size_t size, void *context)
{
    unsigned *modules = context;
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD)
            continue;
        uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        expect_same(start);
        expect_same(start + info->dlpi_phdr[i].p_memsz / 2);
    }
    ++*modules;
    return 0;
}

static unsigned compare_all(void)
{
    unsigned modules = 0;
    dl_iterate_phdr(compare, &modules);
    return modules;
}

static uintptr_t open_library(const char *name, void **handle)
{
    *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(*handle);
    return (uintptr_t)((struct link_map *)*handle)->l_ld;
}

static void test_loaded_and_unloaded(void **state)
{
    void *a, *b, *c;
    unsigned modules = compare_all();
    struct dl_find_object found;
    (void)state;

    uintptr_t in_a = open_library(first, &a);
    expect_same(in_a);
    uintptr_t in_b = open_library(second, &b);
    expect_same(in_b);
    assert_true(compare_all() >= modules + 2);
    dlclose(a); /* nobody says so to the snapshot */
    assert_int_equal(snapshot_find((void *)in_a, &found), -1);
    expect_same(in_b);
    uintptr_t in_c = open_library(third, &c); /* where the first was, or not */
    expect_same(in_a);
    expect_same(in_b);
    expect_same(in_c);
    dlclose(b);
    dlclose(c);
    expect_same(in_b);
    expect_same(in_c);
    assert_int_equal(compare_all(), modules);
}

/* The loader gives a module the address and the link_map of the one before. */
static void test_replaced(void **state)
{
    void *handle;
    (void)state;
    for (int i = 0; i < 100; i++) {
        uintptr_t inside = open_library(i % 2 ? first : third, &handle);
        expect_same(inside);
        if (i % 3)
            snapshot_expire();
        dlclose(handle);
        if (i % 5 == 0)
            expect_same(inside);
    }
}

static void test_generated_code(void **state)
{
    struct dl_find_object found;
    void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_int_equal(snapshot_find(code, &found), -1);
    assert_int_equal(snapshot_find(NULL, &found), -1);
    assert_int_equal(snapshot_find((void *)UINTPTR_MAX, &found), -1);
    munmap(code, 4096);
}

static _Atomic unsigned wrong, asked;
static uintptr_t own_code;

static void ask(int sig)
{
    struct dl_find_object found;
    (void)sig;
    if (snapshot_find((void *)own_code, &found) != 0 || own_code < (uintptr_t)found.dlfo_map_start ||
        own_code >= (uintptr_t)found.dlfo_map_end)
        wrong++;
    snapshot_find(&found, &found); /* the stack: in none, so that the list is looked at */
    asked++;
}

#ifdef __SANITIZE_THREAD__
/* It does not know the loader's lock, by which threads hand each other the loader's memory. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:ld-linux-x86-64.so\n";
}
#endif

static void *load_and_unload(void *stop)
{
    static const char *const names[] = {first, second, third};
    for (unsigned i = 0; !*(atomic_int *)stop; i++) {
        void *handle = dlopen(names[i % 3], RTLD_NOW | RTLD_LOCAL);
        if (handle)
            dlclose(handle);
        snapshot_expire();
    }
    return NULL;
}

/* Handlers that interrupt the loader, the writer of a table and each other's threads. */
static void test_in_handlers(void **state)
{
    const struct itimerval often = {{0, 3000}, {0, 3000}}, never = {{0, 0}, {0, 0}};
    pthread_t thread[3];
    atomic_int stop = 0;
    (void)state;
    own_code = (uintptr_t)test_in_handlers;
    signal(SIGALRM, ask);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, load_and_unload, &stop), 0);
    while (asked < 500)
        ask(0);
    usleep(300000);
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    assert_int_equal(wrong, 0);
    compare_all();
}

static void test_forked_children(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            struct dl_find_object found;
            snapshot_forget();
            _exit(snapshot_find((void *)test_forked_children, &found) ? 1 : 0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loaded_and_unloaded), cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_generated_code),      cmocka_unit_test(test_in_handlers),
        cmocka_unit_test(test_forked_children),
    };
    libc_start();
    snapshot_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
