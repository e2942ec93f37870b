/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vdso-image.S - the built vDSO, as bytes of the library */
    .section .rodata
    .balign 16
    .globl vdso_image, vdso_image_end
vdso_image:
    .incbin VDSO_FILE
vdso_image_end:

    .section .note.GNU-stack, "", @progbits
