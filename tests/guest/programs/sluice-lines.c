/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluice-lines.c - a program that takes part in forks and rollbacks
 *
 *     sluice-lines PORT
 *
 * Answers each line of a TCP connection by one line:
 *   random   16 bytes of getrandom(), 16 of /dev/urandom
 *   draw     a number of a seeded generator, as a program should keep one
 *   line     line, why and generation, by sluice_line()
 *   first    what a thread that only computes saw when its line began: the
 *            line, 16 bytes of getrandom(), and its address; by then
 *   wiped    what a page with MADV_WIPEONFORK holds, and the one behind it;
 *            "77" was written to both at the start
 *   waited   how often sluice_line_wait() has come back
 *   count    counts up
 *   clocks   CLOCK_MONOTONIC, CLOCK_REALTIME
 * Runs until SIGTERM; says "ready" when it listens, and "first ..." in its log
 * when a line has begun.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "sluice.h"

#define TEXT_BYTES 160

static const volatile uint64_t *line_counter;
static volatile unsigned waited;
static unsigned count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char first[TEXT_BYTES] = "0";

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void put_hex(char *to, const unsigned char *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sprintf(to + 2 * i, "%02x", from[i]);
    }
}

static void draw(unsigned char bytes[16])
{
    if (getrandom(bytes, 16, 0) != 16) {
        die("getrandom");
    }
}

static void answer_random(char *text)
{
    unsigned char bytes[16];
    int fd = open("/dev/urandom", O_RDONLY);

    draw(bytes);
    put_hex(text, bytes, 16);
    if (fd < 0 || read(fd, bytes, 16) != 16) {
        die("/dev/urandom");
    }
    close(fd);
    text[32] = ' ';
    put_hex(text + 33, bytes, 16);
}

/* The next number of our own generator: another seed for each line. */
static void answer_draw(char *text)
{
    static uint64_t state, seeded_in = UINT64_MAX;

    if (*line_counter != seeded_in) {
        seeded_in = *line_counter;
        if (getrandom(&state, sizeof(state), 0) != sizeof(state)) {
            die("getrandom");
        }
    }
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    sprintf(text, "%016llx", (unsigned long long)state);
}

static void answer_line(char *text)
{
    struct sluice_line line;

    if (sluice_line(&line)) {
        die("sluice_line");
    }
    sprintf(text, "%llu %u %llu", (unsigned long long)line.line, line.why,
            (unsigned long long)line.generation);
}

static void answer_clocks(char *text)
{
    struct timespec mono, wall;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    sprintf(text, "%.6f %.6f", mono.tv_sec + mono.tv_nsec / 1e9,
            wall.tv_sec + wall.tv_nsec / 1e9);
}

/* Our address, as a socket that sends to somebody sees it. */
static struct in_addr own_address(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_port = htons(9),
                               .sin_addr.s_addr = inet_addr("10.77.0.1") };
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) ||
        getsockname(fd, (struct sockaddr *)&sin, &len)) {
        sin.sin_addr.s_addr = 0;
    }
    close(fd);
    return sin.sin_addr;
}

/* Runs program text and nothing else, until a line begins. */
static void *watch(void *arg)
{
    uint64_t seen = *line_counter;

    (void)arg;
    for (;;) {
        unsigned char bytes[16];
        struct in_addr address;
        int n;

        while (*line_counter == seen) {
            __asm__ volatile("pause");
        }
        draw(bytes);
        address = own_address();
        seen = *line_counter;
        pthread_mutex_lock(&lock);
        n = sprintf(first, "%llu ", (unsigned long long)seen);
        put_hex(first + n, bytes, 16);
        sprintf(first + n + 32, " %s", inet_ntoa(address));
        printf("first %s\n", first);
        fflush(stdout);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *wait_for_lines(void *arg)
{
    struct sluice_line line;

    (void)arg;
    if (sluice_line(&line)) {
        die("sluice_line");
    }
    while (sluice_line_wait(&line) == 0) {
        waited++;
    }
    die("sluice_line_wait");
    return NULL;
}

#define PAGE_BYTES 4096

static volatile unsigned char *wiped;

static void make_wiped(void)
{
    void *p = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || madvise(p, PAGE_BYTES, MADV_WIPEONFORK)) {
        die("MADV_WIPEONFORK");
    }
    wiped = p;
    wiped[0] = wiped[PAGE_BYTES] = 77;
}

static void answer(const char *word, char *text)
{
    if (!strcmp(word, "random")) {
        answer_random(text);
    } else if (!strcmp(word, "draw")) {
        answer_draw(text);
    } else if (!strcmp(word, "line")) {
        answer_line(text);
    } else if (!strcmp(word, "clocks")) {
        answer_clocks(text);
    } else if (!strcmp(word, "wiped")) {
        sprintf(text, "%u %u", wiped[0], wiped[PAGE_BYTES]);
    } else if (!strcmp(word, "waited")) {
        sprintf(text, "%u", waited);
    } else if (!strcmp(word, "count")) {
        sprintf(text, "%u", ++count);
    } else if (!strcmp(word, "first")) {
        pthread_mutex_lock(&lock);
        strcpy(text, first);
        pthread_mutex_unlock(&lock);
    } else {
        strcpy(text, "?");
    }
}

static void *serve(void *arg)
{
    FILE *in = fdopen((int)(intptr_t)arg, "r+");
    char word[TEXT_BYTES], text[TEXT_BYTES + 1];

    while (in && fgets(word, sizeof(word), in)) {
        word[strcspn(word, "\n")] = '\0';
        memset(text, 0, sizeof(text));
        answer(word, text);
        strcat(text, "\n");
        if (write(fileno(in), text, strlen(text)) < 0) {
            break;
        }
    }
    if (in) {
        fclose(in);
    }
    return NULL;
}

static void start(void *(*run)(void *), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, run, arg)) {
        die("pthread_create");
    }
    pthread_detach(thread);
}

int main(int argc, char **argv)
{
    struct sockaddr_in sin = { .sin_family = AF_INET };
    int server = socket(AF_INET, SOCK_STREAM, 0), fd;

    if (argc != 2) {
        fprintf(stderr, "usage: sluice-lines PORT\n");
        return 2;
    }
    line_counter = sluice_line_counter();
    if (!line_counter) {
        die("sluice_line_counter");
    }
    sin.sin_port = htons(atoi(argv[1]));
    if (bind(server, (struct sockaddr *)&sin, sizeof(sin)) ||
        listen(server, 16)) {
        die("listen");
    }
    make_wiped();
    start(watch, NULL);
    start(wait_for_lines, NULL);
    puts("ready");
    fflush(stdout);
    while ((fd = accept(server, NULL, NULL)) >= 0) {
        start(serve, (void *)(intptr_t)fd);
    }
    die("accept");
}
