/// A part of a head: offset and length in bytes from the head's first.
struct HeadRange: Equatable {
    var offset: UInt32
    var length: UInt32

    init(_ range: Range<Int>) {
        offset = UInt32(truncatingIfNeeded: range.lowerBound)
        length = UInt32(truncatingIfNeeded: range.count)
    }
}

/// The first line of a request (RFC 9112, 3).
struct RequestLine {
    var method: RequestMethod
    var target: HeadRange
    var path: HeadRange
    var query: HeadRange?
    /// Of an absolute target.
    var authority: HeadRange?
    var minorVersion: Int

    /// - Parameter position: moved behind the line if it is whole.
    /// - Returns: nil where the bytes end before the line does.
    static func read(
        _ base: UnsafePointer<UInt8>,
        to end: Int,
        position: inout Int
    ) throws(WireError) -> RequestLine? {
        let start = position
        var index = start
        while index < end, ByteClass.isToken(base[index]) { index &+= 1 }
        guard index < end else { return nil }
        guard base[index] == ByteClass.space, index > start else { throw methodError(base, at: index, start: start) }
        let method = RequestMethod(UnsafeBufferPointer(start: base + start, count: index - start))

        index &+= 1
        let targetStart = index
        var queryMark = -1
        while index < end, base[index] &- 0x21 < 0x5E, base[index] != UInt8(ascii: "#") {
            if base[index] == UInt8(ascii: "?"), queryMark < 0 { queryMark = index }
            index &+= 1
        }
        guard index < end else { return nil }
        guard base[index] == ByteClass.space, index > targetStart else {
            throw targetError(base[index], isEmpty: index == targetStart)
        }
        let target = targetStart..<index
        position = index + 1
        guard let minorVersion = try version(base, to: end, position: &position) else { return nil }
        guard method != .connect else { throw .connectNotOffered }

        let query = queryMark < 0 ? nil : HeadRange(queryMark + 1..<target.upperBound)
        let pathEnd = queryMark < 0 ? target.upperBound : queryMark
        let first = base[targetStart]
        if first == UInt8(ascii: "/") || (first == UInt8(ascii: "*") && target.count == 1 && method == .options) {
            return RequestLine(
                method: method,
                target: HeadRange(target),
                path: HeadRange(targetStart..<pathEnd),
                query: query,
                authority: nil,
                minorVersion: minorVersion
            )
        }
        let (authority, path) = try absolute(base, targetStart..<pathEnd)
        return RequestLine(
            method: method,
            target: HeadRange(target),
            path: HeadRange(path),
            query: query,
            authority: HeadRange(authority),
            minorVersion: minorVersion
        )
    }

    /// Splits `http://authority/path` (RFC 9112, 3.2.2).
    private static func absolute(
        _ base: UnsafePointer<UInt8>,
        _ target: Range<Int>
    ) throws(WireError) -> (authority: Range<Int>, path: Range<Int>) {
        let bytes = UnsafeRawBufferPointer(start: base + target.lowerBound, count: target.count)
        let authorityStart: Int
        if bytes.count > 7, ByteClass.equalsIgnoringCase(UnsafeRawBufferPointer(rebasing: bytes[..<7]), "http://") {
            authorityStart = target.lowerBound + 7
        } else if bytes.count > 8,
            ByteClass.equalsIgnoringCase(UnsafeRawBufferPointer(rebasing: bytes[..<8]), "https://")
        {
            authorityStart = target.lowerBound + 8
        } else {
            throw .invalidTarget
        }
        var index = authorityStart
        while index < target.upperBound, ByteClass.isHost(base[index]) { index &+= 1 }
        guard index > authorityStart else { throw .invalidTarget }
        if index == target.upperBound {
            // No path means "/", and the scheme's last slash is one that can be pointed at.
            return (authorityStart..<index, authorityStart - 1..<authorityStart)
        }
        guard base[index] == UInt8(ascii: "/") else { throw .invalidTarget }
        return (authorityStart..<index, index..<target.upperBound)
    }

    /// Reads `HTTP/1.x` and the line's end.
    private static func version(
        _ base: UnsafePointer<UInt8>,
        to end: Int,
        position: inout Int
    ) throws(WireError) -> Int? {
        let start = position
        let expected: StaticString = "HTTP/"
        for offset in 0..<8 {
            guard start + offset < end else { return nil }
            let byte = base[start + offset]
            let isRight =
                switch offset {
                case 5, 7: byte &- 0x30 < 10
                case 6: byte == UInt8(ascii: ".")
                default: byte == expected.utf8Start[offset]
                }
            guard isRight else { throw .malformedVersion }
        }
        guard base[start + 5] == UInt8(ascii: "1") else { throw .versionNotSupported }
        guard start + 8 < end else { return nil }
        switch base[start + 8] {
        case ByteClass.carriageReturn: break
        case ByteClass.lineFeed: throw .bareLineFeed
        default: throw .malformedVersion
        }
        guard start + 9 < end else { return nil }
        guard base[start + 9] == ByteClass.lineFeed else { throw .bareCarriageReturn }
        position = start + 10
        return Int(base[start + 7] &- 0x30)
    }

    private static func methodError(_ base: UnsafePointer<UInt8>, at index: Int, start: Int) -> WireError {
        // A TLS record of a handshake begins with 22.
        if index == start, base[index] == 0x16 { return .tlsOnPlaintextPort }
        switch base[index] {
        case ByteClass.carriageReturn, ByteClass.lineFeed, ByteClass.space: return .malformedRequestLine
        default: return .malformedMethod
        }
    }

    private static func targetError(_ byte: UInt8, isEmpty: Bool) -> WireError {
        switch byte {
        case ByteClass.carriageReturn, ByteClass.lineFeed: .malformedRequestLine
        case ByteClass.space where isEmpty: .malformedRequestLine
        default: .invalidTarget
        }
    }
}
