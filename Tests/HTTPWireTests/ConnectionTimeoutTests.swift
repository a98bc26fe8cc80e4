import HTTPWire
import NIOCore
import NIOEmbedded
import Testing

@Suite struct ConnectionTimeoutTests {
    private let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    private let timeouts = WireTimeouts(header: .seconds(10), idle: .seconds(75), client: .seconds(60))

    @Test(
        "A head that does not come in time after connecting, or after its first byte, is a 408",
        arguments: [
            "", "GET / HTTP/1.1\r\n",
        ]
    )
    func head(begun: String) throws {
        let server = try TestServer(timeouts: timeouts)
        if !begun.isEmpty { try server.receive(begun) }
        server.advance(.milliseconds(9_999))
        #expect(server.channel.isActive)
        server.advance(.milliseconds(1))
        #expect(server.delegate.errors == [.headerTimeout])
        #expect(try server.sent().hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
        #expect(!server.channel.isActive)
    }

    @Test("Bytes that drip do not put the end off")
    func slowloris() throws {
        let server = try TestServer(timeouts: timeouts)
        server.delegate.onRequest = { $0.answer() }
        try server.receive(get)
        server.advance(.seconds(30))
        for byte in ["G", "E", "T", " ", "/"] {
            try server.receive(byte)
            server.advance(.seconds(2))
        }
        #expect(server.delegate.errors == [.headerTimeout])
        #expect(!server.channel.isActive)
    }

    @Test("Each head has the whole time for itself")
    func headsInTurn() throws {
        let server = try TestServer(timeouts: timeouts)
        server.delegate.onRequest = { $0.answer() }
        try server.receive("GET / HT")
        for _ in 0..<3 {
            server.advance(.seconds(8))
            try server.receive("TP/1.1\r\nHost: h\r\n\r\nGET / HT")
        }
        #expect(server.channel.isActive)
        #expect(server.requests.count == 3)
        server.advance(.seconds(10))
        #expect(server.delegate.errors == [.headerTimeout])
    }

    @Test("An idle connection is closed without a word, counted from its last reply")
    func idle() throws {
        let server = try TestServer(timeouts: timeouts)
        server.delegate.onRequest = { $0.answer() }
        try server.receive(get)
        server.advance(.seconds(50))
        try server.receive(get)
        _ = try server.sent()
        server.advance(.milliseconds(74_999))
        #expect(server.channel.isActive)
        server.advance(.milliseconds(1))
        #expect(!server.channel.isActive)
        #expect(try server.sent().isEmpty)
        #expect(server.delegate.errors.isEmpty)
    }

    @Test("A reply may take as long as it takes")
    func slowReply() throws {
        let server = try TestServer(timeouts: timeouts)
        try server.receive(get)
        server.advance(.hours(1))
        #expect(server.channel.isActive)
        server.requests[0].answer()
        #expect(try server.sent() == okReply())
        server.advance(.seconds(75))
        #expect(!server.channel.isActive)
    }

    @Test("A body that is wanted and stops coming is cut; each byte puts that off")
    func body() throws {
        let server = try TestServer(timeouts: timeouts)
        server.delegate.onRequest = { $0.reply.readBody() }
        try server.receive("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
        server.advance(.seconds(59))
        try server.receive("a")
        server.advance(.milliseconds(59_999))
        #expect(server.channel.isActive)
        server.advance(.milliseconds(1))
        #expect(!server.channel.isActive)
        #expect(server.requests[0].receiver.gone == [.timedOut])
    }

    @Test("A body that nobody asks for may wait")
    func bodyUnasked() throws {
        let server = try TestServer(timeouts: timeouts)
        try server.receive("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
        server.requests[0].reply.readBody()
        server.requests[0].reply.pauseBody()
        server.advance(.hours(1))
        #expect(server.channel.isActive)
    }

    @Test("A client that takes nothing of its reply is cut within a quarter more than the time-out")
    func takesNothing() throws {
        let server = try TestServer(timeouts: timeouts)
        try server.receive(get)
        let request = server.requests[0]
        request.reply.start(status: 200, fields: ReplyFields(), body: .stream)
        server.setWritable(false)
        #expect(!request.reply.isWritable)
        request.reply.write(ByteBuffer(string: "x"))
        server.channel.embeddedEventLoop.run()
        server.advance(.seconds(59))
        #expect(server.channel.isActive)
        server.advance(.seconds(16))
        #expect(!server.channel.isActive)
        #expect(request.receiver.gone == [.timedOut])
    }

    @Test("A client that takes some of its reply in time is not cut")
    func takesSome() throws {
        let server = try TestServer(timeouts: timeouts)
        try server.receive(get)
        let request = server.requests[0]
        request.reply.start(status: 200, fields: ReplyFields(), body: .stream)
        server.setWritable(false)
        for _ in 0..<5 {
            request.reply.write(ByteBuffer(string: "x"))
            server.channel.embeddedEventLoop.run()
            server.advance(.seconds(50))
        }
        #expect(server.channel.isActive)
        server.setWritable(true)
        #expect(request.receiver.writable == 1)
        server.advance(.hours(1))
        #expect(server.channel.isActive)
    }

    @Test("A client that takes no replies has no further requests begun")
    func pipelinedBackpressure() throws {
        let server = try TestServer(timeouts: timeouts)
        server.delegate.onRequest = { $0.answer() }
        server.setWritable(false)
        try server.receive(get + get)
        #expect(server.requests.isEmpty)
        server.setWritable(true)
        #expect(server.requests.count == 2)
        #expect(try server.sent() == okReply() + okReply())
    }

    @Test("A connection in use schedules once for many requests")
    func schedulesRarely() throws {
        var timer = ConnectionTimer(timeouts: timeouts)
        var now = NIODeadline.uptimeNanoseconds(1)
        var asked = 0
        func time() -> NIODeadline {
            asked += 1
            return now
        }
        timer.update(.request, progressed: false, now: time())
        let first = timer.deadline
        for _ in 0..<100 {
            now = now + .milliseconds(1)
            timer.update(.none, progressed: false, now: time())
            timer.update(.request, progressed: false, now: time())
            let deadline = try #require(timer.deadline)
            #expect(try deadline > #require(first))
        }
        #expect(asked == 101)
    }
}
