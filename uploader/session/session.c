/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/handover/socket_name.h"
#include "uploader/process/proc_text.h"
#include "uploader/programs/upload.h"
#include "uploader/sinks/files/restore.h"
#include "uploader/target/round.h"
#include "uploader/target/segment.h"

#define TELL_MOST_NS (5 * SECOND_NS)
#define ENDED_BYTES  (INT64_C(64) << 20)
#define TICK_NS      SECOND_NS
#define SEND_TICK_NS (200 * MS_NS) /* while uploads wait for the network */
#define FAST_TICK_NS (100 * MS_NS) /* while a target waits for us, or may, or fills its tables */
enum { TELL_MS = 100, EVENTS = 64, ACCEPTS = 256, ANCESTORS = 16, WALL_SHARE = 64, WALL_COSTS_AVERAGED = 8 };
#define SYMBOLS_MEMORY (12u << 20)

static int watch(struct session *session, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    return epoll_ctl(session->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

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

static struct member *find_member(const struct session *session, pid_t pid)
{
    return hash_get(&session->by_pid, (uint64_t)pid);
}

static pid_t parent_of(pid_t pid)
{
    struct proc_stat stat;
    char path[64], text[1024];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return proc_read(path, text, sizeof text) > 0 && proc_stat_parse(text, &stat) ? stat.parent : 0;
}

/* A worker that gave up root after it was forked: it descends from a target of ours. */
static bool is_descendant(pid_t pid, void *context)
{
    const struct session *session = context;

    for (int i = 0; geteuid() == 0 && pid > 1 && i < ANCESTORS; i++, pid = parent_of(pid))
        if (find_member(session, pid))
            return true;
    return false;
}

static int open_loop(struct session *session)
{
    int rc;

    session->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    session->signal_fd = signalfd(-1, &session->ops->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (session->epoll_fd == -1 || session->signal_fd == -1)
        return -errno;
    if (watch(session, session->signal_fd, &session->signal_fd))
        return -errno;
    if (session->listen_fd == -1) /* an uploader before us stopped accepting */
        return 0;
    rc = acceptor_open(&session->acceptor, session->listen_fd, is_descendant, session);
    session->acceptor.secrets = session->options->secrets;
    return rc ? rc : watch(session, session->acceptor.epoll_fd, &session->acceptor);
}

static void start_keeper(struct session *session)
{
    if (keeper_start(&session->keeper, session->listen_fd))
        return;
    watch(session, session->keeper.control, &session->keeper);
    for (size_t i = 0; i < session->members; i++)
        session->member[i]->is_kept = false;
    session->endeds = 0;
    session->ended_bytes = 0;
}

/* One keeper a session: the one that started us, or one that we start. */
static int open_keeper(struct session *session)
{
    int rc = keeper_open(&session->keeper, session->options->keeper_fd);

    if (rc)
        return rc;
    session->keeper.keeps_stderr = session->options->keeps_stderr;
    options_stay(session->options);
    if (session->options->keeper_fd != -1) {
        session->is_restoring = true;
        session->told_until_ns = monotonic_ns() + TELL_MOST_NS;
        return watch(session, session->keeper.control, &session->keeper);
    }
    session->is_first = true;
    atomic_store_explicit(&session->keeper.board->start_ns, clock_ns(CLOCK_REALTIME), memory_order_relaxed);
    start_keeper(session);
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
    int rc;

    *session = (struct session){.options = options, .ops = ops, .context = context};
    session->epoll_fd = session->signal_fd = -1;
    session->acceptor.epoll_fd = session->keeper.control = session->keeper.board_fd = -1;
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
    programs_init(&session->programs, session->symbols);
    programs_add_sink(&session->programs, sink_files_new(options));
    programs_add_sink(&session->programs, sink_pyroscope_new(options));
    session->interval_ns = (int64_t)value[SETTING_INTERVAL].number;
    if (value[SETTING_WALL_HZ].number)
        session->usual_wall_period_ns = SECOND_NS / (int64_t)value[SETTING_WALL_HZ].number;
    session->programs.wall_period_ns = session->usual_wall_period_ns;
    session->next_tick_ns = monotonic_ns() + TICK_NS;
    session->next_round_ns = monotonic_ns() + session->interval_ns;
    log_info("session %s: profiles go to %s%s", options->socket, options->out,
             !*value[SETTING_SERVER].text ? ""
             : *options->out              ? " and to the server"
                                          : "the server"); /* the URL may hold a password */
    return 0;
}

static void remove_member(struct session *session, size_t index)
{
    struct member *member = session->member[index];

    if (member->target->pidfd != -1)
        epoll_ctl(session->epoll_fd, EPOLL_CTL_DEL, member->target->pidfd, NULL);
    if (find_member(session, member->target->pid) == member)
        hash_take(&session->by_pid, (uint64_t)member->target->pid);
    hash_take(&session->by_address, (uintptr_t)member);
    session->member[index] = session->member[--session->members];
    session->member[index]->index = index;
    session->last_end_ns = monotonic_ns();
    member_free(member);
}

static bool is_dead(const struct member *member)
{
    struct pollfd ask = {.fd = member->target->pidfd, .events = POLLIN};
    return member->target->pidfd == -1 || poll(&ask, 1, 0) == 1;
}

static void release_oldest(struct session *session)
{
    keeper_tell(&session->keeper, KEEPER_RELEASE, session->ended[0].id);
    session->ended_bytes -= session->ended[0].bytes;
    session->endeds--;
    memmove(&session->ended[0], &session->ended[1], session->endeds * sizeof session->ended[0]);
}

/* The keeper has it until it is written. Not more than a few: those that end by the hundred would take their
   memory along. */
static void keep_ended(struct session *session, const struct member *member)
{
    struct session_ended ended = {member->target->id, member->target->program, monotonic_ns(), 0};
    struct stat st;

    if (!member->is_kept || session->is_finishing)
        return;
    if (!is_dead(member))
        keeper_tell(&session->keeper, KEEPER_ENDED, member->target->id);
    if (!fstat(member->target->memfd, &st))
        ended.bytes = (int64_t)st.st_blocks * 512;
    while (session->endeds && (session->endeds == SESSION_ENDED || session->ended_bytes > ENDED_BYTES))
        release_oldest(session);
    session->ended[session->endeds++] = ended;
    session->ended_bytes += ended.bytes;
}

/* After uploads. */
static void release_written(struct session *session)
{
    size_t left = 0;

    for (size_t i = 0; i < session->members; i++) {
        struct member *member = session->member[i];
        if (member->committed_ns != member->target->program->interval_done_ns)
            target_commit(member->target);
        member->committed_ns = member->target->program->interval_done_ns;
    }

    for (size_t i = 0; i < session->endeds; i++) {
        const struct session_ended *ended = &session->ended[i];
        if ((ended->program->merged_done_ns > ended->ended_ns &&
             ended->program->interval_done_ns > ended->ended_ns) ||
            monotonic_ns() - ended->ended_ns > 2 * session->interval_ns + SECOND_NS) {
            keeper_tell(&session->keeper, KEEPER_RELEASE, ended->id);
            session->ended_bytes -= ended->bytes;
        } else {
            session->ended[left++] = *ended;
        }
    }
    session->endeds = left;
}

/* ended_ns: when its program ended, at the latest; 0: it goes on without us. */
static void end_member(struct session *session, size_t index, int64_t ended_ns)
{
    struct member *member = session->member[index];

    keep_ended(session, member);
    if (ended_ns)
        member_drain_end(member, ended_ns);
    else
        member_drain(member);
    log_info("%s[%d] ended", member->target->program->name, (int)member->target->pid);
    remove_member(session, index);
}

static int add_member(struct session *session, struct member *member)
{
    if (session->members == session->capacity) {
        size_t capacity = session->capacity ? 2 * session->capacity : 16;
        struct member **grown = realloc(session->member, capacity * sizeof(struct member *));
        if (!grown)
            return -ENOMEM;
        session->member = grown;
        session->capacity = capacity;
    }
    if (hash_put(&session->by_address, (uintptr_t)member, member))
        return -ENOMEM;
    if (hash_put(&session->by_pid, (uint64_t)member->target->pid, member)) {
        hash_take(&session->by_address, (uintptr_t)member);
        return -ENOMEM;
    }
    member->index = session->members;
    session->member[session->members++] = member;
    return 0;
}

/* The process has one already: it executed another program, or it took us for dead and made a copy. */
static void replace_member(struct session *session, struct member *member)
{
    struct member *old = member->target->pid ? find_member(session, member->target->pid) : NULL;

    if (!old)
        return;
    if (member->target->resumed) {
        member_resume(member, old);
        keeper_tell(&session->keeper, KEEPER_RELEASE, old->target->id);
        remove_member(session, old->index);
    } else {
        struct program *program = old->target->program;
        end_member(session, old->index, monotonic_ns());
        if (program == member->target->program)
            program_clear_threads(program, member->target->pid);
    }
}

/* Those that the keeper could not take at once, or that another one had. */
static void keep_all(struct session *session)
{
    if (session->keeper.control == -1)
        start_keeper(session);
    for (size_t i = 0; i < session->members && session->keeper.control != -1; i++) {
        struct member *member = session->member[i];
        const struct handover handover = {.pid = member->target->pid,
                                          .memfd = member->target->memfd,
                                          .pidfd = member->target->pidfd,
                                          .root_fd = member->target->source.root_fd,
                                          .exe_fd = member->target->source.exe_fd,
                                          .id = member->target->id};
        if (!member->is_kept)
            member->is_kept = keeper_keep(&session->keeper, &handover);
    }
}

/* Reads back what is left of processes that had ended before this uploader: the files of its session. If the
   keeper died as well, the session is known by a process that came with a copy of its segment, and its files
   are those that were written since that process began. */
static void restore(struct session *session, int64_t since_ns, bool without_living)
{
    const struct restore_without without = {&session->kept_pids, without_living};

    session->is_restoring = false;
    for (size_t i = 0; i < session->programs.sinks; i++) {
        int directory = sink_files_directory(session->programs.sink[i]);
        if (directory >= 0)
            restore_programs(&session->programs, directory, since_ns, &without);
    }
    hash_free(&session->kept_pids);
    session->kept_pids = (struct hash){0};
}

static void refuse(struct session *session, const struct handover *handover)
{
    keeper_tell(&session->keeper, KEEPER_RELEASE, handover->id);
    session->refused++;
}

void session_take(struct session *session, const struct handover *given)
{
    struct handover copy = *given, *handover = &copy;
    struct member *member;
    bool is_kept;

    if (session->members >= SESSION_TARGETS && !handover->was_kept && !find_member(session, handover->pid)) {
        log_warn("process %d is not profiled: more than %d at one time", (int)handover->pid, SESSION_TARGETS);
        handover_close(handover);
        session->programs.processes_beyond++;
        session->refused++;
        return;
    }
    /* In safe hands before it is looked at. */
    target_open_files(handover);
    if (!handover->was_kept)
        handover->id = keeper_new_id(&session->keeper);
    is_kept = handover->was_kept || keeper_keep(&session->keeper, handover);
    if (member_new(&session->programs, handover, &member)) {
        refuse(session, handover);
        return;
    }
    member->is_kept = is_kept;
    member->committed_ns = member->target->program->interval_done_ns;
    if (handover->was_kept && handover->pid && member->target->resumed)
        hash_put(&session->kept_pids, (uint64_t)handover->pid, session);
    if (!handover->has_ended)
        replace_member(session, member);
    if (add_member(session, member)) {
        member_drain(member);
        member_free(member);
        refuse(session, handover);
        return;
    }
    session->joined++;
    if (session->is_first && member->target->segment->header.flags & SEGMENT_RESUMED)
        restore(session, (int64_t)(member->target->segment->header.start_realtime_ns & INT64_MAX), true);
    session->is_first = false;
    log_info("%s[%d] %s", member->target->program->name, (int)member->target->pid,
             handover->was_kept ? "kept" : "joined");
    /* Without a pidfd the process is gone, or out of our sight: what it has recorded so far is all we can be
     * sure of. */
    if (member->target->pidfd == -1 || handover->has_ended || watch(session, member->target->pidfd, member))
        end_member(session, session->members - 1,
                   member->target->pidfd == -1 || handover->has_ended ? monotonic_ns() : 0);
}

/* What an uploader before us had. Where its process took that one for dead, a copy may be here already. */
static void take_kept(struct session *session, const struct handover *handover)
{
    struct member *copy = handover->pid && !handover->has_ended ? find_member(session, handover->pid) : NULL,
                  *old;

    if (!copy || !(copy->target->segment->header.flags & SEGMENT_RESUMED)) {
        session_take(session, handover);
        return;
    }
    if (!member_new(&session->programs, handover, &old)) {
        old->target->resumed = copy->target->resumed; /* what was acknowledged comes from one of the two */
        member_resume(copy, old);
        member_free(old);
    }
    keeper_tell(&session->keeper, KEEPER_RELEASE, handover->id);
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

static void read_signals(struct session *session)
{
    struct signalfd_siginfo info;
    while (read(session->signal_fd, &info, sizeof info) == sizeof info)
        session->ops->signal(session, &info);
}

/* An event may be older than its target: another of the same batch may have removed it, and a new one may be
   where it was. So the descriptor is asked again. */
static void pidfd_ready(struct session *session, struct member *member)
{
    if (hash_get(&session->by_address, (uintptr_t)member) && is_dead(member))
        end_member(session, member->index, session->woke_ns);
}

static void round_all(struct session *session)
{
    for (size_t i = 0; i < session->members; i++)
        member_drain(session->member[i]);
    keeper_touch(0);
    programs_upload_all(&session->programs);
    release_written(session);
    session->next_round_ns = monotonic_ns() + session->interval_ns;
}

/* No profile is written before all is there that belongs to it. */
static bool is_telling(struct session *session)
{
    if (session->keeper.is_telling && monotonic_ns() >= session->told_until_ns)
        session->keeper.is_telling = false;
    if (!session->keeper.is_telling && session->is_restoring) {
        restore(session, atomic_load_explicit(&session->keeper.board->start_ns, memory_order_relaxed), false);
    }
    return session->keeper.is_telling;
}

/* What it held of processes that have ended nobody can give to the next one: it is written now. */
static void replace_keeper(struct session *session)
{
    bool held_ended = session->endeds, was_telling = session->keeper.is_telling;

    log_info("the keeper has died");
    close(session->keeper.control);
    session->keeper.control = -1;
    session->keeper.is_telling = false;
    start_keeper(session);
    keep_all(session);
    if (was_telling && session->is_restoring) /* who was not told of comes with a copy */
        restore(session, atomic_load_explicit(&session->keeper.board->start_ns, memory_order_relaxed), true);
    if (!is_telling(session) && held_ended)
        round_all(session);
}

static void keeper_ready(struct session *session)
{
    struct handover handover;

    for (int i = 0; i < ACCEPTS; i++) {
        int rc = keeper_next(&session->keeper, &handover);
        if (rc == -EAGAIN)
            return;
        if (!rc)
            take_kept(session, &handover);
        if (rc != -EPIPE)
            continue;
        replace_keeper(session);
        return;
    }
}

static void send_queued(struct session *session, unsigned wait_ms)
{
    session->next_send_ns = monotonic_ns() + SEND_TICK_NS;
    session->queued = 0;
    for (size_t i = 0; i < session->programs.sinks; i++)
        if (session->programs.sink[i]->ops->work)
            session->queued += session->programs.sink[i]->ops->work(session->programs.sink[i], wait_ms);
}

/* pid 1 of a container takes the whole container along, us too: everything must be out before it may go. */
static void serve_waiting(struct session *session)
{
    for (size_t i = 0; i < session->members; i++) {
        if (!target_waits(session->member[i]->target))
            continue;
        round_all(session);
        send_queued(session, 5000);
        target_finished(session->member[i]->target);
    }
}

/* Tables that fill up, and a process that may wait for the uploader, are served more often than once a second. */
static bool needs_fast_tick(struct session *session, int64_t now_ns)
{
    bool any = false;
    for (size_t i = 0; i < session->members; i++) {
        struct member *member = session->member[i];
        any |= member_rotate(member, now_ns);
        any |= (member->target->segment->header.flags & SEGMENT_PID1) != 0;
    }
    return any;
}

static void tick(struct session *session, int64_t now_ns)
{
    if (now_ns < session->next_tick_ns)
        return;
    for (size_t i = session->members; i--;) {
        if (target_is_replaced(session->member[i]->target))
            end_member(session, i, now_ns);
        else
            member_tick(session->member[i], now_ns);
    }
    /* Once a second at most: what it closes may have to be opened, and inflated, again for the next new
     * address. */
    symbols_trim(session->symbols);
    if (session->listen_fd != -1)
        acceptor_tick(&session->acceptor, now_ns);
    keep_all(session);
    session->next_tick_ns = now_ns + TICK_NS;
}

/* Half to one and a half periods, at random: a program that does everything in step with us would be seen in
   always the same place. */
static int64_t jittered(int64_t period_ns)
{
    return period_ns / 2 + (int64_t)((double)period_ns * ((double)random() / RAND_MAX));
}

/* All members share one budget. Each time another member comes first. */
static void wall_sample_all(struct session *session)
{
    struct wall_budget budget = wall_budget();
    size_t first = session->wall_samples++;

    for (size_t i = 0; i < session->members; i++)
        member_wall_sample(session->member[(first + i) % session->members], &budget, monotonic_ns());
}

/* However many threads there are, wall samples take 1 / WALL_SHARE of a CPU, or there is one a second. */
static void timed_wall_sample(struct session *session)
{
    int64_t cost_ns = -clock_ns(CLOCK_THREAD_CPUTIME_ID), least_ns;

    wall_sample_all(session);
    cost_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID);
    session->wall_cost_ns += (cost_ns - session->wall_cost_ns) / WALL_COSTS_AVERAGED;
    least_ns =
        session->wall_cost_ns * WALL_SHARE < SECOND_NS ? session->wall_cost_ns * WALL_SHARE : SECOND_NS;
    session->programs.wall_period_ns =
        session->usual_wall_period_ns > least_ns ? session->usual_wall_period_ns : least_ns;
}

/* Returns when the next one is due. */
static int64_t wall_sample_due(struct session *session, int64_t now_ns)
{
    bool any = false;

    for (size_t i = 0; session->usual_wall_period_ns && i < session->members; i++)
        any |= target_records_threads(session->member[i]->target);
    if (!any)
        return INT64_MAX;
    if (now_ns < session->next_wall_ns)
        return session->next_wall_ns;
    timed_wall_sample(session);
    return session->next_wall_ns = now_ns + jittered(session->programs.wall_period_ns);
}

static void handle(struct session *session, const struct epoll_event *event)
{
    if (event->data.ptr == &session->acceptor)
        session_accept_all(session);
    else if (event->data.ptr == &session->keeper)
        keeper_ready(session);
    else if (event->data.ptr == &session->signal_fd)
        read_signals(session);
    else
        pidfd_ready(session, event->data.ptr);
}

/* Everything with a time of its own. Returns how long nothing else is due, in ms. */
static int work(struct session *session)
{
    int64_t now = monotonic_ns(), next, next_wall = wall_sample_due(session, now);

    tick(session, now);
    if (now >= session->next_round_ns)
        round_all(session);
    serve_waiting(session);
    keeper_touch(0);
    next = programs_upload_due(&session->programs, monotonic_ns());
    release_written(session);
    if (monotonic_ns() >= session->next_send_ns)
        send_queued(session, 0);
    next = next < next_wall ? next : next_wall;
    next = next < session->next_tick_ns ? next : session->next_tick_ns;
    next = next < session->next_round_ns ? next : session->next_round_ns;
    now = monotonic_ns();
    if (session->queued && next > session->next_send_ns)
        next = session->next_send_ns;
    if (needs_fast_tick(session, now) && next > now + FAST_TICK_NS)
        next = now + FAST_TICK_NS;
    return next > now ? (int)((next - now + MS_NS - 1) / MS_NS) : 0;
}

void session_run(struct session *session)
{
    struct epoll_event event[EVENTS];

    while (is_telling(session) || !session->ops->is_over(session, monotonic_ns())) {
        int timeout_ms = session->keeper.is_telling ? TELL_MS : work(session), count;
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
    keeper_tell(&session->keeper, KEEPER_STOP_ACCEPTING, 0); /* it holds the name, too */
    session_accept_all(session);
    if (session->options->socket[0] != '@')
        unlink(session->options->socket);
    acceptor_close(&session->acceptor);
    close(session->listen_fd);
    session->listen_fd = -1;
}

void session_finish(struct session *session, unsigned wait_ms)
{
    session->is_finishing = true;
    while (session->members) {
        struct member *member = session->member[session->members - 1];
        end_member(session, session->members - 1, is_dead(member) ? monotonic_ns() : 0);
    }
    programs_upload_all(&session->programs);
    programs_explain_nothing(&session->programs, session->options->out);
    send_queued(session, 0);
    if (session->queued)
        send_queued(session, wait_ms);
    if (session->queued)
        log_warn("%u uploads could not be sent before the end", session->queued);
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void session_close(struct session *session)
{
    acceptor_close(&session->acceptor);
    hash_free(&session->kept_pids);
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
