/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of what /metrics shows. docs/metrics.md is made from it (scripts/check-docs --write), and a metric that is
 * not here cannot be written.
 *
 * Rules, of Prometheus (docs/practices/naming.md, docs/instrumenting/exposition_formats.md): names begin with cprof_, times
 * are in seconds and sizes in bytes, and what only grows ends in _total. The sum over a label has a meaning. Names of
 * another program's figures never begin with process_, which means who serves them. A process id is never a label,
 * because it would make a series for each process.
 */
#ifndef CPROF_UPLOADER_METRICS_TABLE_H
#define CPROF_UPLOADER_METRICS_TABLE_H

/* X(id, name, type, labels separated by commas, help) */
#define METRICS(X)                                                                                           \
    X(PROGRAM_CPU, "cprof_program_cpu_seconds_total", COUNTER, "program,service",                            \
      "CPU time of the program's processes since each joined.")                                              \
    X(PROGRAM_RESIDENT, "cprof_program_resident_memory_bytes", GAUGE, "program,service,kind",                \
      "Resident memory of its live processes: anonymous, file, shared, and cprof's segment.")                \
    X(PROGRAM_HEAP, "cprof_program_live_heap_bytes", GAUGE, "program,service",                               \
      "Blocks that its live processes have allocated and not freed. An estimate from sampled blocks.")       \
    X(PROGRAM_OBJECTS, "cprof_program_live_heap_objects", GAUGE, "program,service",                          \
      "The number of these blocks. An estimate.")                                                            \
    X(PROGRAM_MAPPED, "cprof_program_live_mapped_bytes", GAUGE, "program,service",                           \
      "Memory that its live processes have mapped themselves and not unmapped. An estimate.")                \
    X(PROGRAM_THREADS, "cprof_program_threads", GAUGE, "program,service", "Threads of its live processes.")  \
    X(PROGRAM_THREADS_STARTED, "cprof_program_threads_started_total", COUNTER, "program,service",            \
      "Threads that began, main threads included.")                                                          \
    X(PROGRAM_PROCESSES, "cprof_program_processes", GAUGE, "program,service", "Its live processes.")         \
    X(PROGRAM_PROCESSES_STARTED, "cprof_program_processes_joined_total", COUNTER, "program,service",         \
      "Processes that joined.")                                                                              \
    X(SAMPLES, "cprof_samples_total", COUNTER, "program,service,profile", "Samples taken.")                  \
    X(SAMPLES_LOST, "cprof_samples_lost_total", COUNTER, "program,service,reason", "Samples lost.")          \
    X(MISSED, "cprof_missed_total", COUNTER, "program,service,reason",                                       \
      "Threads, blocks, mappings, modules and the like that are not followed, so that profiles lack their "  \
      "samples or names.")                                                                                   \
    X(STACKS_CUT, "cprof_stacks_cut_total", COUNTER, "program,service,reason",                               \
      "Samples whose stack is not whole.")                                                                   \
    X(OVERHEAD_CPU, "cprof_overhead_cpu_seconds_total", COUNTER, "program,service,part",                     \
      "CPU time that profiling takes: for samples in the program (cpu, memory, mutex, block), and in the "   \
      "uploader (wall, reading).")                                                                           \
    X(OVERHEAD, "cprof_overhead_ratio", GAUGE, "program,service",                                            \
      "The same in the last second, as a share of the program's CPU time or of a quarter of a CPU, "         \
      "whichever is more.")                                                                                  \
    X(OVERHEAD_LIMIT, "cprof_overhead_limit_ratio", GAUGE, "program,service",                                \
      "The share that CPROF_MAX_OVERHEAD allows. Left out if there is no limit.")                            \
    X(RATES_LOWERED, "cprof_rates_lowered_total", COUNTER, "program,service",                                \
      "Times that rates were lowered to keep below it.")                                                     \
    X(RECORDING, "cprof_recording_processes", GAUGE, "program,service,profile",                              \
      "Live processes that record this profile type.")                                                       \
    X(CPU_PERIOD, "cprof_cpu_sample_period_seconds", GAUGE, "program,service",                               \
      "CPU time of a thread between two samples. Of several processes, the one with the fewest samples "     \
      "counts.")                                                                                             \
    X(MEMORY_PERIOD, "cprof_memory_sample_period_bytes", GAUGE, "program,service",                           \
      "Bytes allocated between two samples, on average; of several processes likewise.")                     \
    X(MUTEX_RATIO, "cprof_mutex_sample_ratio", GAUGE, "program,service",                                     \
      "Share of lock contentions of 10 us that is recorded.")                                                \
    X(BLOCK_PERIOD, "cprof_block_sample_period_seconds", GAUGE, "program,service",                           \
      "Waits shorter than this are sampled, longer ones are all recorded.")                                  \
    X(WALL_PERIOD, "cprof_wall_sample_period_seconds", GAUGE, "program,service",                             \
      "Time between two looks at all threads of a process, on average.")                                     \
    X(BUILD, "cprof_build_info", GAUGE, "version", "1, with the version of the uploader.")                   \
    X(PROGRAMS, "cprof_programs", GAUGE, "", "Programs of the session, also those that ended.")              \
    X(PROCESSES, "cprof_processes", GAUGE, "", "Live processes of the session.")                             \
    X(JOINED, "cprof_processes_joined_total", COUNTER, "", "Processes that joined the session.")             \
    X(ENDED, "cprof_processes_ended_total", COUNTER, "", "Processes that left it, by their end or by exec.") \
    X(REFUSED, "cprof_processes_refused_total", COUNTER, "", "Processes that were not let in.")              \
    X(BEYOND, "cprof_beyond_ceiling_total", COUNTER, "what",                                                 \
      "What the session's ceilings keep from being told apart or recorded.")                                 \
    X(WALL_SAMPLES, "cprof_wall_samples_total", COUNTER, "", "Looks at every thread of the session.")        \
    X(ROUND_DURATION, "cprof_round_duration_seconds", HISTOGRAM, "",                                         \
      "Time for reading, encoding and handing on all profiles of an interval.")                              \
    X(UPLOAD_DURATION, "cprof_upload_duration_seconds", HISTOGRAM, "",                                       \
      "Time for encoding one program's profiles and handing them to all sinks.")                             \
    X(SYMBOLS_BYTES, "cprof_symbols_bytes", GAUGE, "kind",                                                   \
      "Memory for names, and for files that are open to find more.")                                         \
    X(SYMBOLS_LOCATIONS, "cprof_symbols_locations", GAUGE, "", "Addresses that were looked up.")             \
    X(SYMBOLS_MODULES, "cprof_symbols_modules", GAUGE, "", "Executables and libraries that were met.")       \
    X(PUSH_REQUESTS, "cprof_push_requests_total", COUNTER, "sink,outcome",                                   \
      "Requests to a server, by what came of them.")                                                         \
    X(PUSH_DURATION, "cprof_push_duration_seconds", HISTOGRAM, "sink",                                       \
      "Time from the begin of a request to its answer.")                                                     \
    X(PUSH_BYTES, "cprof_push_bytes_total", COUNTER, "sink",                                                 \
      "Bytes of the requests' bodies that were taken.")                                                      \
    X(PUSH_PARTLY, "cprof_push_partial_total", COUNTER, "sink",                                              \
      "Requests that were taken, but not all that was in them.")                                             \
    X(DROPPED, "cprof_profiles_dropped_total", COUNTER, "sink,reason",                                       \
      "Profiles that a server will never have.")                                                             \
    X(QUEUE_PROFILES, "cprof_queue_profiles", GAUGE, "sink", "Profiles that wait in memory.")                \
    X(QUEUE_BYTES, "cprof_queue_bytes", GAUGE, "sink", "Their size.")                                        \
    X(SPOOL_FILES, "cprof_spool_files", GAUGE, "sink", "Profiles that wait on disk.")                        \
    X(SPOOL_BYTES, "cprof_spool_bytes", GAUGE, "sink", "Their size.")                                        \
    X(SPOOL_LIMIT, "cprof_spool_limit_bytes", GAUGE, "sink",                                                 \
      "The size beyond which the oldest are dropped.")                                                       \
    X(SPOOL_ERRORS, "cprof_spool_errors_total", COUNTER, "sink",                                             \
      "Profiles that could not be written to disk. They wait in memory.")                                    \
    X(UNSENT_AGE, "cprof_unsent_oldest_age_seconds", GAUGE, "sink",                                          \
      "Age of the oldest profile that waits, in memory or on disk; 0: none waits.")                          \
    X(HTTP_REQUESTS, "cprof_http_requests_total", COUNTER, "",                                               \
      "Requests to CPROF_LISTEN that were answered in any way.")                                             \
    X(HTTP_REFUSED, "cprof_http_refused_total", COUNTER, "reason",                                           \
      "Those refused, because of the peer's address (403), the token (401) or the rate (429).")              \
    X(HTTP_CUT, "cprof_http_connections_cut_total", COUNTER, "",                                             \
      "Connections that were ended because they were slow, or too many.")                                    \
    X(HTTP_CONNECTIONS, "cprof_http_connections", GAUGE, "", "Open connections.")                            \
    X(OWN_CPU, "process_cpu_seconds_total", COUNTER, "", "CPU time of the uploader.")                        \
    X(OWN_RESIDENT, "process_resident_memory_bytes", GAUGE, "", "Resident memory of the uploader.")          \
    X(OWN_VIRTUAL, "process_virtual_memory_bytes", GAUGE, "", "Address space of the uploader.")              \
    X(OWN_START, "process_start_time_seconds", GAUGE, "", "When the uploader began, as Unix time.")          \
    X(OWN_FDS, "process_open_fds", GAUGE, "", "Open descriptors of the uploader.")                           \
    X(OWN_MAX_FDS, "process_max_fds", GAUGE, "", "Most descriptors that it may have.")                       \
    X(OWN_THREADS, "process_threads", GAUGE, "", "Threads of the uploader.")

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define X(id, ...) METRIC_##id,
enum metric { METRICS(X) METRIC_COUNT };
#undef X

struct metric_row {
    const char *name;
    enum metric_type type;
    const char *labels, *help;
};
extern const struct metric_row metric_rows[METRIC_COUNT];

#endif
