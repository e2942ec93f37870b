/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc-process.c - what there is to tell of a process and of its threads
 *
 * A file below task/TID tells of that thread, one of the process of its first.
 * The process has never been without a processor to run on and has no parent
 * that it could see: much is constant.
 */
#include <string.h>
#include "guest-libc/posix/file.h"
#include "guest-libc/posix/proc.h"

#define PROC_PRIORITY      20
#define PROC_LIMIT_SIGNALS 11u /* RLIMIT_SIGPENDING */

static char state_of(const struct thread_report *t)
{
    return t->tid != thread_tid() && t->sleeps ? 'S' : 'R';
}

static const char *state_name(char state)
{
    return state == 'S' ? "S (sleeping)" : "R (running)";
}

/*
 * @linux proc /proc/self/stat /proc/self/task/TID/stat - processor time is
 *             the process's; faults and the like are 0
 * @test guest/programs/proc.c "stat: number, name, state, parent"
 */
static long make_stat(const struct tree_node *node, struct text *text)
{
    const struct program_place *place = program_place();
    struct process_report p;
    struct thread_report t;
    struct proc_memory memory;
    long ret = proc_thread(node, &t);

    if (ret) {
        return ret;
    }
    report_process(&p);
    proc_memory(&memory);
    /* Number, name, state, parent, group, session, terminal, its group. */
    text_put(text, "%d (%s) %c 1 %d %d 0 -1 ", t.tid, t.name, state_of(&t),
             p.pid, p.pid);
    /* Flags, faults, time, priority, nice, threads, interval timer, start. */
    text_put(text, "4194304 0 0 0 0 %lu 0 0 0 %d %d %d 0 %lu ",
             proc_cpu_ticks(), PROC_PRIORITY + t.nice, t.nice, p.n_threads,
             proc_start_ns() / ((uint64_t)NSEC_PER_SEC / PROC_TICKS_PER_S));
    text_put(text, "%lu %lu %lu %lu %lu %lu 0 0 ", memory.all,
             memory.resident / PROC_PAGE_BYTES, UINT64_MAX, place->text_start,
             place->text_end, place->stack_first);
    /* The first 31 signals only: it is an old format. */
    text_put(text, "%lu %lu %lu %lu ", t.pending & INT32_MAX,
             t.blocked & INT32_MAX, p.ignored & INT32_MAX,
             p.caught & INT32_MAX);
    /* Waiting, swap, signal at the end, processor, policy, delays. */
    text_put(text, "0 0 0 17 0 0 0 0 0 0 ");
    text_put(text, "%lu %lu %lu %lu %lu %lu %lu 0\n", place->data_start,
             place->data_end, p.heap_start, place->args_start, place->args_end,
             place->env_start, place->env_end);
    return 0;
}

static void put_memory(struct text *text)
{
    struct proc_memory m;

    proc_memory(&m);
    text_put(text, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\n", PROC_KIB(m.all),
             PROC_KIB(m.all));
    text_put(text, "VmLck:\t%8u kB\nVmPin:\t%8u kB\n", 0u, 0u);
    text_put(text, "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\nRssAnon:\t%8lu kB\n",
             PROC_KIB(m.resident), PROC_KIB(m.resident), PROC_KIB(m.resident));
    text_put(text, "RssFile:\t%8u kB\nRssShmem:\t%8u kB\n", 0u, 0u);
    text_put(text, "VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\n",
             PROC_KIB(m.data), PROC_KIB(m.stack), PROC_KIB(m.text));
    text_put(text, "VmLib:\t%8u kB\nVmPTE:\t%8u kB\nVmSwap:\t%8u kB\n", 0u, 0u,
             0u);
    text_put(text, "HugetlbPages:\t%8u kB\nCoreDumping:\t0\n", 0u);
    text_put(text, "THP_enabled:\t0\n");
}

static void put_ids(struct text *text, const struct thread_report *t)
{
    text_put(text, "Uid:\t%u\t%u\t%u\t%u\n", t->user[0], t->user[1], t->user[2],
             t->user[3]);
    text_put(text, "Gid:\t%u\t%u\t%u\t%u\n", t->group[0], t->group[1],
             t->group[2], t->group[3]);
    text_put(text, "FDSize:\t%u\nGroups:\t", FD_MAX);
    for (uint32_t i = 0; i < t->n_groups; i++) {
        text_put(text, "%u ", t->groups[i]);
    }
    text_put(text, "%s\n", t->n_groups ? "" : " ");
}

/*
 * @linux proc /proc/self/status /proc/self/task/TID/status - the peaks of
 *             memory are what there is now
 * @test guest/programs/proc.c "status: names and numbers"
 * @test guest/programs/proc.c "status: signals that are caught and blocked"
 */
static long make_status(const struct tree_node *node, struct text *text)
{
    struct process_report p;
    struct thread_report t;
    uint64_t queue, most;
    long ret = proc_thread(node, &t);

    if (ret) {
        return ret;
    }
    report_process(&p);
    text_put(text, "Name:\t%s\nUmask:\t0%03o\nState:\t%s\nTgid:\t%d\n", t.name,
             p.umask, state_name(state_of(&t)), p.pid);
    text_put(text, "Ngid:\t0\nPid:\t%d\nPPid:\t1\nTracerPid:\t0\n", t.tid);
    put_ids(text, &t);
    text_put(text, "NStgid:\t%d\nNSpid:\t%d\n", p.pid, t.tid);
    text_put(text, "NSpgid:\t%d\nNSsid:\t%d\n", p.pid, p.pid);
    put_memory(text);
    report_limit(PROC_LIMIT_SIGNALS, &queue, &most);
    text_put(text, "Threads:\t%d\nSigQ:\t0/%lu\nSigPnd:\t%016lx\n", p.n_threads,
             queue, t.pending);
    text_put(text, "ShdPnd:\t%016lx\nSigBlk:\t%016lx\n", p.pending, t.blocked);
    text_put(text, "SigIgn:\t%016lx\nSigCgt:\t%016lx\n", p.ignored, p.caught);
    text_put(text, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n",
             t.inheritable, t.permitted, t.usable);
    text_put(text, "CapBnd:\t%016lx\nCapAmb:\t%016lx\nNoNewPrivs:\t%d\n",
             t.bounding, t.ambient, t.no_new_privs);
    text_put(text, "Seccomp:\t0\nSeccomp_filters:\t0\n");
    text_put(text, "Cpus_allowed:\t1\nCpus_allowed_list:\t0\n");
    text_put(text, "Mems_allowed:\t1\nMems_allowed_list:\t0\n");
    text_put(text, "voluntary_ctxt_switches:\t0\n"
                   "nonvoluntary_ctxt_switches:\t0\n");
    return 0;
}

static void put_limit(struct text *text, uint64_t value)
{
    size_t line = text->used;

    if (value == UINT64_MAX) {
        text_put(text, "unlimited");
    } else {
        text_put(text, "%lu", value);
    }
    text_pad(text, line, 21);
}

/*
 * @linux proc /proc/self/limits
 * @test guest/programs/proc.c "limits are those of getrlimit()"
 */
static long make_limits(const struct tree_node *node, struct text *text)
{
    static const struct {
        const char *name, *unit;
    } limits[] = {
        /* in the order of RLIMIT_* */
        { "cpu time", "seconds" },     { "file size", "bytes" },
        { "data size", "bytes" },      { "stack size", "bytes" },
        { "core file size", "bytes" }, { "resident set", "bytes" },
        { "processes", "processes" },  { "open files", "files" },
        { "locked memory", "bytes" },  { "address space", "bytes" },
        { "file locks", "locks" },     { "pending signals", "signals" },
        { "msgqueue size", "bytes" },  { "nice priority", "" },
        { "realtime priority", "" },   { "realtime timeout", "us" },
    };
    uint64_t now, max;
    size_t line;

    (void)node;
    text_put(text, "%26s%21s%21s%10s\n", "Limit", "Soft Limit", "Hard Limit",
             "Units");
    for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        report_limit(i, &now, &max);
        line = text->used;
        text_put(text, "Max %s", limits[i].name);
        text_pad(text, line, 26);
        put_limit(text, now);
        put_limit(text, max);
        text_put(text, "%10s\n", limits[i].unit);
    }
    return 0;
}

/* @linux proc /proc/self/cmdline /proc/self/environ /proc/self/auxv
 * @test guest/programs/proc.c "cmdline and environ are the program's memory"
 * @test guest/programs/proc.c "auxv is the vector" */
static long make_cmdline(const struct tree_node *node, struct text *text)
{
    const struct program_place *place = program_place();

    (void)node;
    text_user(text, place->args_start, place->args_end);
    return 0;
}

static long make_environ(const struct tree_node *node, struct text *text)
{
    const struct program_place *place = program_place();

    (void)node;
    text_user(text, place->env_start, place->env_end);
    return 0;
}

static long make_auxv(const struct tree_node *node, struct text *text)
{
    const struct program_place *place = program_place();

    (void)node;
    text_user(text, place->auxv, place->auxv + place->auxv_bytes);
    return 0;
}

/* @linux proc /proc/self/comm /proc/self/task/TID/comm
 * @test guest/programs/proc.c "comm names a thread" */
static long make_comm(const struct tree_node *node, struct text *text)
{
    struct thread_report t;
    long ret = proc_thread(node, &t);

    if (!ret) {
        text_put(text, "%s\n", t.name);
    }
    return ret;
}

static long write_comm(const struct tree_node *node, char *name)
{
    struct thread_report t;
    long ret = proc_thread(node, &t);
    size_t len = strlen(name);

    if (len && name[len - 1] == '\n') {
        name[len - 1] = '\0';
    }
    return ret ? ret : report_rename(t.tid, name);
}

#define ADJUST_MAX 1000

static int oom_adjust BULKY; /* lock; nothing else could be killed instead */

/* @linux proc /proc/self/oom_score_adj /proc/self/oom_score - kept only: there
 *             is no other process to be killed
 * @test guest/programs/proc.c "oom_score_adj is kept" */
static long make_adjust(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "%d\n", oom_adjust);
    return 0;
}

static long write_adjust(const struct tree_node *node, char *text)
{
    bool minus = text[0] == '-';
    size_t len = strlen(text += minus);
    int64_t value;

    (void)node;
    if (len && text[len - 1] == '\n') {
        len--;
    }
    value = tree_name_number(text, len);
    if (value < 0 || value > ADJUST_MAX) {
        return -EINVAL;
    }
    oom_adjust = minus ? -value : value;
    return 0;
}

static long make_score(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "0\n");
    return 0;
}

/* @linux proc /proc/self/mounts /proc/self/mountinfo /proc/mounts
 * @test guest/programs/proc.c "mounts and mountinfo" */
static long make_mounts(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "sluice / romfs ro,relatime 0 0\n"
                   "devtmpfs /dev devtmpfs rw,relatime 0 0\n"
                   "proc /proc proc rw,relatime 0 0\n"
                   "sysfs /sys sysfs ro,relatime 0 0\n");
    return 0;
}

static long make_mountinfo(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "1 0 0:%d / / ro,relatime - romfs sluice ro\n",
             TREE_MOUNT_ROOT);
    text_put(text, "2 1 0:%d / /dev rw,relatime - devtmpfs devtmpfs rw\n",
             TREE_MOUNT_DEV);
    text_put(text, "3 1 0:%d / /proc rw,relatime - proc proc rw\n",
             TREE_MOUNT_PROC);
    text_put(text, "4 1 0:%d / /sys ro,relatime - sysfs sysfs ro\n",
             TREE_MOUNT_SYS);
    return 0;
}

/* @linux proc /proc/self/cgroup /proc/self/io /proc/self/schedstat
 *             /proc/self/personality /proc/self/loginuid /proc/self/wchan -
 *             nothing is counted
 * @test guest/programs/proc.c "small files of a process" */
static long make_cgroup(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "0::/\n");
    return 0;
}

static long make_io(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\n"
                   "write_bytes: 0\ncancelled_write_bytes: 0\n");
    return 0;
}

static long make_schedstat(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "%ld 0 0\n", prim_query(SYS_QUERY_CPU_NS));
    return 0;
}

static long make_personality(const struct tree_node *node, struct text *text)
{
    struct process_report process;

    (void)node;
    report_process(&process);
    text_put(text, "%08x\n", process.personality);
    return 0;
}

static long make_loginuid(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "4294967295");
    return 0;
}

static long make_wchan(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "0");
    return 0;
}

const struct tree_made proc_process_files[] = {
    { "auxv", 0400, make_auxv, NULL },
    { "cgroup", 0444, make_cgroup, NULL },
    { "cmdline", 0444, make_cmdline, NULL },
    { "comm", 0644, make_comm, write_comm },
    { "environ", 0400, make_environ, NULL },
    { "io", 0400, make_io, NULL },
    { "limits", 0444, make_limits, NULL },
    { "loginuid", 0444, make_loginuid, NULL },
    { "mountinfo", 0444, make_mountinfo, NULL },
    { "mounts", 0444, make_mounts, NULL },
    { "oom_score", 0444, make_score, NULL },
    { "oom_score_adj", 0644, make_adjust, write_adjust },
    { "personality", 0400, make_personality, NULL },
    { "schedstat", 0444, make_schedstat, NULL },
    { "stat", 0444, make_stat, NULL },
    { "status", 0444, make_status, NULL },
    { "wchan", 0444, make_wchan, NULL },
    { 0 },
};

const struct tree_made proc_task_files[] = {
    { "cgroup", 0444, make_cgroup, NULL },
    { "cmdline", 0444, make_cmdline, NULL },
    { "comm", 0644, make_comm, write_comm },
    { "schedstat", 0444, make_schedstat, NULL },
    { "stat", 0444, make_stat, NULL },
    { "status", 0444, make_status, NULL },
    { "wchan", 0444, make_wchan, NULL },
    { 0 },
};
