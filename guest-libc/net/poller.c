/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poller.c - who looks into the receive ring, and when
 *
 * Theory of operation.  One round (net_poll) takes frames from the ring, runs
 * what is due, and leaves in next_deadline_ns when the next round is due at
 * the latest.  Rounds are done by
 *   - a thread of the program that is about to sleep (net_sleep): it looks
 *     first, and the first one to sleep does so on the ring's event word: it
 *     is the poller.  Others sleep on words of their own; whoever makes an
 *     event for the poller's word must wake the ring's word instead, which
 *     net_wake() knows.
 *   - the helper thread, when the program computes or all its threads wait for
 *     futexes: without it no acknowledgement would be sent.
 *
 * A thread that leaves with work does not hand its place over: it will be back
 * soon.  The helper gives it POLLER_GRACE_NS after the last round of the
 * program and then polls itself.
 *
 * enum helper_state
 *  ASLEEP  a thread of the program is the poller, and has been for a while: the
 *          helper sleeps without a deadline.  An idle guest is in this state,
 *          or in POLLS.
 *          left by: that thread leaves net_sleep() -> WATCHES
 *  WATCHES sleeps until the grace is over, and again as long as the program did
 *          rounds meanwhile: a busy program is not made to wake the helper at
 *          each packet, which would cost two switches and its stacks' pages
 *          left by: no round in a whole grace, and a poller is there -> ASLEEP;
 *          no round and no poller -> POLLS
 *  POLLS   the helper is the poller
 *          left by: a thread of the program has become the poller -> ASLEEP; or
 *          does rounds without sleeping -> WATCHES
 */
#include <errno.h>
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/tcp-timers.h"
#include "guest-libc/posix/file.h"

/* Half a tick of TCP: what it delays is an acknowledgement or a timer. */
#define POLLER_GRACE_NS 5000000ull

enum helper_state {
    HELPER_NONE,
    HELPER_ASLEEP,
    HELPER_WATCHES,
    HELPER_POLLS
};

static uint32_t *poller_word; /* of the thread that sleeps on the event */
static uint64_t next_deadline_ns = SYS_FOREVER;
static uint64_t program_round_ns; /* last round of a program's thread */

static uint32_t messages_event; /* the event word at the last look */
static uint64_t messages_deadline_ns = SYS_FOREVER;

static enum helper_state helper_state;
static uint32_t helper_word;

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/*
 * Messages from the host are announced by the event word as well.  Looking for
 * one is a kernel call, so no round does it without a reason.
 */
static uint64_t messages_run(uint64_t now_ns)
{
    uint32_t event = __atomic_load_n(link_event(), __ATOMIC_ACQUIRE);

    if (event != messages_event || now_ns >= messages_deadline_ns) {
        messages_event = event;
        messages_deadline_ns = sys_poll_locked();
    }
    return messages_deadline_ns;
}

static bool round_run(void)
{
    unsigned frames;
    uint64_t now;

    clock_seconds_run();
    frames = link_receive();
    link_retry();
    wall_clock_look_locked();
    now = prim_now_ns();
    clock_run(now);
    lease_run(now);
    link_loop();
    linger_run();
    sluice_poll();
    next_deadline_ns = earlier(timerfd_run(now), messages_run(now));
    next_deadline_ns = earlier(next_deadline_ns, clock_deadline());
    next_deadline_ns = earlier(next_deadline_ns, lease_deadline());
    return frames != 0;
}

/**
 * net_poll() - one round: frames, timers, messages from the host
 *
 * Return: whether there was a frame.
 * Context: a thread of the program, lock held.
 */
bool net_poll(void)
{
    bool any = round_run();

    program_round_ns = prim_now_ns();
    return any;
}

/**
 * net_kick() - what the sleeping poller knows is out of date
 *
 * Context: lock held.
 */
void net_kick(void)
{
    if (poller_word) {
        lib_wake(link_event(), 2);
    }
}

/**
 * net_wake() - wake threads that sleep by net_sleep()
 * @word: on which they sleep
 * @count: how many at most
 *
 * Context: lock held.
 */
void net_wake(uint32_t *word, uint32_t count)
{
    if (word == poller_word) {
        ++*word;
        net_kick();
    } else {
        lib_wake(word, count);
    }
}

static void helper_watch(void)
{
    if (helper_state == HELPER_ASLEEP) {
        helper_state = HELPER_WATCHES;
        lib_wake(&helper_word, 1);
    }
}

/**
 * net_sleep() - sleep until *@word changes
 * @word: under the lock; changed by net_wake()
 * @seen: the value that the caller has dealt with
 * @deadline_ns: absolute, or SYS_FOREVER
 *
 * Return: 0 (look again, also for no reason), -EINTR, -ETIMEDOUT.
 * Context: a thread of the program, lock held; released while it sleeps.
 */
long net_sleep(uint32_t *word, uint32_t seen, uint64_t deadline_ns)
{
    uint32_t *event = link_event();
    /* Read before the round: what comes after it must not be missed. */
    uint32_t event_seen = __atomic_load_n(event, __ATOMIC_ACQUIRE);
    uint64_t deadline;
    long ret;

    if (net_poll() || *word != seen) {
        return 0;
    }
    if (poller_word && poller_word != &helper_word) {
        return lib_wait(word, seen, deadline_ns);
    }
    deadline = earlier(deadline_ns, next_deadline_ns);
    poller_word = word;
    ret = lib_wait(event, event_seen, deadline);
    poller_word = NULL;
    helper_watch();
    if (ret == -EINTR) {
        return ret;
    }
    net_poll();
    if (*word == seen && prim_now_ns() >= deadline_ns) {
        return -ETIMEDOUT;
    }
    return 0;
}

/* The helper as the poller, until something happens. */
static void helper_poll(void)
{
    uint32_t *event = link_event();
    uint32_t event_seen = __atomic_load_n(event, __ATOMIC_ACQUIRE);

    if (round_run()) {
        return;
    }
    poller_word = &helper_word;
    lib_wait(event, event_seen, next_deadline_ns);
    if (poller_word == &helper_word) {
        poller_word = NULL;
    }
}

static void helper_run(void *arg)
{
    (void)arg;
    lib_lock();
    for (;;) {
        uint32_t seen = helper_word;
        uint64_t grace_ns = program_round_ns + POLLER_GRACE_NS;

        if (prim_now_ns() < grace_ns) {
            helper_state = HELPER_WATCHES;
            lib_wait(&helper_word, seen, grace_ns);
        } else if (poller_word) {
            helper_state = HELPER_ASLEEP;
            lib_wait(&helper_word, seen, SYS_FOREVER);
        } else {
            helper_state = HELPER_POLLS;
            helper_poll();
        }
    }
}

/**
 * net_helper_start() - make the helper thread
 *
 * Return: 0 or negative errno.
 * Context: once, before the program runs.
 */
long net_helper_start(void)
{
    return thread_spawn_helper(helper_run, NULL);
}

/**
 * net_start() - the network, and the thread that keeps it alive
 * @net: addresses of the boot bundle, or NULL
 *
 * Return: 0 or negative errno.
 * Context: once, before the program runs.
 */
long net_start(const struct boot_net *net)
{
    uint64_t limit = boot_ram_bytes() / 8;

    heap_net_limit(limit < (4ull << 20)     ? 4ull << 20
                   : limit > (256ull << 20) ? 256ull << 20
                                            : limit);
    random_start();
    link_start(net);
    clock_start();
    lib_lock();
    lease_wait();
    lib_unlock();
    return net_helper_start();
}

/**
 * net_restored() - this process goes on after a restore
 *
 * Context: lock held.
 */
void net_restored(void)
{
    clock_touch();
    tcp_timers_renew();
    link_announce();
    lease_verify();
    link_prompt_peers();
}
