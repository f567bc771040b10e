/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of environment variables. The parser, `cprof --help`, the manual page, docs/settings.md and
 * the session's socket name are made from it. A setting that is not here does not exist.
 *
 * No allocation, no lock, no call that is interposed: usable in a constructor before libc is ready, in both
 * sides.
 */
#ifndef CPROF_SAMPLER_SETTINGS_H
#define CPROF_SAMPLER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The profile types, in the order of their bits. X(id, name, ready): ready says whether this version records
 * it. */
#define CPROF_PROFILES(X)                                                                                    \
    X(CPU, "cpu", 1)                                                                                         \
    X(MEMORY, "memory", 1)                                                                                   \
    X(MUTEX, "mutex", 1)                                                                                     \
    X(BLOCK, "block", 1)                                                                                     \
    X(WALL, "wall", 1)                                                                                       \
    X(OFF_CPU, "off_cpu", 1)                                                                                 \
    X(THREADS, "threads", 1)                                                                                 \
    X(THREADCREATE, "threadcreate", 1)

#define X(id, name, ready) PROFILE_##id,
enum profile_type { CPROF_PROFILES(X) PROFILES };
#undef X

#define X(id, name, ready) | (ready) << PROFILE_##id
enum { PROFILES_READY = 0 CPROF_PROFILES(X) };
#undef X

/*
 * X(id, variable, other names, type, default, side, help)
 *
 * other names: comma separated. If `variable` is not set, the first of them that is set counts.
 *
 * type:
 *     TEXT
 *     FLAG      0/1, true/false, on/off, yes/no
 *     COUNT     a whole number
 *     SIZE      bytes, with B, KiB, MiB, GiB, kB, MB, GB
 *     TIME      with ns, us, ms, s, m, h, d; a bare number counts seconds, for BLOCK_RATE ns, for OTLP_TIMEOUT ms
 *     PROFILES  a comma list
 *     KEEP      a TIME, a SIZE or both, each with its unit
 *     PERCENT   with or without %
 *     FRACTION  from 0 to 1, or a percentage
 *
 * side:
 *     SESSION   part of the session's name: programs with different values get different uploaders
 *     TARGET    travels in the segment
 *     LOCAL     neither
 *     SECRET    of the session, but in no name, argument or log, because every user can read the names of
 *               sockets, and guess offline what a hash was made of
 */
#define CPROF_SETTINGS(X)                                                                                    \
    X(SERVER, "CPROF_SERVER", "PYROSCOPE_SERVER_ADDRESS", TEXT, "", SESSION,                                 \
      "base URL of the Pyroscope server to push to")                                                         \
    X(OUT, "CPROF_OUT", "", TEXT, "", SESSION,                                                               \
      "directory for profile files and the report; cprof.out if no server is set")                           \
    X(NAME, "CPROF_NAME", "PYROSCOPE_APPLICATION_NAME,OTEL_SERVICE_NAME", TEXT, "", TARGET,                  \
      "service name; the program's name if not set")                                                         \
    X(LABELS, "CPROF_LABELS", "PYROSCOPE_LABELS", TEXT, "", TARGET,                                          \
      "labels of every pushed series: k=v,k=v or k:v,k:v")                                                   \
    X(LABEL_NAMES, "CPROF_LABEL_NAMES", "", TEXT, "plain", SESSION,                                          \
      "utf8: names of labels are pushed as they are; plain: what is not [A-Za-z0-9_] is _")                  \
    X(RESOURCE, "OTEL_RESOURCE_ATTRIBUTES", "", TEXT, "", SESSION,                                           \
      "more labels, k=v,k=v; its service.name counts if no name is set")                                     \
    X(PROFILES, "CPROF_PROFILES", "", PROFILES, "all", TARGET,                                               \
      "comma list of profile types to record, or all")                                                       \
    X(CPU_HZ, "CPROF_CPU_HZ", "", COUNT, "100", TARGET, "CPU samples per second of each thread's CPU time")  \
    X(MEMORY_RATE, "CPROF_MEMORY_RATE", "", SIZE, "512KiB", TARGET,                                          \
      "mean bytes allocated between two allocation samples")                                                 \
    X(MUTEX_FRACTION, "CPROF_MUTEX_FRACTION", "", COUNT, "10", TARGET,                                       \
      "one of so many lock contentions of 10us is recorded, of longer ones more; 0: none")                   \
    X(BLOCK_RATE, "CPROF_BLOCK_RATE", "", TIME, "10ms", TARGET,                                              \
      "waits shorter than this are sampled, longer ones are all recorded; 0: none")                          \
    X(WALL_HZ, "CPROF_WALL_HZ", "", COUNT, "19", SESSION,                                                    \
      "wall samples of every thread per second, fewer if they would take 1/64 of a CPU; 0: one per upload")  \
    X(MAX_OVERHEAD, "CPROF_MAX_OVERHEAD", "", PERCENT, "2%", TARGET,                                         \
      "most CPU time that profiling may take, of the program's; rates are lowered to hold it, also those "   \
      "that "                                                                                                \
      "are set if this is; 0: no limit")                                                                     \
    X(INTERVAL, "CPROF_INTERVAL", "PYROSCOPE_UPLOAD_INTERVAL", TIME, "15s", SESSION,                         \
      "time between two uploads")                                                                            \
    X(KEEP, "CPROF_KEEP", "", KEEP, "24h,256MiB", SESSION,                                                   \
      "how long files of intervals are kept, and up to which total size; 0: none are written")               \
    X(AUTH_TOKEN, "CPROF_AUTH_TOKEN", "PYROSCOPE_AUTH_TOKEN", TEXT, "", SECRET,                              \
      "bearer token for the server")                                                                         \
    X(AUTH_USER, "CPROF_BASIC_AUTH_USER", "PYROSCOPE_BASIC_AUTH_USER", TEXT, "", SESSION,                    \
      "user for the server")                                                                                 \
    X(AUTH_PASSWORD, "CPROF_BASIC_AUTH_PASSWORD", "PYROSCOPE_BASIC_AUTH_PASSWORD", TEXT, "", SECRET,         \
      "password for the server")                                                                             \
    X(TENANT, "CPROF_TENANT_ID", "PYROSCOPE_TENANT_ID", TEXT, "", SESSION, "X-Scope-OrgID for the server")   \
    X(HEADERS, "CPROF_HTTP_HEADERS", "PYROSCOPE_HTTP_HEADERS", TEXT, "", SECRET,                             \
      "more HTTP headers: k=v,k=v")                                                                          \
    X(CA_FILE, "CPROF_CA_FILE", "", TEXT, "", SESSION,                                                       \
      "file of the authorities whose certificates are trusted")                                              \
    X(CLIENT_CERT, "CPROF_CLIENT_CERT", "", TEXT, "", SESSION,                                               \
      "file with a certificate that is shown to the server")                                                 \
    X(CLIENT_KEY, "CPROF_CLIENT_KEY", "", TEXT, "", SESSION,                                                 \
      "file with its key, if the key is in another one")                                                     \
    X(PROXY, "CPROF_PROXY", "", TEXT, "", SECRET,                                                            \
      "URL of the proxy to the server; not set: as https_proxy, http_proxy and all_proxy say")               \
    X(SPOOL, "CPROF_SPOOL", "", TEXT, "", SESSION,                                                           \
      "directory where profiles wait for a server that is away; not set: in memory")                         \
    X(SPOOL_SIZE, "CPROF_SPOOL_SIZE", "", SIZE, "256MiB", SESSION,                                           \
      "most bytes of all files there; the oldest are dropped first")                                         \
    X(SPOOL_AGE, "CPROF_SPOOL_AGE", "", TIME, "24h", SESSION, "how long a file waits there; 0: for ever")    \
    X(OTLP_ENDPOINT, "OTEL_EXPORTER_OTLP_ENDPOINT", "", TEXT, "", SESSION,                                   \
      "base URL of an OpenTelemetry collector; profiles go to /v1development/profiles there, by HTTP")       \
    X(OTLP_PROFILES, "OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT", "", TEXT, "", SESSION,                          \
      "URL that OTLP profiles go to, as it is; before the one above")                                        \
    X(OTLP_HEADERS, "OTEL_EXPORTER_OTLP_PROFILES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", TEXT, "", SECRET,   \
      "HTTP headers for it: k=v,k=v with values percent-encoded")                                            \
    X(OTLP_COMPRESSION, "OTEL_EXPORTER_OTLP_PROFILES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION", TEXT,   \
      "gzip", SESSION, "gzip or none")                                                                       \
    X(OTLP_TIMEOUT, "OTEL_EXPORTER_OTLP_PROFILES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", TIME, "10s",        \
      SESSION, "longest time of one request to it; a bare number counts ms")                                 \
    X(OTLP_CA_FILE, "OTEL_EXPORTER_OTLP_PROFILES_CERTIFICATE",                                               \
      "OTEL_EXPORTER_OTLP_CERTIFICATE,CPROF_CA_FILE", TEXT, "", SESSION,                                     \
      "file of the authorities that are trusted for it")                                                     \
    X(OTLP_CLIENT_CERT, "OTEL_EXPORTER_OTLP_PROFILES_CLIENT_CERTIFICATE",                                    \
      "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", TEXT, "", SESSION,                                            \
      "file with a certificate that is shown to it")                                                         \
    X(OTLP_CLIENT_KEY, "OTEL_EXPORTER_OTLP_PROFILES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY", TEXT, "",  \
      SESSION, "file with its key, if the key is in another one")                                            \
    X(OTLP_PROTOCOL, "OTEL_EXPORTER_OTLP_PROFILES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL", TEXT,            \
      "http/protobuf", SESSION, "the only one that cprof speaks; with another one, nothing is sent")         \
    X(DEBUG_PATH, "CPROF_DEBUG_PATH", "", TEXT, "", SESSION,                                                 \
      "colon list of directories with separate debug files, before /usr/lib/debug")                          \
    X(LISTEN, "CPROF_LISTEN", "", TEXT, "", SESSION,                                                         \
      "address:port or unix:path at which /debug/pprof/ is served; not set: nowhere")                        \
    X(LISTEN_TOKEN, "CPROF_LISTEN_TOKEN", "", TEXT, "", SECRET, "token that is asked for there")             \
    X(LISTEN_ALLOW, "CPROF_LISTEN_ALLOW", "", TEXT, "", SESSION,                                             \
      "comma list of addresses and networks that may ask there; not set: all")                               \
    X(LISTEN_PROXIES, "CPROF_LISTEN_PROXIES", "", TEXT, "", SESSION,                                         \
      "comma list of proxies whose X-Forwarded-For counts")                                                  \
    X(LISTEN_RATE, "CPROF_LISTEN_RATE", "", COUNT, "200", SESSION,                                           \
      "requests per second that one client may make there; 0: any number")                                   \
    X(LISTEN_CERT, "CPROF_LISTEN_CERT", "", TEXT, "", SESSION,                                               \
      "file with a certificate (PEM): HTTPS is served")                                                      \
    X(LISTEN_KEY, "CPROF_LISTEN_KEY", "", TEXT, "", SESSION, "file with its key")                            \
    X(FRACTION, "CPROF_FRACTION", "", FRACTION, "1", LOCAL,                                                  \
      "share of replicas that are profiled, by a hash of host and service name: 0.1 or 10%")                 \
    X(START_DELAY, "CPROF_START_DELAY", "", TIME, "0", TARGET,                                               \
      "each program is profiled from so long after its start")                                               \
    X(DURATION, "CPROF_DURATION", "", TIME, "0", TARGET,                                                     \
      "and for so long; the program then runs on without; 0: to its end")                                    \
    X(SCHEDULE, "CPROF_SCHEDULE", "", TEXT, "", SESSION,                                                     \
      "when profiles are recorded: 1m/10m is one minute of each ten, 09:00-17:00 a time of day; comma list") \
    X(KILL_SWITCH, "CPROF_KILL_SWITCH", "", TEXT, "", SESSION, "while this file exists nothing is recorded") \
    X(NAME_LATER, "CPROF_NAME_LATER", "", FLAG, "1", SESSION,                                                \
      "frames without a name are pushed as addresses, which the server's symbolizer names; 0: as "           \
      "module+0xSTART")                                                                                      \
    X(LINGER, "CPROF_LINGER", "", TIME, "3s", SESSION,                                                       \
      "how long the uploader stays after its last target ended")                                             \
    X(SOCKET, "CPROF_SOCKET", "", TEXT, "", SESSION,                                                         \
      "join the uploader at this socket (a path, or @name) instead of starting one")                         \
    X(UPLOADER, "CPROF_UPLOADER", "", TEXT, "", LOCAL,                                                       \
      "path of cprof-uploader if the library does not find it")                                              \
    X(SECCOMP, "CPROF_SECCOMP", "", FLAG, "0", LOCAL,                                                        \
      "1: profile under an inherited seccomp filter, which must return errors and not kill; 0: never; not "  \
      "set: only under a container's own filter")                                                            \
    X(FOLLOW, "CPROF_FOLLOW", "", FLAG, "1", LOCAL, "profile the programs that this one starts, too")        \
    X(ENABLED, "CPROF_ENABLED", "PROFILING_ENABLED", FLAG, "1", LOCAL, "0: do nothing at all")               \
    X(LOG, "CPROF_LOG", "", TEXT, "", SESSION,                                                               \
      "file for the whole log; not set: warnings go to cprof.log in the output directory")

#define X(id, ...) SETTING_##id,
enum setting { CPROF_SETTINGS(X) SETTINGS };
#undef X

/* Longest texts, in bytes: of these two a part would make two services one. */
enum { SETTING_NAME_MOST = 255, SETTING_LABELS_MOST = 1023 };

enum setting_type {
    TYPE_TEXT,
    TYPE_FLAG,
    TYPE_COUNT,
    TYPE_SIZE,
    TYPE_TIME,
    TYPE_PROFILES,
    TYPE_KEEP,
    TYPE_PERCENT,
    TYPE_FRACTION,
};
enum setting_side { SIDE_SESSION, SIDE_SECRET, SIDE_TARGET, SIDE_LOCAL };

struct setting_row {
    const char *id; /* SERVER: its option of the launcher is --server */
    const char *variable;
    const char *others;
    enum setting_type type;
    const char *fallback;
    enum setting_side side;
    const char *help;
};
extern const struct setting_row setting_rows[SETTINGS];

/* number: a COUNT; bytes of a SIZE; ns of a TIME; a PROFILES bit set; millionths of a PERCENT; billionths of a FRACTION;
   0 or 1. text points into the
   environment (never owned, valid as long as the environment is) or to the default. */
struct setting_value {
    const char *text;
    uint64_t number;
    const char *variable; /* the name that set it; NULL: the default */
};
struct settings {
    struct setting_value value[SETTINGS];
};

/* Receives one complete line without prefix and newline, e.g.
   "CPROF_CPU_HZ=fast is not a whole number; 100 is used". */
typedef void settings_complain(const char *line, void *context);

/* Reads every setting from envp (NULL-terminated "NAME=value" strings). A wrong value is complained about,
   and its default is used. complain may be NULL. Returns the number of complaints. */
int settings_read(struct settings *settings, char *const *envp, settings_complain *complain, void *context);

/* It is a URL, which may hold a secret: of these the session's name has neither user and password nor the query. */
bool setting_is_url(enum setting setting);

/* Parses one text by type. 0, or -EINVAL with *number untouched. row tells what a bare number of a TIME
 * means. */
int setting_parse(const struct setting_row *row, const char *text, uint64_t *number);

/* What a KEEP says. What it does not name has no limit; 0 of one is 0 of both. */
struct setting_keep {
    uint64_t ns, bytes;
};
/* 0, or -EINVAL with *keep untouched. */
int setting_parse_keep(const char *text, struct setting_keep *keep);

enum { FRACTION_ONE = 1000000000 };
/* CPROF_FRACTION: is this service of this host among those that are profiled? The same for each process that asks the
   same. The service is CPROF_NAME, else the resource's service.name, else the program. */
bool settings_are_chosen(const struct settings *settings, const char *host, const char *program);

/* The variable's value in envp, or NULL. */
const char *settings_getenv(char *const *envp, const char *name);

/* Writes the session's socket name, "@cprof-UID-HASH" or the text of CPROF_SOCKET, NUL-terminated, to name.
   directory: the working directory, that a relative or defaulted CPROF_OUT is meant from.
   Two processes with the same user, LAYOUT_VERSION and SESSION settings get the same one. Nothing secret is
   in it. */
void settings_socket_name(const struct settings *settings, unsigned uid, const char *directory,
                          char name[108]);

/* A number for the settings that are in no name: two processes of a session have the same. It is told to our
   own user and root only, after they were asked for. 0: none is set. */
uint64_t settings_secrets(const struct settings *settings);

/* The absolute output directory, or "" where profiles go to a server only. -ENAMETOOLONG where it does not
 * fit. */
int settings_out(const struct settings *settings, const char *directory, char *path, size_t size);

#endif
