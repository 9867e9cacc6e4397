// SPDX-License-Identifier: MIT
/* What an error number means when it comes from a Unix domain socket: a table, and no system calls. */
#include <errno.h>
#include <stddef.h>
#include <unx/unx.h>

static const struct {
    int error;
    const char *text;
} table[] = {
    {EPERM,
     "refused: the receiver takes no descriptors, these credentials are not yours to send, others may write to this "
     "directory, or a security module said no"},
    {ENOENT, "no such file: nobody ever bound a socket to this path, or it has been removed; or nothing has this name"},
    {ESRCH, "the process is gone, or never was: this kernel cannot name it, or its credentials cannot be sent"},
    {EINTR, "a signal came, and the call was asked to say so"},
    {E2BIG, "more descriptors than one message may hold"},
    {EBADF, "not an open descriptor, or one of the descriptors to send is not"},
    {EAGAIN, "not now: no message, no room, no connection, a full backlog, or the socket's timeout has passed"},
    {ENOMEM, "the kernel has no memory for it"},
    {EACCES, "the mode of the socket file, or of a directory on the way, does not let this user in"},
    {EFAULT, "an address in memory that is not this process's"},
    {EBUSY, "in use: an operation is out, or a message was not returned, or others share this socket"},
    {EEXIST, "there is such a file already"},
    {ENOTDIR, "a part of the path is not a directory"},
    {EINVAL, "misuse: an argument, a flag or a combination of them that this call does not take"},
    {ENFILE, "the whole system has no room for another open file"},
    {EMFILE, "descriptors could not be installed: this process's table is full, or a security module refused them"},
    {ENOSPC, "no room in the buffer or on the file system, or no autobind name is free"},
    {EROFS, "a read-only file system has no room for a socket file"},
    {EPIPE, "nobody will read this any more; replies may still be there to receive"},
    {ERANGE, "the answer is larger than the room for it"},
    {ENAMETOOLONG,
     "the name is longer than an address can hold; unx_connect_path() and unx_listen_path() take longer paths"},
    {ENOSYS, "this kernel does not know the call, or a filter forbids it"},
    {ELOOP, "too many symbolic links on the way"},
    {ENOMSG, "the message brought no descriptor"},
    {EPROTO, "the other side does not speak this protocol, or not this version of it"},
    {EFBIG, "more bytes than a file may hold here (RLIMIT_FSIZE), or than this program can address"},
    {ECANCELED,
     "it was cancelled, or its descriptor is being closed; of a hand-over: the other side refused or gave up, and the "
     "old program serves on"},
    {EBADMSG, "control data whose lengths cannot be true, or that was cut"},
    {ENOTSOCK, "not a socket"},
    {EDESTADDRREQ, "the destination has no name; its socket would have to be bound to be sent to"},
    {EMSGSIZE,
     "the packet is larger than the room for it: than the buffer when receiving, than SO_SNDBUF allows when sending"},
    {EPROTOTYPE, "a socket is there, but of another type (SEQPACKET, STREAM, DGRAM)"},
    {ENOPROTOOPT, "this kernel does not have that socket option"},
    {EPROTONOSUPPORT, "this system has no such type of Unix domain socket"},
    {EOPNOTSUPP, "this system, or this type of socket, cannot do that"},
    {EAFNOSUPPORT, "not a Unix domain socket, or not an address of one"},
    {EADDRINUSE, "the name is taken: a file is there, live or stale, or the abstract name is bound"},
    {ECONNABORTED, "the connection was gone before it was accepted"},
    {ECONNRESET, "the peer closed without reading all that was sent, or before it replied"},
    {ENOBUFS, "more descriptors came than there was room for, or the kernel has no memory for a packet of this size"},
    {EISCONN, "connected already: an address cannot be given"},
    {ENOTCONN, "not connected, so there is no peer"},
    {ETOOMANYREFS, "too many descriptors of this user are on their way: the receiver has to take some first"},
    {ESHUTDOWN, "it was stopped, and nobody is waiting any more"},
    {ETIMEDOUT, "the time was up"},
    {ECONNREFUSED, "nobody listens at this address"},
};

const char *unx_explain(int error)
{
    if (error == 0) {
        return "no error";
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].error == error || -table[i].error == error) {
            return table[i].text;
        }
    }
    return "an error that has no special meaning for Unix domain sockets; see errno(3)";
}
