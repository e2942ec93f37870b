/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random.c - numbers that a peer must not guess
 *
 * Ports and initial sequence numbers come from SipHash-2-4 under a key that
 * the host's entropy gave at boot.  After a recovery to the last durable
 * checkpoint the key goes on (R1): whatever was made of it since then never
 * left the guest.
 */
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/hooks.h"

static uint64_t random_key[2];
static uint64_t random_counter;

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-2-4 of the 16 bytes @a, @b. */
static uint64_t sip_hash(uint64_t a, uint64_t b)
{
    const uint64_t message[3] = { a, b, 16ull << 56 };
    uint64_t v[4] = {
        random_key[0] ^ 0x736f6d6570736575ull,
        random_key[1] ^ 0x646f72616e646f6dull,
        random_key[0] ^ 0x6c7967656e657261ull,
        random_key[1] ^ 0x7465646279746573ull,
    };

    for (int i = 0; i < 3; i++) {
        v[3] ^= message[i];
        sip_round(v);
        sip_round(v);
        v[0] ^= message[i];
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/**
 * random_start() - take a key from the host's entropy
 *
 * Context: before lwIP starts, and whenever the identity changes.
 */
void random_start(void)
{
    prim_random(random_key, sizeof(random_key));
}

/**
 * random_u32() - a number that cannot be foretold
 *
 * Return: 32 bits.
 * Context: lock held.
 */
uint32_t random_u32(void)
{
    return (uint32_t)sip_hash(random_counter++, ~0ull);
}

/**
 * random_hash() - bits that only who has the key can tell
 * @a: what they are of
 * @b: more of it, less than 2^63
 *
 * Return: 64 bits.
 * Context: lock held.
 */
uint64_t random_hash(uint64_t a, uint64_t b)
{
    /* No sequence number has that bit: its secret is another. */
    return sip_hash(a, 1ull << 63 | b);
}

/**
 * random_choice() - the same choice each time, which cannot be foretold
 * @a: what is to be chosen for
 * @b: more of it
 * @count: how many there are to choose from
 *
 * Return: less than @count.
 * Context: lock held.
 */
uint32_t random_choice(uint64_t a, uint32_t b, uint32_t count)
{
    return (uint32_t)random_hash(a, b) % count;
}

/**
 * random_isn() - initial sequence number of a connection (RFC 6528)
 * @local: our address
 * @local_port: host byte order
 * @remote: the peer's address
 * @remote_port: host byte order
 *
 * A clock of 64 ns, as Linux', plus a keyed hash of the addresses: grows for
 * one pair of ends, so that a new connection is told from the last one's late
 * segments, also if that was so short that a slower clock stood still.
 *
 * Return: the number.
 * Context: lock held.
 */
uint32_t random_isn(const ip_addr_t *local, uint16_t local_port,
                    const ip_addr_t *remote, uint16_t remote_port)
{
    uint64_t a = (uint64_t)ip_2_ip4(local)->addr << 32 | ip_2_ip4(remote)->addr;
    uint64_t b = (uint64_t)local_port << 16 | remote_port;

    return (uint32_t)(sip_hash(a, b) + (prim_now_ns() >> 6));
}
