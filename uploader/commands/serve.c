/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cprof-uploader serve: the session that the library starts behind a program, or a service that programs
 * join.
 *
 * The former ends if its last target has gone and nobody came for CPROF_LINGER. The latter stays until
 * SIGTERM.
 */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/session/members/members.h"
#include "uploader/session/session.h"

enum { FORWARD_TRIES = 25 };
/* Nobody waits for an uploader whose programs have ended. One that was told to end is killed if it takes long. */
static const struct session_patience ended_patience = {10000, 300000, 900000},
                                     stopped_patience = {5000, 5000, 5000};
#define STOP_PATIENCE_NS (2 * SECOND_NS)

struct serve {
    bool is_service;
    int64_t stop_ns; /* CLOCK_MONOTONIC; 0: nobody asked us to stop */
    int64_t started_ns;
};

/* A service manager stops the targets and the uploader at once. The targets get a moment to end by
   themselves. */
static void on_signal(struct session *session, const struct signalfd_siginfo *info)
{
    struct serve *serve = session->context;
    session->is_interrupted |= session->is_finishing && !serve->stop_ns;
    if (!serve->stop_ns)
        serve->stop_ns = monotonic_ns() + STOP_PATIENCE_NS;
    log_info("signal %u: ending", info->ssi_signo);
}

static bool is_over(struct session *session, int64_t now_ns)
{
    const struct serve *serve = session->context;
    int64_t linger = (int64_t)session->options->settings.value[SETTING_LINGER].number;
    int64_t idle_since = session->last_end_ns ? session->last_end_ns : serve->started_ns;

    if (serve->stop_ns)
        return !session->members || now_ns >= serve->stop_ns;
    return !serve->is_service && !session->members && now_ns - idle_since >= linger;
}

static void print_help(void)
{
    puts("usage: cprof-uploader serve [options]\n"
         "Receives, names and hands on the profiles of the programs that join at --socket.\n");
    options_print_help(stdout, 0);
}

/* Takes the session's name, or hands the process to the uploader that has it. 1: handed on, nothing is left
   to do. An uploader that is just ending holds the name for a moment and accepts nobody, so this is tried
   again. */
static int open_or_forward(struct session *session, const struct options *options,
                           const struct session_ops *ops, struct serve *serve,
                           const struct handover *handover)
{
    int rc = 0;
    for (int i = 0; i < FORWARD_TRIES; i++) {
        rc = session_open(session, options, ops, serve);
        if (rc != -EADDRINUSE)
            return rc;
        if (handover->memfd == -1)
            break;
        if (!handover_forward(options->socket, handover, options->secrets))
            return 1;
        usleep(20000);
    }
    log_failure("cannot listen at %s: %s", options->socket, strerror(-rc));
    return rc;
}

static void stay(struct session *session, struct serve *serve)
{
    session_run(session);
    session_stop_accepting(session);
    if (session->members && !serve->stop_ns)
        session_run(session);
    session_finish(session, serve->stop_ns ? &stopped_patience : &ended_patience);
}

/* An uploader that a target started has the target's stderr until it has started. Errors of ld.so and of the
   start go there. */
static bool is_beside_target(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strncmp(argv[i], "--segment-fd", 12))
            return true;
    return false;
}

static void leave_stderr(struct options *options)
{
    int fd = open("/dev/null", O_RDWR);
    options->beside = false;
    if (fd == -1 || dup2(fd, STDERR_FILENO) == -1)
        close(STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* What an uploader leaves to its successor, which the keeper starts. */
static void take_over(const struct session *session, struct serve *serve)
{
    struct keeper_board *board = session->keeper.board;

    if (session->options->keeper_fd == -1) {
        atomic_store_explicit(&board->is_service, serve->is_service, memory_order_relaxed);
        return;
    }
    prctl(PR_SET_NAME,
          "cprof-uploader"); /* it was executed by a descriptor, whose number would be its name */
    serve->is_service = atomic_load_explicit(&board->is_service, memory_order_relaxed);
    if (session->listen_fd == -1)
        serve->stop_ns = monotonic_ns() + STOP_PATIENCE_NS;
    log_info("an uploader has died; this one goes on");
}

static void take_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigprocmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGXFSZ,
           SIG_IGN); /* a program's limit of file sizes is ours, too: writing fails then, and is said */
}

int serve_main(int argc, char **argv)
{
    static struct options options;
    struct session_ops ops = {.signal = on_signal, .is_over = is_over};
    struct serve serve = {.started_ns = monotonic_ns()};
    struct handover handover = HANDOVER_NONE;
    struct session session;
    int rc;

    options.beside = is_beside_target(argc, argv);
    options.foreground = !options.beside && isatty(STDERR_FILENO);
    if (options_parse(&options, argc, argv) < 0)
        return 2;
    if (options.help) {
        print_help();
        return 0;
    }
    serve.is_service = options.segment_fd == -1 && options.keeper_fd == -1;
    options.keeps_stderr = serve.is_service;
    log_open(&options);
    if (options.segment_fd != -1)
        handover_direct(&handover, options.segment_pid, options.segment_fd);
    take_signals(&ops.signals);
    rc = open_or_forward(&session, &options, &ops, &serve, &handover);
    if (options.beside)
        leave_stderr(&options);
    if (rc) {
        handover_close(&handover);
        return rc < 0;
    }
    if (chdir("/"))
        log_warn("cannot leave the working directory: %s", strerror(errno));
    take_over(&session, &serve);
    if (handover.memfd != -1)
        session_take(&session, &handover);
    stay(&session, &serve);
    session_close(&session);
    return 0;
}
