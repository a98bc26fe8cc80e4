import NIOCore
import RedisClient
import Testing

@Suite struct ReplyReaderTests {
    private func replies(to text: String, piece: Int = .max) throws -> [RedisReply] {
        var reader = ReplyReader()
        var bytes = ByteBuffer(string: text)
        var replies: [RedisReply] = []
        while let piece = bytes.readSlice(length: min(piece, bytes.readableBytes)), piece.readableBytes > 0 {
            try reader.feed(piece)
            while let reply = try reader.next() { replies.append(reply) }
        }
        return replies
    }

    private static let everyKind = """
        +OK\r\n:-42\r\n$5\r\nhe\r\no\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n-ERR no\r\n\
        *4\r\n:1\r\n*2\r\n$1\r\na\r\n*1\r\n*0\r\n$-1\r\n-WRONGTYPE x\r\n
        """
    private static let expected: [RedisReply] = [
        .status("OK"), .integer(-42), .bytes(ByteBuffer(string: "he\r\no")), .bytes(ByteBuffer()), .null, .null,
        .array([]), .error(RedisServerError(message: "ERR no")),
        .array([
            .integer(1), .array([.bytes(ByteBuffer(string: "a")), .array([.array([])])]), .null,
            .error(RedisServerError(message: "WRONGTYPE x")),
        ]),
    ]

    @Test("Every kind of reply is read, however the bytes are cut", arguments: [1, 2, 3, 7, 1000])
    func kinds(piece: Int) throws {
        #expect(try replies(to: Self.everyKind, piece: piece) == Self.expected)
    }

    @Test("Half a reply is none yet")
    func half() throws {
        #expect(try replies(to: "*2\r\n:1\r\n") == [])
        #expect(try replies(to: "$10\r\nabc") == [])
    }

    @Test("What is no RESP is an error", arguments: ["HTTP/1.1 400\r\n", "$x\r\n", "*99999999999999999999\r\n"])
    func malformed(text: String) throws {
        #expect(throws: RedisError.malformedReply) { try self.replies(to: text) }
    }

    @Test("A reader that is dropped in the middle of an array leaves nothing behind")
    func dropped() throws {
        for _ in 0..<100 { #expect(try replies(to: "*3\r\n*2\r\n$3\r\nabc\r\n") == []) }
    }

    @Test("A value larger than any read is put together")
    func large() throws {
        let value = String(repeating: "x", count: 1 << 20)
        #expect(
            try replies(to: "$\(value.utf8.count)\r\n\(value)\r\n:1\r\n", piece: 65_536)
                == [.bytes(ByteBuffer(string: value)), .integer(1)]
        )
    }

    @Test("An error's code is its first word")
    func code() {
        #expect(RedisServerError(message: "NOSCRIPT No matching script.").code == "NOSCRIPT")
        #expect(RedisServerError(message: "ERR").code == "ERR")
    }
}
