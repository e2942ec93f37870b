/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hello.c - what a program finds at its start: arguments, environment, auxv */
#define _GNU_SOURCE
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tap.h"

static int is_text(unsigned long type, const char *end)
{
    const char *text = (const char *)getauxval(type);

    return text && strlen(text) >= strlen(end) &&
           !strcmp(text + strlen(text) - strlen(end), end);
}

static void test_auxv(char **argv)
{
    static const unsigned long needed[] = {
        AT_PHDR, AT_PHENT, AT_PHNUM, AT_ENTRY, AT_HWCAP, 51 /* MINSIGSTKSZ */
    };
    char name[16] = "";
    unsigned i, missing = 0;

    for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        missing += !getauxval(needed[i]);
    }
    tap_ok(!missing, "the auxiliary vector is complete");
    tap_ok(getauxval(AT_CLKTCK) == 100 && !getauxval(AT_SECURE) &&
               getauxval(AT_UID) == getuid() && getauxval(AT_GID) == getgid(),
           "clock ticks, and who runs it");
    tap_ok(is_text(AT_PLATFORM, "x86_64"), "the platform");
    tap_ok(is_text(AT_EXECFN, strrchr(argv[0], '/')), "the program's file");
    prctl(PR_GET_NAME, name);
    tap_ok(!strncmp(name, strrchr(argv[0], '/') + 1, 15),
           "the first thread has the program's name");
}

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
    test_auxv(argv);
    memset(heap, 1, 1 << 20);
    tap_ok(heap[(1 << 20) - 1] == 1, "a megabyte of heap");
    free(heap);
    return tap_done();
}
