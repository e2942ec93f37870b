/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-files.c - the read-only tree of files
 *
 * What Linux does as well is compared with it by tests/guest/programs/files.c;
 * here is what only a read-only tree does, and what the bundle may hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/path.h"
#include "guest-libc/posix/tree.h"
#include "guest-libc/sys/libos.h"
#include "tests/unit/libc-net/sim.h"

#define MANY 2000

#define CALL(handler, ...)                                                     \
    (handler)(&(struct sys_args){ .arg = { __VA_ARGS__ } })
#define P(pointer) ((uint64_t)(uintptr_t)(pointer))

static struct boot_file files[MANY + 16];

static void add_file(const char *path, const char *text)
{
    files[sim_n_files++] = (struct boot_file){
        .path = path,
        .bytes = text,
        .len_bytes = strlen(text),
        .mode = 0444,
        .mtime_s = 77,
    };
}

static void make_bundle(void)
{
    add_file("/srv/own", "first");
    add_file("/srv/own", "second");
    add_file("/etc/hosts", "10.0.0.1 here\n");
    add_file("relative", "?");
    add_file("/srv/../up", "?");
    add_file("/srv/./same", "?");
    add_file("/srv/slash/", "?");
    add_file("/", "?");
    add_file("", "?");
    add_file("/srv/own/below", "?");
    add_file("/srv", "?");
    add_file("//srv//deep/a", "a");
    for (int i = 0; i < MANY; i++) {
        add_file(g_strdup_printf("/many/%d/%d", i % 40, i), "x");
    }
    sim_files = files;
}

static long do_open(const char *path, uint32_t flags)
{
    return CALL(path_sys_open, P(path), flags);
}

static long mode_of(const char *path)
{
    struct stat st;
    long ret = CALL(stat_sys_lstat, P(path), P(&st));

    return ret ? ret : (long)st.st_mode;
}

static void assert_text(const char *path, const char *text)
{
    char buf[4096];
    long fd = do_open(path, O_RDONLY), n;

    g_assert_cmpint(fd, >=, 0);
    n = CALL(io_sys_read, fd, P(buf), sizeof(buf));
    g_assert_cmpint(n, >=, 0);
    g_assert_cmpmem(buf, n, text, strlen(text));
    g_assert_cmpint(CALL(fd_sys_close, fd), ==, 0);
}

static void test_bundle(void)
{
    assert_text("/srv/own", "first");
    assert_text("/srv/deep/a", "a");
    g_assert_cmpint(mode_of("/srv"), ==, S_IFDIR | 0555);
    g_assert_cmpint(mode_of("/relative"), ==, -ENOENT);
    g_assert_cmpint(mode_of("/up"), ==, -ENOENT);
    g_assert_cmpint(mode_of("/srv/same"), ==, -ENOENT);
    g_assert_cmpint(mode_of("/srv/slash"), ==, -ENOENT);
    g_assert_cmpint(mode_of("/srv/own/below"), ==, -ENOTDIR);
}

static void test_defaults(void)
{
    char target[64];
    long n;

    assert_text("/etc/hostname", "guest\n");
    assert_text("/etc/hosts", "10.0.0.1 here\n");
    assert_text("/bin/server", "ELF");
    assert_text("/proc/self/exe", "ELF");
    g_assert_cmpint(mode_of("/etc/passwd"), ==, S_IFREG | 0444);
    g_assert_cmpint(mode_of("/etc/localtime"), ==, S_IFREG | 0444);
    g_assert_cmpint(mode_of("/dev/urandom"), ==, S_IFCHR | 0666);
    g_assert_cmpint(mode_of("/proc/self/exe"), ==, S_IFLNK | 0777);
    n = CALL(path_sys_readlink, P("/proc/self/exe"), P(target), 64);
    g_assert_cmpmem(target, n, "/bin/server", 11);
    g_assert_cmpint(CALL(path_sys_readlink, P("/etc/passwd"), P(target), 64),
                    ==, -EINVAL);
    g_assert_cmpint(do_open("/proc/self/exe", O_NOFOLLOW), ==, -ELOOP);
    g_assert_cmpint(mode_of("/proc/self/exe/"), ==, -ENOTDIR);
}

/* What net/ knows replaces itself, but never the user's own file. */
static void test_generated(void)
{
    long fd;
    char buf[64];

    g_assert_cmpint(mode_of("/etc/resolv.conf"), ==, -ENOENT);
    g_assert_cmpint(tree_generate("/etc/resolv.conf", "nameserver 1\n"), ==, 0);
    assert_text("/etc/resolv.conf", "nameserver 1\n");
    fd = do_open("/etc/resolv.conf", O_RDONLY);
    g_assert_cmpint(tree_generate("/etc/resolv.conf", "other\n"), ==, 0);
    g_assert_cmpint(CALL(io_sys_read, fd, P(buf), 64), ==, 6);
    CALL(fd_sys_close, fd);
    assert_text("/etc/resolv.conf", "other\n");
    g_assert_cmpint(tree_generate("/etc/resolv.conf", ""), ==, 0);
    assert_text("/etc/resolv.conf", "");
    g_assert_cmpint(tree_generate("/etc/hosts", "mine"), ==, -EEXIST);
    g_assert_cmpint(tree_generate("/srv", "mine"), ==, -EEXIST);
    assert_text("/etc/hosts", "10.0.0.1 here\n");
}

static void assert_event(long fd, int wd, uint32_t mask, const char *name)
{
    union {
        struct inotify_event event;
        char bytes[64];
    } got;
    uint32_t len = name ? 16 : 0;

    g_assert_cmpint(CALL(io_sys_read, fd, P(&got), sizeof(got.event) + len), ==,
                    sizeof(got.event) + len);
    g_assert_cmpint(got.event.wd, ==, wd);
    g_assert_cmphex(got.event.mask, ==, mask);
    g_assert_cmpuint(got.event.len, ==, len);
    if (name) {
        g_assert_cmpstr(got.event.name, ==, name);
    }
}

static void test_route(void)
{
    char text[1024] = "";
    long fd = do_open("/proc/net/route", O_RDONLY);

    g_assert_cmpint(CALL(io_sys_read, fd, P(text), sizeof(text) - 1), ==,
                    3 * 128);
    text[2 * 128] = text[3 * 128 - 1] = '\0';
    g_assert_cmpstr(g_strchomp(text + 128), ==,
                    "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0"
                    "\t0");
    CALL(io_sys_pread, fd, P(text), 128, 256);
    text[127] = '\0';
    g_assert_cmpstr(g_strchomp(text), ==,
                    "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0"
                    "\t0");
    CALL(fd_sys_close, fd);
}

/* Who watches /etc/resolv.conf or its directory hears of another resolver. */
static void test_inotify(void)
{
    long fd = CALL(inotify_sys_init1, IN_NONBLOCK);
    long dir = CALL(inotify_sys_add_watch, fd, P("/etc"), IN_ALL_EVENTS);
    long file =
        CALL(inotify_sys_add_watch, fd, P("/etc/resolv.conf"), IN_ALL_EVENTS);

    g_assert_cmpint(tree_generate("/etc/resolv.conf", "nameserver 2\n"), ==, 0);
    assert_event(fd, dir, IN_MODIFY, "resolv.conf");
    assert_event(fd, file, IN_MODIFY, NULL);
    assert_event(fd, dir, IN_CLOSE_WRITE, "resolv.conf");
    assert_event(fd, file, IN_CLOSE_WRITE, NULL);
    CALL(fd_sys_close, fd);
    /* Nobody is left to be told. */
    g_assert_cmpint(tree_generate("/etc/resolv.conf", ""), ==, 0);
}

static void test_read_only(void)
{
    static const char own[] = "/srv/own", fresh[] = "/srv/new";
    long fd;

    g_assert_cmpint(do_open(own, O_WRONLY), ==, -EROFS);
    g_assert_cmpint(do_open(own, O_RDONLY | O_TRUNC), ==, -EROFS);
    g_assert_cmpint(do_open(own, O_CREAT | O_EXCL), ==, -EEXIST);
    g_assert_cmpint(do_open(fresh, O_CREAT | O_WRONLY), ==, -EROFS);
    g_assert_cmpint(do_open("/none/new", O_CREAT | O_WRONLY), ==, -ENOENT);
    g_assert_cmpint(do_open("/srv/own/new", O_CREAT), ==, -ENOTDIR);
    g_assert_cmpint(do_open("/srv", O_RDWR), ==, -EISDIR);
    g_assert_cmpint(do_open("/srv", O_TMPFILE | O_RDWR), ==, -EROFS);
    g_assert_cmpint(do_open("/srv/new/", O_CREAT | O_WRONLY), ==, -EISDIR);
    g_assert_cmpint(do_open("/srv", O_TMPFILE), ==, -EINVAL);
    g_assert_cmpint(CALL(stat_sys_access, P(own), W_OK), ==, -EROFS);
    g_assert_cmpint(CALL(stat_sys_access, P(own), X_OK), ==, -EACCES);
    g_assert_cmpint(CALL(stat_sys_access, P("/dev/null"), W_OK), ==, 0);
    fd = do_open(own, O_RDONLY);
    g_assert_cmpint(CALL(io_sys_write, fd, P("x"), 1), ==, -EBADF);
    g_assert_cmpint(CALL(io_sys_pwrite, fd, P("x"), 1, 0), ==, -EBADF);
    g_assert_cmpint(CALL(path_sys_change_fd, fd), ==, -EROFS);
    g_assert_cmpint(posix_map_check(fd, true), ==, -EACCES);
    g_assert_cmpint(posix_map_check(fd, false), ==, 0);
    CALL(fd_sys_close, fd);
}

/* Errors as Linux has them where a file system is mounted read-only. */
static void test_changes(void)
{
    static const char own[] = "/srv/own", fresh[] = "/srv/new";
    static const char none[] = "/none/new", dot[] = "/srv/.", up[] = "/srv/..";

    g_assert_cmpint(CALL(path_sys_unlink, P(own)), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_unlink, P(fresh)), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_unlink, P(none)), ==, -ENOENT);
    g_assert_cmpint(CALL(path_sys_unlink, P("/")), ==, -EISDIR);
    g_assert_cmpint(CALL(path_sys_unlink, P("")), ==, -ENOENT);
    g_assert_cmpint(CALL(path_sys_rmdir, P(dot)), ==, -EINVAL);
    g_assert_cmpint(CALL(path_sys_rmdir, P(up)), ==, -ENOTEMPTY);
    g_assert_cmpint(CALL(path_sys_rmdir, P("/")), ==, -EBUSY);
    g_assert_cmpint(CALL(path_sys_unlinkat, PATH_AT_FDCWD, P(own), 1), ==,
                    -EINVAL);
    g_assert_cmpint(CALL(path_sys_unlinkat, 99, P("own"), 0), ==, -EBADF);
    g_assert_cmpint(CALL(path_sys_rename, P(own), P(fresh)), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_rename, P(dot), P(fresh)), ==, -EBUSY);
    g_assert_cmpint(CALL(path_sys_rename, P(own), P("/proc/x")), ==, -EXDEV);
    g_assert_cmpint(CALL(path_sys_renameat2, PATH_AT_FDCWD, P(own),
                         PATH_AT_FDCWD, P(fresh), 8),
                    ==, -EINVAL);
    g_assert_cmpint(CALL(path_sys_mkdir, P("/srv/new/")), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_mkdir, P(own)), ==, -EEXIST);
    g_assert_cmpint(CALL(path_sys_mkdir, P(up)), ==, -EEXIST);
    g_assert_cmpint(CALL(path_sys_mkdir, P(none)), ==, -ENOENT);
    g_assert_cmpint(CALL(path_sys_mkdir, P("/srv/own/new")), ==, -ENOTDIR);
    g_assert_cmpint(CALL(path_sys_mknod, P(fresh), S_IFIFO), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_mknod, P(fresh), S_IFDIR), ==, -EPERM);
    g_assert_cmpint(CALL(path_sys_symlink, P("x"), P(fresh)), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_symlink, P("x"), P("/srv/new/")), ==,
                    -ENOENT);
    g_assert_cmpint(CALL(path_sys_symlink, P(""), P(fresh)), ==, -ENOENT);
    g_assert_cmpint(CALL(path_sys_link, P(own), P(fresh)), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_link, P(fresh), P(fresh)), ==, -ENOENT);
    g_assert_cmpint(CALL(path_sys_change, P(own)), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_change, P(fresh)), ==, -ENOENT);
    g_assert_cmpint(CALL(path_sys_change_link, P(own)), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_change_fd, 99), ==, -EBADF);
    g_assert_cmpint(CALL(path_sys_fchmodat, PATH_AT_FDCWD, P(own)), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_truncate, P(own), -1), ==, -EINVAL);
    g_assert_cmpint(CALL(path_sys_truncate, P("/srv"), 0), ==, -EISDIR);
    g_assert_cmpint(CALL(path_sys_truncate, P("/dev/null"), 0), ==, -EINVAL);
    g_assert_cmpint(CALL(path_sys_truncate, P(own), 0), ==, -EROFS);
}

static void test_statfs(void)
{
    struct statfs fs;

    g_assert_cmpint(CALL(stat_sys_statfs, P("/"), P(&fs)), ==, 0);
    g_assert_cmpuint(fs.f_blocks, >, 0);
    g_assert_cmpuint(fs.f_files, >, MANY);
    g_assert_cmpuint(fs.f_bfree, ==, 0);
    g_assert_cmpuint(fs.f_namelen, ==, 255);
    g_assert_true(fs.f_flags & 1); /* ST_RDONLY */
    g_assert_cmpint(CALL(stat_sys_statfs, P("/none"), P(&fs)), ==, -ENOENT);
}

static void test_attributes(void)
{
    g_assert_cmpint(CALL(stat_sys_xattr, P("/srv/own")), ==, -EOPNOTSUPP);
    g_assert_cmpint(CALL(stat_sys_lxattr, P("/none")), ==, -ENOENT);
    g_assert_cmpint(CALL(stat_sys_fxattr, 99), ==, -EBADF);
}

static void test_seek(void)
{
    long fd = do_open("/srv/own", O_RDONLY);
    char buf[8];

    g_assert_cmpint(CALL(io_sys_seek, fd, -2, SEEK_END), ==, 3);
    g_assert_cmpint(CALL(io_sys_read, fd, P(buf), 8), ==, 2);
    g_assert_cmpint(CALL(io_sys_seek, fd, -6, SEEK_CUR), ==, -EINVAL);
    g_assert_cmpint(CALL(io_sys_seek, fd, 100, SEEK_SET), ==, 100);
    g_assert_cmpint(CALL(io_sys_seek, fd, INT64_MAX, SEEK_CUR), ==, -EINVAL);
    g_assert_cmpint(CALL(io_sys_read, fd, P(buf), 8), ==, 0);
    g_assert_cmpint(CALL(io_sys_pread, fd, P(buf), 8, 4), ==, 1);
    g_assert_cmpint(CALL(io_sys_pread, fd, P(buf), 8, -1), ==, -EINVAL);
    g_assert_cmpint(CALL(io_sys_pread, fd, 1, 8, 0), ==, -EFAULT);
    CALL(fd_sys_close, fd);
}

/* Names of the directory @path, read @room bytes at a time. */
static GHashTable *list(const char *path, size_t room)
{
    GHashTable *names =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    long fd = do_open(path, O_RDONLY | O_DIRECTORY), n, at;
    g_autofree char *buf = g_malloc(room);

    g_assert_cmpint(fd, >=, 0);
    while ((n = CALL(tree_sys_getdents64, fd, P(buf), room)) > 0) {
        for (at = 0; at < n; at += *(uint16_t *)(buf + at + 16)) {
            g_assert_true(g_hash_table_add(names, g_strdup(buf + at + 19)));
        }
        g_assert_cmpint(at, ==, n);
    }
    g_assert_cmpint(n, ==, 0);
    CALL(fd_sys_close, fd);
    return names;
}

static void test_list(void)
{
    for (size_t room = 32; room < 5000; room *= 3) {
        g_autoptr(GHashTable) names = list("/many/7", room);

        g_assert_cmpuint(g_hash_table_size(names), ==, MANY / 40 + 2);
        g_assert_true(g_hash_table_contains(names, "47"));
        g_assert_true(g_hash_table_contains(names, ".."));
    }
}

/* A file that comes to be meanwhile neither hides another nor doubles it. */
static void test_list_grows(void)
{
    long fd = do_open("/srv", O_RDONLY), n;
    unsigned count = 0;
    char buf[32];

    g_assert_cmpint(CALL(tree_sys_getdents64, fd, P(buf), 8), ==, -EINVAL);
    while ((n = CALL(tree_sys_getdents64, fd, P(buf), sizeof(buf))) > 0) {
        g_assert_cmpint(n, <=, 32);
        if (++count == 3) {
            g_assert_cmpint(tree_generate("/srv/later", "x"), ==, 0);
        }
    }
    g_assert_cmpuint(count, ==, 4); /* ., .., own, deep */
    CALL(fd_sys_close, fd);
}

static void test_many(void)
{
    for (int i = 0; i < MANY; i++) {
        g_autofree char *path = g_strdup_printf("/many/%d/%d", i % 40, i);
        g_autofree char *none = g_strdup_printf("/many/%d/%d", i % 40, i + 1);

        g_assert_cmpint(mode_of(path), ==, S_IFREG | 0444);
        g_assert_cmpint(mode_of(none), ==, -ENOENT);
    }
}

static void test_directories(void)
{
    char cwd[64];
    long fd;

    g_assert_cmpint(CALL(path_sys_getcwd, P(cwd), 1), ==, -ERANGE);
    g_assert_cmpint(CALL(path_sys_getcwd, P(cwd), 64), ==, 2);
    g_assert_cmpint(CALL(path_sys_chdir, P("many/../srv/deep/")), ==, 0);
    g_assert_cmpint(CALL(path_sys_getcwd, P(cwd), 64), ==, 10);
    g_assert_cmpstr(cwd, ==, "/srv/deep");
    g_assert_cmpint(mode_of("a"), ==, S_IFREG | 0444);
    g_assert_cmpint(mode_of("../../../srv/own"), ==, S_IFREG | 0444);
    g_assert_cmpint(mode_of(""), ==, -ENOENT);
    fd = do_open("/many", O_RDONLY);
    g_assert_cmpint(CALL(path_sys_openat, fd, P("7/7"), O_WRONLY), ==, -EROFS);
    g_assert_cmpint(CALL(path_sys_openat, 999, P("7/7"), 0), ==, -EBADF);
    g_assert_cmpint(CALL(path_sys_fchdir, fd), ==, 0);
    CALL(fd_sys_close, fd);
    g_assert_cmpint(CALL(path_sys_getcwd, P(cwd), 64), ==, 6);
    g_assert_cmpint(CALL(path_sys_chdir, P("/srv/own")), ==, -ENOTDIR);
    g_assert_cmpint(CALL(path_sys_chdir, P("/")), ==, 0);
}

static void test_names(void)
{
    g_autofree char *name = g_strnfill(256, 'n');
    g_autofree char *path = g_strnfill(5000, '/');

    g_assert_cmpint(mode_of(name), ==, -ENAMETOOLONG);
    g_assert_cmpint(mode_of(path), ==, -ENAMETOOLONG);
    path[4000] = '\0';
    g_assert_cmpint(mode_of(path), ==, S_IFDIR | 0555);
}

static int64_t timer_read(long fd)
{
    uint64_t n;
    long ret = CALL(io_sys_read, fd, P(&n), sizeof(n));

    return ret < 0 ? ret : (int64_t)n;
}

static long timer_set(long fd, uint32_t flags, int64_t seconds)
{
    struct itimerspec spec = { .it_value = { seconds, 0 } };

    return CALL(timerfd_sys_settime, fd, flags, P(&spec), 0);
}

static long timer_poll(long fd, int ms)
{
    struct pollfd p = { fd, POLLIN, 0 };

    return CALL(poll_sys_poll, P(&p), 1, ms);
}

/* The guest was away for 6 s: a time of day comes by so much sooner. */
static void test_timerfd_wall(void)
{
    int64_t wall_s = prim_wall_ns() / 1000000000;
    long wall = CALL(timerfd_sys_create, CLOCK_REALTIME, TFD_NONBLOCK);
    long span = CALL(timerfd_sys_create, CLOCK_REALTIME, TFD_NONBLOCK);
    long told = CALL(timerfd_sys_create, CLOCK_REALTIME, TFD_NONBLOCK);
    const uint32_t tell = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    uint64_t start_ns = sim.now_ns;

    g_assert_cmpint(timer_set(wall, TFD_TIMER_ABSTIME, wall_s + 20), ==, 0);
    g_assert_cmpint(timer_set(span, 0, 20), ==, 0);
    g_assert_cmpint(timer_set(told, tell, wall_s + 1000), ==, 0);
    g_assert_cmpint(timer_poll(wall, 1000), ==, 0);
    g_assert_cmpint(timer_read(told), ==, -EAGAIN);
    sim.wall_step_ns += 6000000000ull;
    g_assert_cmpint(timer_poll(told, 1000), ==, 1);
    g_assert_cmpint(timer_read(told), ==, -ECANCELED);
    g_assert_cmpint(timer_read(told), ==, -EAGAIN);
    g_assert_cmpint(timer_poll(wall, 60000), ==, 1);
    g_assert_cmpuint(sim.now_ns - start_ns, <=, 14100000000ull);
    g_assert_cmpint(timer_read(wall), ==, 1);
    g_assert_cmpint(timer_poll(span, 60000), ==, 1);
    g_assert_cmpuint(sim.now_ns - start_ns, >=, 20000000000ull);
    /* Set back: it is not yet due. */
    wall_s = prim_wall_ns() / 1000000000;
    g_assert_cmpint(timer_set(wall, TFD_TIMER_ABSTIME, wall_s + 2), ==, 0);
    sim.wall_step_ns -= 60000000000ull;
    g_assert_cmpint(timer_poll(wall, 30000), ==, 0);
    g_assert_cmpint(timer_read(wall), ==, -EAGAIN);
    CALL(fd_sys_close, wall);
    CALL(fd_sys_close, span);
    CALL(fd_sys_close, told);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_bundle();
    sim_start(NULL);
    g_test_add_func("/libc/files/bundle", test_bundle);
    g_test_add_func("/libc/files/defaults", test_defaults);
    g_test_add_func("/libc/files/generated", test_generated);
    g_test_add_func("/libc/files/inotify-of-what-is-renewed", test_inotify);
    g_test_add_func("/libc/files/route", test_route);
    g_test_add_func("/libc/files/read-only", test_read_only);
    g_test_add_func("/libc/files/changes", test_changes);
    g_test_add_func("/libc/files/statfs", test_statfs);
    g_test_add_func("/libc/files/attributes", test_attributes);
    g_test_add_func("/libc/files/seek", test_seek);
    g_test_add_func("/libc/files/list", test_list);
    g_test_add_func("/libc/files/list-grows", test_list_grows);
    g_test_add_func("/libc/files/many", test_many);
    g_test_add_func("/libc/files/directories", test_directories);
    g_test_add_func("/libc/files/names", test_names);
    g_test_add_func("/libc/timerfd/wall-set", test_timerfd_wall);
    return g_test_run();
}
