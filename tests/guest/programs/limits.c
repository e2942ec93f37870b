/* SPDX-License-Identifier: GPL-2.0-or-later */
/* limits.c - limits and what they bound, what was used, who runs when */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define MIB    (1ul << 20)
#define NOBODY 0x3ffffff

static void *volatile bad_pointer = (void *)16;
#define BAD bad_pointer

static int fails(long ret, int error)
{
    return ret == -1 && errno == error;
}

/* By the calls themselves: C libraries keep thoughts of their own. */
static long set(int resource, uint64_t now, uint64_t max)
{
    uint64_t limit[2] = { now, max };

    return syscall(SYS_prlimit64, 0, resource, limit, NULL);
}

static int is(int resource, uint64_t now, uint64_t max)
{
    uint64_t limit[2] = { 1, 2 };

    return syscall(SYS_prlimit64, 0, resource, NULL, limit) == 0 &&
           limit[0] == now && limit[1] == max;
}

static void test_calls(void)
{
    uint64_t limit[2] = { 5, 4 }, old[2];
    uint64_t all = RLIM_INFINITY;

    tap_ok(is(RLIMIT_AS, all, all) && is(RLIMIT_DATA, all, all),
           "no limit of memory");
    tap_ok(set(RLIMIT_FSIZE, 1000, all) == 0 && is(RLIMIT_FSIZE, 1000, all) &&
               set(RLIMIT_FSIZE, all, all) == 0,
           "limits are kept");
    limit[0] = limit[1] = 77;
    tap_ok(syscall(SYS_prlimit64, getpid(), RLIMIT_RSS, limit, old) == 0 &&
               old[0] == all && old[1] == all && is(RLIMIT_RSS, 77, 77),
           "set, and the one before told");
    tap_ok(syscall(SYS_getrlimit, RLIMIT_RSS, old) == 0 && old[0] == 77 &&
               syscall(SYS_setrlimit, RLIMIT_RSS, limit) == 0,
           "by the older calls");
    tap_ok(fails(set(RLIMIT_CPU, 6, 5), EINVAL), "more than the most: EINVAL");
    tap_ok(fails(set(99, 1, 1), EINVAL) &&
               fails(syscall(SYS_getrlimit, 16, old), EINVAL),
           "no such limit: EINVAL");
    tap_ok(fails(set(RLIMIT_NOFILE, 5, 1ul << 40), EPERM),
           "so many files: EPERM");
    tap_ok(fails(syscall(SYS_prlimit64, NOBODY, 0, NULL, old), ESRCH),
           "of no process: ESRCH");
    tap_ok(fails(syscall(SYS_prlimit64, 0, 0, BAD, NULL), EFAULT) &&
               fails(syscall(SYS_prlimit64, 0, 0, NULL, BAD), EFAULT) &&
               fails(syscall(SYS_getrlimit, 0, BAD), EFAULT) &&
               fails(syscall(SYS_setrlimit, 0, BAD), EFAULT),
           "to nowhere");
}

static void test_files(void)
{
    struct pollfd fds[32] = { { 0, 0, 0 } };
    int i, fd = 0, p[2], first = dup(0);

    close(first);
    tap_ok(set(RLIMIT_NOFILE, 16, 100) == 0, "sixteen files");
    while ((i = dup(0)) >= 0) {
        fd = i;
    }
    tap_ok(errno == EMFILE && fd < 16, "the first descriptor too many: EMFILE");
    tap_ok(fails(pipe(p), EMFILE), "of two as well");
    tap_ok(fails(fcntl(0, F_DUPFD, 16), EINVAL) && fails(dup2(0, 16), EBADF),
           "numbers end there");
    close(15);
    tap_ok(fails(pipe(p), EMFILE) && dup(0) == 15, "one is left");
    tap_ok(fails(poll(fds, 17, 0), EINVAL) && poll(fds, 16, 0) >= 0,
           "no more are polled");
    tap_ok(set(RLIMIT_NOFILE, 20, 100) == 0 && dup2(0, 19) == 19, "four more");
    tap_ok(set(RLIMIT_NOFILE, 8, 100) == 0 && fcntl(19, F_GETFD) == 0 &&
               close(19) == 0 && fails(dup(0), EMFILE),
           "those beyond stay open");
    set(RLIMIT_NOFILE, 100, 100);
    for (i = first; i < 16; i++) {
        close(i);
    }
}

static void *map(size_t bytes, int prot)
{
    return mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void test_memory(void)
{
    uint64_t all = RLIM_INFINITY;
    int read_write = PROT_READ | PROT_WRITE;
    void *p;

    set(RLIMIT_AS, 256 * MIB, all);
    p = map(512 * MIB, PROT_READ);
    tap_ok(p == MAP_FAILED && errno == ENOMEM, "no room in the address space");
    p = map(MIB, read_write);
    tap_ok(p != MAP_FAILED, "but for less");
    tap_ok(mremap(p, MIB, 512 * MIB, MREMAP_MAYMOVE) == MAP_FAILED &&
               errno == ENOMEM,
           "nor to grow");
    set(RLIMIT_AS, all, all);
    set(RLIMIT_DATA, 32 * MIB, all);
    tap_ok(map(64 * MIB, read_write) == MAP_FAILED && errno == ENOMEM,
           "too much data");
    tap_ok(map(64 * MIB, PROT_READ) != MAP_FAILED, "what is read is not");
    tap_ok(syscall(SYS_brk, (char *)sbrk(0) + 64 * MIB) ==
               (long)(uintptr_t)sbrk(0),
           "the heap is data");
    set(RLIMIT_DATA, all, all);
    tap_ok(map(64 * MIB, read_write) != MAP_FAILED, "without a limit");
}

static void test_usage(void)
{
    struct rusage before, after;
    struct tms tms;
    volatile unsigned long n = 0;
    char *p = map(8 * MIB, PROT_READ | PROT_WRITE);
    int fd;

    tap_ok(getrusage(RUSAGE_SELF, &before) == 0 && before.ru_maxrss > 0,
           "something is resident");
    memset(p, 1, 8 * MIB);
    while (n < 30000000) {
        n++;
    }
    /* Almost: Linux counts pages on each CPU, and sums them up later. */
    tap_ok(getrusage(RUSAGE_SELF, &after) == 0 &&
               after.ru_maxrss >= before.ru_maxrss && after.ru_maxrss >= 7168,
           "memory touched is resident");
    munmap(p, 8 * MIB);
    tap_ok(getrusage(RUSAGE_SELF, &before) == 0 &&
               before.ru_maxrss >= after.ru_maxrss,
           "at most, that is");
    tap_ok(after.ru_utime.tv_sec + after.ru_utime.tv_usec > 0, "time is used");
    tap_ok(getrusage(RUSAGE_THREAD, &after) == 0 &&
               getrusage(RUSAGE_CHILDREN, &after) == 0 && after.ru_maxrss == 0,
           "by a thread, and no children");
    tap_ok(fails(syscall(SYS_getrusage, 7, &after), EINVAL) &&
               fails(syscall(SYS_getrusage, 0, BAD), EFAULT),
           "of nobody");
    fd = (int)times(&tms);
    tap_ok(tms.tms_utime >= 0 && tms.tms_cutime == 0 && fd != -1,
           "times() counts");
    tap_ok(fails(syscall(SYS_times, BAD), EFAULT) && syscall(SYS_times, 0) > 0,
           "to nowhere, or to nobody");
}

static void test_cpus(void)
{
    unsigned long mask[16] = { 0 }, none = 0, absent[16] = { 0 };
    unsigned cpu = 9, node = 9;
    long n = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);

    tap_ok(n >= 8 && n % 8 == 0 && (mask[0] & 1), "a CPU to run on");
    tap_ok(syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) == 0,
           "which it does");
    mask[0] = 1;
    tap_ok(syscall(SYS_sched_setaffinity, 0, 1, mask) == 0 &&
               syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask) > 0 &&
               mask[0] == 1,
           "on one CPU");
    tap_ok(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && cpu == 0 && node == 0,
           "which CPU");
    absent[0] = 1ul << 63;
    tap_ok(fails(syscall(SYS_sched_setaffinity, 0, 8, &none), EINVAL) &&
               fails(syscall(SYS_sched_setaffinity, 0, 8, absent), EINVAL),
           "a CPU that is not there: EINVAL");
    tap_ok(fails(syscall(SYS_sched_setaffinity, 0, 8, BAD), EFAULT) &&
               fails(syscall(SYS_sched_getaffinity, 0, 128, BAD), EFAULT),
           "a mask nowhere: EFAULT");
    tap_ok(fails(syscall(SYS_sched_getaffinity, 0, 4, mask), EINVAL) &&
               fails(syscall(SYS_sched_getaffinity, 0, 0, mask), EINVAL),
           "words of a mask are whole");
    tap_ok(fails(syscall(SYS_sched_setaffinity, NOBODY, 8, mask), ESRCH) &&
               fails(syscall(SYS_sched_getaffinity, NOBODY, 8, mask), ESRCH),
           "of no thread: ESRCH");
}

static void test_policies(void)
{
    struct sched_param param = { .sched_priority = 0 };
    struct timespec slice;
    uint32_t attr[16] = { 0 };

    tap_ok(syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER &&
               syscall(SYS_sched_getparam, 0, &param) == 0 &&
               param.sched_priority == 0,
           "as everybody");
    tap_ok(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &param) == 0 &&
               syscall(SYS_sched_getscheduler, 0) == SCHED_BATCH &&
               syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param) == 0,
           "a policy is kept");
    param.sched_priority = 1;
    tap_ok(fails(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param),
                 EINVAL) &&
               fails(syscall(SYS_sched_setparam, 0, &param), EINVAL),
           "a priority is of a real-time policy");
    param.sched_priority = 100;
    tap_ok(
        fails(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param), EINVAL),
        "up to 99");
    param.sched_priority = 0;
    tap_ok(
        fails(syscall(SYS_sched_setscheduler, 0, SCHED_RR, &param), EINVAL) &&
            fails(syscall(SYS_sched_setscheduler, 0, 77, &param), EINVAL) &&
            fails(syscall(SYS_sched_setscheduler, 0, -1, &param), EINVAL) &&
            fails(syscall(SYS_sched_setscheduler, 0, 0, NULL), EINVAL) &&
            fails(syscall(SYS_sched_getparam, 0, NULL), EINVAL),
        "none such: EINVAL");
    tap_ok(fails(syscall(SYS_sched_setscheduler, 0, 0, BAD), EFAULT) &&
               fails(syscall(SYS_sched_getparam, 0, BAD), EFAULT),
           "to nowhere: EFAULT");
    tap_ok(fails(syscall(SYS_sched_getscheduler, NOBODY), ESRCH) &&
               fails(syscall(SYS_sched_getscheduler, -1), EINVAL) &&
               fails(syscall(SYS_sched_setscheduler, NOBODY, 0, &param), ESRCH),
           "of no thread: ESRCH");
    tap_ok(syscall(SYS_sched_get_priority_max, SCHED_FIFO) == 99 &&
               syscall(SYS_sched_get_priority_min, SCHED_RR) == 1 &&
               syscall(SYS_sched_get_priority_max, SCHED_OTHER) == 0 &&
               syscall(SYS_sched_get_priority_min, SCHED_BATCH) == 0 &&
               fails(syscall(SYS_sched_get_priority_max, 4), EINVAL) &&
               fails(syscall(SYS_sched_get_priority_min, 99), EINVAL),
           "priorities of each policy");
    tap_ok(syscall(SYS_sched_rr_get_interval, 0, &slice) == 0 &&
               slice.tv_sec == 0 &&
               fails(syscall(SYS_sched_rr_get_interval, NOBODY, &slice), ESRCH),
           "a slice of time");
    tap_ok(syscall(SYS_sched_getattr, 0, attr, 48, 0) == 0 && attr[0] == 48 &&
               attr[1] == SCHED_OTHER && attr[5] == 0 &&
               fails(syscall(SYS_sched_getattr, 0, attr, 47, 0), EINVAL) &&
               fails(syscall(SYS_sched_getattr, 0, attr, 48, 1), EINVAL) &&
               fails(syscall(SYS_sched_getattr, NOBODY, attr, 48, 0), ESRCH),
           "all attributes at once");
}

static void *nice_of_thread(void *arg)
{
    *(int *)arg = getpriority(PRIO_PROCESS, 0);
    return NULL;
}

static void test_nice(void)
{
    pthread_t thread;
    int nice = -1, was = getpriority(PRIO_PROCESS, 0);
    int more = was < 14 ? was + 5 : 19;

    /* Who started it may have been nice. */
    tap_ok(syscall(SYS_getpriority, PRIO_PROCESS, 0) == 20 - was,
           "the call counts the other way round");
    tap_ok(setpriority(PRIO_PROCESS, 0, more) == 0 &&
               getpriority(PRIO_PROCESS, 0) == more,
           "nice values are kept");
    pthread_create(&thread, NULL, nice_of_thread, &nice);
    pthread_join(thread, NULL);
    tap_ok(nice == more, "a thread is as nice as its maker");
    tap_ok(setpriority(PRIO_PROCESS, 0, 100) == 0 &&
               getpriority(PRIO_PROCESS, 0) == 19,
           "there is a nicest");
    tap_ok(fails(getpriority(PRIO_PROCESS, NOBODY), ESRCH) &&
               fails(setpriority(PRIO_PROCESS, NOBODY, 0), ESRCH) &&
               fails(getpriority(9, 0), EINVAL) &&
               fails(setpriority(9, 0, 0), EINVAL),
           "of nobody");
}

/* In a thread of its own: who it is, is a thread's. */
static void *test_unprivileged(void *arg)
{
    struct sched_param param = { .sched_priority = 5 };
    uint64_t all = RLIM_INFINITY;

    (void)arg;
    syscall(SYS_setresuid, 1000, 1000, 1000);
    tap_ok(set(RLIMIT_RSS, 50, 60) == 0 && set(RLIMIT_RSS, 60, 60) == 0,
           "a limit may be lowered, and used");
    tap_ok(fails(set(RLIMIT_RSS, 60, 61), EPERM) &&
               fails(set(RLIMIT_RSS, all, all), EPERM) &&
               is(RLIMIT_RSS, 60, 60),
           "but not raised again");
    tap_ok(fails(setpriority(PRIO_PROCESS, 0, 0), EACCES),
           "nor is one less nice again");
    syscall(SYS_prlimit64, 0, RLIMIT_RTPRIO, (uint64_t[2]){ 0, 0 }, NULL);
    tap_ok(fails(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param), EPERM),
           "nor prior to others");
    return NULL;
}

int main(void)
{
    pthread_t thread;

    test_calls();
    test_files();
    test_memory();
    test_usage();
    test_cpus();
    test_policies();
    test_nice();
    pthread_create(&thread, NULL, test_unprivileged, NULL);
    pthread_join(thread, NULL);
    return tap_done();
}
