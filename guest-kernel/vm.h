/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm.h - what vm.c and vm-fault.c share: the list of areas, and entries
 */
#ifndef VM_H
#define VM_H

#include "kernel.h"

#define FIRST_VMA(vm)   CONTAINER_OF((vm)->vmas.next, struct vma, node)
#define NEXT_VMA(area)  CONTAINER_OF((area)->node.next, struct vma, node)
#define PREV_VMA(area)  CONTAINER_OF((area)->node.prev, struct vma, node)
#define IS_END(vm, vma) (&(vma)->node == &(vm)->vmas)

struct vma *vma_find(struct vm *vm, uint64_t addr);
uint64_t *vm_entry(struct vm *vm, uint64_t vaddr);
uint64_t pte_make(uint64_t paddr, uint32_t prot);

#endif
