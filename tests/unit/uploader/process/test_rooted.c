/* SPDX-License-Identifier: Apache-2.0 */
/* Files are found inside of a root, whatever links lead out of it; by the walk of our own as by the kernel's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "uploader/process/rooted.h"

static char root[] = "/tmp/cprof-rooted-XXXXXX";
static int root_fd;

static int make_root(void **state)
{
    static const char script[] =
        "cd %s && mkdir -p a/b/c proc etc && echo inside > etc/passwd && echo file > a/b/file && "
        "ln -s /etc/passwd a/absolute && ln -s ../../../../../etc/passwd a/above && ln -s b a/link && "
        "ln -s link/c a/through && ln -s circle a/circle && ln -s /a/link/../b/file a/around && ln -s / "
        "a/root && "
        "ln -s missing a/dangling && ln -s a/root/a/root/a/b/file long && mkfifo a/fifo && "
        "ln -s /proc/self/root/etc/passwd a/self && ln -s // a/slashes";
    char command[1024];

    (void)state;
    if (!mkdtemp(root))
        return -1;
    snprintf(command, sizeof command, script, root);
    if (system(command))
        return -1;
    root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root_fd < 0;
}

static int remove_root(void **state)
{
    char command[64];

    (void)state;
    close(root_fd);
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static int by_kernel(const char *path)
{
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
}

static void test_the_walk_finds_what_the_kernel_does(void **state)
{
    static const char *const paths[] = {"/",
                                        "/etc/passwd",
                                        "etc/passwd",
                                        "a/absolute",
                                        "a/above",
                                        "a/link",
                                        "a/link/file",
                                        "a/through",
                                        "a/through/..",
                                        "a/through/../file",
                                        "a/around",
                                        "a/root/etc/passwd",
                                        "long",
                                        "../etc/passwd",
                                        "a/../../etc",
                                        "a/circle",
                                        "a/dangling",
                                        "a/missing/..",
                                        "a/b/file/..",
                                        "a//b/./file",
                                        "a/slashes/etc/passwd",
                                        "a/fifo",
                                        "a/self",
                                        "/a/b/c/../../../..",
                                        "a/link/",
                                        "a/b/c/../../link/file"};

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        int theirs = by_kernel(paths[i]), ours = rooted_walk(root_fd, paths[i]);
        struct stat their, our;
        if (theirs == -ENOSYS)
            skip();
        if (theirs < 0 || ours < 0) {
            if ((theirs < 0) != (ours < 0))
                fail_msg("%s: %d, the kernel has %d", paths[i], ours, theirs);
            continue;
        }
        assert_int_equal(fstat(theirs, &their) | fstat(ours, &our), 0);
        if (their.st_ino != our.st_ino || their.st_dev != our.st_dev)
            fail_msg("%s: another file than the kernel's", paths[i]);
        close(theirs);
        close(ours);
    }
}

static void expect(int fd, const char *text)
{
    char line[16] = "";

    assert_true(fd >= 0);
    assert_true(read(fd, line, sizeof line - 1) > 0);
    assert_string_equal(line, text);
    close(fd);
}

static void test_links_out_of_the_root(void **state)
{
    static const char *const out[] = {"a/absolute", "a/above", "a/root/etc/passwd", "../../../etc/passwd"};

    (void)state;
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++) {
        expect(rooted_open(root_fd, out[i]), "inside\n");
        expect(rooted_open_guarded(root_fd, out[i]), "inside\n");
    }
}

/* Of /proc itself, where links lead anywhere. */
static void test_magic_links(void **state)
{
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_int_equal(rooted_open(proc, "self/root/etc/passwd"), -ELOOP);
    assert_int_equal(rooted_walk(proc, "self/exe"), -ELOOP);
    assert_int_equal(rooted_open_guarded(-1, "/proc/self/root/etc/passwd"), -ELOOP);
    assert_int_equal(rooted_open_guarded(-1, "/proc/self/stat"), -EPERM);
    close(proc);
}

/* A FIFO would be opened, a device switched on. */
static void test_only_regular_files(void **state)
{
    (void)state;
    assert_int_equal(rooted_open(root_fd, "a/fifo"), -EINVAL);
    assert_int_equal(rooted_open(root_fd, "a/b"), -EINVAL);
    assert_int_equal(rooted_open(-1, "/dev/null"), -EINVAL);
    assert_int_equal(rooted_open_guarded(-1, "/dev/null"), -EINVAL);
    assert_int_equal(rooted_open(root_fd, "a/missing"), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_walk_finds_what_the_kernel_does),
        cmocka_unit_test(test_links_out_of_the_root),
        cmocka_unit_test(test_magic_links),
        cmocka_unit_test(test_only_regular_files),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
