/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connect.h - connections of this machine to itself */
#ifndef CONNECT_H
#define CONNECT_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

static inline struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
}

/* Bound to the loopback address, at a port that the system chose, -1: not. */
static inline int bound_socket(int type, uint16_t *ret_port)
{
    struct sockaddr_in addr = loopback(0);
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, type, 0);

    if (bind(fd, (struct sockaddr *)&addr, len) ||
        getsockname(fd, (struct sockaddr *)&addr, &len)) {
        close(fd);
        return -1;
    }
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

/* Two ends of a TCP connection: the one that connected is the first. */
static inline int connect_pair(int fds[2])
{
    uint16_t port = 0;
    int listener = bound_socket(SOCK_STREAM, &port);
    struct sockaddr_in addr = loopback(port);

    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (listen(listener, 1) ||
        connect(fds[0], (struct sockaddr *)&addr, sizeof(addr))) {
        close(listener);
        close(fds[0]);
        return 0;
    }
    fds[1] = accept(listener, NULL, NULL);
    close(listener);
    return fds[1] >= 0;
}

#endif
