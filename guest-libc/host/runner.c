/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runner.c - sluice-linux: run a program through the library, on Linux
 *
 *   sluice-linux [--tap IF --ip A.B.C.D/LEN|dhcp [--gateway A.B.C.D]
 *                [--dns A.B.C.D]] [--option NAME=VALUE] PROGRAM [ARGUMENT...]
 *   sluice-linux [--tap IF] --bundle FILE
 *
 * It makes a boot bundle of its arguments in memory, or takes one that
 * ckpt-bundle made, and enters the library by the same door as the kernel
 * does, so everything after that is the guest's code.  The environment is
 * passed on into a bundle made here.
 */
#include <asm/fcntl.h>
#include <asm/stat.h>
#include <linux/mman.h>
#include <string.h>
#include "guest-libc/host/host.h"
#include "guest-libc/host/linux-call.h"
#include "guest-libc/start/boot.h"
#include "guest-libc/sys/libos.h"

#define STATUS_USAGE   2u
#define STATUS_NO_FILE 127u
#define RAM_BYTES      (1ull << 30)
#define IF_NAME_BYTES  16u
#define N_ENTRIES      5u
#define XFEATURE_AMX   (3ull << 17) /* asks the kernel's leave: not here */

struct command { /* the parsed command line */
    const char *tap;
    struct boot_net net;
    const char *option;
    const char *bundle; /* NULL: make one of the rest */
    char **argv;        /* of the program, NULL at the end */
    char **envp;
};

static struct boot_info info;

static _Noreturn void fail(const char *what, const char *name, uint32_t status)
{
    lib_log("%s%s", what, name);
    prim_exit(status);
}

static bool parse_number(const char **s, uint32_t limit, uint32_t *ret_value)
{
    uint32_t value = 0;

    if (**s < '0' || **s > '9') {
        return false;
    }
    for (; **s >= '0' && **s <= '9'; (*s)++) {
        value = value * 10 + (**s - '0');
        if (value > limit) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

/* A.B.C.D to network byte order; what follows is left in *s. */
static bool parse_address(const char **s, uint32_t *ret_address)
{
    uint8_t byte[4];
    uint32_t value;
    int i;

    for (i = 0; i < 4; i++) {
        if ((i && *(*s)++ != '.') || !parse_number(s, 255, &value)) {
            return false;
        }
        byte[i] = value;
    }
    memcpy(ret_address, byte, sizeof(byte));
    return true;
}

static bool parse_network(const char *s, struct boot_net *net)
{
    uint32_t bits, mask;

    if (!parse_address(&s, &net->address) || *s++ != '/' ||
        !parse_number(&s, 32, &bits) || *s) {
        return false;
    }
    mask = bits ? ~0u << (32 - bits) : 0;
    net->netmask = __builtin_bswap32(mask);
    return true;
}

static _Noreturn void usage(void)
{
    fail("usage: sluice-linux [--tap IF --ip A.B.C.D/LEN|dhcp "
         "[--gateway A.B.C.D] [--dns A.B.C.D]] [--option NAME=VALUE] "
         "PROGRAM [ARGUMENT...] | --bundle FILE",
         "", STATUS_USAGE);
}

static void parse_option(struct command *command, const char *name,
                         const char *value)
{
    bool good = value != NULL;

    if (good && !strcmp(name, "--tap")) {
        command->tap = value;
        good = strlen(value) < IF_NAME_BYTES;
    } else if (good && !strcmp(name, "--ip") && !strcmp(value, "dhcp")) {
        command->net.flags |= BOOT_NET_DHCP;
    } else if (good && !strcmp(name, "--ip")) {
        good = parse_network(value, &command->net);
    } else if (good && !strcmp(name, "--gateway")) {
        good = parse_address(&value, &command->net.gateway) && !*value;
    } else if (good && !strcmp(name, "--dns")) {
        good = parse_address(&value, &command->net.dns) && !*value;
    } else if (good && !strcmp(name, "--option")) {
        command->option = value;
    } else if (good && !strcmp(name, "--bundle")) {
        command->bundle = value;
    } else {
        good = false;
    }
    if (!good) {
        usage();
    }
}

static void parse(struct command *command, uint64_t *stack)
{
    char **argv = (char **)(stack + 1);

    command->envp = argv + stack[0] + 1;
    for (argv++; *argv && !strncmp(*argv, "--", 2); argv += 2) {
        parse_option(command, argv[0], argv[1]);
    }
    command->argv = argv;
    if (!*argv == !command->bundle) {
        usage();
    }
}

static const void *map_file(const char *name, size_t *ret_bytes)
{
    struct stat st;
    long fd, addr;

    fd = linux_call(__NR_open, (uint64_t)name, O_RDONLY, 0, 0);
    if (fd < 0 || linux_call(__NR_fstat, fd, (uint64_t)&st, 0, 0) < 0) {
        fail("cannot open ", name, STATUS_NO_FILE);
    }
    addr = linux_call6(__NR_mmap, 0, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (addr < 0) {
        fail("cannot read ", name, STATUS_NO_FILE);
    }
    linux_call(__NR_close, fd, 0, 0, 0);
    *ret_bytes = st.st_size;
    return (const void *)addr;
}

/* A bundle being written: entries, then their data behind. */
struct writer {
    struct boot_bundle *bundle;
    struct boot_entry *entries;
    uint64_t used_bytes;
};

static void add_entry(struct writer *w, enum boot_entry_type type,
                      const char *name)
{
    struct boot_entry *e = &w->entries[w->bundle->n_entries++];
    size_t len = strlen(name);

    e->type = type;
    e->offset = w->used_bytes;
    memcpy(e->name, name, len < sizeof(e->name) ? len : sizeof(e->name) - 1);
}

static void add_data(struct writer *w, const void *from, size_t len_bytes)
{
    memcpy((uint8_t *)w->bundle + w->used_bytes, from, len_bytes);
    w->used_bytes += len_bytes;
    w->entries[w->bundle->n_entries - 1].len_bytes += len_bytes;
}

static void add_strings(struct writer *w, enum boot_entry_type type, char **s)
{
    add_entry(w, type, "");
    for (; *s; s++) {
        add_data(w, *s, strlen(*s) + 1);
    }
}

static size_t strings_bytes(char **s)
{
    size_t n = 0;

    for (; *s; s++) {
        n += strlen(*s) + 1;
    }
    return n;
}

static void make_bundle(const struct command *command)
{
    size_t program_bytes;
    const void *program = map_file(command->argv[0], &program_bytes);
    struct writer w = { 0 };

    w.bundle = lib_pages(sizeof(*w.bundle) + N_ENTRIES * sizeof(*w.entries) +
                         program_bytes + strings_bytes(command->argv) +
                         strings_bytes(command->envp) + sizeof(command->net) +
                         (command->option ? strlen(command->option) + 1 : 0));
    lib_assert(w.bundle);
    w.entries = (struct boot_entry *)(w.bundle + 1);
    w.used_bytes = sizeof(*w.bundle) + N_ENTRIES * sizeof(*w.entries);
    w.bundle->magic = BOOT_BUNDLE_MAGIC;
    w.bundle->version = BOOT_BUNDLE_VERSION;
    w.bundle->entries_offset = sizeof(*w.bundle);
    w.bundle->n_processes = 1;
    if (command->tap) {
        add_entry(&w, BOOT_NET, "");
        add_data(&w, &command->net, sizeof(command->net));
    }
    add_entry(&w, BOOT_PROGRAM, command->argv[0]);
    add_data(&w, program, program_bytes);
    add_strings(&w, BOOT_ARGV, command->argv);
    add_strings(&w, BOOT_ENVP, command->envp);
    if (command->option) {
        add_entry(&w, BOOT_OPTIONS, "");
        add_data(&w, command->option, strlen(command->option) + 1);
    }
    info.bundle = (uint64_t)w.bundle;
    info.bundle_bytes = w.bundle->total_bytes = w.used_bytes;
}

static void take_bundle(const char *name)
{
    size_t len_bytes;

    info.bundle = (uint64_t)map_file(name, &len_bytes);
    info.bundle_bytes = len_bytes;
}

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t ret[4])
{
    __asm__("cpuid"
            : "=a"(ret[0]), "=b"(ret[1]), "=c"(ret[2]), "=d"(ret[3])
            : "a"(leaf), "c"(sub));
}

/* Size of an XSAVE area in standard format, from CPUID leaf 13. */
static void find_xsave(void)
{
    uint32_t r[4], low, high, i;

    info.xsave_bytes = 512 + 64;
    cpuid(1, 0, r);
    if (!(r[2] & (1u << 27))) { /* OSXSAVE */
        info.xsave_bytes = 512;
        return;
    }
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    info.xsave_mask = ((uint64_t)high << 32 | low) & ~XFEATURE_AMX;
    for (i = 2; i < 63; i++) {
        cpuid(13, i, r);
        if ((info.xsave_mask >> i & 1) && r[0] + r[1] > info.xsave_bytes) {
            info.xsave_bytes = r[0] + r[1];
        }
    }
}

/**
 * runner_main - the command's first C code
 * @stack: argc, argv, envp as Linux lays them down
 *
 * Context: called from entry-linux.S; does not return.
 */
_Noreturn void runner_main(uint64_t *stack)
{
    struct command command = { 0 };

    info.magic = BOOT_INFO_MAGIC;
    info.version = SYS_ABI_VERSION;
    info.ram_bytes = RAM_BYTES;
    info.shared = (uint64_t)host_clock_start();
    prim_boot(&info);
    parse(&command, stack);
    find_xsave();
    prim_random(info.entropy, sizeof(info.entropy));
    if (command.tap) {
        host_net_configure(command.tap);
    }
    if (command.bundle) {
        take_bundle(command.bundle);
    } else {
        make_bundle(&command);
    }
    boot_main(&info);
}
