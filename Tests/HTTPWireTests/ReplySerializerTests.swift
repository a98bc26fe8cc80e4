import HTTPWire
import NIOCore
import Testing

@Suite struct ReplySerializerTests {
    private let serializer = ReplySerializer(date: DateField(clock: { 784_111_777 }))

    private func head(
        _ status: Int,
        _ body: ReplyBody,
        isHead: Bool = false,
        minorVersion: Int = 1,
        keepsAlive: Bool = true,
        fields: ReplyFields = ReplyFields()
    ) -> String {
        let framing = ReplyFraming(status: status, body: body, isHead: isHead, minorVersion: minorVersion)
        return String(
            buffer: serializer.head(
                status: status,
                fields: fields,
                body: body,
                framing: framing,
                minorVersion: minorVersion,
                keepsAlive: keepsAlive
            )
        )
    }

    @Test("A body's length shows as its kind, the version and the status allow")
    func framing() {
        #expect(head(200, .fixed(12)) == "HTTP/1.1 200 OK\r\n\(dateLine)Content-Length: 12\r\n\r\n")
        #expect(head(200, .none) == "HTTP/1.1 200 OK\r\n\(dateLine)Content-Length: 0\r\n\r\n")
        #expect(head(200, .stream) == "HTTP/1.1 200 OK\r\n\(dateLine)Transfer-Encoding: chunked\r\n\r\n")
        #expect(
            head(200, .stream, minorVersion: 0, keepsAlive: false)
                == "HTTP/1.1 200 OK\r\n\(dateLine)Connection: close\r\n\r\n"
        )
        #expect(head(204, .none) == "HTTP/1.1 204 No Content\r\n\(dateLine)\r\n")
        #expect(head(304, .fixed(5)) == "HTTP/1.1 304 Not Modified\r\n\(dateLine)\r\n")
        #expect(head(204, .stream) == "HTTP/1.1 204 No Content\r\n\(dateLine)\r\n")
        #expect(head(200, .fixed(5), isHead: true) == "HTTP/1.1 200 OK\r\n\(dateLine)Content-Length: 5\r\n\r\n")
    }

    @Test("The connection's fate is said where it is not the version's default")
    func connection() {
        #expect(head(200, .none, keepsAlive: false).hasSuffix("Content-Length: 0\r\nConnection: close\r\n\r\n"))
        #expect(head(200, .none, minorVersion: 0).hasSuffix("Content-Length: 0\r\nConnection: keep-alive\r\n\r\n"))
    }

    @Test("A status without a phrase is sent without one")
    func unknownStatus() {
        #expect(head(299, .none).hasPrefix("HTTP/1.1 299 \r\n"))
    }

    @Test("A Date that is passed on stays the only one")
    func date() {
        var fields = ReplyFields()
        fields.add("date", "yesterday")
        #expect(head(200, .none, fields: fields) == "HTTP/1.1 200 OK\r\ndate: yesterday\r\nContent-Length: 0\r\n\r\n")
    }

    @Test("Fields without room in front of them get a head of their own")
    func fieldsWithoutRoom() {
        let fields = ReplyFields(taking: ByteBuffer(string: "a: b\r\n"), hasDate: true)
        #expect(head(431, .none, fields: fields).hasPrefix("HTTP/1.1 431 Request Header Fields Too Large\r\na: b\r\n"))
    }

    @Test("Adding to a copy of fields leaves the first as it was")
    func copies() {
        var first = ReplyFields()
        first.add("a", "b")
        let before = head(200, .none, fields: first)
        _ = head(503, .stream, fields: first)
        #expect(head(200, .none, fields: first) == before)
    }

    @Test("No value can begin a line of its own", arguments: ["a\r\nSet-Cookie: x", "a\nb", "a\u{0}b", "12345678\r9"])
    func injection(value: String) {
        var fields = ReplyFields()
        fields.add("x", value)
        let lines = String(buffer: fields.buffer).split(separator: "\r\n")
        #expect(lines.count == 1)
        #expect(!String(buffer: fields.buffer).dropLast(2).utf8.contains { $0 < 0x20 })
    }

    @Test("Framing fields cannot be added")
    func framingFields() {
        var fields = ReplyFields()
        fields.add("Content-Length", 3)
        fields.add("transfer-encoding", "chunked")
        fields.add("CONNECTION", "close")
        fields.add("retry-after", -12)
        fields.add("x", ByteBufferView(ByteBuffer(string: "y")))
        fields.add("z", "")
        #expect(String(buffer: fields.buffer) == "retry-after: -12\r\nx: y\r\nz: \r\n")
    }

    @Test(
        "Dates are right over leap years and centuries",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
        ]
    )
    func dates(seconds: Int, date: String) {
        #expect(String(buffer: DateField(clock: { seconds }).line) == "Date: \(date)\r\n")
    }

    @Test("The date follows its clock")
    func dateMoves() {
        var now = 0
        let date = DateField(clock: { now })
        let first = String(buffer: date.line)
        now = 1
        #expect(first != String(buffer: date.line))
    }
}
