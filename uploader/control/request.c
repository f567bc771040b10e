/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/segment/quantity.h"

#define NS_PER_S        UINT64_C(1000000000)
#define TIMEOUT_NS      INT64_C(10000000000)
#define TIMEOUT_MOST_NS INT64_C(300000000000)

const char *const control_commands[CONTROL_COMMANDS] = {"list",  "status", "on",   "off",   "rate",
                                                        "reset", "write",  "dump", "flush", "watch"};

#define X(id, name, ready) name,
const char *const control_types[PROFILES] = {CPROF_PROFILES(X)};
#undef X

enum { LINE_MOST = 512, HZ_MOST = 10000 };

__attribute__((format(printf, 2, 3))) static int refuse(char error[CONTROL_ERROR], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, CONTROL_ERROR, format, args);
    va_end(args);
    return -EINVAL;
}

int control_rate_setting(enum profile_type type)
{
    switch (type) {
    case PROFILE_CPU:
        return SETTING_CPU_HZ;
    case PROFILE_MEMORY:
        return SETTING_MEMORY_RATE;
    case PROFILE_MUTEX:
        return SETTING_MUTEX_FRACTION;
    case PROFILE_BLOCK:
        return SETTING_BLOCK_RATE;
    case PROFILE_WALL:
        return SETTING_WALL_HZ;
    default:
        return -1;
    }
}

static int find(const char *const *names, int count, const char *text, size_t length)
{
    for (int i = 0; i < count; i++)
        if (strlen(names[i]) == length && !memcmp(names[i], text, length))
            return i;
    return -1;
}

static int take_command(struct control_request *request, const char *value, char *error)
{
    int command = find(control_commands, CONTROL_COMMANDS, value, strlen(value));

    if (command < 0)
        return refuse(error, "there is no command %.40s", value);
    request->command = (enum control_command)command;
    return 0;
}

static int add_type(uint32_t *types, const char *value, char *error)
{
    int type = find(control_types, PROFILES, value, strlen(value));

    if (!strcmp(value, "all"))
        *types |= PROFILES_READY;
    else if (type < 0)
        return refuse(error,
                      "there is no profile type %.40s (cpu, memory, mutex, block, wall, off_cpu, threads, "
                      "threadcreate, all)",
                      value);
    else
        *types |= 1u << type;
    return 0;
}

static int take_type(struct control_request *request, const char *value, char *error)
{
    return add_type(&request->types, value, error);
}

static int take_whole(struct control_request *request, const char *value, char *error)
{
    return add_type(&request->whole, value, error);
}

/* The setting's number as a rate has it. */
static uint64_t as_rate(int type, uint64_t number)
{
    bool is_frequency = type == PROFILE_CPU || type == PROFILE_WALL;
    return is_frequency ? NS_PER_S / number : number;
}

uint64_t control_rate_number(const struct rates *rates, enum profile_type type)
{
    struct rates copy = *rates;
    const uint64_t *rate = rates_of(&copy, type);
    bool is_frequency = type == PROFILE_CPU || type == PROFILE_WALL;

    if (!rate || !*rate)
        return 0;
    return is_frequency ? (NS_PER_S + *rate / 2) / *rate : *rate;
}

static int take_rate(struct control_request *request, const char *value, char *error)
{
    const char *equals = strchr(value, '=');
    int type = find(control_types, PROFILES, value, equals ? (size_t)(equals - value) : strlen(value));
    int setting = type < 0 ? -1 : control_rate_setting((enum profile_type)type);
    uint64_t number;

    if (!equals || type < 0)
        return refuse(error, "%.60s is not TYPE=VALUE with a type such as cpu", value);
    if (setting < 0)
        return refuse(error, "%s has no rate of its own%s", control_types[type],
                      type == PROFILE_OFF_CPU ? ": that of wall is meant" : "");
    if (setting_parse(&setting_rows[setting], equals + 1, &number) || number > INT64_MAX)
        return refuse(error, "%.60s is not a value as %s has", value, setting_rows[setting].variable);
    if (!number)
        return refuse(error, "%.60s: to record nothing, say off %s", value, control_types[type]);
    if ((type == PROFILE_CPU || type == PROFILE_WALL) && number > HZ_MOST)
        return refuse(error, "%.60s is more than %d a second", value, HZ_MOST);
    request->change.rates |= 1u << type;
    *rates_of(&request->change.to, (enum profile_type)type) = as_rate(type, number);
    return 0;
}

static int take_program(struct control_request *request, const char *value, char *error)
{
    if (!*value || strlen(value) >= sizeof request->program)
        return refuse(error, "the name of a program has 1 to %d bytes", CONTROL_PROGRAM - 1);
    strcpy(request->program, value);
    return 0;
}

static int take_pid(struct control_request *request, const char *value, char *error)
{
    char *end;
    long pid = strtol(value, &end, 10);

    if (end == value || *end || pid <= 0 || pid > INT_MAX)
        return refuse(error, "%.40s is not a process id", value);
    request->pid = (int)pid;
    return 0;
}

static int take_json(struct control_request *request, const char *value, char *error)
{
    (void)error;
    request->json = !strcmp(value, "1");
    return 0;
}

static int take_states(struct control_request *request, const char *value, char *error)
{
    (void)error;
    request->states = !strcmp(value, "1");
    return 0;
}

static int take_past(struct control_request *request, const char *value, char *error)
{
    (void)error;
    request->past = !strcmp(value, "1");
    return 0;
}

static int take_timeout(struct control_request *request, const char *value, char *error)
{
    uint64_t ns;

    if (quantity_parse(value, quantity_times, "s", &ns) || !ns || ns > (uint64_t)TIMEOUT_MOST_NS)
        return refuse(error, "%.40s is not a time of at most 300s", value);
    request->timeout_ns = (int64_t)ns;
    return 0;
}

static const struct {
    const char *key;
    int (*take)(struct control_request *request, const char *value, char *error);
} keys[] = {
    {"command", take_command}, {"type", take_type}, {"rate", take_rate},       {"program", take_program},
    {"pid", take_pid},         {"json", take_json}, {"timeout", take_timeout}, {"whole", take_whole},
    {"states", take_states},   {"past", take_past},
};

static int take_line(struct control_request *request, const char *line, char *error)
{
    size_t length = strcspn(line, " ");

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strlen(keys[i].key) == length && !memcmp(keys[i].key, line, length))
            return keys[i].take(request, line[length] ? line + length + 1 : "", error);
    return refuse(error, "the request has a line that is not known: %.60s", line);
}

/* What each command needs, and what it does not know. */
static int check(const struct control_request *request, char *error)
{
    const char *command = control_commands[request->command];
    bool is_switch = request->command == CONTROL_ON || request->command == CONTROL_OFF;

    if (is_switch && !request->types)
        return refuse(error, "%s needs a profile type, or all", command);
    if (request->command == CONTROL_RATE && !request->change.rates)
        return refuse(error, "rate needs TYPE=VALUE, such as cpu=200");
    if (request->types && !is_switch && request->command != CONTROL_RESET &&
        request->command != CONTROL_WATCH)
        return refuse(error, "%s takes no profile type", command);
    if (request->change.rates && request->command != CONTROL_RATE)
        return refuse(error, "%s takes no rate", command);
    if ((request->whole || request->states || request->past) && request->command != CONTROL_WATCH)
        return refuse(error, "%s takes no profiles", command);
    if (request->pid && *request->program)
        return refuse(error, "--pid and --program: one of both");
    return 0;
}

/* The first line. Returns what follows, or NULL. */
static const char *check_version(const char *text, const char *end, char *error)
{
    const size_t head = strlen(CONTROL_MAGIC);
    const char *newline = memchr(text, '\n', (size_t)(end - text));
    char number[12];

    if (!newline || (size_t)(newline - text) <= head || memcmp(text, CONTROL_MAGIC, head) != 0) {
        refuse(error, "the request cannot be read");
        return NULL;
    }
    snprintf(number, sizeof number, "%.*s", (int)((size_t)(newline - text) - head), text + head);
    if (atoi(number) == CONTROL_VERSION)
        return newline + 1;
    refuse(error,
           "this uploader speaks version %d of the control protocol, the request is of another: use the "
           "cprof that the session was started with",
           CONTROL_VERSION);
    return NULL;
}

int control_request_parse(const char *text, size_t length, struct control_request *request,
                          char error[CONTROL_ERROR])
{
    const char *end = text + length, *at;
    bool has_command = false;

    *request = (struct control_request){.timeout_ns = TIMEOUT_NS};
    if (length > CONTROL_REQUEST || memchr(text, 0, length))
        return refuse(error, "the request cannot be read");
    at = check_version(text, end, error);
    if (!at)
        return -EINVAL;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        char line[LINE_MOST];
        if (!newline || newline - at >= LINE_MOST)
            return refuse(error, "the request cannot be read");
        memcpy(line, at, (size_t)(newline - at));
        line[newline - at] = 0;
        has_command |= !strncmp(line, "command ", 8);
        if (take_line(request, line, error))
            return -EINVAL;
        at = newline + 1;
    }
    if (!has_command)
        return refuse(error, "the request has no command");
    request->change.on = request->command == CONTROL_ON ? request->types : 0;
    request->change.off = request->command == CONTROL_OFF ? request->types : 0;
    return check(request, error);
}
