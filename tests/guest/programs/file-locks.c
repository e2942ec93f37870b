/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file-locks.c - locks of fcntl() and flock(), and fcntl()'s other commands */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tap.h"

#define SELF        "/proc/self/exe"
#define NULL_DEVICE "/dev/null" /* can be locked for writing as well */

static int error_of(long ret)
{
    return ret == -1 ? errno : 0;
}

static int lock(int fd, int command, short type, off_t start, off_t len)
{
    struct flock l = { .l_type = type, .l_start = start, .l_len = len };

    return error_of(fcntl(fd, command, &l));
}

/* What F_GETLK or F_OFD_GETLK says of a lock for writing there. */
static struct flock ask(int fd, int command, off_t start, off_t len)
{
    struct flock l = { .l_type = F_WRLCK, .l_start = start, .l_len = len };

    if (fcntl(fd, command, &l) != 0) {
        l.l_type = -1;
    }
    return l;
}

static int is_lock(struct flock l, short type, off_t start, off_t len)
{
    return l.l_type == type && l.l_whence == SEEK_SET && l.l_start == start &&
           l.l_len == len;
}

static void test_process(void)
{
    int a = open(SELF, O_RDONLY), b = open(SELF, O_RDONLY);
    int w = open(NULL_DEVICE, O_WRONLY), rw = open(NULL_DEVICE, O_RDWR);

    tap_ok(lock(a, F_SETLK, F_RDLCK, 0, 0) == 0 &&
               lock(b, F_SETLK, F_RDLCK, 10, 10) == 0 &&
               lock(rw, F_SETLK, F_WRLCK, 0, 0) == 0 &&
               lock(rw, F_SETLKW, F_RDLCK, 5, 5) == 0 &&
               ask(b, F_GETLK, 0, 0).l_type == F_UNLCK &&
               lock(a, F_SETLK, F_UNLCK, 0, 0) == 0,
           "the process's locks are not in its way");
    tap_ok(lock(a, F_SETLK, F_WRLCK, 0, 0) == EBADF &&
               lock(w, F_SETLK, F_RDLCK, 0, 0) == EBADF &&
               lock(w, F_SETLK, F_WRLCK, 0, 0) == 0 &&
               lock(-1, F_SETLK, F_RDLCK, 0, 0) == EBADF &&
               ask(a, F_GETLK, 0, 0).l_type == F_UNLCK &&
               error_of(syscall(SYS_fcntl, a, F_SETLK, 1)) == EFAULT,
           "the file must be open for what is locked");
    close(a), close(b), close(w), close(rw);
}

static void test_ranges(void)
{
    int fd = open(SELF, O_RDONLY);
    struct flock l = { .l_type = F_RDLCK, .l_whence = 7 };
    struct flock far = { .l_type = F_RDLCK,
                         .l_whence = SEEK_CUR,
                         .l_start = LONG_MAX };

    lseek(fd, 100, SEEK_SET);
    tap_ok(error_of(fcntl(fd, F_SETLK, &l)) == EINVAL &&
               lock(fd, F_SETLK, F_RDLCK, -1, 1) == EINVAL &&
               lock(fd, F_SETLK, F_RDLCK, 5, -6) == EINVAL &&
               lock(fd, F_SETLK, F_RDLCK, 5, -5) == 0 &&
               lock(fd, F_SETLK, 9, 0, 1) == EINVAL &&
               lock(fd, F_GETLK, F_UNLCK, 0, 1) == EINVAL &&
               lock(fd, F_SETLK, F_RDLCK, LONG_MAX, 2) == EOVERFLOW &&
               error_of(fcntl(fd, F_SETLK, &far)) == EOVERFLOW &&
               lock(fd, F_SETLK, F_RDLCK, LONG_MAX, 1) == 0,
           "ranges that are no ranges");
    close(fd);
}

static void test_open_files(void)
{
    int a = open(NULL_DEVICE, O_RDWR), b = open(NULL_DEVICE, O_RDWR), c;
    struct flock with_pid = { .l_type = F_RDLCK, .l_pid = 1 };

    tap_ok(lock(a, F_OFD_SETLK, F_WRLCK, 10, 20) == 0 &&
               lock(b, F_OFD_SETLK, F_RDLCK, 29, 1) == EAGAIN &&
               lock(b, F_OFD_SETLK, F_RDLCK, 30, 1) == 0 &&
               lock(b, F_SETLK, F_WRLCK, 0, 11) == EAGAIN &&
               lock(b, F_SETLK, F_WRLCK, 0, 10) == 0 &&
               error_of(fcntl(a, F_OFD_SETLK, &with_pid)) == EINVAL,
           "locks of open files meet");
    tap_ok(is_lock(ask(b, F_OFD_GETLK, 15, 1), F_WRLCK, 10, 20) &&
               ask(b, F_OFD_GETLK, 15, 1).l_pid == -1 &&
               ask(a, F_OFD_GETLK, 2, 1).l_pid == getpid() &&
               ask(a, F_OFD_GETLK, 15, 1).l_type == F_UNLCK,
           "who asks is told of them");
    lock(b, F_SETLK, F_UNLCK, 0, 0);
    lock(b, F_OFD_SETLK, F_UNLCK, 0, 0);
    /* A hole in the middle, then another kind at the beginning. */
    lock(a, F_OFD_SETLK, F_UNLCK, 15, 5);
    lock(a, F_OFD_SETLK, F_RDLCK, 10, 2);
    tap_ok(is_lock(ask(b, F_OFD_GETLK, 10, 1), F_RDLCK, 10, 2) &&
               is_lock(ask(b, F_OFD_GETLK, 12, 1), F_WRLCK, 12, 3) &&
               ask(b, F_OFD_GETLK, 15, 5).l_type == F_UNLCK &&
               is_lock(ask(b, F_OFD_GETLK, 20, 1), F_WRLCK, 20, 10),
           "a lock is split");
    lock(a, F_OFD_SETLK, F_WRLCK, 10, 2);
    lock(a, F_OFD_SETLK, F_WRLCK, 15, 5);
    tap_ok(is_lock(ask(b, F_OFD_GETLK, 0, 0), F_WRLCK, 10, 20),
           "and put together again");
    c = dup(a);
    close(a);
    tap_ok(ask(b, F_OFD_GETLK, 0, 0).l_type == F_WRLCK,
           "a copy of the descriptor keeps it");
    close(c);
    tap_ok(ask(b, F_OFD_GETLK, 0, 0).l_type == F_UNLCK,
           "the last one takes it along");
    c = open(NULL_DEVICE, O_RDWR);
    lock(b, F_SETLK, F_WRLCK, 0, 1);
    close(open(NULL_DEVICE, O_RDONLY));
    tap_ok(ask(c, F_OFD_GETLK, 0, 1).l_type == F_UNLCK,
           "any descriptor of the file takes the process's along");
    close(b);
    close(c);
}

/* --- waiting ------------------------------------------------------------------- */

static int waiting_fd, waited, waiting_flock;

static void on_signal(int sig)
{
    (void)sig;
}

static void *wait_for_lock(void *arg)
{
    (void)arg;
    waited = waiting_flock ? error_of(flock(waiting_fd, LOCK_EX))
                           : lock(waiting_fd, F_OFD_SETLKW, F_WRLCK, 0, 0);
    return NULL;
}

/* Until the other thread sleeps, or has ended. */
static void until_it_waits(pthread_t thread)
{
    int i;

    for (i = 0; i < 50 && pthread_tryjoin_np(thread, NULL) != 0; i++) {
        usleep(1000);
    }
}

static void test_waiting(void)
{
    int a = open(NULL_DEVICE, O_RDWR);
    struct sigaction action = { .sa_handler = on_signal };
    pthread_t thread;

    sigaction(SIGUSR1, &action, NULL);
    waiting_fd = open(NULL_DEVICE, O_RDWR);
    lock(a, F_OFD_SETLK, F_RDLCK, 5, 1);
    waited = -1;
    pthread_create(&thread, NULL, wait_for_lock, NULL);
    until_it_waits(thread);
    tap_ok(waited == -1, "who needs a lock waits");
    lock(a, F_OFD_SETLK, F_UNLCK, 0, 0);
    pthread_join(thread, NULL);
    tap_ok(waited == 0 && ask(a, F_OFD_GETLK, 0, 0).l_type == F_WRLCK,
           "who waits for a lock gets it");
    lock(waiting_fd, F_OFD_SETLK, F_UNLCK, 0, 0);
    lock(a, F_OFD_SETLK, F_RDLCK, 5, 1);
    waited = -1;
    pthread_create(&thread, NULL, wait_for_lock, NULL);
    until_it_waits(thread);
    while (waited == -1) {
        pthread_kill(thread, SIGUSR1);
        usleep(1000);
    }
    pthread_join(thread, NULL);
    tap_ok(waited == EINTR, "a signal ends the waiting");
    close(a);
    close(waiting_fd);
}

static void test_flock(void)
{
    int a = open(SELF, O_RDONLY), b = open(SELF, O_RDONLY), c = dup(a);
    pthread_t thread;

    tap_ok(flock(a, LOCK_SH) == 0 && flock(b, LOCK_SH | LOCK_NB) == 0 &&
               error_of(flock(b, LOCK_EX | LOCK_NB)) == EWOULDBLOCK &&
               flock(a, LOCK_EX | LOCK_NB) == 0 &&
               error_of(flock(b, LOCK_SH | LOCK_NB)) == EWOULDBLOCK &&
               flock(c, LOCK_SH | LOCK_NB) == 0 &&
               flock(b, LOCK_SH | LOCK_NB) == 0 && flock(b, LOCK_UN) == 0 &&
               flock(b, LOCK_UN) == 0,
           "flock: shared and exclusive");
    tap_ok(lock(b, F_OFD_SETLK, F_RDLCK, 0, 0) == 0 &&
               flock(c, LOCK_EX | LOCK_NB) == 0,
           "flock: apart from fcntl's locks");
    tap_ok(error_of(flock(a, 0)) == EINVAL &&
               error_of(flock(a, LOCK_SH | LOCK_EX)) == EINVAL &&
               error_of(flock(-1, LOCK_SH)) == EBADF,
           "flock: errors");
    waiting_fd = b;
    waiting_flock = 1;
    waited = -1;
    pthread_create(&thread, NULL, wait_for_lock, NULL);
    until_it_waits(thread);
    tap_ok(waited == -1, "flock: it waits");
    close(a);
    close(c);
    pthread_join(thread, NULL);
    tap_ok(waited == 0, "flock: who waits gets it");
    close(b);
}

/* --- other commands --------------------------------------------------------------- */

static void test_flags(void)
{
    int fd = open(SELF, O_RDONLY), sock = socket(AF_INET, SOCK_STREAM, 0);
    int p[2];

    pipe(p);
    tap_ok(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND | O_WRONLY | O_CREAT) ==
                   0 &&
               fcntl(fd, F_GETFL) ==
                   (O_RDONLY | O_NONBLOCK | O_APPEND | 0100000) &&
               fcntl(fd, F_SETFL, 0) == 0 && fcntl(fd, F_GETFL) == 0100000,
           "F_SETFL changes some flags only");
    tap_ok(fcntl(sock, F_GETFL) == O_RDWR && fcntl(p[0], F_GETFL) == O_RDONLY &&
               fcntl(p[1], F_GETFL) == O_WRONLY,
           "sockets and pipes have no other flags");
    tap_ok(error_of(fcntl(fd, 9999)) == EINVAL &&
               error_of(fcntl(-1, 9999)) == EBADF &&
               error_of(fcntl(fd, F_GET_SEALS)) == EINVAL,
           "commands that there are not");
    close(fd), close(sock), close(p[0]), close(p[1]);
}

static void test_numbers(void)
{
    int fd = open(SELF, O_RDONLY), other;

    other = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    tap_ok(other == 100 && fcntl(other, F_GETFD) == FD_CLOEXEC &&
               fcntl(fd, F_DUPFD, 100) == 101 && fcntl(101, F_GETFD) == 0 &&
               close(100) == 0 && fcntl(fd, F_DUPFD, 100) == 100,
           "F_DUPFD takes the lowest number from one");
    tap_ok(error_of(fcntl(fd, F_DUPFD, -1)) == EINVAL &&
               error_of(dup2(fd, -1)) == EBADF &&
               error_of(syscall(SYS_dup3, fd, fd, 0)) == EINVAL,
           "numbers that there are not");
    tap_ok(syscall(SYS_close_range, 100, 101, 4) == 0 &&
               fcntl(100, F_GETFD) == FD_CLOEXEC &&
               syscall(SYS_close_range, 100, ~0u, 0) == 0 &&
               error_of(fcntl(101, F_GETFD)) == EBADF &&
               error_of(syscall(SYS_close_range, 5, 4, 0)) == EINVAL &&
               error_of(syscall(SYS_close_range, 5, 6, 1)) == EINVAL,
           "close_range and its flags");
    close(fd);
}

static void test_owner(void)
{
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    struct {
        int kind, pid;
    } owner = { 2, getpid() };

    tap_ok(fcntl(sock, F_GETOWN) == 0 && fcntl(sock, F_SETOWN, getpid()) == 0 &&
               fcntl(sock, F_GETOWN) == getpid() &&
               error_of(fcntl(sock, F_SETOWN, 999999)) == ESRCH &&
               fcntl(sock, F_SETSIG, SIGUSR1) == 0 &&
               fcntl(sock, F_GETSIG) == SIGUSR1 &&
               error_of(fcntl(sock, F_SETSIG, 65)) == EINVAL,
           "owners and signals are kept");
    owner.kind = 1;
    tap_ok(fcntl(sock, F_SETOWN_EX, &owner) == 0 &&
               (owner.kind = owner.pid = -1,
                fcntl(sock, F_GETOWN_EX, &owner) == 0) &&
               owner.kind == 1 && owner.pid == getpid() &&
               (owner.kind = 7,
                error_of(fcntl(sock, F_SETOWN_EX, &owner)) == EINVAL),
           "and of which kind they are");
    close(sock);
}

/* What is locked here is the whole machine's: one such program at a time. */
static void be_alone(void)
{
    int fd = open("/dev/zero", O_RDONLY);

    while (flock(fd, LOCK_EX) != 0 && errno == EINTR) {
    }
}

int main(void)
{
    be_alone();
    test_process();
    test_ranges();
    test_open_files();
    test_waiting();
    test_flock();
    test_flags();
    test_numbers();
    test_owner();
    return tap_done();
}
