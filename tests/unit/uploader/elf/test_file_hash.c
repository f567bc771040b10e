/* SPDX-License-Identifier: Apache-2.0 */
/* OpenTelemetry's hash of files: of short ones, of ones whose head and tail overlap, of long ones. The expected values are
 * sha256sum's of head, tail and length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "uploader/elf/file_hash.h"

/* Of a file of so many bytes, which are their offsets modulo 251. */
static const char *hash_of(size_t size)
{
    static char text[33];
    int fd = memfd_create("file", MFD_CLOEXEC);
    uint8_t hash[16];

    for (size_t i = 0; i < size; i++)
        assert_int_equal(write(fd, &(uint8_t){(uint8_t)(i % 251)}, 1), 1);
    assert_int_equal(file_hash(fd, hash), 0);
    close(fd);
    for (int i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    return text;
}

static void hashes(void **state)
{
    (void)state;
    assert_string_equal(hash_of(0), "af5570f5a1810b7af78caf4bc70a660f");
    assert_string_equal(hash_of(100), "6f7e61d01e75215762f708a2727b9650");
    assert_string_equal(hash_of(5000), "8fcb735ccf036663f4dc178cf6653aac");
    assert_string_equal(hash_of(20000), "c05fdb59695a730c8d4205abbe5f5e04");
}

static void what_cannot_be_read(void **state)
{
    uint8_t hash[16];

    (void)state;
    assert_true(file_hash(-1, hash) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hashes), cmocka_unit_test(what_cannot_be_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
