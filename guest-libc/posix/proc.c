/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc.c - the names below /proc and /sys
 *
 * /proc/self is a link to the directory of the one process there is, as a
 * program sees it; nothing there costs anything until it is read.
 */
#include <string.h>
#include "guest-libc/posix/defaults.h"
#include "guest-libc/posix/linux.h"
#include "guest-libc/posix/path.h"
#include "guest-libc/posix/proc.h"

#define NAME_BYTES 64u
#define NAMES_MAX  48u

static struct {
    char names[NAMES_MAX][NAME_BYTES]; /* paths, the tree keeps them */
    unsigned n_names;
    uint64_t start_ns;
} proc BULKY;

static const char *name_of(int pid, const char *name)
{
    char *path;

    lib_assert(proc.n_names < NAMES_MAX);
    path = proc.names[proc.n_names++];
    text_line(path, NAME_BYTES, "/proc/%d/%s", pid, name);
    return path;
}

static void add_files(int pid, const struct tree_made *file)
{
    for (; file->name; file++) {
        tree_add(name_of(pid, file->name), TREE_MADE, file->mode, file, 0);
    }
}

static void add_magic(int pid, const char *name, const struct tree_magic *magic)
{
    tree_add(name_of(pid, name), TREE_MAGIC, 0777, magic, 0);
}

static void add_directory(int pid, const char *name, uint16_t mode,
                          const struct tree_maker *maker)
{
    tree_add(name_of(pid, name), TREE_DIRECTORY, mode, maker, 0);
}

/* @linux proc /proc/self/cwd /proc/self/root /proc/self/exe
 * @test guest/programs/proc.c "cwd and root lead where they say"
 * @test guest/programs/proc.c "exe is the program" */
static long node_text(const struct tree_node *node, char *to, size_t room)
{
    long len = node ? tree_path(node, to, room) : -ENOENT;

    return len > 0 ? len - 1 : len;
}

static const struct tree_node *cwd_target(const struct tree_node *node)
{
    (void)node;
    return path_directory();
}

static long cwd_text(const struct tree_node *node, char *to, size_t room)
{
    return node_text(cwd_target(node), to, room);
}

static const struct tree_node *root_target(const struct tree_node *node)
{
    (void)node;
    return tree_root();
}

static long root_text(const struct tree_node *node, char *to, size_t room)
{
    return node_text(root_target(node), to, room);
}

static const struct tree_node *exe_target(const struct tree_node *node)
{
    (void)node;
    return proc_program();
}

static long exe_text(const struct tree_node *node, char *to, size_t room)
{
    return node_text(exe_target(node), to, room);
}

static const struct tree_magic cwd = { cwd_text, cwd_target };
static const struct tree_magic root = { root_text, root_target };
static const struct tree_magic exe = { exe_text, exe_target };

/**
 * proc_program() - the program's file
 *
 * Return: NULL if the bundle has a file in its place.
 * Context: lock held.
 */
const struct tree_node *proc_program(void)
{
    const struct tree_node *node = NULL;

    if (defaults_program()[0]) {
        tree_walk(tree_root(), defaults_program(), true, &node);
    }
    return node;
}

/**
 * proc_start_ns() - when the program began
 *
 * Return: of the monotonic clock.
 */
uint64_t proc_start_ns(void)
{
    return proc.start_ns;
}

/**
 * proc_thread() - the thread that a file of /proc tells of
 * @node: the file
 * @ret_report: filled in
 *
 * The first thread may have ended; the process goes by the oldest then.
 *
 * Return: 0 or -ESRCH.
 * Context: lock held.
 */
long proc_thread(const struct tree_node *node, struct thread_report *ret_report)
{
    struct process_report process;
    bool found;

    if (node->task) {
        found = report_thread(node->task, ret_report) &&
                ret_report->tid == node->task;
        return found ? 0 : -ESRCH;
    }
    if (!report_thread(0, ret_report)) {
        return -ESRCH;
    }
    report_process(&process);
    ret_report->tid = process.pid;
    return 0;
}

/**
 * proc_start() - add /proc and /sys to the tree
 *
 * Context: once, from tree_start().
 */
void proc_start(void)
{
    struct process_report process;
    static char self[NAME_BYTES] BULKY;

    proc.start_ns = prim_now_ns();
    report_process(&process);
    text_line(self, sizeof(self), "%d", process.pid);
    add_files(process.pid, proc_process_files);
    add_files(process.pid, proc_maps_files);
    add_files(process.pid, proc_net_files);
    add_magic(process.pid, "cwd", &cwd);
    add_magic(process.pid, "root", &root);
    add_magic(process.pid, "exe", &exe);
    add_directory(process.pid, "fd", 0500, &proc_fd_maker);
    add_directory(process.pid, "fdinfo", 0555, &proc_fdinfo_maker);
    add_directory(process.pid, "task", 0555, &proc_task_maker);
    tree_add("/proc/self", TREE_LINK, 0777, self, strlen(self));
    tree_add("/proc/thread-self", TREE_MAGIC, 0777, &proc_thread_self, 0);
    tree_add("/proc/mounts", TREE_LINK, 0777, "self/mounts",
             strlen("self/mounts"));
    tree_add("/proc/net", TREE_LINK, 0777, "self/net", strlen("self/net"));
    tree_add(proc_cpu_file.name, TREE_MADE, proc_cpu_file.mode, &proc_cpu_file,
             0);
    proc_system_start();
}
