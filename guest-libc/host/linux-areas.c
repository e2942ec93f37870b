/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linux-areas.c - mappings, as Linux lists them
 *
 * /proc/self/smaps has a line for each mapping, "START-END RWXP ...", and below
 * it lines "NAME: VALUE kB", of which Rss is wanted.
 */
#include <asm/fcntl.h>
#include <string.h>
#include "guest-libc/host/host.h"
#include "guest-libc/host/linux-call.h"
#include "guest-libc/sys/prim.h"

#define LINE_BYTES 256u /* the rest of a longer line is not needed */

struct reader {
    long fd;
    char piece[1024];
    long used, at;
};

static int next_char(struct reader *r)
{
    if (r->at >= r->used) {
        r->used = linux_call(__NR_read, r->fd, (uint64_t)r->piece,
                             sizeof(r->piece), 0);
        r->at = 0;
    }
    return r->used > 0 ? (unsigned char)r->piece[r->at++] : -1;
}

/* One line without its end: false behind the last. */
static bool next_line(struct reader *r, char *line)
{
    size_t len = 0;
    int c;

    while ((c = next_char(r)) >= 0 && c != '\n') {
        if (len < LINE_BYTES - 1) {
            line[len++] = (char)c;
        }
    }
    line[len] = '\0';
    return c >= 0 || len;
}

/* A number of @base at *s, which moves behind it. */
static uint64_t number(const char **s, unsigned base)
{
    uint64_t value = 0;
    unsigned digit;

    while (**s == ' ') {
        ++*s;
    }
    for (;; ++*s) {
        digit = **s >= 'a' ? (unsigned)(**s - 'a' + 10) : (unsigned)(**s - '0');
        if (digit >= base) {
            return value;
        }
        value = value * base + digit;
    }
}

/* Is it the first line of a mapping? */
static bool parse_area(const char *line, struct sys_area *ret_area)
{
    const char *s = line;
    uint64_t start = number(&s, 16), end;

    if (s == line || *s++ != '-') {
        return false;
    }
    end = number(&s, 16);
    *ret_area = (struct sys_area){
        .start = start,
        .end = end,
        .prot = (s[1] == 'r' ? SYS_PROT_READ : 0) |
                (s[2] == 'w' ? SYS_PROT_WRITE : 0) |
                (s[3] == 'x' ? SYS_PROT_EXEC : 0),
    };
    return true;
}

long prim_areas(uint64_t from, struct sys_area *ret_areas, uint32_t n)
{
    struct reader r = { 0 };
    struct sys_area area;
    char line[LINE_BYTES];
    uint32_t count = 0;
    bool wanted = false;
    const char *s;

    r.fd = linux_call(__NR_open, (uint64_t) "/proc/self/smaps", O_RDONLY, 0, 0);
    if (r.fd < 0) {
        return r.fd;
    }
    while (next_line(&r, line)) {
        if (parse_area(line, &area)) {
            if (count == n) {
                break;
            }
            wanted = area.end > from;
            if (wanted) {
                ret_areas[count++] = area;
            }
        } else if (wanted && !strncmp(line, "Rss:", 4)) {
            s = line + 4;
            ret_areas[count - 1].resident_bytes = number(&s, 10) << 10;
        }
    }
    linux_call(__NR_close, r.fd, 0, 0, 0);
    return count;
}
