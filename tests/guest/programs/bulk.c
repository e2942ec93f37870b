/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bulk.c - a server that sends and takes many bytes, as its client asks
 *
 * A client begins with a line:
 *
 *  source N MS   N bytes come, with a pause after each 64 KiB; then the server
 *                closes, whatever the client does
 *  sink MS       the server reads to the end, with a pause after each 16 KiB,
 *                says "bytes wrong", and closes
 *  both N        N bytes come, while and after which it is a sink
 *  half N        N bytes come, and the end; then the server reads to the end
 *  halves        how many of these have ended, "count bytes wrong" in all
 *
 * Byte i of a direction is i * 7 >> 3; how many were others is counted.
 * usage: bulk PORT
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SEND_BYTES 65536
#define READ_BYTES 16384

struct job {
    int fd;
    long bytes;
    long pause_ms;
    long got, wrong;
};

/* Of all "half". */
static pthread_mutex_t halves_lock = PTHREAD_MUTEX_INITIALIZER;
static long halves, halves_got, halves_wrong;

static void pause_for(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    if (ms) {
        nanosleep(&t, NULL);
    }
}

static uint8_t byte_at(long i)
{
    return (uint8_t)(i * 7 >> 3);
}

static void *source(void *arg)
{
    struct job *job = arg;
    uint8_t *data = malloc(SEND_BYTES);

    for (long at = 0; at < job->bytes;) {
        long n = job->bytes - at < SEND_BYTES ? job->bytes - at : SEND_BYTES;

        for (long i = 0; i < n; i++) {
            data[i] = byte_at(at + i);
        }
        n = write(job->fd, data, (size_t)n);
        if (n < 0) {
            break;
        }
        at += n;
        pause_for(job->pause_ms);
    }
    free(data);
    return NULL;
}

static void sink(struct job *job)
{
    uint8_t *data = malloc(READ_BYTES);
    long n;

    while ((n = read(job->fd, data, READ_BYTES)) > 0) {
        for (long i = 0; i < n; i++) {
            job->wrong += data[i] != byte_at(job->got + i);
        }
        job->got += n;
        pause_for(job->pause_ms);
    }
    free(data);
}

static void both(struct job *job)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, source, job)) {
        return;
    }
    sink(job);
    pthread_join(thread, NULL);
    dprintf(job->fd, "%ld %ld\n", job->got, job->wrong);
}

static void half(struct job *job)
{
    source(job);
    shutdown(job->fd, SHUT_WR);
    sink(job);
    pthread_mutex_lock(&halves_lock);
    halves++;
    halves_got += job->got;
    halves_wrong += job->wrong;
    pthread_mutex_unlock(&halves_lock);
}

static void report_halves(int fd)
{
    pthread_mutex_lock(&halves_lock);
    dprintf(fd, "%ld %ld %ld\n", halves, halves_got, halves_wrong);
    pthread_mutex_unlock(&halves_lock);
}

/* A line, a byte at a time: what follows it is data. */
static void line_read(int fd, char *line, size_t size)
{
    size_t len = 0;

    while (len + 1 < size && read(fd, line + len, 1) == 1 &&
           line[len] != '\n') {
        len++;
    }
    line[len] = 0;
}

static void *serve(void *arg)
{
    struct job job = { .fd = (int)(intptr_t)arg };
    char line[64];

    line_read(job.fd, line, sizeof(line));
    if (sscanf(line, "source %ld %ld", &job.bytes, &job.pause_ms) == 2) {
        source(&job);
    } else if (sscanf(line, "sink %ld", &job.pause_ms) == 1) {
        sink(&job);
        dprintf(job.fd, "%ld %ld\n", job.got, job.wrong);
    } else if (sscanf(line, "both %ld", &job.bytes) == 1) {
        both(&job);
    } else if (sscanf(line, "half %ld", &job.bytes) == 1) {
        half(&job);
    } else if (!strcmp(line, "halves")) {
        report_halves(job.fd);
    }
    close(job.fd);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    signal(SIGPIPE, SIG_IGN);
    a.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 7000));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&a, sizeof(a)) ||
        listen(listener, 64)) {
        perror("bulk");
        return 1;
    }
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;

        if (fd < 0 ||
            pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd)) {
            perror("bulk");
            return 1;
        }
        pthread_detach(thread);
    }
}
