package import NIOCore

/// The fields of a reply in HTTP/1 wire form: `name: value` CRLF lines in one buffer.
///
/// The buffer begins with room for a status line, so that the serializer completes the head in place.
/// Content-Length, Transfer-Encoding and Connection follow from the reply's framing: adding them does nothing.
package struct ReplyFields {
    /// Longest: `HTTP/1.1 431 Request Header Fields Too Large` CRLF, 46 bytes.
    static let statusLineRoom = 64

    /// The lines. Whoever writes to it directly keeps its form.
    package var buffer: ByteBuffer
    /// Whether a Date was added; the serializer adds one otherwise.
    package private(set) var hasDate = false

    /// - Parameter capacity: bytes of fields that fit without another allocation.
    package init(capacity: Int = 448) {
        buffer = ByteBufferAllocator().buffer(capacity: Self.statusLineRoom + capacity)
        buffer.moveWriterIndex(to: Self.statusLineRoom)
        buffer.moveReaderIndex(to: Self.statusLineRoom)
    }

    /// Takes lines that are already in wire form, such as a cached reply's.
    /// - Parameters:
    ///   - buffer: complete lines, none of them Content-Length, Transfer-Encoding or Connection.
    ///   - hasDate: whether one of them is a Date.
    package init(taking buffer: ByteBuffer, hasDate: Bool = false) {
        self.buffer = buffer
        self.hasDate = hasDate
    }

    /// Control characters in the value become spaces, so no value can begin a line of its own.
    /// - Parameter name: a token.
    package mutating func add(_ name: StaticString, _ value: String) {
        var value = value
        value.withUTF8 { value in
            name.withUTF8Buffer { append(UnsafeRawBufferPointer($0), UnsafeRawBufferPointer(value)) }
        }
    }

    /// - Parameter name: a token.
    package mutating func add(_ name: StaticString, _ value: StaticString) {
        value.withUTF8Buffer { value in
            name.withUTF8Buffer { append(UnsafeRawBufferPointer($0), UnsafeRawBufferPointer(value)) }
        }
    }

    /// - Parameter name: a token.
    package mutating func add(_ name: StaticString, _ value: Int) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Decimal.maxDigits) { digits in
            let digits = UnsafeRawBufferPointer(Decimal.write(value, into: digits))
            name.withUTF8Buffer { append(UnsafeRawBufferPointer($0), digits) }
        }
    }

    /// - Parameter name: a token.
    package mutating func add(_ name: StaticString, _ value: ByteBufferView) {
        value.withUnsafeBytes { value in
            name.withUTF8Buffer { append(UnsafeRawBufferPointer($0), value) }
        }
    }

    /// A whole line, written as it is.
    /// - Parameter line: with its CRLF; neither Date, Content-Length, Transfer-Encoding nor Connection.
    package mutating func add(line: StaticString) { buffer.writeText(line) }

    /// Copies lines of another message, without making views: the way of an upstream's fields to the client.
    ///
    /// Hop-by-hop fields are left out, those that its Connection field names too (RFC 9110, 7.6.1), and Content-Length.
    /// - Parameter isWanted: asked about each of the rest; nil: no known field.
    package mutating func add(_ block: FieldBlock, where isWanted: (KnownField?) -> Bool) {
        copyLines(of: block) { field, _ in isWanted(field) }
    }

    /// The same, of a request to the fields of another.
    /// - Parameters:
    ///   - known: of the known fields, those that are wanted.
    ///   - isWanted: asked about each of the others.
    package mutating func add(
        _ block: FieldBlock,
        known: KnownFieldSet,
        others isWanted: (ByteBufferView) -> Bool
    ) {
        copyLines(of: block) { field, line in field.map(known.contains) ?? isWanted(block.name(of: line)) }
    }

    /// Lines that stand one behind the other, as nearly all do, are copied together.
    private mutating func copyLines(of block: FieldBlock, where isWanted: (KnownField?, FieldLine) -> Bool) {
        let nominates = block.contains(.connection)
        block.buffer.withUnsafeReadableBytes { bytes in
            var run = 0..<0
            for line in block.lines {
                let field = KnownField(rawValue: line.field)
                if let field, field.isHopByHop || field == .contentLength { continue }
                guard isWanted(field, line) else { continue }
                let name = Self.slice(bytes, line.nameOffset, UInt32(line.nameLength))
                if nominates, block.connectionNominates(name) { continue }
                guard let whole = line.wireRange(in: bytes) else {
                    appendRun(bytes, run)
                    run = 0..<0
                    append(name, Self.slice(bytes, line.valueOffset, line.valueLength))
                    continue
                }
                if field == .date { hasDate = true }
                if whole.lowerBound == run.upperBound {
                    run = run.lowerBound..<whole.upperBound
                } else {
                    appendRun(bytes, run)
                    run = whole
                }
            }
            appendRun(bytes, run)
        }
    }

    private mutating func appendRun(_ bytes: UnsafeRawBufferPointer, _ run: Range<Int>) {
        guard !run.isEmpty else { return }
        buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[run]))
    }

    private static func slice(
        _ bytes: UnsafeRawBufferPointer,
        _ offset: UInt32,
        _ length: UInt32
    ) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[Int(offset)..<Int(offset + length)])
    }

    private mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        assert(!name.isEmpty && name.allSatisfy { ByteClass.isToken($0) }, "a field's name must be a token")
        switch name.count {
        case 4: if ByteClass.equalsIgnoringCase(name, "date") { hasDate = true }
        case 10: if ByteClass.equalsIgnoringCase(name, "connection") { return }
        case 14: if ByteClass.equalsIgnoringCase(name, "content-length") { return }
        case 17: if ByteClass.equalsIgnoringCase(name, "transfer-encoding") { return }
        default: break
        }
        let length = name.count + value.count + 4
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { target in
            guard let base = target.baseAddress else { return 0 }
            UnsafeMutableRawBufferPointer(rebasing: target[..<name.count]).copyMemory(from: name)
            target[name.count] = ByteClass.colon
            target[name.count + 1] = ByteClass.space
            let start = name.count + 2
            UnsafeMutableRawBufferPointer(rebasing: target[start..<start + value.count]).copyMemory(from: value)
            let bytes = base.assumingMemoryBound(to: UInt8.self)
            let end = start + value.count
            var control = ByteClass.endOfValue(bytes, from: start, to: end)
            while control < end {
                bytes[control] = ByteClass.space
                control = ByteClass.endOfValue(bytes, from: control + 1, to: end)
            }
            target[end] = ByteClass.carriageReturn
            target[end + 1] = ByteClass.lineFeed
            return length
        }
    }
}

extension FieldBlock {
    /// Whether the Connection field names this field, so that it is about this connection only.
    fileprivate func connectionNominates(_ name: UnsafeRawBufferPointer) -> Bool {
        var isNominated = false
        forEachElement(of: .connection) { element in
            guard element.count == name.count else { return }
            // Both are tokens or at worst odd bytes, of which a wrong match only drops a field.
            if zip(element, name).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) { isNominated = true }
        }
        return isNominated
    }
}
