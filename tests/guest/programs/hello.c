/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hello.c - what a program finds at its start: arguments, environment, auxv */
#define _GNU_SOURCE
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tap.h"

int main(int argc, char **argv, char **envp)
{
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    char *heap = malloc(1 << 20);
    int i, sum = 0;

    tap_ok(argc == 1, "argc");
    tap_ok(strstr(argv[0], "hello") != NULL, "argv[0]");
    tap_ok(argv[argc] == NULL, "argv ends");
    tap_ok(envp == environ, "environment follows");
    tap_ok(getauxval(AT_PAGESZ) == 4096, "page size");
    tap_ok(getauxval(AT_SYSINFO_EHDR) != 0, "there is a vDSO");
    tap_ok(((unsigned long)__builtin_frame_address(0) & 15) == 0,
           "the stack is aligned");
    for (i = 0; i < 16; i++) {
        sum += random[i];
    }
    tap_ok(sum != 0, "16 random bytes");
    tap_ok(syscall(SYS_getpriority, PRIO_PROCESS, 0) > 0,
           "a priority that no library takes for an error");
    memset(heap, 1, 1 << 20);
    tap_ok(heap[(1 << 20) - 1] == 1, "a megabyte of heap");
    free(heap);
    return tap_done();
}
