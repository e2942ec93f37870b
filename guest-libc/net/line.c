/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * line.c - another line of this guest begins (R2)
 *
 * The kernel lets nothing out and no thread into program text until the message
 * has been taken, which is done under the library's lock: so what is done here
 * is one step for everybody, program, peers and other threads of the library.
 */
#include <string.h>
#include "guest-libc/net/net-internal.h"
#include "guest-libc/posix/defaults.h"
#include "guest-libc/posix/file.h"

static uint64_t line_seen; /* lock; of prim_line() */

/**
 * line_look() - hear of another line before its frames
 *
 * Whoever takes frames calls it when it knows how many there are: the kernel
 * counts the line before it adds a frame that is for the new line.
 *
 * Return: whether one has begun; frames may have been thrown away.
 * Context: lock held; not from within lwIP.
 */
bool line_look(void)
{
    /* Pairs with the kernel's release, which is after it has the message. */
    uint64_t line = __atomic_load_n(prim_line(), __ATOMIC_ACQUIRE);

    if (line == line_seen) {
        return false;
    }
    line_seen = line;
    mailbox_read_locked();
    return true;
}

/* Our own addresses as before, with connections that are ours to reset. */
static bool is_unchanged(const struct ckpt_identity *id)
{
    return id->flags & CKPT_IDENTITY_OWN ||
           (id->why == CKPT_LINE_ROLLBACK &&
            !memcmp(id->mac, link_mac(), sizeof(id->mac)) &&
            (id->flags & BOOT_NET_DHCP ? lease_is_ours()
                                       : id->address == net_address()));
}

static void network_begin(const struct ckpt_identity *id)
{
    if (id->why == CKPT_LINE_FORK) {
        /* Frames that came for another would be answered. */
        link_discard();
    }
    net_abandon(id->why == CKPT_LINE_ROLLBACK);
    if (!(id->flags & CKPT_IDENTITY_OWN)) {
        link_mtu_set(id->mtu);
    }
    if (id->dns) {
        resolv_set(&id->dns, 1);
    }
    if (is_unchanged(id)) {
        clock_touch();
        link_announce();
        lease_verify();
    } else {
        net_readdress(id->mac, id->address, id->netmask, id->gateway,
                      id->flags & BOOT_NET_DHCP);
    }
}

/**
 * net_new_line() - be who the host says, and give up what is another's
 * @id: who, and why
 *
 * Keys of port numbers, sequence numbers and DHCP's transactions are taken from
 * the host anew; getrandom() and the random devices never keep anything.
 *
 * Context: lock held; not from within lwIP.
 */
void net_new_line(const struct ckpt_identity *id)
{
    random_start();
    if (id->hostname[0]) {
        boot_set_hostname(id->hostname);
        defaults_hostname();
    }
    if (!net_is_local()) {
        network_begin(id);
    }
    sluice_new_line(id->why);
}
