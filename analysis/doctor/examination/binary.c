/* SPDX-License-Identifier: Apache-2.0 */
#include "binary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "uploader/elf/frame_table.h"
#include "uploader/elf/symbol_table.h"

#if defined(__x86_64__)
enum { OUR_CLASS = ELFCLASS64, OUR_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { OUR_CLASS = ELFCLASS64, OUR_MACHINE = EM_AARCH64 };
#else
#error "name the ELF class and machine of this architecture"
#endif

/* "#!interpreter argument", as the kernel reads it: a carriage return is a part of the name. */
static bool read_script(int fd, char interpreter[BINARY_TEXT], char argument[BINARY_TEXT])
{
    char line[BINARY_TEXT] = "";
    const char *start = line + 2;

    if (pread(fd, line, sizeof line - 1, 0) < 3 || line[0] != '#' || line[1] != '!')
        return false;
    start += strspn(start, " \t");
    snprintf(interpreter, BINARY_TEXT, "%.*s", (int)strcspn(start, " \t\n"), start);
    start += strlen(interpreter);
    start += strspn(start, " \t");
    snprintf(argument, BINARY_TEXT, "%.*s", (int)strcspn(start, "\n"), start);
    for (size_t end = strlen(argument); end && strchr(" \t", argument[end - 1]);)
        argument[--end] = 0;
    return *interpreter;
}

/* As the kernel does it, which needs no sections. 0: it has none. */
static unsigned read_segments(struct binary *binary, int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    Elf64_Ehdr head;
    Elf64_Phdr segment;
    unsigned count = 0;

    if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head || head.e_phentsize != sizeof segment)
        return 0;
    for (; count < head.e_phnum; count++) {
        off_t at = (off_t)(head.e_phoff + count * sizeof segment);
        if (at < 0 || pread(fd, &segment, sizeof segment, at) != (ssize_t)sizeof segment)
            break;
        binary->is_dynamic |= segment.p_type == PT_DYNAMIC;
        binary->is_cut |= segment.p_type == PT_LOAD && segment.p_filesz &&
                          segment.p_offset + segment.p_filesz > (Elf64_Off)size;
        binary->has_unwind |= segment.p_type == PT_GNU_EH_FRAME && segment.p_filesz > 8;
        if (segment.p_type != PT_INTERP || segment.p_filesz < 2 || segment.p_filesz > BINARY_TEXT ||
            pread(fd, binary->loader, segment.p_filesz, (off_t)segment.p_offset) != (ssize_t)segment.p_filesz)
            continue;
        binary->loader[segment.p_filesz - 1] = 0;
    }
    return count;
}

/* --- what it asks of a loader --- */

static void read_entry(struct binary *binary, Elf *elf, size_t strings, const GElf_Dyn *entry)
{
    const char *text = entry->d_tag == DT_NEEDED || entry->d_tag == DT_RUNPATH || entry->d_tag == DT_RPATH
                           ? elf_strptr(elf, strings, entry->d_un.d_val)
                           : NULL;

    if (!text)
        return;
    if (entry->d_tag != DT_NEEDED)
        snprintf(binary->run_path, sizeof binary->run_path, "%s", text);
    else if (binary->needed_count < BINARY_NEEDED && strlen(text) < sizeof binary->needed[0])
        strcpy(binary->needed[binary->needed_count++], text);
}

static void read_dynamic(struct binary *binary, Elf *elf)
{
    Elf_Scn *section;
    GElf_Shdr header;
    GElf_Dyn entry;
    Elf_Data *data;

    if (!elf_file_section(elf, NULL, SHT_DYNAMIC, &section, &header) || !(data = elf_getdata(section, NULL)))
        return;
    for (int i = 0; gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++)
        read_entry(binary, elf, header.sh_link, &entry);
}

static void take_version(unsigned *newest, const char *text)
{
    unsigned minor;

    if (text && sscanf(text, "GLIBC_2.%u", &minor) == 1 && minor > *newest)
        *newest = minor;
}

static void read_versions_needed(struct binary *binary, Elf *elf)
{
    Elf_Scn *section;
    GElf_Shdr header;
    GElf_Verneed need;
    GElf_Vernaux name;
    Elf_Data *data;
    int at = 0, inner;

    if (!elf_file_section(elf, NULL, SHT_GNU_verneed, &section, &header) ||
        !(data = elf_getdata(section, NULL)))
        return;
    for (; gelf_getverneed(data, at, &need); at += (int)need.vn_next) {
        inner = at + (int)need.vn_aux;
        for (; gelf_getvernaux(data, inner, &name); inner += (int)name.vna_next) {
            take_version(&binary->needs_glibc, elf_strptr(elf, header.sh_link, name.vna_name));
            if (!name.vna_next)
                break;
        }
        if (!need.vn_next)
            break;
    }
}

static void read_versions_defined(struct binary *binary, Elf *elf)
{
    Elf_Scn *section;
    GElf_Shdr header;
    GElf_Verdef definition;
    GElf_Verdaux name;
    Elf_Data *data;

    if (!elf_file_section(elf, NULL, SHT_GNU_verdef, &section, &header) ||
        !(data = elf_getdata(section, NULL)))
        return;
    for (int at = 0; gelf_getverdef(data, at, &definition); at += (int)definition.vd_next) {
        if (gelf_getverdaux(data, at + (int)definition.vd_aux, &name))
            take_version(&binary->glibc, elf_strptr(elf, header.sh_link, name.vda_name));
        if (!definition.vd_next)
            break;
    }
}

/* --- what is inside --- */

/* Functions that tell. */
static const struct {
    const char *symbol, *allocator, *sanitizer;
} tells[] = {
    {"je_malloc", "jemalloc", NULL},
    {"_rjem_malloc", "jemalloc", NULL},
    {"je_mallocx", "jemalloc", NULL},
    {"mallocx", "jemalloc", NULL},
    {"tc_malloc", "tcmalloc", NULL},
    {"TCMallocInternalMalloc", "tcmalloc", NULL},
    {"mi_malloc", "mimalloc", NULL},
    {"rpmalloc", "rpmalloc", NULL},
    {"sn_malloc", "snmalloc", NULL},
    {"__asan_init", NULL, "AddressSanitizer"},
    {"__tsan_init", NULL, "ThreadSanitizer"},
    {"__msan_init", NULL, "MemorySanitizer"},
    {"__hwasan_init", NULL, "HWAddressSanitizer"},
    {"__lsan_init", NULL, "LeakSanitizer"},
};

/* What a stripped file still says, in the texts of its messages. */
static const struct {
    const char *text, *allocator;
} messages[] = {
    {"<jemalloc>: ", "jemalloc"},
    {"tcmalloc: large alloc", "tcmalloc"},
    {"mimalloc: error: ", "mimalloc"},
};

/* Run-times of sanitizers as libraries. AddressSanitizer's looks whether it was loaded before all others. */
static const struct {
    const char *library, *sanitizer;
    bool is_first;
} sanitizers[] = {
    {"libasan.so", "AddressSanitizer", true},       {"libclang_rt.asan", "AddressSanitizer", true},
    {"libhwasan.so", "HWAddressSanitizer", true},   {"libtsan.so", "ThreadSanitizer", false},
    {"libclang_rt.tsan", "ThreadSanitizer", false}, {"liblsan.so", "LeakSanitizer", false},
};

static void take_symbol(struct binary *binary, const char *name, bool exported)
{
    if (exported && !strcmp(name, "malloc"))
        binary->exports_malloc = true;
    for (size_t i = 0; i < sizeof tells / sizeof *tells; i++) {
        if (strcmp(name, tells[i].symbol) != 0)
            continue;
        if (tells[i].allocator)
            binary->allocator = tells[i].allocator;
        else if (!binary->sanitizer)
            binary->sanitizer = tells[i].sanitizer;
    }
}

static void read_symbols(struct binary *binary, Elf *elf, uint32_t type)
{
    Elf_Scn *section;
    GElf_Shdr header;
    Elf_Data *data;
    GElf_Sym symbol;

    if (!elf_file_section(elf, NULL, type, &section, &header) || !(data = elf_getdata(section, NULL)))
        return;
    for (int i = 1; gelf_getsym(data, i, &symbol); i++) {
        const char *name = symbol.st_shndx != SHN_UNDEF && GELF_ST_TYPE(symbol.st_info) == STT_FUNC
                               ? elf_strptr(elf, header.sh_link, symbol.st_name)
                               : NULL;
        if (name)
            take_symbol(binary, name, type == SHT_DYNSYM);
    }
}

/* NULL: it has none. */
static Elf_Data *constants(Elf *elf)
{
    Elf_Scn *section;
    GElf_Shdr header;
    Elf_Data *data;

    if (!elf_file_section(elf, ".rodata", 0, &section, &header) || header.sh_type == SHT_NOBITS ||
        !(data = elf_rawdata(section, NULL)) || !data->d_buf)
        return NULL;
    return data;
}

/* "cprof segment 9u", which has a number in the files of cprof, and none here. */
static void read_layout(struct binary *binary, Elf *elf)
{
    static const char mark[] = "cprof segment ";
    Elf_Data *data = constants(elf);
    const char *at = data ? data->d_buf : NULL, *end = at ? at + data->d_size : NULL;

    while (at && !binary->layout && (at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1))) {
        at += sizeof mark - 1;
        for (; at < end && *at >= '0' && *at <= '9' && binary->layout < 100000; at++)
            binary->layout = 10 * binary->layout + (unsigned)(*at - '0');
    }
}

static void read_messages(struct binary *binary, Elf *elf)
{
    Elf_Data *data = binary->allocator ? NULL : constants(elf);

    if (!data)
        return;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        if (memmem(data->d_buf, data->d_size, messages[i].text, strlen(messages[i].text)))
            binary->allocator = messages[i].allocator;
}

/* Without the sorted table that linkers make of it, too. */
static bool has_frames(Elf *elf)
{
    Elf_Scn *section;
    GElf_Shdr header;

    return elf_file_section(elf, ".eh_frame", 0, &section, &header) && header.sh_size > 8;
}

static void read_contents(struct binary *binary, Elf *elf, bool quick)
{
    Elf_Scn *section;
    GElf_Shdr header;

    for (unsigned i = 0; i < binary->needed_count; i++)
        for (size_t s = 0; s < sizeof sanitizers / sizeof *sanitizers; s++)
            if (!strncmp(binary->needed[i], sanitizers[s].library, strlen(sanitizers[s].library))) {
                binary->sanitizer = sanitizers[s].sanitizer;
                binary->needs_to_be_first |= sanitizers[s].is_first;
            }
    binary->has_unwind |= has_frames(elf);
    read_layout(binary, elf);
    read_symbols(binary, elf, SHT_DYNSYM);
    if (quick)
        return;
    read_symbols(binary, elf, SHT_SYMTAB);
    read_messages(binary, elf);
    binary->is_go = elf_file_section(elf, ".gopclntab", 0, &section, &header) ||
                    elf_file_section(elf, ".go.buildinfo", 0, &section, &header);
}

/* --- all of it --- */

static bool read_head(struct binary *binary, int fd)
{
    unsigned char head[20] = {0};

    if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head || memcmp(head, ELFMAG, SELFMAG) != 0)
        return false;
    binary->kind = BINARY_ELF;
    binary->bits = head[EI_CLASS] == ELFCLASS64 ? 64 : 32;
    binary->machine = head[EI_DATA] == ELFDATA2MSB ? (uint16_t)(head[18] << 8 | head[19])
                                                   : (uint16_t)(head[19] << 8 | head[18]);
    binary->is_ours = head[EI_CLASS] == OUR_CLASS && binary->machine == OUR_MACHINE;
    return true;
}

int binary_read(struct binary *binary, int fd, bool quick)
{
    struct elf_file file;
    int error;

    *binary = (struct binary){.kind = BINARY_OTHER};
    if (read_script(fd, binary->script, binary->script_argument)) {
        binary->kind = BINARY_SCRIPT;
        return 0;
    }
    if (!read_head(binary, fd) || !binary->is_ours)
        return 0;
    if (!read_segments(binary, fd))
        return -ENOEXEC;
    error = elf_file_open(&file, fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (error)
        return binary->is_cut || error != -ENOEXEC ? error : 0;
    read_dynamic(binary, file.elf);
    read_versions_needed(binary, file.elf);
    read_versions_defined(binary, file.elf);
    read_contents(binary, file.elf, quick);
    elf_file_close(&file);
    return 0;
}

/* --- names --- */

static uint64_t code_bytes(Elf *elf)
{
    uint64_t bytes = 0;
    GElf_Shdr header;

    for (Elf_Scn *section = NULL; elf_file_next_section(elf, &section, &header);)
        if ((header.sh_flags & SHF_EXECINSTR) && header.sh_type == SHT_PROGBITS)
            bytes += header.sh_size;
    return bytes;
}

static uint64_t named_bytes(const struct symbol_table *table)
{
    uint64_t bytes = 0, end = 0;

    for (size_t i = 0; i < table->count; i++) {
        uint64_t from = table->entry[i].offset, to = from + table->entry[i].size;
        from = from > end ? from : end;
        bytes += to > from ? to - from : 0;
        end = to > end ? to : end;
    }
    return bytes;
}

static bool has_section(const struct elf_file *file, const char *name)
{
    Elf_Scn *section;
    GElf_Shdr header;

    return file->elf && elf_file_section(file->elf, name, 0, &section, &header) &&
           header.sh_type != SHT_NOBITS;
}

/* Descriptions in .eh_frame, which are of one function each as a rule. */
static size_t count_descriptions(Elf *elf)
{
    Elf_Scn *section;
    GElf_Shdr header;
    Dwarf_CFI_Entry entry;
    Dwarf_Off at = 0, next;
    Elf_Data *data;
    size_t count = 0;

    if (!elf_file_section(elf, ".eh_frame", 0, &section, &header) || !(data = elf_rawdata(section, NULL)))
        return 0;
    for (; !dwarf_next_cfi((const unsigned char *)elf_getident(elf, NULL), data, true, at, &next, &entry);
         at = next)
        count += !dwarf_cfi_cie_p(&entry);
    return count;
}

/* Of every program's start, and without. */
static bool is_of_start(const struct symbol_table *table, const struct symbol_entry *entry)
{
    static const char *const names[] = {"_init",
                                        "_fini",
                                        "_start",
                                        "frame_dummy",
                                        "register_tm_clones",
                                        "deregister_tm_clones",
                                        "__do_global_dtors_aux",
                                        "_dl_relocate_static_pie"};
    const char *name = elf_strptr(table->elf, table->strings, entry->name);

    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return !name;
}

/* Of a sample of the functions that have names, by their bytes. Assembly has small ones without. */
static unsigned percent_unwound(Elf *elf, const struct symbol_table *table, bool is_sorted)
{
    enum { ASKED_MOST = 2000, LEAST_BYTES = 12 };
    uint64_t asked = 0, found = 0, functions = 0;
    size_t step = table->count / ASKED_MOST + 1;

    for (size_t i = 0; i < table->count; i += step) {
        const struct symbol_entry *entry = &table->entry[i];
        uint64_t start = table->base + entry->offset;
        if (entry->size < LEAST_BYTES || is_of_start(table, entry))
            continue;
        functions++;
        asked += entry->size;
        /* A part of the function is asked for: the start of one that is in the table is its own. */
        if (frame_table_start(elf, start + 8) == start)
            found += entry->size;
    }
    if (!asked || is_sorted)
        return asked ? (unsigned)(found * 100 / asked) : 100;
    found = count_descriptions(elf);
    return found >= functions ? 100 : (unsigned)(found * 100 / functions);
}

/* As symbols/object.c finds them: the fullest table of the file and its debug file. */
static void read_tables(struct binary_names *names, const struct elf_file *file, const struct elf_file *debug)
{
    struct symbol_table table = {0};
    uint64_t code = code_bytes(file->elf), named;

    if (!symbol_table_read(&table, file, SHT_SYMTAB) ||
        (debug->elf && !symbol_table_read(&table, debug, SHT_SYMTAB)))
        named = code;
    else
        named = symbol_table_read(&table, file, SHT_DYNSYM) ? 0 : named_bytes(&table);
    names->percent_unwound = percent_unwound(file->elf, &table, has_section(file, ".eh_frame_hdr"));
    symbol_table_free(&table);
    names->percent = !code || named >= code ? 100 : (unsigned)(named * 100 / code);
    if (has_section(file, ".gnu_debugdata"))
        names->percent = 100;
}

int binary_read_names(struct binary_names *names, int fd, const char *path, const struct file_search *search)
{
    struct elf_file file, debug = ELF_FILE_NONE;
    int error = elf_file_open(&file, fd);

    *names = (struct binary_names){0};
    if (error)
        return error;
    if (!has_section(&file, ".debug_info") || !has_section(&file, ".symtab"))
        names->has_debug = !elf_file_find_debug(&debug, search, &file, path);
    names->has_build_id = elf_file_build_id(&file).size;
    names->has_lines = has_section(&file, ".debug_info") || has_section(&file, ".zdebug_info") ||
                       has_section(&debug, ".debug_info") || has_section(&debug, ".zdebug_info");
    read_tables(names, &file, &debug);
    elf_file_close(&debug);
    elf_file_close(&file);
    return 0;
}
