package import NIOCore

extension FieldBlock {
    /// Reads the field lines of an upstream's answer as libcurl hands them over, with or without the empty line at the end.
    ///
    /// Lenient where RFC 9112 tells a proxy what to make of it: LF ends a line too, a folded line becomes one, white space
    /// before the colon goes, control characters become spaces. A line whose name is no token is left out, as nginx does.
    /// - Throws: `.missingColon`, `.malformedFieldName` (longer than 64 KiB): an answer not to be passed on.
    package init(parsing block: ByteBuffer) throws(WireError) {
        var buffer = block.slice()
        // Almost never needed, and a buffer that is shared would be copied for it.
        if Self.needsRepair(buffer) { Self.repair(&buffer) }
        var lines: [FieldLine] = []
        lines.reserveCapacity(16)
        var present: UInt128 = 0
        try buffer.withUnsafeReadableBytes { bytes throws(WireError) in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            var start = 0
            while start < bytes.count {
                var end = start
                while end < bytes.count, base[end] != ByteClass.lineFeed { end &+= 1 }
                let next = end + 1
                if end > start, end < bytes.count, base[end - 1] == ByteClass.carriageReturn { end &-= 1 }
                if end > start, let line = try Self.line(base, from: start, to: end) {
                    lines.append(line)
                    present |= Self.bit(of: line.field)
                }
                start = next
            }
        }
        self.init(buffer: buffer, lines: lines, present: present)
    }

    private static func line(
        _ base: UnsafePointer<UInt8>,
        from start: Int,
        to end: Int
    ) throws(WireError) -> FieldLine? {
        var nameEnd = start
        while nameEnd < end, ByteClass.isToken(base[nameEnd]) { nameEnd &+= 1 }
        var colon = nameEnd
        while colon < end, ByteClass.isBlank(base[colon]) { colon &+= 1 }
        guard colon < end, base[colon] == ByteClass.colon, nameEnd > start else {
            let rest = UnsafeBufferPointer(start: base + start, count: end - start)
            guard rest.contains(ByteClass.colon) else { throw .missingColon }
            return nil
        }
        guard nameEnd - start <= Int(UInt16.max) else { throw .malformedFieldName }
        var valueStart = colon + 1
        while valueStart < end, ByteClass.isBlank(base[valueStart]) { valueStart &+= 1 }
        var valueEnd = end
        while valueEnd > valueStart, ByteClass.isBlank(base[valueEnd - 1]) { valueEnd &-= 1 }
        let field = KnownFieldTable.shared.field(base + start, nameEnd - start)
        return FieldLine(
            nameOffset: UInt32(start),
            valueOffset: UInt32(valueStart),
            valueLength: UInt32(valueEnd - valueStart),
            nameLength: UInt16(nameEnd - start),
            field: field?.rawValue ?? FieldLine.unknown
        )
    }

    /// Whether there is a folded line, or a control character that does not end a line.
    private static func needsRepair(_ buffer: ByteBuffer) -> Bool {
        buffer.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return false }
            var index = 0
            while true {
                index = ByteClass.endOfValue(base, from: index, to: bytes.count)
                guard index < bytes.count else { return false }
                if base[index] == ByteClass.carriageReturn { index += 1 }
                guard index < bytes.count, base[index] == ByteClass.lineFeed else { return true }
                index += 1
                if index < bytes.count, ByteClass.isBlank(base[index]) { return true }
            }
        }
    }

    /// Puts spaces in place of what must not be passed on (RFC 9112, 5.2 and RFC 9110, 5.5).
    private static func repair(_ buffer: inout ByteBuffer) {
        buffer.withUnsafeMutableReadableBytes { bytes in
            for index in bytes.indices {
                let byte = bytes[index]
                let next = index + 1 < bytes.count ? bytes[index + 1] : nil
                let isKept: Bool
                switch byte {
                case ByteClass.lineFeed: isKept = !(next.map(ByteClass.isBlank) ?? false)
                case ByteClass.carriageReturn:
                    let afterNext = index + 2 < bytes.count ? bytes[index + 2] : nil
                    isKept = next == ByteClass.lineFeed && !(afterNext.map(ByteClass.isBlank) ?? false)
                case ByteClass.tab: isKept = true
                default: isKept = byte >= 0x20 && byte != 0x7F
                }
                if !isKept { bytes[index] = ByteClass.space }
            }
        }
    }
}
