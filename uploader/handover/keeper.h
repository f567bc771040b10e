/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uploader's side of the keeper (uploader/keeper/main.c): what must not die with us is given to it, and
 * it starts our successor. Where it dies, we start another one and give it all again. Nothing here ever
 * waits: what the socket does not take at once is tried again a second later.
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
    bool is_telling;            /* targets of an uploader before us are still to come */
    bool keeps_stderr;
    int64_t next_try_ns;
};

/* control: -1, or what a keeper started us with. 0 or negative errno. */
int keeper_open(struct keeper *keeper, int control);
void keeper_close(struct keeper *keeper);

/* Starts one, at most every few seconds. listener: -1 where nobody is accepted any more. 0 or negative errno;
   a reason that the user can mend is logged once. */
int keeper_start(struct keeper *keeper, int listener);

/* A number for a target that joins; no uploader of this session has given it before. */
uint64_t keeper_new_id(struct keeper *keeper);

/* false: it is not held, try again later. */
bool keeper_keep(struct keeper *keeper, const struct handover *handover);
void keeper_tell(struct keeper *keeper, enum keeper_kind kind, uint64_t id);

/* The next target of an uploader before us. -EAGAIN: none at present. -ENOMSG: something else came. -EPIPE:
   the keeper has died. */
int keeper_next(struct keeper *keeper, struct handover *handover);

/* Everything is done: it ends, and we wait a moment for that. */
void keeper_done(struct keeper *keeper);

/* Which target is read from here on, for whoever finds us dead. 0: none. */
void keeper_touch(uint64_t id);

#endif
