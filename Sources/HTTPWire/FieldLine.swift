/// Where one field lies in its block: offsets and lengths in bytes from the block's first.
struct FieldLine {
    static let unknown = UInt8.max

    var nameOffset: UInt32
    var valueOffset: UInt32
    var valueLength: UInt32
    var nameLength: UInt16
    /// The raw value of a `KnownField`, or `unknown`.
    var field: UInt8

    /// The whole line, where it stands in the very form in which it would be written: `name: value` CRLF.
    @inline(__always)
    func wireRange(in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        let colon = Int(nameOffset) + Int(nameLength)
        let end = Int(valueOffset) + Int(valueLength)
        guard Int(valueOffset) == colon + 2, end + 2 <= bytes.count,
            bytes[colon] == ByteClass.colon, bytes[colon + 1] == ByteClass.space,
            bytes[end] == ByteClass.carriageReturn, bytes[end + 1] == ByteClass.lineFeed
        else { return nil }
        return Int(nameOffset)..<end + 2
    }
}

/// Reads field lines with the whole strictness of RFC 9112, 5: whatever two readers might take differently is refused.
struct FieldLineReader {
    enum Outcome {
        case line(FieldLine)
        /// The empty line after the fields; the position is behind it.
        case end
        /// The bytes end before the line does; the position is still at its beginning.
        case incomplete
    }

    private let base: UnsafePointer<UInt8>
    private let end: Int
    private let table = KnownFieldTable.shared
    private(set) var position: Int

    init(base: UnsafePointer<UInt8>, end: Int, position: Int) {
        self.base = base
        self.end = end
        self.position = position
    }

    mutating func next() throws(WireError) -> Outcome {
        guard position < end else { return .incomplete }
        var index = position
        while index < end, table.isToken[Int(base[index])] { index &+= 1 }
        guard index < end else { return .incomplete }
        guard base[index] == ByteClass.colon, index > position else { return try withoutName(endingAt: index) }
        let nameLength = index - position
        guard nameLength <= Int(UInt16.max) else { throw .malformedFieldName }

        index &+= 1
        while index < end, ByteClass.isBlank(base[index]) { index &+= 1 }
        let valueStart = index
        index = ByteClass.endOfValue(base, from: index, to: end)
        guard index < end else { return .incomplete }
        var valueEnd = index
        if index &+ 1 >= end || base[index] != ByteClass.carriageReturn || base[index &+ 1] != ByteClass.lineFeed {
            guard try isLineEnd(at: index) else { return .incomplete }
        }
        while valueEnd > valueStart, ByteClass.isBlank(base[valueEnd &- 1]) { valueEnd &-= 1 }

        let field = table.field(base + position, nameLength)
        let line = FieldLine(
            nameOffset: UInt32(truncatingIfNeeded: position),
            valueOffset: UInt32(truncatingIfNeeded: valueStart),
            valueLength: UInt32(truncatingIfNeeded: valueEnd &- valueStart),
            nameLength: UInt16(truncatingIfNeeded: nameLength),
            field: field?.rawValue ?? FieldLine.unknown
        )
        position = index &+ 2
        return .line(line)
    }

    /// - Returns: false where the LF may still come.
    private func isLineEnd(at index: Int) throws(WireError) -> Bool {
        switch base[index] {
        case ByteClass.carriageReturn:
            guard index &+ 1 < end else { return false }
            guard base[index &+ 1] == ByteClass.lineFeed else { throw .bareCarriageReturn }
            return true
        case ByteClass.lineFeed: throw .bareLineFeed
        default: throw .controlInFieldValue
        }
    }

    /// The line does not begin with a name and a colon: the empty line, or an error.
    private mutating func withoutName(endingAt index: Int) throws(WireError) -> Outcome {
        let byte = base[index]
        guard index == position else {
            switch byte {
            case ByteClass.space, ByteClass.tab: throw .spaceBeforeColon
            case ByteClass.carriageReturn, ByteClass.lineFeed: throw .missingColon
            default: throw .malformedFieldName
            }
        }
        switch byte {
        case ByteClass.carriageReturn, ByteClass.lineFeed:
            guard try isLineEnd(at: index) else { return .incomplete }
            position = index + 2
            return .end
        case ByteClass.space, ByteClass.tab: throw .foldedField
        default: throw .malformedFieldName
        }
    }
}
