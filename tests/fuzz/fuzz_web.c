/* SPDX-License-Identifier: Apache-2.0 */
// runs: 1500000
/* What HTTP clients send and is parsed here: first lines, Host, X-Forwarded-For, addresses for symbol, numbers; and the
   settings of the server. The first byte says which. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/pull/symbol.h"
#include "uploader/web/access.h"
#include "uploader/web/address.h"
#include "uploader/web/listen.h"
#include "uploader/web/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 8192 };

static void check(bool right)
{
    if (!right)
        abort();
}

/* Whoever is let in is in the list, whatever the proxies say. */
static void try_forwarded(const char *text)
{
    const struct address peer = {.byte = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}};
    struct networks proxies;
    struct address client;
    const char *wrong;

    check(networks_parse("10.0.0.0/8", &proxies, &wrong));
    if (address_behind(&proxies, &peer, text, &client))
        check(!client.is_unix);
    check(address_behind(&(struct networks){.count = 0}, &peer, text, &client) &&
          address_is_equal(&client, &peer));
}

static void try_networks(const char *text)
{
    struct networks networks;
    const char *wrong = text;

    if (!networks_parse(text, &networks, &wrong))
        check(wrong >= text && wrong <= text + strlen(text));
    check(networks.count <= NETWORKS_MOST);
    for (unsigned i = 0; i < networks.count; i++)
        check(networks.network[i].bits <= 128 && networks_have(&networks, &networks.network[i].address));
}

static void try_address(const char *text, size_t length)
{
    struct address address;
    struct listen_address place;

    address_parse(text, length, &address);
    if (!listen_parse(text, &place))
        check(place.size && place.size <= sizeof place.socket);
    access_is_own_host(text);
    check(access_is_same(text, text));
}

static void try_numbers(const char *text)
{
    uint64_t *address = malloc(SYMBOL_ADDRESSES * sizeof *address), number;

    check(symbol_parse(text, address) <= SYMBOL_ADDRESSES);
    if (selection_number(text, 3600, &number))
        check(number <= 3600);
    if (request_uri_is_clean(text))
        check(!strpbrk(text, " \r\n\t") && !strstr(text, "%00"));
    free(address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (!size || size > MOST)
        return 0;
    text = calloc(1, size);
    memcpy(text, data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        try_forwarded(text);
        break;
    case 1:
        try_networks(text);
        break;
    case 2:
        try_address(text, size - 1);
        break;
    default:
        try_numbers(text);
    }
    free(text);
    return 0;
}
