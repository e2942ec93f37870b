/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease.c - an address by DHCP
 *
 * Theory of operation.  lwIP's client counts ticks: half seconds while it waits
 * for an answer, LEASE_TICK_NS for the times of a lease.  An idle guest must not
 * be woken for either, so the counters are read here as what they stand for:
 * one deadline for the answer, one for the next of renewal, rebinding and
 * expiry.  Ticks that nobody waited for are made up when the deadline is there.
 *
 * Time that passes while the guest is not running does not count, since its
 * monotonic clock stands still.  Instead, whoever goes on after a restore asks
 * the server whether the lease still holds (RFC 2131, 3.2), and keeps the
 * address unless that says no.
 */
#include <errno.h>
#include <string.h>
#include "guest-libc/net/hooks.h"
#include "guest-libc/net/net-internal.h"
#include "lwip/dhcp.h"
#include "lwip/netif.h"
#include "lwip/prot/dhcp.h"

#define LEASE_TICK_NS   (DHCP_COARSE_TIMER_SECS * 1000000000ull)
#define LEASE_ANSWER_NS (DHCP_FINE_TIMER_MSECS * 1000000ull)
#define LEASE_WAIT_NS   10000000000ull /* before the program starts without */
#define LEASE_CATCH_UP  65536u         /* ticks: no lease is longer */

#define OPTION_DNS      6
#define OPTION_MTU      26

/* What lwIP waits for: it changes when a new answer is to be timed. */
struct request {
    uint8_t state, tries;
    uint16_t ticks;
};

static struct netif *lease_if; /* NULL: the address is not by DHCP */
static uint32_t lease_address; /* the last that was told */
static uint32_t lease_word;    /* changes with it */
static struct request request;
static uint64_t answer_deadline_ns;
static uint64_t tick_done; /* of LEASE_TICK_NS, since 0 */

static struct dhcp *client(void)
{
    return netif_dhcp_data(lease_if);
}

/**
 * lease_option() - lwIP found an option that it does not know
 * @dhcp: the client
 * @message_type: of the message, 0 if that was not said yet
 * @option: its number
 * @len_bytes: of its value
 * @p: the message
 * @offset: of the value in @p
 *
 * Context: lock held, from within lwIP.
 */
void lease_option(struct dhcp *dhcp, uint8_t message_type, uint8_t option,
                  uint8_t len_bytes, const struct pbuf *p, uint16_t offset)
{
    uint32_t servers[RESOLV_MAX];
    uint8_t mtu[2];
    uint16_t n = len_bytes < sizeof(servers) ? len_bytes : sizeof(servers);

    if (!dhcp || message_type != DHCP_ACK) {
        return;
    }
    if (option == OPTION_DNS) {
        n = pbuf_copy_partial(p, servers, n, offset);
        resolv_set(servers, n / sizeof(servers[0]));
    } else if (option == OPTION_MTU && len_bytes == sizeof(mtu) &&
               pbuf_copy_partial(p, mtu, sizeof(mtu), offset) == sizeof(mtu)) {
        link_limit_mtu((uint16_t)(mtu[0] << 8 | mtu[1]));
    }
}

/* A question that was asked since the last look: time its answer. */
static void request_look(uint64_t now_ns)
{
    const struct dhcp *dhcp = client();
    struct request now = { dhcp->state, dhcp->tries, dhcp->request_timeout };

    if (memcmp(&now, &request, sizeof(now))) {
        request = now;
        answer_deadline_ns =
            now.ticks ? now_ns + now.ticks * LEASE_ANSWER_NS : SYS_FOREVER;
    }
}

static void answer_run(uint64_t now_ns)
{
    request_look(now_ns);
    if (now_ns >= answer_deadline_ns) {
        client()->request_timeout = 1;
        dhcp_fine_tmr();
        request.ticks = 0;
        answer_deadline_ns = SYS_FOREVER;
        request_look(now_ns);
    }
}

static void ticks_run(uint64_t now_ns)
{
    uint64_t tick = now_ns / LEASE_TICK_NS;

    if (tick - tick_done > LEASE_CATCH_UP) {
        tick_done = tick - LEASE_CATCH_UP;
    }
    while (tick_done < tick) {
        tick_done++;
        dhcp_coarse_tmr();
    }
}

/* Ticks until the lease wants something; 0: never. */
static uint64_t ticks_left(const struct dhcp *dhcp)
{
    uint64_t left = dhcp->t0_timeout ? dhcp->t0_timeout - dhcp->lease_used : 0;

    if (dhcp->t2_rebind_time && (!left || dhcp->t2_rebind_time < left)) {
        left = dhcp->t2_rebind_time;
    }
    if (dhcp->t1_renew_time && (!left || dhcp->t1_renew_time < left)) {
        left = dhcp->t1_renew_time;
    }
    return left;
}

static void address_look(void)
{
    const uint8_t *a = (const uint8_t *)&lease_address;

    if (net_address() == lease_address) {
        return;
    }
    if (!net_address()) {
        lib_log("DHCP: the address %u.%u.%u.%u is lost", a[0], a[1], a[2],
                a[3]);
    }
    lease_address = net_address();
    if (lease_address) {
        lib_log("DHCP: our address is %u.%u.%u.%u for %u s", a[0], a[1], a[2],
                a[3], client()->offered_t0_lease);
    }
    net_wake(&lease_word, UINT32_MAX);
}

/**
 * lease_run() - what is due by now
 * @now_ns: the present
 *
 * To be called after the received frames.
 *
 * Context: lock held.
 */
void lease_run(uint64_t now_ns)
{
    if (!lease_if) {
        return;
    }
    ticks_run(now_ns);
    answer_run(now_ns);
    address_look();
}

/**
 * lease_deadline() - when lease_run() is to be called again
 *
 * Return: ns, SYS_FOREVER if nothing is timed.
 * Context: lock held.
 */
uint64_t lease_deadline(void)
{
    uint64_t deadline, left;

    if (!lease_if) {
        return SYS_FOREVER;
    }
    left = ticks_left(client());
    deadline = left ? (tick_done + left) * LEASE_TICK_NS : SYS_FOREVER;
    return answer_deadline_ns < deadline ? answer_deadline_ns : deadline;
}

/**
 * lease_start() - ask for an address
 * @netif: the interface; it is up and has none
 *
 * Context: lock held; not from within lwIP.
 */
void lease_start(struct netif *netif)
{
    lease_if = netif;
    lease_address = 0;
    tick_done = prim_now_ns() / LEASE_TICK_NS;
    answer_deadline_ns = SYS_FOREVER;
    memset(&request, 0, sizeof(request));
    if (dhcp_start(netif) != ERR_OK) {
        lib_log("DHCP: no memory for a client");
        lease_if = NULL;
        return;
    }
    request_look(prim_now_ns());
    net_kick();
}

/**
 * lease_stop() - forget the lease without giving it back
 *
 * It is another line's (R2): the server must not hear of it.
 *
 * Context: lock held; not from within lwIP.
 */
void lease_stop(void)
{
    if (!lease_if) {
        return;
    }
    /* In this state lwIP tells nobody. */
    client()->state = DHCP_STATE_INIT;
    dhcp_release_and_stop(lease_if);
    lease_if = NULL;
}

/**
 * lease_is_ours() - is our address by DHCP?
 *
 * Return: whether it is, or is being asked for.
 * Context: lock held.
 */
bool lease_is_ours(void)
{
    return lease_if != NULL;
}

/**
 * lease_verify() - time has passed that we know nothing of: does it still hold?
 *
 * Context: lock held; not from within lwIP.
 */
void lease_verify(void)
{
    if (lease_if) {
        dhcp_network_changed_link_up(lease_if);
        request_look(prim_now_ns());
    }
}

/**
 * lease_wait() - give the server time to answer
 *
 * Context: before the program runs, lock held; released while it waits.
 */
void lease_wait(void)
{
    uint64_t deadline_ns = prim_now_ns() + LEASE_WAIT_NS;

    while (lease_if && !lease_address && prim_now_ns() < deadline_ns) {
        if (net_sleep(&lease_word, lease_word, deadline_ns) == -EINTR) {
            break;
        }
    }
    if (lease_if && !lease_address) {
        lib_log("DHCP: no server has answered within %u s; the program starts "
                "without an address, and the search goes on",
                (unsigned)(LEASE_WAIT_NS / 1000000000));
    }
}
