/* SPDX-License-Identifier: Apache-2.0 */
/* All that a session holds. What it does is in the folders that include this. One thread only. */
#ifndef CPROF_UPLOADER_SESSION_STATE_H
#define CPROF_UPLOADER_SESSION_STATE_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "member.h"
#include "uploader/base/hash.h"
#include "uploader/control/clients.h"
#include "uploader/control/gate.h"
#include "uploader/control/rules.h"
#include "uploader/handover/acceptor.h"
#include "uploader/handover/keeper.h"
#include "uploader/live/tabs.h"
#include "uploader/options/options.h"
#include "uploader/programs/programs.h"
#include "uploader/pull/pull.h"
#include "uploader/symbols/symbols.h"
#include "uploader/upload/sink.h"
#include "uploader/web/web.h"

enum { SESSION_ENDED = 64, SESSION_TARGETS = 4096 /* processes at one time */ };

/* A member that has ended. The keeper holds it until the sinks have all of it. */
struct session_ended {
    uint64_t id;
    const struct program *program;
    int64_t ended_ns, bytes;
};

struct session;
struct session_ops {
    sigset_t signals; /* blocked by the caller */
    void (*signal)(struct session *session, const struct signalfd_siginfo *info);
    bool (*is_over)(struct session *session, int64_t now_ns); /* asked after every wake-up */
};

/* How long the last upload may take. A server that takes something, or works on it, is given more time. */
struct session_patience {
    unsigned idle_ms; /* while nothing moves: the server does not answer, or refuses */
    unsigned busy_ms; /* while one request is under way */
    unsigned most_ms; /* in all */
};

struct session {
    const struct options *options;
    const struct session_ops *ops;
    void *context; /* of ops */
    struct symbols *symbols;
    struct programs programs;
    struct acceptor acceptor; /* at listen_fd */
    struct web *web;          /* NULL: none, see CPROF_LISTEN */
    struct pull *pull;        /* its pages */
    struct tabs tabs;         /* pages that are open and follow the session */
    bool is_web_watched;
    int64_t read_ns; /* CLOCK_MONOTONIC when all processes were read for a page */
    struct keeper keeper;
    struct clients clients; /* of cprof ctl */
    struct watches watches; /* of those that watch */
    struct gate gate;
    struct rules *rules;    /* in the keeper's board */
    int64_t next_switch_ns; /* when what is recorded may change by itself */
    int64_t last_switch_ns;
    struct session_ended ended[SESSION_ENDED]; /* oldest first */
    size_t ended_count;
    int64_t ended_bytes;
    bool is_finishing;
    bool is_interrupted;   /* set by ops->signal: the last upload is not waited for any longer */
    bool is_first;         /* no target has joined the session's first uploader */
    bool is_restoring;     /* the files of an earlier uploader are still to be read back */
    int64_t more_until_ns; /* no longer is waited for the keeper */
    struct hash held_pids; /* of processes that an uploader before us had */
    struct member **member;
    size_t members, room;
    struct hash by_pid, by_address; /* the same members; if several have no pid, by_pid has the last one */
    int epoll_fd, listen_fd, signal_fd;
    int64_t interval_ns, next_round_ns, next_tick_ns, next_send_ns;
    int64_t next_wall_ns; /* when the next wall sample is due */
    int64_t wall_cost_ns; /* CPU time of one, on average */
    size_t wall_samples;  /* so far */
    int64_t woke_ns;      /* CLOCK_MONOTONIC of the last wake-up; events that it brought happened before */
    int64_t last_end_ns;  /* CLOCK_MONOTONIC when the last target ended; 0: none did */
    unsigned joined, refused;
    struct durations round; /* what reading, encoding and handing on an interval took */
    unsigned queued;        /* uploads that wait for the network */
};

/* `what` comes with the events of fd. 0 or negative errno. */
static inline int session_watch(struct session *session, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    return epoll_ctl(session->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

#endif
