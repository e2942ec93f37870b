/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-start.c - bundle, program and first stack, sound and damaged */
#include <elf.h>
#include <glib.h>
#include <string.h>

#include "tests/unit/libc-sys/fake-prim.h"
#include "tests/unit/libc-sys/tests.h"
#include "guest-libc/start/bundle.h"
#include "guest-libc/start/elf.h"
#include "guest-libc/start/stack.h"

#define VADDR 0x300000400000ull

static struct {
    struct boot_bundle bundle;
    struct boot_entry entries[4];
    char data[128];
} file;
static struct boot_info info;

static void add(enum boot_entry_type type, uint32_t process, const char *name,
                const char *data, size_t len_bytes)
{
    struct boot_entry *e = &file.entries[file.bundle.n_entries++];
    size_t at = e > file.entries ? e[-1].offset + e[-1].len_bytes
                                 : offsetof(__typeof__(file), data);

    *e = (struct boot_entry){ .type = type,
                              .process = process,
                              .offset = at,
                              .len_bytes = len_bytes,
                              .mode = 0444 };
    g_strlcpy(e->name, name, sizeof(e->name));
    memcpy((char *)&file + at, data, len_bytes);
}

static void make_bundle(void)
{
    memset(&file, 0, sizeof(file));
    file.bundle = (struct boot_bundle){
        .magic = BOOT_BUNDLE_MAGIC,
        .version = BOOT_BUNDLE_VERSION,
        .entries_offset = sizeof(file.bundle),
        .n_processes = 2,
    };
    add(BOOT_ARGV, BOOT_SHARED, "", "shared", 7);
    add(BOOT_ARGV, 1, "", "own\0two", 8);
    add(BOOT_FILE, BOOT_SHARED, "/etc/hosts", "127", 3);
    add(BOOT_OPTIONS, BOOT_SHARED, "", "ab=1\0a=2", 9);
    info = (struct boot_info){ .bundle = (uint64_t)&file,
                               .bundle_bytes = sizeof(file),
                               .process = 1 };
}

static void test_bundle(void)
{
    struct bundle_data found;
    struct boot_file found_file;
    uint32_t at = 0;

    make_bundle();
    bundle_open(&info);
    found = bundle_find(BOOT_ARGV);
    g_assert_cmpstr(found.bytes, ==, "own");
    g_assert_null(bundle_find(BOOT_PROGRAM).bytes);
    g_assert_true(boot_file_next(&at, &found_file));
    g_assert_cmpstr(found_file.path, ==, "/etc/hosts");
    g_assert_cmpmem(found_file.bytes, found_file.len_bytes, "127", 3);
    g_assert_cmpuint(found_file.mode, ==, 0444);
    g_assert_false(boot_file_next(&at, &found_file));
    g_assert_false(boot_program(&found_file));
    g_assert_cmpstr(boot_option("a"), ==, "2");
    g_assert_cmpstr(boot_option("ab"), ==, "1");
    g_assert_null(boot_option("b"));
    g_assert_cmpstr(boot_hostname(), ==, "sluice");
    info.process = 0;
    g_assert_cmpstr(bundle_find(BOOT_ARGV).bytes, ==, "shared");
}

/* Whatever is damaged, the process ends by a panic and not by a fault. */
static void open_damaged(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_failed();
        return;
    }
    fake_reset();
    bundle_open(&info);
}

static void test_bundle_magic(void)
{
    make_bundle();
    file.bundle.magic++;
    open_damaged();
}

static void test_bundle_entries(void)
{
    make_bundle();
    file.bundle.entries_offset = ~0ull - 8;
    open_damaged();
}

static void test_bundle_data(void)
{
    make_bundle();
    file.entries[1].offset = sizeof(file) - 4;
    open_damaged();
}

static uint8_t elf[3 * 4096];

static Elf64_Phdr *make_elf(void)
{
    Elf64_Ehdr *h = (Elf64_Ehdr *)elf;
    Elf64_Phdr *p = (Elf64_Phdr *)(h + 1);

    memset(elf, 0, sizeof(elf));
    memcpy(h->e_ident, ELFMAG, SELFMAG);
    h->e_ident[EI_CLASS] = ELFCLASS64;
    h->e_machine = EM_X86_64;
    h->e_type = ET_EXEC;
    h->e_entry = VADDR + 0x123;
    h->e_phoff = sizeof(*h);
    h->e_phentsize = sizeof(*p);
    h->e_phnum = 2;
    p[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
                         .p_flags = PF_R | PF_X,
                         .p_vaddr = VADDR,
                         .p_filesz = 4096,
                         .p_memsz = 4096 };
    p[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
                         .p_flags = PF_R | PF_W,
                         .p_vaddr = VADDR + 0x2010,
                         .p_offset = 0x1010,
                         .p_filesz = 16,
                         .p_memsz = 0x1800 };
    memset(elf + 0x1010, 'd', 16);
    return p;
}

static void test_elf(void)
{
    struct elf_image image;
    uint8_t *data = (uint8_t *)VADDR + 0x2010;
    int i;

    fake_reset();
    fake.real_memory = true;
    make_elf();
    g_assert_null(elf_load(elf, sizeof(elf), &image));
    g_assert_cmphex(image.entry, ==, VADDR + 0x123);
    g_assert_cmphex(image.phdr, ==, VADDR + sizeof(Elf64_Ehdr));
    g_assert_cmphex(image.end, ==, VADDR + 0x4000);
    g_assert_cmpmem((void *)VADDR, 4096, elf, 4096);
    for (i = 0; i < 0x1800; i++) {
        g_assert_cmpuint(data[i], ==, i < 16 ? 'd' : 0);
    }
}

static void refuse(size_t len_bytes)
{
    struct elf_image image;

    g_assert_nonnull(elf_load(elf, len_bytes, &image));
}

static void test_elf_damaged(void)
{
    Elf64_Ehdr *h = (Elf64_Ehdr *)elf;

    fake_reset();
    make_elf();
    refuse(10);
    h->e_phoff = ~0ull - 100;
    refuse(sizeof(elf));
    make_elf();
    h->e_phnum = 0xffff;
    refuse(sizeof(elf));
    make_elf()[0].p_vaddr = USER_END - 4096;
    refuse(sizeof(elf));
    make_elf()[0].p_vaddr = ~0ull - 100;
    refuse(sizeof(elf));
    make_elf()[1].p_memsz = ~0ull;
    refuse(sizeof(elf));
    make_elf()[1].p_filesz = 0x1801;
    refuse(sizeof(elf));
    make_elf()[1].p_offset = sizeof(elf) - 8;
    refuse(sizeof(elf));
    make_elf()[1].p_type = PT_INTERP;
    refuse(sizeof(elf));
    g_assert_cmphex(fake.addr, !=, LIBRARY_BASE);
}

static uint64_t aux(uint64_t *v, uint64_t type)
{
    for (; v[0] != AT_NULL; v += 2) {
        if (v[0] == type) {
            return v[1];
        }
    }
    g_assert_not_reached();
}

static void test_stack(void)
{
    static const char args[] = "prog\0-x\0";
    static const char env[] = "A=1\0B=2\0C=3";
    uint8_t random[16] = "0123456789abcdef";
    struct elf_image image = { 1, 2, 3, 4 };
    struct stack_input in = {
        .argv = { args, sizeof(args), NULL },
        .envp = { env, sizeof(env), NULL },
        .program = "/bin/prog",
        .image = &image,
        .random = random,
        .vdso = 0x7777000,
        .xsave_bytes = 512,
    };
    uint64_t *sp;

    fake_reset();
    fake.real_memory = true;
    sp = (uint64_t *)stack_build(&in);
    g_assert_nonnull(sp);
    g_assert_cmpuint((uint64_t)sp % 16, ==, 0);
    g_assert_cmpuint(sp[0], ==, 3); /* the last one is empty */
    g_assert_cmpstr((char *)sp[1], ==, "prog");
    g_assert_cmpstr((char *)sp[2], ==, "-x");
    g_assert_cmpstr((char *)sp[3], ==, "");
    g_assert_cmpuint(sp[4], ==, 0);
    g_assert_cmpstr((char *)sp[7], ==, "C=3");
    g_assert_cmpuint(sp[8], ==, 0);
    g_assert_cmphex(aux(sp + 9, AT_SYSINFO_EHDR), ==, 0x7777000);
    g_assert_cmpuint(aux(sp + 9, AT_PHNUM), ==, 3);
    g_assert_cmpmem((void *)aux(sp + 9, AT_RANDOM), 16, random, 16);
    g_assert_cmpstr((char *)aux(sp + 9, AT_EXECFN), ==, "/bin/prog");
    g_assert_cmphex(program_place()->stack_first, ==, (uint64_t)sp);
    g_assert_cmpuint(program_place()->args_end - program_place()->args_start,
                     ==, sizeof(args));
    g_assert_cmpstr((char *)program_place()->env_start, ==, "A=1");
    g_assert_cmphex(program_place()->auxv, ==, (uint64_t)(sp + 9));
    in.argv.len_bytes = 3; /* does not end */
    g_assert_cmpuint(stack_build(&in), ==, 0);
}

/* As much as Linux takes, and one byte more. */
static void test_stack_limits(void)
{
    g_autofree char *args = g_malloc(BOOT_STRINGS_MAX);
    uint8_t random[16] = { 0 };
    struct elf_image image = { 1, 2, 3, 4 };
    struct stack_input in = {
        .program = "/bin/prog",
        .image = &image,
        .random = random,
    };
    size_t n = BOOT_STRINGS_MAX / (sizeof(uint64_t) + 2);

    fake_reset();
    fake.real_memory = true;
    memset(args, 'x', BOOT_STRINGS_MAX);
    args[BOOT_STRING_MAX - 1] = '\0';
    in.argv = (struct bundle_data){ args, BOOT_STRING_MAX, NULL };
    g_assert_cmpuint(stack_build(&in), !=, 0);
    memset(args, 'x', BOOT_STRINGS_MAX);
    args[BOOT_STRING_MAX] = '\0';
    in.argv.len_bytes++;
    g_assert_cmpuint(stack_build(&in), ==, 0);
    args[BOOT_STRING_MAX] = 'x';
    for (size_t i = 1; i < BOOT_STRINGS_MAX; i += 2) {
        args[i] = '\0';
    }
    in.argv.len_bytes = n * 2;
    g_assert_cmpuint(*(uint64_t *)stack_build(&in), ==, n);
    in.argv.len_bytes += 2;
    g_assert_cmpuint(stack_build(&in), ==, 0);
}

void test_start_add(void)
{
    g_test_add_func("/libc-sys/start/bundle", test_bundle);
    g_test_add_func("/libc-sys/start/bundle/magic", test_bundle_magic);
    g_test_add_func("/libc-sys/start/bundle/entries", test_bundle_entries);
    g_test_add_func("/libc-sys/start/bundle/data", test_bundle_data);
    g_test_add_func("/libc-sys/start/elf", test_elf);
    g_test_add_func("/libc-sys/start/elf/damaged", test_elf_damaged);
    g_test_add_func("/libc-sys/start/stack", test_stack);
    g_test_add_func("/libc-sys/start/stack/limits", test_stack_limits);
}
