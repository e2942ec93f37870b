/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proc-net.c - what /proc/net tells of interfaces and sockets */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tap.h"

#define TRIES 20

static char text[1 << 20];

static int slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    long n = 0, got;

    while (fd >= 0 && n < (long)sizeof(text) - 1 &&
           (got = read(fd, text + n, sizeof(text) - 1 - (size_t)n)) > 0) {
        n += got;
    }
    text[n] = '\0';
    close(fd);
    return n > 0;
}

static int begins(const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static void test_interfaces(void)
{
    unsigned long long rx[8], tx[8];
    unsigned to, gateway, flags, mask;
    const char *lo;
    char link[32] = "", name[16];
    int n = 0;

    tap_ok(readlink("/proc/net", link, sizeof(link) - 1) == 8 &&
               !strcmp(link, "self/net"),
           "net is a link");
    tap_ok(slurp("/proc/net/dev") && begins("Inter-|   Receive  ") &&
               strstr(text, "\n face |bytes ") &&
               (lo = strstr(text, "\n    lo:")) != NULL &&
               sscanf(lo + 8,
                      "%llu %llu %llu %llu %llu %llu %llu %llu "
                      "%llu %llu %llu %llu %llu %llu %llu %llu\n",
                      rx, rx + 1, rx + 2, rx + 3, rx + 4, rx + 5, rx + 6,
                      rx + 7, tx, tx + 1, tx + 2, tx + 3, tx + 4, tx + 5,
                      tx + 6, tx + 7) == 16,
           "dev: the interfaces");
    slurp("/proc/net/route");
    lo = strchr(text, '\n');
    for (; lo && lo[1]; lo = strchr(lo + 1, '\n')) {
        if (lo - text >= 127 && lo[-1] == ' ' &&
            sscanf(lo + 1, "%15s %x %x %x 0 0 %*d %x 0 0 0", name, &to,
                   &gateway, &flags, &mask) == 5 &&
            (flags & 1)) {
            n++;
        } else {
            n = -1000;
        }
    }
    tap_ok(begins("Iface\tDestination\tGateway \tFlags\t") && n >= 0,
           "route: a table");
}

struct found {
    int lines;
    unsigned local, remote, state, rx;
    char header[256], line[256];
};

static int of_socket(const char *line, unsigned long inode, struct found *ret)
{
    unsigned long number;

    return sscanf(line, "%*d: %*x:%x %*x:%x %x %*x:%x %*x:%*x %*x %*d %*d %lu ",
                  &ret->local, &ret->remote, &ret->state, &ret->rx,
                  &number) == 5 &&
           number == inode;
}

/* The line of the socket @fd, by its inode: there may be very many others. */
static struct found look(const char *path, int fd)
{
    struct found f = { 0 }, got = { 0 };
    FILE *list = fopen(path, "r");
    struct stat st;

    fstat(fd, &st);
    if (list && fgets(f.header, sizeof(f.header), list)) {
        while (fgets(got.line, sizeof(got.line), list)) {
            if (of_socket(got.line, st.st_ino, &got)) {
                got.lines = f.lines + 1;
                memcpy(got.header, f.header, sizeof(f.header));
                f = got;
            }
        }
    }
    if (list) {
        fclose(list);
    }
    return f;
}

/* Again while others' sockets come and go: Linux misses or repeats lines. */
static struct found find(const char *path, int fd)
{
    struct found f;
    int tries = 0;

    do {
        f = look(path, fd);
    } while (f.lines != 1 && ++tries < TRIES);
    return f;
}

static void test_sockets(void)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET,
        .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
    socklen_t len = sizeof(a);
    int l = socket(AF_INET, SOCK_STREAM, 0), u, out, in, copy;
    struct found listener, client, server;
    char expected[64];

    out = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(l, (struct sockaddr *)&a, len) || listen(l, 1) ||
        getsockname(l, (struct sockaddr *)&a, &len) ||
        connect(out, (struct sockaddr *)&a, len)) {
        exit(1);
    }
    in = accept(l, NULL, NULL);
    copy = dup(out);
    if (write(out, "abc", 3) != 3 || recv(in, text, 1, MSG_PEEK) != 1) {
        exit(1);
    }
    listener = find("/proc/net/tcp", l);
    client = find("/proc/net/tcp", out);
    server = find("/proc/self/net/tcp", in);
    tap_ok(listener.lines == 1 && listener.state == 10 &&
               listener.local == ntohs(a.sin_port) && !listener.remote &&
               client.lines == 1 && client.state == 1 &&
               client.remote == listener.local && !client.rx &&
               server.lines == 1 && server.state == 1 &&
               server.local == listener.local &&
               server.remote == client.local && server.rx == 3,
           "tcp: a listener and two ends");
    snprintf(expected, sizeof(expected), ": 0100007F:%04X 00000000:0000 0A ",
             ntohs(a.sin_port));
    strcpy(text, listener.header);
    tap_ok(strstr(listener.line, expected) != NULL &&
               begins("  sl  local_address rem_address   st tx_queue "),
           "the form of addresses");
    close(copy);
    close(out);
    close(in);
    close(l);
    u = socket(AF_INET, SOCK_DGRAM, 0);
    tap_ok(look("/proc/net/udp", u).lines == 0, "udp: none without a port");
    a.sin_port = 0;
    bind(u, (struct sockaddr *)&a, sizeof(a));
    len = sizeof(a);
    getsockname(u, (struct sockaddr *)&a, &len);
    client = find("/proc/net/udp", u);
    tap_ok(client.lines == 1 && client.state == 7 && !client.remote &&
               client.local == ntohs(a.sin_port),
           "udp: one socket");
    connect(u, (struct sockaddr *)&a, len);
    client = find("/proc/net/udp", u);
    tap_ok(client.lines == 1 && client.state == 1 &&
               client.remote == client.local,
           "udp: connected");
    close(u);
}

int main(void)
{
    test_interfaces();
    test_sockets();
    return tap_done();
}
