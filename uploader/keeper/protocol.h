/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the uploader and its keeper send each other: fixed messages over a pair of SOCK_SEQPACKET sockets. And
 * a page of memory, the board, that outlives both.
 *
 * The keeper holds descriptors. It maps no segment and reads nothing of what it holds, so nothing that a
 * target does can end it.
 */
#ifndef CPROF_KEEPER_PROTOCOL_H
#define CPROF_KEEPER_PROTOCOL_H

#include <stdatomic.h>
#include <stdint.h>

/* Descriptors that either side is started with. */
enum { KEEPER_CONTROL_FD = 3, KEEPER_LISTEN_FD = 4, KEEPER_BOARD_FD = 5, KEEPER_PROGRAM_FD = 6 };

enum keeper_fd { KEEPER_MEMFD, KEEPER_PIDFD, KEEPER_ROOT, KEEPER_EXE, KEEPER_FDS };

enum keeper_kind {
    KEEPER_HOLD = 1,       /* to the keeper: hold these; to a new uploader: these were held */
    KEEPER_ENDED,          /* to the keeper: its process goes on without it */
    KEEPER_RELEASE,        /* to the keeper: all of it has been written */
    KEEPER_STOP_ACCEPTING, /* to the keeper: nobody is taken in any more */
    KEEPER_DONE,           /* to the keeper: end */
    KEEPER_DROPPED,        /* to a new uploader: given up, because uploaders died while they read it */
    KEEPER_ALL,            /* to a new uploader: that was all */
};

struct keeper_message {
    uint32_t kind;
    uint32_t fds; /* bit i: a descriptor of enum keeper_fd follows */
    uint64_t id;
    int32_t pid;
    uint32_t uid;
    uint32_t has_ended;
    uint32_t reserved;
};

enum { KEEPER_RULES = 3584 };

/* A sealed memfd of one page. Only the uploader writes to it. */
struct keeper_board {
    _Atomic uint64_t beats;   /* raised at each turn of its loop */
    _Atomic uint64_t touched; /* the target that it reads at present; 0: none */
    _Atomic uint64_t last_id;
    _Atomic uint32_t is_service;                   /* stays without targets */
    _Atomic uint32_t is_closed;                    /* nobody is taken in any more */
    _Atomic int64_t start_ns;                      /* CLOCK_REALTIME of the session's first uploader */
    _Alignas(8) unsigned char rules[KEEPER_RULES]; /* struct rules of uploader/control/rules.h */
};
enum { KEEPER_BOARD_SIZE = 4096 };
_Static_assert(sizeof(struct keeper_board) <= KEEPER_BOARD_SIZE, "the board is one page");

#endif
