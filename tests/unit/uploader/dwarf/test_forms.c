/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program in every form that debug information has: split or not, DWARF 4 and 5, packages, and all compressions. Each
 * must say of every address of a function what the plain program says. Forms whose tools are missing are skipped by name.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "uploader/base/hash.h"
#include "uploader/dwarf/dwarf_info.h"
#include "uploader/elf/symbol_table.h"

static const char source[] = "static volatile unsigned long sink;\n"
                             "__attribute__((always_inline)) static inline int innermost(unsigned long n)\n"
                             "{\n"
                             "    for (unsigned long i = 0; i < n; i++)\n"
                             "        sink = sink + i;\n"
                             "    return sink != 1;\n"
                             "}\n"
                             "__attribute__((always_inline)) static inline int middle(unsigned long n)\n"
                             "{\n"
                             "    return innermost(n) && sink != 2;\n"
                             "}\n"
                             "__attribute__((noinline)) double outer(double seconds)\n"
                             "{\n"
                             "    while (sink < seconds)\n"
                             "        sink = sink + (unsigned long)middle(1000);\n"
                             "    return (double)sink;\n"
                             "}\n"
                             "int main(void)\n"
                             "{\n"
                             "    return outer(0) < 0;\n"
                             "}\n";

static char directory[] = "/tmp/cprof-forms-XXXXXX";

__attribute__((format(printf, 1, 2))) static bool run(const char *format, ...)
{
    char command[1024];
    va_list args;
    int at = snprintf(command, sizeof command, "cd %s && ", directory);
    va_start(args, format);
    vsnprintf(command + at, sizeof command - (size_t)at, format, args);
    va_end(args);
    strcat(command, " >log 2>&1");
    return system(command) == 0; // NOLINT(cert-env33-c): the commands are this test's own
}

struct told {
    uint64_t hash;  /* of all frames of all addresses */
    size_t inlined; /* addresses with two callers or more */
};

static void tell(struct dwarf_info *info, const struct file_search *search, uint64_t address,
                 struct told *told)
{
    struct dwarf_frame frame[DWARF_FRAMES];
    char path[DWARF_PATH];
    uint64_t start;
    const unsigned count = dwarf_info_find(info, search, address, frame, &start);
    told->inlined += count > 2;
    for (unsigned i = 0; i < count; i++) {
        const size_t length = dwarf_info_file(info, &frame[i], path);
        const char *name = frame[i].name ? frame[i].name : "";
        told->hash = hash_mix(told->hash, hash_bytes(name, strlen(name)));
        told->hash = hash_mix(told->hash, hash_bytes(path, length));
        told->hash = hash_mix(told->hash, (uint64_t)frame[i].line << 32 | (uint64_t)frame[i].start_line);
    }
}

/* Of each address of outer(). */
static struct told told_of(const char *name)
{
    const struct file_search search = {-1, "", NULL};
    struct symbol_table table;
    struct dwarf_info *info;
    struct elf_file file;
    struct told told = {0};
    char path[128];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(elf_file_open(&file, open(path, O_RDONLY | O_CLOEXEC)), 0);
    file.path = strdup(path);
    assert_int_equal(symbol_table_read(&table, &file, SHT_SYMTAB), 0);
    assert_int_equal(dwarf_info_open(&info, &file, &search), 0);
    for (size_t i = 0; i < table.count; i++) {
        const char *symbol = elf_strptr(file.elf, table.strings, table.entry[i].name);
        for (uint32_t at = 0; !strcmp(symbol, "outer") && at < table.entry[i].size; at++)
            tell(info, &search, table.base + table.entry[i].offset + at, &told);
    }
    dwarf_info_free(info);
    symbol_table_free(&table);
    elf_file_close(&file);
    return told;
}

static void check(const char *name, const char *plain)
{
    const struct told found = told_of(name), wanted = told_of(plain);
    if (found.hash != wanted.hash)
        fail_msg("%s tells something else than %s: %zu addresses with inlined functions of %zu", name, plain,
                 found.inlined, wanted.inlined);
    assert_true(wanted.inlined > 10);
}

static bool has(const char *tool)
{
    const bool found = run("command -v %s", tool);
    if (!found)
        printf("skipped: no %s\n", tool);
    return found;
}

static const char *const ways[] = {"zlib-gabi", "zlib-gnu", "zstd"};
enum { WAYS = sizeof ways / sizeof *ways };

static void test_compressed(void **state)
{
    (void)state;
    assert_true(run("gcc -O2 -g -o plain outer.c"));
    for (int i = 0; i < WAYS; i++) {
        assert_true(run("objcopy --compress-debug-sections=%s plain packed", ways[i]));
        check("packed", "plain");
    }
}

/* Beside the program, compressed, and where it was compiled while the program is somewhere else. */
static void check_dwo(const char *compiler, int version)
{
    assert_true(run("%s -O2 -g -gdwarf-%d -o plain outer.c", compiler, version));
    assert_true(run("%s -O2 -g -gdwarf-%d -gsplit-dwarf -c -o split.o outer.c && %s -o split split.o",
                    compiler, version, compiler));
    check("split", "plain");
    assert_true(run("mkdir -p elsewhere && cp split elsewhere/split && cp split.dwo kept"));
    check("elsewhere/split", "plain");
    assert_true(run("rm -f elsewhere/split.dwo && mv split.dwo elsewhere/split.dwo"));
    check("elsewhere/split", "plain");
    for (int i = 0; i < WAYS; i++) {
        assert_true(run("objcopy --compress-debug-sections=%s kept split.dwo", ways[i]));
        check("split", "plain");
    }
    assert_true(run("cp kept split.dwo"));
}

static void check_package(const char *tool)
{
    assert_true(run("timeout 20 %s -e split -o split.dwp && rm -f split.dwo", tool));
    check("split", "plain");
    for (int i = 0; i < WAYS; i++) {
        assert_true(
            run("mv split.dwp whole && objcopy --compress-debug-sections=%s whole split.dwp", ways[i]));
        check("split", "plain");
        assert_true(run("mv whole split.dwp"));
    }
    assert_true(run("rm split.dwp && cp kept split.dwo"));
}

static void test_split_gcc(void **state)
{
    (void)state;
    check_dwo("gcc", 4);
    if (has("llvm-dwp"))
        check_package("llvm-dwp");
    if (has("dwp"))
        check_package("dwp");
    check_dwo("gcc", 5);
}

static void test_split_clang(void **state)
{
    (void)state;
    if (!has("clang"))
        return;
    for (int version = 4; version <= 5; version++) {
        check_dwo("clang", version);
        if (has("llvm-dwp"))
            check_package("llvm-dwp");
    }
}

/* Another build's file is not believed. */
static void test_other_build(void **state)
{
    (void)state;
    assert_true(run("gcc -O2 -g -gsplit-dwarf -c -o split.o outer.c && gcc -o split split.o"));
    assert_true(run("sed s/1000/2000/ outer.c >other.c && gcc -O1 -g -gsplit-dwarf -c -o other.o other.c"));
    assert_true(run("mv other.dwo split.dwo"));
    assert_int_equal(told_of("split").inlined, 0);
    assert_true(run("rm split.dwo"));
    assert_int_equal(told_of("split").inlined, 0);
}

static int begin(void **state)
{
    char path[64];
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/outer.c", directory);
    FILE *file = fopen(path, "we");
    if (!file)
        return -1;
    fputs(source, file);
    return fclose(file);
}

static int end(void **state)
{
    (void)state;
    return run("rm -rf %s", directory) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_split_gcc),
        cmocka_unit_test(test_split_clang),
        cmocka_unit_test(test_other_build),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
