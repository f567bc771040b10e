/* SPDX-License-Identifier: Apache-2.0 */
#include "access.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "uploader/options/log.h"

enum { FORWARDED_BYTES = 2048 };

static bool read_networks(const struct options *options, enum setting setting, struct networks *networks)
{
    const char *text = options->settings.value[setting].text, *wrong = "";

    if (networks_parse(text, networks, &wrong))
        return true;
    log_failure(
        "%s: %.*s is no address or network such as 10.0.0.0/8 or 2001:db8::/32; nothing is listened at",
        setting_rows[setting].variable, (int)strcspn(wrong, ","), wrong);
    return false;
}

bool access_open(struct access *access, const struct options *options)
{
    *access = (struct access){.token = options->settings.value[SETTING_LISTEN_TOKEN].text};
    access->has_allow = *options->settings.value[SETTING_LISTEN_ALLOW].text != 0;
    return read_networks(options, SETTING_LISTEN_ALLOW, &access->allow) &&
           read_networks(options, SETTING_LISTEN_PROXIES, &access->proxies);
}

bool access_is_same(const char *secret, const char *given)
{
    size_t length = strlen(secret), size = strlen(given);
    unsigned char different = length != size;

    for (size_t i = 0; i < size; i++)
        different |= (unsigned char)(given[i] ^ secret[length ? i % length : 0]);
    return !__builtin_expect(different, 0);
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static bool has_password(const struct access *access, struct MHD_Connection *connection)
{
    char *password = NULL, *user = MHD_basic_auth_get_username_password(connection, &password);
    bool is_same = password && access_is_same(access->token, password);

    MHD_free(user);
    MHD_free(password);
    return is_same;
}

bool access_has_token(const struct access *access, struct MHD_Connection *connection)
{
    const char *own = header(connection, "X-Pprof-Token"),
               *authorization = header(connection, MHD_HTTP_HEADER_AUTHORIZATION);

    if (!*access->token)
        return true;
    if (own)
        return access_is_same(access->token, own);
    if (authorization && !strncasecmp(authorization, "Bearer ", 7))
        return access_is_same(access->token, authorization + 7 + strspn(authorization + 7, " "));
    return authorization && has_password(access, connection);
}

/* "[::1]:6060", "127.0.0.1", "localhost:6060" */
bool access_is_own_host(const char *host)
{
    struct address address;
    size_t length = strcspn(host, ":");

    if (address_parse(host, strlen(host), &address))
        return true;
    if (length && host[length - 1] == '.')
        length--;
    return (length == 9 && !strncasecmp(host, "localhost", 9)) ||
           (length > 10 && !strncasecmp(host + length - 10, ".localhost", 10));
}

/* Of a page on this machine only. "null" is any page in a frame or a file. */
static bool is_own_origin(const char *origin)
{
    const char *host = strstr(origin, "://");
    return host && access_is_own_host(host + 3);
}

struct joined {
    char text[FORWARDED_BYTES];
    size_t used;
    bool is_cut, is_there;
};

static enum MHD_Result join(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct joined *joined = cls;
    size_t length = value ? strlen(value) : 0;

    (void)kind;
    if (strcasecmp(key, "X-Forwarded-For") != 0)
        return MHD_YES;
    joined->is_cut |= joined->used + length + 2 > sizeof joined->text;
    if (joined->is_cut)
        return MHD_YES;
    if (joined->is_there)
        joined->text[joined->used++] = ',';
    joined->is_there = true;
    memcpy(joined->text + joined->used, value ? value : "", length);
    joined->used += length;
    joined->text[joined->used] = 0;
    return MHD_YES;
}

static bool find_client(const struct access *access, struct MHD_Connection *connection,
                        const struct address *peer, struct address *client)
{
    struct joined joined = {.used = 0};

    *client = *peer;
    if (!access->proxies.count)
        return true;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, join, &joined);
    return !joined.is_cut &&
           address_behind(&access->proxies, peer, joined.is_there ? joined.text : NULL, client);
}

unsigned access_check_place(const struct access *access, struct MHD_Connection *connection,
                            const struct address *peer, struct address *client, const char **reason)
{
    const char *host = header(connection, MHD_HTTP_HEADER_HOST), *origin = header(connection, "Origin");

    *reason = "X-Forwarded-For is no list of addresses";
    if (!find_client(access, connection, peer, client))
        return MHD_HTTP_FORBIDDEN;
    *reason = "this address is not in CPROF_LISTEN_ALLOW";
    if (access->has_allow && !client->is_unix && !networks_have(&access->allow, client))
        return MHD_HTTP_FORBIDDEN;
    *reason = "without CPROF_LISTEN_TOKEN, this is answered only where the Host is localhost or an address";
    if (access->is_guarded && host && !access_is_own_host(host))
        return MHD_HTTP_FORBIDDEN;
    *reason = "without CPROF_LISTEN_TOKEN, this is not answered to pages of other sites";
    if (access->is_guarded && origin && !is_own_origin(origin))
        return MHD_HTTP_FORBIDDEN;
    return 0;
}
