/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose request it is: addresses, lists of networks, and X-Forwarded-For. IPv4 is kept as ::ffff:a.b.c.d, so that both are
 * compared alike. Everything parsed here may be hostile. Pure; no allocation.
 */
#ifndef CPROF_UPLOADER_WEB_ADDRESS_H
#define CPROF_UPLOADER_WEB_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ADDRESS_BYTES = 16, NETWORKS_MOST = 64, FORWARDED_MOST = 32 /* hops that are looked at */ };

struct address {
    bool is_unix; /* at our unix socket: it has no address */
    uint8_t byte[ADDRESS_BYTES];
};

struct network {
    struct address address;
    unsigned bits; /* of the 128 */
};

struct networks {
    struct network network[NETWORKS_MOST];
    unsigned count;
};

/* "10.1.2.3", "fe80::1", "[::1]", each with or without ":port". false: it is none, and *address is as it was. */
bool address_parse(const char *text, size_t length, struct address *address);
void address_of(const struct sockaddr *from, struct address *address);
bool address_is_loopback(const struct address *address);
bool address_is_equal(const struct address *a, const struct address *b);

/* "10.0.0.0/8, 2001:db8::/32, 192.0.2.7, unix": false with the part that is wrong, which points into text. */
bool networks_parse(const char *text, struct networks *networks, const char **wrong);
bool networks_have(const struct networks *networks, const struct address *address);

/* The client behind the proxies: the last one in the list that is no proxy. forwarded: the values of X-Forwarded-For, joined by
   commas. false: the list is no list of addresses, so nobody is known. */
bool address_behind(const struct networks *proxies, const struct address *peer, const char *forwarded,
                    struct address *client);

#endif
