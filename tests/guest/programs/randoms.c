/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * randoms.c - random numbers as a program gets them
 *
 * Without arguments it looks at a few and ends.  With "forever" it prints pairs
 * from getrandom(2) and /dev/urandom, a line each time, so that guests that
 * began with one checkpoint can be told apart by what they print.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "tap.h"

#define BYTES 16

static int urandom_fd;

static int draw(unsigned char *call, unsigned char *device)
{
    return getrandom(call, BYTES, 0) == BYTES &&
           read(urandom_fd, device, BYTES) == BYTES;
}

static void print_hex(const unsigned char *data)
{
    int i;

    for (i = 0; i < BYTES; i++) {
        printf("%02x", data[i]);
    }
}

static int print_forever(void)
{
    unsigned char call[BYTES], device[BYTES];

    while (draw(call, device)) {
        printf("random ");
        print_hex(call);
        printf(" ");
        print_hex(device);
        printf("\n");
        fflush(stdout);
        usleep(20000);
    }
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    unsigned char a[BYTES], b[BYTES], c[BYTES], d[BYTES];

    urandom_fd = open("/dev/urandom", O_RDONLY);
    if (argc > 1 && !strcmp(argv[1], "forever")) {
        return print_forever();
    }
    tap_ok(draw(a, b) && draw(c, d), "random numbers can be had");
    tap_ok(memcmp(a, b, BYTES) && memcmp(a, c, BYTES) && memcmp(b, d, BYTES),
           "no two are alike");
    return tap_done();
}
