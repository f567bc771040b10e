/* SPDX-License-Identifier: Apache-2.0 */
#include "modules.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/elf/elf_dynamic.h"
#include "uploader/encoding/utf8.h"
#include "uploader/process/proc_text.h"

enum {
    MODULES_MOST = 16384,         /* beyond, all are one: "[other modules]" */
    ATTEMPTS_MOST = 8,            /* processes in whose root a module is searched, at most */
    UNPACKED_KEPT_MOST = 1 << 20, /* bytes that are worth to be given back early */
    PACKAGES_MOST = 16,           /* modules whose package is looked for */
    MODULE_LINE = 4096 + 128,     /* of /proc/PID/maps */
};

#define UNPACKED_KEPT_NS (60 * SECOND_NS)

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

void modules_init(struct modules *modules, struct store *store, const char *debug_path, size_t room)
{
    modules->room = room;
    modules->store = store;
    modules->debug_path = debug_path;
    guard_start();
}

void modules_free(struct modules *modules)
{
    struct symbol_module *module;

    for (module = modules->open; module; module = module->next_open)
        object_close(module->object);
    for (size_t cursor = 0; (module = hash_each(&modules->by_identity, &cursor));)
        if (module->fetched)
            close(module->fetched - 1);
    debuginfod_free(modules->debuginfod);
    hash_free(&modules->by_identity);
}

static const char *intern(struct modules *modules, const char *text)
{
    return store_text(modules->store, text, strlen(text));
}

/* modules_get() returned the first member of a struct symbol_module, which is const for callers only. */
static struct symbol_module *module_of(const struct elf_module *public)
{
    return (struct symbol_module *)(uintptr_t) public;
}

/* --- memory --- */

/* Bytes of all open modules, and the one, except keep, that was not used for longest. */
static size_t modules_bytes(const struct modules *modules, const struct symbol_module *keep,
                            struct symbol_module **oldest)
{
    size_t bytes = 0;
    *oldest = NULL;
    for (struct symbol_module *module = modules->open; module; module = module->next_open) {
        bytes += object_bytes(module->object);
        object_drop_pages(module->object);
        if (module != keep && (!*oldest || module->used_ns < (*oldest)->used_ns))
            *oldest = module;
    }
    return bytes;
}

size_t modules_open_bytes(const struct modules *modules)
{
    size_t bytes = 0;
    for (const struct symbol_module *module = modules->open; module; module = module->next_open)
        bytes += object_bytes(module->object);
    return bytes;
}

/* Takes it out of the list of those that are open. */
static struct object *module_take_object(struct modules *modules, struct symbol_module *module)
{
    struct object *object = module->object;
    struct symbol_module **link = &modules->open;

    while (*link && *link != module)
        link = &(*link)->next_open;
    if (*link)
        *link = module->next_open;
    module->object = NULL;
    return object;
}

static void module_close(struct modules *modules, struct symbol_module *module)
{
    object_close(module_take_object(modules, module));
}

static void trim_but(struct modules *modules, const struct symbol_module *keep)
{
    struct symbol_module *oldest;
    while (modules_bytes(modules, keep, &oldest) > modules->room && oldest)
        module_close(modules, oldest);
}

void modules_trim(struct modules *modules, size_t room)
{
    modules->room = room;
    trim_but(modules, NULL);
}

void modules_close(struct modules *modules, const struct elf_module *public)
{
    module_close(modules, module_of(public));
}

void modules_close_unpacked(struct modules *modules)
{
    const int64_t since_ns = monotonic_ns() - UNPACKED_KEPT_NS;
    for (struct symbol_module *module = modules->open, *next; module; module = next) {
        next = module->next_open;
        if (object_unpacked(module->object) > UNPACKED_KEPT_MOST && module->used_ns < since_ns)
            module_close(modules, module);
    }
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

/* One module for all beyond the ceiling. It has no file, so addresses in it have no names. */
static const struct elf_module *other_modules(struct modules *modules)
{
    struct symbol_module *module;

    modules->beyond++;
    if (modules->other)
        return modules->other;
    module = store_alloc(modules->store, sizeof *module);
    if (!module)
        return NULL;
    module->public.path = module->public.name = intern(modules, "[other modules]");
    module->public.id = ++modules->count;
    module->attempts = ATTEMPTS_MOST;
    return modules->other = &module->public;
}

const struct elf_module *modules_get(struct modules *modules, const char *path, const uint8_t *build_id,
                                     size_t build_id_size, bool full)
{
    static const uint8_t no_fingerprint[sizeof(uint64_t)];
    const size_t most = sizeof modules->other->build_id, size = build_id_size < most ? build_id_size : most;
    const uint64_t hash = size ? hash_bytes(build_id, size) : hash_bytes(path, strlen(path));
    struct symbol_module *module;
    if (!build_id)
        build_id = no_fingerprint;
    for (size_t cursor = 0; (module = hash_next(&modules->by_identity, hash, &cursor));)
        if (module_is(module, path, build_id, size))
            return &module->public;
    if (modules->count >= MODULES_MOST || full)
        return other_modules(modules);
    module = store_alloc(modules->store, sizeof *module);
    if (!module || hash_add(&modules->by_identity, hash, module))
        return NULL;
    module->public.path = intern(modules, path);
    module->public.name = last_part(module->public.path);
    module->public.build_id_size = (uint8_t)size;
    memcpy(module->public.build_id, build_id, size ? size : sizeof no_fingerprint);
    module->public.id = ++modules->count;
    return &module->public;
}

/* Opens the module's files unless they are open, or this process was already asked for them. */
static struct object *module_object(struct modules *modules, struct symbol_module *module,
                                    const struct process_files *source, const struct file_search *search)
{
    module->used_ns = monotonic_ns();
    if (module->object)
        return module->object;
    if (module->attempts >= ATTEMPTS_MOST ||
        (module->attempts && module->failed_pid == source->pid && module->failed_root == source->root_fd))
        return NULL;
    /* Counted first, since a guarded fault does not come back here. */
    module->attempts++;
    module->failed_pid = source->pid;
    module->failed_root = source->root_fd;
    if (object_open(&module->object, source, &module->public, search) < 0) {
        module->object = NULL;
        return NULL;
    }
    module->next_open = modules->open;
    modules->open = module;
    module->attempts = 0;
    if (!module->public.has_htlhash)
        module->public.has_htlhash = object_hash(module->object, module->public.htlhash);
    module->public.has_functions |= object_has_functions(module->object);
    module->public.has_lines |= object_has_lines(module->object);
    module->public.has_inlines |= object_has_lines(module->object);
    trim_but(modules, module);
    return module->object;
}

void modules_locate(struct modules *modules, const struct elf_module *public,
                    const struct process_files *source, uint64_t address, struct found *found)
{
    struct symbol_module *module = module_of(public);
    const int fetched = module->fetched - 1;
    const struct file_search search = {source->root_fd, modules->debug_path, source->owner,
                                       module->fetched ? &fetched : NULL};
    found->start = address;
    if (sigsetjmp(guard_exit, 0) == 0) {
        guard_on = 1;
        struct object *object = module_object(modules, module, source, &search);
        found->count = object ? object_locate(object, &search, modules->store, address, found->line) : 0;
        if (object && !found->count)
            found->start = object_function_start(object, address);
        guard_on = 0;
        return;
    }
    guard_on = 0;
    found->count = 0;
    found->start = address;
    module->abandoned = module_take_object(modules, module);
    module->attempts = ATTEMPTS_MOST;
}

/* --- debug files that are fetched --- */

/* By its own file, if that is open, else by the lists in the process's root, which takes some milliseconds. */
static void package_find(struct modules *modules, struct symbol_module *module,
                         const struct process_files *source)
{
    char name[PACKAGE_NAME_MOST];
    volatile bool found = false;
    if (modules->looked == PACKAGES_MOST)
        return;
    modules->looked++;
    if (sigsetjmp(guard_exit, 0) == 0) {
        guard_on = 1;
        found = module->object && object_package(module->object, name);
    }
    guard_on = 0;
    if (found || package_by_path(source, module->public.path, name))
        module->public.package = intern(modules, name);
}

void modules_want(struct modules *modules, const struct elf_module *public,
                  const struct process_files *source)
{
    struct symbol_module *module = module_of(public);

    if (module->wanted || public == modules->other)
        return;
    module->wanted = true;
    package_find(modules, module, source);
    if (modules->debuginfod && public->build_id_size)
        debuginfod_ask(modules->debuginfod, public->build_id, public->build_id_size);
}

/* A server may send anything. */
static bool is_debug_file(const struct debuginfod_answer *answer)
{
    struct elf_file file;
    struct build_id id;

    if (elf_file_open(&file, dup(answer->fd)) < 0)
        return false;
    id = elf_file_build_id(&file);
    elf_file_close(&file);
    return id.size == answer->size && memcmp(id.byte, answer->id, id.size) == 0;
}

const struct elf_module *modules_fetched(struct modules *modules)
{
    struct debuginfod_answer answer;
    struct symbol_module *module;

    while (modules->debuginfod && debuginfod_next(modules->debuginfod, &answer)) {
        const uint64_t hash = hash_bytes(answer.id, answer.size);
        if (answer.fd < 0)
            continue;
        for (size_t cursor = 0; (module = hash_next(&modules->by_identity, hash, &cursor));)
            if (module_is(module, "", answer.id, answer.size))
                break;
        if (module && !module->fetched && is_debug_file(&answer)) {
            module_close(modules, module);
            module->fetched = answer.fd + 1;
            module->attempts = 0;
            return &module->public;
        }
        debuginfod_reject(&answer);
        close(answer.fd);
    }
    return NULL;
}

/* --- files without a path --- */

/* What the loader was given for a file that has no name in any directory. */
static bool is_descriptor(const char *path)
{
    static const char *const places[] = {"/proc/", "/dev/fd/", "/memfd:"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strncmp(path, places[i], strlen(places[i])) == 0)
            return true;
    return false;
}

static bool can_be_opened(const struct process_files *source, const char *path)
{
    const int fd = owner_open(source->owner, source->root_fd, path);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The line of /proc/PID/maps that covers the address. */
static bool find_mapping(int pid, uint64_t address, char text[MODULE_LINE], struct proc_mapping *line)
{
    char path[64];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(text, MODULE_LINE, file))
        found = proc_mapping_parse(text, line) && line->start <= address && address < line->end;
    if (file)
        fclose(file);
    return found;
}

/* The kernel shows the file to root alone. It may be on a file system that hangs, so it is opened as its owner opens it. */
static int open_mapped(const struct process_files *source, const struct proc_mapping *line)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/map_files/%lx-%lx", source->own_pid, (unsigned long)line->start,
             (unsigned long)line->end);
    if (!source->owner || source->owner->trusted)
        return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const int place = open(path, O_PATH | O_CLOEXEC);
    const int fd = place < 0 ? -1 : owner_open(source->owner, place, "");
    if (place >= 0)
        close(place);
    return fd;
}

/* What the loader keeps in memory: exports, and where functions begin. */
static int copy_mapped(const struct process_files *source, const struct proc_mapping *line)
{
    uint8_t *image;
    size_t size;
    int fd;
    if (line->offset ||
        elf_dynamic_make_of_process(source->own_pid, source->owner, line->start, &image, &size) < 0)
        return -1;
    fd = memfd_create("cprof-module", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, image, size) != (ssize_t)size) {
        close(fd);
        fd = -1;
    }
    free(image);
    return fd;
}

static void module_secure(struct symbol_module *module, const struct process_files *source,
                          const struct proc_mapping *line)
{
    int fd = open_mapped(source, line);
    if (fd < 0)
        fd = copy_mapped(source, line);
    if (fd >= 0)
        module->fetched = fd + 1;
}

const struct elf_module *modules_get_mapped(struct modules *modules, const struct process_files *source,
                                            const struct elf_module *like, uint64_t address, bool full)
{
    static const char gone[] = " (deleted)";
    char text[MODULE_LINE], path[MODULE_LINE];
    struct proc_mapping line;
    const bool is_odd = is_descriptor(like->path);
    const bool is_lost = source->own_pid && like->path[0] == '/' &&
                         (is_odd || !can_be_opened(source, like->path)) &&
                         find_mapping(source->own_pid, address, text, &line);
    const struct elf_module *module;

    utf8_clean(path, sizeof path, is_lost && is_odd && line.path[0] ? line.path : like->path, true);
    const size_t length = strlen(path);
    if (is_odd && length > strlen(gone) && !strcmp(path + length - strlen(gone), gone))
        path[length - strlen(gone)] = '\0';
    module = modules_get(modules, path, like->build_id, like->build_id_size, full);
    if (module && is_lost && like->build_id_size && !module_of(module)->fetched && module != modules->other)
        module_secure(module_of(module), source, &line);
    return module;
}
