/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of addresses in programs that are built here, each its own way, against addr2line's opinion; and what
 * must not get a name, or not a wrong one. What needs a tool that is not installed is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uploader/elf/elf_file.h"
#include "uploader/process/rooted.h"
#include "uploader/symbols/demangle.h"
#include "uploader/symbols/perfmap.h"
#include "uploader/symbols/symbols.h"

enum { CEILING = 8 << 20, ADDRESSES = 1500 };

static char root[] = "/tmp/cprof-symbols-XXXXXX"; /* the target's root; all programs are made in it */
static int root_fd = -1;

static const char c_source[] =
    "#include <string.h>\n"
    "#include <stdlib.h>\n"
    "volatile int sink;\n"
    "static inline __attribute__((always_inline)) int inner(int a) { sink += a; return a * sink; }\n"
    "static inline __attribute__((always_inline)) int middle(int a) { return inner(a) + inner(a + 1); }\n"
    "__attribute__((noinline)) int outer(int a) { int s = 0; for (int i = 0; i < a; i++) s += middle(i); "
    "return s; }\n"
    "__attribute__((noinline)) int nice_name(int a) { return outer(a) * sink; }\n"
    "static __attribute__((noinline, used)) int unexported(int a) { sink = a; return sink * sink + outer(a); "
    "}\n"
    "int main(int c, char **v) { char b[64]; strncpy(b, v[0], 63); qsort(b, 63, 1, (int (*)(const void *, "
    "const void *))"
    "memcmp); return outer(c) + nice_name(c) + unexported(c) + b[5]; }\n";

static const char cc_source[] =
    "#include <algorithm>\n"
    "#include <functional>\n"
    "#include <map>\n"
    "#include <string>\n"
    "#include <vector>\n"
    "namespace shop { template <class T> struct Basket {\n"
    "    std::vector<T> all;\n"
    "    __attribute__((noinline)) void add(const T &t, int n) { for (int i = 0; i < n; i++) "
    "all.push_back(t); "
    "std::sort(all.begin(), all.end()); }\n"
    "    virtual ~Basket() {} };\n"
    "namespace { int hidden(int a) { return a * 3 + (int)std::string(\"abc\").size(); } } }\n"
    "int main(int c, char **v) {\n"
    "    shop::Basket<int> b; shop::Basket<std::string> s; std::map<std::string, int> m;\n"
    "    std::function<int(int)> f = [&](int q) { s.add(v[0], q); return q + (int)m.size(); };\n"
    "    b.add(c, c); m[v[0]] = f(c) + shop::hidden(c); return (int)m.size(); }\n";

static char *format(const char *text, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *text, ...)
{
    char *result;
    va_list arguments;
    va_start(arguments, text);
    assert_true(vasprintf(&result, text, arguments) >= 0);
    va_end(arguments);
    return result;
}

/* Runs a shell command inside the root; its output goes to a file there. */
static int shell(const char *text, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *text, ...)
{
    char command[2048];
    const int start = snprintf(command, sizeof(command), "cd %s && exec 2>>errors && ", root);
    va_list arguments;
    va_start(arguments, text);
    vsnprintf(command + start, sizeof(command) - (size_t)start, text, arguments);
    va_end(arguments);
    return system(command);
}

static void file_write(const char *name, const char *text)
{
    char *path = format("%s/%s", root, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static FILE *file_open(const char *name)
{
    char *path = format("%s/%s", root, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    free(path);
    return file;
}

static struct build_id build_id_of(const char *path)
{
    struct elf_file file;
    assert_int_equal(elf_file_open(&file, rooted_open(root_fd, path)), 0);
    const struct build_id id = elf_file_build_id(&file);
    elf_file_close(&file);
    return id;
}

/* The module that a target with this root would report for /name. */
static const struct elf_module *module_of(struct symbols *symbols, const char *name)
{
    char *path = format("/%s", name);
    const struct build_id id = build_id_of(path);
    const struct elf_module *module = symbols_module(symbols, path, id.byte, id.size);
    free(path);
    return module;
}

static uint64_t address_of(const char *program, const char *symbol)
{
    unsigned long address = 0;
    assert_int_equal(shell("nm %s | grep ' %s$' > nm", program, symbol), 0);
    FILE *file = file_open("nm");
    assert_int_equal(fscanf(file, "%lx", &address), 1);
    fclose(file);
    return address;
}

static struct process_files source(void)
{
    return (struct process_files){.root_fd = root_fd, .exe_fd = -1, .pid = 1};
}

/* The outermost function at a symbol's address + offset in a program; what was stripped is asked of `whole`.
 */
static const char *name_at(struct symbols *symbols, const char *program, uint64_t address)
{
    const struct process_files from = source();
    const struct symbol_location *location =
        symbols_locate(symbols, &from, module_of(symbols, program), address);
    return location->lines[location->line_count - 1].function;
}

/* --- against addr2line --- */

struct truth {
    FILE *file;
    char line[8192];
};

/* Next line without addr2line's remarks; false at the end. */
static bool truth_next(struct truth *truth)
{
    if (!fgets(truth->line, sizeof(truth->line), truth->file))
        return false;
    truth->line[strcspn(truth->line, "\n")] = '\0';
    char *remark = strstr(truth->line, " (discriminator");
    if (remark)
        *remark = '\0';
    return true;
}

/* Addresses of which addr2line knows a line, and those of them where the answers are the same in all frames.
 */
struct comparison {
    unsigned known, functions, files, lines;
};

/* Adds one address; leaves the cursor at the next one. */
static void compare_location(struct truth *truth, const struct symbol_location *location,
                             struct comparison *result)
{
    bool known = false, functions = true, files = true, lines = true;
    unsigned i = 0;
    for (; truth_next(truth) && strncmp(truth->line, "0x", 2) != 0; i++) {
        static const struct symbol_line none = {"", "", "", -1, 0};
        const struct symbol_line *line = i < location->line_count ? &location->lines[i] : &none;
        functions &= strcmp(truth->line, line->linkage) == 0;
        assert_true(truth_next(truth));
        char *colon = strrchr(truth->line, ':');
        assert_non_null(colon);
        *colon = '\0';
        known = colon[1] != '?'; /* the file alone is a guess by the symbol table */
        files &= strcmp(line->file, truth->line) == 0;
        lines &= line->line == atoi(colon + 1);
    }
    result->known += known;
    result->functions += known && functions;
    result->files += known && files;
    result->lines += known && lines && i == location->line_count;
}

static struct comparison compare(const char *program)
{
    struct symbols *symbols = symbols_new("", CEILING);
    const struct elf_module *module = module_of(symbols, program);
    const struct process_files from = source();
    struct comparison result = {0};
    /* Return addresses less one and sampled ones are never in the padding between functions. */
    assert_int_equal(
        shell("objdump -d -j .text --no-show-raw-insn %s | grep -vE 'nop|xchg +%%ax,%%ax|data16|int3' | "
              "sed -n 's/^ *\\([0-9a-f]*\\):.*/0x\\1/p' | shuf -n %d --random-source=%s > addresses",
              program, ADDRESSES, program),
        0);
    assert_int_equal(shell("addr2line -a -i -f -e %s < addresses > truth", program), 0);
    struct truth truth = {.file = file_open("truth")};
    for (bool more = truth_next(&truth); more; more = !feof(truth.file)) {
        const uint64_t address = strtoull(truth.line, NULL, 16);
        compare_location(&truth, symbols_locate(symbols, &from, module, address), &result);
    }
    fclose(truth.file);
    symbols_free(symbols);
    return result;
}

/* Depth and lines are the same. addr2line 2.40 has lambdas' wrappers without their scope, and files of DWARF
   5 that are number 0 and 1 mixed up at times: the rest of the difference. */
static void assert_equal(const char *what, const struct comparison *result)
{
    print_message("%-62s of %u: functions %u files %u lines %u\n", what, result->known, result->functions,
                  result->files, result->lines);
    assert_true(result->known > 40);
    assert_true(result->lines * 1000 >= result->known * 995);
    assert_true(result->functions * 100 >= result->known * 97);
    assert_true(result->files * 100 >= result->known * 95);
}

static void frames_files_and_lines_equal_addr2line(void **state)
{
    static const char *const builds[] = {
        "gcc -O0 -g a.c",
        "gcc -O2 -g a.c",
        "gcc -O2 -gdwarf-4 -no-pie -fno-pie a.c",
        "gcc -O3 -gdwarf-3 a.c",
        "gcc -O2 -g -gz a.c",
        "g++ -O2 -g a.cc",
        "g++ -O1 -gdwarf-4 -no-pie a.cc",
        "g++ -O2 -g -gz -ffunction-sections -Wl,--gc-sections a.cc",
        "clang -O2 -gdwarf-4 a.c",
        "clang++ -O2 -gdwarf-4 -gz a.cc",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
        if (strncmp(builds[i], "clang", 5) == 0 && shell("command -v clang++ >output") != 0)
            continue;
        assert_int_equal(shell("%s -o prog", builds[i]), 0);
        const struct comparison result = compare("prog");
        assert_equal(builds[i], &result);
    }
}

/* --- files that say it elsewhere --- */

static void debug_file_is_found_by_build_id(void **state)
{
    (void)state;
    assert_int_equal(shell("gcc -O2 -g a.c -o whole && cp whole lean && strip lean"), 0);
    const uint64_t address = address_of("whole", "unexported");
    struct symbols *without = symbols_new("", CEILING);
    char *plain = format("lean+0x%lx", (unsigned long)address);
    assert_string_equal(name_at(without, "lean", address), plain);
    symbols_free(without);
    free(plain);

    char tail[70] = "";
    const struct build_id id = build_id_of("/lean");
    for (size_t i = 0; i < id.size; i++)
        sprintf(tail + strlen(tail), i ? "%02x" : "%02x/", id.byte[i]);
    assert_int_equal(
        shell("mkdir -p dbg/.build-id/%.2s && objcopy --only-keep-debug whole dbg/.build-id/%s.debug", tail,
              tail),
        0);
    struct symbols *with = symbols_new("/nowhere::/dbg", CEILING);
    assert_string_equal(name_at(with, "lean", address), "unexported");
    assert_true(module_of(with, "lean")->has_lines);
    symbols_free(with);
}

static void debug_link_needs_the_right_checksum(void **state)
{
    (void)state;
    assert_int_equal(
        shell("gcc -O2 -g -Wl,--build-id=none a.c -o whole && objcopy --only-keep-debug whole lean.dbg && "
              "strip whole -o lean && objcopy --add-gnu-debuglink=lean.dbg lean && "
              "gcc -O2 -g -Wl,--build-id=none a.c -o whole"),
        0);
    const uint64_t address = address_of("whole", "unexported");
    struct symbols *symbols = symbols_new("", CEILING);
    assert_string_equal(name_at(symbols, "lean", address), "unexported");
    symbols_free(symbols);

    assert_int_equal(shell("mkdir -p .debug && mv lean.dbg .debug"), 0);
    symbols = symbols_new("", CEILING);
    assert_string_equal(name_at(symbols, "lean", address), "unexported");
    symbols_free(symbols);

    assert_int_equal(shell("printf x >> .debug/lean.dbg"), 0);
    symbols = symbols_new("", CEILING);
    assert_null(strstr(name_at(symbols, "lean", address), "unexported"));
    symbols_free(symbols);
}

static void common_parts_moved_by_dwz_are_found(void **state)
{
    (void)state;
    if (shell("command -v dwz >output") != 0)
        skip();
    assert_int_equal(
        shell("g++ -O2 -g a.cc -o one && g++ -O1 -g a.cc -o two && dwz -m common.debug -h one two"), 0);
    const struct comparison result = compare("one");
    assert_equal("dwz -m", &result);
}

static void mini_debug_info_names_what_is_not_exported(void **state)
{
    (void)state;
    assert_int_equal(
        shell("gcc -O2 a.c -o whole && objcopy -S --keep-symbol=unexported whole mini && xz -f mini && "
              "strip whole -o lean && objcopy --add-section .gnu_debugdata=mini.xz lean"),
        0);
    struct symbols *symbols = symbols_new("", CEILING);
    assert_string_equal(name_at(symbols, "lean", address_of("whole", "unexported")), "unexported");
    symbols_free(symbols);
}

/* --- symbol tables alone --- */

static void stripped_file_names_what_it_exports_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(shell("gcc -O2 -rdynamic a.c -o whole && strip whole -o lean"), 0);
    const uint64_t hidden = address_of("whole", "unexported");
    struct symbols *symbols = symbols_new("", CEILING);
    assert_string_equal(name_at(symbols, "lean", address_of("whole", "outer") + 4), "outer");
    assert_string_equal(name_at(symbols, "lean", address_of("whole", "nice_name") + 4), "nice_name");
    char *plain = format("lean+0x%lx", (unsigned long)hidden);
    assert_string_equal(name_at(symbols, "lean", hidden), plain);
    free(plain);
    symbols_free(symbols);
}

static void aliases_are_called_what_people_call_them(void **state)
{
    (void)state;
    file_write("alias.c",
               "int __libc_name(int a) { return a * a; }\n"
               "extern __typeof(__libc_name) nice_name __attribute__((alias(\"__libc_name\")));\n"
               "extern __typeof(__libc_name) weak_name __attribute__((weak, alias(\"__libc_name\")));\n"
               "int main(void) { return 0; }\n");
    for (int lines = 0; lines < 2; lines++) {
        assert_int_equal(shell("gcc -O2 %s alias.c -o prog", lines ? "-g" : ""), 0);
        struct symbols *symbols = symbols_new("", CEILING);
        assert_string_equal(name_at(symbols, "prog", address_of("prog", "__libc_name") + 1), "nice_name");
        symbols_free(symbols);
    }
}

static void linkage_stubs_have_the_name_of_what_they_call(void **state)
{
    static const char *const builds[] = {"gcc -O2", "gcc -O2 -Wl,-z,now",
                                         "gcc -O2 -fcf-protection -Wl,-z,ibtplt", "gcc -O2 -no-pie"};
    (void)state;
    for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
        unsigned long address;
        assert_int_equal(
            shell("%s a.c -o prog && strip prog && objdump -d prog | grep '<qsort@plt>:' | tail -1 > plt",
                  builds[i]),
            0);
        FILE *file = file_open("plt");
        assert_int_equal(fscanf(file, "%lx", &address), 1);
        fclose(file);
        struct symbols *symbols = symbols_new("", CEILING);
        assert_string_equal(name_at(symbols, "prog", address + 4), "qsort@plt");
        symbols_free(symbols);
    }
}

static void vdso_is_our_own(void **state)
{
    (void)state;
    uint8_t *image = (uint8_t *)getauxval(AT_SYSINFO_EHDR);
    struct elf_file file;
    if (!image)
        skip();
    assert_int_equal(elf_file_open_memory(&file, image, 8192, false), 0);
    const struct build_id id = elf_file_build_id(&file);
    elf_file_close(&file);

    struct symbols *symbols = symbols_new("", CEILING);
    const struct process_files from = source();
    const struct elf_module *module = symbols_module(symbols, "linux-vdso.so.1", id.byte, id.size);
    unsigned named = 0;
    for (uint64_t address = 0; address < 8192; address += 16)
        named +=
            strstr(symbols_locate(symbols, &from, module, address)->lines[0].function, "gettime") != NULL;
    assert_true(named > 0);
    symbols_free(symbols);
}

/* --- wrong, missing and broken files --- */

static void replaced_file_is_not_believed(void **state)
{
    (void)state;
    assert_int_equal(shell("gcc -O2 -g a.c -o prog && cp prog kept"), 0);
    struct symbols *symbols = symbols_new("", CEILING);
    const struct elf_module *module = module_of(symbols, "prog");
    const uint64_t address = address_of("prog", "outer");
    assert_int_equal(shell("rm prog && gcc -O1 -g a.c -o prog"), 0);
    struct process_files from = source();
    const struct symbol_location *location = symbols_locate(symbols, &from, module, address + 1);
    assert_non_null(strstr(location->lines[0].function, "prog+0x"));

    from.pid = 2;
    from.exe_fd = rooted_open(root_fd, "/kept");
    location = symbols_locate(symbols, &from, module, address);
    assert_string_equal(location->lines[location->line_count - 1].function, "outer");
    close(from.exe_fd);
    symbols_free(symbols);
}

static void links_stay_inside_the_root(void **state)
{
    (void)state;
    assert_int_equal(shell("gcc -O2 -g a.c -o prog && mkdir -p lib && ln -sf /prog lib/link"), 0);
    const int fd = rooted_open(root_fd, "/lib/link");
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(shell("ln -sf ../../../../../../../../etc/passwd lib/out"), 0);
    assert_int_equal(rooted_open(root_fd, "/lib/out"), -ENOENT);
}

static void what_is_no_file_is_refused_at_once(void **state)
{
    struct elf_file file;
    (void)state;
    assert_int_equal(shell("mkfifo fifo; mkdir -p directory; printf garbage > garbage; : > empty"), 0);
    assert_int_equal(elf_file_open(&file, rooted_open(root_fd, "/fifo")), -EINVAL);
    assert_int_equal(elf_file_open(&file, rooted_open(root_fd, "/directory")), -EINVAL);
    assert_true(elf_file_open(&file, rooted_open(root_fd, "/garbage")) < 0);
    assert_true(elf_file_open(&file, rooted_open(root_fd, "/empty")) < 0);
    assert_true(elf_file_open(&file, rooted_open(root_fd, "/missing")) < 0);
}

/* Every prefix of a file must give an answer, of whatever kind. */
static void truncated_files_are_survived(void **state)
{
    (void)state;
    assert_int_equal(shell("gcc -O2 -g a.c -o prog"), 0);
    const uint64_t address = address_of("prog", "outer");
    for (unsigned size = 0; size < 20000; size += 331) {
        assert_int_equal(shell("head -c %u prog > part", size), 0);
        struct symbols *symbols = symbols_new("", CEILING);
        const struct process_files from = source();
        const struct elf_module *module = symbols_module(symbols, "/part", NULL, 0);
        assert_true(symbols_locate(symbols, &from, module, address)->line_count > 0);
        symbols_free(symbols);
    }
}

static void file_cut_short_while_it_is_mapped_is_survived(void **state)
{
    static struct symbols *symbols; /* never freed: it leaves what was open as it was */
    (void)state;
    assert_int_equal(shell("g++ -O2 -g a.cc -o prog"), 0);
    const uint64_t address = address_of("prog", "main");
    symbols = symbols_new("", CEILING);
    const struct process_files from = source();
    const struct elf_module *module = module_of(symbols, "prog");
    assert_true(symbols_locate(symbols, &from, module, address)->lines[0].line > 0);
    symbols_trim(symbols);
    assert_int_equal(shell(": > prog"), 0);
    assert_non_null(
        strstr(symbols_locate(symbols, &from, module, address + 9)->lines[0].function, "prog+0x"));
}

static void a_module_without_a_file_keeps_its_address(void **state)
{
    struct symbols *symbols = symbols_new("", CEILING);
    const struct process_files gone = {.root_fd = -1, .exe_fd = -1, .pid = 7};
    (void)state;
    const struct elf_module *module = symbols_module(symbols, "/no/such/libx.so", (const uint8_t *)"ab", 2);
    assert_string_equal(symbols_locate(symbols, &gone, module, 0x1234)->lines[0].function, "libx.so+0x1234");
    assert_string_equal(symbols_locate(symbols, &gone, NULL, 0xabc)->lines[0].function, "[unknown]+0xabc");
    symbols_free(symbols);
}

/* --- interning --- */

static void the_same_address_is_the_same_pointer(void **state)
{
    (void)state;
    assert_int_equal(shell("gcc -O2 -g a.c -o prog"), 0);
    struct symbols *symbols = symbols_new("", 1);
    const struct process_files from = source();
    const struct elf_module *module = module_of(symbols, "prog");
    const uint64_t address = address_of("prog", "outer");
    const struct symbol_location *first = symbols_locate(symbols, &from, module, address);
    symbols_trim(symbols);
    assert_ptr_equal(symbols_locate(symbols, &from, module, address), first);
    assert_ptr_equal(module_of(symbols, "prog"), module);
    for (unsigned i = 1; i < 20000; i++)
        assert_ptr_not_equal(symbols_locate(symbols, &from, module, UINT64_C(1) << 40 | i), first);
    assert_ptr_equal(symbols_locate(symbols, &from, module, address), first);
    assert_ptr_equal(symbols_special(symbols, "[truncated]"), symbols_special(symbols, "[truncated]"));
    assert_ptr_equal(symbols_intern(symbols, "a b"), symbols_intern(symbols, "a b"));
    symbols_free(symbols);
}

/* --- readable names --- */

static void names_are_readable(void **state)
{
    static const struct {
        const char *linkage, *name;
    } cases[] = {
        {"main", "main"},
        {"main.cold", "main"},
        {"parse.constprop.0", "parse"},
        {"parse.part.0.isra.1", "parse"},
        {"a.b.colder", "a.b.colder"},
        {"_ZN4shop6BasketIiE3addERKii", "shop::Basket<int>::add"},
        {"_ZN4shop6BasketIiE3addERKii.constprop.3", "shop::Basket<int>::add"},
        {"_ZNKSt6vectorIiSaIiEE4sizeEv", "std::vector<int, std::allocator<int> >::size"},
        {"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
        {"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
        {"_Zbroken", "_Zbroken"},
        {"_Rbroken", "_Rbroken"},
        {"", ""},
    };
    char name[DEMANGLE_MOST];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(demangle(cases[i].linkage, name), strlen(cases[i].name));
        assert_string_equal(name, cases[i].name);
    }
}

/* Substitutions that double: 2 to the power of 60 characters when written out. */
static void names_that_explode_are_cut(void **state)
{
    char linkage[1024] = "_Z1fI1aES_", name[DEMANGLE_MOST];
    char huge[20000];
    (void)state;
    strcpy(linkage, "_ZN1aI1bE");
    for (int i = 0; i < 100; i++)
        strcat(linkage, "1aIS_S_E");
    strcat(linkage, "E");
    assert_true(demangle(linkage, name) < DEMANGLE_MOST);
    memset(huge, 'x', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(demangle(huge, name), DEMANGLE_MOST - 1);
    assert_string_equal(name + DEMANGLE_MOST - 5, "x...");
}

static void rust_functions_have_no_hash(void **state)
{
    (void)state;
    if (shell("command -v rustc >output") != 0)
        skip();
    file_write("a.rs",
               "mod shop { #[inline(never)] pub fn add(v: &mut Vec<String>, n: usize) { for i in 0..n { "
               "v.push(format!(\"{}\", i)); } v.sort(); } }\nfn main() { let mut v = Vec::new(); "
               "shop::add(&mut v, 10); println!(\"{}\", v.len()); }\n");
    for (int v0 = 0; v0 < 2; v0++) {
        assert_int_equal(shell("rustc -O -g %s a.rs -o prog", v0 ? "-C symbol-mangling-version=v0" : ""), 0);
        unsigned long address;
        assert_int_equal(shell("nm prog | grep 4shop3add > nm"), 0);
        FILE *file = file_open("nm");
        assert_int_equal(fscanf(file, "%lx", &address), 1);
        fclose(file);
        struct symbols *symbols = symbols_new("", CEILING);
        const char *name = name_at(symbols, "prog", address);
        const size_t length = strlen(name);
        assert_true(length >= 9 && strcmp(name + length - 9, "shop::add") == 0);
        symbols_free(symbols);
    }
}

/* --- generated code --- */

static const char *generated_name(struct symbols *symbols, int pid, uint64_t address)
{
    struct process_files from = source();
    from.pid = pid;
    return symbols_locate(symbols, &from, NULL, address)->lines[0].function;
}

static void perf_maps_are_read_as_they_grow(void **state)
{
    (void)state;
    struct symbols *symbols = symbols_new("", CEILING);
    assert_int_equal(mkdirat(root_fd, "tmp", 0777), 0);
    file_write("tmp/perf-42.map", "1000 100 first\nrubbish\n1080 10 py::inner loop:/a/b.py\n2000 40 unfini");
    assert_string_equal(generated_name(symbols, 42, 0x1004), "first");
    assert_string_equal(generated_name(symbols, 42, 0x1084), "py::inner loop:/a/b.py");
    assert_string_equal(generated_name(symbols, 42, 0x1094), "first");
    assert_string_equal(generated_name(symbols, 42, 0x1100), "[unknown]+0x1100");
    assert_string_equal(generated_name(symbols, 42, 0x2000), "[unknown]+0x2000");
    assert_string_equal(generated_name(symbols, 43, 0x1004), "[unknown]+0x1004");
    assert_int_equal(shell("printf 'shed\\n1000 80 newer\\n' >> tmp/perf-42.map"), 0);
    assert_string_equal(generated_name(symbols, 42, 0x2000), "unfinished");
    assert_string_equal(generated_name(symbols, 42, 0x1008), "newer");
    /* Another process has taken the number. */
    assert_int_equal(shell("rm tmp/perf-42.map && printf '1000 100 other\\n' > tmp/perf-42.map.new && "
                           "mv tmp/perf-42.map.new tmp/perf-42.map"),
                     0);
    generated_name(symbols, 42, 0x9999);
    assert_string_equal(generated_name(symbols, 42, 0x1004), "other");
    symbols_free(symbols);
}

static void perf_map_must_be_a_file_that_can_be_trusted(void **state)
{
    struct perfmap *map = perfmap_new();
    (void)state;
    assert_int_equal(shell("mkdir -p tmp && rm -f tmp/perf-*; mkfifo tmp/perf-44.map"), 0);
    assert_int_equal(perfmap_refresh(map, NULL, root_fd, 44), -EINVAL);
    assert_int_equal(perfmap_refresh(map, NULL, root_fd, 45), -ENOENT);
    perfmap_free(map);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    file_write("a.c", c_source);
    file_write("a.cc", cc_source);
    return root_fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(root_fd);
    return shell("rm -rf %s", root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_files_and_lines_equal_addr2line),
        cmocka_unit_test(debug_file_is_found_by_build_id),
        cmocka_unit_test(debug_link_needs_the_right_checksum),
        cmocka_unit_test(common_parts_moved_by_dwz_are_found),
        cmocka_unit_test(mini_debug_info_names_what_is_not_exported),
        cmocka_unit_test(stripped_file_names_what_it_exports_and_nothing_else),
        cmocka_unit_test(aliases_are_called_what_people_call_them),
        cmocka_unit_test(linkage_stubs_have_the_name_of_what_they_call),
        cmocka_unit_test(vdso_is_our_own),
        cmocka_unit_test(replaced_file_is_not_believed),
        cmocka_unit_test(links_stay_inside_the_root),
        cmocka_unit_test(what_is_no_file_is_refused_at_once),
        cmocka_unit_test(truncated_files_are_survived),
        cmocka_unit_test(file_cut_short_while_it_is_mapped_is_survived),
        cmocka_unit_test(a_module_without_a_file_keeps_its_address),
        cmocka_unit_test(the_same_address_is_the_same_pointer),
        cmocka_unit_test(names_are_readable),
        cmocka_unit_test(names_that_explode_are_cut),
        cmocka_unit_test(rust_functions_have_no_hash),
        cmocka_unit_test(perf_maps_are_read_as_they_grow),
        cmocka_unit_test(perf_map_must_be_a_file_that_can_be_trusted),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
