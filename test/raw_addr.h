/* SPDX-License-Identifier: MIT */
/*
 * Addresses and named sockets by the kernel's own calls, for tests: the other side of what the library does. Everything
 * here fails the case when the call itself fails, unless its name says try.
 */
#ifndef TEST_RAW_ADDR_H
#define TEST_RAW_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* An address as bind(2) takes it, one byte larger than the kernel's. */
struct raw_addr {
    socklen_t len;
    union {
        struct sockaddr sa;
        struct sockaddr_un un;
        char raw[sizeof(struct sockaddr_un) + 2];
    };
};

/* A path (without the NUL: up to 108 bytes), an abstract name (up to 107 bytes), the length of sizeof(sockaddr_un). */
struct raw_addr raw_path(const char *path);
struct raw_addr raw_abstract(const void *name, size_t len);
struct raw_addr raw_padded(struct raw_addr a);

/* "<harness_dir()>/<name>", and the same filled up to `len` bytes. In static memory: four at a time. */
const char *raw_file(const char *name);
const char *raw_file_of(size_t len);

/* A socket, close-on-exec. try: a negative errno value and nothing open. */
int raw_socket(int type);
int raw_try_bind(int type, struct raw_addr a);
int raw_bind(int type, struct raw_addr a);
int raw_listen(int type, struct raw_addr a, int backlog);
int raw_try_connect(int type, struct raw_addr a);
int raw_connect(int type, struct raw_addr a);

/* Abstract names of a test must not meet those of another run: "unx-test-<pid of the case>-<word>". */
const char *raw_name(const char *word);

/* Does /proc/net/unix list a socket whose name ends in this text? How many sockets does it list? */
bool raw_listed(const char *text);

/* Blocking or not, now. */
bool raw_nonblock(int fd);

/* Runs as user 65534 from now on. */
void raw_become_nobody(void);

/* Milliseconds for which this thread could have run since it began, but others did; unknown: rather many. */
int64_t raw_waited(void);

/* Milliseconds since `start` (raw_now()), which have to be about `want`: never less, and not much more, where half a
 * second is given, two to a sanitizer build, and what this thread has waited. */
void raw_took(int64_t start, int64_t want);

/* The same, where another thread or process, of whose own waiting nobody knows, had to do something first. */
void raw_took_with_others(int64_t start, int64_t want);

/* Kernel numbers of options that older headers lack: the value, or -1 if this kernel does not know the option. */
int raw_option(int fd, int option);

/* The options that decide what a socket accepts, and its state, as flags of unx/unx.h. `blind` gets the flags that this
 * kernel cannot tell. */
unsigned raw_flags(int fd, unsigned *blind);

#endif
