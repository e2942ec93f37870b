/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pause-forever.c - says so, then has nothing to do until it is stopped
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    puts("waiting");
    fflush(stdout);
    pause();
    return 0;
}
