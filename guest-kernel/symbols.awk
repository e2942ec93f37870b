# SPDX-License-Identifier: GPL-2.0-or-later
#
# symbols.awk - `nm -n` of the kernel to the table that panic.c reads
#
# The table is the last thing in the constants, so that it moves no function:
# the second link puts every one where the first did.

BEGIN {
    print "    .section .symbols, \"a\""
    print "    .balign 8"
    print "    .globl symbols, n_symbols, symbol_names"
    print "symbols:"
}

$2 ~ /^[tT]$/ && $3 !~ /^\./ {
    printf "    .quad 0x%s, %d\n", $1, offset
    names[count++] = $3
    offset += length($3) + 1
}

END {
    printf "n_symbols:\n    .quad %d\n", count
    print "symbol_names:"
    for (i = 0; i < count; i++) {
        printf "    .asciz \"%s\"\n", names[i]
    }
    print "    .section .note.GNU-stack, \"\", @progbits"
}
