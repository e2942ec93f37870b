/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-ident.c - what root may that a test must not do to its own machine */
#include <asm/unistd.h>
#include <errno.h>
#include <glib.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <linux/utsname.h>
#include <string.h>

#include "tests/unit/libc-sys/fake-prim.h"
#include "tests/unit/libc-sys/tests.h"

static char *user;

static void setup(void)
{
    fake_reset();
    if (!user) {
        user = fake_user(4096);
    }
}

static void test_names(void)
{
    struct new_utsname *name;
    char longest[65];

    setup();
    name = (struct new_utsname *)(user + 1024);
    memset(longest, 'x', sizeof(longest));
    longest[64] = '\0';
    memcpy(user, longest, 64);
    g_assert_cmpint(fake_call(__NR_sethostname, (uint64_t)user, 64, 0, 0), ==,
                    0);
    g_assert_cmpint(fake_call(__NR_setdomainname, (uint64_t)user, 3, 0, 0), ==,
                    0);
    g_assert_cmpint(fake_call(__NR_uname, (uint64_t)name, 0, 0, 0), ==, 0);
    g_assert_cmpstr(name->nodename, ==, longest);
    g_assert_cmpstr(name->domainname, ==, "xxx");
    g_assert_cmpint(fake_call(__NR_sethostname, (uint64_t)user, 65, 0, 0), ==,
                    -EINVAL);
    boot_set_hostname("");
    thread_self()->creds.usable &= ~(1ull << CAP_SYS_ADMIN);
    g_assert_cmpint(fake_call(__NR_sethostname, (uint64_t)user, 1, 0, 0), ==,
                    -EPERM);
}

/* Root raises what it has lowered, real-time policies are its. */
static void test_root_limits(void)
{
    uint64_t *limit;
    int32_t *priority;

    setup();
    limit = (uint64_t *)user;
    priority = (int32_t *)user;
    limit[0] = limit[1] = 5;
    g_assert_cmpint(fake_call(__NR_setrlimit, RLIMIT_CPU, (uint64_t)user, 0, 0),
                    ==, 0);
    limit[0] = limit[1] = 7;
    g_assert_cmpint(fake_call(__NR_setrlimit, RLIMIT_CPU, (uint64_t)user, 0, 0),
                    ==, 0);
    g_assert_cmpuint(limit_now(RLIMIT_CPU), ==, 7);
    limit[0] = limit[1] = 65536;
    g_assert_cmpint(
        fake_call(__NR_setrlimit, RLIMIT_NOFILE, (uint64_t)user, 0, 0), ==, 0);
    g_assert_cmpuint(limit_files(), ==, 65536);
    *priority = 99;
    g_assert_cmpint(fake_call(__NR_sched_setscheduler, 0, 1, (uint64_t)user, 0),
                    ==, 0);
    *priority = 0;
    g_assert_cmpint(fake_call(__NR_sched_getparam, 0, (uint64_t)user, 0, 0), ==,
                    0);
    g_assert_cmpint(*priority, ==, 99);
    thread_self()->creds.usable = 0;
    limit[0] = limit[1] = 9;
    g_assert_cmpint(fake_call(__NR_setrlimit, RLIMIT_CPU, (uint64_t)user, 0, 0),
                    ==, -EPERM);
}

/* More threads than the limit: not for who is nobody. */
static void test_thread_limit(void)
{
    const uint64_t flags = 0x10900; /* VM, SIGHAND, THREAD */
    uint64_t *limit;

    setup();
    limit = (uint64_t *)user;
    limit[0] = limit[1] = 1;
    g_assert_cmpint(
        fake_call(__NR_setrlimit, RLIMIT_NPROC, (uint64_t)user, 0, 0), ==, 0);
    g_assert_cmpint(fake_call(__NR_clone, flags, (uint64_t)user + 4096, 0, 0),
                    >, 0);
    thread_self()->creds.usable = 0;
    g_assert_cmpint(fake_call(__NR_clone, flags, (uint64_t)user + 4096, 0, 0),
                    ==, -EAGAIN);
}

void test_ident_add(void)
{
    g_test_add_func("/libc-sys/ident/names", test_names);
    g_test_add_func("/libc-sys/ident/root-limits", test_root_limits);
    g_test_add_func("/libc-sys/ident/thread-limit", test_thread_limit);
}
