/// Comma-separated lists (RFC 9110, 5.6.1).
enum TokenList {
    /// Calls the body with each element, without white space around it; empty elements are left out.
    static func forEachElement(of value: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        for part in value.split(separator: UInt8(ascii: ",")) {
            let start = part.firstIndex { !ByteClass.isBlank($0) }
            guard let start, let last = part.lastIndex(where: { !ByteClass.isBlank($0) }) else { continue }
            body(UnsafeRawBufferPointer(rebasing: part[start...last]))
        }
    }
}
