/* SPDX-License-Identifier: Apache-2.0 */
/* The table of checks, and the order in which a subject is asked. */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checks.h"
#include "uploader/base/progress.h"

enum { USAGE = 2, GIVEN_MOST = 64 };

enum {
    M = SUBJECT_MACHINE,
    P = SUBJECT_PROGRAM,
    R = SUBJECT_PROCESS, /* one that runs */
    I = SUBJECT_IMAGE,
    ALL = M | P | R | I,
};

/* In this order. `well` is said if a check finds nothing. */
static const struct check {
    const char *id;
    unsigned subjects;
    bool needs_program; /* makes sense if the program's file was read */
    bool is_quick;      /* the launcher asks it, too */
    bool is_of_contents;
    void (*run)(struct examination *examination);
    const char *well;
} checks[] = {
    {"process", R, false, false, false, check_process, "the process can be looked at"},
    {"found", P, false, true, false, check_found, "the program is there"},
    {"script", P | I, true, false, false, check_script, "nothing on the way takes LD_PRELOAD away"},
    {"machine", P | R | I, true, true, false, check_machine, "it is a program of this architecture"},
    {"static", P | R | I, true, true, false, check_static, "it is dynamically linked"},
    {"secure", P | I, true, true, false, check_secure, "it has no set-user-id bit and no file capabilities"},
    {"sanitizer", P | R | I, true, true, true, check_sanitizer, "no sanitizer is inside"},
    {"libc", P | R | I, true, false, true, check_libc, "the library works with its C library"},
    {"image", I, false, false, false, check_image, "there are programs that can be profiled"},
    {"image-cprof", I, false, false, false, check_image_cprof, "cprof is in it"},
    {"preload", M | P | R | I, false, false, false, check_preload, "what LD_PRELOAD names can be loaded"},
    {"loaded", R, false, false, false, check_loaded, "libcprof.so is loaded into it"},
    {"joined", R, false, false, false, check_joined, "a session has it, and records all types without loss"},
    {"seccomp", M | P, false, false, false, check_inherited_filter, "no seccomp filter is in the way"},
    {"seccomp", R, false, false, false, check_filter, "no seccomp filter is in the way"},
    {"installation", M | P | R, false, false, false, check_installation,
     "library, uploader and keeper are there and can start"},
    {"kernel", M | P | R, false, false, false, check_kernel,
     "the kernel has all that is needed (perf is not)"},
    {"limits", M | P, false, false, false, check_limits, "limits of resources leave room"},
    {"limits", R, false, false, false, check_process_limits, "limits of resources leave room"},
    {"group", M | P | R, false, false, false, check_group, "the control group leaves room"},
    {"stacks", M | P | R, false, false, false, check_yama, "stacks of threads that wait may be read"},
    {"dumpable", R, false, false, false, check_stacks, "the process may be read by its own user"},
    {"profilers", M | P | R, false, false, false, check_profilers, "no other profiler is loaded"},
    {"allocator", P | R | I, true, false, true, check_allocator, "no allocator is inside"},
    {"runtime", P | R | I, true, false, true, check_runtime,
     "it is no interpreter or runtime with code of its own"},
    {"symbols", P | R | I, true, false, true, check_symbols, "its functions have names and lines"},
    {"unwind", P | R | I, true, false, true, check_unwind, "it has call frame information"},
    {"libraries", P | R | I, true, false, true, check_libraries, "its libraries are there and have names"},
    {"settings", ALL, false, false, false, check_settings, "the values of all settings can be used"},
    {"names", ALL, false, false, false, check_names, "no name of a setting is misspelled"},
    {"switches", ALL, false, false, false, check_switches, "no setting switches something off"},
    {"socket", M | P, false, false, false, check_socket, "the session's socket can be had"},
    {"out", M | P | R, false, false, false, check_out, "profiles can be written"},
    {"spool", M | P | R, false, false, false, check_spool, "spool and log can be written"},
    {"listen", M | P | R, false, false, false, check_listen, "CPROF_LISTEN can be listened at"},
    {"server", M | P | R, false, false, false, check_server,
     "no Pyroscope server is set, or it takes profiles"},
    {"otlp", M | P | R, false, false, false, check_otlp, "no receiver of OTLP is set, or it takes profiles"},
};

/* What is inside of a program that can never be profiled is of no use to know. */
static bool is_pointless(const struct examination *examination, const struct check *check)
{
    return check->is_of_contents && (findings_have(&examination->findings, "static") ||
                                     findings_have(&examination->findings, "machine"));
}

static void run_checks(struct examination *examination)
{
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        const struct check *check = &checks[i];
        size_t before = examination->findings.count;
        if (!(check->subjects & examination->subject) || (check->needs_program && !examination->is_known) ||
            (examination->quick && !check->is_quick) || is_pointless(examination, check))
            continue;
        examination->check = check->id;
        progress_step("looking at %s", check->id);
        check->run(examination);
        if (examination->findings.count == before && !findings_have(&examination->findings, check->id))
            FOUND(examination, WELL, "%s", check->well);
    }
    progress_end();
}

/* --- what is examined --- */

static int read_settings(struct examination *examination)
{
    int rc;

    /* Complaints are findings of a check. */
    examination->options.foreground = false;
    rc = options_parse(&examination->options, examination->given_count, examination->given);
    examination->environment = environ;
    return rc < 0 ? rc : 0;
}

static bool is_number(const char *text)
{
    return *text && !text[strspn(text, "0123456789")];
}

/* In its network namespace servers and sessions are asked as it does. */
static void enter_network(struct process *process)
{
    char path[64];
    int fd;

    if (!process->other_network)
        return;
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)process->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    process->network_is_closed = fd < 0 || setns(fd, CLONE_NEWNET);
    if (fd >= 0)
        close(fd);
}

static int read_process(struct examination *examination)
{
    char directory[64];
    int error = process_read(examination, (pid_t)atoi(examination->name));

    if (error)
        return error;
    snprintf(directory, sizeof directory, "/proc/%d/cwd", (int)examination->process.pid);
    if (chdir(directory))
        return 0; /* relative paths of its settings mean nothing to us */
    return 0;
}

static int begin(struct examination *examination)
{
    struct stat st;
    int error = 0;

    if (is_number(examination->name) && stat(examination->name, &st)) {
        examination->subject = SUBJECT_PROCESS;
        error = read_process(examination);
        if (error)
            fprintf(stderr, "cprof: doctor: there is no process %s\n", examination->name);
    } else if (*examination->name && !stat(examination->name, &st) && S_ISDIR(st.st_mode)) {
        examination->subject = SUBJECT_IMAGE;
        error = image_read(examination);
        if (error)
            fprintf(stderr, "cprof: doctor: %s: %s\n", examination->name, strerror(-error));
    } else {
        examination->subject = *examination->name ? SUBJECT_PROGRAM : SUBJECT_MACHINE;
    }
    if (error)
        return error;
    error = read_settings(examination);
    if (error)
        return error;
    if (examination->subject & SUBJECT_PROGRAM ||
        (examination->subject & SUBJECT_IMAGE && *examination->name))
        program_find(examination);
    if (examination->subject == SUBJECT_PROCESS)
        enter_network(&examination->process);
    return 0;
}

static void find_installation(struct examination *examination)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    path[length > 0 ? length : 0] = 0;
    snprintf(examination->uploader, PATH_MAX, "%s", path);
    slash = strrchr(path, '/');
    if (*examination->library || !slash)
        return;
    if (snprintf(examination->library, PATH_MAX, "%.*s/libcprof.so", (int)(slash - path), path) >= PATH_MAX ||
        access(examination->library, F_OK))
        examination->library[0] = 0;
}

/* --- the launcher's question --- */

static const struct finding *reason_of(const struct examination *examination)
{
    for (size_t i = 0; i < examination->findings.count; i++)
        if (examination->findings.finding[i].level == FINDING_STOPS)
            return &examination->findings.finding[i];
    return NULL;
}

static enum doctor_verdict verdict_of(const struct examination *examination, const char *id)
{
    if (!strcmp(id, "found"))
        return examination->is_absent ? DOCTOR_NOT_FOUND : DOCTOR_NOT_RUNNABLE;
    return !strcmp(id, "machine") || !strcmp(id, "sanitizer") ? DOCTOR_BARE : DOCTOR_UNSEEN;
}

enum doctor_verdict doctor_verdict(const char *name, char path[PATH_MAX], char reason[DOCTOR_REASON])
{
    static struct examination examination;
    enum doctor_verdict verdict = DOCTOR_FINE;
    const struct finding *why;
    bool known;

    examination =
        (struct examination){.name = name, .subject = SUBJECT_PROGRAM, .root_fd = -1, .quick = true};
    examination.environment = environ;
    examination.preloaded = ""; /* the launcher puts the library first, whatever else is preloaded */
    program_find(&examination);
    run_checks(&examination);
    why = reason_of(&examination);
    if (why)
        verdict = verdict_of(&examination, why->id);
    strcpy(path, examination.found);
    *reason = 0;
    if (why)
        snprintf(reason, DOCTOR_REASON, "%s%s%s", why->text, why->remedy ? ". " : "",
                 why->remedy ? why->remedy : "");
    else if (examination.is_known)
        program_libc(&examination, &examination.binary, reason, &known);
    findings_free(&examination.findings);
    return verdict;
}

/* --- the command --- */

static void print_help(void)
{
    puts("usage: cprof doctor [options] [PROGRAM|PID|DIRECTORY]\n"
         "\n"
         "Says whether something can be profiled and what will be missing, each with its remedy. Runs "
         "nothing.\n"
         "\n"
         "  PROGRAM      a program's file, found by PATH, with the settings of this shell\n"
         "  PID          a process that runs, with its own settings\n"
         "  DIRECTORY    the root of an image or container: unpacked, mounted, or /proc/PID/root\n"
         "  nothing      this machine, with the settings of this shell\n"
         "\n"
         "If a server is set, one test profile is pushed to it, as service cprof-doctor.\n"
         "\n"
         "Options:\n"
         "  --verbose    what is well, too\n"
         "  --json       as JSON\n"
         "  --no-push    asks no server\n"
         "  --NAME=VALUE a setting, as cprof --help lists them\n"
         "  --help\n"
         "\n"
         "Ends with 0: all is well; 1: something will be missing; 2: it cannot be profiled, or there is no "
         "such thing.");
}

struct command {
    bool json, no_more;
    struct findings_style style;
};

/* 0; 1: help was printed; negative errno. */
static int take_option(struct examination *examination, struct command *command, char *option)
{
    static const char library[] = "--library=", preloaded[] = "--preloaded=";

    if (!strcmp(option, "--help") || !strcmp(option, "-h")) {
        print_help();
        return 1;
    }
    if (!strcmp(option, "--verbose") || !strcmp(option, "-v"))
        command->style.verbose = true;
    else if (!strcmp(option, "--json"))
        command->json = true;
    else if (!strcmp(option, "--no-push"))
        examination->offline = true;
    else if (!strcmp(option, "--"))
        command->no_more = true;
    else if (!strncmp(option, library, strlen(library)))
        snprintf(examination->library, PATH_MAX, "%s", option + strlen(library));
    else if (!strncmp(option, preloaded, strlen(preloaded)))
        examination->preloaded = option + strlen(preloaded);
    else if (!strncmp(option, "--", 2) && examination->given_count < GIVEN_MOST)
        examination->given[examination->given_count++] = option;
    else {
        fprintf(stderr, "cprof: doctor: unknown option %s (cprof doctor --help)\n", option);
        return -EINVAL;
    }
    return 0;
}

static int take_arguments(struct examination *examination, struct command *command, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int rc = 0;
        if (*argv[i] == '-' && argv[i][1] && !command->no_more)
            rc = take_option(examination, command, argv[i]);
        else if (!*argv[i] || *examination->name) {
            fprintf(stderr,
                    "cprof: doctor: one program, process or directory at a time (cprof doctor --help)\n");
            return -EINVAL;
        } else
            examination->name = argv[i];
        if (rc)
            return rc;
    }
    return 0;
}

static const char *subject_name(const struct examination *examination, char text[PATH_MAX])
{
    const struct process *process = &examination->process;

    switch (examination->subject) {
    case SUBJECT_PROCESS:
        snprintf(text, PATH_MAX, "process %d (%s)", (int)process->pid, process->name);
        return text;
    case SUBJECT_IMAGE:
        return examination->root;
    case SUBJECT_PROGRAM:
        return *examination->found && !examination->is_absent ? examination->found : examination->name;
    case SUBJECT_MACHINE:
        break;
    }
    return "this machine";
}

static bool color_wanted(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0 && !getenv("NO_COLOR");
}

int doctor_main(int argc, char **argv)
{
    static struct examination examination = {.name = "", .root_fd = -1};
    struct command command = {.json = false};
    const char *preloaded = getenv("LD_PRELOAD");
    char text[PATH_MAX];
    int rc;

    signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is a finding */
    signal(SIGPIPE, SIG_IGN);
    examination.preloaded = preloaded ? preloaded : "";
    examination.given[examination.given_count++] = argv[0];
    rc = take_arguments(&examination, &command, argc, argv);
    if (rc)
        return rc < 0 ? USAGE : 0;
    command.style.color = color_wanted();
    find_installation(&examination);
    if (begin(&examination))
        return USAGE;
    run_checks(&examination);
    if (command.json)
        findings_print_json(&examination.findings, subject_name(&examination, text), stdout);
    else
        findings_print(&examination.findings, subject_name(&examination, text), command.style, stdout);
    rc = findings_status(&examination.findings);
    findings_free(&examination.findings);
    return rc;
}
