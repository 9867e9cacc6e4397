// SPDX-License-Identifier: MIT
/*
 * The public interface as a program meets it: the headers, and the shared object that is really installed. Each
 * function is there, sizes and places in the public structs are those that programs were compiled with, each flag
 * has its own bit.
 *
 * A change of a number here is a change of the ABI.
 */
#include "harness.h"
#include "raw.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unx/activation.h>
#include <unx/control.h>
#include <unx/engine.h>
#include <unx/frames.h>
#include <unx/handover.h>
#include <unx/listener.h>
#include <unx/policy.h>
#include <unx/unx.h>

typedef void function(void);

/* clang-format off */
#define F(name) { #name, (function *)name }
static const struct { const char *name; function *address; } functions[] = {
#include "public_functions.h"
};
/* clang-format on */

static const size_t nfunctions = sizeof functions / sizeof *functions;

/* By their addresses, as the linker has found them, and by their names, as the dynamic linker does. */
static void every_function_is_in_the_shared_object(void)
{
    raw_need_descriptors();
    for (size_t i = 0; i < nfunctions; i++) {
        ROW("%s", functions[i].name);
        Dl_info info;
        function *const volatile address = functions[i].address;
        CHECK(address != NULL);
        CHECK(dladdr((void *)(uintptr_t)address, &info) != 0);
        void *const found = dlsym(RTLD_DEFAULT, functions[i].name);
        CHECK(found != NULL);
        CHECK(dladdr(found, &info) != 0);
        CHECK(strstr(info.dli_fname, "/libunx.so.0") != NULL ||
              strstr(info.dli_fname, "/libunx-service.so.0") != NULL ||
              strstr(info.dli_fname, "/libunx-engine.so.0") != NULL ||
              strstr(info.dli_fname, "/libunx-data.so.0") != NULL);
    }
    CHECK(dlsym(RTLD_DEFAULT, "sys_socket") == NULL);
    CHECK(dlsym(RTLD_DEFAULT, "socket_new") == NULL);
}

static int in_table(const char *name, size_t len)
{
    for (size_t i = 0; i < nfunctions; i++)
        if (strlen(functions[i].name) == len && !memcmp(functions[i].name, name, len))
            return 1;
    return 0;
}

/* Everything that looks like a call of ours in one header. */
static size_t check_header(const char *dir, const char *name)
{
    char path[8192], line[512];
    size_t seen = 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f))
        for (const char *p = line; (p = strstr(p, "unx_")); p += 4) {
            const size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz_0123456789");
            if ((p > line && strchr("abcdefghijklmnopqrstuvwxyz_", p[-1])) || p[len] != '(')
                continue;
            ROW("%s: %.*s", name, (int)len, p);
            CHECK(in_table(p, len));
            seen++;
        }
    fclose(f);
    return seen;
}

static void every_function_of_the_headers_is_known(void)
{
    const char *source = getenv("UNX_SOURCE");
    if (!source)
        SKIP("UNX_SOURCE does not say where the headers are");
    char dir[4096];
    snprintf(dir, sizeof dir, "%s/include/unx", source);
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    size_t seen = 0;
    for (const struct dirent *e; (e = readdir(d));)
        if (strlen(e->d_name) > 2 && !strcmp(e->d_name + strlen(e->d_name) - 2, ".h"))
            seen += check_header(dir, e->d_name);
    closedir(d);
    CHECK(seen >= nfunctions);
}

static void version(void)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", UNX_VERSION_MAJOR, UNX_VERSION_MINOR, UNX_VERSION_PATCH);
    const char *v = QUIET(unx_version());
    CHECK_MEM(v, strlen(v), text, strlen(text));
}

/* clang-format off */
#define S(type, size) { "sizeof " #type, sizeof(struct type), size }
#define O(type, field, at) { #type "." #field, offsetof(struct type, field), at }
static const struct { const char *what; size_t is, was; } layout[] = {
    S(unx_addr, 260), O(unx_addr, len, 0), O(unx_addr, sa, 4), O(unx_addr, un, 4), O(unx_addr, raw, 4),
    S(unx_cred, 16), O(unx_cred, pid, 0), O(unx_cred, uid, 4), O(unx_cred, gid, 8), O(unx_cred, known, 12),
    S(unx_msg, 216), O(unx_msg, iov, 0), O(unx_msg, niov, 8), O(unx_msg, fds, 16), O(unx_msg, nfds, 24),
    O(unx_msg, addr, 32), O(unx_msg, cred, 40), O(unx_msg, pidfd, 48), O(unx_msg, label, 56),
    O(unx_msg, label_max, 64), O(unx_msg, control, 72), O(unx_msg, control_max, 80), O(unx_msg, skip, 88),
    O(unx_msg, reserved, 96), O(unx_msg, len, 128), O(unx_msg, full_len, 136), O(unx_msg, control_len, 144),
    O(unx_msg, label_len, 152), O(unx_msg, fds_got, 160), O(unx_msg, got, 164), O(unx_msg, error, 168),
    O(unx_msg, time_ns, 176), O(unx_msg, more, 184),
    S(unx_control_writer, 80), O(unx_control_writer, len, 16), O(unx_control_writer, owned, 28),
    S(unx_control_reader, 40), O(unx_control_reader, next, 16),
    S(unx_control_item, 40), O(unx_control_item, data, 8), O(unx_control_item, len, 16),
    S(unx_frames, 160),
};
/* clang-format on */

static void layout_is_kept(void)
{
    if (sizeof(void *) != 8)
        SKIP("the sizes are those of 64-bit systems");
    for (size_t i = 0; i < sizeof layout / sizeof *layout; i++) {
        if (!strncmp(layout[i].what, "sizeof", 6))
            NOTE("%s is %zu", layout[i].what, layout[i].is);
        ROW("%s", layout[i].what);
        CHECK_INT(layout[i].is, layout[i].was);
    }
}

/* One bit each, and the same bit for ever. */
static void flags_are_kept(void)
{
    static const unsigned flags[] = {
        UNX_NONBLOCK,  UNX_PASSFDS, UNX_PASSCRED, UNX_PASSPIDFD, UNX_PASSSEC, UNX_TIMESTAMP,
        UNX_LISTENING, UNX_BIGBUF,  UNX_DONTWAIT, UNX_INTR,      UNX_PEEK,    UNX_PEEK_FDS,
        UNX_PARTIAL,   UNX_KEEP,    UNX_PLAIN,    UNX_RECV,      UNX_SEND,    UNX_GIVE,
    };
    static const unsigned char bit[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 20};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        CHECK_INT(flags[i], 1u << bit[i]);
    static const unsigned got[] = {UNX_GOT_FDS,  UNX_GOT_CRED,  UNX_GOT_PIDFD, UNX_GOT_LABEL,
                                   UNX_GOT_TIME, UNX_GOT_RESET, UNX_GOT_OTHER, UNX_CUT_DATA,
                                   UNX_CUT_FDS,  UNX_CUT_PIDFD, UNX_CUT_LABEL, UNX_CUT_CONTROL};
    static const unsigned char got_bit[] = {0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12};
    for (size_t i = 0; i < sizeof got / sizeof *got; i++)
        CHECK_INT(got[i], 1u << got_bit[i]);
}

/* Every number, of both signs, has one line without a full stop; the common ones do not share theirs. */
static void every_error_is_explained(void)
{
    for (int e = 0; e < 5000; e++) {
        const char *text = QUIET(unx_explain(e));
        CHECK(text != NULL && text[0]);
        const char *other = QUIET(unx_explain(-e));
        CHECK_MEM(text, strlen(text), other, strlen(other));
        CHECK(!strchr(text, '\n'));
        CHECK(text[strlen(text) - 1] != '.');
        CHECK(strlen(text) < 200);
    }
    static const int common[] = {EINVAL,     EAGAIN,     ETIMEDOUT, ECONNREFUSED, ECONNRESET,   EPIPE,
                                 EPERM,      EMSGSIZE,   ENOBUFS,   EMFILE,       E2BIG,        EOPNOTSUPP,
                                 EPROTOTYPE, EADDRINUSE, ENOTCONN,  ENOTSOCK,     ENAMETOOLONG, ETOOMANYREFS,
                                 EBADF,      ENOENT,     EACCES,    ENOPROTOOPT};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(unx_explain(common[i]), unx_explain(common[j])) != 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(every_function_is_in_the_shared_object),
        CASE(every_function_of_the_headers_is_known),
        CASE(version),
        CASE(layout_is_kept),
        CASE(flags_are_kept),
        CASE(every_error_is_explained),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
