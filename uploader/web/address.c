/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = INET6_ADDRSTRLEN + 1, V4_AT = 12, V4_BITS = 96, ALL_BITS = 128 };
static const uint8_t v4_prefix[V4_AT] = {[10] = 0xff, [11] = 0xff};

static void set_v4(struct address *address, const void *bytes)
{
    *address = (struct address){0};
    memcpy(address->byte, v4_prefix, sizeof v4_prefix);
    memcpy(address->byte + V4_AT, bytes, 4);
}

static bool is_v4(const struct address *address)
{
    return !memcmp(address->byte, v4_prefix, sizeof v4_prefix);
}

static bool parse_plain(const char *text, size_t length, struct address *address)
{
    char copy[TEXT_BYTES];
    uint8_t bytes[ADDRESS_BYTES];

    if (!length || length >= sizeof copy || memchr(text, 0, length))
        return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        set_v4(address, bytes);
        return true;
    }
    if (inet_pton(AF_INET6, copy, bytes) != 1)
        return false;
    *address = (struct address){0};
    memcpy(address->byte, bytes, sizeof bytes);
    return true;
}

/* "" or ":port" */
static bool is_port(const char *text, size_t length)
{
    if (!length)
        return true;
    if (text[0] != ':' || length < 2 || length > 6)
        return false;
    for (size_t i = 1; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

bool address_parse(const char *text, size_t length, struct address *address)
{
    const char *end;

    if (length && text[0] == '[') {
        end = memchr(text, ']', length);
        return end && is_port(end + 1, length - (size_t)(end + 1 - text)) &&
               memchr(text, ':', (size_t)(end - text)) &&
               parse_plain(text + 1, (size_t)(end - text - 1), address);
    }
    if (parse_plain(text, length, address))
        return true;
    end = length ? memchr(text, ':', length) : NULL;
    return end && is_port(end, length - (size_t)(end - text)) &&
           parse_plain(text, (size_t)(end - text), address);
}

void address_of(const struct sockaddr *from, struct address *address)
{
    *address = (struct address){0};
    if (from && from->sa_family == AF_INET)
        set_v4(address, &((const struct sockaddr_in *)(const void *)from)->sin_addr);
    else if (from && from->sa_family == AF_INET6)
        memcpy(address->byte, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, ADDRESS_BYTES);
    else
        address->is_unix = true;
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t v6[ADDRESS_BYTES] = {[ADDRESS_BYTES - 1] = 1};
    return is_v4(address) ? address->byte[V4_AT] == 127 : !memcmp(address->byte, v6, sizeof v6);
}

bool address_is_equal(const struct address *a, const struct address *b)
{
    return a->is_unix == b->is_unix && !memcmp(a->byte, b->byte, sizeof a->byte);
}

/* What stands behind the slash: at most that many bits. */
static bool parse_bits(const char *text, size_t length, unsigned most, unsigned *bits)
{
    unsigned value = 0;

    if (!length || length > 3)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = 10 * value + (unsigned)(text[i] - '0');
    }
    *bits = value;
    return value <= most;
}

static bool parse_network(const char *text, size_t length, struct network *network)
{
    const char *slash = memchr(text, '/', length);
    size_t first = slash ? (size_t)(slash - text) : length;
    unsigned offset;

    *network = (struct network){.bits = ALL_BITS};
    if (length == 4 && !memcmp(text, "unix", 4)) {
        network->address.is_unix = true;
        return true;
    }
    if (!parse_plain(text, first, &network->address))
        return false;
    offset = memchr(text, ':', first) ? 0 : V4_BITS;
    if (!slash)
        return true;
    if (!parse_bits(slash + 1, length - first - 1, ALL_BITS - offset, &network->bits))
        return false;
    network->bits += offset;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The next part of a comma list, without the spaces around it. NULL: there is none left. */
static const char *next_part(const char **at, size_t *length)
{
    const char *start = *at, *end;

    if (!start)
        return NULL;
    end = strchr(start, ',');
    *at = end ? end + 1 : NULL;
    if (!end)
        end = start + strlen(start);
    while (start < end && is_space(*start))
        start++;
    while (end > start && is_space(end[-1]))
        end--;
    *length = (size_t)(end - start);
    return start;
}

bool networks_parse(const char *text, struct networks *networks, const char **wrong)
{
    const char *part;
    size_t length;

    *networks = (struct networks){0};
    while ((part = next_part(&text, &length))) {
        if (!length)
            continue;
        *wrong = part;
        if (networks->count == NETWORKS_MOST ||
            !parse_network(part, length, &networks->network[networks->count]))
            return false;
        networks->count++;
    }
    return true;
}

static bool has_prefix(const struct address *address, const struct network *network)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    if (memcmp(address->byte, network->address.byte, whole) != 0)
        return false;
    return !rest || !((address->byte[whole] ^ network->address.byte[whole]) >> (8 - rest));
}

bool networks_have(const struct networks *networks, const struct address *address)
{
    for (unsigned i = 0; i < networks->count; i++) {
        const struct network *network = &networks->network[i];
        if (network->address.is_unix == address->is_unix &&
            (address->is_unix || has_prefix(address, network)))
            return true;
    }
    return false;
}

bool address_behind(const struct networks *proxies, const struct address *peer, const char *forwarded,
                    struct address *client)
{
    const char *part[FORWARDED_MOST];
    size_t length[FORWARDED_MOST], parts = 0;

    *client = *peer;
    if (!forwarded || !networks_have(proxies, peer))
        return true;
    for (const char *at = forwarded; at; parts++) {
        if (parts == FORWARDED_MOST)
            return false;
        part[parts] = next_part(&at, &length[parts]);
    }
    while (parts-- && networks_have(proxies, client))
        if (!address_parse(part[parts], length[parts], client))
            return false;
    return true;
}
