/* SPDX-License-Identifier: Apache-2.0 */
// runs: 200000
/* ELF files, symbol tables, mini debug info and DWARF as foreign bytes: eight bytes that pick addresses, then
   the file. Looked up are those addresses and the start of each executable section. */
#include <stdlib.h>
#include <string.h>

#include "uploader/elf/elf_file.h"
#include "uploader/symbols/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void locate(struct object *object, struct store *store, uint64_t address)
{
    struct symbol_line line[OBJECT_LINES];
    const unsigned count = object_locate(object, NULL, store, address, line);
    for (unsigned i = 0; i < count; i++)
        if (!line[i].function || !line[i].linkage || !line[i].file)
            abort();
}

static void locate_sections(struct object *object, struct store *store, Elf *elf, uint64_t step)
{
    GElf_Shdr header;
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        if (!gelf_getshdr(section, &header) || !(header.sh_flags & SHF_EXECINSTR))
            continue;
        for (unsigned i = 0; i < 8; i++)
            locate(object, store, header.sh_addr + i * (step & 0xff));
    }
}

/* By a note in the file, and with all of the file as the note's text. */
static void check_package(const struct object *object, const uint8_t *data, size_t size)
{
    char name[PACKAGE_NAME_MOST];
    if (object_package(object, name) && strnlen(name, sizeof name) == sizeof name)
        abort();
    package_of_text((const char *)data, size, name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct object *object;
    struct store store = {0};
    struct elf_file file;
    uint64_t address;
    if (size < sizeof address)
        return 0;
    memcpy(&address, data, sizeof address);
    size -= sizeof address;
    uint8_t *image = malloc(size + !size); /* where its end is, the sanitizer knows */
    if (!image)
        return 0;
    memcpy(image, data + sizeof address, size);
    if (object_open_memory(&object, image, size) == 0) {
        if (elf_file_open_memory(&file, image, size, false) == 0) {
            locate_sections(object, &store, file.elf, address);
            elf_file_close(&file);
        }
        locate(object, &store, address);
        locate(object, &store, address >> 32);
        check_package(object, data, size);
        object_close(object);
    }
    store_free(&store);
    free(image);
    return 0;
}
