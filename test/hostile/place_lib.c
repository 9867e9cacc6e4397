// SPDX-License-Identifier: MIT
/* What the tests of attacked names share (place.h). */
#include "place.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a client: more than a busy machine keeps a server that is all right from answering. */
enum { PATIENCE_MS = 8000 };

struct place *place_share(void)
{
    void *p = mmap(NULL, sizeof(struct place), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

void place_need_root(void)
{
    if (geteuid() != 0) {
        SKIP("needs root to become another user");
    }
}

void place_become_other(void)
{
    CHECK(setgroups(0, NULL) == 0 && setresgid(OTHER, OTHER, OTHER) == 0 && setresuid(OTHER, OTHER, OTHER) == 0);
}

int place_ms(void)
{
    const char *text = getenv("HOSTILE_MS");
    const int ms = text == NULL ? 0 : atoi(text);
    return ms > 0 ? ms : 400;
}

void place_directory(struct place *p, const char *dir, mode_t mode)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", harness_dir(), dir);
    CHECK_INT(mkdir(path, 0700), 0);
    CHECK_INT(chmod(path, mode), 0);
    snprintf(p->path, sizeof p->path, "%s/sock", path);
}

void place_serve(struct place *p, struct unx_listener *l)
{
    while (!atomic_load(&p->stop)) {
        const int fd = unx_listener_accept(l, 0, NULL, 20);
        if (fd >= 0) {
            struct unx_msg m = {.iov = &(const struct iovec){(void *)(uintptr_t) "U", 1}, .niov = 1};
            unx_send(fd, &m, UNX_DONTWAIT);
            close(fd);
        }
    }
}

int place_ask(const char *path, struct unx_cred *who)
{
    static const struct unx_policy us = {.admit = UNX_ADMIT_SAME_USER};
    struct unx_addr a;
    char c = 0;
    CHECK_INT(unx_addr_parse(&a, path), 0);
    const int fd = unx_connect(SOCK_STREAM, 0, NULL, &a, PATIENCE_MS);
    if (fd < 0) {
        return fd;
    }
    int r = unx_policy_check(&us, fd, who, NULL);
    if (r == 0) {
        struct unx_msg m = {.iov = &(const struct iovec){&c, 1}, .niov = 1};
        r = unx_wait(fd, POLLIN, PATIENCE_MS);
        r = r < 0 ? r : unx_recv(fd, &m, 0);
        r = r == 1 ? c : r == 0 ? -ECONNRESET : r;
    } else if (r == -EACCES) {
        r = 0;
    }
    close(fd);
    return r;
}
