/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/encoding/json.h"
#include "uploader/target/process/rates.h"
#include "uploader/target/segment.h"

bool listing_has(const struct control_request *request, const struct member *member)
{
    const struct program *program = member->target->program;

    if (request->pid)
        return member->target->pid == request->pid;
    return !*request->program || !strcmp(program->name, request->program) ||
           !strcmp(program->service, request->program);
}

/* What is shown of one process. */
struct row {
    struct rates rates;
    uint64_t cpu, memory, mutex, block, lost; /* samples */
    int64_t own_ns, cpu_ns;                   /* cpu_ns 0: not known */
    uint32_t threads;                         /* 0: not known */
    int64_t start_ns;                         /* CLOCK_REALTIME */
};

/* The clock of a process's CPU time: the kernel's MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED). */
static int64_t cpu_time_of(pid_t pid)
{
    return pid > 0 ? clock_ns((clockid_t)(~(unsigned)pid << 3 | 2)) : 0;
}

static uint32_t threads_of(pid_t pid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    return pid > 0 && !stat(path, &st) && st.st_nlink > 2 ? (uint32_t)st.st_nlink - 2 : 0;
}

static uint64_t count_of(const struct target *target, enum counter counter)
{
    return atomic_load_explicit(&target->segment->counter[counter], memory_order_relaxed);
}

static uint64_t own_ticks(const struct target *target)
{
    uint64_t ticks = 0;

    for (int i = COUNT_CPU_TICKS; i <= COUNT_BLOCK_TICKS; i++)
        ticks += count_of(target, (enum counter)i);
    return ticks;
}

static void read_row(const struct member *member, struct row *row)
{
    const struct target *target = member->target;
    const struct seg_header *header = &target->segment->header;

    *row = (struct row){.cpu = count_of(target, COUNT_CPU_SAMPLES),
                        .memory = count_of(target, COUNT_ALLOC_SAMPLES),
                        .mutex = count_of(target, COUNT_MUTEX_SAMPLES),
                        .block = count_of(target, COUNT_BLOCK_SAMPLES),
                        .own_ns = (int64_t)target_ticks_to_ns(target, own_ticks(target)),
                        .cpu_ns = cpu_time_of(target->pid),
                        .threads = threads_of(target->pid),
                        .start_ns = realtime_of(target_time(target, header->start_monotonic_ns))};
    row->lost = count_of(target, COUNT_LOST_STACK_TABLE) + count_of(target, COUNT_LOST_SAMPLE_TABLE) +
                count_of(target, COUNT_LOST_BUFFER) + count_of(target, COUNT_LOST_ROTATION) +
                count_of(target, COUNT_LOST_ROOM);
    target_rates_in_force(target, &row->rates);
}

static void put_time(FILE *out, int64_t real_ns)
{
    time_t seconds = (time_t)(real_ns / SECOND_NS);
    char text[32] = "";
    struct tm tm;

    if (gmtime_r(&seconds, &tm))
        strftime(text, sizeof text, "%FT%TZ", &tm);
    fputs(text, out);
}

static void put_profiles(FILE *out, const struct rates *rates)
{
    bool any = false;

    for (int type = 0; type < PROFILES; type++) {
        uint64_t rate = control_rate_number(rates, (enum profile_type)type);
        if (!(rates->profiles >> type & 1))
            continue;
        fprintf(out, "%s%s", any ? " " : "", control_types[type]);
        if (type == PROFILE_MEMORY && rate % 1024 == 0)
            fprintf(out, "=%" PRIu64 "KiB", rate / 1024);
        else if (type == PROFILE_BLOCK && rate % 1000000 == 0)
            fprintf(out, "=%" PRIu64 "ms", rate / 1000000);
        else if (type == PROFILE_BLOCK && rate % 1000 == 0)
            fprintf(out, "=%" PRIu64 "us", rate / 1000);
        else if (rate)
            fprintf(out, "=%" PRIu64 "%s", rate, type == PROFILE_BLOCK ? "ns" : "");
        any = true;
    }
    fputs(any ? "" : "nothing", out);
}

static void put_row(FILE *out, const struct member *member, const struct row *row)
{
    const struct program *program = member->target->program;
    int64_t age_s = (clock_ns(CLOCK_REALTIME) - row->start_ns) / SECOND_NS;
    char cost[16] = "-";

    if (row->cpu_ns > 0)
        snprintf(cost, sizeof cost, "%.2f%%", 100.0 * (double)row->own_ns / (double)row->cpu_ns);
    fprintf(out, "%7d  %-20s  %-20s  %7" PRIu32 "  %9" PRIu64 "  %6" PRIu64 "  %6s  %3" PRId64 ":%02d:%02d  ",
            (int)member->target->pid, program->name, program->service, row->threads,
            row->cpu + row->memory + row->mutex + row->block, row->lost, cost, age_s / 3600,
            (int)(age_s / 60 % 60), (int)(age_s % 60));
    put_profiles(out, &row->rates);
    putc('\n', out);
}

static void put_json_row(FILE *out, const struct member *member, const struct row *row)
{
    const struct target *target = member->target;
    bool any = false;

    fprintf(out, "{\"pid\":%d,\"own_pid\":%d,\"program\":", (int)target->pid, target->segment->header.pid);
    json_put_text(out, target->program->name);
    fputs(",\"service\":", out);
    json_put_text(out, target->program->service);
    fputs(",\"labels\":", out);
    json_put_text(out, target->program->labels);
    fprintf(out, ",\"threads\":%" PRIu32 ",\"since\":\"", row->threads);
    put_time(out, row->start_ns);
    fputs("\",\"profiles\":[", out);
    for (int type = 0; type < PROFILES; type++) {
        if (!(row->rates.profiles >> type & 1))
            continue;
        fprintf(out, "%s\"%s\"", any ? "," : "", control_types[type]);
        any = true;
    }
    fputs("],\"rates\":{", out);
    for (int type = 0; type <= PROFILE_WALL; type++)
        fprintf(out, "%s\"%s\":%" PRIu64, type ? "," : "", control_types[type],
                control_rate_number(&row->rates, (enum profile_type)type));
    fprintf(out,
            "},\"samples\":{\"cpu\":%" PRIu64 ",\"memory\":%" PRIu64 ",\"mutex\":%" PRIu64
            ",\"block\":%" PRIu64 "},\"lost\":%" PRIu64 ",\"own_ns\":%" PRId64 ",\"cpu_ns\":%" PRId64 "}",
            row->cpu, row->memory, row->mutex, row->block, row->lost, row->own_ns, row->cpu_ns);
}

static void put_session(FILE *out, const struct session *session, bool json)
{
    int64_t since_ns = atomic_load_explicit(&session->keeper.board->start_ns, memory_order_relaxed);

    fputs(json ? "{\"session\":" : "session ", out);
    json ? json_put_text(out, session->options->socket) : (void)fputs(session->options->socket, out);
    fprintf(out,
            json ? ",\"uploader\":%d,\"version\":\"%s\",\"since\":\"" : ", uploader %d, cprof %s, since ",
            (int)getpid(), CPROF_VERSION);
    put_time(out, since_ns);
    fprintf(out, json ? "\",\"recording\":\"%s\"" : ", recording: %s", gate_text(&session->gate));
    fputs(json ? "" : "\n", out);
}

void session_list(const struct session *session, const struct control_request *request, FILE *out)
{
    size_t shown = 0;

    put_session(out, session, request->json);
    fputs(request->json ? ",\"processes\":[" : "", out);
    for (size_t i = 0; i < session->members; i++) {
        struct row row;
        if (!listing_has(request, session->member[i]))
            continue;
        read_row(session->member[i], &row);
        if (request->json) {
            fputs(shown++ ? "," : "", out);
            put_json_row(out, session->member[i], &row);
            continue;
        }
        if (!shown++)
            fprintf(out, "%7s  %-20s  %-20s  %7s  %9s  %6s  %6s  %9s  %s\n", "PID", "PROGRAM", "SERVICE",
                    "THREADS", "SAMPLES", "LOST", "COST", "RUNS", "RECORDS");
        put_row(out, session->member[i], &row);
    }
    if (!shown && !request->json)
        fputs("no process at present\n", out);
    fputs(request->json ? "]}\n" : "", out);
}

void session_put_processes(const struct session *session, const struct control_request *request, FILE *out)
{
    for (size_t i = 0; i < session->members; i++) {
        const struct member *member = session->member[i];
        struct row row;
        if (!listing_has(request, member))
            continue;
        read_row(member, &row);
        fprintf(out, "process\t%d\t%u\t%" PRIu32 "\t%" PRId64 "\t%" PRId64 "\t%" PRIu64 "\t%" PRId64 "\t",
                (int)member->target->pid, member->target->program->number, row.threads, row.cpu_ns,
                row.own_ns, row.lost, row.start_ns / MS_NS);
        put_profiles(out, &row.rates);
        putc('\n', out);
    }
}

static void put_types(FILE *out, const char *what, uint32_t types, bool json, bool *any)
{
    for (int type = 0; type < PROFILES; type++) {
        if (!(types >> type & 1))
            continue;
        fprintf(out, json ? "%s\"%s %s\"" : "%s%s %s", *any ? (json ? "," : ", ") : "", what,
                control_types[type]);
        *any = true;
    }
}

static void put_rule(FILE *out, const struct rule *rule, bool json)
{
    bool any = false;

    if (json) {
        fprintf(out, "{\"pid\":%d,\"program\":", (int)rule->pid);
        json_put_text(out, rule->program);
        fputs(",\"says\":[", out);
    } else if (rule->pid) {
        fprintf(out, "  process %d: ", (int)rule->pid);
    } else {
        fprintf(out, "  %s%s: ", *rule->program ? "program " : "all", rule->program);
    }
    put_types(out, "on", rule->change.on, json, &any);
    put_types(out, "off", rule->change.off, json, &any);
    for (int type = 0; type < PROFILES; type++) {
        if (!(rule->change.rates >> type & 1))
            continue;
        fprintf(out, json ? "%s\"rate %s=%" PRIu64 "\"" : "%srate %s=%" PRIu64,
                any ? (json ? "," : ", ") : "", control_types[type],
                control_rate_number(&rule->change.to, (enum profile_type)type));
        any = true;
    }
    fputs(json ? "]}" : "\n", out);
}

void session_status(const struct session *session, const struct control_request *request, FILE *out)
{
    const struct setting_value *value = session->options->settings.value;
    bool json = request->json, has_server = *value[SETTING_SERVER].text;

    put_session(out, session, json);
    fprintf(
        out,
        json ? ",\"processes\":%zu,\"joined\":%u,\"refused\":%u,\"waiting_uploads\":%u,\"server\":%s,\"out\":"
             : "processes: %zu now, %u so far, %u refused; uploads that wait: %u; server: %s; files: ",
        session->members, session->joined, session->refused, session->queued,
        json         ? has_server ? "true" : "false"
        : has_server ? "yes"
                     : "none");
    json ? json_put_text(out, session->options->out)
         : (void)fputs(*session->options->out ? session->options->out : "none", out);
    fputs(json ? ",\"kill_switch\":" : "\nkill switch: ", out);
    json ? json_put_text(out, session->options->kill_switch)
         : (void)fputs(*session->options->kill_switch ? session->options->kill_switch : "none", out);
    fputs(json ? ",\"schedule\":" : "; schedule: ", out);
    json ? json_put_text(out, session->gate.schedule_text)
         : (void)fputs(*session->gate.schedule_text ? session->gate.schedule_text : "none", out);
    fputs(json ? ",\"rules\":[" : session->rules->count ? "\nchanged by cprof ctl:\n" : "\n", out);
    for (uint32_t i = 0; i < session->rules->count; i++) {
        fputs(json && i ? "," : "", out);
        put_rule(out, &session->rules->rule[i], json);
    }
    fputs(json ? "]}\n" : "", out);
}
