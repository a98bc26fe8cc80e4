package import NIOCore

/// Cuts a `text/event-stream` into the data of its events, over the borders of chunks (WHATWG HTML, 9.2).
///
/// Empty events, comments, and pairs of line ends sent as a sign of life give nothing. What is neither a field nor a
/// comment is kept: an error comes as bare JSON within Gemini's streams.
package struct EventStreamParser: Sendable {
    private static let maxLineBytes = 1 << 20
    private static let maxStrayBytes = 64 << 10

    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    private var endedWithCarriageReturn = false
    /// Lines that are no part of any event.
    package private(set) var stray: [UInt8] = []
    /// A line or an event was too long; nothing more is read.
    package private(set) var hasOverflown = false

    package init() {}

    /// - Returns: the data of each event that is complete.
    package mutating func feed(_ bytes: ByteBuffer) -> [ByteBuffer] {
        var events: [ByteBuffer] = []
        for byte in bytes.readableBytesView {
            if endedWithCarriageReturn {
                endedWithCarriageReturn = false
                if byte == UInt8(ascii: "\n") { continue }
            }
            switch byte {
            case UInt8(ascii: "\n"):
                endLine(&events)
            case UInt8(ascii: "\r"):
                endedWithCarriageReturn = true
                endLine(&events)
            default:
                line.append(byte)
                guard line.count + data.count <= Self.maxLineBytes else {
                    hasOverflown = true
                    return events
                }
            }
        }
        return events
    }

    /// The stream ended: a last event without a blank line after it counts, as some servers end so.
    package mutating func finish() -> ByteBuffer? {
        var events: [ByteBuffer] = []
        if !line.isEmpty { endLine(&events) }
        endLine(&events)
        return events.last
    }

    private mutating func endLine(_ events: inout [ByteBuffer]) {
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else {
            if hasData && !data.isEmpty { events.append(ByteBuffer(bytes: data)) }
            data.removeAll(keepingCapacity: true)
            hasData = false
            return
        }
        if line[0] == UInt8(ascii: ":") { return }
        let name = line.prefix { $0 != UInt8(ascii: ":") }
        guard ["data", "event", "id", "retry"].contains(String(decoding: name, as: UTF8.self)) else {
            guard stray.count + line.count <= Self.maxStrayBytes else { return }
            stray.append(contentsOf: line)
            stray.append(UInt8(ascii: "\n"))
            return
        }
        guard name.elementsEqual("data".utf8) else { return }
        var value = line.dropFirst(name.count + 1)
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        if hasData { data.append(UInt8(ascii: "\n")) }
        data.append(contentsOf: value)
        hasData = true
    }
}
