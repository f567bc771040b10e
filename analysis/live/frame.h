/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One frame of a session that is watched, as docs/internals/control.md describes it: figures and profiles. What is read is
 * checked, because root may ask the session of anybody. Texts may hold any byte but tabs and newlines: whoever prints them
 * cleans them. One thread only.
 */
#ifndef CPROF_ANALYSIS_LIVE_FRAME_H
#define CPROF_ANALYSIS_LIVE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/profile/profile.h"

/* Ceilings. A frame that has more is refused. */
enum {
    FRAME_TEXT = 8 << 20,
    FRAME_PARTS = 8192,
    FRAME_BYTES = 128 << 20, /* of all profiles, as they come */
    FRAME_ROWS = 16384,      /* of programs, of processes, of losses */
};

struct frame_program {
    unsigned number; /* the same in all frames of the session */
    const char *name, *service, *labels;
    uint64_t alive;                    /* processes */
    int64_t cpu_ns;                    /* since they joined */
    int64_t cost_ns;                   /* of profiling, in the program and for it; so far */
    int64_t resident, blocks, objects; /* bytes in memory; bytes in use and their number, 0: not known */
    int64_t start_ms;                  /* since the epoch */
    const char *lowered;               /* what the budget has lowered; "" */
    int64_t total[KIND_IDS][PROFILE_VALUES]; /* since the last frame */
};

struct frame_process {
    int pid;
    unsigned program; /* number */
    uint64_t threads;
    int64_t cpu_ns, own_ns; /* since it began: CPU time, and what samples took of that */
    uint64_t lost;
    int64_t start_ms;
    const char *records; /* "cpu=100 memory=512KiB" */
};

struct frame_loss {
    int program; /* number; -1: of the session */
    uint64_t count;
    const char *text;
};

struct frame_part {
    unsigned program;
    enum profile_kind_id kind;
    bool is_whole; /* of the session so far, else since the last frame */
    int64_t start_ms, end_ms;
    uint8_t *data; /* pprof, gzip */
    size_t size, room;
};

struct frame {
    char *text; /* all texts point into it */
    size_t size, room;
    const char *session, *version, *recording;
    int uploader;
    int64_t session_ms;             /* since the epoch, when it began */
    int64_t start_ms, end_ms;       /* of what is new */
    int64_t own_cpu_ns, own_memory; /* of the uploader */
    int64_t last_cost_ns;           /* CPU time that the frame before took the uploader; 0: there was none */
    struct frame_program *program;
    size_t programs, program_room;
    struct frame_process *process;
    size_t processes, process_room;
    struct frame_loss *loss;
    size_t losses, loss_room;
    struct frame_part *part;
    size_t parts, part_room;
    size_t bytes; /* of parts */
};

/* Zero is an empty frame. It stays the caller's after an error, too. */
void frame_free(struct frame *frame);

/* A message of the answer: its kind and what follows it. 0; 1: the frame is complete and parsed; -EPROTO: it makes no sense;
   -E2BIG; -ENOMEM; -EREMOTEIO: the session has refused, and `error` says why. */
int frame_take(struct frame *frame, const char *message, size_t size, char error[256]);

/* NULL: there is none of this number. */
const struct frame_program *frame_find(const struct frame *frame, unsigned number);

#endif
