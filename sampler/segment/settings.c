/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "layout.h"
#include "quantity.h"
#include "schedule.h"

#define X(id, variable, others, type, fallback, side, help)                                                  \
    [SETTING_##id] = {#id, variable, others, TYPE_##type, fallback, SIDE_##side, help},
const struct setting_row setting_rows[SETTINGS] = {CPROF_SETTINGS(X)};
#undef X

static const struct quantity_unit percent_units[] = {{"%", 10000}, {NULL, 0}};

/* Appends text to a bounded string. */
struct settings_writer {
    char *text;
    size_t size, used;
};
static void put(struct settings_writer *w, const char *text)
{
    for (; *text; text++)
        if (w->used + 1 < w->size)
            w->text[w->used++] = *text;
    if (w->size)
        w->text[w->used] = 0;
}

static int parse_flag(const char *text, uint64_t *number)
{
    static const char *const words[2][4] = {{"0", "false", "off", "no"}, {"1", "true", "on", "yes"}};
    for (unsigned value = 0; value < 2; value++) {
        for (unsigned i = 0; i < 4; i++) {
            if (!strcmp(text, words[value][i])) {
                *number = value;
                return 0;
            }
        }
    }
    return -EINVAL;
}

static int parse_profiles(const char *text, uint64_t *number)
{
#define X(id, name, ready) name,
    static const char *const names[PROFILES] = {CPROF_PROFILES(X)};
#undef X
    uint64_t bits = 0;
    while (*text) {
        size_t length = strcspn(text, ",");
        unsigned profile;
        if (length == 3 && !memcmp(text, "all", 3)) {
            bits |= PROFILES_READY;
        } else if (!(length == 4 && !memcmp(text, "none", 4))) {
            for (profile = 0; profile < PROFILES; profile++)
                if (strlen(names[profile]) == length && !memcmp(names[profile], text, length))
                    break;
            if (profile == PROFILES)
                return -EINVAL;
            bits |= UINT64_C(1) << profile;
        }
        text += length;
        text += *text == ',';
    }
    *number = bits & PROFILES_READY;
    return 0;
}

/* As billionths. Digits beyond the ninth are dropped. */
static int parse_fraction(const char *text, uint64_t *number)
{
    static const struct quantity_unit units[] = {{"", FRACTION_ONE}, {"%", FRACTION_ONE / 100}, {NULL, 0}};
    uint64_t fraction;

    if (quantity_parse(text, units, "", &fraction) || fraction > FRACTION_ONE)
        return -EINVAL;
    *number = fraction;
    return 0;
}

/* One of the two, which its unit tells apart. 0: both. */
static int parse_keep_part(const char *part, struct setting_keep *keep)
{
    if (!strcmp(part, "0")) {
        keep->ns = keep->bytes = 0;
        return 0;
    }
    if (keep->ns == UINT64_MAX && !quantity_parse(part, quantity_times, "", &keep->ns))
        return 0;
    if (part[strspn(part, "0123456789.")] == 0)
        return -EINVAL; /* a bare number would be taken for bytes */
    return keep->bytes == UINT64_MAX ? quantity_parse(part, quantity_sizes, "", &keep->bytes) : -EINVAL;
}

int setting_parse_keep(const char *text, struct setting_keep *keep)
{
    struct setting_keep parsed = {UINT64_MAX, UINT64_MAX};

    do {
        char part[40];
        size_t length = strcspn(text, ",");
        if (length >= sizeof part)
            return -EINVAL;
        memcpy(part, text, length);
        part[length] = 0;
        if (parse_keep_part(part, &parsed))
            return -EINVAL;
        text += length;
    } while (*text++ == ',');
    if (!parsed.ns || !parsed.bytes)
        parsed.ns = parsed.bytes = 0;
    *keep = parsed;
    return 0;
}

int setting_parse(const struct setting_row *row, const char *text, uint64_t *number)
{
    static const struct quantity_unit none[] = {{"", 1}, {NULL, 0}};
    struct setting_keep keep;

    switch (row->type) {
    case TYPE_TEXT:
        *number = 0;
        return 0;
    case TYPE_FLAG:
        return parse_flag(text, number);
    case TYPE_COUNT:
        return quantity_parse(text, none, "", number);
    case TYPE_SIZE:
        return quantity_parse(text, quantity_sizes, "", number);
    case TYPE_TIME:
        return quantity_parse(text, quantity_times,
                              row == &setting_rows[SETTING_BLOCK_RATE]     ? "ns"
                              : row == &setting_rows[SETTING_OTLP_TIMEOUT] ? "ms"
                                                                           : "s",
                              number);
    case TYPE_PROFILES:
        return parse_profiles(text, number);
    case TYPE_KEEP:
        if (setting_parse_keep(text, &keep))
            return -EINVAL;
        *number = keep.bytes;
        return 0;
    case TYPE_PERCENT:
        return quantity_parse(text, percent_units, "%", number);
    case TYPE_FRACTION:
        return parse_fraction(text, number);
    }
    return -EINVAL;
}

static const char *const wanted[] = {
    [TYPE_TEXT] = "a text",
    [TYPE_FLAG] = "0 or 1",
    [TYPE_COUNT] = "a whole number",
    [TYPE_SIZE] = "a size such as 512KiB",
    [TYPE_TIME] = "a time such as 15s or 100us",
    [TYPE_PROFILES] =
        "a comma list of profile types (cpu, memory, mutex, block, wall, off_cpu, threads, threadcreate)",
    [TYPE_KEEP] = "a time, a size or both, such as 24h,256MiB",
    [TYPE_PERCENT] = "a share from 0% to 100%, such as 2%",
    [TYPE_FRACTION] = "a fraction such as 0.1 or 10%",
};

/* Of settings that take less than their type. */
static const char *const wanted_of[SETTINGS] = {
    [SETTING_NAME] = "a text of at most 255 bytes",
    [SETTING_LABELS] = "a text of at most 1023 bytes",
    [SETTING_CPU_HZ] = "a whole number up to 10000",
    [SETTING_WALL_HZ] = "a whole number up to 10000",
    [SETTING_INTERVAL] = "a time of 100ms or more, such as 15s",
    [SETTING_SCHEDULE] = "a schedule such as 1m/10m or 09:00-17:00",
};

static void complain_about(const struct setting_row *row, const char *variable, const char *text,
                           settings_complain *complain, void *context)
{
    char line[400], shown[80];
    struct settings_writer value = {shown, sizeof shown, 0}, w = {line, sizeof line, 0};
    if (!complain)
        return;
    put(&value, text);
    put(&w, variable);
    put(&w, "=");
    put(&w, shown);
    put(&w, " is not ");
    put(&w, wanted_of[row - setting_rows] ? wanted_of[row - setting_rows] : wanted[row->type]);
    put(&w, *row->fallback ? "; " : "");
    put(&w, row->fallback);
    put(&w, *row->fallback ? " is used" : "; it is not used");
    complain(line, context);
}

/* Limits that keep a typing error from hurting: a rate of 0 is "off" and always allowed. */
static bool in_range(enum setting setting, const char *text, uint64_t number)
{
    switch (setting) {
    case SETTING_NAME:
        return strlen(text) <= SETTING_NAME_MOST;
    case SETTING_LABELS:
        return strlen(text) <= SETTING_LABELS_MOST;
    case SETTING_CPU_HZ:
    case SETTING_WALL_HZ:
        return number <= 10000;
    case SETTING_MAX_OVERHEAD:
        return number <= 1000000;
    case SETTING_INTERVAL:
        return number >= 100000000;
    case SETTING_SCHEDULE:
        return !schedule_parse(text, NULL);
    default:
        return true;
    }
}

const char *settings_getenv(char *const *envp, const char *name)
{
    size_t length = strlen(name);
    for (; envp && *envp; envp++)
        if (!strncmp(*envp, name, length) && (*envp)[length] == '=')
            return *envp + length + 1;
    return NULL;
}

/* The first of "A,B,C" that is set and not empty; *variable gets its name, in a static table's text. */
static const char *find_variable(const struct setting_row *row, char *const *envp, char name[64])
{
    const char *text = settings_getenv(envp, row->variable), *others = row->others;
    name[0] = 0;
    strncat(name, row->variable, 63);
    while (!(text && *text) && *others) {
        size_t length = strcspn(others, ",");
        if (length > 63)
            return NULL;
        memcpy(name, others, length);
        name[length] = 0;
        text = settings_getenv(envp, name);
        others += length;
        others += *others == ',';
    }
    return text && *text ? text : NULL;
}

int settings_read(struct settings *settings, char *const *envp, settings_complain *complain, void *context)
{
    int complaints = 0;
    for (int i = 0; i < SETTINGS; i++) {
        const struct setting_row *row = &setting_rows[i];
        struct setting_value *value = &settings->value[i];
        char name[64];
        uint64_t number = 0;
        const char *text = find_variable(row, envp, name);

        value->text = row->fallback;
        value->number = 0;
        value->variable = NULL;
        setting_parse(row, row->fallback, &value->number);
        if (!text)
            continue;
        if (setting_parse(row, text, &number) || !in_range((enum setting)i, text, number)) {
            complain_about(row, name, text, complain, context);
            complaints++;
            continue;
        }
        value->text = text;
        value->number = number;
        value->variable = row->variable;
    }
    return complaints;
}

int settings_out(const struct settings *settings, const char *directory, char *path, size_t size)
{
    const char *out = settings->value[SETTING_OUT].text;
    struct settings_writer w = {path, size, 0};
    if (!*out && (*settings->value[SETTING_SERVER].text || *settings->value[SETTING_OTLP_PROFILES].text)) {
        path[0] = 0;
        return 0;
    }
    if (!*out)
        out = "cprof.out";
    if (*out != '/') {
        put(&w, directory);
        if (strcmp(directory, "/") != 0)
            put(&w, "/");
    }
    put(&w, out);
    return w.used + 1 < size ? 0 : -ENAMETOOLONG;
}

/* FNV-1a. */
static uint64_t hash_byte(uint64_t hash, char byte)
{
    return (hash ^ (uint8_t)byte) * UINT64_C(1099511628211);
}

/* Its closing NUL, too. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    do
        hash = hash_byte(hash, *text);
    while (*text++);
    return hash;
}

bool setting_is_url(enum setting setting)
{
    return setting == SETTING_SERVER || setting == SETTING_OTLP_ENDPOINT || setting == SETTING_OTLP_PROFILES;
}

/* Of a URL what may be known: scheme, host, port and path. */
static uint64_t hash_url(uint64_t hash, const char *url)
{
    const char *host = strstr(url, "://"), *end;
    if (host)
        for (; url < host + 3; url++)
            hash = hash_byte(hash, *url);
    end = url + strcspn(url, "/?#");
    for (const char *at = end; at > url; at--)
        if (at[-1] == '@') {
            url = at;
            break;
        }
    for (; *url && *url != '?' && *url != '#'; url++)
        hash = hash_byte(hash, *url);
    return hash_byte(hash, 0);
}

static void put_number(struct settings_writer *w, uint64_t number, unsigned base)
{
    char digits[24];
    unsigned n = sizeof digits - 1;
    digits[n] = 0;
    do
        digits[--n] = "0123456789abcdef"[number % base];
    while (number /= base);
    put(w, digits + n);
}

void settings_socket_name(const struct settings *settings, unsigned uid, const char *directory,
                          char name[108])
{
    const char *socket = settings->value[SETTING_SOCKET].text;
    struct settings_writer w = {name, 108, 0};
    uint64_t hash = UINT64_C(14695981039346656037);
    char out[PATH_MAX];

    if (*socket) {
        put(&w, socket);
        return;
    }
    settings_out(settings, directory, out, sizeof out);
    hash = hash_text(hash, out);
    for (int i = 0; i < SETTINGS; i++)
        if (setting_rows[i].side == SIDE_SESSION && i != SETTING_OUT)
            hash = setting_is_url((enum setting)i) ? hash_url(hash, settings->value[i].text)
                                                   : hash_text(hash, settings->value[i].text);
    put(&w, "@cprof-");
    put_number(&w, uid, 10);
    put(&w, "-");
    put_number(&w, LAYOUT_VERSION, 10);
    put(&w, "-");
    put_number(&w, hash, 16);
}

/* The value of a key in "key=value,key=value", and its length; NULL: it has none. */
static const char *find_attribute(const char *list, const char *key, size_t *length)
{
    size_t key_length = strlen(key);

    for (; *list; list += *list == ',') {
        size_t part = strcspn(list, ",");
        if (part > key_length && list[key_length] == '=' && !memcmp(list, key, key_length)) {
            *length = part - key_length - 1;
            return list + key_length + 1;
        }
        list += part;
    }
    return NULL;
}

/* FNV's upper bits differ little for texts that differ at their ends, so its last steps are those of a finalizer. */
bool settings_are_chosen(const struct settings *settings, const char *host, const char *program)
{
    const char *service = settings->value[SETTING_NAME].text;
    uint64_t hash = hash_text(UINT64_C(14695981039346656037), host);
    size_t length = strlen(service);

    if (!length)
        service = find_attribute(settings->value[SETTING_RESOURCE].text, "service.name", &length);
    if (!service || !length) {
        service = program;
        length = strlen(program);
    }
    for (size_t i = 0; i < length; i++)
        hash = hash_byte(hash, service[i]);
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    hash ^= hash >> 33;
    return (uint64_t)((unsigned __int128)hash * FRACTION_ONE >> 64) <
           settings->value[SETTING_FRACTION].number;
}

uint64_t settings_secrets(const struct settings *settings)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    bool any = false;

    for (int i = 0; i < SETTINGS; i++) {
        const char *text = settings->value[i].text;
        bool is_url = setting_is_url((enum setting)i);
        if (setting_rows[i].side != SIDE_SECRET && !is_url)
            continue;
        hash = hash_text(hash, text);
        any |= is_url ? strchr(text, '@') || strchr(text, '?') : *text != 0;
    }
    return !any ? 0 : hash ? hash : 1;
}
