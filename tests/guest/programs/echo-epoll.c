/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * echo-epoll.c - an echo server as real ones are built
 *
 *     echo-epoll PORT [THREADS]
 *
 * Each thread has an epoll set of its own; the first one accepts and deals the
 * connections out in turn. Sockets are non-blocking and edge-triggered, what
 * the peer does not take at once is kept until it does, and only that has memory
 * of its own: thousands of connections may wait. Runs until SIGTERM.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MAX  16
#define BUFFER_BYTES 65536 /* on a stack: musl gives threads 128 KiB */
#define EVENTS_MAX   64

struct connection {
    int fd;
    size_t first, used; /* of data, not yet sent */
    int ended;          /* the peer has sent its FIN */
    char *data;
};

static int epoll_fds[THREADS_MAX];
static int n_threads = 4;
static int listen_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void connection_close(struct connection *c)
{
    close(c->fd);
    free(c->data);
    free(c);
}

/* As much as the peer takes: how much that is, or -1 when it is gone. */
static ssize_t send_some(int fd, const char *data, size_t bytes)
{
    size_t sent = 0;

    while (sent < bytes) {
        ssize_t n = write(fd, data + sent, bytes - sent);

        if (n < 0) {
            return errno == EAGAIN ? (ssize_t)sent : -1;
        }
        sent += n;
    }
    return sent;
}

/* Send what was kept: 0, or -1 when the connection is gone. */
static int flush(struct connection *c)
{
    ssize_t n = send_some(c->fd, c->data + c->first, c->used);

    if (n < 0) {
        return -1;
    }
    c->first += n;
    c->used -= n;
    if (!c->used) {
        free(c->data);
        c->data = NULL;
    }
    return 0;
}

/* Send it, and keep the rest: 0, or -1 when the connection is gone. */
static int answer(struct connection *c, const char *data, size_t bytes)
{
    ssize_t n = send_some(c->fd, data, bytes);

    if (n < 0) {
        return -1;
    }
    if ((size_t)n < bytes) {
        c->data = malloc(bytes - n);
        if (!c->data) {
            die("malloc");
        }
        memcpy(c->data, data + n, bytes - n);
        c->first = 0;
        c->used = bytes - n;
    }
    return 0;
}

static void serve(struct connection *c)
{
    char data[BUFFER_BYTES];

    for (;;) {
        ssize_t n;

        if (c->used && flush(c) < 0) {
            connection_close(c);
            return;
        }
        if (c->used) {
            return; /* EPOLLOUT comes */
        }
        if (c->ended) {
            connection_close(c);
            return;
        }
        n = read(c->fd, data, sizeof(data));
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0 || answer(c, data, n) < 0) {
            connection_close(c);
            return;
        }
        c->ended = n == 0;
    }
}

static void accept_all(void)
{
    static int next;
    int one = 1;

    for (;;) {
        struct epoll_event event = {
            .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        };
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK);
        struct connection *c;

        if (fd < 0) {
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        c = calloc(1, sizeof(*c));
        if (!c) {
            die("calloc");
        }
        c->fd = fd;
        event.data.ptr = c;
        if (epoll_ctl(epoll_fds[next++ % n_threads], EPOLL_CTL_ADD, fd,
                      &event)) {
            die("epoll_ctl");
        }
    }
}

static void *run(void *arg)
{
    int epoll_fd = epoll_fds[(long)arg];
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

        if (n < 0 && errno != EINTR) {
            die("epoll_wait");
        }
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) {
                serve(events[i].data.ptr);
            } else {
                accept_all();
            }
        }
    }
    return NULL;
}

static void listen_on(uint16_t port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    int one = 1;

    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listen_fd < 0) {
        die("socket");
    }
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listen_fd, (struct sockaddr *)&sin, sizeof(sin))) {
        die("bind");
    }
    if (listen(listen_fd, 4096)) {
        die("listen");
    }
}

int main(int argc, char **argv)
{
    struct epoll_event event = { .events = EPOLLIN };
    pthread_t thread;

    if (argc < 2) {
        fprintf(stderr, "usage: echo-epoll PORT [THREADS]\n");
        return 2;
    }
    if (argc > 2) {
        n_threads = atoi(argv[2]);
    }
    if (n_threads < 1 || n_threads > THREADS_MAX) {
        fprintf(stderr, "1 to %d threads\n", THREADS_MAX);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    listen_on(atoi(argv[1]));
    for (int i = 0; i < n_threads; i++) {
        epoll_fds[i] = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_fds[i] < 0) {
            die("epoll_create1");
        }
    }
    if (epoll_ctl(epoll_fds[0], EPOLL_CTL_ADD, listen_fd, &event)) {
        die("epoll_ctl");
    }
    for (long i = 1; i < n_threads; i++) {
        if (pthread_create(&thread, NULL, run, (void *)i)) {
            die("pthread_create");
        }
    }
    printf("echo: listening on port %s with %d threads\n", argv[1], n_threads);
    fflush(stdout);
    run((void *)0);
    return 0;
}
