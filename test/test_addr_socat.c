// SPDX-License-Identifier: MIT
/*
 * Abstract names and socat, which uses exact lengths: each finds the other.
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unx/unx.h>

static pid_t start(const char *const argv[], int in, int out)
{
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(in, 0);
        dup2(out, 1);
        execvp(argv[0], (char **)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static void need_socat(void)
{
    if (access("/usr/bin/socat", X_OK) && access("/bin/socat", X_OK))
        SKIP("socat is not installed");
}

static void exchange(int fd, const char *text)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    CHECK_INT(unx_send(fd, &m, 0), 1);
    char answer[64];
    iov = (struct iovec){answer, sizeof answer};
    m = (struct unx_msg){.iov = &iov, .niov = 1};
    CHECK_INT(unx_wait(fd, 1 /* POLLIN */, 5000) & 1, 1);
    CHECK_INT(unx_recv(fd, &m, 0), 1);
    CHECK_MEM(answer, m.len, text, strlen(text));
}

static void abstract_client_of_socat(void)
{
    need_socat();
    char listen_at[128];
    const char *name = raw_name("socat-server");
    snprintf(listen_at, sizeof listen_at, "ABSTRACT-LISTEN:%s,type=5", name);
    const char *const argv[] = {"socat", listen_at, "EXEC:cat", NULL};
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const pid_t pid = start(argv, null, null);
    struct unx_addr a;
    CHECK_INT(unx_addr_abstract(&a, name, strlen(name)), 0);
    int fd = -1;
    for (int i = 0; i < 500 && (fd = unx_connect(SOCK_SEQPACKET, 0, NULL, &a, 1000)) == -ECONNREFUSED; i++)
        raw_sleep(10);
    CHECK(fd >= 0);
    exchange(fd, "through socat");
    close(fd);
    close(null);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static void abstract_server_of_socat(void)
{
    need_socat();
    char connect_to[128];
    const char *name = raw_name("socat-client");
    snprintf(connect_to, sizeof connect_to, "ABSTRACT-CONNECT:%s,type=5", name);
    struct unx_addr a;
    CHECK_INT(unx_addr_abstract(&a, name, strlen(name)), 0);
    const int server = unx_listen(SOCK_SEQPACKET, 0, &a, 4, UNX_MODE_UMASK);
    CHECK(server >= 0);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const char *const argv[] = {"socat", connect_to, "EXEC:cat", NULL};
    const pid_t pid = start(argv, null, null);
    CHECK_INT(unx_wait(server, 1 /* POLLIN */, 5000) & 1, 1);
    const int fd = unx_accept(server, 0, NULL);
    CHECK(fd >= 0);
    exchange(fd, "back from socat");
    close(fd);
    close(server);
    close(null);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static const struct test_case cases[] = {
    CASE(abstract_client_of_socat),
    CASE(abstract_server_of_socat),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
