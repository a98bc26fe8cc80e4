import HTTPWire
import NIOCore
import Testing

@Suite struct FieldBlockTests {
    @Test("Every known field is found by its name in any case", arguments: KnownField.allCases)
    func known(field: KnownField) throws {
        let name = field.name.description
        for spelling in [name, name.uppercased(), name.prefix(1).uppercased() + name.dropFirst()] {
            let block = try FieldBlock(parsing: ByteBuffer(string: "\(spelling): v\r\n"))
            #expect(text(block.first(field)) == "v")
            #expect(KnownField.allCases.count { block.contains($0) } == 1)
        }
    }

    @Test("A name that is nearly known is not known", arguments: KnownField.allCases)
    func nearlyKnown(field: KnownField) throws {
        let name = field.name.description
        var changed = Array(name.utf8)
        changed[changed.count / 2] = UInt8(ascii: "!")
        for other in [name + "x", "x" + name, name.dropLast() + "_", String(decoding: changed, as: UTF8.self)] {
            let block = try FieldBlock(parsing: ByteBuffer(string: "\(other): v\r\n"))
            #expect(KnownField.allCases.allSatisfy { !block.contains($0) })
            #expect(block.string(named: other) == "v")
        }
    }

    @Test("Lines keep their order and their spelling, and several are joined")
    func order() throws {
        let block = try FieldBlock(parsing: ByteBuffer(string: "Via: 1\r\nX-A:  b\t\r\nvia: 2\r\nEmpty:\r\n\r\n"))
        var copy = ReplyFields()
        var known: [KnownField?] = []
        copy.add(block) { field in
            known.append(field)
            return true
        }
        #expect(known == [.via, nil, .via, nil])
        #expect(String(buffer: copy.buffer) == "Via: 1\r\nX-A: b\r\nvia: 2\r\nEmpty: \r\n")
        #expect(block.count == 4)
        #expect(block.string(.via) == "1, 2")
        #expect(block.string(named: "empty")?.isEmpty == true)
        #expect(block.string(named: "x-none") == nil)
    }

    @Test("An upstream's odd lines are taken as a proxy must take them")
    func oddities() throws {
        var bytes = ByteBuffer(string: "skip")
        bytes.moveReaderIndex(forwardBy: 4)
        bytes.writeString("A: b\n C\r\n\td\r\nE : f\r\nG: h\u{0}i\rj\r\nBad Name: x\r\nAge: 3\r\n")
        let block = try FieldBlock(parsing: bytes)
        #expect(block.string(named: "a") == "b  C   d" || block.string(named: "a") == "b  C  \td")
        #expect(block.string(named: "e") == "f")
        #expect(block.string(named: "g") == "h i j")
        #expect(block.string(.age) == "3")
        #expect(block.count == 4)
    }

    @Test("An upstream's line without a colon is an answer not to be passed on")
    func missingColon() {
        #expect(throws: WireError.missingColon) {
            try FieldBlock(parsing: ByteBuffer(string: "A: b\r\nnonsense\r\n"))
        }
    }

    @Test("An empty block has no fields", arguments: ["", "\r\n"])
    func empty(text: String) throws {
        let block = try FieldBlock(parsing: ByteBuffer(string: text))
        #expect(block.count == 0)
    }

    @Test("A token is found in a list of any number of lines")
    func tokens() throws {
        let block = try FieldBlock(
            parsing: ByteBuffer(string: "Cache-Control: max-age=3, No-Store\r\nCache-Control: ,private\r\n")
        )
        #expect(block.has("no-store", in: .cacheControl))
        #expect(block.has("max-age", in: .cacheControl))
        #expect(block.has("private", in: .cacheControl))
        #expect(!block.has("no-cache", in: .cacheControl))
        #expect(!block.has("close", in: .connection))
    }

    @Test("Hop-by-hop fields, nominated ones and lengths are not copied to a reply")
    func copied() throws {
        let block = try FieldBlock(
            parsing: ByteBuffer(
                string: "Content-Type: text/plain\r\nConnection: X-Hop, close\r\nX-hop: 1\r\nKeep-Alive: 5\r\n"
                    + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\nServer: s\r\nX-Stay: 2\r\n"
            )
        )
        var fields = ReplyFields()
        fields.add(block) { $0 != .server }
        #expect(String(buffer: fields.buffer) == "Content-Type: text/plain\r\nX-Stay: 2\r\n")
    }
}
