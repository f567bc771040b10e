/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf_file.h"

#include <errno.h>
#include <string.h>

enum { HANDLE_MOST = 2 * 1024 * 1024 };
static const uint64_t unpacked_most = UINT64_C(96) << 20;

/* libdw has libelf unpack every debug section that it knows, also locations of variables and indices, which
   are never used here. libdw passes over a section without content. The size of sections in GNU's old
   compressed format is unknown, so they are hidden, too. */
static void hide_sections(Elf *elf)
{
    static const char *const unused[] = {".zdebug_",     ".debug_loc", ".debug_aranges",
                                         ".debug_frame", ".debug_mac", ".debug_pub"};
    size_t strings;
    GElf_Shdr header;
    if (elf_getshdrstrndx(elf, &strings) < 0)
        return;
    for (Elf_Scn *section = NULL; elf_file_next_section(elf, &section, &header);) {
        const char *name = elf_strptr(elf, strings, header.sh_name);
        for (size_t i = 0; name && i < sizeof unused / sizeof *unused; i++) {
            if (strncmp(name, unused[i], strlen(unused[i])) != 0)
                continue;
            header.sh_type = SHT_NOBITS; /* in libelf's copy of the header, not in the file */
            gelf_update_shdr(section, &header);
        }
    }
}

/* How much memory libelf will take for compressed sections: it unpacks all of them when libdw opens the file.
 */
static uint64_t unpacked_size(Elf *elf)
{
    uint64_t sum = 0;
    GElf_Shdr header;
    GElf_Chdr packed;
    for (Elf_Scn *section = NULL; elf_file_next_section(elf, &section, &header);) {
        if (header.sh_type == SHT_NOBITS || !(header.sh_flags & SHF_COMPRESSED) ||
            !gelf_getchdr(section, &packed))
            continue;
        if (packed.ch_size > unpacked_most)
            return packed.ch_size;
        sum += packed.ch_size;
    }
    return sum;
}

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

int dwarf_file_open(struct dwarf_file *dwarf, const struct elf_file *file, const struct file_search *search)
{
    GElf_Shdr header;
    Elf_Scn *section;
    int error;
    *dwarf = (struct dwarf_file){.file = file, .alt_file = ELF_FILE_NONE};
    if (!elf_file_section(file->elf, ".debug_info", 0, &section, &header) || header.sh_type == SHT_NOBITS)
        return -ENOENT;
    hide_sections(file->elf);
    dwarf->unpacked = unpacked_size(file->elf);
    error = dwarf->unpacked > unpacked_most ? -EFBIG : handle_open(dwarf);
    if (error < 0 || elf_file_find_alt(&dwarf->alt_file, search, file, dwarf->dwarf) < 0)
        return error;
    hide_sections(dwarf->alt_file.elf);
    dwarf->unpacked += unpacked_size(dwarf->alt_file.elf);
    handle_close(dwarf);
    return dwarf->unpacked > unpacked_most ? -EFBIG : handle_open(dwarf);
}

void dwarf_file_close(struct dwarf_file *dwarf)
{
    handle_close(dwarf);
    elf_file_close(&dwarf->alt_file);
}

void dwarf_file_drop_pages(const struct dwarf_file *dwarf)
{
    elf_file_drop_pages(dwarf->file);
    elf_file_drop_pages(&dwarf->alt_file);
}
