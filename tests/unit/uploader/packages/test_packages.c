/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "uploader/packages/packages.h"

static char root[] = "/tmp/cprof-packages-XXXXXX";
static struct process_files source = {.root_fd = -1, .exe_fd = -1};

/* With the directories above it. */
static void write_file(const char *path, const char *text)
{
    char full[256];
    const int length = snprintf(full, sizeof full, "%s%s", root, path);
    for (int i = (int)strlen(root) + 1; i < length; i++)
        if (full[i] == '/') {
            full[i] = 0;
            mkdir(full, 0755);
            full[i] = '/';
        }
    FILE *file = fopen(full, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void check_path(const char *path, const char *wanted)
{
    char name[PACKAGE_NAME_MOST] = "";
    assert_int_equal(package_by_path(&source, path, name), wanted != NULL);
    if (wanted)
        assert_string_equal(name, wanted);
}

static void check_text(const char *text, const char *wanted)
{
    char name[PACKAGE_NAME_MOST] = "";
    assert_int_equal(package_of_text(text, strlen(text), name), wanted != NULL);
    if (wanted)
        assert_string_equal(name, wanted);
}

static void dpkg_lists_are_read(void **state)
{
    (void)state;
    write_file("/var/lib/dpkg/status", "Package: hello\nStatus: install ok installed\nArchitecture: amd64\n\n"
                                       "Package: libfoo1\nArchitecture: amd64\nMulti-Arch: same\n\n"
                                       "Package: libc6\nArchitecture: amd64\nMulti-Arch: same\n\n"
                                       "Package: bad;name\n\n");
    write_file("/var/lib/dpkg/info/hello.list", "/.\n/usr\n/usr/bin\n/usr/bin/hello\n");
    write_file("/var/lib/dpkg/info/libfoo1:amd64.list", "/usr/lib/libfoo.so.1\n");
    write_file("/var/lib/dpkg/info/libc6:amd64.list", "/lib/x86_64-linux-gnu/libc.so.6\n");
    check_path("/usr/bin/hello", "hello-dbgsym");
    check_path("/usr/lib/libfoo.so.1", "libfoo1-dbgsym");
    check_path("/lib/libfoo.so.1", "libfoo1-dbgsym");
    check_path("/usr/lib/x86_64-linux-gnu/libc.so.6", "libc6-dbg");
    check_path("/usr/bin/other", NULL);
    check_path("/usr/local/bin/hello", NULL);
    check_path("/home/user/hello", NULL);
}

static void apk_list_is_read(void **state)
{
    (void)state;
    write_file("/lib/apk/db/installed", "C:Q1\nP:musl\nV:1.2\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\n\n"
                                        "P:zlib\nF:lib\nF:usr/lib\nR:libz.so.1\n\n");
    check_path("/lib/ld-musl-x86_64.so.1", "musl-dbg");
    check_path("/usr/lib/libz.so.1", "zlib-dbg");
    check_path("/usr/lib/libz.so.2", NULL);
}

static void notes_are_read(void **state)
{
    (void)state;
    check_text("{\"type\":\"rpm\",\"name\":\"bash\",\"version\":\"5\"}", "bash-debuginfo");
    check_text("{ \"name\" : \"hello\", \"type\" : \"deb\" }", "hello-dbgsym");
    check_text("{\"type\":\"other\",\"name\":\"x\"}", NULL);
    check_text("{\"type\":\"deb\",\"name\":\"\\u001b[31m\"}", NULL);
    check_text("{\"type\":\"deb\",\"name\":\"cut", "cut-dbgsym");
    check_text("{\"type\":\"deb\"", NULL);
    check_text("", NULL);
}

static void server_of_the_distribution(void **state)
{
    (void)state;
    assert_null(package_server(&source));
    write_file("/etc/os-release", "PRETTY_NAME=\"Fedora Linux\"\nVERSION_ID=40\nID=fedora\n");
    assert_string_equal(package_server(&source), "https://debuginfod.fedoraproject.org/");
    write_file("/etc/os-release", "ID=\"opensuse-leap\"\n");
    assert_string_equal(package_server(&source), "https://debuginfod.opensuse.org/");
}

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    source.root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return source.root_fd < 0 ? -1 : 0;
}

static int end(void **state)
{
    char command[64];
    (void)state;
    close(source.root_fd);
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command); // NOLINT(cert-env33-c): its own directory
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dpkg_lists_are_read),
        cmocka_unit_test(apk_list_is_read),
        cmocka_unit_test(notes_are_read),
        cmocka_unit_test(server_of_the_distribution),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
