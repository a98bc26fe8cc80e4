internal import CCurl
internal import Glibc
internal import NIOCore

/// The header list of one transfer as curl wants it, in one piece of memory that the next transfer uses again.
///
/// A hand-linked `curl_slist`: nodes in front, texts behind, so no allocation a field.
struct FieldArena: ~Copyable {
    /// A field that curl adds unless the list names it; `Name:` in the list keeps it out.
    private struct Suppression {
        let line: StaticString
        let length: Int
    }
    private static let accept = Suppression(line: "Accept:", length: 6)
    private static let contentType = Suppression(line: "Content-Type:", length: 12)
    private static let expect = Suppression(line: "Expect:", length: 6)
    /// Said by the client itself.
    private static let framing = [
        Suppression(line: "Content-Length:", length: 14), Suppression(line: "Transfer-Encoding:", length: 17), expect,
    ]
    /// An arena beyond it is given back after the transfer.
    private static let keptCapacity = 32 * 1024

    private var memory: UnsafeMutableRawBufferPointer

    init() {
        memory = .allocate(byteCount: 2048, alignment: MemoryLayout<curl_slist>.alignment)
    }

    deinit {
        memory.deallocate()
    }

    /// Builds the list; it stands until the next call of `build` or `trim`.
    /// - Parameters:
    ///   - isPost: curl would add its `Content-Type`.
    ///   - mayExpect: curl would wait for an interim answer: with a body above 1 MiB or of unknown length. Each line left
    ///     out saves a dozen comparisons, as curl searches the list for each field that it might add.
    /// - Throws: `.invalidRequest`: a line without end or colon, a name that is no token, CR, LF or NUL inside a line.
    mutating func build(
        _ fields: ByteBuffer,
        isPost: Bool,
        mayExpect: Bool
    ) throws(TransferError) -> UnsafeMutablePointer<curl_slist>? {
        let size = fields.readableBytes
        let lines = fields.readableBytesView.count { $0 == UInt8(ascii: "\n") }
        let nodeBytes = (lines + 3) * MemoryLayout<curl_slist>.stride
        reserve(nodeBytes + size)
        let nodes = memory.baseAddress!.bindMemory(to: curl_slist.self, capacity: lines + 3)
        let texts = memory.baseAddress! + nodeBytes
        fields.withUnsafeReadableBytes { source in
            if let base = source.baseAddress, size > 0 { texts.copyMemory(from: base, byteCount: size) }
        }
        var count = 0
        var hasAccept = false
        var hasContentType = false
        var start = 0
        while start < size {
            let line = texts + start
            guard let end = memchr(line, 0x0A, size - start) else {
                throw .invalidRequest("a field line without its end")
            }
            let length = end - line
            start += length + 1
            let nameLength = try Self.terminate(line, length: length)
            if Self.framing.contains(where: { Self.matches(line, nameLength, $0) }) { continue }
            hasAccept = hasAccept || Self.matches(line, nameLength, Self.accept)
            hasContentType = hasContentType || Self.matches(line, nameLength, Self.contentType)
            nodes[count] = curl_slist(data: line.assumingMemoryBound(to: CChar.self), next: nodes + count + 1)
            count += 1
        }
        if !hasAccept { Self.append(Self.accept, to: nodes, &count) }
        if isPost, !hasContentType { Self.append(Self.contentType, to: nodes, &count) }
        if mayExpect { Self.append(Self.expect, to: nodes, &count) }
        guard count > 0 else { return nil }
        nodes[count - 1].next = nil
        return nodes
    }

    /// Gives unusually much memory back. The list is gone.
    mutating func trim() {
        guard memory.count > Self.keptCapacity else { return }
        memory.deallocate()
        memory = .allocate(byteCount: 2048, alignment: MemoryLayout<curl_slist>.alignment)
    }

    private mutating func reserve(_ size: Int) {
        guard size > memory.count else { return }
        memory.deallocate()
        memory = .allocate(byteCount: max(size, memory.count * 2), alignment: MemoryLayout<curl_slist>.alignment)
    }

    /// Checks one line and turns it into the C string that curl wants: `Name: value`, or `Name;` without a value.
    /// - Parameter length: with the CR, without the LF.
    /// - Returns: the length of the name.
    private static func terminate(_ line: UnsafeMutableRawPointer, length: Int) throws(TransferError) -> Int {
        let bytes = line.assumingMemoryBound(to: UInt8.self)
        guard length > 0, bytes[length - 1] == 0x0D else { throw .invalidRequest("LF without CR in a field line") }
        let end = length - 1
        guard memchr(line, 0x0D, end) == nil, memchr(line, 0, end) == nil else {
            throw .invalidRequest("CR or NUL in a field line")
        }
        var name = 0
        while name < end, isTokenByte(bytes[name]) { name += 1 }
        guard name > 0, name < end, bytes[name] == UInt8(ascii: ":") else {
            throw .invalidRequest("a field line without a valid name")
        }
        var value = name + 1
        while value < end, bytes[value] == 0x20 || bytes[value] == 0x09 { value += 1 }
        if value == end {
            bytes[name] = UInt8(ascii: ";")
            bytes[name + 1] = 0
        } else {
            bytes[end] = 0
        }
        return name
    }

    private static func matches(_ line: UnsafeMutableRawPointer, _ length: Int, _ field: Suppression) -> Bool {
        guard length == field.length else { return false }
        return strncasecmp(line.assumingMemoryBound(to: CChar.self), field.line.cString, length) == 0
    }

    private static func append(
        _ field: Suppression,
        to nodes: UnsafeMutablePointer<curl_slist>,
        _ count: inout Int
    ) {
        // curl reads the list only.
        nodes[count] = curl_slist(data: UnsafeMutablePointer(mutating: field.line.cString), next: nodes + count + 1)
        count += 1
    }
}

/// RFC 9110, 5.6.2.
func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
        UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
        UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "^"), UInt8(ascii: "`"),
        UInt8(ascii: "|"), UInt8(ascii: "~"):
        true
    default: false
    }
}

extension StaticString {
    /// A static string's bytes end with NUL and live as long as the process.
    fileprivate var cString: UnsafePointer<CChar> {
        UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
