/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uploader's side of the keeper (uploader/keeper/main.c). The keeper is given what must survive the
 * uploader, and starts its successor. If the keeper dies, the uploader starts another one and gives it
 * everything again. Nothing here waits: what the socket does not take at once is tried again a second later.
 */
#ifndef CPROF_UPLOADER_KEEPER_H
#define CPROF_UPLOADER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "handover.h"
#include "uploader/keeper/protocol.h"

struct keeper {
    int control; /* -1: there is none */
    int board_fd;
    struct keeper_board *board; /* never NULL after keeper_open() */
    pid_t pid;                  /* that we started; 0: it started us */
    bool has_more;              /* processes of an earlier uploader are still to come */
    bool keeps_stderr;
    int64_t next_try_ns;
};

/* control: -1, or the socket that a keeper started this uploader with. 0 or negative errno. */
int keeper_open(struct keeper *keeper, int control);
void keeper_close(struct keeper *keeper);

/* Starts a keeper, at most once in some seconds. listener: -1 if nobody is accepted any more. 0 or negative
   errno. A reason that the user can do something about is logged once. */
int keeper_start(struct keeper *keeper, int listener);

/* A number for a process that joins. No uploader of this session has given it before. */
uint64_t keeper_new_id(struct keeper *keeper);

/* false: it is not held, try again later. */
bool keeper_hold(struct keeper *keeper, const struct handover *handover);
void keeper_send(struct keeper *keeper, enum keeper_kind kind, uint64_t id);

/* The next process of an earlier uploader. -EAGAIN: none now. -ENOMSG: something else came. -EPIPE: the
   keeper has died. */
int keeper_next(struct keeper *keeper, struct handover *handover);

/* Everything is written. Ends the keeper, and waits a moment for its end. */
void keeper_done(struct keeper *keeper);

/* Says which process is read from here on, for the keeper if the uploader dies. 0: none. */
void keeper_touch(uint64_t id);

#endif
