import HTTPWire
import NIOCore
import TestSupport
import Testing

@Suite struct SSEScannerTests {
    private func events(_ pieces: [String], maxEvent: Int = 1 << 20, finishes: Bool = false) -> [String] {
        var scanner = SSEScanner(maxEvent: maxEvent)
        var events: [String] = []
        for piece in pieces {
            scanner.feed(ByteBuffer(string: piece)) { events.append(String(decoding: $0, as: UTF8.self)) }
        }
        if finishes { scanner.finish { events.append(String(decoding: $0, as: UTF8.self)) } }
        return events
    }

    @Test(
        "Events are told apart by empty lines",
        arguments: [
            ("data: a\n\ndata: b\n\n", ["a", "b"]), ("data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
            ("data: a\ndata: b\n\n", ["a\nb"]), ("data:a\r\n\r\n", ["a"]), ("data:  a\n\n", [" a"]),
            (": ping\n\nevent: x\nid: 1\ndata: a\n\n", ["a"]), ("\r\n\r\ndata: a\n\n", ["a"]), ("data\n\n", [""]),
            ("dataset: a\n\n", []), ("data: a\n", []), ("\u{FEFF}data: a\n\n", ["a"]), ("", []),
            ("data: a\r\ndata: b\r\ndata: c\r\n\r\n", ["a\nb\nc"]),
        ]
    )
    func framing(stream: String, expected: [String]) {
        #expect(events([stream]) == expected)
    }

    @Test("However a stream is cut, its events are the same", arguments: 0..<40)
    func pieces(seed: Int) {
        let stream =
            "data: {\"a\":1}\r\n\r\n: c\n\ndata: one\ndata: two\r\ndata: three\n\ndata:x\n\n\r\n\r\ndata: last\n\n"
        var random = SeededGenerator(seed: seed)
        var rest = Array(stream.utf8)[...]
        var pieces: [String] = []
        while !rest.isEmpty {
            let piece = rest.prefix(Int(random.next() % (seed < 10 ? 2 : 20)) + 1)
            pieces.append(String(decoding: piece, as: UTF8.self))
            rest = rest.dropFirst(piece.count)
        }
        #expect(events(pieces) == ["{\"a\":1}", "one\ntwo\nthree", "x", "last"])
    }

    @Test("An event that the stream's end completes is handed out then")
    func finish() {
        #expect(events(["data: a\n\ndata: b"], finishes: true) == ["a", "b"])
        #expect(events(["data: a\n\ndata: b\n"], finishes: true) == ["a", "b"])
        #expect(events(["data: a\n\n"], finishes: true) == ["a"])
    }

    @Test("An event that is too large to keep is left out, those around it are not")
    func tooLarge() {
        let large = String(repeating: "x", count: 50)
        #expect(events(["data: a\n\ndata: \(large)", large, "\n\ndata: b\n\n"], maxEvent: 60) == ["a", "b"])
        #expect(events(["data: \(large)\ndata: \(large)\ndata: 1\n\ndata: b\n\n"], maxEvent: 60) == ["b"])
    }
}
