/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc-system.c - what there is to tell of the machine and the kernel
 *
 * The names of proc_system_files[] are paths below /proc/.
 */
#include <string.h>
#include "guest-libc/posix/file.h"
#include "guest-libc/posix/proc.h"

#define NS_PER_TICK ((uint64_t)NSEC_PER_SEC / PROC_TICKS_PER_S)
#define HUNDREDTHS  100u
#define UUID_BYTES  16u

/**
 * proc_cpu_ticks() - processor time of the program
 *
 * Return: in units of USER_HZ.
 */
uint64_t proc_cpu_ticks(void)
{
    return prim_query(SYS_QUERY_CPU_NS) / NS_PER_TICK;
}

/* @linux proc /proc/meminfo - what the program does not have is free
 * @test guest/programs/proc.c "meminfo" */
static long make_meminfo(const struct tree_node *node, struct text *text)
{
    static const char *const zeros[] = {
        "Buffers",      "Cached",      "SwapCached",   "Active",
        "Inactive",     "Unevictable", "Mlocked",      "SwapTotal",
        "SwapFree",     "Dirty",       "Writeback",    "AnonPages",
        "Mapped",       "Shmem",       "KReclaimable", "Slab",
        "SReclaimable", "SUnreclaim",  "KernelStack",  "PageTables",
    };
    uint64_t all = PROC_KIB(boot_ram_bytes());
    uint64_t free = PROC_KIB(prim_query(SYS_QUERY_FREE_BYTES));
    size_t line;

    (void)node;
    free = free < all ? free : all;
    text_put(text, "MemTotal:       %8lu kB\nMemFree:        %8lu kB\n", all,
             free);
    text_put(text, "MemAvailable:   %8lu kB\n", free);
    for (unsigned i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++) {
        bool anon = !strcmp(zeros[i], "AnonPages");

        line = text->used;
        text_put(text, "%s:", zeros[i]);
        text_pad(text, line, 16);
        text_put(text, "%8lu kB\n", anon ? all - free : 0);
    }
    text_put(text, "CommitLimit:    %8lu kB\nCommitted_AS:   %8lu kB\n", all,
             all - free);
    text_put(text, "HugePages_Total:       0\nHugePages_Free:        0\n"
                   "HugePages_Rsvd:        0\nHugePages_Surp:        0\n"
                   "Hugepagesize:       2048 kB\n");
    return 0;
}

static void put_cpu(struct text *text, const char *name)
{
    uint64_t busy = proc_cpu_ticks();
    uint64_t all = prim_now_ns() / NS_PER_TICK;

    text_put(text, "%s %lu 0 0 %lu 0 0 0 0 0 0\n", name, busy,
             all > busy ? all - busy : 0);
}

/* @linux proc /proc/stat - interrupts and switches are not counted
 * @test guest/programs/proc.c "stat of the machine" */
static long make_stat(const struct tree_node *node, struct text *text)
{
    (void)node;
    put_cpu(text, "cpu ");
    put_cpu(text, "cpu0");
    text_put(text, "intr 0\nctxt 0\nbtime %lu\nprocesses 1\n",
             (prim_wall_ns() - prim_now_ns()) / (uint64_t)NSEC_PER_SEC);
    text_put(text, "procs_running 1\nprocs_blocked 0\n"
                   "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
    return 0;
}

static void put_seconds(struct text *text, uint64_t ns)
{
    uint64_t hundredths = ns / (NSEC_PER_SEC / HUNDREDTHS);

    text_put(text, "%lu.%02lu", hundredths / HUNDREDTHS,
             hundredths % HUNDREDTHS);
}

/* @linux proc /proc/uptime
 * @test guest/programs/proc.c "uptime goes with the clock" */
static long make_uptime(const struct tree_node *node, struct text *text)
{
    uint64_t now_ns = prim_now_ns(), busy_ns = prim_query(SYS_QUERY_CPU_NS);

    (void)node;
    put_seconds(text, now_ns);
    text_put(text, " ");
    put_seconds(text, now_ns > busy_ns ? now_ns - busy_ns : 0);
    text_put(text, "\n");
    return 0;
}

/* @linux proc /proc/loadavg - the load is 0
 * @test guest/programs/proc.c "loadavg" */
static long make_loadavg(const struct tree_node *node, struct text *text)
{
    struct process_report process;

    (void)node;
    report_process(&process);
    text_put(text, "0.00 0.00 0.00 1/%d %d\n", process.n_threads, process.pid);
    return 0;
}

/* @linux proc /proc/version /proc/filesystems /proc/cmdline
 * @test guest/programs/proc.c "small files of the machine" */
static long make_version(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "Linux version %s (sluice) %s\n", LINUX_RELEASE,
             LINUX_VERSION);
    return 0;
}

static long make_filesystems(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "nodev\tsysfs\nnodev\tdevtmpfs\nnodev\tproc\n\tromfs\n");
    return 0;
}

static long make_cmdline(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "\n");
    return 0;
}

/* @linux proc /proc/sys/kernel/hostname /proc/sys/kernel/ostype
 *             /proc/sys/kernel/osrelease /proc/sys/kernel/version
 *             /proc/sys/kernel/domainname - read-only
 * @test guest/programs/proc.c "names are those of uname()" */
static long make_hostname(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "%s\n", boot_hostname());
    return 0;
}

static long make_domainname(const struct tree_node *node, struct text *text)
{
    struct process_report process;

    (void)node;
    report_process(&process);
    text_put(text, "%s\n", process.domain);
    return 0;
}

static void put_uuid(struct text *text, const uint8_t *bytes)
{
    for (unsigned i = 0; i < UUID_BYTES; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;

        text_put(text, "%s%02x", dash ? "-" : "", (unsigned)bytes[i]);
    }
    text_put(text, "\n");
}

static void random_uuid(uint8_t *bytes)
{
    prim_random(bytes, UUID_BYTES);
    bytes[6] = (bytes[6] & 0x0f) | 0x40; /* version 4 */
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
}

/* @linux proc /proc/sys/kernel/random/uuid
 * @test guest/programs/proc.c "each uuid is another" */
static long make_uuid(const struct tree_node *node, struct text *text)
{
    uint8_t bytes[UUID_BYTES];

    (void)node;
    random_uuid(bytes);
    put_uuid(text, bytes);
    return 0;
}

/*
 * A fork is another boot: what derives an identity from this must find another
 * one there (R2).
 *
 * @linux proc /proc/sys/kernel/random/boot_id - another one after a fork
 * @test guest/programs/proc.c "the boot's id stays"
 */
static long make_boot_id(const struct tree_node *node, struct text *text)
{
    static uint8_t bytes[UUID_BYTES] BULKY; /* lock */
    static uint64_t line_before BULKY;      /* plus 1; 0: none yet */

    (void)node;
    if (line_before != *prim_line() + 1) {
        line_before = *prim_line() + 1;
        random_uuid(bytes);
    }
    put_uuid(text, bytes);
    return 0;
}

struct constant {
    struct tree_made made;
    const char *value;
};

static long make_constant(const struct tree_node *node, struct text *text)
{
    const struct constant *c =
        (const struct constant *)(const void *)node->data;

    text_put(text, "%s\n", c->value);
    return 0;
}

#define CONSTANT(name, value)                                                  \
    {                                                                          \
        { name, 0444, make_constant, NULL }, value                             \
    }

/*
 * @linux proc /proc/sys/kernel/pid_max /proc/sys/kernel/threads-max
 *             /proc/sys/kernel/cap_last_cap /proc/sys/kernel/ngroups_max
 *             /proc/sys/kernel/randomize_va_space
 *             /proc/sys/vm/overcommit_memory /proc/sys/vm/max_map_count
 *             /proc/sys/vm/mmap_min_addr /proc/sys/vm/swappiness
 *             /proc/sys/net/core/somaxconn /proc/sys/fs/file-max
 *             /proc/sys/fs/nr_open /proc/sys/fs/pipe-max-size
 *             /proc/sys/fs/inotify/max_user_instances
 *             /proc/sys/fs/inotify/max_user_watches
 *             /proc/sys/fs/inotify/max_queued_events
 *             /proc/sys/kernel/random/entropy_avail
 *             /proc/sys/kernel/random/poolsize - constant and read-only
 * @test guest/programs/proc.c "settings of the kernel are numbers"
 */
/*
 * @linux proc /sys/devices/system/cpu/online /sys/devices/system/cpu/possible
 *             /sys/devices/system/cpu/present
 *             /sys/kernel/mm/transparent_hugepage/enabled - one processor, no
 *             huge pages; all else of /sys is not there
 * @test guest/programs/proc.c "processors and huge pages"
 */
static const struct constant constants[] = {
    CONSTANT("/proc/sys/kernel/ostype", "Linux"),
    CONSTANT("/proc/sys/kernel/osrelease", LINUX_RELEASE),
    CONSTANT("/proc/sys/kernel/version", LINUX_VERSION),
    CONSTANT("/proc/sys/kernel/pid_max", "4194304"),
    CONSTANT("/proc/sys/kernel/threads-max", "16384"),
    CONSTANT("/proc/sys/kernel/cap_last_cap", "40"),
    CONSTANT("/proc/sys/kernel/ngroups_max", "65536"),
    CONSTANT("/proc/sys/kernel/randomize_va_space", "0"),
    CONSTANT("/proc/sys/kernel/random/entropy_avail", "256"),
    CONSTANT("/proc/sys/kernel/random/poolsize", "256"),
    CONSTANT("/proc/sys/vm/overcommit_memory", "0"),
    CONSTANT("/proc/sys/vm/max_map_count", "65530"),
    CONSTANT("/proc/sys/vm/mmap_min_addr", "65536"),
    CONSTANT("/proc/sys/vm/swappiness", "60"),
    CONSTANT("/proc/sys/net/core/somaxconn", "4096"),
    CONSTANT("/proc/sys/fs/file-max", "65536"),
    CONSTANT("/proc/sys/fs/nr_open", "65536"),
    CONSTANT("/proc/sys/fs/pipe-max-size", "1048576"),
    /* Those of inotify.c. */
    CONSTANT("/proc/sys/fs/inotify/max_user_instances", "128"),
    CONSTANT("/proc/sys/fs/inotify/max_user_watches", "8192"),
    CONSTANT("/proc/sys/fs/inotify/max_queued_events", "16384"),
    CONSTANT("/sys/devices/system/cpu/online", "0"),
    CONSTANT("/sys/devices/system/cpu/possible", "0"),
    CONSTANT("/sys/devices/system/cpu/present", "0"),
    CONSTANT("/sys/kernel/mm/transparent_hugepage/enabled",
             "always madvise [never]"),
};

static const struct tree_made files[] = {
    { "/proc/meminfo", 0444, make_meminfo, NULL },
    { "/proc/stat", 0444, make_stat, NULL },
    { "/proc/uptime", 0444, make_uptime, NULL },
    { "/proc/loadavg", 0444, make_loadavg, NULL },
    { "/proc/version", 0444, make_version, NULL },
    { "/proc/filesystems", 0444, make_filesystems, NULL },
    { "/proc/cmdline", 0444, make_cmdline, NULL },
    { "/proc/sys/kernel/hostname", 0444, make_hostname, NULL },
    { "/proc/sys/kernel/domainname", 0444, make_domainname, NULL },
    { "/proc/sys/kernel/random/uuid", 0444, make_uuid, NULL },
    { "/proc/sys/kernel/random/boot_id", 0444, make_boot_id, NULL },
};

/**
 * proc_system_start() - add the files to the tree
 *
 * Context: once, from proc_start().
 */
void proc_system_start(void)
{
    unsigned i;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        tree_add(files[i].name, TREE_MADE, files[i].mode, &files[i], 0);
    }
    for (i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        tree_add(constants[i].made.name, TREE_MADE, constants[i].made.mode,
                 &constants[i].made, 0);
    }
}
