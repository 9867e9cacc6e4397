// SPDX-License-Identifier: MIT
// Echo on Boost.Asio: the packet protocol and local streams, each connection with a buffer of its own.
#include "echo.h"

#include <cerrno>
#include <memory>
#include <vector>

#include <boost/asio.hpp>

namespace
{

int status;

template <class Protocol> struct Session;

template <class Socket, class Handler> void receive(Socket &s, boost::asio::mutable_buffer b, int &, Handler h)
{
    s.async_receive(b, h);
}

template <class Handler>
void receive(boost::asio::generic::seq_packet_protocol::socket &s, boost::asio::mutable_buffer b, int &flags, Handler h)
{
    s.async_receive(b, flags, h);
}

template <class Socket, class Handler> void send(Socket &s, boost::asio::const_buffer b, Handler h)
{
    s.async_send(b, h);
}

template <class Handler>
void send(boost::asio::generic::seq_packet_protocol::socket &s, boost::asio::const_buffer b, Handler h)
{
    s.async_send(b, 0, h);
}

template <class Protocol> struct Session {
    typename Protocol::socket socket;
    boost::asio::io_context &context;
    int flags = 0;
    char buf[ECHO_ROOM] = {};

    Session(boost::asio::io_context &c, const Protocol &p, int fd) : socket(c, p, fd), context(c) {}

    bool goes_on(const boost::system::error_code &error)
    {
        if (error) {
            status = error == boost::asio::error::eof ? 0 : -error.value();
            context.stop();
        }
        return !error;
    }

    void start()
    {
        receive(socket, boost::asio::buffer(buf), flags, [this](const boost::system::error_code &e, std::size_t n) {
            if (goes_on(e))
                reply(n);
        });
    }

    void reply(std::size_t n)
    {
        send(socket, boost::asio::const_buffer(buf, n), [this](const boost::system::error_code &e, std::size_t) {
            if (goes_on(e))
                start();
        });
    }
};

template <class Protocol> int serve(const struct echo_job *j, const Protocol &protocol)
{
    // One thread: without locks.
    boost::asio::io_context context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
    std::vector<std::unique_ptr<Session<Protocol>>> sessions;
    for (unsigned i = 0; i < j->nfds; i++) {
        sessions.emplace_back(new Session<Protocol>(context, protocol, j->fds[i]));
        sessions.back()->start();
    }
    context.run();
    return status;
}

int run(const struct echo_server *, const struct echo_job *j)
{
    try {
        if (j->type == SOCK_SEQPACKET)
            return serve(j, boost::asio::generic::seq_packet_protocol(AF_UNIX, 0));
        return serve(j, boost::asio::local::stream_protocol());
    } catch (const boost::system::system_error &e) {
        return -e.code().value();
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    }
}

} // namespace

extern "C" const struct echo_server echo_asio[] = {
    {"asio", ECHO_PEER, ECHO_SEQPACKET | ECHO_STREAM, run, 0,
     sizeof(Session<boost::asio::local::stream_protocol>) + sizeof(void *)},
    {nullptr, ECHO_RAW, 0, nullptr, 0, 0},
};
