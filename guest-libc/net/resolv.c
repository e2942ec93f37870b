/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolv.c - /etc/resolv.conf, from the boot settings or from DHCP */
#include <errno.h>
#include <string.h>
#include "guest-libc/net/net-internal.h"
#include "guest-libc/posix/tree.h"

#define LINE_BYTES sizeof("nameserver 255.255.255.255\n")

static char *put_string(char *at, const char *s)
{
    size_t len = strlen(s);

    memcpy(at, s, len);
    return at + len;
}

static char *put_byte(char *at, uint8_t value)
{
    if (value >= 100) {
        *at++ = (char)('0' + value / 100);
    }
    if (value >= 10) {
        *at++ = (char)('0' + value / 10 % 10);
    }
    *at++ = (char)('0' + value % 10);
    return at;
}

/**
 * resolv_set() - these are the name servers now
 * @servers: network byte order, the first to be asked first
 * @count: how many; more than RESOLV_MAX are not taken
 *
 * A file of the bundle's is the user's word and stays.
 *
 * Context: lock held.
 */
void resolv_set(const uint32_t *servers, size_t count)
{
    char text[RESOLV_MAX * LINE_BYTES];
    char *at = text;

    for (size_t i = 0; i < count && i < RESOLV_MAX; i++) {
        const uint8_t *byte = (const uint8_t *)&servers[i];

        at = put_string(at, "nameserver ");
        for (unsigned k = 0; k < 4; k++) {
            at = put_byte(at, byte[k]);
            *at++ = k < 3 ? '.' : '\n';
        }
    }
    *at = '\0';
    if (tree_generate("/etc/resolv.conf", text) == -ENOMEM) {
        lib_log("no memory for /etc/resolv.conf");
    }
}
