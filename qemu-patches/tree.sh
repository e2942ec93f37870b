#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tree.sh - join a QEMU release, patches/ and overlay/ into one source tree
#
#   tree.sh create SRC DIR   make the tree DIR from the pristine source SRC
#   tree.sh link DIR         link files that came to overlay/ since, drop those
#                            that went
#   tree.sh refresh DIR      write DIR's commits back to patches/
#   tree.sh check DIR        patches/ says what DIR has, and keeps its budget
#
# DIR is a git repository. Its first commit, tagged "upstream", is SRC as it
# came; then comes one commit per file of patches/. The files of overlay/ and
# the contracts that QEMU shares are symbolic links to this checkout, hidden
# from git by .git/info/exclude. So whichever side is edited, it is the same
# file, and `git status` in DIR shows edits of upstream's files only. The tag
# "series" is what patches/ held when the two were last the same; create will
# not throw away work done since.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")

# A series that outgrows this is no longer a set of hooks: move code into
# overlay/ instead.
max_patches=8
max_lines=150

die() { printf 'tree.sh: %s\n' "$*" >&2; exit 1; }

# git that behaves the same whatever the user has configured
tgit() {
    GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null \
        git -c user.name=Sluice -c user.email=sluice@localhost \
        -c core.autocrlf=false -c gc.auto=0 -c diff.algorithm=myers "$@"
}

# one commit per file, and no byte in it that depends on who writes it when
write_series() {
    tgit -C "$1" format-patch -q --zero-commit --no-signature --no-stat \
        --full-index --no-renames -N -o "$2" refs/tags/upstream
}

# "path-in-tree file-of-ours" for everything that is linked
links() {
    (cd "$here/overlay" && find . -type f ! -name '*~' ! -name '.*.swp') |
        sed "s|^\./\(.*\)|\1 $here/overlay/\1|"
    for header in "$top"/abi/ckpt-*.h; do
        echo "include/$(basename "$header") $header"
    done
}

# die if DIR has edits or commits that patches/ does not hold
keep_work() {
    test -d "$1/.git" || return 0
    test "$(tgit -C "$1" rev-parse HEAD)" = \
        "$(tgit -C "$1" rev-parse refs/tags/series^0)" ||
        die "$1 has commits that are not in patches/: run make qemu-refresh"
    test -z "$(tgit -C "$1" status --porcelain)" ||
        die "$1 has edits that are not committed: commit them there, then" \
            "run make qemu-refresh"
}

link_overlay() {
    cd "$1"
    links | while read -r path file; do
        if test "$(readlink "$path" || :)" = "$file"; then
            continue
        fi
        if test -e "$path" && ! test -L "$path"; then
            die "overlay/$path shadows a file of upstream's: patch it instead"
        fi
        mkdir -p "$(dirname "$path")"
        ln -sf "$file" "$path"
    done
    # what was linked last time and is linked no more
    links | sed 's|^\([^ ]*\) .*|/\1|' | sort > .git/info/exclude.new
    if test -e .git/info/exclude; then
        grep '^/' .git/info/exclude | sort |
            comm -23 - .git/info/exclude.new |
            while read -r gone; do
                if test -L ".$gone"; then
                    rm -f ".$gone"
                fi
            done
    fi
    mv .git/info/exclude.new .git/info/exclude
}

create() {
    test -e "$1/configure" || die "$1 is no QEMU source"
    keep_work "$2"
    rm -rf "$2.new" "$2"
    mkdir -p "$(dirname "$2")"
    cp -RH --preserve=mode,timestamps "$1" "$2.new"
    rm -rf "$2.new/.git" "$2.new/.pc"
    (
        cd "$2.new"
        tgit init -q -b ckpt .
        : > .git/info/exclude
        # -f: a release ships files that its own .gitignore names
        tgit add -A -f .
        GIT_AUTHOR_DATE=2000-01-01T00:00:00Z \
        GIT_COMMITTER_DATE=2000-01-01T00:00:00Z \
            tgit commit -q -m 'upstream'
        tgit tag upstream
        if ls "$here"/patches/*.patch > /dev/null 2>&1; then
            tgit am -q --committer-date-is-author-date \
                "$here"/patches/*.patch ||
                die "patches/ do not apply to $(cat VERSION)"
        fi
        tgit tag series
    )
    (link_overlay "$2.new")
    mv "$2.new" "$2"
}

refresh() {
    new=$(mktemp -d)
    trap 'rm -rf "$new"' EXIT
    write_series "$1" "$new"
    rm -f "$here"/patches/*.patch
    mkdir -p "$here/patches"
    cp "$new"/*.patch "$here/patches/"
    tgit -C "$1" tag -f series > /dev/null
}

check() {
    new=$(mktemp -d)
    trap 'rm -rf "$new"' EXIT
    edits=$(tgit -C "$1" status --porcelain)
    test -z "$edits" || die "$1 has edits that are not committed:
$edits"
    write_series "$1" "$new"
    # The index lines hold hashes of upstream's files, which differ between
    # the point releases of a series.
    diff -ru -I '^index ' -I '^@@ ' "$here/patches" "$new" ||
        die "patches/ and $1 differ: run tree.sh refresh"
    n=$(ls "$new" | wc -l)
    changed=$(cat "$new"/*.patch | grep -v -e '^+++ ' -e '^--- ' |
        grep -c '^[+-]')
    echo "# $n patches, $changed changed lines" \
        "(at most $max_patches and $max_lines)"
    test "$n" -le $max_patches || die "too many patches"
    test "$changed" -le $max_lines || die "too many changed lines"
    for patch in "$new"/*.patch; do
        grep -q '^Upstream-Status: .*\[.*\]$' "$patch" ||
            die "$(basename "$patch"): no 'Upstream-Status: ... [reason]'"
        (cd "$1" && perl scripts/checkpatch.pl --no-signoff -q - \
            < "$patch") || die "$(basename "$patch"): checkpatch objects"
    done
}

case "${1:-}:$#" in
create:3)  create "$2" "$3" ;;
link:2)    link_overlay "$2" ;;
refresh:2) refresh "$2" ;;
check:2)   check "$2" ;;
*)         sed -n '4,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
