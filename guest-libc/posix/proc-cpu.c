/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proc-cpu.c - /proc/cpuinfo: the one processor, as CPUID tells of it */
#include <string.h>
#include "guest-libc/posix/proc.h"

#define LEAF_BRAND  0x80000002u
#define LEAF_SIZES  0x80000008u
#define LEAF_MORE   0x80000001u
#define BRAND_BYTES 48u

struct cpuid {
    uint32_t a, b, c, d;
};

static struct cpuid cpuid(uint32_t leaf)
{
    struct cpuid r = { .a = leaf };

    __asm__("cpuid" : "+a"(r.a), "=b"(r.b), "+c"(r.c), "=d"(r.d));
    return r;
}

/* Names of Linux for the bits of a word, bit 0 first; "" for none. */
static const char *const leaf1_d[32] = {
    "fpu",  "vme",   "de",   "pse",     "tsc",  "msr", "pae",  "mce",
    "cx8",  "apic",  "",     "sep",     "mtrr", "pge", "mca",  "cmov",
    "pat",  "pse36", "pn",   "clflush", "",     "dts", "acpi", "mmx",
    "fxsr", "sse",   "sse2", "ss",      "ht",   "tm",  "ia64", "pbe",
};
static const char *const leaf1_c[32] = {
    "pni",    "pclmulqdq",  "dtes64", "monitor", "ds_cpl",
    "vmx",    "smx",        "est",    "tm2",     "ssse3",
    "cid",    "sdbg",       "fma",    "cx16",    "xtpr",
    "pdcm",   "",           "pcid",   "dca",     "sse4_1",
    "sse4_2", "x2apic",     "movbe",  "popcnt",  "tsc_deadline_timer",
    "aes",    "xsave",      "",       "avx",     "f16c",
    "rdrand", "hypervisor",
};
static const char *const more_d[32] = {
    [11] = "syscall", [20] = "nx",     [22] = "mmxext", [25] = "fxsr_opt",
    [26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm",
};
static const char *const more_c[32] = {
    [0] = "lahf_lm",
    [5] = "abm",
    [6] = "sse4a",
    [8] = "3dnowprefetch",
};
static const char *const leaf7_b[32] = {
    [1] = "tsc_adjust",  [3] = "bmi1",        [5] = "avx2",
    [7] = "smep",        [8] = "bmi2",        [9] = "erms",
    [10] = "invpcid",    [16] = "avx512f",    [17] = "avx512dq",
    [18] = "rdseed",     [19] = "adx",        [20] = "smap",
    [21] = "avx512ifma", [23] = "clflushopt", [24] = "clwb",
    [28] = "avx512cd",   [29] = "sha_ni",     [30] = "avx512bw",
    [31] = "avx512vl",
};
static const char *const leaf7_c[32] = {
    [1] = "avx512vbmi",   [2] = "umip",           [6] = "avx512_vbmi2",
    [8] = "gfni",         [9] = "vaes",           [10] = "vpclmulqdq",
    [11] = "avx512_vnni", [12] = "avx512_bitalg", [14] = "avx512_vpopcntdq",
    [22] = "rdpid",
};

static void put_flags(struct text *text, uint32_t word,
                      const char *const *names)
{
    for (unsigned i = 0; i < 32; i++) {
        if ((word >> i & 1) && names[i] && names[i][0]) {
            text_put(text, " %s", names[i]);
        }
    }
}

static void put_brand(struct text *text)
{
    char brand[BRAND_BYTES + 1] = "";
    const char *s = brand;

    if (cpuid(0x80000000u).a >= LEAF_BRAND + 2) {
        for (unsigned i = 0; i < 3; i++) {
            struct cpuid r = cpuid(LEAF_BRAND + i);

            memcpy(brand + i * sizeof(r), &r, sizeof(r));
        }
    }
    while (*s == ' ') {
        s++;
    }
    text_put(text, "model name\t: %s\n", *s ? s : "unknown");
}

static void put_identity(struct text *text)
{
    struct cpuid r = cpuid(0);
    uint32_t vendor[3] = { r.b, r.d, r.c }, one = cpuid(1).a;
    uint32_t family = one >> 8 & 15, model = one >> 4 & 15;
    char name[sizeof(vendor) + 1] = "";

    memcpy(name, vendor, sizeof(vendor));
    if (family == 6 || family == 15) {
        model |= (one >> 16 & 15) << 4;
    }
    if (family == 15) {
        family += one >> 20 & 255;
    }
    text_put(text, "processor\t: 0\nvendor_id\t: %s\ncpu family\t: %u\n", name,
             family);
    text_put(text, "model\t\t: %u\n", model);
    put_brand(text);
    text_put(text, "stepping\t: %u\n", one & 15);
}

/*
 * @linux proc /proc/cpuinfo - no frequency, no caches, and of the flags only
 *             those that programs look for
 * @test guest/programs/proc.c "cpuinfo"
 */
static long make_cpuinfo(const struct tree_node *node, struct text *text)
{
    struct cpuid one = cpuid(1), more = cpuid(LEAF_MORE), seven = { 0 };
    uint32_t levels = cpuid(0).a, sizes = cpuid(LEAF_SIZES).a;

    (void)node;
    if (levels >= 7) {
        seven = cpuid(7);
    }
    put_identity(text);
    text_put(text, "physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\n"
                   "cpu cores\t: 1\napicid\t\t: 0\ninitial apicid\t: 0\n");
    text_put(text,
             "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\n"
             "wp\t\t: yes\nflags\t\t:",
             levels);
    put_flags(text, one.d, leaf1_d);
    put_flags(text, more.d, more_d);
    put_flags(text, one.c, leaf1_c);
    put_flags(text, more.c, more_c);
    put_flags(text, seven.b, leaf7_b);
    put_flags(text, seven.c, leaf7_c);
    text_put(text, "\nbugs\t\t:\nclflush size\t: %u\ncache_alignment\t: %u\n",
             (one.b >> 8 & 255) * 8, (one.b >> 8 & 255) * 8);
    text_put(text, "address sizes\t: %u bits physical, %u bits virtual\n",
             sizes & 255, sizes >> 8 & 255);
    text_put(text, "power management:\n\n");
    return 0;
}

const struct tree_made proc_cpu_file = { "/proc/cpuinfo", 0444, make_cpuinfo,
                                         NULL };
