/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp-echo.c - give each datagram back
 *
 *     udp-echo PORT
 *
 * Runs until SIGTERM.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

int main(int argc, char **argv)
{
    static char datagram[65536];
    struct sockaddr_in name = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (argc != 2) {
        fputs("usage: udp-echo PORT\n", stderr);
        return 2;
    }
    name.sin_port = htons(atoi(argv[1]));
    if (bind(fd, (struct sockaddr *)&name, sizeof(name))) {
        die("bind");
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        ssize_t bytes = recvfrom(fd, datagram, sizeof(datagram), 0,
                                 (struct sockaddr *)&from, &len);

        if (bytes < 0) {
            die("recvfrom");
        }
        if (sendto(fd, datagram, bytes, 0, (struct sockaddr *)&from, len) < 0) {
            die("sendto");
        }
    }
}
