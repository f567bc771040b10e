/* SPDX-License-Identifier: Apache-2.0 */
#include "elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>
#include <zlib.h>

#include "elf_dynamic.h"
#include "elf_image.h"
#include "uploader/process/owner.h"

static const off_t file_most = (off_t)8 << 30;
static const char vdso_name[] = "linux-vdso.so.1";

static int elf_check(struct elf_file *file)
{
    const char *ident = file->elf ? elf_getident(file->elf, NULL) : NULL;
    if (ident && elf_kind(file->elf) == ELF_K_ELF && ident[EI_CLASS] == ELFCLASS64)
        return 0;
    elf_file_close(file);
    return -ENOEXEC;
}

/* A file without section headers is replaced by one that is made of its segments. */
static int sections_make(struct elf_file *file)
{
    size_t size, made_size;
    uint8_t *made;
    const char *image = elf_rawfile(file->elf, &size);
    Elf *elf;

    if (!image || elf_dynamic_make_of_file(image, size, &made, &made_size) < 0)
        return 0;
    elf = elf_memory((char *)made, made_size);
    if (!elf) {
        free(made);
        return 0;
    }
    elf_end(file->elf);
    free(file->memory); // NOLINT(clang-analyzer-unix.Malloc): as in elf_file_close()
    file->elf = elf;
    file->memory = made;
    return elf_check(file);
}

int elf_file_open(struct elf_file *file, int fd)
{
    struct stat stat;
    int error;
    *file = ELF_FILE_NONE;
    elf_version(EV_CURRENT);
    if (fd < 0)
        return fd;
    if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) || stat.st_size > file_most) {
        close(fd);
        return -EINVAL;
    }
    file->fd = fd;
    file->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    error = elf_check(file);
    return error < 0 ? error : sections_make(file);
}

int elf_file_open_memory(struct elf_file *file, void *image, size_t size, bool owned)
{
    *file = ELF_FILE_NONE;
    elf_version(EV_CURRENT);
    file->memory = owned ? image : NULL;
    file->elf = elf_memory(image, size);
    const int error = elf_check(file);
    return error < 0 ? error : sections_make(file);
}

void elf_file_close(struct elf_file *file)
{
    const struct elf_file closed = *file;
    *file = ELF_FILE_NONE;
    elf_end(closed.elf);
    if (closed.fd >= 0)
        close(closed.fd);
    free(closed.memory); // NOLINT(clang-analyzer-unix.Malloc): it forgets that a closed file is cleared
    free(closed.path);
}

void elf_file_drop_pages(const struct elf_file *file)
{
    size_t size;
    if (!file->elf || file->fd < 0 || file->memory)
        return;
    char *image = elf_rawfile(file->elf, &size);
    if (image && ((uintptr_t)image & 4095) == 0)
        madvise(image, size, MADV_DONTNEED);
}

struct build_id elf_file_build_id(const struct elf_file *file)
{
    struct build_id id = {0};
    const void *bytes;
    const ssize_t size = dwelf_elf_gnu_build_id(file->elf, &bytes);
    if (size > 0 && (size_t)size <= sizeof id.byte) {
        memcpy(id.byte, bytes, (size_t)size);
        id.size = (size_t)size;
    }
    return id;
}

static bool build_id_is(const struct elf_file *file, const struct build_id *wanted)
{
    const struct build_id id = elf_file_build_id(file);
    return id.size == wanted->size && memcmp(id.byte, wanted->byte, id.size) == 0;
}

bool elf_file_next_section(Elf *elf, Elf_Scn **section, GElf_Shdr *header)
{
    do
        *section = elf_nextscn(elf, *section);
    while (*section && !gelf_getshdr(*section, header));
    return *section != NULL;
}

bool elf_file_section(Elf *elf, const char *name, uint32_t type, Elf_Scn **section, GElf_Shdr *header)
{
    size_t strings;
    *section = NULL;
    if (elf_getshdrstrndx(elf, &strings) < 0)
        return false;
    while (elf_file_next_section(elf, section, header)) {
        const char *found = name ? elf_strptr(elf, strings, header->sh_name) : NULL;
        if (name ? found && strcmp(found, name) == 0 : header->sh_type == type)
            return true;
    }
    return false;
}

uint64_t elf_file_code_base(Elf *elf)
{
    uint64_t base = UINT64_MAX;
    GElf_Shdr header;
    for (Elf_Scn *section = NULL; elf_file_next_section(elf, &section, &header);)
        if ((header.sh_flags & SHF_EXECINSTR) && header.sh_size && header.sh_addr < base)
            base = header.sh_addr;
    return base;
}

/* Without a build id, the bytes have the module's fingerprint, 0: unknown. */
static struct build_id module_id(const struct elf_module *module)
{
    struct build_id id = {.size = module->build_id_size};
    _Static_assert(sizeof id.byte == sizeof module->build_id, "one is copied to the other");
    memcpy(id.byte, module->build_id, sizeof id.byte);
    return id;
}

static bool has_fingerprint(const struct build_id *id)
{
    static const uint8_t unknown[sizeof(uint64_t)];
    return memcmp(id->byte, unknown, sizeof unknown) != 0;
}

static bool fingerprint_is(const struct elf_file *file, const struct build_id *id)
{
    struct elf_image *image = elf_image_open(fcntl(file->fd, F_DUPFD_CLOEXEC, 0));
    const bool same = image && memcmp(&image->fingerprint, id->byte, sizeof image->fingerprint) == 0;
    elf_image_release(image);
    return same;
}

/* Opens path in the root. With a build id or a fingerprint, only that build will do. */
static int open_verified(struct elf_file *file, const struct owner *owner, int root_fd, const char *path,
                         const struct build_id *id)
{
    int error = elf_file_open(file, owner_open(owner, root_fd, path));
    if (error < 0)
        return error;
    file->path = strdup(path);
    if (id->size ? build_id_is(file, id) : !has_fingerprint(id) || fingerprint_is(file, id))
        return 0;
    elf_file_close(file);
    return -ESTALE;
}

/* The vDSO has no file, but every process has the same one. */
static int open_vdso(struct elf_file *file, const struct build_id *id)
{
    uint8_t *image = (uint8_t *)getauxval(AT_SYSINFO_EHDR);
    if (!image)
        return -ENOENT;
    const Elf64_Ehdr *header = (const void *)image;
    const size_t size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
    int error = elf_file_open_memory(file, image, size, false);
    if (error == 0 && id->size && !build_id_is(file, id)) {
        elf_file_close(file);
        error = -ESTALE;
    }
    return error;
}

static int open_executable(struct elf_file *file, const struct process_files *source,
                           const struct build_id *id)
{
    char path[40];
    if (source->exe_fd < 0 || (!id->size && !has_fingerprint(id)))
        return -ENOENT;
    snprintf(path, sizeof path, "/proc/self/fd/%d", source->exe_fd);
    return open_verified(file, NULL, -1, path, id);
}

/* A file that is gone may still be open for stack walks. */
static int open_known(struct elf_file *file, const struct elf_module *module)
{
    const int fd = elf_image_open_again(module->build_id, module->build_id_size);
    const int error = fd < 0 ? -ENOENT : elf_file_open(file, fd);
    if (error == 0)
        file->path = strdup(module->path);
    return error;
}

int elf_file_find(struct elf_file *file, const struct process_files *source, const struct elf_module *module)
{
    const struct build_id id = module_id(module);
    int error = -ENOENT;
    *file = ELF_FILE_NONE;
    if (strcmp(module->name, vdso_name) == 0)
        return open_vdso(file, &id);
    if (module->path[0] == '/') {
        error = open_verified(file, source->owner, source->root_fd, module->path, &id);
        /* In a root that is gone nothing is found. The build id makes a file of our own root safe to use. */
        if (error < 0 && source->root_fd >= 0 && id.size &&
            open_verified(file, source->owner, -1, module->path, &id) == 0)
            error = 0;
    }
    if (error < 0 && (open_executable(file, source, &id) == 0 || open_known(file, module) == 0))
        error = 0;
    return error;
}

/* In the target's root, then in ours. */
static int open_in_roots(struct elf_file *file, const struct file_search *search, const char *path,
                         const struct build_id *id)
{
    if (search->root_fd >= 0 && open_verified(file, search->owner, search->root_fd, path, id) == 0)
        return 0;
    return open_verified(file, search->owner, -1, path, id);
}

/* The next directory of a colon list. false: there are no more. Empty ones are skipped. */
static bool next_directory(const char **list, char directory[PATH_MAX])
{
    while (**list) {
        const size_t length = strcspn(*list, ":");
        const char *start = *list;
        *list += length + ((*list)[length] == ':');
        if (length && length < PATH_MAX) {
            memcpy(directory, start, length);
            directory[length] = '\0';
            return true;
        }
    }
    return false;
}

/* Tries DIRECTORY/tail for each debug directory. */
static int open_in_debug_path(struct elf_file *file, const struct file_search *search, const char *tail,
                              const struct build_id *id)
{
    const char *const lists[] = {search->debug_path, "/usr/lib/debug"};
    char directory[PATH_MAX], path[PATH_MAX];
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const char *list = lists[i] ? lists[i] : "";
        while (next_directory(&list, directory)) {
            if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, tail) >= sizeof path)
                continue;
            if (open_in_roots(file, search, path, id) == 0)
                return 0;
        }
    }
    return -ENOENT;
}

static int open_by_build_id(struct elf_file *file, const struct file_search *search,
                            const struct build_id *id)
{
    char tail[32 + 2 * sizeof id->byte] = ".build-id/";
    char *end = tail + strlen(tail);
    if (id->size < 2)
        return -ENOENT;
    for (size_t i = 0; i < id->size; i++)
        end += sprintf(end, i == 0 ? "%02x/" : "%02x", id->byte[i]);
    strcpy(end, ".debug");
    return open_in_debug_path(file, search, tail, id);
}

static bool crc_is(const struct elf_file *file, GElf_Word wanted)
{
    unsigned char block[32 * 1024];
    uLong crc = crc32(0, NULL, 0);
    off_t at = 0;
    ssize_t got;
    while ((got = pread(file->fd, block, sizeof block, at)) > 0) {
        crc = crc32(crc, block, (uInt)got);
        at += got;
    }
    return got == 0 && crc == wanted;
}

/* Directory part of a path with its slash, "" where there is none. */
static void directory_of(const char *path, char directory[PATH_MAX])
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    const size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    if (length < PATH_MAX) {
        memcpy(directory, path ? path : "", length);
        directory[length] = '\0';
    } else {
        directory[0] = '\0';
    }
}

/* Where gdb looks, too: beside the file, in .debug beside it, and under the debug directories. */
static int open_by_link(struct elf_file *file, const struct file_search *search, const char *main_path,
                        const char *link, const struct build_id *id)
{
    char directory[PATH_MAX], path[2 * PATH_MAX];
    directory_of(main_path, directory);
    if (directory[0] != '/' || strchr(link, '/'))
        return -ENOENT;
    static const char *const beside[] = {"", ".debug/"};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        snprintf(path, sizeof path, "%s%s%s", directory, beside[i], link);
        if (open_in_roots(file, search, path, id) == 0)
            return 0;
    }
    snprintf(path, sizeof path, "%s%s", directory + 1, link);
    return open_in_debug_path(file, search, path, id);
}

static int open_fetched(struct elf_file *file, const struct file_search *search, const struct build_id *id)
{
    int error = search->fetched ? elf_file_open(file, fcntl(*search->fetched, F_DUPFD_CLOEXEC, 0)) : -ENOENT;
    if (error == 0 && !build_id_is(file, id)) {
        elf_file_close(file);
        error = -ESTALE;
    }
    return error;
}

int elf_file_find_debug_alone(struct elf_file *file, const struct file_search *search,
                              const struct elf_module *module)
{
    const struct build_id id = module_id(module);
    *file = ELF_FILE_NONE;
    if (!id.size)
        return -ENOENT;
    return open_fetched(file, search, &id) == 0 ? 0 : open_by_build_id(file, search, &id);
}

int elf_file_find_debug(struct elf_file *file, const struct file_search *search, const struct elf_file *main,
                        const char *main_path)
{
    GElf_Word crc;
    const struct build_id id = elf_file_build_id(main);
    *file = ELF_FILE_NONE;
    if (open_fetched(file, search, &id) == 0 || open_by_build_id(file, search, &id) == 0)
        return 0;
    const char *link = dwelf_elf_gnu_debuglink(main->elf, &crc);
    if (!link || open_by_link(file, search, main_path, link, &id) < 0)
        return -ENOENT;
    if (id.size || crc_is(file, crc)) /* compared already, and it says more than a checksum */
        return 0;
    elf_file_close(file);
    return -ENOENT;
}

int elf_file_find_alt(struct elf_file *file, const struct file_search *search, const struct elf_file *debug,
                      Dwarf *dwarf)
{
    char directory[PATH_MAX], path[2 * PATH_MAX];
    const char *name;
    const void *bytes;
    struct build_id id = {0};
    *file = ELF_FILE_NONE;
    const ssize_t size = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &bytes);
    if (size <= 0 || (size_t)size > sizeof id.byte)
        return -ENOENT;
    memcpy(id.byte, bytes, (size_t)size);
    id.size = (size_t)size;
    if (open_by_build_id(file, search, &id) == 0)
        return 0;
    directory_of(name[0] == '/' ? "" : debug->path, directory);
    if ((size_t)snprintf(path, sizeof path, "%s%s", directory, name) >= sizeof path)
        return -ENOENT;
    return open_in_roots(file, search, path, &id);
}

int elf_file_find_named(struct elf_file *file, const struct file_search *search, const char *directory,
                        const char *name)
{
    const struct build_id any = {0};
    char path[PATH_MAX];
    *file = ELF_FILE_NONE;
    if (name[0] != '/' && (!directory || directory[0] != '/'))
        return -ENOENT;
    const char *before = name[0] == '/' ? "" : directory;
    if ((size_t)snprintf(path, sizeof path, "%s%s%s", before, *before ? "/" : "", name) >= sizeof path)
        return -ENAMETOOLONG;
    return open_in_roots(file, search, path, &any);
}
