/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-boot.h - the boot bundle, and what a process finds at its start
 *
 * The bundle is one file, given to QEMU by -initrd and found by the kernel as
 * the first module of the PVH start info.  A host tool (ckpt-bundle) writes it.
 *   0              struct boot_bundle
 *   entries_offset n_entries struct boot_entry
 *   ...            the entries' data, each BOOT_ALIGN (a page) aligned
 * An entry belongs to a process (number 0, 1, ...) or to all (BOOT_SHARED).
 * The kernel checks every offset; it reads only BOOT_LIBRARY, BOOT_NET and
 * BOOT_OPTIONS: it makes a process for each number, maps the library's ELF
 * (static, ET_EXEC, linked at LIBRARY_BASE) into it, the bundle read-only, the
 * shared page read-only, and starts one thread at the library's entry point
 * with RDI = user address of struct boot_info.  All the rest (program,
 * arguments, environment, files) is the library's business.  A process sees a
 * bundle with its own and the shared entries only: the data lie at the offsets
 * that they have in the file, and of what is another's nothing is mapped.
 */
#ifndef GUEST_BOOT_H
#define GUEST_BOOT_H

#include <stdint.h>
#include <stddef.h>

#define BOOT_BUNDLE_MAGIC   0x454c444e42434c53ull /* "SLCBNDLE" */
#define BOOT_BUNDLE_VERSION 2u
#define BOOT_ALIGN          4096u
#define BOOT_SHARED         0xffffffffu
#define BOOT_MAX_ENTRIES    65536u
#define BOOT_MAX_PROCESSES  16u
/* BOOT_ARGV and BOOT_ENVP: one string with its NUL; all strings of a process
 * and 8 bytes for each, a quarter of the first stack, as Linux has it */
#define BOOT_STRING_MAX     (128u << 10)
#define BOOT_STRINGS_MAX    (2u << 20)

enum boot_entry_type {
    BOOT_LIBRARY = 1,   /* ELF of the system library */
    BOOT_PROGRAM = 2,   /* ELF of the program */
    BOOT_ARGV    = 3,   /* NUL terminated strings, one after the other */
    BOOT_ENVP    = 4,   /* likewise, NAME=VALUE */
    BOOT_NET     = 5,   /* struct boot_net */
    BOOT_FILE    = 6,   /* a read-only file, @name its absolute path, which
                         * implies the directories above it */
    BOOT_OPTIONS = 7,   /* NAME=VALUE strings for kernel and library */
};

struct boot_bundle {
    uint64_t magic;             /*  0 */
    uint32_t version;           /*  8 */
    uint32_t n_entries;         /* 12 */
    uint64_t entries_offset;    /* 16 */
    uint64_t total_bytes;       /* 24 */
    uint32_t n_processes;       /* 32 */
    uint32_t reserved[7];       /* 36 zero */
};

struct boot_entry {
    uint32_t type;              /*  0 enum boot_entry_type */
    uint32_t process;           /*  4 number or BOOT_SHARED */
    uint64_t offset;            /*  8 from the bundle's start */
    uint64_t len_bytes;         /* 16 */
    uint32_t mode;              /* 24 BOOT_FILE: permission bits */
    uint32_t mtime_s;           /* 28 BOOT_FILE: last change, since 1970 */
    char     name[224];         /* 32 BOOT_FILE: path; BOOT_PROGRAM: argv[0] */
};

/* Bits of struct boot_net's flags. */
#define BOOT_NET_DHCP 1u        /* ask for address, gateway, DNS, MTU */

struct boot_net {               /* addresses in network byte order */
    uint8_t  mac[6];            /*  0 zero: the NIC's own (process 0) */
    uint16_t mtu;               /*  6 0: what the NIC says */
    uint32_t address;           /*  8 0 without BOOT_NET_DHCP: no network */
    uint32_t netmask;           /* 12 */
    uint32_t gateway;           /* 16 0: none */
    uint32_t dns;               /* 20 0: none */
    char     hostname[64];      /* 24 also what DHCP says the name is */
    uint32_t flags;             /* 88 BOOT_NET_* */
    uint32_t reserved;          /* 92 zero */
};

/* User address space of a process (4-level paging, lower half). */
#define USER_BASE       0x0000000000010000ull
#define USER_END        0x00007f0000000000ull   /* programs map below this */
#define LIBRARY_BASE    0x00007f0000000000ull   /* image of the library */
#define LIBRARY_HEAP    0x00007f1000000000ull   /* its own mappings, upwards */
#define BOOT_BASE       0x00007f8000000000ull   /* boot_info, bundle, shared */
#define LIBRARY_END     0x00007fff00000000ull

#define BOOT_INFO_MAGIC 0x4f464e4942434c53ull /* "SLCBINFO" */

struct boot_info {              /* a read-only page of its own */
    uint64_t magic;             /*  0 */
    uint32_t version;           /*  8 of guest-syscall.h: SYS_ABI_VERSION */
    uint32_t process;           /* 12 number of this process */
    uint64_t bundle;            /* 16 user address of struct boot_bundle */
    uint64_t bundle_bytes;      /* 24 */
    uint64_t shared;            /* 32 user address of struct guest_shared */
    uint64_t ram_bytes;         /* 40 of the guest, free for processes */
    uint64_t stack_top;         /* 48 of the first thread's library stack */
    uint32_t xsave_bytes;       /* 56 size of an xsave area here */
    uint32_t reserved;          /* 60 zero */
    uint64_t xsave_mask;        /* 64 XCR0 */
    uint8_t  entropy[32];       /* 72 */
};

/*
 * A page that the kernel maps read-only into every process.  It changes at
 * boot, after a restore, and once in a while to keep to the host's clock: the
 * rate of both clocks, or what the wall clock is ahead.  @sequence is odd while
 * it is being written; read it before and after (acquire).
 *   mono_ns = mono_base_ns + ((tsc - tsc_base) * tsc_mult >> tsc_shift), the
 *             product taken in 128 bits
 *   wall_ns = mono_ns + wall_offset_ns
 */
struct guest_shared {
    uint32_t sequence;          /*  0 */
    uint32_t tsc_shift;         /*  4 */
    uint64_t tsc_mult;          /*  8 */
    uint64_t tsc_base;          /* 16 */
    uint64_t mono_base_ns;      /* 24 */
    uint64_t wall_offset_ns;    /* 32 */
    uint64_t generation;        /* 40 */
    uint64_t line;              /* 48 counts the lines that began after the
                                      boot (CKPT_MBOX_IDENTITY); written last,
                                      before any user code of the line runs */
};

_Static_assert(sizeof(struct boot_bundle) == 64, "size");
_Static_assert(offsetof(struct boot_bundle, n_processes) == 32, "offset");
_Static_assert(sizeof(struct boot_entry) == 256, "size");
_Static_assert(offsetof(struct boot_entry, name) == 32, "offset");
_Static_assert(sizeof(struct boot_net) == 96, "size");
_Static_assert(offsetof(struct boot_net, flags) == 88, "offset");
_Static_assert(sizeof(struct boot_info) == 104, "size");
_Static_assert(offsetof(struct boot_info, stack_top) == 48, "offset");
_Static_assert(offsetof(struct boot_info, xsave_mask) == 64, "offset");
_Static_assert(sizeof(struct guest_shared) == 56, "size");

#endif
