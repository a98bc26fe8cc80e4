package import NIOCore

/// Looks at a raw query without decoding what it does not need.
package enum QueryParameter {
    /// The decoded value of the first parameter of that name, whose name may itself be escaped.
    package static func value(of name: String, in query: ByteBufferView) -> String? {
        let buffer = ByteBuffer(query)
        let bytes = buffer.readableBytesUInt8Span
        var start = 0
        while start < bytes.count {
            let end = bytes.parameterEnd(from: start)
            if let valueStart = bytes.parameter(start..<end, isNamed: name) {
                return bytes.percentDecoded(valueStart..<end)
            }
            start = end + 1
        }
        return nil
    }

    /// The query without any parameter of that name; `nil`: there is none, the query is good as it is.
    ///
    /// What stays keeps its bytes and its order.
    package static func removing(_ name: String, from query: ByteBufferView) -> ByteBuffer? {
        let buffer = ByteBuffer(query)
        let bytes = buffer.readableBytesUInt8Span
        guard contains(name, in: bytes) else { return nil }
        var kept = ByteBufferAllocator().buffer(capacity: bytes.count)
        var start = 0
        while start < bytes.count {
            let end = bytes.parameterEnd(from: start)
            if bytes.parameter(start..<end, isNamed: name) == nil {
                if kept.readableBytes > 0 { kept.writeStaticString("&") }
                kept.writeImmutableBuffer(
                    buffer.getSlice(at: buffer.readerIndex + start, length: end - start) ?? .init()
                )
            }
            start = end + 1
        }
        return kept
    }

    private static func contains(_ name: String, in bytes: Span<UInt8>) -> Bool {
        var start = 0
        while start < bytes.count {
            let end = bytes.parameterEnd(from: start)
            if bytes.parameter(start..<end, isNamed: name) != nil { return true }
            start = end + 1
        }
        return false
    }
}

extension Span where Element == UInt8 {
    fileprivate func parameterEnd(from start: Int) -> Int {
        var end = start
        while end < count, self[end] != UInt8(ascii: "&") { end += 1 }
        return end
    }

    /// Where the value begins, if the parameter in `range` has that name: `name=value`, `name`, or either with escapes.
    fileprivate func parameter(_ range: Range<Int>, isNamed name: String) -> Int? {
        var nameEnd = range.lowerBound
        var isEscaped = false
        while nameEnd < range.upperBound, self[nameEnd] != UInt8(ascii: "=") {
            if self[nameEnd] == .percent { isEscaped = true }
            nameEnd += 1
        }
        let isNamed =
            isEscaped
            ? percentDecoded(range.lowerBound..<nameEnd) == name
            : nameEnd - range.lowerBound == name.utf8.count && has(name, at: range.lowerBound)
        return isNamed ? Swift.min(nameEnd + 1, range.upperBound) : nil
    }
}
