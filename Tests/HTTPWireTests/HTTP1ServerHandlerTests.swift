import HTTPWire
import NIOCore
import NIOEmbedded
import Testing

@Suite struct HTTP1ServerHandlerTests {
    private let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test("A request is answered in one flush and the connection kept")
    func oneRequest() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.answer() }
        try server.receive(get)
        #expect(try server.sent() == okReply())
        #expect(server.counter.flushes == 1)
        #expect(server.channel.isActive)
        try server.receive(get)
        #expect(try server.sent() == okReply())
        #expect(server.requests.count == 2)
    }

    @Test("Requests sent ahead are answered in order, together, one at a time")
    func pipelined() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.answer($0.path) }
        try server.receive("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HT")
        #expect(try server.sent() == okReply("/1") + okReply("/2"))
        #expect(server.counter.flushes == 1)

        server.delegate.onRequest = { _ in }
        try server.receive("TP/1.1\r\nHost: h\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(server.requests.count == 3)
        server.requests[2].answer("late")
        #expect(server.requests.count == 4)
        #expect(try server.sent() == okReply("late"))
    }

    @Test("Thousands of requests sent ahead do not recurse")
    func manyPipelined() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.answer() }
        try server.receive(String(repeating: get, count: 5_000))
        #expect(server.requests.count == 5_000)
    }

    @Test("A reply that comes late cannot touch the next request's")
    func staleWriter() throws {
        let server = try TestServer()
        try server.receive(get)
        let first = server.requests[0]
        first.answer("1")
        try server.receive(get)
        _ = try server.sent()
        first.answer("again")
        first.reply.cut()
        #expect(try server.sent().isEmpty)
        #expect(!first.reply.isWritable)
        server.requests[1].answer("2")
        #expect(try server.sent() == okReply("2"))
    }

    @Test("A stream is chunked, pieces of one turn leave together")
    func chunked() throws {
        let server = try TestServer()
        try server.receive(get)
        let reply = server.requests[0].reply
        reply.start(status: 200, fields: ReplyFields(), body: .stream)
        reply.write(ByteBuffer(string: "hello"))
        reply.write(ByteBuffer())
        #expect(server.counter.flushes == 0)
        server.channel.embeddedEventLoop.run()
        let head = "HTTP/1.1 200 OK\r\n\(dateLine)Transfer-Encoding: chunked\r\n\r\n"
        #expect(try server.sent() == head + "5\r\nhello\r\n")
        #expect(server.counter.flushes == 1)
        let large = String(repeating: "x", count: 5_000)
        reply.write(ByteBuffer(string: large))
        reply.end()
        #expect(try server.sent() == "1388\r\n\(large)\r\n0\r\n\r\n")
        #expect(server.channel.isActive)
    }

    @Test("To HTTP/1.0 a stream ends with the connection")
    func streamBefore11() throws {
        let server = try TestServer()
        try server.receive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        let reply = server.requests[0].reply
        reply.start(status: 200, fields: ReplyFields(), body: .stream)
        reply.write(ByteBuffer(string: "hello"))
        reply.end()
        #expect(try server.sent() == "HTTP/1.1 200 OK\r\n\(dateLine)Connection: close\r\n\r\nhello")
        #expect(!server.channel.isActive)
    }

    @Test("HTTP/1.0 keeps the connection only where it asks for it")
    func keepAliveBefore11() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.answer() }
        try server.receive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(try server.sent() == okReply(connection: "Connection: keep-alive\r\n"))
        #expect(server.channel.isActive)
        try server.receive("GET / HTTP/1.0\r\n\r\n")
        #expect(try server.sent() == okReply(connection: "Connection: close\r\n"))
        #expect(!server.channel.isActive)
    }

    @Test("A reply to HEAD has the length of the body and none of it")
    func headMethod() throws {
        let server = try TestServer()
        try server.receive("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nHEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
        server.requests[0].answer("hello")
        #expect(try server.sent() == String(okReply("hello").dropLast(5)))
        let reply = server.requests[1].reply
        reply.start(status: 200, fields: ReplyFields(), body: .fixed(7))
        reply.write(ByteBuffer(string: "1234567"))
        reply.end()
        #expect(try server.sent() == "HTTP/1.1 200 OK\r\n\(dateLine)Content-Length: 7\r\n\r\n")
        #expect(server.channel.isActive)
    }

    @Test("A fixed length is kept to: what is beyond is dropped, what is short is cut")
    func fixedLength() throws {
        let server = try TestServer()
        try server.receive(get + get)
        let head = "HTTP/1.1 200 OK\r\n\(dateLine)Content-Length: 3\r\n\r\n"
        let first = server.requests[0].reply
        first.start(status: 200, fields: ReplyFields(), body: .fixed(3))
        first.write(ByteBuffer(string: "12345"))
        first.end()
        #expect(try server.sent() == head + "123")
        let second = server.requests[1].reply
        second.start(status: 200, fields: ReplyFields(), body: .fixed(3))
        second.write(ByteBuffer(string: "12"))
        second.end()
        #expect(try server.sent() == head + "12")
        #expect(!server.channel.isActive)
    }

    @Test("A reply that is cut has no final chunk")
    func cut() throws {
        let server = try TestServer()
        try server.receive(get)
        let request = server.requests[0]
        request.reply.start(status: 200, fields: ReplyFields(), body: .stream)
        request.reply.write(ByteBuffer(string: "hello"))
        request.reply.cut()
        #expect(try server.sent().hasSuffix("5\r\nhello\r\n"))
        #expect(!server.channel.isActive)
        #expect(request.receiver.gone.isEmpty)
    }

    @Test(
        "What is no request is answered with what is wrong, and the connection closed",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", WireError.repeatedHost, "/"),
            ("POST /v1/x HTTP/1.1\r\nHost : h\r\n\r\n", .spaceBeforeColon, "/v1/x"),
        ]
    )
    func malformed(text: String, error: WireError, target: String) throws {
        let server = try TestServer()
        try server.receive(text)
        #expect(server.delegate.errors == [error])
        #expect(server.delegate.partialTargets == [target])
        #expect(
            try server.sent()
                == "HTTP/1.1 400 Bad Request\r\n\(dateLine)Content-Length: 2\r\nConnection: close\r\n\r\nno"
        )
        #expect(!server.channel.isActive)
        #expect(server.requests.isEmpty)
    }

    @Test("A request smuggled behind a refused one is never begun")
    func smuggled() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.answer() }
        try server.receive(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                + "GET /admin HTTP/1.1\r\nHost: h\r\n\r\n"
        )
        #expect(server.requests.isEmpty)
        #expect(server.delegate.errors == [.lengthAndCoding])
    }

    @Test("A request in a body that was not read is a body")
    func bodyIsNoRequest() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.answer() }
        try server.receive("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: \(get.utf8.count)\r\n\r\n\(get)\(get)")
        #expect(server.requests.map(\.path) == ["/1", "/a"])
    }

    @Test("A client that leaves before its reply is noticed, once")
    func clientGone() throws {
        let server = try TestServer()
        try server.receive(get)
        let request = server.requests[0]
        server.channel.close(promise: nil)
        #expect(request.receiver.gone == [.closed])
        request.answer()
        request.reply.readBody()
        request.reply.cut()
        #expect(request.receiver.gone == [.closed])
        #expect(request.receiver.endings == 0)
    }

    @Test("A client that shuts its sending side before its reply has left")
    func halfClosed() throws {
        let server = try TestServer()
        try server.receive(get)
        server.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(server.requests[0].receiver.gone == [.closed])
        #expect(!server.channel.isActive)
    }

    @Test("A client that leaves after its reply concerns nobody")
    func goneAfterReply() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.answer() }
        try server.receive(get)
        server.channel.close(promise: nil)
        #expect(server.requests[0].receiver.gone.isEmpty)
    }

    @Test("Draining ends an idle connection at once, a busy one after its reply")
    func drain() throws {
        let idle = try TestServer()
        idle.handler.drain()
        #expect(!idle.channel.isActive)

        let busy = try TestServer()
        try busy.receive(get + get)
        busy.handler.drain()
        #expect(busy.channel.isActive)
        busy.requests[0].answer()
        #expect(try busy.sent() == okReply(connection: "Connection: close\r\n"))
        #expect(busy.requests.count == 1)
        #expect(!busy.channel.isActive)

        let begun = try TestServer()
        try begun.receive("GET / HT")
        begun.handler.drain()
        #expect(begun.channel.isActive)
        begun.delegate.onRequest = { $0.answer() }
        try begun.receive("TP/1.1\r\nHost: h\r\n\r\n")
        #expect(try begun.sent() == okReply(connection: "Connection: close\r\n"))
        #expect(!begun.channel.isActive)
    }
}
