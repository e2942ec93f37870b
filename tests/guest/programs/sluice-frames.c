/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluice-frames.c - raw frames that tell when they were sent
 *
 *     sluice-frames [--size BYTES] [--rate PER_SECOND] [--count N]
 *
 * Sends numbered broadcast frames of type SLUICE_FRAME_ETHERTYPE, as fast as
 * the gate takes them or at a rate, for ever or N of them. Each says in which
 * epoch and generation it was sent, so that whoever sees it can tell whether
 * it left too early, twice, or not at all, and what the clocks said. An epoch
 * may end between question and frame; the frame is of a later epoch then, never
 * of an earlier one.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "sluice.h"

#define PAYLOAD_MIN sizeof(struct sluice_numbered_frame)
#define PAYLOAD_MAX 9000

struct sluice_numbered_frame { /* little-endian */
    uint64_t number;           /*  0 from 0 */
    uint64_t epoch;            /*  8 in which it was sent */
    uint64_t generation;       /* 16 */
    uint64_t monotonic_ns;     /* 24 */
    uint64_t wall_ns;          /* 32 */
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t ask(int64_t answer, const char *what)
{
    if (answer < 0) {
        die(what);
    }
    return answer;
}

/* Sleep until the absolute monotonic time @at_ns. */
static void sleep_until(uint64_t at_ns)
{
    struct timespec ts = { at_ns / 1000000000, at_ns % 1000000000 };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL)) {
    }
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void send_all(size_t size_bytes, double rate, uint64_t count)
{
    static unsigned char payload[PAYLOAD_MAX];
    struct sluice_numbered_frame *frame = (void *)payload;
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    int fd = sluice_frame_open();

    if (fd < 0) {
        die("sluice_frame_open");
    }
    memset(payload, 0x5a, sizeof(payload));
    for (uint64_t n = 0; n < count; n++) {
        if (rate > 0) {
            sleep_until(start + (uint64_t)(n * 1e9 / rate));
        }
        frame->number = n;
        frame->epoch = ask(sluice_epoch(), "sluice_epoch");
        frame->generation = ask(sluice_generation(), "sluice_generation");
        frame->monotonic_ns = now_ns(CLOCK_MONOTONIC);
        frame->wall_ns = now_ns(CLOCK_REALTIME);
        if (sluice_frame_send(fd, NULL, payload, size_bytes)) {
            die("sluice_frame_send");
        }
    }
    close(fd);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "size", required_argument, NULL, 's' },
        { "rate", required_argument, NULL, 'r' },
        { "count", required_argument, NULL, 'c' },
        { NULL, 0, NULL, 0 },
    };
    size_t size_bytes = 64;
    uint64_t count = UINT64_MAX;
    double rate = 0;
    int c;

    while ((c = getopt_long(argc, argv, "s:r:c:", options, NULL)) != -1) {
        switch (c) {
        case 's':
            size_bytes = strtoul(optarg, NULL, 0);
            break;
        case 'r':
            rate = strtod(optarg, NULL);
            break;
        case 'c':
            count = strtoull(optarg, NULL, 0);
            break;
        default:
            fprintf(stderr, "usage: sluice-frames [--size BYTES] "
                            "[--rate PER_SECOND] [--count N]\n");
            return 2;
        }
    }
    if (size_bytes < PAYLOAD_MIN || size_bytes > PAYLOAD_MAX) {
        fprintf(stderr, "size: %zu to %d bytes\n", PAYLOAD_MIN, PAYLOAD_MAX);
        return 2;
    }
    send_all(size_bytes, rate, count);
    return 0;
}
