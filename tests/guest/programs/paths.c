/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paths.c - names of files, what leads to them and what is told of them
 *
 * Only /proc, /dev and the program itself are looked at: they are there under
 * Linux and in the guest.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tap.h"

#define NOFOLLOW AT_SYMLINK_NOFOLLOW

static char self[4096]; /* path of the program */

/* errno of a call that fails, 0 of one that does not. */
static int error_of(long ret)
{
    return ret == -1 ? errno : 0;
}

/* The same for open(), which leaves nothing open. */
static int open_error(int dir, const char *path, int flags)
{
    int fd = openat(dir, path, flags, 0600), error = errno;

    if (fd < 0) {
        return error;
    }
    close(fd);
    return 0;
}

static void test_walk(void)
{
    static char name[300], path[5000];
    int file = open(self, O_RDONLY), dir = open("/proc", O_RDONLY);
    char with_slash[4100], below[4100];
    struct stat st;

    snprintf(with_slash, sizeof(with_slash), "%s/", self);
    snprintf(below, sizeof(below), "%s/x", self);
    memset(name, 'n', sizeof(name) - 1);
    name[0] = '/';
    memset(path, '/', sizeof(path) - 1);
    tap_ok(open_error(AT_FDCWD, "", O_RDONLY) == ENOENT &&
               open_error(AT_FDCWD, "/nowhere", O_RDONLY) == ENOENT &&
               open_error(AT_FDCWD, "/nowhere/x", O_RDONLY) == ENOENT &&
               open_error(AT_FDCWD, with_slash, O_RDONLY) == ENOTDIR &&
               open_error(AT_FDCWD, below, O_RDONLY) == ENOTDIR &&
               open_error(AT_FDCWD, (char *)1, O_RDONLY) == EFAULT,
           "paths that lead nowhere");
    tap_ok(open_error(AT_FDCWD, name, O_RDONLY) == ENAMETOOLONG &&
               open_error(AT_FDCWD, path, O_RDONLY) == ENAMETOOLONG,
           "names and paths that are too long");
    path[4095] = '\0';
    tap_ok(stat(path, &st) == 0 && S_ISDIR(st.st_mode),
           "the longest path, and many slashes");
    tap_ok(open_error(dir, "self/stat", O_RDONLY) == 0 &&
               open_error(dir, "/proc/self/stat", O_RDONLY) == 0 &&
               open_error(-1, "/proc/self/stat", O_RDONLY) == 0 &&
               open_error(-1, "self", O_RDONLY) == EBADF &&
               open_error(999, "self", O_RDONLY) == EBADF &&
               open_error(file, "self", O_RDONLY) == ENOTDIR,
           "paths begin at a directory's descriptor");
    tap_ok(stat("/proc/self/", &st) == 0 && S_ISDIR(st.st_mode) &&
               lstat("/proc/self/", &st) == 0 && S_ISDIR(st.st_mode) &&
               lstat("/proc/self", &st) == 0 && S_ISLNK(st.st_mode) &&
               lstat("/proc/self/exe/", &st) == -1 && errno == ENOTDIR &&
               stat("/proc/./self/../self/.", &st) == 0,
           "a slash behind a link leads to its directory");
    close(file);
    close(dir);
}

static void test_open_flags(void)
{
    int fd;

    tap_ok(open_error(AT_FDCWD, "/proc/self", O_NOFOLLOW) == ELOOP &&
               open_error(AT_FDCWD, "/proc/self", O_NOFOLLOW | O_DIRECTORY) ==
                   ENOTDIR &&
               open_error(AT_FDCWD, "/proc/self/", O_NOFOLLOW) == 0 &&
               open_error(AT_FDCWD, self, O_DIRECTORY) == ENOTDIR &&
               open_error(AT_FDCWD, "/proc", O_DIRECTORY) == 0 &&
               open_error(AT_FDCWD, "/proc", O_RDWR) == EISDIR &&
               open_error(AT_FDCWD, self, O_CREAT | O_EXCL) == EEXIST &&
               open_error(AT_FDCWD, "/dev/null", O_WRONLY | O_TRUNC) == 0 &&
               open_error(AT_FDCWD, "/dev/null",
                          O_WRONLY | O_CREAT | O_APPEND) == 0,
           "flags of open()");
    fd = open(self, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    tap_ok(fcntl(fd, F_GETFL) == (O_RDONLY | O_NOFOLLOW | 0100000) &&
               fcntl(fd, F_GETFD) == FD_CLOEXEC,
           "F_GETFL tells those that stay");
    close(fd);
    fd = open("/proc", O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    tap_ok(fcntl(fd, F_GETFL) ==
               (O_RDONLY | O_DIRECTORY | O_NONBLOCK | 0100000),
           "and those of a directory");
    close(fd);
}

static void test_path_descriptor(void)
{
    int dir = open("/proc", O_PATH), link, file;
    char to[64] = "", c;
    struct stat st;

    link = open("/proc/self", O_PATH | O_NOFOLLOW);
    file = open(self, O_PATH);
    tap_ok(open_error(dir, "self/stat", O_RDONLY) == 0 && fchdir(dir) == 0 &&
               access("self/stat", F_OK) == 0 && chdir("/") == 0,
           "O_PATH: a directory to begin at");
    tap_ok(fstat(link, &st) == 0 && S_ISLNK(st.st_mode) &&
               readlinkat(link, "", to, sizeof(to)) > 0 && atoi(to) == getpid(),
           "O_PATH: a link itself");
    tap_ok(error_of(read(file, &c, 1)) == EBADF &&
               error_of(lseek(file, 0, SEEK_SET)) == EBADF &&
               error_of(ioctl(file, 0x541b, to)) == EBADF &&
               mmap(NULL, 1, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED &&
               errno == EBADF &&
               error_of(syscall(SYS_getdents64, dir, to, 64)) == EBADF &&
               error_of(syscall(SYS_fchmod, file, 0)) == EBADF &&
               error_of(fcntl(file, F_SETFL, 0)) == EBADF,
           "O_PATH: nothing can be done with it");
    tap_ok(fcntl(file, F_GETFL) == O_PATH && fstat(file, &st) == 0 &&
               S_ISREG(st.st_mode) && close(dup(file)) == 0 &&
               fcntl(file, F_SETFD, FD_CLOEXEC) == 0,
           "O_PATH: but to name and to copy it");
    close(dir);
    close(link);
    close(file);
    tap_ok(error_of(fstat(file, &st)) == EBADF, "O_PATH: it is closed");
}

static void test_links(void)
{
    char all[32] = "", some[32] = "", fd_name[64];
    int len, link;

    len = readlink("/proc/self", all, sizeof(all));
    tap_ok(len > 1 && len < 20 && readlink("/proc/self", some, 1) == 1 &&
               some[0] == all[0] && some[1] == '\0' &&
               error_of(syscall(SYS_readlink, "/proc/self", some, 0)) ==
                   EINVAL &&
               error_of(readlink("/proc", some, 32)) == EINVAL &&
               error_of(readlink("/nowhere", some, 32)) == ENOENT &&
               error_of(syscall(SYS_readlink, "/proc/self", 1, 32)) == EFAULT,
           "readlink cuts what has no room");
    link = open("/proc/self", O_PATH | O_NOFOLLOW);
    snprintf(fd_name, sizeof(fd_name), "/proc/self/fd/%d", link);
    tap_ok(open_error(AT_FDCWD, fd_name, O_RDONLY) == ELOOP,
           "a link that was opened cannot be opened again");
    close(link);
}

static void test_cwd(void)
{
    char a[64], b[64];
    int dir = open("/dev", O_RDONLY), file = open(self, O_RDONLY);

    tap_ok(chdir("/proc") == 0 && getcwd(a, sizeof(a)) && !strcmp(a, "/proc") &&
               fchdir(dir) == 0 && getcwd(b, sizeof(b)) && !strcmp(b, "/dev") &&
               error_of(chdir(self)) == ENOTDIR &&
               error_of(chdir("/nowhere")) == ENOENT &&
               error_of(fchdir(file)) == ENOTDIR &&
               error_of(fchdir(-1)) == EBADF,
           "the working directory");
    tap_ok(syscall(SYS_getcwd, a, sizeof(a)) == 5 &&
               error_of(syscall(SYS_getcwd, a, 4)) == ERANGE &&
               error_of(syscall(SYS_getcwd, a, 0)) == ERANGE &&
               error_of(syscall(SYS_getcwd, 1, 64)) == EFAULT,
           "getcwd needs room for all of it");
    chdir("/");
    close(dir);
    close(file);
}

/* --- directories ------------------------------------------------------------------- */

struct old_entry { /* of getdents() */
    unsigned long inode, next;
    unsigned short bytes;
    char name[];
};

struct new_entry { /* of getdents64() */
    unsigned long inode, next;
    unsigned short bytes;
    unsigned char type;
    char name[];
};

/* Names, numbers and types of both must be the same. */
static int same_lists(const char *path)
{
    static char a[32768], b[32768];
    int fd = open(path, O_RDONLY | O_DIRECTORY), good;
    long n, m, i = 0, j = 0;

    n = syscall(SYS_getdents64, fd, a, sizeof(a));
    lseek(fd, 0, SEEK_SET);
    m = syscall(SYS_getdents, fd, b, sizeof(b));
    close(fd);
    good = n > 0 && m > 0;
    while (good && i < n && j < m) {
        struct new_entry *x = (struct new_entry *)(a + i);
        struct old_entry *y = (struct old_entry *)(b + j);

        good = x->inode == y->inode && !strcmp(x->name, y->name) &&
               x->type == (unsigned char)b[j + y->bytes - 1];
        i += x->bytes;
        j += y->bytes;
    }
    return good && i == n && j == m;
}

static void test_lists(void)
{
    int dir = open("/proc/self", O_RDONLY), file = open(self, O_RDONLY);
    char buf[512];

    tap_ok(same_lists("/proc/self") && same_lists("/dev"),
           "getdents lists what getdents64 lists");
    tap_ok(error_of(syscall(SYS_getdents64, dir, buf, 8)) == EINVAL &&
               error_of(syscall(SYS_getdents64, file, buf, 512)) == ENOTDIR &&
               error_of(syscall(SYS_getdents64, -1, buf, 512)) == EBADF &&
               error_of(syscall(SYS_getdents, file, buf, 512)) == ENOTDIR,
           "getdents: errors");
    close(dir);
    close(file);
}

static int has_entry(DIR *dir, const char *name, unsigned char type)
{
    struct dirent *entry;

    rewinddir(dir);
    while ((entry = readdir(dir))) {
        if (!strcmp(entry->d_name, name)) {
            return entry->d_type == type;
        }
    }
    return 0;
}

static void test_seek(void)
{
    DIR *dir = opendir("/proc/self");
    struct dirent *entry;
    char third[256], fourth[256];
    long at;

    entry = readdir(dir);
    tap_ok(entry && !strcmp(entry->d_name, "."), "the first entry is .");
    readdir(dir);
    strcpy(third, readdir(dir)->d_name);
    at = telldir(dir);
    strcpy(fourth, readdir(dir)->d_name);
    readdir(dir);
    seekdir(dir, at);
    tap_ok(strcmp(third, fourth) && !strcmp(readdir(dir)->d_name, fourth),
           "telldir and seekdir");
    tap_ok(has_entry(dir, "fd", DT_DIR) && has_entry(dir, "maps", DT_REG) &&
               has_entry(dir, "exe", DT_LNK),
           "entries have their types");
    closedir(dir);
    dir = opendir("/dev");
    tap_ok(has_entry(dir, "null", DT_CHR) && has_entry(dir, "..", DT_DIR),
           "those of devices");
    closedir(dir);
    dir = opendir("/");
    tap_ok(has_entry(dir, "proc", DT_DIR) && has_entry(dir, "dev", DT_DIR),
           "those of the root");
    closedir(dir);
}

/* --- stat ------------------------------------------------------------------------- */

static mode_t kind_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_nlink == 1 && st.st_blksize > 0
               ? st.st_mode & S_IFMT
               : 1;
}

static void test_kinds(void)
{
    int p[2], q[2], s[2], event = eventfd(0, 0), epoll = epoll_create1(0);
    int null = open("/dev/null", O_RDWR), file = open(self, O_RDONLY);
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    struct stat a, b, c;

    pipe(p);
    pipe(q);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    tap_ok(kind_of(p[0]) == S_IFIFO && kind_of(sock) == S_IFSOCK &&
               kind_of(s[0]) == S_IFSOCK && kind_of(event) == 0 &&
               kind_of(epoll) == 0 && kind_of(null) == S_IFCHR &&
               kind_of(file) == S_IFREG,
           "stat of each kind");
    fstat(p[0], &a);
    fstat(p[1], &b);
    fstat(q[0], &c);
    tap_ok(a.st_ino == b.st_ino && a.st_dev == b.st_dev &&
               a.st_ino != c.st_ino && a.st_dev == c.st_dev,
           "a pipe is one inode, another is another");
    fstat(null, &a);
    stat("/dev/null", &b);
    tap_ok(a.st_rdev == 0x103 && a.st_ino == b.st_ino && a.st_dev == b.st_dev,
           "a device has its number");
    fstat(file, &a);
    stat(self, &b);
    stat("/proc", &c);
    tap_ok(a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_size > 1000 &&
               a.st_mtime > 0 && a.st_blocks * 512 >= a.st_size - 4096 &&
               a.st_dev == b.st_dev && c.st_dev != a.st_dev &&
               c.st_nlink >= 2 && a.st_blksize == 4096,
           "a file has a size and a time");
    stat("/proc/self/maps", &a);
    tap_ok(S_ISREG(a.st_mode) && a.st_size == 0 && (a.st_mode & 0777) == 0444,
           "a file that is made up has none");
    close(p[0]), close(p[1]), close(q[0]), close(q[1]), close(s[0]);
    close(s[1]), close(event), close(epoll), close(null), close(file);
    close(sock);
}

struct extended { /* struct statx, which not every C library knows */
    uint32_t mask, block_bytes;
    uint64_t attributes;
    uint32_t links, user, group;
    uint16_t mode, pad;
    uint64_t inode, rest[11];
    uint32_t rdev_major, rdev_minor, more[30];
};

#define BASIC_STATS 0x7ffu

static long do_statx(int dir, const char *path, int flags, unsigned mask,
                     struct extended *x)
{
    return syscall(SYS_statx, dir, path, flags, mask, x);
}

static void test_stat_flags(void)
{
    int dir = open("/proc", O_RDONLY);
    struct extended x;
    struct stat st;

    tap_ok(fstatat(dir, "self", &st, NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
               fstatat(dir, "", &st, AT_EMPTY_PATH) == 0 &&
               S_ISDIR(st.st_mode) &&
               error_of(fstatat(dir, "", &st, 0)) == ENOENT &&
               error_of(syscall(SYS_newfstatat, dir, "self", &st, 0x10)) ==
                   EINVAL &&
               fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH) == 0 &&
               error_of(syscall(SYS_stat, self, 1)) == EFAULT,
           "flags of stat()");
    tap_ok(do_statx(dir, "self", NOFOLLOW, BASIC_STATS, &x) == 0 &&
               S_ISLNK(x.mode) && (x.mask & BASIC_STATS) == BASIC_STATS &&
               error_of(do_statx(dir, "self", 0x10, 0, &x)) == EINVAL &&
               error_of(do_statx(dir, "self", 0x6000, 0, &x)) == EINVAL &&
               error_of(do_statx(dir, "self", 0, 1u << 31, &x)) == EINVAL,
           "flags of statx()");
    stat("/dev/null", &st);
    do_statx(AT_FDCWD, "/dev/null", 0, BASIC_STATS, &x);
    tap_ok(x.rdev_major == 1 && x.rdev_minor == 3 && x.inode == st.st_ino &&
               x.links == st.st_nlink,
           "statx tells what stat tells");
    close(dir);
}

static void test_access(void)
{
    int dir = open("/proc", O_RDONLY);

    tap_ok(access(self, R_OK | X_OK) == 0 && access("/proc", X_OK) == 0 &&
               error_of(access("/proc/version", X_OK)) == EACCES &&
               error_of(access("/nowhere", F_OK)) == ENOENT &&
               access("/dev/null", R_OK | W_OK) == 0 &&
               access("/proc/self/comm", W_OK) == 0 &&
               error_of(access(self, 8)) == EINVAL &&
               faccessat(dir, "self/stat", R_OK, 0) == 0,
           "access by mode");
    tap_ok(syscall(SYS_faccessat2, dir, "", F_OK, AT_EMPTY_PATH) == 0 &&
               syscall(SYS_faccessat2, dir, "self", F_OK, NOFOLLOW) == 0 &&
               error_of(syscall(SYS_faccessat2, dir, "self", F_OK, 0x10)) ==
                   EINVAL,
           "flags of faccessat2()");
    close(dir);
}

static void test_statfs(void)
{
    int p[2], sock = socket(AF_INET, SOCK_STREAM, 0);
    struct statfs proc, pipes, socks;
    struct statvfs root;

    pipe(p);
    tap_ok(statfs("/proc", &proc) == 0 && proc.f_type == 0x9fa0 &&
               fstatfs(p[0], &pipes) == 0 && pipes.f_type == 0x50495045 &&
               fstatfs(sock, &socks) == 0 && socks.f_type == 0x534f434b &&
               proc.f_namelen == 255 && proc.f_bsize == 4096,
           "statfs of /proc, pipes and sockets");
    tap_ok(statvfs("/", &root) == 0 && root.f_blocks > 0 && root.f_files > 0 &&
               root.f_bsize == 4096 && root.f_namemax == 255 &&
               root.f_bavail <= root.f_bfree && root.f_bfree <= root.f_blocks,
           "statvfs of the root");
    tap_ok(error_of(statfs("/nowhere", &proc)) == ENOENT &&
               error_of(fstatfs(-1, &proc)) == EBADF &&
               error_of(syscall(SYS_statfs, "/", 1)) == EFAULT,
           "statfs: errors");
    close(p[0]);
    close(p[1]);
    close(sock);
}

/* Nothing here may be written, under Linux either. */
static void test_writable(void)
{
    int file = open(self, O_RDONLY), null = open("/dev/null", O_WRONLY), p[2];

    pipe(p);
    tap_ok(error_of(ftruncate(file, 0)) == EINVAL &&
               error_of(ftruncate(file, -1)) == EINVAL &&
               error_of(ftruncate(null, 0)) == EINVAL &&
               error_of(ftruncate(-1, 0)) == EBADF &&
               error_of(fallocate(file, 0, 0, 1)) == EBADF &&
               error_of(fallocate(null, 0, 0, 0)) == EINVAL &&
               error_of(fallocate(null, 0, 0, 1)) == ENODEV &&
               error_of(fallocate(p[1], 0, 0, 1)) == ESPIPE &&
               error_of(truncate(self, -1)) == EINVAL &&
               error_of(truncate("/proc", 0)) == EISDIR &&
               error_of(write(file, "x", 1)) == EBADF &&
               error_of(pwrite(file, "x", 1, 0)) == EBADF,
           "what needs a writable file");
    close(file);
    close(null);
    close(p[0]);
    close(p[1]);
}

static void test_map(void)
{
    int fd = open(self, O_RDONLY), dir = open("/", O_RDONLY), p[2];
    int null = open("/dev/null", O_WRONLY);
    char *a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
    char *b = mmap(NULL, 100, PROT_READ, MAP_SHARED, fd, 0), *end, head[4];
    struct stat st;
    off_t last;

    fstat(fd, &st);
    last = (st.st_size - 1) / 4096 * 4096;
    end = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, last);
    pread(fd, head, 4, 4096);
    tap_ok(a != MAP_FAILED && !memcmp(a, head, 4) && (a[0]++, 1) &&
               pread(fd, head, 4, 4096) == 4 && a[0] != head[0] &&
               b != MAP_FAILED && !memcmp(b + 1, "ELF", 3) &&
               end != MAP_FAILED && (st.st_size % 4096 == 0 || end[4095] == 0),
           "a file is mapped");
    munmap(a, 8192), munmap(b, 4096), munmap(end, 4096);
    pipe(p);
    tap_ok(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 1) == MAP_FAILED &&
               errno == EINVAL &&
               mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED &&
               errno == EACCES &&
               mmap(NULL, 1, PROT_READ, MAP_PRIVATE, null, 0) == MAP_FAILED &&
               errno == EACCES &&
               mmap(NULL, 1, PROT_READ, MAP_PRIVATE, dir, 0) == MAP_FAILED &&
               errno == ENODEV &&
               mmap(NULL, 1, PROT_READ, MAP_PRIVATE, p[0], 0) == MAP_FAILED &&
               errno == ENODEV &&
               mmap(NULL, 1, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED &&
               errno == EBADF,
           "what cannot be mapped");
    close(fd), close(dir), close(null), close(p[0]), close(p[1]);
}

int main(void)
{
    readlink("/proc/self/exe", self, sizeof(self) - 1);
    test_walk();
    test_open_flags();
    test_path_descriptor();
    test_links();
    test_cwd();
    test_lists();
    test_seek();
    test_kinds();
    test_stat_flags();
    test_access();
    test_statfs();
    test_writable();
    test_map();
    return tap_done();
}
