/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * defaults.c - files that every program finds, where the bundle has none
 *
 * Those that may change are written later: the machine's name by
 * defaults_hostname(), /etc/resolv.conf by net/ when it knows the servers.
 */
#include <string.h>
#include "guest-libc/posix/defaults.h"
#include "guest-libc/posix/device.h"
#include "guest-libc/sys/libos.h"

#define DEFAULTS_MAX 24u
#define NAME_BYTES   256u
#define HOSTS_BYTES  128u

static const char passwd[] = "root:x:0:0:root:/:/bin/sh\n"
                             "nobody:x:65534:65534:nobody:/:/bin/false\n";
static const char group[] = "root:x:0:\n"
                            "nogroup:x:65534:\n";
static const char nsswitch[] = "hosts: files dns\n";

/*
 * UTC as tzfile(5) has it: two headers, each with one type of local time and
 * the four bytes of its name, and the rule for all that comes.
 */
#define TZ_HEADER                                                              \
    'T', 'Z', 'i', 'f', '2', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4
#define TZ_TYPE 0, 0, 0, 0, 0, 0, 'U', 'T', 'C', 0

static const char localtime_utc[] = {
    TZ_HEADER, TZ_TYPE, TZ_HEADER, TZ_TYPE, '\n', 'U', 'T', 'C', '0', '\n',
};
_Static_assert(sizeof(localtime_utc) == 2 * (44 + 10) + 6, "tzfile(5)");

static struct {
    struct tree_default list[DEFAULTS_MAX + 1];
    size_t n;
    char program[NAME_BYTES];
} defaults BULKY;

static void put(const char *path, enum tree_kind kind, uint16_t mode,
                const void *data, size_t len_bytes)
{
    lib_assert(defaults.n < DEFAULTS_MAX);
    defaults.list[defaults.n++] =
        (struct tree_default){ path, kind, mode, data, len_bytes };
}

static void put_text(const char *path, const char *text)
{
    put(path, TREE_REGULAR, 0444, text, strlen(text));
}

static void put_link(const char *path, const char *to)
{
    put(path, TREE_LINK, 0777, to, strlen(to));
}

/* @to becomes @a, @b and @c in a row, cut where the room ends. */
static void join(char *to, size_t size_bytes, const char *a, const char *b,
                 const char *c)
{
    const char *const parts[] = { a, b, c };
    size_t used = 0;

    for (size_t i = 0; i < 3; i++) {
        for (const char *s = parts[i]; *s && used + 1 < size_bytes; s++) {
            to[used++] = *s;
        }
    }
    to[used] = '\0';
}

/*
 * The program is a file as well, at the path it was started by: seen from the
 * root directory, where it runs, that is the same whether absolute or not.
 */
static void put_program(void)
{
    struct boot_file program;
    const char *path;

    if (!boot_program(&program)) {
        return;
    }
    path = program.path;
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
    }
    join(defaults.program, NAME_BYTES, path[0] == '/' ? "" : "/", path, "");
    put(defaults.program, TREE_REGULAR, 0555, program.bytes, program.len_bytes);
}

/**
 * defaults_program() - where the program's file is
 *
 * Return: its absolute path, empty without a program.
 */
const char *defaults_program(void)
{
    return defaults.program;
}

/**
 * defaults_list() - make the list
 *
 * Return: it; what it points to stays.
 * Context: once, before the program runs; the bundle is open.
 */
const struct tree_default *defaults_list(void)
{
    const struct file_ops *device;

    for (size_t i = 0; (device = device_numbered(i)); i++) {
        put(device->name, TREE_DEVICE, 0666, device, 0);
    }
    /* @linux dev /dev/stdin /dev/stdout /dev/stderr /dev/fd
     * @test guest/programs/devices.c "the standard streams by their names" */
    put_link("/dev/fd", "/proc/self/fd");
    put_link("/dev/stdin", "/proc/self/fd/0");
    put_link("/dev/stdout", "/proc/self/fd/1");
    put_link("/dev/stderr", "/proc/self/fd/2");
    put_text("/etc/passwd", passwd);
    put_text("/etc/group", group);
    put_text("/etc/nsswitch.conf", nsswitch);
    put("/etc/localtime", TREE_REGULAR, 0444, localtime_utc,
        sizeof(localtime_utc));
    put_program();
    return defaults.list;
}

/**
 * defaults_hostname() - write the files that tell the machine's name
 *
 * A file of the bundle's is the user's word and stays.
 *
 * Context: after tree_start(), lock held or before the program runs.
 */
void defaults_hostname(void)
{
    char text[HOSTS_BYTES];

    join(text, sizeof(text), boot_hostname(), "\n", "");
    tree_generate("/etc/hostname", text);
    join(text, sizeof(text), "127.0.0.1 localhost ", boot_hostname(), "\n");
    tree_generate("/etc/hosts", text);
}
