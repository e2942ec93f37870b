/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stack.c - the program's first stack: argc, argv, envp, auxv
 *
 * From the top down: the strings, 16 random bytes, then the vectors in the
 * order of the x86-64 psABI, RSP at argc.
 *
 * Strings and the pointers to them may take a quarter of the stack, and one
 * string BOOT_STRING_MAX bytes, as in Linux' execve().  ckpt-bundle has told
 * the user already.
 */
#include <elf.h>
#include <string.h>
#include "guest-libc/start/place.h"
#include "guest-libc/start/stack.h"
#include "guest-libc/sys/libos.h"

#define PAGE_BYTES     4096u
#define STACK_BYTES    (8u << 20)
#define RANDOM_BYTES   16u
#define SIGFRAME_BYTES 1024u /* of a signal frame, without xsave */

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

struct builder {
    uint8_t *strings; /* lowest byte used so far */
    uint64_t *vector; /* next word to write */
};

static uint64_t put_bytes(struct builder *b, const void *from, size_t n)
{
    b->strings -= n;
    if (n) { /* an empty list has no address */
        memcpy(b->strings, from, n);
    }
    return (uint64_t)b->strings;
}

/*
 * NUL terminated strings, one after the other: their number, or false if one
 * is too long or the last does not end.
 */
static bool count_strings(const struct bundle_data *d, size_t *ret_count)
{
    size_t i, begin = 0, n = 0;

    for (i = 0; i < d->len_bytes; i++) {
        if (i - begin >= BOOT_STRING_MAX) {
            return false;
        }
        if (d->bytes[i] == '\0') {
            begin = i + 1;
            n++;
        }
    }
    *ret_count = n;
    return begin == d->len_bytes;
}

static void put_vector(struct builder *b, uint64_t strings, size_t n)
{
    const char *s = (const char *)strings;

    while (n--) {
        *b->vector++ = (uint64_t)s;
        s += strlen(s) + 1;
    }
    *b->vector++ = 0;
}

static void put_aux(struct builder *b, uint64_t type, uint64_t value)
{
    *b->vector++ = type;
    *b->vector++ = value;
}

static uint32_t cpu_features(void)
{
    uint32_t a = 1, b, c = 0, d;

    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return d;
}

static void put_auxv(struct builder *b, const struct stack_input *in,
                     uint64_t program, uint64_t random)
{
    uint64_t platform = put_bytes(b, "x86_64", sizeof("x86_64"));

    if (in->vdso) {
        put_aux(b, AT_SYSINFO_EHDR, in->vdso);
    }
    put_aux(b, AT_HWCAP, cpu_features());
    put_aux(b, AT_HWCAP2, 0); /* no FSGSBASE: GS is the library's */
    put_aux(b, AT_PAGESZ, PAGE_BYTES);
    put_aux(b, AT_CLKTCK, 100);
    put_aux(b, AT_PHDR, in->image->phdr);
    put_aux(b, AT_PHENT, sizeof(Elf64_Phdr));
    put_aux(b, AT_PHNUM, in->image->phnum);
    put_aux(b, AT_BASE, 0);
    put_aux(b, AT_FLAGS, 0);
    put_aux(b, AT_ENTRY, in->image->entry);
    put_aux(b, AT_UID, 0);
    put_aux(b, AT_EUID, 0);
    put_aux(b, AT_GID, 0);
    put_aux(b, AT_EGID, 0);
    put_aux(b, AT_SECURE, 0);
    put_aux(b, AT_RANDOM, random);
    put_aux(b, AT_EXECFN, program);
    put_aux(b, AT_PLATFORM, platform);
    put_aux(b, AT_MINSIGSTKSZ, in->xsave_bytes + SIGFRAME_BYTES);
    put_aux(b, AT_NULL, 0);
}

#define AUX_WORDS 48u /* at least what put_auxv() writes */

static uint8_t *stack_map(void)
{
    struct program_place *place = place_to_fill();
    long addr = prim_map(0, STACK_BYTES + PAGE_BYTES,
                         SYS_PROT_READ | SYS_PROT_WRITE, 0);

    if (addr < 0 || prim_protect(addr, PAGE_BYTES, 0, 0) < 0) {
        return NULL;
    }
    place->stack_start = addr + PAGE_BYTES;
    place->stack_end = place->stack_start + STACK_BYTES;
    return (uint8_t *)place->stack_end;
}

/* Do they fit?  Then how many there are. */
static bool measure(const struct stack_input *in, size_t *ret_argc,
                    size_t *ret_envc)
{
    return count_strings(&in->argv, ret_argc) &&
           count_strings(&in->envp, ret_envc) &&
           in->argv.len_bytes + in->envp.len_bytes +
                   (*ret_argc + *ret_envc) * sizeof(uint64_t) <=
               BOOT_STRINGS_MAX;
}

/**
 * stack_build - make the first stack
 * @in: what goes on it
 *
 * Return: RSP for the program's entry, 0 if it does not fit.
 * Context: boot.
 */
uint64_t stack_build(const struct stack_input *in)
{
    struct program_place *place = place_to_fill();
    struct builder b = { 0 };
    uint64_t program, random;
    size_t argc, envc;
    uint64_t *rsp;

    if (!measure(in, &argc, &envc)) {
        return 0;
    }
    b.strings = stack_map();
    if (!b.strings) {
        return 0;
    }
    program = put_bytes(&b, in->program, strlen(in->program) + 1);
    place->env_end = program;
    place->env_start = put_bytes(&b, in->envp.bytes, in->envp.len_bytes);
    place->args_end = place->env_start;
    if (argc) {
        place->args_start = put_bytes(&b, in->argv.bytes, in->argv.len_bytes);
    } else {
        argc = 1;
        place->args_start = put_bytes(&b, in->program, strlen(in->program) + 1);
    }
    random = put_bytes(&b, in->random, RANDOM_BYTES);

    /* Room for the platform's name is in the rounding: it comes last. */
    rsp = (uint64_t *)(((uint64_t)b.strings & ~15ull) - 64);
    rsp -= (1 + argc + 1 + envc + 1 + AUX_WORDS + 1) & ~1ull;
    b.vector = rsp;
    *b.vector++ = argc;
    put_vector(&b, place->args_start, argc);
    put_vector(&b, place->env_start, envc);
    place->auxv = (uint64_t)b.vector;
    put_auxv(&b, in, program, random);
    place->auxv_bytes = (uint64_t)b.vector - place->auxv;
    place->stack_first = (uint64_t)rsp;
    place->vdso = in->vdso;
    return (uint64_t)rsp;
}
