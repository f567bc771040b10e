/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answers.h"
#include "controls.h"
#include "rounds.h"
#include "uploader/base/clock.h"
#include "uploader/base/own_pages.h"
#include "uploader/handover/socket_name.h"
#include "uploader/options/log.h"
#include "uploader/process/proc_text.h"
#include "uploader/session/members/held.h"
#include "uploader/session/members/members.h"
#include "uploader/session/views/figures.h"
#include "uploader/session/views/pages.h"
#include "uploader/sinks/files/restore.h"
#include "uploader/upload/upload.h"

#define MORE_MOST_NS (5 * SECOND_NS)
#define FAST_TICK_NS (100 * MS_NS) /* while a target waits for us, or may, or fills its tables */
enum {
    MORE_MS = 100,
    EVENTS = 64,
    ACCEPTS = 256,
    ANCESTORS = 16,
    SYMBOLS_WAIT_MS = 5000,
    PAGES_END_MS = 500
};
#define SYMBOLS_MEMORY (12u << 20)

/* Each target takes four descriptors, so their number is raised as far as the administrator allows. A core
   would have the passwords of our environment. With a limit of one byte the kernel writes no file and pipes
   no core to a program, which it does with a limit of 0. */
static void set_limits(void)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (!getrlimit(RLIMIT_CORE, &limit) && limit.rlim_max) {
        limit.rlim_cur = 1;
        setrlimit(RLIMIT_CORE, &limit);
    }
}

static pid_t parent_of(pid_t pid)
{
    struct proc_stat stat;
    char path[64], text[1024];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return proc_read(path, text, sizeof text) > 0 && proc_stat_parse(text, &stat) ? stat.parent : 0;
}

/* A process of another user. Root's uploader takes a worker that gave up root after it was forked, which descends
   from a member of the session. If the socket is a file, its mode says who may connect. It is 0600 unless an
   administrator wants others to join. */
static bool may_join(pid_t pid, void *context)
{
    const struct session *session = context;

    if (geteuid() != 0)
        return false;
    if (session->options->socket[0] != '@')
        return true;
    for (int i = 0; pid > 1 && i < ANCESTORS; i++, pid = parent_of(pid))
        if (session_find(session, pid))
            return true;
    return false;
}

/* cprof ctl, by the same socket. */
static bool ask(int fd, const struct acceptor_peer *peer, const char *text, size_t length, void *context)
{
    struct session *session = context;
    struct client *client;

    if (strncmp(text, CONTROL_MAGIC, strlen(CONTROL_MAGIC)) != 0)
        return false;
    client = clients_take(&session->clients, fd, peer->pid, peer->uid, text, length);
    if (client)
        session_answer(session, client);
    return true;
}

static int open_loop(struct session *session)
{
    int rc;

    session->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    session->signal_fd = signalfd(-1, &session->ops->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (session->epoll_fd == -1 || session->signal_fd == -1)
        return -errno;
    if (session_watch(session, session->signal_fd, &session->signal_fd))
        return -errno;
    if (session->listen_fd == -1) /* an uploader before us stopped accepting */
        return 0;
    rc = acceptor_open(&session->acceptor, session->listen_fd, may_join, session);
    session->acceptor.secrets = session->options->secrets;
    session->acceptor.ask = ask;
    return rc ? rc : session_watch(session, session->acceptor.epoll_fd, &session->acceptor);
}

/* A session has one keeper: the one that started this uploader, or one that this uploader starts. */
static int open_keeper(struct session *session)
{
    int rc = keeper_open(&session->keeper, session->options->keeper_fd);

    if (rc)
        return rc;
    session->keeper.keeps_stderr = session->options->keeps_stderr;
    options_stay(session->options);
    if (session->options->keeper_fd != -1) {
        session->is_restoring = true;
        session->more_until_ns = monotonic_ns() + MORE_MOST_NS;
        return session_watch(session, session->keeper.control, &session->keeper);
    }
    session->is_first = true;
    atomic_store_explicit(&session->keeper.board->start_ns, clock_ns(CLOCK_REALTIME), memory_order_relaxed);
    session_start_keeper(session);
    return 0;
}

static int open_socket(const struct options *options)
{
    if (options->listen_fd != -1)
        return acceptor_inherit(options->listen_fd);
    return options->keeper_fd != -1 ? -1 : socket_name_listen(options->socket);
}

int session_open(struct session *session, const struct options *options, const struct session_ops *ops,
                 void *context)
{
    const struct setting_value *value = options->settings.value;
    struct sink *otlp;
    int rc;

    *session = (struct session){.options = options, .ops = ops, .context = context};
    session->epoll_fd = session->signal_fd = -1;
    session->acceptor.epoll_fd = session->keeper.control = session->keeper.board_fd = -1;
    session->clients.epoll_fd = -1;
    session->listen_fd = open_socket(options);
    if (session->listen_fd < 0 && options->keeper_fd == -1)
        return session->listen_fd;
    set_limits();
    rc = open_loop(session);
    if (!rc)
        rc = open_keeper(session);
    session->symbols = symbols_new(value[SETTING_DEBUG_PATH].text, SYMBOLS_MEMORY);
    if (rc || !session->symbols) {
        log_failure("cannot start: %s", strerror(rc ? -rc : ENOMEM));
        session_close(session);
        return rc ? rc : -ENOMEM;
    }
    symbols_ask_servers(session->symbols);
    programs_init(&session->programs, session->symbols);
    programs_add_sink(&session->programs, sink_files_new(options));
    programs_add_sink(&session->programs, sink_pyroscope_new(options));
    otlp = sink_otlp_new(options);
    programs_add_sink(&session->programs, otlp);
    session->programs.wants_facts = otlp;
    session_open_pages(session);
    session_add_metrics(session);
    session->interval_ns = (int64_t)value[SETTING_INTERVAL].number;
    if (value[SETTING_WALL_HZ].number)
        session->programs.usual_wall_period_ns = SECOND_NS / (int64_t)value[SETTING_WALL_HZ].number;
    session->programs.wall_period_ns = session->programs.usual_wall_period_ns;
    controls_open(session);
    session->next_tick_ns = monotonic_ns() + TICK_NS;
    session->next_round_ns = monotonic_ns() + session->interval_ns;
    own_pages_give_back();
    log_info("session %s: profiles go to %s%s", options->socket, options->out,
             !*value[SETTING_SERVER].text ? ""
             : *options->out              ? " and to the server"
                                          : "the server"); /* the URL may hold a password */
    return 0;
}

void session_accept_all(struct session *session)
{
    struct handover handover;
    for (int i = 0; i < ACCEPTS; i++) {
        int rc = acceptor_next(&session->acceptor, &handover);
        if (!rc)
            session_take(session, &handover);
        else if (rc == -EPROTO || rc == -EPERM)
            session->refused++;
        else if (rc != -ENOMSG)
            return;
    }
}

/* An event may be older than its member: another event of the same batch may have removed it, and a new
   member may have its address. So the descriptor is asked again. */
static void pidfd_ready(struct session *session, struct member *member)
{
    if (hash_get(&session->by_address, (uintptr_t)member) && member_is_dead(member))
        session_end(session, member->index, session->woke_ns);
}

/* No profile is written before all processes are there that belong to it. */
static bool has_more(struct session *session)
{
    if (session->keeper.has_more && monotonic_ns() >= session->more_until_ns)
        session->keeper.has_more = false;
    if (!session->keeper.has_more && session->is_restoring) {
        session_restore(session, atomic_load_explicit(&session->keeper.board->start_ns, memory_order_relaxed),
                        false);
    }
    return session->keeper.has_more;
}

/* Processes that ended and that the dead keeper held cannot be given to the new one. So they are written
   now. */
static void replace_keeper(struct session *session)
{
    bool held_ended = session->ended_count, was_telling = session->keeper.has_more;

    log_info("the keeper has died");
    close(session->keeper.control);
    session->keeper.control = -1;
    session->keeper.has_more = false;
    session_start_keeper(session);
    session_hold_all(session);
    if (was_telling && session->is_restoring) /* who was not told of comes with a copy */
        session_restore(session, atomic_load_explicit(&session->keeper.board->start_ns, memory_order_relaxed),
                        true);
    if (!has_more(session) && held_ended)
        session_round(session);
}

static void keeper_ready(struct session *session)
{
    struct handover handover;

    for (int i = 0; i < ACCEPTS; i++) {
        int rc = keeper_next(&session->keeper, &handover);
        if (rc == -EAGAIN)
            return;
        if (!rc)
            session_take_held(session, &handover);
        if (rc != -EPIPE)
            continue;
        replace_keeper(session);
        return;
    }
}

static void handle(struct session *session, const struct epoll_event *event)
{
    if (event->data.ptr == &session->acceptor)
        session_accept_all(session);
    else if (event->data.ptr == &session->keeper)
        keeper_ready(session);
    else if (event->data.ptr == &session->clients)
        clients_work(&session->clients);
    else if (event->data.ptr == &session->signal_fd)
        session_read_signals(session);
    else if (event->data.ptr == &session->web)
        return; /* session_serve_pages() is next */
    else
        pidfd_ready(session, event->data.ptr);
}

/* Does everything that is due. Returns for how many ms nothing else is due. */
static int work(struct session *session)
{
    int64_t now = monotonic_ns(), next, next_web, next_wall = session_wall_sample(session, now);

    if (session_tick(session, now)) {
        clients_tick(&session->clients, now);
        tabs_tick(&session->tabs, now);
        controls_tick(session, now);
    }
    if (now >= session->next_switch_ns)
        controls_apply(session, now, false);
    if (now >= session->next_round_ns)
        session_round(session);
    session_serve_waiting(session);
    keeper_touch(0);
    next = programs_upload_due(&session->programs, monotonic_ns());
    session_release_written(session);
    if (monotonic_ns() >= session->next_send_ns)
        session_send(session, 0);
    next_web = session_serve_pages(session);
    next = next < next_web ? next : next_web;
    session_answer_flushes(session, false);
    next = next < next_wall ? next : next_wall;
    next = next < session->next_tick_ns ? next : session->next_tick_ns;
    next = next < session->next_round_ns ? next : session->next_round_ns;
    next = next < session->next_switch_ns ? next : session->next_switch_ns;
    now = monotonic_ns();
    if (session->queued && next > session->next_send_ns)
        next = session->next_send_ns;
    if (session_fast_tick(session, now) && next > now + FAST_TICK_NS)
        next = now + FAST_TICK_NS;
    return next > now ? (int)((next - now + MS_NS - 1) / MS_NS) : 0;
}

void session_run(struct session *session)
{
    struct epoll_event event[EVENTS];

    while (has_more(session) || !session->ops->is_over(session, monotonic_ns())) {
        int timeout_ms = session->keeper.has_more ? MORE_MS : work(session), count;
        keeper_touch(0);
        atomic_fetch_add_explicit(&session->keeper.board->beats, 1, memory_order_relaxed);
        count = epoll_wait(session->epoll_fd, event, EVENTS, timeout_ms);
        session->woke_ns = monotonic_ns();
        for (int i = 0; i < count; i++)
            handle(session, &event[i]);
    }
}

void session_stop_accepting(struct session *session)
{
    if (session->listen_fd == -1)
        return;
    shutdown(session->listen_fd, SHUT_RD);
    keeper_send(&session->keeper, KEEPER_STOP_ACCEPTING, 0); /* it holds the name, too */
    session_accept_all(session);
    if (session->options->socket[0] != '@')
        unlink(session->options->socket);
    acceptor_close(&session->acceptor);
    close(session->listen_fd);
    session->listen_fd = -1;
}

void session_finish(struct session *session, const struct session_patience *patience)
{
    session->is_finishing = true;
    while (session->members) {
        struct member *member = session->member[session->members - 1];
        session_end(session, session->members - 1, member_is_dead(member) ? monotonic_ns() : 0);
    }
    session_end_pages(session, PAGES_END_MS);
    session_await_symbols(session, patience->idle_ms < SYMBOLS_WAIT_MS ? patience->idle_ms : SYMBOLS_WAIT_MS);
    programs_upload_all(&session->programs);
    if (!programs_have_been(&session->programs) && controls_why_nothing(session))
        log_warn("nothing was recorded: %s", controls_why_nothing(session));
    else
        programs_explain_nothing(&session->programs, session->options->out);
    /* From here on a kill costs the queue in memory at most. A successor would have nothing to read. */
    programs_settle(&session->programs);
    keeper_done(&session->keeper);
    session_send_all(session, patience);
    session_answer_flushes(session, true);
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void session_close(struct session *session)
{
    session_end_pages(session, 0);
    acceptor_close(&session->acceptor);
    clients_close(&session->clients);
    hash_free(&session->held_pids);
    keeper_done(&session->keeper);
    keeper_close(&session->keeper);
    close_if_open(session->listen_fd);
    close_if_open(session->signal_fd);
    close_if_open(session->epoll_fd);
    for (size_t i = 0; i < session->programs.sinks; i++)
        session->programs.sink[i]->ops->free(session->programs.sink[i]);
    while (session->members)
        member_free(session->member[--session->members]);
    free(session->member);
    hash_free(&session->by_pid);
    hash_free(&session->by_address);
    programs_free(&session->programs);
    symbols_free(session->symbols);
}
