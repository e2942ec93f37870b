/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interrupt.c - a signal while a call sleeps, for every call that can
 *
 * Another thread sends signals to this one until their handler has run often,
 * each time when the one before was handled and the call sleeps again, and only
 * then lets the call have what it waits for.  So the call is interrupted many
 * times while it sleeps; it ends with EINTR, or goes on and ends well.  Which
 * of the two it does, with SA_RESTART and without, Linux says: the lines here
 * hold the result.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

/* <linux/futex.h> is not among musl's headers. */
#define FUTEX_WAIT        0
#define FUTEX_WAKE        1
#define FUTEX_WAIT_BITSET 9

#define SIGNALS           8
#define LONG_S            100 /* longer than any of it takes */
#define FULL              (1 << 20)
#define SIG_HIT           SIGUSR1
#define SIG_NONE          SIGURG /* ignored by default */

static pthread_t target;
static int target_tid;
static volatile int hits, called, done;
static int pipe_in[2], pipe_full[2], pair[2], pair_full[2], pair_slow[2];
static int event, timer, ep, sig_fd, listener, listener_slow, udp;
static uint32_t word;
static sigset_t nothing, waited;
static char big[FULL];

static const struct timespec long_time = { LONG_S, 0 };
static const struct timeval soon_never = { LONG_S, 0 };

static void on_hit(int sig)
{
    (void)sig;
    hits++;
}

/* How each call sleeps; the other thread lets it go on by its release. */
static long do_read(void)
{
    char c;

    return read(pipe_in[0], &c, 1);
}

static long do_readv(void)
{
    char c;
    struct iovec iov = { &c, 1 };

    return readv(pipe_in[0], &iov, 1);
}

static void let_read(void)
{
    write(pipe_in[1], "x", 1);
}

static long do_write(void)
{
    return write(pipe_full[1], "x", 1);
}

static void let_write(void)
{
    read(pipe_full[0], big, sizeof(big));
}

static long do_event(void)
{
    uint64_t n;

    return read(event, &n, sizeof(n));
}

static void let_event(void)
{
    uint64_t n = 1;

    write(event, &n, sizeof(n));
}

static long do_timer(void)
{
    uint64_t n;

    return read(timer, &n, sizeof(n));
}

static void let_timer(void)
{
    struct itimerspec once = { .it_value = { 0, 1 } };

    timerfd_settime(timer, 0, &once, NULL);
}

static long do_signalfd(void)
{
    struct signalfd_siginfo info;

    return read(sig_fd, &info, sizeof(info));
}

static void let_signal(void)
{
    kill(getpid(), SIGUSR2);
}

static long do_recv(void)
{
    char c;

    return recv(pair[0], &c, 1, 0);
}

static long do_recvfrom(void)
{
    char c;

    return recvfrom(pair[0], &c, 1, 0, NULL, NULL);
}

static long do_recvmsg(void)
{
    char c;
    struct iovec iov = { &c, 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    return recvmsg(pair[0], &msg, 0);
}

static void let_recv(void)
{
    write(pair[1], "x", 1);
}

static long do_recv_slow(void)
{
    char c;

    return recv(pair_slow[0], &c, 1, 0);
}

static void let_recv_slow(void)
{
    write(pair_slow[1], "x", 1);
}

static long do_send(void)
{
    return send(pair_full[0], "x", 1, 0);
}

static void let_send(void)
{
    while (recv(pair_full[1], big, sizeof(big), MSG_DONTWAIT) > 0) {
    }
}

static void let_connect_to(int fd)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    int s = socket(AF_INET, SOCK_STREAM, 0);

    getsockname(fd, (struct sockaddr *)&addr, &len);
    connect(s, (struct sockaddr *)&addr, len);
    close(s);
}

static long do_accept(void)
{
    int s = accept(listener, NULL, NULL);

    return s < 0 ? s : close(s);
}

static long do_accept4(void)
{
    int s = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    return s < 0 ? s : close(s);
}

static void let_accept(void)
{
    let_connect_to(listener);
}

static long do_accept_slow(void)
{
    int s = accept(listener_slow, NULL, NULL);

    return s < 0 ? s : close(s);
}

static void let_accept_slow(void)
{
    let_connect_to(listener_slow);
}

static long do_udp(void)
{
    char c;

    return recv(udp, &c, 1, 0);
}

static void let_udp(void)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);

    getsockname(udp, (struct sockaddr *)&addr, &len);
    sendto(udp, "x", 1, 0, (struct sockaddr *)&addr, len);
}

static struct pollfd poll_fd(void)
{
    return (struct pollfd){ .fd = pipe_in[0], .events = POLLIN };
}

static long do_poll(void)
{
    struct pollfd p = poll_fd();

    return poll(&p, 1, -1);
}

static long do_poll_slow(void)
{
    struct pollfd p = poll_fd();

    return poll(&p, 1, LONG_S * 1000);
}

static long do_ppoll(void)
{
    struct pollfd p = poll_fd();
    struct timespec ts = long_time;

    return ppoll(&p, 1, &ts, &nothing);
}

static long select_by(const struct timeval *limit)
{
    struct timeval tv;
    fd_set set;

    FD_ZERO(&set);
    FD_SET(pipe_in[0], &set);
    if (limit) {
        tv = *limit;
    }
    return select(pipe_in[0] + 1, &set, NULL, NULL, limit ? &tv : NULL);
}

static long do_select(void)
{
    return select_by(NULL);
}

static long do_select_slow(void)
{
    return select_by(&soon_never);
}

static long do_pselect(void)
{
    fd_set set;

    FD_ZERO(&set);
    FD_SET(pipe_in[0], &set);
    return pselect(pipe_in[0] + 1, &set, NULL, NULL, &long_time, &nothing);
}

/* What made it ready stays there: the next call must find nothing. */
static void after_ready(void)
{
    char c;

    read(pipe_in[0], &c, 1);
}

static long do_epoll(void)
{
    struct epoll_event e;

    return epoll_wait(ep, &e, 1, -1);
}

static long do_epoll_slow(void)
{
    struct epoll_event e;

    return epoll_wait(ep, &e, 1, LONG_S * 1000);
}

static long do_epoll_pwait(void)
{
    struct epoll_event e;

    return epoll_pwait(ep, &e, 1, -1, &nothing);
}

static long futex(int op, const struct timespec *timeout)
{
    return syscall(SYS_futex, &word, op, 0, timeout, NULL, ~0u);
}

static long do_futex(void)
{
    return futex(FUTEX_WAIT, NULL);
}

static long do_futex_slow(void)
{
    return futex(FUTEX_WAIT, &long_time);
}

static long do_futex_until(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += LONG_S;
    return futex(FUTEX_WAIT_BITSET, &ts);
}

/* Again until it is awake: it may not sleep yet. */
static void let_futex(void)
{
    while (!done) {
        syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
        sched_yield();
    }
}

static sem_t sem;

static long do_sem(void)
{
    return sem_wait(&sem);
}

static void let_sem(void)
{
    sem_post(&sem);
}

static long do_nanosleep(void)
{
    return nanosleep(&long_time, NULL);
}

static long do_clock_nanosleep(void)
{
    return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &long_time, NULL);
}

static long do_sleep_until(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += LONG_S;
    return syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &ts,
                   NULL);
}

static long do_pause(void)
{
    return pause();
}

static long do_sigsuspend(void)
{
    return sigsuspend(&nothing);
}

static long do_sigtimedwait(void)
{
    return syscall(SYS_rt_sigtimedwait, &waited, NULL, NULL, 8);
}

static const struct sleeper {
    const char *name;
    long (*call)(void);
    void (*let)(void);   /* NULL: nothing but a signal ends it */
    void (*after)(void); /* it has ended well */
} sleepers[] = {
    { "read of a pipe", do_read, let_read, NULL },
    { "readv", do_readv, let_read, NULL },
    { "write to a full pipe", do_write, let_write, NULL },
    { "read of an eventfd", do_event, let_event, NULL },
    { "read of a timerfd", do_timer, let_timer, NULL },
    { "read of a signalfd", do_signalfd, let_signal, NULL },
    { "recv", do_recv, let_recv, NULL },
    { "recvfrom", do_recvfrom, let_recv, NULL },
    { "recvmsg", do_recvmsg, let_recv, NULL },
    { "recv with SO_RCVTIMEO", do_recv_slow, let_recv_slow, NULL },
    { "recv of UDP", do_udp, let_udp, NULL },
    { "send to a full socket", do_send, let_send, NULL },
    { "accept", do_accept, let_accept, NULL },
    { "accept4", do_accept4, let_accept, NULL },
    { "accept with SO_RCVTIMEO", do_accept_slow, let_accept_slow, NULL },
    { "poll", do_poll, let_read, after_ready },
    { "poll with a timeout", do_poll_slow, let_read, after_ready },
    { "ppoll", do_ppoll, let_read, after_ready },
    { "select", do_select, let_read, after_ready },
    { "select with a timeout", do_select_slow, let_read, after_ready },
    { "pselect", do_pselect, let_read, after_ready },
    { "epoll_wait", do_epoll, let_read, after_ready },
    { "epoll_wait with a timeout", do_epoll_slow, let_read, after_ready },
    { "epoll_pwait", do_epoll_pwait, let_read, after_ready },
    { "futex", do_futex, let_futex, NULL },
    { "futex with a timeout", do_futex_slow, let_futex, NULL },
    { "futex with a deadline", do_futex_until, let_futex, NULL },
    { "sem_wait", do_sem, let_sem, NULL },
    { "nanosleep", do_nanosleep, NULL, NULL },
    { "clock_nanosleep", do_clock_nanosleep, NULL, NULL },
    { "clock_nanosleep until", do_sleep_until, NULL, NULL },
    { "pause", do_pause, NULL, NULL },
    { "sigsuspend", do_sigsuspend, NULL, NULL },
    { "rt_sigtimedwait", do_sigtimedwait, let_signal, NULL },
};

struct job {
    const struct sleeper *sleeper;
    int sig;
};

/* Linux, too, says of a thread that waits in a call that it sleeps. */
static int target_sleeps(void)
{
    char path[64], line[512], *state;
    long n;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", target_tid);
    fd = open(path, O_RDONLY);
    n = read(fd, line, sizeof(line) - 1);
    close(fd);
    line[n > 0 ? n : 0] = '\0';
    state = strrchr(line, ')');
    return state && state[1] == ' ' && state[2] == 'S';
}

/* Wait until the call sleeps: false if it ended, and the sleep is another. */
static int sleeps(void)
{
    while (!done && !target_sleeps()) {
        sched_yield();
    }
    return !done;
}

/* Once, and until it was handled. */
static void send_to_target(int sig)
{
    int before = hits;

    pthread_kill(target, sig);
    while (sig == SIG_HIT && hits == before) {
        sched_yield();
    }
}

static void *interrupter(void *arg)
{
    const struct job *job = arg;
    int i;

    while (!called) {
        sched_yield();
    }
    for (i = 0; i < SIGNALS && sleeps(); i++) {
        send_to_target(job->sig);
    }
    if (sleeps() && job->sleeper->let) {
        job->sleeper->let();
    }
    while (!job->sleeper->let && sleeps()) {
        send_to_target(SIG_HIT);
    }
    return NULL;
}

static void interrupt(const struct sleeper *sleeper, int sig, const char *how)
{
    struct job job = { sleeper, sig };
    sigset_t blocked;
    pthread_t other;
    char name[128];
    long ret;
    int error;

    /* The new thread blocks all: what is sent is for this one. */
    sigfillset(&blocked);
    hits = called = done = 0;
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    pthread_create(&other, NULL, interrupter, &job);
    pthread_sigmask(SIG_SETMASK, &waited, NULL);
    called = 1;
    ret = sleeper->call();
    error = errno;
    done = 1;
    pthread_join(other, NULL);
    if (ret >= 0 && sleeper->after) {
        sleeper->after();
    }
    snprintf(name, sizeof(name), "%s, %s: %s", sleeper->name, how,
             ret >= 0           ? "goes on"
             : error == EINTR   ? "EINTR"
             : error == EAGAIN  ? "EAGAIN"
             : error == ENOSYS  ? "ENOSYS"
             : error == EFAULT  ? "EFAULT"
             : error == ENOTSUP ? "ENOTSUP"
                                : "fails");
    tap_ok(ret >= 0 || error == EINTR, name);
}

static int new_listener(int timeout_s)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    struct timeval tv = { timeout_s, 0 };
    int s = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(s, (struct sockaddr *)&addr, sizeof(addr));
    listen(s, 5);
    if (timeout_s) {
        setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    }
    return s;
}

static void fill_pipe(void)
{
    fcntl(pipe_full[1], F_SETFL, O_NONBLOCK);
    while (write(pipe_full[1], big, 4096) > 0) {
    }
    while (write(pipe_full[1], big, 1) > 0) {
    }
    fcntl(pipe_full[1], F_SETFL, 0);
}

static void fill_socket(void)
{
    while (send(pair_full[0], big, 4096, MSG_DONTWAIT) > 0) {
    }
    while (send(pair_full[0], big, 1, MSG_DONTWAIT) > 0) {
    }
}

static void start(void)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    struct epoll_event e = { .events = EPOLLIN };

    pipe(pipe_in);
    pipe(pipe_full);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair_full);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair_slow);
    setsockopt(pair_slow[0], SOL_SOCKET, SO_RCVTIMEO, &soon_never,
               sizeof(soon_never));
    event = eventfd(0, 0);
    timer = timerfd_create(CLOCK_MONOTONIC, 0);
    sig_fd = signalfd(-1, &waited, 0);
    ep = epoll_create1(0);
    epoll_ctl(ep, EPOLL_CTL_ADD, pipe_in[0], &e);
    listener = new_listener(0);
    listener_slow = new_listener(LONG_S);
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(udp, (struct sockaddr *)&addr, sizeof(addr));
    sem_init(&sem, 0, 0);
}

static void test(int flags, int sig, const char *how)
{
    struct sigaction action;
    size_t i;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_hit;
    action.sa_flags = flags;
    sigaction(SIG_HIT, &action, NULL);
    for (i = 0; i < sizeof(sleepers) / sizeof(sleepers[0]); i++) {
        fill_pipe();
        fill_socket();
        interrupt(&sleepers[i], sig, how);
    }
}

int main(void)
{
    target = pthread_self();
    target_tid = getpid(); /* the first thread */
    sigemptyset(&nothing);
    sigemptyset(&waited);
    sigaddset(&waited, SIGUSR2);
    sigprocmask(SIG_SETMASK, &waited, NULL);
    start();
    test(0, SIG_HIT, "a handler");
    test(SA_RESTART, SIG_HIT, "SA_RESTART");
    test(0, SIG_NONE, "an ignored signal");
    return tap_done();
}
