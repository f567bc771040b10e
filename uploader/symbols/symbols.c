/* SPDX-License-Identifier: Apache-2.0 */
#include "symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit.h"
#include "modules.h"
#include "uploader/base/hash.h"
#include "uploader/base/store.h"

enum {
    SPECIALS_MOST = 16384, /* synthetic frames, and restored ones without a module */
    NAMES_MOST = 64 << 20, /* bytes of names and locations; beyond, addresses share one location */
    NAME_MOST = 1024,
    NOBODY = 65534,       /* user */
    UNKNOWN_MOST = 32768, /* locations of addresses in no module and without a name */
};

/* Where an instruction is: in a module, or in generated code. */
struct place {
    const struct elf_module *module;
    uint32_t process; /* key, 0 with a module */
    uint64_t address;
};

/* What a place was found to be. */
struct known {
    struct symbol_location *location;
    uint32_t process; /* of the place; location has the rest of it */
    bool named;
};

struct symbols {
    struct store store;
    size_t ceiling;
    struct modules modules;
    unsigned locations;
    uint64_t beyond;   /* look-ups that were given a location of all others */
    struct hash known; /* by place */
    struct jit jit;
    uint32_t unknown;    /* locations of addresses in no module and without a name */
    struct hash special; /* locations, by the address of their interned text */
    struct symbol_location no_memory;
    const struct symbol_location *no_room;
    struct symbol_line no_memory_line;
};

/* --- life --- */

struct symbols *symbols_new(const char *debug_path, size_t memory_ceiling)
{
    struct symbols *symbols = calloc(1, sizeof *symbols);
    if (!symbols)
        return NULL;
    symbols->ceiling = memory_ceiling;
    modules_init(&symbols->modules, &symbols->store, symbols_intern(symbols, debug_path ? debug_path : ""),
                 memory_ceiling);
    symbols->no_memory_line = (struct symbol_line){"[out of memory]", "[out of memory]", "", 0, 0};
    symbols->no_memory = (struct symbol_location){.id = ++symbols->locations, .line_count = 1};
    symbols->no_memory.lines = &symbols->no_memory_line;
    symbols->no_room = symbols_special(symbols, "[addresses beyond the ceiling]");
    return symbols;
}

const char *symbols_intern(struct symbols *symbols, const char *text)
{
    return store_text(&symbols->store, text, strlen(text));
}

/* --- memory --- */

/* What modules may take beside the maps of generated code. */
static size_t modules_room(const struct symbols *symbols)
{
    const size_t maps = jit_trim(&symbols->jit, symbols->ceiling / 2);
    return symbols->ceiling > maps ? symbols->ceiling - maps : 0;
}

void symbols_trim(struct symbols *symbols)
{
    /* Unpacked debug information takes most memory. libc's takes a tenth of a second to unpack, and a busy program
       meets new addresses in each interval. */
    modules_close_unpacked(&symbols->modules);
    modules_trim(&symbols->modules, modules_room(symbols));
}

void symbols_get_figures(const struct symbols *symbols, struct symbols_figures *figures)
{
    *figures = (struct symbols_figures){symbols->store.bytes, modules_open_bytes(&symbols->modules),
                                        symbols->locations, symbols->modules.count};
}

/* --- modules --- */

static bool is_full(const struct symbols *symbols)
{
    return symbols->store.bytes > NAMES_MOST;
}

const struct elf_module *symbols_module(struct symbols *symbols, const char *path, const uint8_t *build_id,
                                        size_t build_id_size)
{
    return modules_get(&symbols->modules, path, build_id, build_id_size, is_full(symbols));
}

const struct elf_module *symbols_module_mapped(struct symbols *symbols, const struct process_files *source,
                                               const struct elf_module *like, uint64_t address)
{
    return modules_get_mapped(&symbols->modules, source, like, address, is_full(symbols));
}

/* --- locations --- */

/* text: interned. */
static struct symbol_line line_of(const char *text)
{
    return (struct symbol_line){.function = text, .linkage = text, .file = ""};
}

static uint64_t place_hash(const struct place *place)
{
    return hash_mix(hash_mix(place->address, place->module ? place->module->id : UINT64_C(1) << 32),
                    place->process);
}

/* NULL: it was not looked for yet. */
static struct known *known_find(const struct symbols *symbols, const struct place *place)
{
    const uint64_t hash = place_hash(place);
    struct known *known;

    for (size_t cursor = 0; (known = hash_next(&symbols->known, hash, &cursor));)
        if (known->location->module == place->module && known->location->address == place->address &&
            known->process == place->process)
            break;
    return known;
}

static struct known *known_add(struct symbols *symbols, const struct place *place)
{
    struct known *known = store_alloc(&symbols->store, sizeof *known);

    if (!known || hash_add(&symbols->known, place_hash(place), known))
        return NULL;
    known->process = place->process;
    return known;
}

static struct symbol_location *location_new(struct symbols *symbols, const struct place *place,
                                            const struct symbol_line *line, unsigned count, bool unnamed)
{
    struct symbol_location *location = store_alloc(&symbols->store, sizeof *location + count * sizeof *line);
    if (!location)
        return &symbols->no_memory;
    struct symbol_line *lines = (struct symbol_line *)(location + 1);
    memcpy(lines, line, count * sizeof *line);
    *location =
        (struct symbol_location){place->module, place->address, ++symbols->locations, count, lines, unnamed};
    return location;
}

/* In place: stacks and profiles that have the location have its new names. */
static void location_rename(struct symbols *symbols, struct symbol_location *location,
                            const struct found *found)
{
    struct symbol_line *lines = store_alloc(&symbols->store, found->count * sizeof *lines);

    if (!lines)
        return;
    memcpy(lines, found->line, found->count * sizeof *lines);
    location->lines = lines;
    location->line_count = found->count;
    location->unnamed = false;
}

/* All addresses of a function without a name share one line, if the function's start is known. */
static struct symbol_line line_unnamed(struct symbols *symbols, const struct elf_module *module,
                                       uint64_t start)
{
    char name[NAME_MOST];
    snprintf(name, sizeof name, "%.900s+0x%" PRIx64, module ? module->name : "[unknown]", start);
    return line_of(symbols_intern(symbols, name));
}

/* known: of this place, which had no name so far; or NULL. */
static const struct symbol_location *known_fill(struct symbols *symbols, struct known *known,
                                                const struct place *place, const struct found *found)
{
    const bool named = found->count > 0, is_new = !known;
    struct symbol_location *location;

    if (known && !named)
        return known->location;
    if (!named && !place->module && symbols->unknown >= UNKNOWN_MOST)
        return symbols_special(symbols, "[unknown]");
    if (!named)
        *found->line = line_unnamed(symbols, place->module, found->start);
    location = location_new(symbols, place, found->line, named ? found->count : 1, !named);
    if (location == &symbols->no_memory || (is_new && !(known = known_add(symbols, place))))
        return &symbols->no_memory;
    if (!place->module)
        symbols->unknown += is_new ? !named : -1u;
    known->named = named;
    return known->location = location;
}

static const struct symbol_location *no_room(struct symbols *symbols)
{
    symbols->beyond++;
    return symbols->no_room;
}

/* Addresses without a name are looked up again each time, because compilers write a function's name after its first
   run. */
static const struct symbol_location *locate_generated(struct symbols *symbols,
                                                      const struct process_files *source, uint64_t address)
{
    char name[JIT_NAME_MOST];
    struct symbol_line line;
    size_t length;
    struct jit_process *process = jit_find(&symbols->jit, source);
    struct place place = {.address = address};
    struct found found = {.line = &line, .start = address};
    struct known *known;

    if (!process)
        return &symbols->no_memory;
    place.process = jit_key(process);
    known = known_find(symbols, &place);
    if (known && known->named)
        return known->location;
    if (is_full(symbols))
        return no_room(symbols);
    length = jit_name(&symbols->jit, process, source, address, name);
    found.count = length > 0;
    line = line_of(length ? store_text(&symbols->store, name, length) : "");
    if (jit_key(process) != place.process) {
        place.process = jit_key(process);
        known = known_find(symbols, &place);
    }
    return known_fill(symbols, known, &place, &found);
}

const struct symbol_location *symbols_locate(struct symbols *symbols, const struct process_files *source,
                                             const struct elf_module *module, uint64_t address)
{
    const struct place place = {.module = module, .address = address};
    struct symbol_line line[OBJECT_LINES];
    struct found found = {.line = line};
    const struct known *known;

    if (!module)
        return locate_generated(symbols, source, address);
    known = known_find(symbols, &place);
    if (known)
        return known->location;
    if (is_full(symbols))
        return no_room(symbols);
    modules_locate(&symbols->modules, module, source, address, &found);
    if (!found.count)
        modules_want(&symbols->modules, module, source);
    return known_fill(symbols, NULL, &place, &found);
}

const struct symbol_location *symbols_restore(struct symbols *symbols, const struct elf_module *module,
                                              uint64_t address, const struct symbol_line *line,
                                              unsigned count)
{
    const struct place place = {.module = module, .address = address};
    struct symbol_line unnamed;
    struct symbol_location *location;
    struct known *known = known_find(symbols, &place);

    if (known)
        return known->location;
    if (is_full(symbols))
        return no_room(symbols);
    if (!count) {
        unnamed = line_unnamed(symbols, module, address);
        line = &unnamed;
    }
    location = location_new(symbols, &place, line, count ? count : 1, !count);
    if (location == &symbols->no_memory || !(known = known_add(symbols, &place)))
        return &symbols->no_memory;
    known->named = true;
    return known->location = location;
}

const struct symbol_location *symbols_special(struct symbols *symbols, const char *name)
{
    const char *text = symbols_intern(symbols, name);
    struct symbol_location *location = hash_get(&symbols->special, (uintptr_t)text);
    if (location)
        return location;
    if (symbols->special.used >= SPECIALS_MOST)
        return no_room(symbols);
    const struct symbol_line line = line_of(text);
    location = location_new(symbols, &(struct place){0}, &line, 1, false);
    if (location != &symbols->no_memory && hash_put(&symbols->special, (uintptr_t)text, location))
        return &symbols->no_memory;
    return location;
}

/* --- names that come later --- */

/* Its files are read as nobody's in particular, since the process that ran it may be gone. */
static void rename_all(struct symbols *symbols, const struct elf_module *module)
{
    struct symbol_line line[OBJECT_LINES];
    struct owner nobody;
    struct known *known;

    owner_begin(&nobody, NOBODY);
    for (size_t cursor = 0; (known = hash_each(&symbols->known, &cursor)) && !is_full(symbols);) {
        struct found found = {.line = line};
        if (known->location->module != module)
            continue;
        modules_locate(&symbols->modules, module,
                       &(struct process_files){.root_fd = -1, .exe_fd = -1, .owner = &nobody},
                       known->location->address, &found);
        if (found.count)
            location_rename(symbols, known->location, &found);
    }
    modules_close(&symbols->modules, module); /* with a process's files, there may be more of it */
}

void symbols_ask_servers(struct symbols *symbols)
{
    symbols->modules.debuginfod = debuginfod_new();
}

bool symbols_take_fetched(struct symbols *symbols)
{
    const struct elf_module *module;
    bool any = false;

    while ((module = modules_fetched(&symbols->modules))) {
        rename_all(symbols, module);
        any = true;
    }
    return any;
}

bool symbols_wait(struct symbols *symbols, int ms)
{
    return symbols->modules.debuginfod && debuginfod_wait(symbols->modules.debuginfod, ms);
}

void symbols_process_ended(struct symbols *symbols, const struct process_files *source)
{
    jit_process_ended(&symbols->jit, source);
}

uint64_t symbols_beyond(const struct symbols *symbols)
{
    return symbols->beyond + symbols->modules.beyond;
}

void symbols_free(struct symbols *symbols)
{
    if (!symbols)
        return;
    modules_free(&symbols->modules);
    jit_free(&symbols->jit);
    hash_free(&symbols->special);
    hash_free(&symbols->known);
    store_free(&symbols->store);
    free(symbols);
}
