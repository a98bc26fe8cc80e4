internal import CCurl
internal import Glibc
internal import NIOCore

/// The header list of one transfer as curl wants it, in one piece of memory that the next transfer uses again.
///
/// All fields are ONE entry of a hand-linked `curl_slist`, their lines still joined by CRLF: curl copies an entry as it
/// is, and searches the list for each of a dozen fields that it might add itself, so that an entry a field costs 5,000
/// instructions more. What curl must see or leave out has entries of its own, in front.
struct FieldArena: ~Copyable {
    /// A field that curl adds unless the list names it; `Name:` in the list keeps it out.
    private struct Suppression {
        let line: StaticString
        let length: Int
    }
    private static let accept = Suppression(line: "Accept:", length: 6)
    private static let contentType = Suppression(line: "Content-Type:", length: 12)
    private static let expect = Suppression(line: "Expect:", length: 6)
    private static let host = Suppression(line: "Host:", length: 4)
    /// Said by the client itself.
    private static let contentLength = Suppression(line: "Content-Length:", length: 14)
    private static let transferEncoding = Suppression(line: "Transfer-Encoding:", length: 17)
    /// Host, Accept, Content-Type, Expect and all the rest.
    private static let nodeBytes = 5 * MemoryLayout<curl_slist>.stride
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
    ///   - mayExpect: curl would wait for an interim answer: with a body above 1 MiB or of unknown length.
    /// - Throws: `.invalidRequest`: a line without end or colon, a name that is no token, CR, LF or NUL inside a line.
    mutating func build(
        _ fields: ByteBuffer,
        isPost: Bool,
        mayExpect: Bool
    ) throws(TransferError) -> UnsafeMutablePointer<curl_slist>? {
        let size = fields.readableBytes
        // Behind the lines one more may stand, the Host line.
        reserve(Self.nodeBytes + 2 * size + 2)
        let nodes = memory.baseAddress!.bindMemory(to: curl_slist.self, capacity: 5)
        let texts = (memory.baseAddress! + Self.nodeBytes).bindMemory(to: UInt8.self, capacity: 2 * size + 2)
        fields.withUnsafeReadableBytes { source in
            guard let base = source.baseAddress, size > 0 else { return }
            UnsafeMutableRawPointer(texts).copyMemory(from: base, byteCount: size)
        }
        guard memchr(texts, 0, size) == nil else { throw .invalidRequest("NUL in a field line") }
        var count = 0
        var kept = Kept()
        var start = 0
        while start < size {
            let line = texts + start
            guard let end = memchr(line, 0x0A, size - start) else {
                throw .invalidRequest("a field line without its end")
            }
            let length = UnsafeMutableRawPointer(line).distance(to: end) + 1
            start += length
            let nameLength = try Self.checkedName(line, length: length)
            switch nameLength {
            case 14 where Self.matches(line, Self.contentLength), 17 where Self.matches(line, Self.transferEncoding),
                6 where Self.matches(line, Self.expect):
                continue
            case 4 where Self.matches(line, Self.host):
                guard count == 0 else { continue }
                let copy = texts + size + 1
                copy.update(from: line, count: length)
                Self.append(copy, length: length, nameLength: nameLength, to: nodes, &count)
            default:
                if texts + kept.bytes != line { (texts + kept.bytes).update(from: line, count: length) }
                kept.add(length, nameLength)
            }
        }
        Self.append(Self.accept, to: nodes, &count)
        if isPost { Self.append(Self.contentType, to: nodes, &count) }
        if mayExpect { Self.append(Self.expect, to: nodes, &count) }
        if kept.bytes > 0 {
            let nameLength = kept.lines == 1 ? kept.nameLength : nil
            Self.append(texts, length: kept.bytes, nameLength: nameLength, to: nodes, &count)
        }
        nodes[count - 1].next = nil
        return nodes
    }

    /// The lines that are one entry.
    private struct Kept {
        var bytes = 0
        var lines = 0
        /// Of the last one.
        var nameLength = 0

        mutating func add(_ length: Int, _ nameLength: Int) {
            bytes += length
            lines += 1
            self.nameLength = nameLength
        }
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

    /// Checks one line.
    /// - Parameter length: with its CRLF.
    /// - Returns: the length of the name.
    private static func checkedName(_ line: UnsafePointer<UInt8>, length: Int) throws(TransferError) -> Int {
        let end = length - 2
        guard end >= 0, line[end] == 0x0D else { throw .invalidRequest("LF without CR in a field line") }
        var name = 0
        while name < end, isTokenByte(line[name]) { name += 1 }
        guard name > 0, name < end, line[name] == UInt8(ascii: ":") else {
            throw .invalidRequest("a field line without a valid name")
        }
        guard memchr(line + name, 0x0D, end - name) == nil else { throw .invalidRequest("CR in a field line") }
        return name
    }

    /// - Parameter line: begins with a name of the field's length.
    private static func matches(_ line: UnsafePointer<UInt8>, _ field: Suppression) -> Bool {
        strncasecmp(UnsafeRawPointer(line).assumingMemoryBound(to: CChar.self), field.line.cString, field.length) == 0
    }

    /// Appends one line or several as one C string.
    /// - Parameters:
    ///   - length: with the last CRLF.
    ///   - nameLength: of a line that stands alone: where it has no value curl wants `Name;`, as `Name:` keeps one out.
    private static func append(
        _ lines: UnsafeMutablePointer<UInt8>,
        length: Int,
        nameLength: Int?,
        to nodes: UnsafeMutablePointer<curl_slist>,
        _ count: inout Int
    ) {
        let end = length - 2
        lines[end] = 0
        if let nameLength {
            var value = nameLength + 1
            while value < end, lines[value] == 0x20 || lines[value] == 0x09 { value += 1 }
            if value == end {
                lines[nameLength] = UInt8(ascii: ";")
                lines[nameLength + 1] = 0
            }
        }
        let text = UnsafeMutableRawPointer(lines).assumingMemoryBound(to: CChar.self)
        nodes[count] = curl_slist(data: text, next: nodes + count + 1)
        count += 1
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
