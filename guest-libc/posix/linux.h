/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linux.h - the part of the Linux x86-64 interface that posix/ serves
 *
 * Numbers come from the system's headers, of which only macros and plain
 * types are used.  What those headers lack or name differently is here.
 */
#ifndef POSIX_LINUX_H
#define POSIX_LINUX_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

/* The kernel's O_LARGEFILE; <fcntl.h> says 0 on 64 bit machines. */
#define LINUX_O_LARGEFILE 0100000
/* Hidden without extensions. */
#define LINUX_O_DIRECT    0040000
#define LINUX_O_TMPFILE   020200000
#define LINUX_O_PATH      010000000
#define LINUX_O_NOATIME   01000000
#define LINUX_SEEK_DATA   3
#define LINUX_SEEK_HOLE   4

#define LINUX_S_IFMT      0170000u
#define LINUX_S_IFIFO     0010000u
#define LINUX_S_IFCHR     0020000u
#define LINUX_S_IFDIR     0040000u
#define LINUX_S_IFREG     0100000u
#define LINUX_S_IFLNK     0120000u
#define LINUX_S_IFSOCK    0140000u

#define LINUX_FIONREAD    0x541bu
#define LINUX_SIOCOUTQ    0x5411u
#define LINUX_SIOCATMARK  0x8905u
#define LINUX_SIOCOUTQNSD 0x894bu
#define LINUX_FIONBIO     0x5421u
#define LINUX_FIOCLEX     0x5451u
#define LINUX_FIONCLEX    0x5450u
#define LINUX_FIOASYNC    0x5452u
#define LINUX_FIOQSIZE    0x5460u
#define LINUX_FIGETBSZ    2u

#define LINUX_SETPIPE_SZ  1031
#define LINUX_GETPIPE_SZ  1032

#define NSEC_PER_SEC      1000000000ull
#define NSEC_PER_MSEC     1000000ull
#define NSEC_PER_USEC     1000ull
#define USEC_PER_SEC      1000000ull

#endif
