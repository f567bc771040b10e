/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cprof-uploader run: starts a program with the library preloaded, and is its session while it runs.
 *
 * The program is a child, and otherwise runs as without the launcher: with its process group, terminal,
 * descriptors, mask and limits. Signals that were sent to the launcher are passed on. Those of the terminal
 * reach the program by themselves.
 */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runnable.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/session/session.h"
#include "uploader/sinks/summary.h"

enum { USAGE = 2, NOT_RUNNABLE = 126 };
static const struct session_patience patience = {10000, 300000, 900000};

static const int forwarded[] = {SIGINT,  SIGQUIT, SIGHUP,   SIGTERM, SIGUSR1,  SIGUSR2,
                                SIGALRM, SIGCONT, SIGWINCH, SIGPWR,  SIGVTALRM};
enum { FORWARDED = sizeof forwarded / sizeof forwarded[0] };

/* Options that make no sense for a program that the launcher starts. */
static const uint64_t hidden =
    UINT64_C(1) << SETTING_SOCKET | UINT64_C(1) << SETTING_UPLOADER | UINT64_C(1) << SETTING_ENABLED;

struct run {
    pid_t child;
    int status; /* as of waitpid() */
    bool ended;
    bool interrupted; /* the user wants it to be over */
    bool said_waiting;
    int64_t ended_ns;
};

static void reap(struct run *run)
{
    if (run->ended || waitpid(run->child, &run->status, WNOHANG) != run->child)
        return;
    run->ended = true;
    run->ended_ns = monotonic_ns();
}

/* A terminal's signals reach the whole foreground group. si_code then says that the kernel sent them. */
static void on_signal(struct session *session, const struct signalfd_siginfo *info)
{
    struct run *run = session->context;

    if (info->ssi_signo == SIGCHLD)
        reap(run);
    else if (run->ended)
        run->interrupted = session->is_interrupted = true;
    else if (info->ssi_code != SI_KERNEL)
        kill(run->child, (int)info->ssi_signo);
}

static bool is_over(struct session *session, int64_t now_ns)
{
    struct run *run = session->context;
    int64_t linger = (int64_t)session->options->settings.value[SETTING_LINGER].number;

    if (!run->ended)
        return false;
    session_accept_all(session);
    if (!session->members || run->interrupted)
        return true;
    if (now_ns - run->ended_ns >= linger) {
        fprintf(stderr, "cprof: %zu process%s it left behind still run%s; that is not recorded any more\n",
                session->members, session->members == 1 ? "" : "es", session->members == 1 ? "s" : "");
        return true;
    }
    if (!run->said_waiting && now_ns - run->ended_ns >= SECOND_NS / 2) {
        fprintf(stderr,
                "cprof: the program has ended; waiting up to %.3gs for %zu process%s that it left behind\n",
                (double)linger / 1e9, session->members, session->members == 1 ? "" : "es");
        run->said_waiting = true;
    }
    return false;
}

static void print_help(void)
{
    puts("usage: cprof [options] [--] program args...\n"
         "       cprof ctl|report|diff|top|doctor|explain|convert ...\n"
         "\n"
         "Profiles a program that was not built for it: CPU, memory, locks and waits, by preloading a "
         "library.\n"
         "Profiles go to cprof.out/<program>/, or with --server to a Pyroscope server, or to both with --out "
         "as well.\n"
         "\n"
         "Options (each is also an environment variable, for programs that are started otherwise):");
    options_print_help(stdout, hidden);
    puts("  --quiet                  print no summary at the end\n"
         "  --check                  say whether the program can be profiled, and do not run it\n"
         "  --help, --version\n"
         "\n"
         "Commands, each with --help of its own (cprof -- diff runs a program called diff):\n"
         "  report [DIR|FILE...]     a page to look at, of a session or of any profiles\n"
         "  diff A B                 what changed, and whether that is more than chance\n"
         "  top                      what a running session finds, in the terminal\n"
         "  doctor [PROGRAM|PID|DIR] whether something can be profiled, and what will be missing\n"
         "  explain FILE             a profile or a thread dump in ten lines of prose\n"
         "  convert FILE             to and from folded stacks, speedscope and the Firefox Profiler\n"
         "  ctl COMMAND              asks a running session, and changes what it records");
}

/* A name of its own, so that two launchers never share a session. */
static void make_socket_name(void)
{
    char name[64];
    unsigned random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
        random = (unsigned)monotonic_ns();
    snprintf(name, sizeof name, "@cprof-run-%d-%08x", (int)getpid(), random);
    setenv("CPROF_SOCKET", name, 1);
}

/* library: NULL for a program that is to run without it. */
static int preload(const char *library, const char *preloaded)
{
    const char *others = preloaded ? preloaded : getenv("LD_PRELOAD");
    char *value;
    int rc;

    if (!library)
        return others && setenv("LD_PRELOAD", others, 1) ? -errno : 0;
    if (asprintf(&value, "%s%s%s", library, others && *others ? ":" : "", others ? others : "") == -1)
        return -ENOMEM;
    rc = setenv("LD_PRELOAD", value, 1) ? -errno : 0;
    free(value);
    return rc;
}

/* What the child gets back as the launcher got it. */
struct inherited {
    sigset_t mask;
    struct sigaction child_action, pipe_action;
    struct rlimit descriptors, core;
};

static void take_signals(struct inherited *inherited, sigset_t *signals)
{
    struct sigaction fallback = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};

    sigemptyset(signals);
    sigaddset(signals, SIGCHLD);
    for (int i = 0; i < FORWARDED; i++)
        sigaddset(signals, forwarded[i]);
    getrlimit(RLIMIT_NOFILE, &inherited->descriptors);
    getrlimit(RLIMIT_CORE, &inherited->core);
    sigprocmask(SIG_BLOCK, signals, &inherited->mask);
    sigaction(SIGCHLD, &fallback, &inherited->child_action); /* ignored, it would reap the child for us */
    sigaction(SIGPIPE, &ignore, &inherited->pipe_action);
}

static void exec_child(const struct inherited *inherited, const char *path, char **argv, int error_fd)
{
    int error;

    setrlimit(RLIMIT_NOFILE, &inherited->descriptors);
    setrlimit(RLIMIT_CORE, &inherited->core);
    sigaction(SIGCHLD, &inherited->child_action, NULL);
    sigaction(SIGPIPE, &inherited->pipe_action, NULL);
    sigprocmask(SIG_SETMASK, &inherited->mask, NULL);
    execv(path, argv);
    error = errno;
    if (write(error_fd, &error, sizeof error) < 0)
        _exit(NOT_RUNNABLE);
    _exit(NOT_RUNNABLE);
}

/* The child's pid, or negative errno, also if the child could not execute the program. A pipe that exec
   closes tells. */
static pid_t start(const struct inherited *inherited, const char *path, char **argv)
{
    int fds[2], error = 0;
    pid_t child;

    if (pipe2(fds, O_CLOEXEC))
        return -errno;
    child = fork();
    if (!child)
        exec_child(inherited, path, argv, fds[1]);
    if (child == -1)
        error = errno;
    close(fds[1]);
    if (!error && read(fds[0], &error, sizeof error) == sizeof error)
        waitpid(child, NULL, 0);
    close(fds[0]);
    return error ? -error : child;
}

/* Ends as the program did. The core, if any, is the program's. */
static int end_like(int status)
{
    if (WIFSIGNALED(status)) {
        int number = WTERMSIG(status);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, number);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        prctl(PR_SET_DUMPABLE, 0);
        signal(number, SIG_DFL);
        raise(number);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        return 128 + number;
    }
    return WEXITSTATUS(status);
}

/* The library has asked the same. */
static bool is_left_out(const struct settings *settings, const char *program)
{
    const char *slash = strrchr(program, '/');
    struct utsname host = {.nodename = ""};

    uname(&host);
    return !settings_are_chosen(settings, host.nodename, slash ? slash + 1 : program);
}

static void explain_nothing(const struct session *session, const char *program)
{
    const struct setting_value *fraction = &session->options->settings.value[SETTING_FRACTION];

    if (is_left_out(&session->options->settings, program))
        fprintf(stderr, "cprof: not profiled: this host and service are not among CPROF_FRACTION=%s\n",
                fraction->text);
    else if (session->refused)
        fprintf(stderr, "cprof: nothing was recorded: the processes that asked were refused, see above\n");
    else
        fprintf(
            stderr,
            "cprof: nothing was recorded: no process has loaded the library. %s may clear LD_PRELOAD or its "
            "environment, start a static or set-user-id program, or run elsewhere (a container, a daemon)\n",
            program);
}

static bool color_wanted(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0 && !getenv("NO_COLOR");
}

/* unseen: why the program is not profiled; NULL: it is. */
static int run_session(struct options *options, char **argv, const char *path, const char *unseen)
{
    struct session_ops ops = {.signal = on_signal, .is_over = is_over};
    struct inherited inherited;
    struct session session;
    struct run run = {0};
    int rc;

    take_signals(&inherited, &ops.signals);
    rc = session_open(&session, options, &ops, &run);
    if (rc) {
        fprintf(stderr, "cprof: cannot start a session: %s\n", strerror(-rc));
        return NOT_RUNNABLE;
    }
    run.child = start(&inherited, path, argv);
    if (run.child < 0) {
        fprintf(stderr, "cprof: %s: %s\n", path, strerror(-run.child));
        session_close(&session);
        return NOT_RUNNABLE;
    }
    session_run(&session);
    session_stop_accepting(&session);
    session_finish(&session, &patience);
    if (!session.joined && unseen)
        options->quiet ? (void)0 : (void)fprintf(stderr, "cprof: not profiled: %s\n", unseen);
    else if (!session.joined)
        explain_nothing(&session, argv[0]);
    else if (!options->quiet)
        summary_print(stderr, &session.programs, color_wanted());
    session_close(&session);
    return end_like(run.status);
}

/* Without --library: the one beside our own file, as in a bundle. */
static const char *beside_us(void)
{
    static const char name[] = "libcprof.so";
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof name);
    char *end;

    if (length <= 0)
        length = snprintf(path, sizeof path - sizeof name, "%s", (const char *)getauxval(AT_EXECFN));
    path[length] = 0;
    end = strrchr(path, '/');
    memcpy(end ? end + 1 : path, name, sizeof name);
    return path;
}

/* A line on stderr says why it is not. */
static bool is_preloadable(const char *library)
{
    if (access(library, R_OK)) {
        fprintf(stderr, "cprof: --library names the library to preload, libcprof.so; %s is not there\n",
                library);
        return false;
    }
    if (!strpbrk(library, " :$"))
        return true;
    fprintf(stderr,
            "cprof: %s cannot be preloaded: LD_PRELOAD takes spaces and colons for separators, and $ for a "
            "variable. Install cprof in a directory without them\n",
            library);
    return false;
}

int run_main(int argc, char **argv)
{
    static struct options options = {.foreground = true};
    char path[PATH_MAX], reason[RUNNABLE_REASON];
    int first, status;

    make_socket_name();
    first = options_parse(&options, argc, argv);
    if (first < 0)
        return USAGE;
    if (options.help || options.version) {
        options.help ? print_help() : (void)puts("cprof " CPROF_VERSION);
        return 0;
    }
    if (first == argc) {
        fputs("cprof: which program? (cprof [options] [--] program args..., --help)\n", stderr);
        return USAGE;
    }
    if (options.check)
        return runnable_explain(argv[first]);
    status = runnable_check(argv[first], path, reason);
    if (status > 0) {
        fprintf(stderr, "cprof: %s\n", reason);
        return status;
    }
    if (!options.library)
        options.library = beside_us();
    if (!is_preloadable(options.library))
        return USAGE;
    options_export(&options);
    log_open(&options);
    if (preload(status == RUNNABLE_BARE ? NULL : options.library, options.preloaded))
        return USAGE;
    return run_session(&options, argv + first, path, status ? reason : NULL);
}
