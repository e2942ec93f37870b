/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot.h - from the layer below to the program's first instruction */
#ifndef BOOT_H
#define BOOT_H

#include "abi/guest-boot.h"

_Noreturn void boot_main(const struct boot_info *info);

#endif
