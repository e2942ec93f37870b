/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-identity.c - the addresses under which a line of a guest may speak (R2)
 *
 * A fork begins with connections and half made frames of the original, whose
 * addresses lie all over its memory.  That none of them is spoken for again is
 * not left to the guest: what a frame says of its sender is compared here.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/ckpt/ckpt-identity.h"

/* Ethernet, then ARP of IPv4 over Ethernet (RFC 826), or IPv4 (RFC 791). */
#define ETH_SOURCE      6u
#define ETH_TYPE        12u
#define ETH_BYTES       14u
#define ARP_SENDER_MAC  (ETH_BYTES + 8)
#define ARP_SENDER_IP   (ETH_BYTES + 14)
#define ARP_BYTES       (ETH_BYTES + 28)
#define IP_SOURCE       (ETH_BYTES + 12)
#define IP_BYTES        (ETH_BYTES + 20)

static const uint8_t type_ip[] = { 0x08, 0x00 };
/* Type ARP, hardware Ethernet, protocol IPv4, addresses of 6 and 4 bytes. */
static const uint8_t type_arp[] = { 0x08, 0x06 };
static const uint8_t arp_ip[] = { 0x00, 0x01, 0x08, 0x00, 6, 4 };

static bool same_mac(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, 6) == 0;
}

static bool mac_ok(const uint8_t *mac)
{
    static const uint8_t none[6];

    return !(mac[0] & 1) && !same_mac(mac, none);
}

/* Who goes on as before has nothing to be told. */
static bool own_ok(const struct ckpt_identity *id)
{
    struct ckpt_identity bare = {
        .why = CKPT_LINE_ROLLBACK,
        .process = id->process,
        .generation = id->generation,
        .flags = CKPT_IDENTITY_OWN,
    };

    return !memcmp(id, &bare, sizeof(bare));
}

static const char *fault(const struct ckpt_identity *ids, unsigned i,
                         uint64_t generation)
{
    const struct ckpt_identity *id = &ids[i];
    unsigned k;

    if ((id->why != CKPT_LINE_FORK && id->why != CKPT_LINE_ROLLBACK) ||
        id->why != ids[0].why) {
        return "why the line begins";
    }
    if (id->generation != generation) {
        return "generation";
    }
    if (id->process >= CKPT_IDENTITIES_MAX) {
        return "process";
    }
    if (((id->flags ^ ids[0].flags) & CKPT_IDENTITY_OWN) ||
        (id->flags & CKPT_IDENTITY_OWN && !own_ok(id)) ||
        (id->flags & ~(CKPT_IDENTITY_DHCP | CKPT_IDENTITY_OWN)) ||
        id->reserved) {
        return "flags";
    }
    if (!(id->flags & CKPT_IDENTITY_OWN) && !mac_ok(id->mac)) {
        return "MAC address";
    }
    if (!memchr(id->hostname, 0, sizeof(id->hostname))) {
        return "host name";
    }
    for (k = 0; k < i; k++) {
        if (ids[k].process == id->process ||
            (!(id->flags & CKPT_IDENTITY_OWN) &&
             same_mac(ids[k].mac, id->mac))) {
            return "process or MAC address, which another has";
        }
    }
    return NULL;
}

/**
 * ckpt_identities_check: may a WELCOME say this?
 * @ids: the identities, aligned
 * @n: how many
 * @generation: of the WELCOME's header
 * @errp: set to what is wrong
 *
 * Return: true if it may.
 */
bool ckpt_identities_check(const struct ckpt_identity *ids, unsigned n,
                           uint64_t generation, Error **errp)
{
    const char *what;
    unsigned i;

    for (i = 0; i < n; i++) {
        what = fault(ids, i, generation);
        if (what) {
            error_setg(errp, "ckptd's identity %u of a new line has a wrong %s",
                       i, what);
            return false;
        }
    }
    return true;
}

/**
 * ckpt_identities_set: from now on these and no others; or, when they are
 * those that the guest has, no matter which
 * @set: the set
 * @ids: checked
 * @n: how many
 */
void ckpt_identities_set(CkptIdentities *set, const struct ckpt_identity *ids,
                         unsigned n)
{
    unsigned i;

    assert(n <= CKPT_IDENTITIES_MAX);
    memset(set, 0, sizeof(*set));
    if (n && ids[0].flags & CKPT_IDENTITY_OWN) {
        return;
    }
    set->count = n;
    for (i = 0; i < n; i++) {
        memcpy(set->id[i].mac, ids[i].mac, sizeof(set->id[i].mac));
        if (!(ids[i].flags & CKPT_IDENTITY_DHCP)) {
            memcpy(set->id[i].address, &ids[i].address,
                   sizeof(set->id[i].address));
        }
    }
}

static const CkptIdentity *find(const CkptIdentities *set, const uint8_t *mac)
{
    unsigned i;

    for (i = 0; i < set->count; i++) {
        if (same_mac(set->id[i].mac, mac)) {
            return &set->id[i];
        }
    }
    return NULL;
}

/* 0.0.0.0 speaks for nobody: a probe, or the first words of DHCP. */
static bool address_own(const CkptIdentity *id, const uint8_t *address)
{
    static const uint8_t none[4];

    return !memcmp(id->address, none, sizeof(none)) ||
           !memcmp(address, none, sizeof(none)) ||
           !memcmp(address, id->address, sizeof(id->address));
}

/**
 * ckpt_identities_own: is this frame from one of us?
 * @set: the set
 * @head: the frame's first bytes
 * @len_bytes: how many of them are here: all, or CKPT_IDENTITY_HEAD
 *
 * A frame too short for what it says it is does not count as ours.
 *
 * Return: true if it may leave.
 */
bool ckpt_identities_own(const CkptIdentities *set, const uint8_t *head,
                         size_t len_bytes)
{
    const CkptIdentity *id;

    if (!set->count) {
        return true;
    }
    if (len_bytes < ETH_BYTES) {
        return false;
    }
    id = find(set, head + ETH_SOURCE);
    if (!id) {
        return false;
    }
    if (!memcmp(head + ETH_TYPE, type_ip, sizeof(type_ip))) {
        return len_bytes >= IP_BYTES && address_own(id, head + IP_SOURCE);
    }
    if (!memcmp(head + ETH_TYPE, type_arp, sizeof(type_arp))) {
        return len_bytes >= ARP_BYTES &&
               !memcmp(head + ETH_BYTES, arp_ip, sizeof(arp_ip)) &&
               same_mac(head + ARP_SENDER_MAC, id->mac) &&
               address_own(id, head + ARP_SENDER_IP);
    }
    return true;
}
