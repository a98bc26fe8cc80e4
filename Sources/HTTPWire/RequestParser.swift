internal import Glibc
package import NIOCore

/// Cuts the bytes of one connection into requests (RFC 9112). Does no I/O and copies nothing.
///
/// A head is read in one pass where it came in one piece. If it did not, later bytes are only searched for its end, so that
/// a client which sends byte by byte costs no more than the bytes. Ask for a head, then for body parts until `.end`.
package struct RequestParser {
    private let limits: WireLimits
    private var body: BodyParser
    /// Kept between heads: its storage is used again once the last head is gone.
    private var lines: [FieldLine] = []
    /// How many bytes of an unfinished head were searched for its end.
    private var searched = 0
    private var hasSkippedEmptyLine = false

    package init(limits: WireLimits) {
        self.limits = limits
        body = BodyParser(maxTrailer: limits.maxHeader)
        lines.reserveCapacity(24)
    }

    /// Whether the body of the last head is complete.
    package var bodyHasEnded: Bool { body.hasEnded }

    /// Bytes of the body that are still to come; nil: chunked, not known.
    package var bodyRemaining: Int? { body.remaining }

    /// Takes the next request's head.
    /// - Parameter buffer: what was received and not yet taken; its reader index moves behind the head.
    /// - Returns: nil where the head is not whole: call again with the same bytes and more.
    /// - Throws: what is wrong with the head; the buffer's reader index is where the head begins. The connection is lost.
    package mutating func nextHead(_ buffer: inout ByteBuffer) throws(WireError) -> RequestHead? {
        guard skipEmptyLine(&buffer) else { return nil }
        let available = buffer.readableBytes
        guard searched == 0 || headMayBeWhole(buffer) else {
            searched = available
            try checkSize(available)
            return nil
        }
        lines.removeAll(keepingCapacity: true)
        var present: UInt128 = 0
        var length = 0
        let start = try buffer.withUnsafeReadableBytes { bytes throws(WireError) -> (RequestLine, RequestFraming)? in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return nil }
            guard let line = try RequestLine.read(base, to: bytes.count, position: &length) else { return nil }
            var reader = FieldLineReader(base: base, end: bytes.count, position: length)
            reading: while true {
                switch try reader.next() {
                case .line(let line):
                    lines.append(line)
                    present |= FieldBlock.bit(of: line.field)
                case .end: break reading
                case .incomplete: return nil
                }
            }
            length = reader.position
            try checkSize(length)
            return (line, try RequestFraming(base, lines, minorVersion: line.minorVersion))
        }
        guard let (line, framing) = start else {
            searched = available
            try checkSize(available)
            return nil
        }
        guard let head = buffer.readSlice(length: length) else {
            preconditionFailure("the head was read, so it is there")
        }
        searched = 0
        hasSkippedEmptyLine = false
        body.begin(framing.body)
        return RequestHead(
            line: line,
            fields: FieldBlock(buffer: head, lines: lines, present: present),
            framing: framing
        )
    }

    /// Takes the next part of the last head's body.
    /// - Throws: what is wrong with the body. The connection is lost.
    package mutating func nextBody(_ buffer: inout ByteBuffer) throws(WireError) -> BodyPart {
        try body.next(&buffer)
    }

    /// The target of a request whose head could not be read, as far as it came; for the form of the answer.
    package static func partialTarget(in buffer: ByteBuffer) -> ByteBufferView? {
        let bytes = buffer.readableBytesView
        let line = bytes.prefix { $0 != ByteClass.carriageReturn && $0 != ByteClass.lineFeed }
        guard let space = line.firstIndex(of: ByteClass.space) else { return nil }
        let target = line[(space + 1)...].prefix { $0 != ByteClass.space }
        return target.isEmpty ? nil : target
    }

    /// One empty line before a request is skipped (RFC 9112, 2.2).
    /// - Returns: false where more bytes are needed.
    private mutating func skipEmptyLine(_ buffer: inout ByteBuffer) -> Bool {
        guard searched == 0, !hasSkippedEmptyLine else { return true }
        guard let first = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self) else { return false }
        guard first == ByteClass.carriageReturn else { return true }
        guard let second = buffer.getInteger(at: buffer.readerIndex + 1, as: UInt8.self) else { return false }
        guard second == ByteClass.lineFeed else { return true }
        buffer.moveReaderIndex(forwardBy: 2)
        hasSkippedEmptyLine = true
        return buffer.readableBytes > 0
    }

    private func checkSize(_ size: Int) throws(WireError) {
        guard size <= limits.maxHeader else { throw .headerTooLarge(limit: limits.maxHeader) }
    }

    /// Searches what was not searched before for an empty line, whether or not its line ends are right.
    private func headMayBeWhole(_ buffer: ByteBuffer) -> Bool {
        buffer.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            var index = max(searched - 2, 0)
            while index < bytes.count, let hit = memchr(base + index, Int32(ByteClass.lineFeed), bytes.count - index) {
                index = base.distance(to: UnsafeRawPointer(hit)) + 1
                guard index < bytes.count else { return false }
                if bytes[index] == ByteClass.lineFeed { return true }
                if bytes[index] == ByteClass.carriageReturn {
                    guard index + 1 < bytes.count else { return false }
                    if bytes[index + 1] == ByteClass.lineFeed { return true }
                }
            }
            return false
        }
    }
}
