/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lzma.h>

#include "demangle.h"
#include "uploader/dwarf/dwarf_info.h"
#include "uploader/elf/elf_file.h"
#include "uploader/elf/file_hash.h"
#include "uploader/elf/frame_table.h"
#include "uploader/elf/symbol_table.h"

_Static_assert((int)OBJECT_LINES == (int)DWARF_FRAMES, "every frame gets a line");

enum {
    MINI_MOST = 64 * 1024 * 1024,       /* unpacked mini debug info */
    MINI_WORK_MOST = 128 * 1024 * 1024, /* memory the unpacker may ask for */
    TABLES = 2,
    LINKAGE_MOST = 4096, /* of a name that is kept; longer ones are cut */
};

struct object {
    struct elf_file main, debug, mini;
    struct symbol_table table[TABLES]; /* asked in this order */
    struct dwarf_info *dwarf;
    size_t mini_size;
    bool is_alone; /* main is the debug file, without its own */
};

/* --- mini debug info: Fedora packs a symbol table into .gnu_debugdata --- */

/* Unpacks into a new block of *size bytes; NULL: it is broken or too large. */
static uint8_t *mini_unpack(const Elf_Data *packed, size_t *size)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    uint8_t *block = NULL;
    size_t room = 0;
    lzma_ret result = lzma_stream_decoder(&stream, MINI_WORK_MOST, 0);
    stream.next_in = packed->d_buf;
    stream.avail_in = packed->d_size;
    while (result == LZMA_OK && room < MINI_MOST) {
        const size_t bigger_room = room ? room * 2 : 256 * 1024;
        uint8_t *bigger = realloc(block, bigger_room);
        if (!bigger)
            break;
        block = bigger;
        stream.next_out = block + room;
        stream.avail_out = bigger_room - room;
        room = bigger_room;
        result = lzma_code(&stream, LZMA_FINISH);
    }
    *size = stream.total_out;
    lzma_end(&stream);
    if (result == LZMA_STREAM_END)
        return block;
    free(block);
    return NULL;
}

static int mini_open(struct object *object)
{
    Elf_Scn *section;
    GElf_Shdr header;
    if (!elf_file_section(object->main.elf, ".gnu_debugdata", 0, &section, &header))
        return -ENOENT;
    const Elf_Data *packed = elf_rawdata(section, NULL);
    uint8_t *image = packed && packed->d_buf ? mini_unpack(packed, &object->mini_size) : NULL;
    if (!image)
        return -ENOENT;
    return elf_file_open_memory(&object->mini, image, object->mini_size, true);
}

/* --- opening --- */

/* Reads the fullest symbol table. A stripped file has its exports, and mini debug info adds the others. */
static void tables_read(struct object *object)
{
    if (symbol_table_read(&object->table[0], &object->main, SHT_SYMTAB) == 0 ||
        symbol_table_read(&object->table[0], &object->debug, SHT_SYMTAB) == 0)
        return;
    symbol_table_read(&object->table[0], &object->main, SHT_DYNSYM);
    if (mini_open(object) == 0)
        symbol_table_read(&object->table[1], &object->mini, SHT_SYMTAB);
}

static void dwarf_read(struct object *object, const struct file_search *search)
{
    if (dwarf_info_open(&object->dwarf, &object->main, search) < 0 && object->debug.elf)
        dwarf_info_open(&object->dwarf, &object->debug, search);
}

static struct object *object_new(void)
{
    struct object *object = calloc(1, sizeof *object);
    if (object)
        object->main = object->debug = object->mini = ELF_FILE_NONE;
    return object;
}

static bool has_section(const struct elf_file *file, const char *name)
{
    Elf_Scn *section;
    GElf_Shdr header;
    return elf_file_section(file->elf, name, 0, &section, &header) && header.sh_type != SHT_NOBITS;
}

int object_open(struct object **result, const struct process_files *source, const struct elf_module *module,
                const struct file_search *search)
{
    struct object *object = object_new();
    if (!object)
        return -ENOMEM;
    int error = elf_file_find(&object->main, source, module);
    if (error < 0 && elf_file_find_debug_alone(&object->main, search, module) == 0) {
        error = 0;
        object->is_alone = true;
    }
    if (error < 0) {
        free(object);
        return error;
    }
    if ((!has_section(&object->main, ".debug_info") && !has_section(&object->main, ".zdebug_info")) ||
        !has_section(&object->main, ".symtab"))
        elf_file_find_debug(&object->debug, search, &object->main, module->path);
    tables_read(object);
    dwarf_read(object, search);
    *result = object;
    return 0;
}

int object_open_memory(struct object **result, void *image, size_t size)
{
    const struct file_search search = {-1, "", NULL, NULL};
    struct object *object = object_new();
    if (!object)
        return -ENOMEM;
    const int error = elf_file_open_memory(&object->main, image, size, false);
    if (error < 0) {
        free(object);
        return error;
    }
    tables_read(object);
    dwarf_read(object, &search);
    *result = object;
    return 0;
}

void object_close(struct object *object)
{
    if (!object)
        return;
    dwarf_info_free(object->dwarf);
    for (int i = 0; i < TABLES; i++)
        symbol_table_free(&object->table[i]);
    elf_file_close(&object->mini);
    elf_file_close(&object->debug);
    elf_file_close(&object->main);
    free(object);
}

size_t object_bytes(const struct object *object)
{
    size_t bytes = sizeof *object + object->mini_size;
    for (int i = 0; i < TABLES; i++)
        bytes += object->table[i].count * sizeof *object->table[i].entry;
    return bytes + (object->dwarf ? dwarf_info_bytes(object->dwarf) : 0);
}

size_t object_unpacked(const struct object *object)
{
    return object->dwarf ? dwarf_info_unpacked(object->dwarf) : 0;
}

void object_drop_pages(const struct object *object)
{
    elf_file_drop_pages(&object->main);
    elf_file_drop_pages(&object->debug);
    if (object->dwarf)
        dwarf_info_drop_pages(object->dwarf);
}

bool object_has_lines(const struct object *object)
{
    return object->dwarf != NULL;
}

bool object_has_functions(const struct object *object)
{
    return object->dwarf || object->table[0].count || object->table[1].count;
}

/* --- names --- */

static const char *intern(struct store *store, const char *text)
{
    return store_text(store, text, strlen(text));
}

static void line_name(struct store *store, struct symbol_line *line, const char *name, const char *linkage)
{
    char readable[DEMANGLE_MOST];
    const size_t length = demangle(name, readable);
    line->function = store_text(store, readable, length);
    line->linkage = store_text(store, linkage, strnlen(linkage, LINKAGE_MOST));
    line->file = "";
}

/* Symbol tables that are not dynamic write a version behind the name: memcpy@@GLIBC_2.14. */
static void symbol_name(struct store *store, struct symbol_line *line, const char *symbol)
{
    char plain[LINKAGE_MOST + 1];
    size_t length = strcspn(symbol, "@");
    if (length == 0 || length > LINKAGE_MOST)
        length = strnlen(symbol, LINKAGE_MOST);
    memcpy(plain, symbol, length);
    plain[length] = '\0';
    line_name(store, line, plain, plain);
}

static bool table_find(const struct object *object, uint64_t address, struct table_symbol *symbol)
{
    for (int i = 0; i < TABLES; i++)
        if (symbol_table_find(&object->table[i], address, symbol))
            return true;
    return false;
}

/* What the frame is called in the source. Mangled names say more than plain ones: scopes and template
 * arguments. */
static void frame_name(struct store *store, struct symbol_line *line, const struct dwarf_frame *frame)
{
    const char *linkage = frame->linkage ? frame->linkage : frame->name;
    const bool mangled = frame->linkage && demangle_is_mangled(frame->linkage);
    line_name(store, line, mangled || !frame->name ? linkage : frame->name, linkage);
}

/* The outermost function has a symbol, too, which starts at the same address. Its name is better than the compiler's if
   that one is not mangled: for C++ and Rust it has the scopes. Of C's aliases it is the one that people call: malloc, and
   not __libc_malloc. start: of the function, or the address if the function is unknown. */
static void outer_name(const struct object *object, struct store *store, struct symbol_line *line,
                       const struct dwarf_frame *frame, uint64_t start)
{
    struct table_symbol symbol;
    const bool found = table_find(object, start, &symbol);
    const bool named = frame->name || frame->linkage;
    if (named)
        frame_name(store, line, frame);
    if (!found ||
        (named && (symbol.start != start || (frame->linkage && demangle_is_mangled(frame->linkage)))))
        return;
    if (!named || demangle_is_mangled(symbol.name) || (line->function[0] == '_' && symbol.name[0] != '_'))
        symbol_name(store, line, symbol.name);
}

static unsigned locate_dwarf(struct object *object, const struct file_search *search, struct store *store,
                             uint64_t address, struct symbol_line line[OBJECT_LINES])
{
    struct dwarf_frame frame[DWARF_FRAMES];
    char path[DWARF_PATH];
    uint64_t start;
    const unsigned count = object->dwarf ? dwarf_info_find(object->dwarf, search, address, frame, &start) : 0;
    for (unsigned i = 0; i < count; i++) {
        line[i] = (struct symbol_line){.function = "", .linkage = "", .file = ""};
        if (i + 1 == count)
            outer_name(object, store, &line[i], &frame[i], start ? start : address);
        else if (frame[i].name || frame[i].linkage)
            frame_name(store, &line[i], &frame[i]);
        if (!line[i].function[0])
            line[i].function = line[i].linkage = i + 1 == count ? "" : "[inlined]";
        const size_t length = dwarf_info_file(object->dwarf, &frame[i], path);
        line[i].file = store_text(store, path, length);
        line[i].line = frame[i].line;
        line[i].start_line = frame[i].start_line;
    }
    return count && line[count - 1].function[0] ? count : 0;
}

static unsigned locate_table(const struct object *object, struct store *store, uint64_t address,
                             struct symbol_line *line)
{
    struct table_symbol symbol;
    char name[DEMANGLE_MOST + 8], linkage[DEMANGLE_MOST + 8];
    *line = (struct symbol_line){0};
    const char *imported = symbol_table_plt(object->main.elf, address);
    if (imported) {
        demangle(imported, name);
        strcat(name, "@plt");
        snprintf(linkage, sizeof linkage, "%.*s@plt", DEMANGLE_MOST, imported);
        line->function = intern(store, name);
        line->linkage = intern(store, linkage);
        line->file = "";
        return 1;
    }
    if (!table_find(object, address, &symbol))
        return 0;
    symbol_name(store, line, symbol.name);
    return 1;
}

unsigned object_locate(struct object *object, const struct file_search *search, struct store *store,
                       uint64_t address, struct symbol_line line[OBJECT_LINES])
{
    const unsigned count = locate_dwarf(object, search, store, address, line);
    return count ? count : locate_table(object, store, address, line);
}

uint64_t object_function_start(const struct object *object, uint64_t address)
{
    return frame_table_start(object->main.elf, address);
}

bool object_package(const struct object *object, char name[PACKAGE_NAME_MOST])
{
    return package_by_note(&object->main, name);
}

bool object_hash(const struct object *object, uint8_t hash[16])
{
    return !object->is_alone && object->main.fd >= 0 && !file_hash(object->main.fd, hash);
}
