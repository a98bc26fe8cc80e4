import HTTPWire
import NIOCore
import NIOEmbedded
import Testing

@Suite struct RequestBodyTests {
    private func post(_ length: Int, _ fields: String = "") -> String {
        "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: \(length)\r\n\(fields)\r\n"
    }
    private let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test("A body is handed on only while it is asked for")
    func demand() throws {
        let server = try TestServer()
        try server.receive(post(6) + "abc")
        let request = server.requests[0]
        #expect(request.receiver.body.isEmpty)
        request.reply.readBody()
        #expect(request.receiver.body == "abc")
        request.reply.pauseBody()
        try server.receive("de")
        #expect(request.receiver.body == "abc")
        request.reply.readBody()
        #expect(request.receiver.body == "abcde")
        #expect(request.receiver.endings == 0)
        try server.receive("f")
        #expect(request.receiver.body == "abcdef")
        #expect(request.receiver.endings == 1)
        request.reply.readBody()
        #expect(request.receiver.endings == 1)
    }

    @Test("A body asked for before its receiver is known reaches it")
    func demandWhileBeginning() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.reply.readBody() }
        try server.receive(post(3) + "abc")
        #expect(server.requests[0].receiver.body == "abc")
        #expect(server.requests[0].receiver.endings == 1)
    }

    @Test(
        "The end of a body that a request does not have is told when asked for",
        arguments: ["", "Content-Length: 0\r\n"]
    )
    func noBody(field: String) throws {
        let server = try TestServer()
        try server.receive("GET / HTTP/1.1\r\nHost: h\r\n\(field)\r\n")
        #expect(server.requests[0].receiver.endings == 0)
        server.requests[0].reply.readBody()
        #expect(server.requests[0].receiver.endings == 1)
        server.requests[0].answer()
        #expect(try server.sent() == okReply())
    }

    @Test("One read is outstanding while a reply is awaited, and no more once it brought something")
    func reads() throws {
        let server = try TestServer()
        #expect(server.counter.reads == 1)
        try server.receive(post(6))
        #expect(server.counter.reads == 2)
        try server.receive("abc")
        #expect(server.counter.reads == 2)
        server.requests[0].reply.readBody()
        #expect(server.counter.reads == 3)
        try server.receive("def")
        #expect(server.counter.reads == 4)
        try server.receive(get)
        #expect(server.counter.reads == 4)
        server.requests[0].answer()
        #expect(server.requests.count == 2)
        #expect(server.counter.reads == 5)
    }

    @Test("100 Continue is sent when the body is first asked for")
    func expectContinue() throws {
        let server = try TestServer()
        try server.receive(post(3, "Expect: 100-continue\r\n"))
        #expect(try server.sent().isEmpty)
        server.requests[0].reply.readBody()
        #expect(try server.sent() == "HTTP/1.1 100 Continue\r\n\r\n")
        server.requests[0].reply.pauseBody()
        server.requests[0].reply.readBody()
        #expect(try server.sent().isEmpty)
        try server.receive("abc")
        server.requests[0].answer()
        #expect(try server.sent() == okReply())
        #expect(server.channel.isActive)
    }

    @Test("A client that does not wait for 100 Continue gets none")
    func expectContinueUnneeded() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.reply.readBody() }
        try server.receive(post(3, "Expect: 100-continue\r\n") + "abc")
        #expect(try server.sent().isEmpty)
        #expect(server.requests[0].receiver.body == "abc")
    }

    @Test("A reply in place of 100 Continue closes: whether the body comes cannot be known")
    func expectContinueRefused() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.answer(status: 413) }
        try server.receive(post(3, "Expect: 100-continue\r\n"))
        #expect(try server.sent().contains("Connection: close\r\n"))
        #expect(!server.channel.isActive)
    }

    @Test("The rest of a small body is read off after the reply, and the connection kept")
    func discarded() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.answer() }
        try server.receive(post(6) + "ab")
        #expect(try server.sent() == okReply())
        try server.receive("cdef" + get)
        #expect(try server.sent() == okReply())
        #expect(server.requests.map(\.path) == ["/p", "/a"])
        #expect(server.requests[0].receiver.body.isEmpty)
        #expect(server.requests[0].receiver.endings == 0)
    }

    @Test("A body known to be too large to read off closes the connection, and the reply says so")
    func tooLargeToDiscard() throws {
        let server = try TestServer(limits: WireLimits(maxDiscardedBody: 10))
        server.delegate.onRequest = { $0.answer() }
        try server.receive(post(11))
        #expect(try server.sent() == okReply(connection: "Connection: close\r\n"))
        #expect(!server.channel.isActive)
    }

    @Test("A chunked body that proves too large to read off closes the connection")
    func chunkedTooLargeToDiscard() throws {
        let server = try TestServer(limits: WireLimits(maxDiscardedBody: 10))
        server.delegate.onRequest = { $0.answer() }
        try server.receive("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n")
        #expect(try server.sent() == okReply())
        #expect(server.channel.isActive)
        try server.receive("6\r\nabcdef\r\n0\r\n\r\n" + get)
        #expect(!server.channel.isActive)
        #expect(server.requests.count == 1)
    }

    @Test("A malformed body is answered where no reply has begun")
    func malformed() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.reply.readBody() }
        try server.receive("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nx\r\n")
        let receiver = server.requests[0].receiver
        #expect(receiver.body == "ab")
        #expect(receiver.gone == [.malformedBody(.invalidChunkSize)])
        #expect(server.delegate.partialTargets == ["/p"])
        #expect(try server.sent().hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
        #expect(!server.channel.isActive)
    }

    @Test("A malformed body cuts a reply that has begun")
    func malformedWhileReplying() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.reply.readBody() }
        try server.receive("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        server.requests[0].reply.start(status: 200, fields: ReplyFields(), body: .stream)
        try server.receive("x\r\n")
        #expect(server.requests[0].receiver.gone == [.malformedBody(.invalidChunkSize)])
        #expect(try server.sent().hasSuffix("\r\n\r\n"))
        #expect(server.delegate.errors.isEmpty)
        #expect(!server.channel.isActive)
    }

    @Test("A receiver may answer in the middle of its body")
    func answerInBody() throws {
        let server = try TestServer()
        server.delegate.onRequest = { $0.reply.readBody() }
        try server.receive(post(6))
        server.requests[0].reply.start(status: 200, fields: ReplyFields(), body: .stream)
        try server.receive("abc")
        server.requests[0].reply.end()
        try server.receive("def" + get)
        #expect(server.requests.count == 2)
        #expect(server.requests[0].receiver.body == "abc")
        #expect(server.requests[0].receiver.endings == 0)
    }
}
