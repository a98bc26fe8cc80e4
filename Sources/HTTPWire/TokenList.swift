/// Comma-separated lists (RFC 9110, 5.6.1).
enum TokenList {
    /// Calls the body with each element, without white space around it; empty elements are left out.
    static func forEachElement(of value: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        var index = 0
        while index < value.count {
            var start = index
            while index < value.count, value[index] != UInt8(ascii: ",") { index += 1 }
            var end = index
            index += 1
            while start < end, ByteClass.isBlank(value[start]) { start += 1 }
            while end > start, ByteClass.isBlank(value[end - 1]) { end -= 1 }
            if end > start { body(UnsafeRawBufferPointer(rebasing: value[start..<end])) }
        }
    }
}
