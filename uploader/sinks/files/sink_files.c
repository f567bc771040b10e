/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles as files:
 *  OUT/<program>/<type>.pb.gz                     the session so far
 *  OUT/<program>/threads.txt, threads-each.txt    the threads as text, by stack and one by one
 *  OUT/<program>/intervals/<time>-<type>.pb.gz    each interval, as CPROF_KEEP says
 *  OUT/<program>/.cprof                           which program, service and labels they are of
 *  OUT/report.html                                all of it, to look at
 * A file is written beside its place and then renamed, so that a reader finds the old or the new one, never a
 * part. One uploader writes to a directory at a time: flock() on the directory itself leaves nothing behind.
 * A program's directory belongs to the first (program, service, labels) that wrote to it, in this session or
 * an earlier one: another of the same name gets another directory.
 */
#include "uploader/options/log.h"
#include "uploader/pprof/encode.h"
#include "uploader/upload/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "intervals.h"
#include "report.h"
#include "threads_text.h"
#include "uploader/base/clock.h"
#include "uploader/options/paths.h"

enum {
    DIRECTORIES = 9,   /* OUT, OUT-2 ... OUT-9 */
    NAMES = 99,        /* of a program's directory that are tried */
    TRIAL = 64 * 1024, /* bytes: less room than that is none */
    REPORT_SHARE = 50, /* making the report takes at most one part in so many of the time */
};
#define REPORT_GRACE_NS (10 * SECOND_NS)

enum part { PART_PROFILES = 1, PART_REPORT = 2 };

struct sink_files {
    struct sink sink;
    char path[sizeof(((struct options *)0)->out) + 4];
    int directory;
    struct setting_keep keep;
    struct intervals *intervals;
    unsigned char *name; /* by a program's number: which of its names its directory has */
    unsigned names;
    struct report *report;
    bool report_due, report_final; /* final: now, whatever it costs */
    int64_t report_ns, start_ns;   /* spent for the report; CLOCK_MONOTONIC of the start */
    unsigned broken;               /* enum part: what could not be written the last time */
};

/* A full disk fails every file of every interval: said once, and once that all can be written again. */
static int note_result(struct sink_files *files, enum part part, const char *name, int error)
{
    unsigned before = files->broken;
    files->broken = error ? before | part : before & ~part;
    if (error && !before)
        log_warn("cannot write %s in %s: %s; tried again at each interval", name, files->path,
                 path_error(-error));
    if (before && !files->broken)
        log_info("files in %s can be written again", files->path);
    return error;
}

/* *bytes grows by what the file takes on the disk. */
static int write_profile(int directory, const char *name, const struct profile *profile,
                         const struct profile_meta *meta, uint64_t *bytes)
{
    struct draft draft;
    struct stat st;
    uint8_t *data;
    size_t size;
    int error = profile_encode(profile, meta, &data, &size);

    if (error)
        return error;
    error = draft_open(&draft, directory, name);
    if (!error) {
        error = fwrite(data, 1, size, draft.out) == size ? 0 : -errno;
        error = draft_finish(&draft, error);
    }
    free(data);
    if (!error && !fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW))
        *bytes += (uint64_t)st.st_blocks * 512 > size ? (uint64_t)st.st_blocks * 512 : size;
    return error;
}

static unsigned kinds_of_interval(const struct upload *upload)
{
    unsigned kinds = 0;

    for (unsigned i = 0; i < KIND_IDS; i++)
        if (upload->interval[i] && profile_count(upload->interval[i]))
            kinds |= 1u << i;
    return kinds;
}

static int write_interval(int directory, const struct upload *upload, int64_t stamp_ms, unsigned id,
                          uint64_t *bytes)
{
    const struct profile_meta meta = {
        .time_ns = upload->start_ns,
        .duration_ns = upload->end_ns - upload->start_ns,
        .period = upload->period[id],
        .comments = upload->comments,
        .program = upload->program,
        .with_labels = true,
    };
    char name[INTERVAL_NAME_BYTES];

    intervals_name(stamp_ms, id, name);
    return write_profile(directory, name, upload->interval[id], &meta, bytes);
}

/* What was written before an error is counted, or nobody would remove it. */
static int write_intervals(struct sink_files *files, int program, const char *name,
                           const struct upload *upload)
{
    unsigned kinds = kinds_of_interval(upload), written = 0;
    uint64_t bytes = 0;
    int64_t stamp_ms;
    int error = 0, directory;

    if (!kinds || !files->keep.bytes)
        return 0;
    intervals_list(files->intervals, files->directory);
    directory = path_enter(program, INTERVALS_NAME);
    if (directory < 0)
        return directory;
    stamp_ms = intervals_stamp(directory, kinds, upload->start_ns);
    for (unsigned i = 0; i < KIND_IDS && !error; i++) {
        if (!(kinds >> i & 1))
            continue;
        error = write_interval(directory, upload, stamp_ms, i, &bytes);
        written |= error ? 0 : 1u << i;
    }
    close(directory);
    if (written)
        intervals_add(files->intervals, name, stamp_ms, written, bytes);
    intervals_trim(files->intervals, files->directory);
    return error;
}

static int write_merged(int directory, const struct upload *upload, unsigned id)
{
    const struct profile_meta meta = {
        .time_ns = upload->session_start_ns,
        .duration_ns = upload->end_ns - upload->session_start_ns,
        .period = upload->period[id],
        .comments = upload->merged_comments,
        .program = upload->program,
        .with_labels = true,
    };
    uint64_t bytes = 0;
    char name[32];

    snprintf(name, sizeof(name), "%s.pb.gz", profile_kinds[id].name);
    return write_profile(directory, name, upload->merged[id], &meta, &bytes);
}

static const struct {
    const char *name;
    enum threads_form form;
} threads_files[] = {{"threads.txt", THREADS_GROUPED}, {"threads-each.txt", THREADS_EACH}};

static int write_threads(int directory, const struct profile *threads)
{
    struct draft draft;
    int error = 0;

    for (size_t i = 0; i < sizeof(threads_files) / sizeof(*threads_files) && !error; i++) {
        error = draft_open(&draft, directory, threads_files[i].name);
        if (error)
            break;
        error = threads_text_write(draft.out, threads, threads_files[i].form, "threads");
        error = draft_finish(&draft, error);
    }
    return error;
}

static int write_files(struct sink_files *files, const struct upload *upload, int directory, const char *name)
{
    int error = 0;

    for (unsigned i = 0; i < KIND_IDS && !error; i++)
        if (upload->merged[i])
            error = write_merged(directory, upload, i);
    if (!error)
        error = write_intervals(files, directory, name, upload);
    if (upload->merged[KIND_ID_THREADS] && !error)
        error = write_threads(directory, upload->merged[KIND_ID_THREADS]);
    return error;
}

/* Opens and locks path. -EWOULDBLOCK: another uploader has it. */
static int lock_directory(const char *path)
{
    int fd = path_open_directory(path, true);

    if (fd < 0 || !flock(fd, LOCK_EX | LOCK_NB))
        return fd;
    if (errno != EWOULDBLOCK) {
        log_warn("%s is on a file system without locks: another session that writes there, too, overwrites "
                 "this one's files",
                 path);
        return fd;
    }
    close(fd);
    return -EWOULDBLOCK;
}

static int find_directory(struct sink_files *files, const char *out)
{
    int fd = -EWOULDBLOCK;

    for (int n = 1; n <= DIRECTORIES && fd == -EWOULDBLOCK; n++) {
        snprintf(files->path, sizeof(files->path), n == 1 ? "%s" : "%s-%d", out, n);
        fd = lock_directory(files->path);
    }
    if (fd >= 0 && strcmp(files->path, out) != 0)
        log_warn("%s is in use by another session; profiles go to %s", out, files->path);
    if (fd == -EWOULDBLOCK)
        log_failure("no profiles are written: other sessions write to %s and to all of %s-2 to %s-%d", out,
                    out, out, DIRECTORIES);
    else if (fd < 0)
        log_failure("profiles cannot be written to %s: %s; set CPROF_OUT to a directory that can be written",
                    out, path_error(-fd));
    files->directory = fd;
    return fd < 0 ? fd : 0;
}

/* 0 or negative errno: whether files can be made and have room. */
static int try_directory(int directory)
{
    static const char block[4096];
    struct draft draft;
    int error = draft_open(&draft, directory, "trial");

    if (error)
        return error;
    for (size_t size = 0; size < TRIAL && !error; size += sizeof block)
        error = fwrite(block, sizeof block, 1, draft.out) == 1 && !fflush(draft.out) ? 0 : -errno;
    draft_finish(&draft, -ECANCELED);
    return error;
}

/* When the first profile is written, nobody listens any more. */
static void tell_of_no_room(struct sink_files *files)
{
    int error = try_directory(files->directory);

    if (!error)
        return;
    files->broken = PART_PROFILES;
    log_failure("profiles cannot be written to %s: %s; tried again at each interval", files->path,
                path_error(-error));
}

/* --- whose a directory is --- */

/* 1: it is that program's; 0: another's; -ENOENT: nobody's. */
static int read_mark(int directory, const char *text)
{
    char found[ID_TEXT_BYTES];
    int fd = openat(directory, DIRECTORY_MARK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t size;

    if (fd < 0)
        return -errno;
    size = read(fd, found, sizeof(found));
    close(fd);
    if (size < 0)
        return -errno;
    return (size_t)size == strlen(text) && !memcmp(found, text, (size_t)size);
}

static int write_mark(int directory, const char *text)
{
    struct draft draft;
    int error = draft_open(&draft, directory, DIRECTORY_MARK);

    if (error)
        return error;
    return draft_finish(&draft, fputs(text, draft.out) < 0 ? -errno : 0);
}

/* The directory's descriptor; -EEXIST: it is another program's. */
static int open_own(int out, const char *name, const char *text)
{
    int fd = path_enter(out, name), mine, error = 0;

    if (fd < 0)
        return fd;
    mine = read_mark(fd, text);
    if (mine == -ENOENT)
        error = write_mark(fd, text);
    else if (mine < 1)
        error = mine ? mine : -EEXIST;
    if (!error)
        return fd;
    close(fd);
    return error;
}

/* The one that its directory had the last time, or the first that is to be tried. */
static unsigned char *name_number(struct sink_files *files, unsigned program)
{
    if (program >= files->names) {
        unsigned names = program + program / 2 + 16;
        unsigned char *grown = realloc(files->name, names);
        if (!grown)
            return NULL;
        memset(grown + files->names, 0, names - files->names);
        files->name = grown;
        files->names = names;
    }
    return &files->name[program];
}

static int open_named(struct sink_files *files, const struct upload *upload, char name[DIRECTORY_NAME_BYTES])
{
    unsigned char *number = name_number(files, upload->number);
    char text[ID_TEXT_BYTES];
    int fd = -ENOMEM;

    id_text(upload->id, text);
    for (unsigned n = number ? *number : NAMES; n < NAMES; n++) {
        directory_name(upload->id, n, name);
        fd = open_own(files->directory, name, text);
        if (fd == -EEXIST)
            continue;
        if (fd >= 0 && n > *number)
            log_warn("%s has a directory of this name from another service or other labels: %s is used",
                     upload->program, name);
        if (fd >= 0)
            *number = (unsigned char)n;
        break;
    }
    return fd;
}

static int open_program(struct sink_files *files, const struct upload *upload,
                        char name[DIRECTORY_NAME_BYTES])
{
    int fd = open_named(files, upload, name), again;

    if (fd != -ENOENT)
        return fd;
    again = lock_directory(files->path); /* somebody tidied up behind a running session */
    if (again < 0)
        return again;
    close(files->directory);
    files->directory = again;
    return open_named(files, upload, name);
}

static int files_take(struct sink *sink, const struct upload *upload)
{
    struct sink_files *files = (struct sink_files *)sink;
    char name[DIRECTORY_NAME_BYTES] = "";
    int directory = open_program(files, upload, name);
    int error = directory;

    if (directory >= 0) {
        error = write_files(files, upload, directory, name);
        close(directory);
        files->report_due |= !report_note(files->report, upload, name);
        files->report_final |= upload->final;
    }
    if (!error && upload->path)
        snprintf(upload->path, UPLOAD_PATH, "%s/%s", files->path, name);
    return note_result(files, PART_PROFILES, upload->program, error);
}

/* With a program's last profiles it is always written. */
static bool may_write_report(const struct sink_files *files, int64_t now_ns)
{
    return files->report_due && (files->report_final || files->report_ns * REPORT_SHARE <=
                                                            now_ns - files->start_ns + REPORT_GRACE_NS);
}

static void write_report(struct sink_files *files, int64_t now_ns)
{
    struct draft draft;
    int error = draft_open(&draft, files->directory, "report.html");

    files->report_due = files->report_final = false;
    if (!error)
        error =
            draft_finish(&draft, report_write(files->report, files->intervals, files->directory, draft.out));
    note_result(files, PART_REPORT, "report.html", error);
    files->report_ns += monotonic_ns() - now_ns;
}

/* Not in take(): the report of a session with many programs is written once for all of them. */
static unsigned files_work(struct sink *sink, unsigned wait_ms)
{
    struct sink_files *files = (struct sink_files *)sink;
    const int64_t now_ns = monotonic_ns();

    (void)wait_ms;
    intervals_trim(files->intervals, files->directory);
    if (may_write_report(files, now_ns))
        write_report(files, now_ns);
    return 0;
}

static void files_free(struct sink *sink)
{
    struct sink_files *files = (struct sink_files *)sink;

    files->report_final = true;
    if (files->directory >= 0)
        files_work(sink, 0);
    report_free(files->report);
    intervals_free(files->intervals);
    if (files->directory >= 0)
        close(files->directory);
    free(files->name);
    free(files);
}

static const struct sink_ops files_ops = {"files", files_take, files_work, files_free};

int sink_files_directory(const struct sink *sink)
{
    return sink->ops == &files_ops ? ((const struct sink_files *)sink)->directory : -1;
}

struct sink *sink_files_new(const struct options *options)
{
    struct sink_files *files;

    if (!*options->out)
        return NULL;
    files = calloc(1, sizeof(*files));
    if (!files)
        return NULL;
    files->sink.ops = &files_ops;
    files->directory = -1;
    files->start_ns = monotonic_ns();
    if (setting_parse_keep(options->settings.value[SETTING_KEEP].text, &files->keep))
        setting_parse_keep(setting_rows[SETTING_KEEP].fallback, &files->keep);
    files->intervals = intervals_new(&files->keep);
    files->report = report_new();
    if (files->report && files->intervals && !find_directory(files, options->out)) {
        tell_of_no_room(files);
        return &files->sink;
    }
    files_free(&files->sink);
    return NULL;
}
