// SPDX-License-Identifier: MIT
/*
 * An error leaves no file: the directory of the case, before and after a public call.
 *
 * What surprised us: only names are compared, and only in a process that has the directory for itself: other processes
 * of a test, and other threads, come and go there at any time. Where unlink(2) itself is made to fail, or the look
 * before it after something else has failed, a file has to stay: nobody else's may be removed. What a killed starter
 * left behind may go, whatever the result.
 */
#include "torture.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char directory[64];
static atomic_uint threads;

extern const char *__real_harness_dir(void);
const char *__wrap_harness_dir(void);
const char *__wrap_harness_dir(void)
{
    const char *const dir = __real_harness_dir();
    snprintf(directory, sizeof directory, "%s", dir);
    return dir;
}

extern __typeof__(pthread_create) __real_pthread_create, __wrap_pthread_create;
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    /* Those that the library makes inside of a call end there. */
    if (frame_now() == NULL)
        atomic_fetch_add(&threads, 1);
    return __real_pthread_create(thread, attr, run, arg);
}

bool threads_made(void)
{
    return atomic_load(&threads) > 0;
}

static uint64_t hash(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return h;
}

/* A sum, because the order of the names says nothing; its lowest bits count them. Two levels are deep enough for
 * what the tests make. */
static uint64_t names_in(const char *path, int levels)
{
    DIR *const d = opendir(path);
    uint64_t sum = 0;
    if (d == NULL)
        return 1;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        char below[512];
        const int n = snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        sum += (hash(UINT64_C(14695981039346656037), e->d_name) & ~UINT64_C(0xffff)) + 1;
        if (levels > 0 && e->d_type == DT_DIR && n > 0 && (size_t)n < sizeof below)
            sum += names_in(below, levels - 1);
    }
    closedir(d);
    return sum;
}

static bool alone(void)
{
    return directory[0] != '\0' && !threads_made();
}

void files_before(struct frame *f)
{
    f->processes = atomic_load(&world->ranks);
    f->files = world->mode == 2 && f->processes <= 2 && alone() ? names_in(directory, 1) : 0;
    errno = f->errno_before;
}

void files_after(struct frame *f, int r)
{
    const char *const failed = f->injected ? fake_calls[f->injected_call].name : "";
    const bool removing = strcmp(failed, "sys_unlink") == 0 ||
                          (strcmp(failed, "sys_file_at") == 0 && (r != -f->injected_error || r == -ENOENT));
    if (r >= 0 || f->files == 0 || removing || f->processes != atomic_load(&world->ranks))
        return;
    const uint64_t files = names_in(directory, 1);
    if (files != f->files && (uint16_t)files >= (uint16_t)f->files)
        fault("%s: %d, and there are other files than before", public_names[f->function], r);
}
