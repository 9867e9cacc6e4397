// SPDX-License-Identifier: MIT
/*
 * What libraries that are loaded before a program share: the function that they stand before, and who calls.
 *
 * What surprised us: a name that is defined here is also called by the libraries after it, and even by libc. Where only
 * the program is meant, the return address tells.
 */
#ifndef CONDITIONS_PRELOAD_H
#define CONDITIONS_PRELOAD_H

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static uintptr_t program_start, program_end; /* the program itself, without its libraries */

/* The first one is the program. */
static int preload_measure(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    program_start = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *const p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD) {
            const uintptr_t from = info->dlpi_addr + p->p_vaddr, to = from + p->p_memsz;
            program_start = from < program_start ? from : program_start;
            program_end = to > program_end ? to : program_end;
        }
    }
    return 1;
}

static inline void preload_look(void)
{
    dl_iterate_phdr(preload_measure, NULL);
}

static inline bool by_program(const void *caller)
{
    return (uintptr_t)caller >= program_start && (uintptr_t)caller < program_end;
}

static inline void *next(const char *name)
{
    void *const f = dlsym(RTLD_NEXT, name);
    if (f == NULL) {
        abort();
    }
    return f;
}

#endif
