/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proc.c - what /proc tells: the form of each file, and what can be checked */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

static char text[1 << 20];
static int data_word = 1;
static int gate[2], told[2]; /* pipes to and from the other thread */
static int other_tid;

/* The whole of a file into text[], read in small pieces: its length or -1. */
static long slurp(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    long n = 0, got = 0;

    if (fd < 0) {
        text[0] = '\0';
        return -1;
    }
    while ((got = read(fd, text + n, n % 3 ? 4000 : 700)) > 0) {
        n += got;
    }
    close(fd);
    text[n] = '\0';
    return got < 0 ? -1 : n;
}

/* What stands behind "NAME:" or "NAME " at the beginning of a line. */
static const char *value(const char *name)
{
    size_t len = strlen(name);
    const char *s = text;

    while (s && *s) {
        if (!strncmp(s, name, len) && (s[len] == ':' || s[len] == ' ')) {
            return s + len + 1;
        }
        s = strchr(s, '\n');
        s += s != NULL;
    }
    return NULL;
}

static long number(const char *name)
{
    const char *s = value(name);

    return s ? strtol(s, NULL, 10) : -1;
}

/* --- maps -------------------------------------------------------------------- */

struct line {
    unsigned long start, end, offset, inode;
    char rights[8], name[256];
};

/* The line of maps that holds an address. */
static int find_map(unsigned long addr, struct line *l)
{
    char line[512];
    const char *s;

    for (s = text; s && *s; s = strchr(s, '\n'), s += s != NULL) {
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(s, "\n"), s);
        l->name[0] = '\0';
        if (sscanf(line, "%lx-%lx %7s %lx %*x:%*x %lu %255s", &l->start,
                   &l->end, l->rights, &l->offset, &l->inode, l->name) >= 5 &&
            addr >= l->start && addr < l->end) {
            return 1;
        }
    }
    return 0;
}

static void test_segments(void)
{
    static char self[4096];
    struct line code, data;
    struct stat st;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    tap_ok(n > 0 && strstr(self, "/proc-") && stat(self, &st) == 0 &&
               S_ISREG(st.st_mode),
           "exe is the program");
    tap_ok(slurp("/proc/self/maps") > 0 &&
               find_map((unsigned long)slurp, &code) &&
               !strcmp(code.rights, "r-xp") && !strcmp(code.name, self) &&
               code.inode == st.st_ino &&
               find_map((unsigned long)&data_word, &data) &&
               !strcmp(data.rights, "rw-p") && !strcmp(data.name, self) &&
               data.offset > code.offset,
           "maps: the program's segments");
}

static void test_places(void)
{
    struct line stack, heap, vdso, own;
    unsigned long brk = syscall(SYS_brk, syscall(SYS_brk, 0) + 8192) - 100;
    int here;
    char *p =
        mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mprotect(p + 4096, 4096, PROT_NONE);
    slurp("/proc/self/maps");
    tap_ok(find_map((unsigned long)&here, &stack) &&
               !strcmp(stack.name, "[stack]") &&
               !strncmp(stack.rights, "rw", 2) && find_map(brk, &heap) &&
               !strcmp(heap.name, "[heap]") &&
               heap.end == (brk + 100 + 4095) / 4096 * 4096 &&
               find_map(getauxval(AT_SYSINFO_EHDR), &vdso) &&
               !strcmp(vdso.name, "[vdso]") && !strcmp(vdso.rights, "r-xp"),
           "maps: the stack, the heap, the vDSO");
    tap_ok(find_map((unsigned long)p + 4096, &own) &&
               own.start == (unsigned long)p + 4096 &&
               own.end == (unsigned long)p + 8192 &&
               !strcmp(own.rights, "---p") && !own.name[0] && !own.inode &&
               find_map((unsigned long)p, &own) && !strcmp(own.rights, "r--p"),
           "maps: what the program mapped");
    munmap(p, 3 * 4096);
    slurp("/proc/self/maps");
    tap_ok(!find_map((unsigned long)p + 4096, &own),
           "maps: what it unmapped is gone");
}

static void test_sizes(void)
{
    const size_t bytes = 4 << 20;
    long before, after, size, resident, resident_after;
    char *p;

    slurp("/proc/self/statm");
    sscanf(text, "%ld %ld", &before, &resident);
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
             -1, 0);
    memset(p, 1, bytes / 2);
    slurp("/proc/self/statm");
    sscanf(text, "%ld %ld", &after, &resident_after);
    tap_ok(after - before >= (long)(bytes / 4096) &&
               resident_after - resident >= (long)(bytes / 2 / 4096),
           "statm counts pages");
    slurp("/proc/self/smaps");
    size = number("Size");
    tap_ok(size > 0 && value("Rss") && value("Private_Dirty") &&
               value("VmFlags"),
           "smaps has sizes");
    tap_ok(slurp("/proc/self/smaps_rollup") > 0 &&
               number("Rss") >= (long)(bytes / 2 / 1024),
           "smaps_rollup sums them up");
    munmap(p, bytes);
}

/* Garbage collectors ask so where the first thread's stack is. */
static void test_stack_bounds(void)
{
    pthread_attr_t attr;
    void *low = NULL;
    size_t size = 0;
    char here;
    int good = pthread_getattr_np(pthread_self(), &attr) == 0 &&
               pthread_attr_getstack(&attr, &low, &size) == 0;

    tap_ok(good && &here >= (char *)low && &here < (char *)low + size,
           "the first thread's stack is where pthread_getattr_np() says");
    tap_ok(good && size <= (9u << 20), "and not larger than its limit");
}

/* --- a process ------------------------------------------------------------------ */

static void on_signal(int sig)
{
    (void)sig;
}

static void test_status(void)
{
    unsigned long caught = 0, blocked = 0, ignored = 0;
    struct rusage usage;
    sigset_t set;

    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGHUP);
    getrusage(RUSAGE_SELF, &usage);
    tap_ok(slurp("/proc/self/status") > 0 && number("Tgid") == getpid() &&
               number("Pid") == getpid() && number("PPid") == getppid() &&
               number("TracerPid") == 0 && number("Uid") == getuid() &&
               number("Gid") == getgid() && !strncmp(text, "Name:\tproc-", 11),
           "status: names and numbers");
    tap_ok(number("Threads") == 2 && number("VmSize") > 0 &&
               number("VmRSS") > 0 && number("VmStk") > 0 &&
               number("VmExe") > 0 && number("VmSwap") == 0 && value("State") &&
               strchr(value("State"), 'R'),
           "status: memory and threads");
    sscanf(value("SigCgt"), "%lx", &caught);
    sscanf(value("SigIgn"), "%lx", &ignored);
    sscanf(value("SigBlk"), "%lx", &blocked);
    tap_ok(caught >> (SIGUSR1 - 1) & 1 && !(caught >> (SIGTERM - 1) & 1) &&
               ignored >> (SIGUSR2 - 1) & 1 && blocked == 1,
           "status: signals that are caught and blocked");
    sscanf(value("SigPnd"), "%lx", &blocked);
    tap_ok(blocked == 1, "status: signals that wait");
    signal(SIGHUP, SIG_IGN);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* One of the numbers behind the name, from 3 as proc(5) counts. */
static long stat_field(int n)
{
    char *s = strrchr(text, ')');

    for (n -= 2; s && n > 0; n--) {
        s = strchr(s + 1, ' ');
    }
    return s ? strtol(s + 1, NULL, 10) : -1;
}

static void test_stat(void)
{
    static char touched[1 << 20];
    char name[64];
    int pid, i, fields = 0;
    char state;

    /* Linux counts a thread's pages for the process 64 at a time. */
    memset(touched, 1, sizeof(touched));
    slurp("/proc/self/stat");
    for (i = 0; text[i]; i++) {
        fields += text[i] == ' ';
    }
    tap_ok(sscanf(text, "%d (%63[^)]) %c", &pid, name, &state) == 3 &&
               pid == getpid() && !strncmp(name, "proc-", 5) && state == 'R' &&
               stat_field(4) == getppid() && stat_field(6) == getsid(0),
           "stat: number, name, state, parent");
    tap_ok(fields == 51 && stat_field(20) == 2 && stat_field(23) > 100000 &&
               stat_field(24) > 0,
           "stat: threads and memory");
    tap_ok((unsigned long)stat_field(26) <= (unsigned long)slurp &&
               (unsigned long)stat_field(27) > (unsigned long)slurp &&
               (unsigned long)stat_field(28) > (unsigned long)name,
           "stat: where the code and the stack are");
}

static void test_rights(void)
{
    unsigned real, effective, saved, files, u[3], g[3];
    int good;

    umask(027);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setpriority(PRIO_PROCESS, 0, 5);
    getresuid(&u[0], &u[1], &u[2]);
    getresgid(&g[0], &g[1], &g[2]);
    slurp("/proc/self/status");
    good = sscanf(value("Uid"), "%u %u %u %u", &real, &effective, &saved,
                  &files) == 4 &&
           real == u[0] && effective == u[1] && saved == u[2] && files == u[1];
    tap_ok(good &&
               sscanf(value("Gid"), "%u %u %u", &real, &effective, &saved) ==
                   3 &&
               real == g[0] && effective == g[1] && saved == g[2] &&
               value("Groups") && value("CapEff") && value("CapBnd"),
           "status: users and groups");
    tap_ok(number("Umask") == 27 && number("NoNewPrivs") == 1,
           "status: umask and no new privileges");
    syscall(SYS_personality, 0x40000L);
    tap_ok(slurp("/proc/self/personality") == 9 && !strcmp(text, "00040000\n"),
           "personality is what was set");
    syscall(SYS_personality, 0L);
    slurp("/proc/self/stat");
    tap_ok(stat_field(19) == 5, "stat: the nice value");
}

static void test_limits(void)
{
    struct rlimit files, stack;
    char line[80];

    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_STACK, &stack);
    slurp("/proc/self/limits");
    snprintf(line, sizeof(line),
             "Max open files            %-20lu %-20lu files",
             (unsigned long)files.rlim_cur, (unsigned long)files.rlim_max);
    tap_ok(strstr(text, line) != NULL && strstr(text, "\nMax stack size   ") &&
               !strncmp(text, "Limit                     Soft Limit", 36),
           "limits are those of getrlimit()");
}

static void test_arguments(char **argv)
{
    unsigned long v[2];
    long n = slurp("/proc/self/cmdline"), i;
    int good = n == (long)strlen(argv[0]) + 1 && !strcmp(text, argv[0]);
    char first = argv[0][0];

    argv[0][0] = '!'; /* as setproctitle() does */
    slurp("/proc/self/cmdline");
    good = good && text[0] == '!';
    argv[0][0] = first;
    n = slurp("/proc/self/environ");
    tap_ok(good && n >= 0 && (!environ[0] || !strcmp(text, environ[0])),
           "cmdline and environ are the program's memory");
    n = slurp("/proc/self/auxv");
    good = 0;
    for (i = 0; i + 16 <= n; i += 16) {
        memcpy(v, text + i, sizeof(v));
        good += v[0] == AT_PHDR && v[1] == getauxval(AT_PHDR);
        good += v[0] == AT_RANDOM && v[1] == getauxval(AT_RANDOM);
    }
    tap_ok(n % 16 == 0 && good == 2 && v[0] == AT_NULL, "auxv is the vector");
}

static int write_file(const char *path, const char *what)
{
    int fd = open(path, O_WRONLY);
    int ret = fd < 0 ? -1 : (int)write(fd, what, strlen(what));

    close(fd);
    return ret == (int)strlen(what);
}

static void test_small(void)
{
    static const char *const names[] = { "cgroup", "io", "wchan", "personality",
                                         "oom_score" };
    char path[64], name[16] = "";
    unsigned i, there = 0;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "/proc/self/%s", names[i]);
        there += slurp(path) > 0;
    }
    tap_ok(there == i && (slurp("/proc/self/cgroup"), strstr(text, "::/")),
           "small files of a process");
    tap_ok(write_file("/proc/self/oom_score_adj", "300\n") &&
               slurp("/proc/self/oom_score_adj") == 4 &&
               !strcmp(text, "300\n") &&
               !write_file("/proc/self/oom_score_adj", "1001") &&
               !write_file("/proc/self/oom_score_adj", "x"),
           "oom_score_adj is kept");
    prctl(PR_SET_NAME, "renamed");
    slurp("/proc/self/comm");
    tap_ok(!strcmp(text, "renamed\n") &&
               write_file("/proc/self/comm", "a name that is too long\n") &&
               slurp("/proc/self/comm") == 16 &&
               !strcmp(text, "a name that is \n") &&
               prctl(PR_GET_NAME, name) == 0 &&
               !strcmp(name, "a name that is "),
           "comm names a thread");
    tap_ok(slurp("/proc/self/mounts") > 0 && strstr(text, " /proc proc ") &&
               slurp("/proc/mounts") > 0 && strstr(text, " / ") &&
               slurp("/proc/self/mountinfo") > 0 && strstr(text, " / / ") &&
               strstr(text, " - proc proc "),
           "mounts and mountinfo");
}

static void test_links(void)
{
    char here[4096], link[4096] = "", name[32] = "", path[64];

    chdir("/proc");
    readlink("/proc/self/cwd", link, sizeof(link) - 1);
    readlink("/proc/self", name, sizeof(name) - 1);
    tap_ok(getcwd(here, sizeof(here)) && !strcmp(here, link) &&
               atoi(name) == getpid() &&
               access("/proc/self/cwd/self", F_OK) == 0,
           "cwd and root lead where they say");
    chdir("/");
    memset(link, 0, sizeof(link));
    readlink("/proc/self/root", link, sizeof(link) - 1);
    tap_ok(!strcmp(link, "/"), "root is /");
    snprintf(path, sizeof(path), "/proc/%d/stat", getpid());
    tap_ok(slurp(path) > 0 && atoi(text) == getpid(),
           "a process is there by its number");
    tap_ok(access("/proc/999999999", F_OK) == -1 && errno == ENOENT,
           "and no other");
}

/* --- descriptors ------------------------------------------------------------------ */

static int link_is(int fd, const char *begin)
{
    char path[64], link[4096] = "";

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return readlink(path, link, sizeof(link) - 1) > 0 &&
           !strncmp(link, begin, strlen(begin));
}

static int list_fds(int wanted)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int found = 0;

    while (dir && (entry = readdir(dir))) {
        found += entry->d_name[0] != '.' && atoi(entry->d_name) == wanted;
    }
    closedir(dir);
    return found;
}

static void test_fds(void)
{
    int file = open("/dev/null", O_RDWR), dir = open("/proc", O_RDONLY), p[2];
    int sock = socket(AF_INET, SOCK_STREAM, 0), self;
    char path[64], a[64] = "", b[64] = "";
    struct stat st, link;

    pipe(p);
    tap_ok(link_is(file, "/dev/null") && link_is(dir, "/proc") &&
               link_is(p[0], "pipe:[") && link_is(sock, "socket:["),
           "each descriptor is a link to its file");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
    readlink(path, a, sizeof(a) - 1);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", p[1]);
    readlink(path, b, sizeof(b) - 1);
    tap_ok(!strcmp(a, b), "the ends of a pipe are one inode");
    tap_ok(lstat(path, &link) == 0 && S_ISLNK(link.st_mode) &&
               (link.st_mode & 0777) == 0300 && stat(path, &st) == 0 &&
               S_ISFIFO(st.st_mode),
           "a link shows its rights, and leads to the pipe");
    close(p[0]);
    close(p[1]);
    tap_ok(stat(path, &st) == -1 && errno == ENOENT && !list_fds(p[1]),
           "closed: the link is gone");
    tap_ok(list_fds(file) == 1 && list_fds(0) == 1, "the directory lists them");
    snprintf(path, sizeof(path), "/proc/self/fd/%d/self/stat", dir);
    tap_ok(slurp(path) > 0, "a path leads through a directory's descriptor");
    self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    lseek(self, 123, SEEK_SET);
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self);
    slurp(path);
    tap_ok(number("pos") == 123 && strtol(value("flags"), NULL, 8) ==
                                       (O_RDONLY | O_CLOEXEC | 0100000),
           "fdinfo tells position and flags");
    close(file);
    close(dir);
    close(sock);
    close(self);
}

/* --- threads ----------------------------------------------------------------------- */

static void *other(void *arg)
{
    char link[64] = "", want[64], c;

    (void)arg;
    other_tid = syscall(SYS_gettid);
    prctl(PR_SET_NAME, "other");
    readlink("/proc/thread-self", link, sizeof(link) - 1);
    snprintf(want, sizeof(want), "%d/task/%d", getpid(), other_tid);
    write(told[1], !strcmp(link, want) ? "y" : "n", 1);
    read(gate[0], &c, 1);
    return NULL;
}

static int count_tasks(int *ret_found)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int n = 0;

    *ret_found = 0;
    while (dir && (entry = readdir(dir))) {
        n += entry->d_name[0] != '.';
        *ret_found += atoi(entry->d_name) == other_tid;
    }
    closedir(dir);
    return n;
}

static void test_threads(int thread_self_good, pthread_t thread)
{
    char path[64], back[16];
    int found, fd, n;

    tap_ok(thread_self_good, "/proc/thread-self is the caller's");
    n = count_tasks(&found);
    snprintf(path, sizeof(path), "/proc/self/task/%d/comm", other_tid);
    tap_ok(n == 2 && found == 1 && slurp(path) > 0 && !strcmp(text, "other\n"),
           "each thread has a directory");
    tap_ok(write_file(path, "by path") && slurp(path) > 0 &&
               !strcmp(text, "by path\n") &&
               pthread_setname_np(thread, "by name") == 0 && slurp(path) > 0 &&
               !strcmp(text, "by name\n"),
           "another thread is named");
    snprintf(path, sizeof(path), "/proc/self/task/%d/status", other_tid);
    tap_ok(slurp(path) > 0 && number("Pid") == other_tid &&
               number("Tgid") == getpid() &&
               !strncmp(text, "Name:\tby name\n", 14),
           "status of another thread");
    fd = open(path, O_RDONLY);
    write(gate[1], "q", 1);
    pthread_join(thread, NULL);
    /* It may be there for a moment after it was joined. */
    while (access(path, F_OK) == 0) {
        usleep(1000);
    }
    tap_ok(read(fd, back, sizeof(back)) == -1 && errno == ESRCH,
           "the file of a thread that ended: ESRCH");
    close(fd);
}

/* --- the machine ------------------------------------------------------------------- */

static void test_machine(void)
{
    struct sysinfo info;
    struct timespec now;
    double up;
    int running, all, last;

    sysinfo(&info);
    slurp("/proc/meminfo");
    tap_ok(number("MemTotal") == (long)(info.totalram * info.mem_unit >> 10) &&
               number("MemFree") > 0 &&
               number("MemAvailable") <= number("MemTotal") &&
               number("SwapTotal") >= 0 && strstr(text, " kB\n"),
           "meminfo");
    slurp("/proc/stat");
    clock_gettime(CLOCK_MONOTONIC, &now);
    tap_ok(!strncmp(text, "cpu  ", 5) && value("cpu0") &&
               labs(number("btime") - (time(NULL) - now.tv_sec)) < 100 &&
               value("intr") && value("ctxt"),
           "stat of the machine");
    slurp("/proc/uptime");
    up = strtod(text, NULL);
    tap_ok(strchr(text, ' ') && strchr(text, '.') && up > now.tv_sec - 100 &&
               up < now.tv_sec + 100,
           "uptime goes with the clock");
    slurp("/proc/loadavg");
    tap_ok(sscanf(text, "%*f %*f %*f %d/%d %d", &running, &all, &last) == 3 &&
               all >= 1 && last >= 1,
           "loadavg");
    tap_ok(slurp("/proc/version") > 0 && !strncmp(text, "Linux version ", 14) &&
               slurp("/proc/filesystems") > 0 &&
               strstr(text, "nodev\tproc\n") && slurp("/proc/cmdline") > 0,
           "small files of the machine");
    slurp("/proc/cpuinfo");
    tap_ok(!strncmp(text, "processor\t: 0\nvendor_id\t: ", 26) &&
               strstr(text, "\nmodel name\t: ") &&
               strstr(text, "\nflags\t\t: ") && strstr(text, " sse2") &&
               strstr(text, "\n\n"),
           "cpuinfo");
}

static int same(const char *path, const char *want)
{
    return slurp(path) == (long)strlen(want) + 1 &&
           !strncmp(text, want, strlen(want));
}

static int is_uuid(void)
{
    return strspn(text, "0123456789abcdef-") == 36 && text[36] == '\n' &&
           !text[37] && text[8] == '-' && text[14] == '4';
}

static void test_settings(void)
{
    static const char *const numbers[] = {
        "kernel/pid_max",
        "kernel/threads-max",
        "kernel/cap_last_cap",
        "kernel/ngroups_max",
        "vm/max_map_count",
        "vm/mmap_min_addr",
        "vm/overcommit_memory",
        "vm/swappiness",
        "net/core/somaxconn",
        "fs/file-max",
        "fs/nr_open",
        "fs/pipe-max-size",
        "fs/inotify/max_user_instances",
        "fs/inotify/max_user_watches",
        "fs/inotify/max_queued_events",
        "kernel/random/poolsize",
    };
    struct utsname name;
    char path[80], id[64];
    unsigned i, good = 0;

    uname(&name);
    tap_ok(same("/proc/sys/kernel/hostname", name.nodename) &&
               same("/proc/sys/kernel/ostype", name.sysname) &&
               same("/proc/sys/kernel/osrelease", name.release) &&
               same("/proc/sys/kernel/version", name.version),
           "names are those of uname()");
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        snprintf(path, sizeof(path), "/proc/sys/%s", numbers[i]);
        good +=
            slurp(path) > 1 && strspn(text, "0123456789") == strlen(text) - 1;
    }
    tap_ok(good == i, "settings of the kernel are numbers");
    slurp("/proc/sys/kernel/random/uuid");
    strcpy(id, text);
    good = is_uuid();
    slurp("/proc/sys/kernel/random/uuid");
    tap_ok(good && is_uuid() && strcmp(id, text), "each uuid is another");
    slurp("/proc/sys/kernel/random/boot_id");
    strcpy(id, text);
    good = is_uuid();
    slurp("/proc/sys/kernel/random/boot_id");
    tap_ok(good && is_uuid() && !strcmp(id, text), "the boot's id stays");
    tap_ok(slurp("/sys/devices/system/cpu/online") > 1 && text[0] == '0' &&
               sysconf(_SC_NPROCESSORS_ONLN) >= 1 &&
               sysconf(_SC_NPROCESSORS_CONF) >= 1 &&
               (slurp("/sys/kernel/mm/transparent_hugepage/enabled") < 0 ||
                strchr(text, '[')),
           "processors and huge pages");
}

/* Read again from the beginning, a file tells what is so now. */
static void test_again(void)
{
    int fd = open("/proc/self/comm", O_RDONLY);
    char a[32] = "", b[32] = "", c[32] = "";

    prctl(PR_SET_NAME, "first");
    read(fd, a, 3);
    prctl(PR_SET_NAME, "second");
    read(fd, a + 3, sizeof(a) - 4);
    lseek(fd, 0, SEEK_SET);
    read(fd, b, sizeof(b) - 1);
    pread(fd, c, sizeof(c) - 1, 3);
    tap_ok(!strcmp(b, "second\n") && !strcmp(c, "ond\n") &&
               !strncmp(a, "fir", 3),
           "a file is read again from its beginning");
    tap_ok(lseek(fd, 0, SEEK_END) == -1 && errno == EINVAL &&
               lseek(fd, -1, SEEK_SET) == -1 && errno == EINVAL,
           "it has no end to seek from");
    tap_ok(write(fd, "x", 1) == -1 && errno == EBADF, "not open for writing");
    close(fd);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    char c = 0;

    (void)argc;
    pipe(gate);
    pipe(told);
    pthread_create(&thread, NULL, other, NULL);
    read(told[0], &c, 1);
    test_segments();
    test_places();
    test_sizes();
    test_stack_bounds();
    test_status();
    test_stat();
    test_rights();
    test_limits();
    test_arguments(argv);
    test_small();
    test_links();
    test_fds();
    test_machine();
    test_settings();
    test_again();
    test_threads(c == 'y', thread);
    return tap_done();
}
