/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf_file.h"

#include <errno.h>
#include <string.h>

#include "dwarf_unpack.h"

enum { HANDLE_MOST = 2 * 1024 * 1024 };

static int handle_open(struct dwarf_file *dwarf)
{
    dwarf->handle_bytes = 0;
    dwarf->dwarf = dwarf_begin_elf(dwarf->file->elf, DWARF_C_READ, NULL);
    if (!dwarf->dwarf)
        return -ENOENT;
    if (dwarf->alt_file.elf)
        dwarf->alt = dwarf_begin_elf(dwarf->alt_file.elf, DWARF_C_READ, NULL);
    if (dwarf->alt)
        dwarf_setalt(dwarf->dwarf, dwarf->alt);
    return 0;
}

static void handle_close(struct dwarf_file *dwarf)
{
    dwarf_end(dwarf->dwarf);
    dwarf_end(dwarf->alt);
    dwarf->dwarf = dwarf->alt = NULL;
}

int dwarf_file_renew(struct dwarf_file *dwarf)
{
    if (dwarf->dwarf && dwarf->handle_bytes < HANDLE_MOST)
        return 0;
    handle_close(dwarf);
    dwarf_file_drop_pages(dwarf);
    return handle_open(dwarf);
}

/* Replaces the alternative file by its unpacked copy. */
static int alt_unpack(struct dwarf_file *dwarf)
{
    struct elf_file unpacked;
    size_t bytes;
    const int error = dwarf_unpack(&unpacked, &dwarf->alt_file, &bytes);
    if (error < 0)
        return error == -ENOENT ? 0 : error;
    elf_file_close(&dwarf->alt_file);
    dwarf->alt_file = unpacked;
    dwarf->unpacked += bytes;
    return 0;
}

int dwarf_file_open(struct dwarf_file *dwarf, const struct elf_file *file, const struct file_search *search)
{
    int error;
    *dwarf = (struct dwarf_file){
        .file = file, .path = file->path, .unpacked_file = ELF_FILE_NONE, .alt_file = ELF_FILE_NONE};
    error = dwarf_unpack(&dwarf->unpacked_file, file, &dwarf->unpacked);
    if (error == 0)
        dwarf->file = &dwarf->unpacked_file;
    else if (error != -ENOENT)
        return error;
    if (!dwarf_section(dwarf->file->elf, ".debug_info").size)
        return -ENOENT;
    error = handle_open(dwarf);
    if (error < 0 || elf_file_find_alt(&dwarf->alt_file, search, file, dwarf->dwarf) < 0)
        return error;
    handle_close(dwarf);
    error = alt_unpack(dwarf);
    return error < 0 ? error : handle_open(dwarf);
}

void dwarf_file_close(struct dwarf_file *dwarf)
{
    handle_close(dwarf);
    elf_file_close(&dwarf->alt_file);
    elf_file_close(&dwarf->unpacked_file);
}

void dwarf_file_drop_pages(const struct dwarf_file *dwarf)
{
    elf_file_drop_pages(dwarf->file);
    elf_file_drop_pages(&dwarf->alt_file);
}
