/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * counter.c - a service to try things with: answers each line with a number
 *
 * Nothing in it knows of Sluice:  musl-gcc -static -O2 -o counter counter.c
 * Every line of any client counts, and the number lives in memory alone.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define PORT        7000

static unsigned long long count;

/* Return: 0 when the client has gone. */
static int serve(int fd)
{
    char in[512], out[32];
    ssize_t i, n = read(fd, in, sizeof(in));

    for (i = 0; i < n; i++) {
        if (in[i] == '\n') {
            int len = snprintf(out, sizeof(out), "%llu\n", ++count);

            if (write(fd, out, len) != len) {
                return 0;
            }
        }
    }
    return n > 0;
}

int main(void)
{
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    struct pollfd fds[1 + CLIENTS_MAX];
    int i, n = 1;

    fds[0].fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fds[0].fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
        listen(fds[0].fd, CLIENTS_MAX) < 0) {
        perror("counter");
        return 1;
    }
    printf("counting on port %d\n", PORT);
    fflush(stdout);
    for (;;) {
        fds[0].events = n <= CLIENTS_MAX ? POLLIN : 0;
        if (poll(fds, n, -1) < 0) {
            perror("counter");
            return 1;
        }
        for (i = n - 1; i > 0; i--) {
            if (fds[i].revents && !serve(fds[i].fd)) {
                close(fds[i].fd);
                fds[i] = fds[--n];
            }
        }
        if (fds[0].revents) {
            fds[n].fd = accept(fds[0].fd, NULL, NULL);
            fds[n].events = POLLIN;
            n += fds[n].fd >= 0;
        }
    }
}
