/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-random.c - kernel calls with arguments that nobody would pass
 *
 * A process of its own, for it may well die of what it asks for.  The kernel
 * must not: the host looks for a panic.  The first thread only watches, so
 * that a call that sleeps for ever does not keep the process.
 */
#include "kcall.h"

#define ROUNDS   20000
#define WATCH_NS (3000 * MS)

static uint64_t state;
static uint32_t done;
static uint8_t area[4 * PAGE] __attribute__((aligned(4096)));

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t random_argument(void)
{
    const uint64_t places[] = {
        0,
        1,
        PAGE,
        USER_BASE,
        USER_END - PAGE,
        USER_END,
        LIBRARY_BASE,
        LIBRARY_HEAP,
        BOOT_BASE,
        LIBRARY_END - 8,
        LIBRARY_END,
        0x7fffffffffff,
        0x800000000000,
        0xffff800000000000,
        0xffff800000100000,
        0xffffffff80100000,
        (uint64_t)-PAGE,
        UINT64_MAX,
        (uint64_t)area,
        (uint64_t)area + sizeof(area) - 4,
        (uint64_t)&ublocks[2],
        boot_info->bundle,
        now_ns() + MS,
    };
    uint64_t pick = next_random();

    switch (pick % 4) {
    case 0:
        return next_random() % 64;
    case 1:
        return places[next_random() % N_ELEMENTS(places)];
    case 2:
        return places[next_random() % N_ELEMENTS(places)] +
               PAGE * (next_random() % 16);
    default:
        return next_random() >> (next_random() % 64);
    }
}

static void call_at_random(uint64_t slot)
{
    unsigned int i;

    (void)slot;
    for (i = 0; i < ROUNDS; i++) {
        uint64_t number = SYS_FIRST + next_random() % 0x20;
        unsigned int word;

        for (word = 0; word < sizeof(area) / 8; word += 97) {
            ((uint64_t *)area)[word] = random_argument();
        }
        if (number != SYS_EXIT && number != SYS_THREAD_EXIT &&
            (number != SYS_RESUME || i % 64 == 0)) {
            kcall6(number, random_argument(), random_argument(),
                   random_argument(), random_argument(), random_argument());
        }
    }
    __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
    kcall(SYS_WAKE, &done, 1);
}

void random_process(uint64_t seed)
{
    uint64_t deadline = now_ns() + WATCH_NS;

    state = seed * 0x9e3779b97f4a7c15ull + boot_info->process + 1;
    start_thread(1, call_at_random, 1);
    while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) == 0 &&
           kcall(SYS_WAIT, &done, 0, deadline) != -ETIMEDOUT) {
    }
    kcall(SYS_EXIT, 0);
}
