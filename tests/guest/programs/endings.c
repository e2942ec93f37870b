/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * endings.c - a server of one client, and the many ways to end
 *
 *     endings PORT
 *
 * The client says "HOW BYTES\n" and gets BYTES bytes, of which the one at
 * offset n is answer_byte(n). Then the program ends, and HOW says in which way.
 * What it had written must arrive, as where a kernel outlives a program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STATUS      7
#define PIECE_BYTES 65536
#define MS          1000000L

static int client;
static volatile sig_atomic_t told_to_end;

static unsigned char answer_byte(long offset)
{
    return (unsigned char)(offset * 7 >> 3);
}

static void answer(long bytes)
{
    static unsigned char piece[PIECE_BYTES];
    long done = 0;

    while (done < bytes) {
        long n = bytes - done < PIECE_BYTES ? bytes - done : PIECE_BYTES;

        for (long i = 0; i < n; i++) {
            piece[i] = answer_byte(done + i);
        }
        n = write(client, piece, n);
        if (n < 0 && errno != EINTR) {
            perror("write");
            _exit(1);
        }
        done += n > 0 ? n : 0;
    }
}

static void on_term(int sig)
{
    (void)sig;
    told_to_end = 1;
}

static void *compute(void *arg)
{
    for (volatile unsigned long n = 0;; n++) {
    }
    return arg;
}

static void *sleep_in_read(void *arg)
{
    int *fds = arg;
    char byte;

    if (read(fds[0], &byte, 1) != 1) {
        perror("read");
    }
    return NULL;
}

static void *sleep_in_nanosleep(void *arg)
{
    struct timespec long_time = { .tv_sec = 1000 };

    nanosleep(&long_time, NULL);
    return arg;
}

static void *end_as_last(void *arg)
{
    struct timespec moment = { .tv_nsec = 50 * MS };

    nanosleep(&moment, NULL); /* the first thread is gone by then */
    syscall(SYS_exit, STATUS);
    return arg;
}

static void thread(void *(*run)(void *), void *arg)
{
    pthread_t t;

    if (pthread_create(&t, NULL, run, arg)) {
        perror("pthread_create");
        _exit(1);
    }
}

static void end_among_threads(void)
{
    static int fds[2];
    struct timespec moment = { .tv_nsec = 50 * MS };

    if (pipe(fds)) {
        perror("pipe");
    }
    thread(compute, NULL);
    thread(sleep_in_read, fds);
    thread(sleep_in_nanosleep, NULL);
    nanosleep(&moment, NULL);
    _exit(STATUS);
}

static void end(const char *how)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    struct timespec moment = { .tv_nsec = 10 * MS };
    volatile int *volatile nowhere = NULL;

    if (!strcmp(how, "close")) {
        close(client);
        exit(STATUS);
    } else if (!strcmp(how, "threads")) {
        end_among_threads();
    } else if (!strcmp(how, "last")) {
        thread(end_as_last, NULL);
        pthread_exit(NULL);
    } else if (!strcmp(how, "segv")) {
        *nowhere = 1;
    } else if (!strcmp(how, "kill")) {
        raise(SIGKILL);
    } else if (!strcmp(how, "term")) {
        pause();
    } else if (!strcmp(how, "handle")) {
        while (!told_to_end) {
            nanosleep(&moment, NULL);
        }
    } else if (!strcmp(how, "half")) {
        char byte;

        shutdown(client, SHUT_WR);
        if (read(client, &byte, 1)) {
            perror("more than the end");
        }
    } else if (!strcmp(how, "shutdown")) {
        shutdown(client, SHUT_WR);
    } else if (!strcmp(how, "linger")) {
        setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    /* leave, unread */
    _exit(STATUS);
}

static void request(char *how, long *ret_bytes)
{
    char line[64] = "";
    size_t n = 0;

    /* A byte at a time: what follows the line stays unread. */
    while (n < sizeof(line) - 1 && read(client, line + n, 1) == 1 &&
           line[n] != '\n') {
        n++;
    }
    if (sscanf(line, "%15s %ld", how, ret_bytes) != 2) {
        printf("no request: %s\n", line);
        _exit(1);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in any = { .sin_family = AF_INET };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    char how[16];
    long bytes;

    any.sin_port = htons(argc > 1 ? atoi(argv[1]) : 7000);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 16)) {
        perror("listen");
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    client = accept(fd, NULL, NULL);
    request(how, &bytes);
    if (!strcmp(how, "handle")) {
        struct sigaction action = { .sa_handler = on_term };

        sigaction(SIGTERM, &action, NULL);
    }
    answer(bytes);
    printf("answered %s\n", how);
    fflush(stdout);
    end(how);
}
