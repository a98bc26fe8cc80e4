import Backend
import NIOCore
import Testing

@Suite struct EventStreamParserTests {
    private static let stream =
        "data: {\"a\":1}\r\n\r\n\r\n\r\n: ping\n\nevent: x\ndata:two\ndata: lines\n\ndata: {}\r\rdata: last"

    @Test("Events are the same however the stream is cut", arguments: [1, 2, 3, 7, 100])
    func chunks(size: Int) {
        var parser = EventStreamParser()
        var events: [String] = []
        let bytes = Array(Self.stream.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            let chunk = ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)])
            events += parser.feed(chunk).map { String(buffer: $0) }
        }
        if let last = parser.finish() { events.append(String(buffer: last)) }
        #expect(events == ["{\"a\":1}", "two\nlines", "{}", "last"])
    }

    @Test("What is no field is kept aside")
    func stray() {
        var parser = EventStreamParser()
        let events = parser.feed(ByteBuffer(string: "\r\n\r\n{\"error\": {\n  \"code\": 503\n}}\n"))
        #expect(events.isEmpty)
        #expect(String(decoding: parser.stray, as: UTF8.self).contains("503"))
    }

    @Test("A line without end is given up")
    func overflow() {
        var parser = EventStreamParser()
        let piece = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1 << 19)
        _ = parser.feed(piece)
        _ = parser.feed(piece)
        #expect(!parser.hasOverflown)
        _ = parser.feed(piece)
        #expect(parser.hasOverflown)
    }
}
