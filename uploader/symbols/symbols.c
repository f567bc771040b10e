/* SPDX-License-Identifier: Apache-2.0 */
#include "symbols.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit.h"
#include "object.h"
#include "uploader/base/hash.h"
#include "uploader/base/store.h"

enum {
    MODULES_MOST = 16384,  /* beyond, all are one: "[other modules]" */
    SPECIALS_MOST = 16384, /* synthetic frames, and restored ones without a module */
    NAMES_MOST = 64 << 20, /* bytes of names and locations; beyond, addresses share one location */
    ATTEMPTS_MOST = 8,     /* processes in whose root a module is searched, at most */
    UNPACKED_KEPT_MOST = 1 << 20,
    NAME_MOST = 1024,
    UNKNOWN_MOST = 32768, /* locations of addresses in no module and without a name */
};

struct symbol_module {
    struct elf_module public;
    struct symbol_module *next_open; /* of those with an object */
    struct object *object;
    struct object *abandoned; /* by a guarded fault: it can neither be used nor freed */
    uint64_t used;            /* clock of the last look-up */
    unsigned attempts;
    int failed_pid, failed_root; /* where it was not found the last time */
};

/* Where an instruction is: in a module, or in generated code. */
struct place {
    const struct elf_module *module;
    uint32_t process; /* key, 0 with a module */
    uint64_t address;
};

/* What a place was found to be. */
struct known {
    const struct symbol_location *location;
    uint32_t process; /* of the place; location has the rest of it */
    bool named;
};

/* What a look-up has found. */
struct found {
    struct symbol_line *line;
    unsigned count; /* 0: no name */
    uint64_t start; /* of the function */
};

struct symbols {
    struct store store;
    const char *debug_path;
    size_t ceiling;
    uint64_t clock;
    struct hash by_identity;    /* modules, by build id or path */
    struct symbol_module *open; /* those with an object */
    struct elf_module *other_modules;
    unsigned modules, locations;
    uint64_t beyond;   /* look-ups that were given a location or module of all others */
    struct hash known; /* by place */
    struct jit jit;
    uint32_t unknown;    /* locations of addresses in no module and without a name */
    struct hash special; /* locations, by the address of their interned text */
    struct symbol_location no_memory;
    const struct symbol_location *no_room;
    struct symbol_line no_memory_line;
};

/* --- files that are cut short while they are mapped --- */

/* If somebody truncates a file, a read of its lost pages raises SIGBUS anywhere inside libelf or libdw. A jump then
   leaves the look-up. What it had open stays open, since its state is unknown. */
static sigjmp_buf guard_exit;
static volatile sig_atomic_t guard_on;

static void guard_fault(int signal_number)
{
    if (guard_on)
        siglongjmp(guard_exit, 1);
    signal(signal_number, SIG_DFL); /* not of a look-up: it comes again at once, and ends the process */
}

static void guard_start(void)
{
    struct sigaction action = {.sa_handler = guard_fault, .sa_flags = SA_NODEFER};
    sigaction(SIGBUS, &action, NULL);
}

/* --- life --- */

struct symbols *symbols_new(const char *debug_path, size_t memory_ceiling)
{
    struct symbols *symbols = calloc(1, sizeof *symbols);
    if (!symbols)
        return NULL;
    symbols->ceiling = memory_ceiling;
    symbols->debug_path = symbols_intern(symbols, debug_path ? debug_path : "");
    symbols->no_memory_line = (struct symbol_line){"[out of memory]", "[out of memory]", "", 0, 0};
    symbols->no_memory = (struct symbol_location){.id = ++symbols->locations, .line_count = 1};
    symbols->no_memory.lines = &symbols->no_memory_line;
    symbols->no_room = symbols_special(symbols, "[addresses beyond the ceiling]");
    guard_start();
    return symbols;
}

const char *symbols_intern(struct symbols *symbols, const char *text)
{
    return store_text(&symbols->store, text, strlen(text));
}

/* --- memory --- */

/* Bytes of all open modules, and the one, except keep, that was not used for longest. */
static size_t modules_bytes(const struct symbols *symbols, const struct symbol_module *keep,
                            struct symbol_module **oldest)
{
    size_t bytes = 0;
    *oldest = NULL;
    for (struct symbol_module *module = symbols->open; module; module = module->next_open) {
        bytes += object_bytes(module->object);
        object_drop_pages(module->object);
        if (module != keep && (!*oldest || module->used < (*oldest)->used))
            *oldest = module;
    }
    return bytes;
}

/* Takes it out of the list of those that are open. */
static struct object *module_take_object(struct symbols *symbols, struct symbol_module *module)
{
    struct object *object = module->object;
    struct symbol_module **link = &symbols->open;

    while (*link && *link != module)
        link = &(*link)->next_open;
    if (*link)
        *link = module->next_open;
    module->object = NULL;
    return object;
}

static void module_close(struct symbols *symbols, struct symbol_module *module)
{
    object_close(module_take_object(symbols, module));
}

static void trim_but(struct symbols *symbols, const struct symbol_module *keep)
{
    struct symbol_module *oldest;
    const size_t maps = jit_trim(&symbols->jit, symbols->ceiling / 2);
    while (modules_bytes(symbols, keep, &oldest) + maps > symbols->ceiling && oldest)
        module_close(symbols, oldest);
}

void symbols_trim(struct symbols *symbols)
{
    /* Unpacked debug information takes most memory, and to unpack it again costs milliseconds. So it lasts for one
       round. */
    for (struct symbol_module *module = symbols->open, *next; module; module = next) {
        next = module->next_open;
        if (object_unpacked(module->object) > UNPACKED_KEPT_MOST)
            module_close(symbols, module);
    }
    trim_but(symbols, NULL);
}

/* --- modules --- */

static bool module_is(const struct symbol_module *module, const char *path, const uint8_t *build_id,
                      size_t size)
{
    if (module->public.build_id_size != size)
        return false;
    return memcmp(module->public.build_id, build_id, size ? size : sizeof(uint64_t)) == 0 &&
           (size || strcmp(module->public.path, path) == 0);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    return *name ? name : "[unknown]";
}

static bool is_full(const struct symbols *symbols)
{
    return symbols->store.bytes > NAMES_MOST;
}

/* One module for all beyond the ceiling. It has no file, so addresses in it have no names. */
static const struct elf_module *other_modules(struct symbols *symbols)
{
    struct symbol_module *module;

    symbols->beyond++;
    if (symbols->other_modules)
        return symbols->other_modules;
    module = store_alloc(&symbols->store, sizeof *module);
    if (!module)
        return NULL;
    module->public.path = module->public.name = symbols_intern(symbols, "[other modules]");
    module->public.id = ++symbols->modules;
    module->attempts = ATTEMPTS_MOST;
    return symbols->other_modules = &module->public;
}

const struct elf_module *symbols_module(struct symbols *symbols, const char *path, const uint8_t *build_id,
                                        size_t build_id_size)
{
    static const uint8_t no_fingerprint[sizeof(uint64_t)];
    const size_t most = sizeof symbols->other_modules->build_id,
                 size = build_id_size < most ? build_id_size : most;
    const uint64_t hash = size ? hash_bytes(build_id, size) : hash_bytes(path, strlen(path));
    struct symbol_module *module;
    if (!build_id)
        build_id = no_fingerprint;
    for (size_t cursor = 0; (module = hash_next(&symbols->by_identity, hash, &cursor));)
        if (module_is(module, path, build_id, size))
            return &module->public;
    if (symbols->modules >= MODULES_MOST || is_full(symbols))
        return other_modules(symbols);
    module = store_alloc(&symbols->store, sizeof *module);
    if (!module || hash_add(&symbols->by_identity, hash, module))
        return NULL;
    module->public.path = symbols_intern(symbols, path);
    module->public.name = last_part(module->public.path);
    module->public.build_id_size = (uint8_t)size;
    memcpy(module->public.build_id, build_id, size ? size : sizeof no_fingerprint);
    module->public.id = ++symbols->modules;
    return &module->public;
}

/* Opens the module's files unless they are open, or this process was already asked for them. */
static struct object *module_object(struct symbols *symbols, struct symbol_module *module,
                                    const struct process_files *source)
{
    module->used = ++symbols->clock;
    if (module->object)
        return module->object;
    if (module->attempts >= ATTEMPTS_MOST ||
        (module->attempts && module->failed_pid == source->pid && module->failed_root == source->root_fd))
        return NULL;
    /* Counted first, since a guarded fault does not come back here. */
    module->attempts++;
    module->failed_pid = source->pid;
    module->failed_root = source->root_fd;
    if (object_open(&module->object, source, &module->public, symbols->debug_path) < 0) {
        module->object = NULL;
        return NULL;
    }
    module->next_open = symbols->open;
    symbols->open = module;
    module->attempts = 0;
    module->public.has_functions |= object_has_functions(module->object);
    module->public.has_lines |= object_has_lines(module->object);
    module->public.has_inlines |= object_has_lines(module->object);
    trim_but(symbols, module);
    return module->object;
}

static void module_locate(struct symbols *symbols, struct symbol_module *module,
                          const struct process_files *source, uint64_t address, struct found *found)
{
    found->start = address;
    if (sigsetjmp(guard_exit, 0) == 0) {
        guard_on = 1;
        struct object *object = module_object(symbols, module, source);
        found->count = object ? object_locate(object, &symbols->store, address, found->line) : 0;
        if (object && !found->count)
            found->start = object_function_start(object, address);
        guard_on = 0;
        return;
    }
    guard_on = 0;
    found->count = 0;
    found->start = address;
    module->abandoned = module_take_object(symbols, module);
    module->attempts = ATTEMPTS_MOST;
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
                                            const struct symbol_line *line, unsigned count)
{
    struct symbol_location *location = store_alloc(&symbols->store, sizeof *location + count * sizeof *line);
    if (!location)
        return &symbols->no_memory;
    struct symbol_line *lines = (struct symbol_line *)(location + 1);
    memcpy(lines, line, count * sizeof *line);
    *location = (struct symbol_location){place->module, place->address, ++symbols->locations, count, lines};
    return location;
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
    location = location_new(symbols, place, found->line, named ? found->count : 1);
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
    /* symbols_module() returned the first member of a struct symbol_module, which is const for callers only. */
    module_locate(symbols, (struct symbol_module *)(uintptr_t)module, source, address, &found);
    return known_fill(symbols, NULL, &place, &found);
}

const struct symbol_location *symbols_restore(struct symbols *symbols, const struct elf_module *module,
                                              uint64_t address, const struct symbol_line *line,
                                              unsigned count)
{
    const struct place place = {.module = module, .address = address};
    struct symbol_location *location;
    struct known *known = known_find(symbols, &place);

    if (known)
        return known->location;
    if (is_full(symbols))
        return no_room(symbols);
    location = location_new(symbols, &place, line, count);
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
    location = location_new(symbols, &(struct place){0}, &line, 1);
    if (location != &symbols->no_memory && hash_put(&symbols->special, (uintptr_t)text, location))
        return &symbols->no_memory;
    return location;
}

void symbols_process_ended(struct symbols *symbols, const struct process_files *source)
{
    jit_process_ended(&symbols->jit, source);
}

uint64_t symbols_beyond(const struct symbols *symbols)
{
    return symbols->beyond;
}

void symbols_free(struct symbols *symbols)
{
    if (!symbols)
        return;
    for (struct symbol_module *module = symbols->open; module; module = module->next_open)
        object_close(module->object);
    jit_free(&symbols->jit);
    hash_free(&symbols->special);
    hash_free(&symbols->known);
    hash_free(&symbols->by_identity);
    store_free(&symbols->store);
    free(symbols);
}
