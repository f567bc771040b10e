/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf_split.h"

#include <dwarf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dwarf_package.h"
#include "dwarf_unpack.h"
#include "line_table.h"
#include "uploader/elf/elf_builder.h"

enum {
    UNIT_MOST = 256,
    ADDRESS_SIZE = 8,
    HEAD_5 = 8, /* of a table in .debug_addr; GNU's has none */
    /* Where a table of GNU's ends is not said. */
    ADDRESSES_MOST = 1 << 20,
    RANGES_MOST = 4 << 20,
};

/* What a skeleton says. */
struct skeleton {
    unsigned version;
    uint64_t id, low, address_base, range_base;
    const char *name, *directory;
};

static const char *text_of(Dwarf_Die *die, unsigned name, unsigned old_name)
{
    Dwarf_Attribute attribute;
    Dwarf_Attribute *found = dwarf_attr(die, name, &attribute);
    if (!found && old_name)
        found = dwarf_attr(die, old_name, &attribute);
    return found ? dwarf_formstring(found) : NULL;
}

static uint64_t number_of(Dwarf_Die *die, unsigned name, unsigned old_name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number = 0;
    Dwarf_Attribute *found = dwarf_attr(die, name, &attribute);
    if (!found && old_name)
        found = dwarf_attr(die, old_name, &attribute);
    return found && dwarf_formudata(found, &number) == 0 ? number : 0;
}

bool dwarf_split_is(Dwarf_Die *skeleton)
{
    return text_of(skeleton, DW_AT_dwo_name, DW_AT_GNU_dwo_name) != NULL;
}

static bool skeleton_read(struct skeleton *to, Dwarf_Die *die)
{
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Addr low;
    *to = (struct skeleton){.name = text_of(die, DW_AT_dwo_name, DW_AT_GNU_dwo_name),
                            .directory = text_of(die, DW_AT_comp_dir, 0),
                            .address_base = number_of(die, DW_AT_addr_base, DW_AT_GNU_addr_base),
                            .range_base = number_of(die, DW_AT_GNU_ranges_base, 0)};
    if (!to->name || dwarf_cu_info(die->cu, &version, &type, NULL, NULL, &to->id, NULL, NULL) != 0)
        return false;
    to->version = version;
    if (version < 5)
        to->id = number_of(die, DW_AT_GNU_dwo_id, 0);
    if (dwarf_lowpc(die, &low) == 0)
        to->low = low;
    return true;
}

/* --- the skeleton that libdw gets --- */

struct writer {
    uint8_t byte[UNIT_MOST];
    size_t size;
};

static void put(struct writer *writer, uint64_t value, size_t size)
{
    memcpy(writer->byte + writer->size, &value, size);
    writer->size += size;
}

static void put_text(struct writer *writer, const char *text)
{
    memcpy(writer->byte + writer->size, text, strlen(text) + 1);
    writer->size += strlen(text) + 1;
}

static const uint8_t abbreviations_5[] = {1,
                                          DW_TAG_skeleton_unit,
                                          0,
                                          DW_AT_low_pc,
                                          DW_FORM_addr,
                                          DW_AT_dwo_name,
                                          DW_FORM_string,
                                          DW_AT_addr_base,
                                          DW_FORM_sec_offset,
                                          0,
                                          0,
                                          0};
/* Numbers of GNU's attributes take two bytes, seven bits each. */
#define GNU(attribute) ((attribute)&0x7f) | 0x80, (attribute) >> 7
static const uint8_t abbreviations_4[] = {1,
                                          DW_TAG_compile_unit,
                                          0,
                                          DW_AT_low_pc,
                                          DW_FORM_addr,
                                          GNU(DW_AT_GNU_dwo_name),
                                          DW_FORM_string,
                                          GNU(DW_AT_GNU_dwo_id),
                                          DW_FORM_data8,
                                          GNU(DW_AT_GNU_addr_base),
                                          DW_FORM_sec_offset,
                                          GNU(DW_AT_GNU_ranges_base),
                                          DW_FORM_sec_offset,
                                          0,
                                          0,
                                          0};

static void write_unit(struct writer *writer, const struct skeleton *from, const char *name)
{
    uint32_t length;
    put(writer, 0, sizeof length);
    put(writer, from->version, 2);
    if (from->version >= 5) {
        put(writer, DW_UT_skeleton, 1);
        put(writer, ADDRESS_SIZE, 1);
        put(writer, 0, 4); /* abbreviations */
        put(writer, from->id, 8);
    } else {
        put(writer, 0, 4);
        put(writer, ADDRESS_SIZE, 1);
    }
    put(writer, 1, 1);
    put(writer, from->low, ADDRESS_SIZE);
    put_text(writer, name);
    if (from->version >= 5) {
        put(writer, HEAD_5, 4);
    } else {
        put(writer, from->id, 8);
        put(writer, 0, 4); /* the tables below begin with the unit's part */
        put(writer, 0, 4);
    }
    length = (uint32_t)(writer->size - sizeof length);
    memcpy(writer->byte, &length, sizeof length);
}

static struct elf_bytes cut(struct elf_bytes bytes, uint64_t from, uint64_t most)
{
    if (from >= bytes.size)
        return (struct elf_bytes){0};
    return (struct elf_bytes){bytes.data + from, bytes.size - from < most ? bytes.size - from : (size_t)most};
}

/* The unit's part of .debug_addr, in DWARF 5 with its head, which says how long it is. */
static struct elf_bytes addresses_of(Elf *elf, const struct skeleton *skeleton)
{
    const struct elf_bytes all = dwarf_section(elf, ".debug_addr");
    uint32_t length = 0;
    if (skeleton->version < 5)
        return cut(all, skeleton->address_base, ADDRESSES_MOST);
    if (skeleton->address_base < HEAD_5)
        return (struct elf_bytes){0};
    const struct elf_bytes table = cut(all, skeleton->address_base - HEAD_5, UINT64_MAX);
    if (table.size >= sizeof length)
        memcpy(&length, table.data, sizeof length);
    return cut(table, 0, (uint64_t)length + sizeof length);
}

static int skeleton_make(struct dwarf_split *split, const struct skeleton *from, Elf *elf, int fd)
{
    struct writer unit = {.size = 0};
    char name[64];
    size_t size;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    write_unit(&unit, from, name);
    const struct elf_bytes addresses = addresses_of(elf, from),
                           ranges = cut(dwarf_section(elf, ".debug_ranges"), from->range_base, RANGES_MOST);
    struct built_section section[] = {
        {.name = ".debug_info", .data = unit.byte, .size = unit.size, .type = SHT_PROGBITS},
        {.name = ".debug_abbrev",
         .data = from->version >= 5 ? abbreviations_5 : abbreviations_4,
         .size = from->version >= 5 ? sizeof abbreviations_5 : sizeof abbreviations_4,
         .type = SHT_PROGBITS},
        {.name = ".debug_addr", .data = addresses.data, .size = addresses.size, .type = SHT_PROGBITS},
        {.name = ".debug_ranges", .data = ranges.data, .size = ranges.size, .type = SHT_PROGBITS},
    };
    uint8_t *image = elf_builder_make(section, from->version >= 5 ? 3 : 4, EM_X86_64, &size);
    if (!image)
        return -ENOMEM;
    split->bytes += size;
    return elf_file_open_memory(&split->skeleton, image, size, true);
}

/* --- the file with the rest --- */

/* A descriptor of the bytes, or negative errno. */
static int in_memory(const uint8_t *data, size_t size)
{
    const int fd = memfd_create("cprof-dwo", MFD_CLOEXEC);
    for (size_t at = 0; fd >= 0 && at < size;) {
        const ssize_t wrote = write(fd, data + at, size - at);
        if (wrote <= 0) {
            close(fd);
            return -ENOSPC;
        }
        at += (size_t)wrote;
    }
    return fd < 0 ? -errno : fd;
}

static void package_open(struct dwarf_splits *splits, const char *path, const struct file_search *search)
{
    struct elf_file unpacked;
    size_t bytes;
    char name[4096];
    splits->looked = true;
    if (!path || (size_t)snprintf(name, sizeof name, "%s.dwp", path) >= sizeof name ||
        elf_file_find_named(&splits->package, search, "", name) < 0)
        return;
    const int error = dwarf_unpack(&unpacked, &splits->package, &bytes);
    if (error == -ENOENT)
        return;
    elf_file_close(&splits->package);
    if (error == 0)
        splits->package = unpacked;
}

static int open_in_package(struct dwarf_split *split, const struct skeleton *skeleton,
                           const struct elf_file *package)
{
    uint8_t *image;
    size_t size;
    int fd = package->elf ? dwarf_package_unit(package, skeleton->id, &image, &size) : -ENOENT;
    if (fd < 0)
        return fd;
    fd = in_memory(image, size);
    free(image);
    split->bytes += size;
    return fd;
}

/* In the directory where it was compiled, then beside the program. */
static int find_file(struct elf_file *file, const struct skeleton *skeleton, const char *path,
                     const struct file_search *search)
{
    const char *slash = strrchr(skeleton->name, '/'), *end = path ? strrchr(path, '/') : NULL;
    char directory[4096] = "";
    int error = elf_file_find_named(file, search, skeleton->directory, skeleton->name);
    if (error == 0 || !end || (size_t)(end - path) >= sizeof directory)
        return error;
    memcpy(directory, path, (size_t)(end - path));
    error = elf_file_find_named(file, search, directory, skeleton->name);
    return error == 0 || !slash ? error : elf_file_find_named(file, search, directory, slash + 1);
}

static int open_file(struct dwarf_split *split, const struct skeleton *skeleton, const char *path,
                     const struct file_search *search)
{
    struct elf_file file, unpacked;
    size_t bytes;
    int fd = find_file(&file, skeleton, path, search);
    if (fd < 0)
        return fd;
    fd = dwarf_unpack(&unpacked, &file, &bytes);
    if (fd == -ENOENT) {
        fd = fcntl(file.fd, F_DUPFD_CLOEXEC, 0);
    } else if (fd == 0) {
        fd = in_memory(unpacked.memory, bytes);
        split->bytes += bytes;
        elf_file_close(&unpacked);
    }
    elf_file_close(&file);
    return fd;
}

/* libdw opens the file that the skeleton names, and joins the two if their ids are the same. */
static int join(struct dwarf_split *split)
{
    Dwarf_CU *cu = NULL;
    Dwarf_Die skeleton;
    split->dwarf = dwarf_begin_elf(split->skeleton.elf, DWARF_C_READ, NULL);
    if (!split->dwarf || dwarf_get_units(split->dwarf, NULL, &cu, NULL, NULL, &skeleton, &split->unit) != 0 ||
        !split->unit.addr)
        return -ENOENT;
    return 0;
}

static void split_close(struct dwarf_split *split)
{
    dwarf_end(split->dwarf);
    elf_file_close(&split->skeleton);
    *split = (struct dwarf_split){.skeleton = ELF_FILE_NONE};
}

static int split_open(struct dwarf_split *split, Dwarf_Die *die, const struct dwarf_file *file,
                      const struct elf_file *package, const struct file_search *search)
{
    struct skeleton skeleton;
    int fd, error;
    *split = (struct dwarf_split){.skeleton = ELF_FILE_NONE};
    if (!skeleton_read(&skeleton, die))
        return -ENOENT;
    fd = open_in_package(split, &skeleton, package);
    if (fd < 0 && search)
        fd = open_file(split, &skeleton, file->path, search);
    if (fd < 0)
        return fd;
    error = skeleton_make(split, &skeleton, file->file->elf, fd);
    if (error == 0)
        error = join(split);
    close(fd); /* libdw has a mapping of it */
    if (error < 0)
        split_close(split);
    return error;
}

/* --- those that are open --- */

void dwarf_splits_close(struct dwarf_splits *splits)
{
    while (splits->count)
        split_close(&splits->open[--splits->count]);
    splits->bytes = 0;
}

const struct dwarf_split *dwarf_splits_get(struct dwarf_splits *splits, size_t number, Dwarf_Die *skeleton,
                                           const struct dwarf_file *file, const struct file_search *search,
                                           bool *opened)
{
    struct dwarf_split *split;
    *opened = false;
    for (unsigned i = 0; i < splits->count; i++)
        if (splits->open[i].number == number)
            return &splits->open[i];
    if (splits->count == DWARF_SPLITS)
        dwarf_splits_close(splits);
    if (!splits->looked && search)
        package_open(splits, file->path, search);
    split = &splits->open[splits->count];
    if (split_open(split, skeleton, file, search ? &splits->package : file->file, search) < 0)
        return NULL;
    split->number = number;
    splits->bytes += split->bytes;
    splits->count++;
    *opened = true;
    return split;
}

size_t dwarf_splits_file(const struct dwarf_splits *splits, size_t number, uint64_t file,
                         const char *directory, char *path, size_t size)
{
    Dwarf_Attribute attribute;
    Dwarf_Word offset = 0;
    for (unsigned i = 0; i < splits->count; i++) {
        Dwarf_Die die = splits->open[i].unit;
        if (splits->open[i].number != number)
            continue;
        Elf *elf = dwarf_getelf(dwarf_cu_getdwarf(die.cu));
        const struct line_sections sections = {.line = dwarf_section(elf, ".debug_line.dwo"),
                                               .str = dwarf_section(elf, ".debug_str.dwo")};
        dwarf_formudata(dwarf_attr(&die, DW_AT_stmt_list, &attribute), &offset);
        return line_file_name(&(struct line_source){&sections, offset, directory}, file, path, size);
    }
    return 0;
}
