/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles as files:
 *  OUT/<program>/<type>.pb.gz                     the session so far
 *  OUT/<program>/threads.txt, threads-each.txt    the threads as text, by stack and one by one
 *  OUT/<program>/intervals/<time>-<type>.pb.gz    each interval, the newest INTERVALS_KEPT of a type
 *  OUT/report.html                                all of it, to look at
 * A file is written beside its place and then renamed, so that a reader finds the old or the new one, never a
 * part. One uploader writes to a directory at a time: flock() on the directory itself leaves nothing behind.
 */
#include "sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "report.h"
#include "threads_text.h"
#include "utf8.h"

enum {
    INTERVALS_KEPT = 240, /* an hour of 15 s */
    DIRECTORIES = 9,      /* OUT, OUT-2 ... OUT-9 */
    NAME_BYTES = 200,
    INTERVAL_NAME = 80,
    REPORT_SHARE = 50, /* making the report takes at most one part in so many of the time */
};
#define REPORT_GRACE_NS (10 * SECOND_NS)

enum part { PART_PROFILES = 1, PART_REPORT = 2 };

struct sink_files {
    struct sink sink;
    char path[sizeof(((struct options *)0)->out) + 4];
    int directory;
    struct report *report;
    bool report_due;
    int64_t report_ns, start_ns; /* spent for the report; CLOCK_MONOTONIC of the start */
    unsigned broken;             /* enum part: what could not be written the last time */
};

/* One file that is being written; a failure removes it again. */
struct draft {
    int directory;
    const char *name;
    char temporary[NAME_BYTES + 64];
    FILE *out;
};

static int draft_open(struct draft *draft, int directory, const char *name)
{
    int fd;

    draft->directory = directory;
    draft->name = name;
    snprintf(draft->temporary, sizeof(draft->temporary), ".%s.tmp", name);
    fd = openat(directory, draft->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    draft->out = fd < 0 ? NULL : fdopen(fd, "w");
    if (draft->out)
        return 0;
    if (fd >= 0)
        close(fd);
    return -errno;
}

/* error: what writing to it came to. */
static int draft_finish(struct draft *draft, int error)
{
    if (fflush(draft->out) && !error)
        error = -errno;
    if (fclose(draft->out) && !error)
        error = -errno;
    if (!error && renameat(draft->directory, draft->temporary, draft->directory, draft->name))
        error = -errno;
    if (error)
        unlinkat(draft->directory, draft->temporary, 0);
    return error;
}

/* A full disk fails every file of every interval: said once, and once that all can be written again. */
static int note_result(struct sink_files *files, enum part part, const char *name, int error)
{
    unsigned before = files->broken;
    files->broken = error ? before | part : before & ~part;
    if (error && !before)
        log_warn("cannot write %s in %s: %s; tried again at each interval", name, files->path,
                 strerror(-error));
    if (before && !files->broken)
        log_info("files in %s can be written again", files->path);
    return error;
}

static int write_profile(int directory, const char *name, const struct profile *profile,
                         const struct profile_meta *meta)
{
    struct draft draft;
    uint8_t *data;
    size_t size;
    int error = profile_encode(profile, meta, true, &data, &size);

    if (error)
        return error;
    error = draft_open(&draft, directory, name);
    if (!error) {
        error = fwrite(data, 1, size, draft.out) == size ? 0 : -errno;
        error = draft_finish(&draft, error);
    }
    free(data);
    return error;
}

/* The directory is removed when somebody tidies up behind a running session: it is made again. */
static int open_directory(int parent, const char *name)
{
    int fd;

    if (mkdirat(parent, name, 0777) && errno != EEXIST)
        return -errno;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Interval files sort by time. */
static void remove_oldest(int directory, const char *suffix)
{
    DIR *list = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    char oldest[NAME_MAX + 1] = "";
    unsigned count = 0;

    for (struct dirent *entry; list && (entry = readdir(list));) {
        size_t length = strlen(entry->d_name), tail = strlen(suffix);
        if (*entry->d_name == '.' || length <= tail || strcmp(entry->d_name + length - tail, suffix) != 0)
            continue;
        if (!count++ || strcmp(entry->d_name, oldest) < 0)
            memcpy(oldest, entry->d_name, length + 1);
    }
    if (count > INTERVALS_KEPT)
        unlinkat(directory, oldest, 0);
    if (list)
        closedir(list);
}

/* Two intervals can begin in the same millisecond when a short program is started again and again. */
static void interval_name(int directory, int64_t time_ns, const char *suffix, char name[INTERVAL_NAME])
{
    for (int64_t ms = time_ns / MS_NS;; ms++) {
        time_t seconds = (time_t)(ms / 1000);
        struct tm tm;
        char time[32];
        gmtime_r(&seconds, &tm);
        strftime(time, sizeof(time), "%Y%m%dT%H%M%S", &tm);
        snprintf(name, INTERVAL_NAME, "%s.%03dZ%s", time, (int)(ms % 1000), suffix);
        if (faccessat(directory, name, F_OK, 0))
            return;
    }
}

static int write_interval(int directory, const struct upload *upload, unsigned id)
{
    const struct profile_meta meta = {
        .time_ns = upload->start_ns,
        .duration_ns = upload->end_ns - upload->start_ns,
        .period = upload->period[id],
        .comments = upload->comments,
        .program = upload->program,
        .with_labels = true,
    };
    int intervals = open_directory(directory, "intervals");
    char suffix[32], name[INTERVAL_NAME];
    int error;

    if (intervals < 0)
        return intervals;
    snprintf(suffix, sizeof(suffix), "-%s.pb.gz", profile_kinds[id].name);
    interval_name(intervals, upload->start_ns, suffix, name);
    error = write_profile(intervals, name, upload->interval[id], &meta);
    remove_oldest(intervals, suffix);
    close(intervals);
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
    char name[32];

    snprintf(name, sizeof(name), "%s.pb.gz", profile_kinds[id].name);
    return write_profile(directory, name, upload->merged[id], &meta);
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
        error = threads_text_write(draft.out, threads, threads_files[i].form);
        error = draft_finish(&draft, error);
    }
    return error;
}

/* A name that cannot leave the directory, hide in it or be mistaken for another file of ours. */
static void directory_name(const char *program, char name[NAME_BYTES])
{
    static const char *const taken[] = {"report.html", "cprof.log"};

    utf8_clean(name, NAME_BYTES - 1, *program ? program : "unknown", true);
    for (char *c = name; *c; c++)
        if (*c == '/' || (*c == '.' && c == name))
            *c = '_';
    for (unsigned i = 0; i < sizeof(taken) / sizeof(*taken); i++)
        if (!strcmp(name, taken[i]))
            strcat(name, "_");
}

static int write_files(const struct upload *upload, int directory)
{
    int error = 0;

    for (unsigned i = 0; i < KIND_IDS; i++) {
        if (upload->merged[i] && !error)
            error = write_merged(directory, upload, i);
        if (upload->interval[i] && profile_count(upload->interval[i]) && !error)
            error = write_interval(directory, upload, i);
    }
    if (upload->merged[KIND_ID_THREADS] && !error)
        error = write_threads(directory, upload->merged[KIND_ID_THREADS]);
    return error;
}

/* path, and what is missing above it. */
static int make_directories(const char *path)
{
    char part[PATH_MAX];

    for (size_t i = 1; i < sizeof part && path[i]; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0777) && errno != EEXIST)
            return -errno;
    }
    return mkdir(path, 0777) && errno != EEXIST ? -errno : 0;
}

/* Opens and locks path. -EWOULDBLOCK: another uploader has it. File systems without locks are used without.
 */
static int lock_directory(const char *path)
{
    int fd, error = make_directories(path);

    if (error)
        return error;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (!flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
        return fd;
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
    if (fd < 0)
        log_warn("no profiles are written to %s: %s", out, strerror(-fd));
    files->directory = fd;
    return fd < 0 ? fd : 0;
}

static int open_program(struct sink_files *files, const char *program)
{
    char name[NAME_BYTES];
    int fd, again;

    directory_name(program, name);
    fd = open_directory(files->directory, name);
    if (fd != -ENOENT)
        return fd;
    again = lock_directory(files->path); /* somebody tidied up behind a running session */
    if (again < 0)
        return again;
    close(files->directory);
    files->directory = again;
    return open_directory(files->directory, name);
}

/* A last profile is always taken. */
static void update_report(struct sink_files *files, const struct upload *upload)
{
    int64_t now_ns = monotonic_ns();

    if (!upload->final && files->report_ns * REPORT_SHARE > now_ns - files->start_ns + REPORT_GRACE_NS)
        return;
    if (!report_update(files->report, upload))
        files->report_due = true;
    files->report_ns += monotonic_ns() - now_ns;
}

static int files_take(struct sink *sink, const struct upload *upload)
{
    struct sink_files *files = (struct sink_files *)sink;
    int directory = open_program(files, upload->program);
    int error = directory;

    update_report(files, upload);
    if (directory >= 0) {
        error = write_files(upload, directory);
        close(directory);
    }
    return note_result(files, PART_PROFILES, upload->program, error);
}

/* Not in take(): the report of a session with many programs is written once for all of them. */
static unsigned files_work(struct sink *sink, unsigned wait_ms)
{
    struct sink_files *files = (struct sink_files *)sink;
    struct draft draft;
    int error;

    (void)wait_ms;
    if (!files->report_due)
        return 0;
    files->report_due = false;
    error = draft_open(&draft, files->directory, "report.html");
    if (!error)
        error = draft_finish(&draft, report_write(files->report, draft.out));
    note_result(files, PART_REPORT, "report.html", error);
    return 0;
}

static void files_free(struct sink *sink)
{
    struct sink_files *files = (struct sink_files *)sink;

    files_work(sink, 0);
    report_free(files->report);
    if (files->directory >= 0)
        close(files->directory);
    free(files);
}

static const struct sink_ops files_ops = {"files", files_take, files_work, files_free};

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
    files->report = report_new();
    if (files->report && !find_directory(files, options->out))
        return &files->sink;
    files_free(&files->sink);
    return NULL;
}
