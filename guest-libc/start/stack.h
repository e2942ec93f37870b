/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stack.h - the program's first stack (start/ only) */
#ifndef STACK_H
#define STACK_H

#include "guest-libc/start/bundle.h"
#include "guest-libc/start/elf.h"

struct stack_input {
    struct bundle_data argv, envp;
    const char *program; /* argv[0] if there is no argv */
    const struct elf_image *image;
    uint64_t vdso;         /* AT_SYSINFO_EHDR, 0: none */
    const uint8_t *random; /* 16 bytes */
    uint32_t xsave_bytes;
};

/* RSP for the program's entry, 0 if it does not fit. */
uint64_t stack_build(const struct stack_input *in);

#endif
