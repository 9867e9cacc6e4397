// SPDX-License-Identifier: MIT
/*
 * No descriptor left: every public call that needs one, with none to be had, then one, then two, until it succeeds. A
 * call that fails says -EMFILE, leaves nothing open and no file behind, writes no result, and can be made again.
 * check.py sees to it that every function of the headers is here, or in none.txt, which says that it needs none.
 *
 * What surprised us: a call may need more descriptors on its way than it returns, so it is not enough to try with none.
 */
#include "no_descriptor.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MOST 24 /* no call needs more at a time */

struct world w;

int keep(int r)
{
    if (r >= 0) {
        CHECK(w.ngot < sizeof w.got / sizeof *w.got);
        w.got[w.ngot++] = r;
    }
    return r;
}

void undo(void)
{
    for (unsigned i = 0; i < w.ngot; i++) {
        if (w.got[i] > 2) {
            close(w.got[i]);
        }
    }
    w.ngot = 0;
    if (w.l != NULL) {
        CHECK_INT(unx_listener_close(w.l), 0);
        w.l = NULL;
    }
    if (w.e != NULL) {
        CHECK_INT(unx_engine_free(w.e), 0);
        w.e = NULL;
    }
    unlink(raw_file("fresh"));
    unlink(w.long_path);
}

unsigned files(void)
{
    unsigned n = 0;
    DIR *const d = opendir(harness_dir());
    CHECK(d != NULL);
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n;
}

static void until_it_succeeds(const struct attempt *a)
{
    const int before = harness_nfds();
    const unsigned nfiles = files();
    unsigned n = 0;
    int r;
    do {
        ROW("%s, %u to be had", a->name, n);
        CHECK(n <= MOST);
        w.allowed = n;
        raw_limit(n++);
        r = a->call();
        raw_unlimit();
        if (r < 0) {
            CHECK_INT(r, -EMFILE);
            CHECK_INT(harness_nfds(), before);
            CHECK_INT(files(), nfiles);
            CHECK(access(w.long_path, F_OK) != 0);
        }
    } while (r < 0);
    CHECK(n - 1 >= a->needs);
    NOTE("%s: with %u", a->name, n - 1);
    undo();
    CHECK_INT(harness_nfds(), before);
}

static void make_long(char *path, const char *name)
{
    char part[130];
    memset(part, 'd', sizeof part - 1);
    part[sizeof part - 1] = '\0';
    snprintf(path, 400, "%s/%s", harness_dir(), part);
    mkdir(path, 0755);
    strncat(path, name, 20);
}

static void attempts(const struct attempt *all)
{
    memset(&w, 0, sizeof w);
    if (!raw_limit_works()) {
        SKIP("the limit of descriptors is not kept here");
    }
    CHECK_INT(unx_addr_path(&w.at, raw_file("server")), 0);
    CHECK_INT(unx_addr_path(&w.fresh, raw_file("fresh")), 0);
    make_long(w.long_path, "/fresh");
    make_long(w.long_server, "/server");
    w.listener = unx_listen(SOCK_STREAM, UNX_NONBLOCK, &w.at, 100, 0600);
    w.server = unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, w.long_server, 100, 0600);
    CHECK(w.listener >= 0 && w.server >= 0);
    const int r = unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED | UNX_PASSPIDFD, w.s);
    CHECK(r == 0 || r == -EOPNOTSUPP);
    if (r < 0) {
        CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, w.s), 0);
    }
    w.unnamed = unx_socket(SOCK_DGRAM, 0);
    w.pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    for (; all->name != NULL; all++) {
        until_it_succeeds(all);
    }
    close(w.listener);
    close(w.server);
    close(w.unnamed);
    close(w.pidfd);
    close_pair(w.s);
}

static void core(void)
{
    attempts(core_attempts);
}

static void service(void)
{
    attempts(service_attempts);
}

static void handover(void)
{
    attempts(handover_attempts);
}

static void frames(void)
{
    attempts(frames_attempts);
}

static void engine(void)
{
    attempts(engine_attempts);
}

static const struct test_case cases[] = {CASE(core), CASE(service), CASE(handover), CASE(frames), CASE(engine)};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
