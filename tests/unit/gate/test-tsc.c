/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-tsc.c - the counter's frequency as it is found on a busy host
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "hw/ckpt/ckpt-tsc.h"

#define HZ         2596124000ull
#define READ_NS    40
#define AWAY_NS    4000000 /* somebody else has the processor */
#define RUNS       2000
#define FAR_OFF_HZ (HZ / 1000000 * 100)

static struct {
    int64_t now_ns;
    GRand *rand;
    unsigned one_in; /* readings after which it is away; 0 = none */
} host;

static void pass(void)
{
    host.now_ns += READ_NS;
    if (host.one_in && g_rand_int_range(host.rand, 0, host.one_in) == 0) {
        host.now_ns += g_rand_int_range(host.rand, 0, AWAY_NS);
    }
}

int64_t get_clock(void)
{
    int64_t now_ns = host.now_ns;

    pass();
    return now_ns;
}

int64_t cpu_get_host_ticks(void)
{
    int64_t now_ns = host.now_ns;

    pass();
    return (unsigned __int128)now_ns * HZ / NANOSECONDS_PER_SECOND;
}

static uint64_t found_hz(int64_t after_ns)
{
    CkptTscSample since = ckpt_tsc_sample();

    host.now_ns += after_ns;
    return ckpt_tsc_hz(&since);
}

/* Also between any two readings, one time of four. */
static void test_busy_host(void)
{
    unsigned i;

    host.rand = g_rand_new_with_seed(1);
    for (host.one_in = 0; host.one_in <= 64; host.one_in += 4) {
        for (i = 0; i < RUNS; i++) {
            uint64_t hz = found_hz(i % 2 ? 0 : 30 * SCALE_MS);

            g_assert_cmpuint(hz, >, HZ - FAR_OFF_HZ);
            g_assert_cmpuint(hz, <, HZ + FAR_OFF_HZ);
        }
    }
    g_rand_free(host.rand);
}

/* A QEMU that reconnects after three years. */
static void test_after_years(void)
{
    host.one_in = 0;
    g_assert_cmpuint(found_hz(100000000 * NANOSECONDS_PER_SECOND), >, HZ - 2);
    g_assert_cmpuint(found_hz(100000000 * NANOSECONDS_PER_SECOND), <, HZ + 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tsc/busy-host", test_busy_host);
    g_test_add_func("/tsc/after-years", test_after_years);
    return g_test_run();
}
