/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kvm.h - never */
#ifndef SHIM_KVM_H
#define SHIM_KVM_H

#define kvm_enabled() false

#endif
