/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uploader/base/array.h"
#include "uploader/base/clock.h"
#include "uploader/page/page.h"

enum {
    MOST_WHOLE_BYTES = 8 << 20,    /* of the sessions' profiles of all programs, compressed */
    MOST_INTERVAL_BYTES = 4 << 20, /* of all intervals */
    FILE_NAME_BYTES = 64,
};

struct program {
    char directory[DIRECTORY_NAME_BYTES]; /* "": none of this number yet */
    char *service;
    int64_t start_ms;
    unsigned kinds; /* that have a file, a bit each */
};

struct report {
    struct program *program; /* by its number */
    size_t programs;
};

/* A page on its way to the file. */
struct writing {
    struct page page;
    struct page_left_out left_out;
    size_t room; /* for the files that come next */
    int out;
};

int report_note(struct report *report, const struct upload *upload, const char *directory)
{
    struct program *program =
        array_reserve(report->program, &report->programs, upload->number, sizeof *program);
    char *service = program ? strdup(upload->service) : NULL;

    if (program)
        report->program = program;
    if (!service)
        return -ENOMEM;
    program += upload->number;
    free(program->service);
    program->service = service;
    snprintf(program->directory, sizeof program->directory, "%s", directory);
    program->start_ms = upload->session_start_ns / MS_NS;
    program->kinds = 0;
    for (unsigned i = 0; i < KIND_IDS; i++)
        program->kinds |= upload->merged[i] ? 1u << i : 0;
    return 0;
}

/* The file's content is malloc'ed. NULL: it cannot be read, or is larger than room; then *size is what it has. */
static void *read_file(int directory, const char *name, size_t room, size_t *size)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    void *data = NULL;

    *size = 0;
    if (fd < 0)
        return NULL;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0)
        *size = (size_t)st.st_size;
    if (*size && *size <= room)
        data = malloc(*size);
    if (data && read(fd, data, *size) != (ssize_t)*size) {
        free(data);
        data = NULL;
        *size = 0;
    }
    close(fd);
    return data;
}

/* false: it has no room. One that cannot be read is somebody's who tidied up, and not missed. */
static bool add_file(struct writing *writing, int directory, const char *name, const struct page_file *as)
{
    struct page_file file = *as;
    void *data = read_file(directory, name, writing->room, &file.size);

    if (data) {
        file.data = data;
        file.name = name;
        page_add(&writing->page, &file);
        writing->room -= file.size;
    }
    free(data);
    return data || !file.size;
}

static void add_program(struct writing *writing, const struct program *program)
{
    struct page_file file = {.program = program->directory, .service = program->service};
    int directory = openat(writing->out, program->directory, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool fits = true;

    for (unsigned kind = 0; directory >= 0 && kind < KIND_IDS; kind++) {
        char name[FILE_NAME_BYTES];
        if (!(program->kinds >> kind & 1))
            continue;
        file.kind = profile_kinds[kind].name;
        snprintf(name, sizeof name, "%s.pb.gz", file.kind);
        fits &= add_file(writing, directory, name, &file);
    }
    if (directory >= 0)
        close(directory);
    if (!fits)
        writing->left_out.programs++;
}

/* The program of this session whose interval it is, or NULL. */
static const struct program *find_program(const struct report *report, const struct interval_files *interval)
{
    for (size_t i = 0; i < report->programs; i++) {
        const struct program *program = &report->program[i];
        if (!strcmp(program->directory, interval->directory))
            return interval->stamp_ms >= program->start_ms ? program : NULL;
    }
    return NULL;
}

static void add_interval(struct writing *writing, const struct program *program,
                         const struct interval_files *interval)
{
    struct page_file file = {.program = program->directory, .service = program->service, .interval = true};
    char path[DIRECTORY_NAME_BYTES + sizeof INTERVALS_NAME + 1];
    int directory;
    bool fits = true;

    snprintf(path, sizeof path, "%s/%s", program->directory, INTERVALS_NAME);
    directory = openat(writing->out, path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    for (unsigned kind = 0; directory >= 0 && kind < KIND_IDS; kind++) {
        char name[INTERVAL_NAME_BYTES];
        if (!(interval->kinds >> kind & 1))
            continue;
        intervals_name(interval->stamp_ms, kind, name);
        file.kind = profile_kinds[kind].name;
        fits &= add_file(writing, directory, name, &file);
    }
    if (directory >= 0)
        close(directory);
    if (fits)
        return;
    writing->room = 0; /* those before it would leave a gap */
    writing->left_out.intervals++;
    writing->left_out.bytes += interval->bytes;
}

/* The newest ones first, so that the oldest are left out. */
static void add_intervals(struct writing *writing, const struct report *report,
                          const struct intervals *intervals)
{
    struct interval_files interval;

    writing->room = MOST_INTERVAL_BYTES;
    for (size_t i = 0; intervals_get(intervals, i, &interval); i++) {
        const struct program *program = find_program(report, &interval);
        if (program && writing->room) {
            add_interval(writing, program, &interval);
        } else if (program) {
            writing->left_out.intervals++;
            writing->left_out.bytes += interval.bytes;
        }
    }
}

int report_write(const struct report *report, const struct intervals *intervals, int out, FILE *to)
{
    static const struct page_head head;
    struct writing writing = {.room = MOST_WHOLE_BYTES, .out = out};

    page_begin(&writing.page, &head, to);
    for (size_t i = 0; i < report->programs; i++)
        if (*report->program[i].directory)
            add_program(&writing, &report->program[i]);
    add_intervals(&writing, report, intervals);
    return page_end(&writing.page, &writing.left_out);
}

struct report *report_new(void)
{
    return calloc(1, sizeof(struct report));
}

void report_free(struct report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < report->programs; i++)
        free(report->program[i].service);
    free(report->program);
    free(report);
}
