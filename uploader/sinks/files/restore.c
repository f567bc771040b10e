/* SPDX-License-Identifier: Apache-2.0 */
#include "restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "intervals.h"
#include "uploader/base/clock.h"
#include "uploader/encoding/gunzip.h"
#include "uploader/options/log.h"
#include "uploader/pprof/profile.pb-c.h"
#include "uploader/programs/names.h"
#include "uploader/upload/sink.h"

enum {
    FILE_MOST = 8 << 20,
    TEXT_MOST = 32 << 20, /* inflated */
    LINES_MOST = 64,
    FRAMES_MOST = 1024,
};

struct restoring {
    struct programs *programs;
    const Cprof__Profile *from;
    const struct symbol_location **location; /* by id - 1; NULL: makes no sense */
};

static const char *text_at(const struct restoring *restoring, int64_t index)
{
    const Cprof__Profile *from = restoring->from;
    return index > 0 && (uint64_t)index < from->n_string_table ? from->string_table[index] : "";
}

static size_t read_hex(const char *text, uint8_t *bytes, size_t room)
{
    size_t count = 0;
    for (unsigned byte; count < room && sscanf(text, "%2x", &byte) == 1 && text[1]; text += 2)
        bytes[count++] = (uint8_t)byte;
    return count;
}

static const struct elf_module *module_of(const struct restoring *restoring, uint64_t id)
{
    const Cprof__Profile *from = restoring->from;
    uint8_t build_id[sizeof(((struct elf_module *)0)->build_id)];
    const Cprof__Mapping *mapping;
    size_t size;

    if (!id || id > from->n_mapping)
        return NULL;
    mapping = from->mapping[id - 1];
    size = read_hex(text_at(restoring, mapping->build_id), build_id, sizeof build_id);
    return symbols_module(restoring->programs->symbols, text_at(restoring, mapping->filename),
                          size ? build_id : NULL, size);
}

static const struct symbol_location *location_of(const struct restoring *restoring,
                                                 const Cprof__Location *from)
{
    struct symbols *symbols = restoring->programs->symbols;
    const struct elf_module *module = module_of(restoring, from->mapping_id);
    uint64_t base = module ? restoring->from->mapping[from->mapping_id - 1]->memory_start : 0;
    struct symbol_line line[LINES_MOST];
    unsigned count = 0;

    for (size_t i = 0; i < from->n_line && count < LINES_MOST; i++) {
        uint64_t id = from->line[i]->function_id;
        const Cprof__Function *function =
            id && id <= restoring->from->n_function ? restoring->from->function[id - 1] : NULL;
        if (!function)
            continue;
        line[count++] = (struct symbol_line){
            .function = symbols_intern(symbols, text_at(restoring, function->name)),
            .linkage = symbols_intern(symbols, text_at(restoring, function->system_name)),
            .file = symbols_intern(symbols, text_at(restoring, function->filename)),
            .line = from->line[i]->line,
            .start_line = function->start_line,
        };
    }
    if (!count && (!module || from->n_line))
        return NULL;
    if (!module)
        return symbols_special(symbols, line[0].function);
    return symbols_restore(symbols, module, from->address - base, line, count);
}

static bool is_without(const struct restore_without *without, pid_t pid)
{
    return hash_get(without->pids, (uint64_t)pid) || (without->alive && (!kill(pid, 0) || errno == EPERM));
}

static void take_labels(const struct restoring *restoring, const Cprof__Sample *sample,
                        struct profile_sample *made, int64_t *pid)
{
    struct label_list list = {.count = 0};
    const char *thread = "";

    for (size_t i = 0; i < sample->n_label; i++) {
        const char *key = text_at(restoring, sample->label[i]->key),
                   *text = text_at(restoring, sample->label[i]->str);
        if (!strcmp(key, "pid"))
            *pid = sample->label[i]->num;
        else if (!strcmp(key, "thread"))
            thread = text;
        else if (sample->label[i]->str && !label_is_reserved(key) && list.count < PROFILE_LABELS)
            list.label[list.count++] = (struct profile_label){key, text, NULL};
    }
    made->thread = programs_thread_name(restoring->programs, thread);
    made->labels = label_sets_get(&restoring->programs->label_sets, &list);
}

static int restore_sample(const struct restoring *restoring, struct profile *into,
                          const Cprof__Sample *sample, const struct restore_without *without)
{
    const struct symbol_location *frame[FRAMES_MOST];
    const unsigned values = profile_get_kind(into)->values;
    struct profile_sample made = {.thread = "", .frame = frame};
    int64_t pid = 0;

    take_labels(restoring, sample, &made, &pid);
    if (pid < 0 || pid > INT32_MAX || sample->n_value != values || (pid && is_without(without, (pid_t)pid)))
        return 0;
    for (size_t i = 0; i < sample->n_location_id && made.frames < FRAMES_MOST; i++) {
        uint64_t id = sample->location_id[i];
        if (id && id <= restoring->from->n_location && restoring->location[id - 1])
            frame[made.frames++] = restoring->location[id - 1];
    }
    if (!made.frames)
        return 0;
    made.pid = (uint32_t)pid;
    memcpy(made.value, sample->value, values * sizeof made.value[0]);
    return profile_add_thread(into, &made, restoring->programs->overflow);
}

int restore_profile(struct programs *programs, struct profile *into, const uint8_t *data, size_t size,
                    const struct restore_without *without, int64_t *time_ns)
{
    struct restoring restoring = {.programs = programs};
    Cprof__Profile *from = NULL;
    uint8_t *text;
    size_t used;
    int rc = gunzip_all(data, size, TEXT_MOST, &text, &used);

    if (!rc)
        from = cprof__profile__unpack(NULL, used, text);
    free(text);
    if (!from)
        return rc ? rc : -EINVAL;
    restoring.from = from;
    restoring.location = calloc(from->n_location + 1, sizeof(struct symbol_location *));
    rc = restoring.location ? 0 : -ENOMEM;
    for (size_t i = 0; i < from->n_location && !rc; i++)
        restoring.location[i] = location_of(&restoring, from->location[i]);
    for (size_t i = 0; i < from->n_sample && !rc; i++)
        rc = restore_sample(&restoring, into, from->sample[i], without);
    *time_ns = from->time_nanos;
    free(restoring.location);
    cprof__profile__free_unpacked(from, NULL);
    return rc;
}

/* What was written since then, whole. *data is the caller's. */
static int read_file(int directory, const char *name, int64_t since_ns, uint8_t **data, size_t *size)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc = -ENOENT;
    struct stat st;

    *data = NULL;
    *size = 0;
    if (fd < 0)
        return -errno;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= FILE_MOST &&
        st.st_mtim.tv_sec * SECOND_NS + st.st_mtim.tv_nsec >= since_ns &&
        (*data = malloc((size_t)st.st_size + 1))) {
        ssize_t got = read(fd, *data, (size_t)st.st_size);
        *size = got > 0 ? (size_t)got : 0;
        (*data)[*size] = 0;
        rc = got == st.st_size ? 0 : -EIO;
    }
    close(fd);
    return rc;
}

static void restore_kind(struct programs *programs, struct program *program, int directory, int64_t since_ns,
                         enum profile_kind_id kind, const struct restore_without *without)
{
    int64_t time_ns = 0, start_ns;
    char name[64];
    uint8_t *data;
    size_t size;
    int rc;

    snprintf(name, sizeof name, "%s.pb.gz", profile_kinds[kind].name);
    rc = read_file(directory, name, since_ns, &data, &size);
    if (!rc && !program->merged[kind])
        program->merged[kind] = profile_new(&profile_kinds[kind], PROGRAM_STACKS);
    if (!rc && program->merged[kind]) {
        size_t before = profile_size(program->merged[kind]);
        rc = restore_profile(programs, program->merged[kind], data, size, without, &time_ns);
        programs->samples += profile_size(program->merged[kind]) - before;
    }
    free(data);
    if (rc && rc != -ENOENT)
        log_warn("the %s profile that an earlier uploader wrote for %s cannot be read: %s",
                 profile_kinds[kind].name, program->name, strerror(-rc));
    start_ns = time_ns - clock_ns(CLOCK_REALTIME) + monotonic_ns();
    if (!rc && time_ns > 0 && start_ns < program->start_ns)
        program->start_ns = start_ns;
    program->changed |= !rc;
}

static void restore_program(struct programs *programs, int directory, int64_t since_ns,
                            const struct restore_without *without)
{
    char text[3][ID_TEXT_BYTES];
    struct program *program;
    uint8_t *mark;
    size_t size;

    if (read_file(directory, DIRECTORY_MARK, 0, &mark, &size) ||
        id_read((const char *)mark, text[0], text[1], text[2]))
        program = NULL;
    else
        program = *text[1] ? programs_get(programs, text[0], text[1], text[2]) : programs_get_other(programs);
    free(mark);
    for (int kind = 0; program && kind < KIND_IDS; kind++)
        if (kind != KIND_ID_THREADS && kind != KIND_ID_THREADCREATE)
            restore_kind(programs, program, directory, since_ns, (enum profile_kind_id)kind, without);
}

void restore_programs(struct programs *programs, int directory, int64_t since_ns,
                      const struct restore_without *without)
{
    DIR *list = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    for (struct dirent *entry; list && (entry = readdir(list));) {
        struct stat st;
        int fd;
        if (*entry->d_name == '.')
            continue;
        fd = openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        /* A file that is renamed into it changes the directory. */
        if (fd >= 0 && !fstat(fd, &st) && st.st_mtim.tv_sec * SECOND_NS + st.st_mtim.tv_nsec >= since_ns)
            restore_program(programs, fd, since_ns, without);
        if (fd >= 0)
            close(fd);
    }
    if (list)
        closedir(list);
}
