/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is examined, and what is known of it so far. Each check is a function and a row of the table in doctor.c. It asks one
 * question and adds its findings; if it adds none, all is well. One thread only.
 */
#ifndef CPROF_ANALYSIS_EXAMINATION_H
#define CPROF_ANALYSIS_EXAMINATION_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "binary.h"
#include "findings.h"
#include "uploader/options/options.h"

/* A set of these is in each row. */
enum subject {
    SUBJECT_MACHINE = 1, /* this machine, with the settings of this environment */
    SUBJECT_PROGRAM = 2, /* a program's file, with the same settings */
    SUBJECT_PROCESS = 4, /* a process, with its own settings */
    SUBJECT_IMAGE = 8,   /* a root directory */
};

enum { MAPPED_MOST = 512, SCRIPTS_MOST = 4 };

/* A file that a process has mapped as code. */
struct mapped {
    char *path;
    bool is_deleted;
};

/* Limits of a process, UINT64_MAX: none, and what counts against them. */
struct usage {
    uid_t uid;
    int64_t threads, pending, address_bytes, files;
    uint64_t pending_limit, files_limit, size_limit, address_limit, processes_limit;
};

/* A process, as /proc shows it. */
struct process {
    pid_t pid;
    int own_pid; /* in its own namespace */
    pid_t parent;
    uid_t uid;
    char name[32];
    bool is_readable;     /* its maps and environment may be read */
    bool is_secure;       /* the loader ran it with AT_SECURE */
    bool has_library;     /* libcprof.so is mapped */
    bool has_segment;     /* what it shares with an uploader is mapped, too */
    bool library_is_gone; /* another file is at its path now */
    char library[PATH_MAX];
    char preload[PATH_MAX]; /* LD_PRELOAD as it was started with; "": none */
    bool has_jit;           /* code without a file */
    int seccomp;            /* mode */
    int filters;
    pid_t tracer;
    bool is_zombie, is_replaced;
    bool environment_is_whole; /* the program has not written over it */
    struct usage usage;
    bool is_joined;
    bool is_child;     /* that has not joined yet */
    uid_t session_uid; /* of the session that it has joined */
    pid_t uploader;    /* its uploader; 0: not known */
    bool is_undumpable;
    bool other_network;     /* namespace than ours, */
    bool network_is_closed; /* and it cannot be entered */
    char *environment_text;
    struct mapped mapped[MAPPED_MOST];
    unsigned mapped_count;
};

struct examination {
    struct findings findings;
    const char *check; /* id of the row that is asked now */
    enum subject subject;
    const char *name; /* as it was given, "" for the machine */
    bool quick;       /* only what the launcher asks */
    bool offline;     /* no server is asked */

    /* The installation that asks. "": not there */
    char library[PATH_MAX], uploader[PATH_MAX];
    const char *preloaded; /* LD_PRELOAD of the shell that asks; "" */
    char *given[66];       /* settings as options, behind a name for the command */
    int given_count;

    /* Settings that count for what is examined. */
    char *const *environment;
    struct options options;

    /* Where paths lead: an O_PATH descriptor, or -1: our own root. */
    int root_fd;
    char root[PATH_MAX]; /* "" for our own */

    /* The program: as it was found, and as it is loaded, which is a script's last interpreter. */
    char found[PATH_MAX], path[PATH_MAX], script[PATH_MAX];
    bool is_script;
    struct binary binary;
    unsigned set_id; /* mode bits that count */
    bool has_capabilities;
    bool is_own_id; /* these make nobody else of the user who asks */
    bool is_known;  /* binary was read */
    bool is_absent; /* there is no such file */

    struct process process;
};

/* A finding of the check that is asked now. What stands behind the first newline is the remedy. */
#define FOUND(examination, level, ...)                                                                       \
    findings_add(&(examination)->findings, FINDING_##level, (examination)->check, __VA_ARGS__)

/* root.c */

/* Opens a regular file of the root that is examined. A descriptor or negative errno. */
int examination_open(const struct examination *examination, const char *path);

/* An O_PATH descriptor of anything there, or negative errno. */
int examination_walk(const struct examination *examination, const char *path);
bool examination_has(const struct examination *examination, const char *path);

/* Its path there without links. */
bool examination_real(const struct examination *examination, const char *path, char real[PATH_MAX]);

/* The path of a library as its loader would find it. false: it does not */
bool examination_find_library(const struct examination *examination, const struct binary *binary,
                              const char *origin, const char *name, char path[PATH_MAX]);

/* read_process.c */
enum { ENVIRONMENT_MOST = 2 << 20 };
/* All of a file of /proc/PID. *size: its length. malloc'ed, with a NUL; NULL: it cannot be read. */
char *process_text(pid_t pid, const char *name, size_t most, size_t *size);
void process_read_status(struct process *process);
int process_read(struct examination *examination, pid_t pid); /* 0 or negative errno */
/* false: the program has written something else over its environment. Pure. */
bool process_environment_is_whole(const char *text, size_t size);

#endif
